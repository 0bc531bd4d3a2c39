// SPDX-License-Identifier: BSD-2-Clause
/*
 * An example of a proxy for --framing length32: see framing.bpf.h. For each connection that it
 * accepts it makes one to the server, and leaves it to the kernel to forward the messages.
 *
 * What the kernel can't be given it copies itself, message by message too, so that nobody sees a
 * difference: the first message with --first, and everything where a socket takes no part, or has
 * reached its end of file before it could be put into the maps.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay-side.h"

enum { EXIT_USAGE = 1, EXIT_REFUSED };

struct session {
	struct session *next, **here; /* what points to this one */
	struct sockaddr_storage server_address;
	struct side client, server;
	bool joined; /* the two sides, with each other */
	bool ending; /* look at it again soon: no event tells what the kernel has forwarded */
};

static int epoll, signals, listeners[2];
static in_port_t listen_port, server_port;
static bool read_first;
static struct session *sessions;

/* ---- a connection ---------------------------------------------------------------------------- */

static int join(struct session *s)
{
	bool first = false;
	int err;

	if (read_first) {
		err = read_message(&s->client); /* by which a proxy could choose the server */
		if (err && !s->client.ended)
			return err;
		first = !err;
	}
	if (connect(s->server.fd, (struct sockaddr *)&s->server_address,
		    sizeof(s->server_address)) &&
	    errno != EISCONN)
		return errno == EALREADY || errno == EINPROGRESS ? -EAGAIN : -errno;
	if (first) { /* before the kernel sends what comes after it */
		err = send_message(&s->client);
		if (err)
			return err;
	}
	let_kernel_forward(&s->client, &s->server);
	s->joined = true;
	return 0;
}

/* Does what can be done now. -EAGAIN: there will be more; 0, or another error: that was it. */
static int advance(struct session *s)
{
	struct side *const sides[] = { &s->client, &s->server };
	int err = s->joined ? 0 : join(s);

	if (err)
		return err;
	s->ending = false;
	for (int i = 0; i < 2; i++) {
		err = advance_side(sides[i]);
		if (err != -EAGAIN)
			return err;
	}
	for (int i = 0; i < 2; i++) {
		err = tell_end(sides[i]);
		if (err && err != -EAGAIN)
			return err;
		s->ending |= err == -EAGAIN;
	}
	return s->client.told && s->server.told ? 0 : -EAGAIN;
}

static void drop(struct session *s, int err)
{
	if (err)
		fprintf(stderr, "relay: a connection is reset: %s\n",
			err == -EPROTO ? "it ended in the middle of a message" : strerror(-err));
	reset_at_close(&s->client, err);
	reset_at_close(&s->server, err);
	close(s->client.fd);
	close(s->server.fd);
	if (s->next)
		s->next->here = s->here;
	*s->here = s->next;
	free(s);
}

static void advance_or_drop(struct session *s)
{
	int err = advance(s);

	if (err != -EAGAIN)
		drop(s, err);
}

static int watch(int fd, __u32 events, void *whose)
{
	struct epoll_event event = { .events = events, .data.ptr = whose };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void start_side(struct session *s, struct side *side, struct side *other, int fd)
{
	socklen_t size = sizeof(side->cookie);

	side->fd = fd;
	side->other = other;
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &side->cookie, &size);
	reset_at_close(side, true); /* even if we are killed */
	watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, s);
}

static void start(struct session *s, int client, int server)
{
	s->here = &sessions;
	s->next = sessions;
	if (s->next)
		s->next->here = &s->next;
	sessions = s;
	start_side(s, &s->client, &s->server, client);
	start_side(s, &s->server, &s->client, server);
	s->server.ours = true;
	advance_or_drop(s);
}

static void accept_client(int listener)
{
	struct session *s = calloc(1, sizeof(*s));
	socklen_t size = sizeof(s->server_address);
	int client, server = -1;

	client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0 && errno == EAGAIN)
		goto out; /* it has gone again */
	if (client >= 0 && s) {
		/* The server has the address that the client came to, and its own port. */
		getsockname(listener, (struct sockaddr *)&s->server_address, &size);
		((struct sockaddr_in *)&s->server_address)->sin_port = htons(server_port);
		server = socket(s->server_address.ss_family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (server >= 0) {
		start(s, client, server);
		return;
	}
	fprintf(stderr, "relay: accept a client: %s\n", strerror(errno));
	if (client >= 0)
		close(client);
	else
		poll(NULL, 0, 10); /* it still waits, and we would be asked again at once */
out:
	free(s);
}

/* ---- the process ----------------------------------------------------------------------------- */

/* Returns for how long to wait for events, in ms; -1: any time. */
static int look_again(void)
{
	struct session *next;
	int timeout_ms = -1;

	for (struct session *s = sessions; s; s = next) {
		next = s->next;
		if (!s->ending)
			continue;
		advance_or_drop(s);
		timeout_ms = 1;
	}
	return timeout_ms;
}

/* Until a signal ends it. */
static void serve(void)
{
	struct epoll_event event = {};

	while (event.data.ptr != &signals) {
		if (epoll_wait(epoll, &event, 1, look_again()) < 1)
			continue;
		if (event.data.ptr == &listeners[0] || event.data.ptr == &listeners[1])
			accept_client(*(int *)event.data.ptr);
		else if (event.data.ptr != &signals)
			advance_or_drop(event.data.ptr);
	}
	while (sessions)
		drop(sessions, -ECANCELED);
}

static int fail(const char *what, const char *which)
{
	fprintf(stderr, "relay: %s %s: %s\n", what, which, strerror(errno));
	return EXIT_REFUSED;
}

static int listen_at(const char *name, int *listener, const void *address, socklen_t size)
{
	int one = 1, family = ((const struct sockaddr *)address)->sa_family;

	*listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*listener < 0 && errno == EAFNOSUPPORT && family == AF_INET6)
		return 0;
	setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(*listener, address, size) || listen(*listener, SOMAXCONN) ||
	    watch(*listener, EPOLLIN, listener))
		return fail("listen at", name);
	return 0;
}

static int prepare(const char *pins)
{
	struct sockaddr_in ipv4 = { AF_INET, htons(listen_port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 ipv6 = { AF_INET6, htons(listen_port),
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	sigset_t ends;
	int err;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch(signals, EPOLLIN, &signals))
		return fail("wait for", "signals");
	err = open_maps(pins);
	if (err)
		return fail("open the maps in", pins);
	err = listen_at("127.0.0.1", &listeners[0], &ipv4, sizeof(ipv4));
	err = err ? err : listen_at("::1", &listeners[1], &ipv6, sizeof(ipv6));
	return err;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: relay [--first] [--pins DIR] LISTEN-PORT SERVER-PORT\n"
		"  --first     read a client's first message before connecting to the server\n"
		"  --pins DIR  where the maps are pinned; default: $HOOKPOINT_PINS\n");
	return EXIT_USAGE;
}

static bool parse_port(const char *text, in_port_t *port)
{
	char *end = NULL;
	long number = text ? strtol(text, &end, 10) : 0;

	*port = number;
	return number > 0 && number < 65536 && !*end;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "first", no_argument, NULL, 'f' },
						 { "pins", required_argument, NULL, 'p' },
						 {} };
	const char *pins = getenv("HOOKPOINT_PINS");
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return usage();
		if (option == 'f')
			read_first = true;
		else
			pins = optarg;
	}
	if (!pins || argc != optind + 2 || !parse_port(argv[optind], &listen_port) ||
	    !parse_port(argv[optind + 1], &server_port))
		return usage();
	status = prepare(pins);
	if (!status)
		serve();
	return status;
}
