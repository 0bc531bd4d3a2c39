// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two local processes that talk over TCP loopback or over a stream socket of AF_UNIX, and what that
 * costs, as one JSON object. Its process does the measuring, the other one is its child:
 *
 *   stream      the child sends, this one receives, up to 256 KiB by each call. Both do so for a
 *               while before it counts, at the receiver, what arrives in the SECONDS.
 *   round-trip  this one sends a message, and the child sends it back whole, on each connection in
 *               turn. (bytes_per_s counts both directions.)
 *   connect     this one connects and closes, the child accepts and closes when it is told the end.
 *               With -b each sends the other one byte in between.
 *
 * CPU time is that of both processes, user and system, between the same two moments as the rest.
 * On loopback that is nearly all: the kernel handles a segment in the softirq that its sender
 * raises, in the sender's time. It lacks what timers and ksoftirqd do, and the way out of an idle
 * CPU. On a kernel with CONFIG_IRQ_TIME_ACCOUNTING it lacks the softirq, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE	(256 * 1024)
#define CONNECTIONS_MAX 1000
#define NS_PER_S	1000000000ll
#define SAMPLES_MAX	(1 << 22)
#define EVENTS		64
#define LOCAL_ADDRESSES 250

struct options {
	const char *mode;
	size_t size;
	int connections;
	bool is_unix, nodelay, byte;
	const char *congestion_control;
	double seconds, warm_up;
	int count;
	int cpus[2]; /* of the process that measures and of its child; -1: any */
};

static struct options options = {
	.size = 64, .connections = 1, .seconds = 1, .warm_up = 0.2, .cpus = { -1, -1 }
};

static union {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_un local;
} address;
static socklen_t address_size;

static char buffer[BUFFER_SIZE];

static void die(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void check(bool good, const char *what)
{
	if (!good)
		die(what);
}

static void stalled(int signal)
{
	static const char text[] = "talk: nothing arrives any more\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(3);
	_exit(2);
}

/* ---- time ----------------------------------------------------------------------------------- */

static pid_t child;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* What getrusage() would say of both, had it another process's: user and system time. */
static int64_t cpu_ns(void)
{
	clockid_t clock;

	errno = clock_getcpuclockid(child, &clock);
	check(!errno, "the child's CPU time");
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + clock_ns(clock);
}

struct span {
	int64_t ns, cpu_ns;
};

static void begin(struct span *span)
{
	span->ns = now_ns();
	span->cpu_ns = cpu_ns();
}

static void end(struct span *span)
{
	span->ns = now_ns() - span->ns;
	span->cpu_ns = cpu_ns() - span->cpu_ns;
}

static double per_s(const struct span *span, double n)
{
	return n * NS_PER_S / span->ns;
}

static void print_head(void)
{
	printf("{\"mode\": \"%s\", \"family\": \"%s\", \"nodelay\": %s, \"size\": %zu, "
	       "\"connections\": %d, ",
	       options.mode, options.is_unix ? "unix" : "tcp", options.nodelay ? "true" : "false",
	       options.size, options.connections);
}

static void print_traffic(const struct span *span, double bytes)
{
	print_head();
	printf("\"seconds\": %.4f, \"messages_per_s\": %.0f, \"bytes_per_s\": %.0f, "
	       "\"cpu_s_per_gb\": %.4f",
	       (double)span->ns / NS_PER_S, per_s(span, bytes / options.size), per_s(span, bytes),
	       span->cpu_ns / bytes);
}

/* ---- sockets -------------------------------------------------------------------------------- */

static int new_socket(void)
{
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = options.congestion_control;

	check(fd >= 0, "socket");
	if (name)
		check(!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)), name);
	return fd;
}

static void set_nodelay(int fd)
{
	const int one = 1;

	if (options.nodelay)
		check(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
}

static int new_listener(void)
{
	int fd;

	if (options.is_unix) {
		address.local.sun_family = AF_UNIX;
		address_size = sizeof(sa_family_t); /* the kernel chooses an abstract name */
	} else {
		address.ipv4.sin_family = AF_INET;
		address.ipv4.sin_addr.s_addr = htonl(INADDR_ANY);
		address_size = sizeof(address.ipv4);
	}
	fd = new_socket();
	check(!bind(fd, &address.any, address_size), "bind");
	check(!listen(fd, SOMAXCONN), "listen");
	address_size = sizeof(address);
	check(!getsockname(fd, &address.any, &address_size), "getsockname");
	return fd;
}

/*
 * To one loopback address after the other: what remains of a closed connection in TIME-WAIT keeps
 * its port for a minute, but to that address alone.
 */
static int connect_one(void)
{
	static unsigned int number;
	int fd = new_socket();

	if (!options.is_unix)
		address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number++ % LOCAL_ADDRESSES);
	check(!connect(fd, &address.any, address_size), "connect");
	set_nodelay(fd);
	return fd;
}

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	check(fd >= 0, "accept");
	set_nodelay(fd);
	return fd;
}

