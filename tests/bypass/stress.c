// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many TCP connections at once between two processes, every byte of which is checked. What it
 * prints depends on the seed and not on the timing: with the bypass and without it, it is the same.
 *
 * Each connection follows a plan: so many bytes in each direction, sent and read in pieces and with
 * pauses, in one of several ways; then how it ends. A thread at each end does the writing, another
 * one the reading. The process that starts the two others looks on, and tells if they get stuck.
 *
 * All bytes come from one table of random bytes. A direction is a window that moves over it from a
 * place of its own, so that bytes that are wrong tell where they come from.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

struct options options = { .connections = 1000, .seed = 1, .bytes = 512 << 20, .seconds = 30 };
struct shared *shared;

const char *const family_names[] = { "IPv4", "IPv6", "IPv4 to IPv6" };
const char *const side_names[] = { "client", "server" };

/* One line, in one piece. */
void complain(const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "stress: %s\n", text);
	shared->wrong++;
}

void die(const char *what)
{
	complain("%s: %s", what, strerror(errno));
	_exit(1);
}

static void make_shared(void)
{
	pthread_barrierattr_t between_processes;
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("stress: mmap");
		exit(1);
	}
	pthread_barrierattr_init(&between_processes);
	pthread_barrierattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->all_connected, &between_processes,
			     SIDES * (unsigned)options.connections);
	for (i = 0; i < SIDES * options.connections; i++)
		sem_init(&shared->to[i / SIDES][i % SIDES].all_arrived, 1, 0);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address loopback(int domain, in_port_t port)
{
	union address address = { .any.sa_family = (sa_family_t)domain };

	if (domain == AF_INET) {
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.v4.sin_port = port;
	} else {
		address.v6.sin6_addr = in6addr_loopback;
		address.v6.sin6_port = port;
	}
	return address;
}

/* IPv4 to IPv6: to all addresses, IPv4's as well. Sets the port, in network byte order. */
static int listen_for(enum family family, in_port_t *port)
{
	union address address = loopback(family == IPV4 ? AF_INET : AF_INET6, 0);
	socklen_t size = sizeof(address);
	int fd = socket(address.any.sa_family, SOCK_STREAM, 0);

	if (family == MAPPED)
		address.v6.sin6_addr = in6addr_any;
	if (fd < 0 || bind(fd, &address.any, size) || listen(fd, options.connections) ||
	    getsockname(fd, &address.any, &size))
		die("listen");
	*port = family == IPV4 ? address.v4.sin_port : address.v6.sin6_port;
	return fd;
}

/* Tells the server, by way of the port, which connection it is. */
static int connect_to(enum family family, in_port_t port, int number)
{
	int domain = family == IPV6 ? AF_INET6 : AF_INET;
	union address from = loopback(domain, 0);
	union address to = loopback(domain, port);
	socklen_t size = sizeof(from);
	int fd = socket(domain, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, &from.any, size) || getsockname(fd, &from.any, &size))
		die("bind");
	shared->number_of[family == IPV6][ntohs(from.v4.sin_port)] = (uint16_t)number;
	if (connect(fd, &to.any, sizeof(to)))
		die("connect");
	return fd;
}

static int accept_from(int listener, enum family family, int *number)
{
	union address from;
	socklen_t size = sizeof(from);
	int fd = accept(listener, &from.any, &size);

	if (fd < 0)
		die("accept");
	*number = shared->number_of[family == IPV6][ntohs(from.v4.sin_port)];
	return fd;
}

static void ignore(int signal)
{
	(void)signal;
}

