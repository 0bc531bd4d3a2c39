// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many short TCP connections, one after the other, between two processes: connect, a request, an
 * answer, close. Addresses and ports are used again as soon as the kernel allows it, so that what
 * is remembered of a connection for too long is taken for the next one's.
 *
 * A connection ends in one of three ways. In two of them the client uses the same port each time:
 *
 *   reset         the client resets it, and nothing of it remains
 *   server first  the server keeps a TIME_WAIT, which the client's next SYN ends
 *   client first  the client keeps a TIME_WAIT, for at least a second: it takes any port, and goes
 * to one of many addresses
 *
 * Run it in a network namespace of its own.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS		  16 /* of each process */
#define FIRST_CLIENT_PORT 20000
#define ADDRESSES	  250 /* 127.0.0.1 and so on */
#define MOST_ANSWER_BYTES 4096
#define LIMIT_S		  10 /* for each call */

enum closing { RESET, SERVER_FIRST, CLIENT_FIRST, CLOSINGS };

/* What is asked for: so many bytes, of a pattern that is this connection's alone. */
struct request {
	uint32_t number;
	uint32_t bytes;
	uint32_t closing;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint32_t connections = 100000;
static in_port_t server_ports[2]; /* for IPv4, IPv6; network byte order */
static int listeners[2];
static atomic_uint next_number, wrong, closed[CLOSINGS];

static void die(const char *what)
{
	fprintf(stderr, "short-connections: %s: %s\n", what, strerror(errno));
	exit(1);
}

static union address make_address(bool ipv6, uint32_t ipv4, in_port_t port)
{
	union address address = { .any.sa_family = ipv6 ? AF_INET6 : AF_INET };