static int fds[CONNECTIONS_MAX];

static void connect_all(void)
{
	for (int i = 0; i < options.connections; i++)
		fds[i] = connect_one();
}

static void accept_all(int listener)
{
	for (int i = 0; i < options.connections; i++)
		fds[i] = accept_one(listener);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void send_message(int fd, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t n = send(fd, buffer, size - sent, MSG_NOSIGNAL);

		check(n > 0, "send");
		sent += n;
	}
}

/* False: the other end has closed, before the first byte. */
static bool receive_message(int fd, size_t size)
{
	for (size_t received = 0; received < size;) {
		ssize_t n = recv(fd, buffer, size - received, 0);

		check(n >= 0, "recv");
		if (n == 0 && received == 0)
			return false;
		check(n > 0, "half a message");
		received += n;
	}
	return true;
}

static int new_epoll(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	check(epoll >= 0, "epoll_create1");
	for (int i = 0; i < options.connections; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fds[i] };

		check(!epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), "epoll_ctl");
	}
	return epoll;
}

/* The next connection to read from; of one alone it doesn't ask. */
static int next_readable(void)
{
	static struct epoll_event events[EVENTS];
	static int epoll = -1, n;

	if (options.connections == 1)
		return fds[0];
	if (epoll < 0)
		epoll = new_epoll();
	if (!n)
		n = epoll_wait(epoll, events, EVENTS, -1);
	check(n > 0, "epoll_wait");
	return events[--n].data.fd;
}

/* ---- stream --------------------------------------------------------------------------------- */

static void send_stream(int listener)
{
	(void)listener;
	connect_all();
	for (int i = 0;; i = (i + 1) % options.connections)
		send_message(fds[i], options.size);
}

/* Until a moment. Returns how many bytes that were. */
static int64_t receive_until(int64_t deadline_ns)
{
	int64_t bytes = 0;

	do {
		ssize_t n = recv(next_readable(), buffer, sizeof(buffer), 0);

		check(n > 0, "recv");
		bytes += n;
	} while (now_ns() < deadline_ns);
	return bytes;
}

static void receive_stream(int listener)
{
	struct span span;
	int64_t bytes;

	accept_all(listener);
	receive_until(now_ns() + options.warm_up * NS_PER_S);
	begin(&span);
	bytes = receive_until(span.ns + options.seconds * NS_PER_S);
	end(&span);
	print_traffic(&span, bytes);
	printf("}\n");
}

/* ---- round-trip ----------------------------------------------------------------------------- */

static void echo(int listener)
{
	accept_all(listener);
	for (;;) {
		int fd = next_readable();

		check(receive_message(fd, options.size), "the end");
		send_message(fd, options.size);
	}
}

static uint32_t samples[SAMPLES_MAX];