/* System calls go on after such a signal, or tell how far they got; none fails. */
static void start_signals(void)
{
	const struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	const struct itimerval interval = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static void run_side(enum side side, const int *listeners, const in_port_t *ports)
{
	struct endpoint *ends = calloc((size_t)options.connections, sizeof(*ends));
	int i, fd, number;

	if (!ends)
		die("calloc");
	if (options.signals)
		start_signals();
	for (i = 0; i < options.connections; i++) {
		enum family family = plans[i].family;

		number = i;
		fd = side == SERVER ? accept_from(listeners[family], family, &number)
				    : connect_to(family, ports[family], number);
		start(&ends[i], fd, number, side);
	}
	for (i = 0; i < options.connections; i++)
		pthread_join(ends[i].writer, NULL);
	_exit(0);
}

static const char *const writing_names[] = { "send", "sendmsg", "sendfile", "poll and send" };
static const char *const reading_names[] = { "recv", "recv and MSG_WAITALL", "recv and MSG_PEEK",
					     "poll and recv" };

static void complain_of_stuck(void)
{
	int i, left = 20;

	for (i = 0; i < SIDES * options.connections; i++) {
		const struct progress *progress = &shared->to[i / SIDES][i % SIDES];
		const struct plan *plan = &plans[i / SIDES];

		if (progress->end != NO_END || --left < 0)
			continue;
		complain("stuck after %d s: connection %d (%s%s), to %s: %zu of %zu bytes sent, "
			 "with %s; %zu arrived, with %s",
			 options.seconds, i / SIDES, family_names[plan->family],
			 plan->small_buffer ? ", small buffer" : "", side_names[i % SIDES],
			 progress->sent, plan->to[i % SIDES].bytes,
			 writing_names[plan->to[i % SIDES].writing], progress->arrived,
			 reading_names[plan->to[i % SIDES].reading]);
	}
	if (left < 0)
		complain("and %d more", -left);
	if (left == 20)
		complain("stuck after %d s, with all bytes read", options.seconds);
}

/* Waits for both, and ends one that gets stuck, or whose peer has failed: then false. */
static bool look_on(const pid_t *processes)
{
	struct timespec limit = { .tv_sec = options.seconds };
	sigset_t signals;
	int side, status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (side = 0; side < SIDES; side++) {
		/* One signal may stand for two processes. */
		pid_t ended = waitpid(-1, &status, WNOHANG);

		while (!ended && sigtimedwait(&signals, NULL, &limit) == SIGCHLD)
			ended = waitpid(-1, &status, WNOHANG);
		if (!ended)
			complain_of_stuck();
		else if (status)
			shared->wrong++;
		else
			continue;
		kill(processes[CLIENT], SIGKILL);
		kill(processes[SERVER], SIGKILL);
		return false;
	}
	return true;
}

/* Did the direction end as planned? */
static void judge(int number, enum side to)
{
	const struct plan *plan = &plans[number];
	const struct progress *progress = &shared->to[number][to];
	bool reset = plan->ending == RESET_AT_END || plan->ending == RESET_AMID;
	enum end planned = !reset ? ENDED : plan->first == to ? STOPPED : RESET;
	size_t bytes = planned == STOPPED ? plan->to[to].stop : plan->to[to].bytes;
	static const char *const names[] = { "not at all", "with EOF", "with ECONNRESET",
					     "as planned", "with an error" };

	if (progress->end != planned)
		complain("connection %d (%s), to %s: ends %s, was to end %s", number,
			 family_names[plan->family], side_names[to], names[progress->end],
			 names[planned]);
	if (progress->arrived != bytes && !(planned == RESET && plan->ending == RESET_AMID))
		complain("connection %d (%s), to %s: %zu of %zu bytes arrived", number,
			 family_names[plan->family], side_names[to], progress->arrived, bytes);
}

static void print_direction(int number, enum side to)
{
	static const char *const ends[] = { "nothing", "EOF", "ECONNRESET", "no more read",
					    "an error" };
	const struct progress *progress = &shared->to[number][to];

	printf("%4d %-12s to %s: ", number, family_names[plans[number].family], side_names[to]);
	if (plans[number].ending == RESET_AMID && plans[number].first != to)
		printf("a correct beginning");
	else
		printf("%7zu bytes, checksum %016jx", progress->arrived,
		       (uintmax_t)progress->checksum);
	printf(", %s\n", ends[progress->end]);
}

static uint64_t number_from(const char *text, uint64_t most, struct argp_state *state)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || !*text || *text == '-' || !value || value > most)
		argp_error(state, "'%s' is not a number from 1 to %ju", text, (uintmax_t)most);
	return value;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'c':
		options.connections = (int)number_from(text, MOST_CONNECTIONS, state);
		return 0;
	case 'r':
		options.seed = number_from(text, UINT64_MAX, state);
		return 0;
	case 'b':
		options.bytes = number_from(text, 1UL << 40, state);
		return 0;
	case 's':
		options.seconds = (int)number_from(text, 3600, state);
		return 0;
	case 'i':
		options.signals = true;
		return 0;
	case 't':
		options.strict = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "connections", 'c', "N", 0, "how many at once (1000)", 0 },
	{ "seed", 'r', "N", 0, "the same number makes the same plan (1)", 0 },
	{ "bytes", 'b', "N", 0, "about how many bytes are sent in all (536870912)", 0 },
	{ "seconds", 's', "N", 0, "after which what is not done is stuck (30)", 0 },
	{ "signals", 'i', NULL, 0, "interrupt readers with signals, too", 0 },
	{ "strict", 't', NULL, 0, "a recv() that is to wait must not fail with EAGAIN", 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Sends bytes both ways over many TCP connections at once, and checks each of them.\v"
	       "The output does not depend on the timing. Exit status: 0 if all is right, else 1."
};

/* Each process has a socket for each connection. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	int listeners[FAMILIES], i;
	in_port_t ports[FAMILIES];
	pid_t processes[SIDES];
	sigset_t signals;
	bool is_over;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	make_shared();
	make_table();
	make_plans();
	raise_file_limit();
	for (i = 0; i < FAMILIES; i++)
		listeners[i] = listen_for((enum family)i, &ports[i]);

	signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGALRM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (i = 0; i < SIDES; i++) {
		processes[i] = fork();
		if (processes[i] < 0)
			die("fork");
		if (!processes[i])
			run_side((enum side)i, listeners, ports);
	}
	is_over = look_on(processes);
	for (i = 0; i < SIDES * options.connections; i++) {
		if (is_over)
			judge(i / SIDES, (enum side)(i % SIDES));
		print_direction(i / SIDES, (enum side)(i % SIDES));
	}
	if (shared->failed_waits)
		fprintf(stderr,
			"stress: note: %d times, recv() failed with EAGAIN instead of waiting\n",
			shared->failed_waits);
	return shared->wrong ? 1 : 0;
}