	if (ipv6) {
		address.v6.sin6_addr = in6addr_loopback;
		address.v6.sin6_port = port;
	} else {
		address.v4.sin_addr.s_addr = htonl(ipv4);
		address.v4.sin_port = port;
	}
	return address;
}

static socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

/* The answer. */
static void fill(uint8_t *bytes, const struct request *request)
{
	uint32_t i, state = request->number * 2654435761u + 1;

	for (i = 0; i < request->bytes; i++) {
		state = state * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(state >> 24);
	}
}

static void set_limit(int fd)
{
	const struct timeval limit = { .tv_sec = LIMIT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Up to n bytes, until the end: how many. Or -1. */
static ssize_t receive(int fd, void *bytes, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t more = recv(fd, (char *)bytes + got, n - got, 0);

		if (more < 0)
			return -1;
		if (!more)
			break;
		got += (size_t)more;
	}
	return (ssize_t)got;
}

/* --- the server --- */

static void answer(int fd)
{
	struct request request;
	uint8_t bytes[MOST_ANSWER_BYTES];

	set_limit(fd);
	/* What is wrong with a request, the client sees from the answer, or that there is none. */
	if (receive(fd, &request, sizeof(request)) == sizeof(request) &&
	    request.bytes <= sizeof(bytes)) {
		fill(bytes, &request);
		send(fd, bytes, request.bytes, MSG_NOSIGNAL);
		if (request.closing != SERVER_FIRST)
			receive(fd, bytes, 1);
	}
	close(fd);
}

static void *serve(void *listener)
{
	for (;;) {
		int fd = accept(*(int *)listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		answer(fd);
	}
	return NULL;
}

static void listen_on(int i)
{
	union address address = make_address(i, INADDR_ANY, 0);
	socklen_t size = address_size(&address);
	int fd = socket(address.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, &address.any, size) || listen(fd, 4 * THREADS) ||
	    getsockname(fd, &address.any, &size))
		die("listen");
	server_ports[i] = i ? address.v6.sin6_port : address.v4.sin_port;
	listeners[i] = fd;
}

/* --- the client --- */

static void complain(const struct request *request, const char *what)
{
	fprintf(stderr, "short-connections: connection %u: %s\n", request->number, what);
	wrong++;
}

/* Connects from the port, or from any: 0. -1, errno. */
static int try_to_connect(const union address *to, in_port_t port)
{
	union address from = make_address(to->any.sa_family == AF_INET6, INADDR_LOOPBACK, port);
	int fd = socket(to->any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	set_limit(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if ((!port || !bind(fd, &from.any, address_size(&from))) &&
	    !connect(fd, &to->any, address_size(to)))
		return fd;
	close(fd);
	return -1;
}

/* Tries again while the last connection from this port is not quite gone. */
static int connect_as(const struct request *request, int thread)
{
	bool same_port = request->closing != CLIENT_FIRST;
	bool ipv6 = same_port && request->number % 2;
	uint32_t host = same_port ? 0 : request->number % ADDRESSES;
	union address to = make_address(ipv6, INADDR_LOOPBACK + host, server_ports[ipv6]);
	in_port_t port = same_port ? htons((uint16_t)(FIRST_CLIENT_PORT + thread)) : 0;
	int fd, tries;

	for (tries = 0; tries < 5000; tries++) {
		fd = try_to_connect(&to, port);
		if (fd >= 0 || (errno != EADDRNOTAVAIL && errno != EADDRINUSE))
			break;
		usleep(1000);
	}
	return fd;
}

/* Does the right answer come, and the end after it? */
static void ask(int fd, const struct request *request)
{
	uint8_t expected[MOST_ANSWER_BYTES], got[MOST_ANSWER_BYTES + 1];
	/* Of the answers that the server ends, the end is read, too. */
	size_t most = request->bytes + (request->closing == SERVER_FIRST);
	ssize_t n;

	fill(expected, request);
	if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request)) {
		complain(request, strerror(errno));
		return;
	}
	n = receive(fd, got, most);
	if (n < 0)
		complain(request, errno == EAGAIN ? "no answer" : strerror(errno));
	else if ((size_t)n != request->bytes)
		complain(request, (size_t)n < request->bytes ? "the answer is too short"
							     : "the answer is too long");
	else if (memcmp(expected, got, request->bytes))
		complain(request, "the answer is wrong");
}

static void *be_client(void *argument)
{
	int fd, thread = (int)(intptr_t)argument;
	uint32_t number;

	while ((number = next_number++) < connections) {
		struct request request = { number, 1 + number * 7919 % MOST_ANSWER_BYTES,
					   number / 2 % CLOSINGS };
		const struct linger reset = { .l_onoff = 1 };

		fd = connect_as(&request, thread);
		if (fd < 0) {
			complain(&request, strerror(errno));
			continue;
		}
		ask(fd, &request);
		if (request.closing == RESET)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		closed[request.closing]++;
	}
	return NULL;
}

/* --- both --- */

static void run_threads(void *(*server)(void *), void *(*client)(void *))
{
	pthread_t threads[THREADS];
	int i, err;

	for (i = 0; i < THREADS; i++) {
		err = server ? pthread_create(&threads[i], NULL, server, &listeners[i % 2])
			     : pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i);
		if (err) {
			errno = err;
			die("pthread_create");
		}
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	char *end;
	unsigned long n;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	n = strtoul(text, &end, 10);
	if (*end || !n || n > 100000000 || state->arg_num)
		argp_usage(state);
	connections = (uint32_t)n;
	return 0;
}

static const struct argp argp = { .parser = parse,
				  .args_doc = "[N]",
				  .doc = "Makes N (100000) short TCP connections between two "
					 "processes, and checks each answer."
					 "\vExit status: 0 if all are right, else 1." };

int main(int argc, char **argv)
{
	pid_t server;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	listen_on(0);
	listen_on(1);
	server = fork();
	if (server < 0)
		die("fork");
	if (!server)
		run_threads(serve, NULL);
	run_threads(NULL, be_client);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	printf("%u connections: %u reset, %u closed by the server first, %u by the client; "
	       "%u wrong\n",
	       connections, closed[RESET], closed[SERVER_FIRST], closed[CLIENT_FIRST], wrong);
	return wrong ? 1 : 0;
}