/* Until a moment. Returns how many trips that were. */
static int trips_until(int64_t deadline_ns)
{
	int64_t last = now_ns(), now;
	int n = 0;

	do {
		int fd = fds[n % options.connections];

		send_message(fd, options.size);
		check(receive_message(fd, options.size), "the end");
		now = now_ns();
		samples[n++] = now - last;
		last = now;
	} while (now < deadline_ns && n < SAMPLES_MAX);
	return n;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static void round_trips(int listener)
{
	struct span span;
	int n;

	(void)listener;
	connect_all();
	trips_until(now_ns() + options.warm_up * NS_PER_S);
	begin(&span);
	n = trips_until(span.ns + options.seconds * NS_PER_S);
	end(&span);
	qsort(samples, n, sizeof(*samples), compare);
	print_traffic(&span, 2.0 * n * options.size);
	printf(", \"trips\": %d, \"median_ns\": %u, \"p99_ns\": %u}\n", n, samples[n / 2],
	       samples[n * 99ll / 100]);
}

/* ---- connect -------------------------------------------------------------------------------- */

static void accept_and_close(int listener)
{
	for (;;) {
		int fd = accept_one(listener);

		if (options.byte && receive_message(fd, 1))
			send_message(fd, 1);
		check(!receive_message(fd, 1), "too much");
		close(fd);
	}
}

static void connect_and_close(int n)
{
	for (int i = 0; i < n; i++) {
		int fd = connect_one();

		if (options.byte) {
			send_message(fd, 1);
			check(receive_message(fd, 1), "no answer");
		}
		close(fd);
	}
}

static void time_connections(int listener)
{
	struct span span;

	(void)listener;
	connect_and_close(options.count / 10 + 1);
	begin(&span);
	connect_and_close(options.count);
	end(&span);
	print_head();
	printf("\"seconds\": %.4f, \"byte\": %s, \"connections_per_s\": %.0f, "
	       "\"cpu_us_per_connection\": %.3f}\n",
	       (double)span.ns / NS_PER_S, options.byte ? "true" : "false",
	       per_s(&span, options.count), span.cpu_ns / 1e3 / options.count);
}

/* ---- the command line ----------------------------------------------------------------------- */

struct mode {
	const char *name;
	void (*measure)(int listener), (*other)(int listener);
};

static const struct mode modes[] = {
	{ "stream", receive_stream, send_stream },
	{ "round-trip", round_trips, echo },
	{ "connect", time_connections, accept_and_close },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: talk stream|round-trip|connect [-s BYTES] [-n CONNECTIONS] [-u] "
		"[-d] [-a NAME]\n"
		"            [-t SECONDS] [-w SECONDS] [-b] [-c COUNT] [-p CPU,CPU]\n\n"
		"  -s  bytes in a message, at most 262144 (64)\n"
		"  -n  connections, at most 1000 (1)\n"
		"  -u  AF_UNIX, not TCP\n"
		"  -d  TCP_NODELAY at both ends\n"
		"  -a  how TCP avoids congestion, like cubic (as set for the network namespace)\n"
		"  -t  how long to measure (1)\n"
		"  -w  how long to warm up before that (0.2)\n"
		"  -b  connect: one byte there and back\n"
		"  -c  connect: how many connections to time (5000)\n"
		"  -p  the CPU of the process that measures (it receives a stream, begins a\n"
		"      round trip, connects), and that of the other one (any)\n");
	return 1;
}

static bool read_option(int option)
{
	if (option == 's')
		options.size = strtoul(optarg, NULL, 10);
	else if (option == 'n')
		options.connections = atoi(optarg);
	else if (option == 'u')
		options.is_unix = true;
	else if (option == 'd')
		options.nodelay = true;
	else if (option == 'a')
		options.congestion_control = optarg;
	else if (option == 't')
		options.seconds = atof(optarg);
	else if (option == 'w')
		options.warm_up = atof(optarg);
	else if (option == 'b')
		options.byte = true;
	else if (option == 'c')
		options.count = atoi(optarg);
	else if (option == 'p')
		return sscanf(optarg, "%d,%d", &options.cpus[0], &options.cpus[1]) == 2;
	else
		return false;
	return true;
}

static const struct mode *read_options(int argc, char **argv)
{
	const struct mode *mode = argc > 1 ? find_mode(argv[1]) : NULL;
	int option;

	if (!mode)
		return NULL;
	options.mode = mode->name;
	options.count = 5000;
	optind = 2;
	while ((option = getopt(argc, argv, "s:n:uda:t:w:bc:p:")) != -1)
		if (!read_option(option))
			return NULL;
	if (optind != argc || !options.size || options.size > BUFFER_SIZE ||
	    options.connections < 1 || options.connections > CONNECTIONS_MAX || options.count < 1 ||
	    options.seconds <= 0 || options.warm_up < 0 || (options.is_unix && options.nodelay))
		return NULL;
	return mode;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(!sched_setaffinity(0, sizeof(set), &set), "the CPU to run on");
}

int main(int argc, char **argv)
{
	const struct mode *mode = read_options(argc, argv);
	int listener;

	if (!mode)
		return usage();
	listener = new_listener();
	child = fork();
	check(child >= 0, "fork");
	pin(options.cpus[child == 0]);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		mode->other(listener);
	}
	signal(SIGALRM, stalled);
	alarm(options.seconds + options.warm_up + 20);
	mode->measure(listener);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
