// SPDX-License-Identifier: BSD-2-Clause
/* The two ends of a connection of stress. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define READ_BYTES (64UL << 10)
#define PAUSES	   32

/* What a thread does next, and when, is up to it. */
struct pace {
	uint64_t random;
	int pauses; /* so many may be yet */
};

static void pause_ms(uint64_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* One time in so many. */
static void sometimes_pause(struct pace *pace, uint64_t times, uint64_t most_ms)
{
	if (pace->pauses && !below(&pace->random, times)) {
		pace->pauses--;
		pause_ms(below(&pace->random, most_ms));
	}
}

static void wait_until(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	poll(&pollfd, 1, -1);
}

static ssize_t send_in_two(int fd, const uint8_t *bytes, size_t n)
{
	struct iovec pieces[] = { { (void *)bytes, n / 3 },
				  { (void *)(bytes + n / 3), n - n / 3 } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };

	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t send_piece(int fd, enum manner_of_writing manner, size_t at, size_t n)
{
	off_t offset = (off_t)at;

	switch (manner) {
	case SENDMSG:
		return send_in_two(fd, table + at, n);
	case SENDFILE:
		return sendfile(fd, table_fd, &offset, n);
	case SEND_POLLED:
		wait_until(fd, POLLOUT);
		return send(fd, table + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	default:
		return send(fd, table + at, n, MSG_NOSIGNAL);
	}
}

/* An error is no surprise if the peer resets the connection. */
static bool send_failed(struct endpoint *end)
{
	const struct plan *plan = &plans[end->number];

	if (errno == EAGAIN && plan->to[other(end->side)].writing == SEND_POLLED)
		return false;
	/* EPIPE comes where ECONNRESET was told already, as by a sendfile() that sent a part. */
	if (plan->ending == RESET_AMID && plan->first != end->side &&
	    (errno == ECONNRESET || errno == EPIPE)) {
		end->saw_reset = true;
		return true;
	}
	complain("connection %d, to %s: sending fails after %zu bytes: %s", end->number,
		 side_names[other(end->side)], shared->to[end->number][other(end->side)].sent,
		 strerror(errno));
	return true;
}

/* Until so many are sent. False if that is not possible any more. */
static bool write_until(struct endpoint *end, size_t limit, struct pace *pace)
{
	enum side to = other(end->side);
	const struct plan *plan = &plans[end->number];
	struct progress *progress = &shared->to[end->number][to];

	while (progress->sent < limit) {
		size_t n = piece_size(&pace->random);
		size_t at = (plan->to[to].start + progress->sent) % TABLE_BYTES;
		ssize_t sent;

		if (n > limit - progress->sent)
			n = limit - progress->sent;
		sent = send_piece(end->fd, plan->to[to].writing, at, n);
		if (sent < 0 && send_failed(end))
			return false;
		if (sent > 0)
			progress->sent += (size_t)sent;
		sometimes_pause(pace, 4, 10);
	}
	return true;
}

/* The first piece is on its way before the peer knows of the connection. */
static void write_all(struct endpoint *end)
{
	const struct plan *plan = &plans[end->number];
	size_t bytes = plan->to[other(end->side)].bytes;
	struct pace pace = { random_for(end->number, end->side, 2), PAUSES };
	size_t first = piece_size(&pace.random);
	bool more = write_until(end, first < bytes / 2 ? first : bytes / 2, &pace);

	pthread_barrier_wait(&shared->all_connected);
	if (more && plan->ending == CLOSE_FIRST && plan->first != end->side) {
		more = write_until(end, bytes / 2, &pace);
		sem_wait(&end->peer_ended);
	}
	if (more && write_until(end, bytes, &pace) &&
	    (plan->ending == CLOSE_BOTH || plan->ending == CLOSE_FIRST))
		shutdown(end->fd, SHUT_WR);
}

/* One complaint will do: what comes after a hole is wrong, too. */
static void check(struct endpoint *end, const uint8_t *bytes, size_t n)
{
	const struct plan *plan = &plans[end->number];
	size_t arrived = shared->to[end->number][end->side].arrived;
	const uint8_t *planned = table + (plan->to[end->side].start + arrived) % TABLE_BYTES;
	bool too_many = arrived + n > plan->to[end->side].bytes;
	char origin[100] = "more than were sent";
	size_t i = 0;

	if (end->wrong || (!too_many && !memcmp(bytes, planned, n)))
		return;
	end->wrong = true;
	while (i < n && bytes[i] == planned[i])
		i++;
	if (i < n)
		explain(origin, sizeof(origin), end->number, end->side, bytes + i,
			n - i < 16 ? n - i : 16);
	complain("connection %d (%s), to %s: wrong from byte %zu of %zu on: %s", end->number,
		 family_names[plan->family], side_names[end->side], arrived + i,
		 plan->to[end->side].bytes, origin);
}

/* FNV-1a. */
static uint64_t add_to_checksum(uint64_t checksum, const uint8_t *bytes, size_t n)
{
	while (n--)
		checksum = (checksum ^ *bytes++) * 0x100000001b3;
	return checksum;
}

static ssize_t receive(struct endpoint *end, uint8_t *bytes, size_t n)
{
	ssize_t peeked;

	switch (plans[end->number].to[end->side].reading) {
	case RECV_ALL:
		return recv(end->fd, bytes, n, MSG_WAITALL);
	case RECV_PEEKED:
		peeked = recv(end->fd, bytes, n, MSG_PEEK);
		if (peeked <= 0)
			return peeked;
		check(end, bytes, (size_t)peeked);
		return recv(end->fd, bytes, (size_t)peeked, 0);
	case RECV_POLLED:
		wait_until(end->fd, POLLIN);
		return recv(end->fd, bytes, n, MSG_DONTWAIT);
	default:
		return recv(end->fd, bytes, n, 0);
	}
}

/* How many bytes to ask for next; no more than come if it is to wait for all of them. */
static size_t read_size(struct endpoint *end, struct pace *pace)
{
	const struct plan *plan = &plans[end->number];
	size_t arrived = shared->to[end->number][end->side].arrived;
	size_t size = piece_size(&pace->random) % READ_BYTES + 1;
	size_t end_at = plan->to[end->side].stop;

	if (plan->to[end->side].reading == RECV_ALL && arrived < plan->to[end->side].bytes &&
	    end_at > plan->to[end->side].bytes)
		end_at = plan->to[end->side].bytes;
	return size < end_at - arrived ? size : end_at - arrived;
}

/*
 * From a socket that is in a sockmap, recv() fails with EAGAIN, although it is to wait, if what it
 * is woken by is not data, as a signal or a reset.
 */
static bool may_try_again(enum manner_of_reading manner)
{
	if (manner == RECV_POLLED)
		return true;
	shared->failed_waits++;
	return !options.strict;
}

static enum end read_until(struct endpoint *end, uint8_t *bytes, struct pace *pace)
{
	const struct plan *plan = &plans[end->number];
	struct progress *progress = &shared->to[end->number][end->side];
	size_t stop = plan->to[end->side].stop;

	while (progress->arrived < stop) {
		ssize_t n = receive(end, bytes, read_size(end, pace));

		if (!n)
			return ENDED;
		if (n < 0 && errno == EAGAIN && may_try_again(plan->to[end->side].reading))
			continue;
		if (n < 0)
			return errno == ECONNRESET ? RESET : FAILED;
		check(end, bytes, (size_t)n);
		progress->checksum = add_to_checksum(progress->checksum, bytes, (size_t)n);
		progress->arrived += (size_t)n;
		if (progress->arrived == plan->to[end->side].bytes)
			sem_post(&progress->all_arrived);
		sometimes_pause(pace, 8, plan->to[end->side].slow_reader ? 100 : 10);
	}
	return STOPPED;
}

/* The readers are the ones whom the signals of --signals go to. */
static void accept_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void *read_all(void *argument)
{
	struct endpoint *end = argument;
	struct progress *progress = &shared->to[end->number][end->side];
	struct pace pace = { random_for(end->number, end->side, 3), PAUSES };
	uint8_t *bytes = malloc(READ_BYTES);

	if (!bytes)
		die("malloc");
	accept_signals();
	if (!plans[end->number].to[end->side].bytes)
		sem_post(&progress->all_arrived);
	if (plans[end->number].to[end->side].slow_reader)
		pause_ms(500);
	progress->end = read_until(end, bytes, &pace);
	if (progress->end == FAILED)
		complain("connection %d, to %s: reading fails after %zu bytes: %s", end->number,
			 side_names[end->side], progress->arrived, strerror(errno));
	sem_post(&end->peer_ended);
	free(bytes);
	return NULL;
}

/* Closes it; if it is to be so, with a reset. */
static void finish(struct endpoint *end)
{
	const struct plan *plan = &plans[end->number];
	struct progress *progress = shared->to[end->number];
	struct linger reset = { .l_onoff = 1 };
	bool resets = plan->ending == RESET_AT_END || plan->ending == RESET_AMID;

	if (resets && plan->first == end->side) {
		if (plan->ending == RESET_AT_END)
			sem_wait(&progress[other(end->side)].all_arrived);
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	close(end->fd);
	if (resets && end->saw_reset) /* which a socket tells only once: here, the writer */
		progress[end->side].end = RESET;
}

static void *run_endpoint(void *argument)
{
	struct endpoint *end = argument;

	if (pthread_create(&end->reader, NULL, read_all, end))
		die("pthread_create");
	write_all(end);
	pthread_join(end->reader, NULL);
	finish(end);
	return NULL;
}

/* A reset may get lost on the way to a reader who is far behind (see the lesson): so we ask. */
static void keep_alive(int fd)
{
	const int one = 1, idle_seconds = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof(idle_seconds));
}

void start(struct endpoint *end, int fd, int number, enum side side)
{
	end->fd = fd;
	end->number = number;
	end->side = side;
	sem_init(&end->peer_ended, 0, 0);
	keep_alive(fd);
	if (plans[number].small_buffer)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 16 << 10 }, sizeof(int));
	if (pthread_create(&end->writer, NULL, run_endpoint, end))
		die("pthread_create");
}
