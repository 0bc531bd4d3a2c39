// SPDX-License-Identifier: BSD-2-Clause
/* See relay-side.h. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <bpf/bpf.h>

#include "relay-side.h"

/* How long the kernel may take to find the rest of what has come. */
#define PATIENCE_MS 1000

static int inputs, outputs, members;

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static int open_map(const char *dir, const char *name, int *fd)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*fd = bpf_obj_get(path);
	return *fd < 0 ? -errno : 0;
}

int open_maps(const char *dir)
{
	int err = open_map(dir, "inputs", &inputs);

	err = err ? err : open_map(dir, "outputs", &outputs);
	return err ? err : open_map(dir, "members", &members);
}

/* ---- what is copied here --------------------------------------------------------------------- */

/* How many bytes the message has in all, as far as is known. */
static __u64 count_wanted(const struct side *from)
{
	__be32 length;

	if (from->have < LENGTH_BYTES)
		return LENGTH_BYTES;
	memcpy(&length, from->message, sizeof(length));
	return (__u64)LENGTH_BYTES + ntohl(length);
}

int read_message(struct side *from)
{
	ssize_t n;

	while (from->have < count_wanted(from)) {
		if (count_wanted(from) > sizeof(from->message))
			return -EMSGSIZE;
		n = recv(from->fd, from->message + from->have, count_wanted(from) - from->have, 0);
		if (n < 0)
			return -errno;
		if (!n) {
			from->ended = true;
			return -EAGAIN;
		}
		from->have += n;
	}
	return 0;
}

int send_message(struct side *from)
{
	ssize_t n;

	while (from->sent < from->have) {
		n = send(from->other->fd, from->message + from->sent, from->have - from->sent,
			 MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		from->sent += n;
	}
	from->copied += from->have;
	from->have = from->sent = 0;
	return 0;
}

static int copy_messages(struct side *from)
{
	int err;

	do {
		err = read_message(from);
		if (!err)
			err = send_message(from);
	} while (!err);
	return err;
}

/* ---- what the kernel forwards ---------------------------------------------------------------- */

static bool is_member(const struct side *side, struct member *member)
{
	return !bpf_map_lookup_elem(members, &side->cookie, member);
}

static bool put(int map, const struct side *key, const struct side *socket)
{
	__u64 fd = socket->fd;

	return !bpf_map_update_elem(map, &key->cookie, &fd, BPF_ANY);
}

/* Has the kernel look at what is there already, too, which it does only when more comes. */
static void put_input(const struct side *side)
{
	int one = 1;

	if (put(inputs, side, side))
		setsockopt(side->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
}

void let_kernel_forward(struct side *a, struct side *b)
{
	struct member member;

	/* Outputs first: a message that finds none is left to us, and others may overtake it. */
	if (is_member(a, &member) && is_member(b, &member) && put(outputs, a, b) &&
	    put(outputs, b, a)) {
		put_input(a);
		put_input(b);
	}
}

/* Has a FIN come? Reading doesn't find it before the kernel has read what came before it. */
static bool is_hung_up(const struct side *side)
{
	struct pollfd socket = { .fd = side->fd, .events = POLLRDHUP };

	return poll(&socket, 1, 0) > 0 && socket.revents & POLLRDHUP;
}

static struct tcp_info get_tcp_info(const struct side *side)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	getsockopt(side->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info;
}

/* Written to the socket, but not yet acknowledged by its peer. */
static int count_waiting(const struct side *side)
{
	int bytes = 0;

	ioctl(side->fd, SIOCOUTQ, &bytes);
	return bytes;
}

/* How many bytes were written to the socket, by us or by the kernel. */
static __u64 count_written(const struct side *side)
{
	/* In this order: an acknowledgement in between makes it less, never more. */
	__u64 bytes = get_tcp_info(side).tcpi_bytes_acked;

	bytes += count_waiting(side);
	return side->ours ? bytes - 1 : bytes; /* who connects sends a SYN, which is one, too */
}

int tell_end(struct side *from)
{
	struct member member = {};
	__u64 moved;

	if (from->told)
		return 0;
	if (!from->ended)
		return is_hung_up(from) ? -EAGAIN : 0;
	is_member(from, &member);
	moved = from->copied + member.forwarded.bytes;
	if (moved != from->moved || !from->moved_ms)
		from->moved_ms = now_ms();
	from->moved = moved;
	/* The FIN is a byte, too. */
	if (!from->error && get_tcp_info(from).tcpi_bytes_received - 1 != moved) {
		if (now_ms() - from->moved_ms < PATIENCE_MS)
			return -EAGAIN;
		from->error = EPROTO; /* it has ended in the middle of a message */
	}
	if (count_written(from->other) != moved)
		return -EAGAIN;
	if (from->error) /* a reset would take along what is still in the socket */
		return count_waiting(from->other) ? -EAGAIN : -from->error;
	from->told = true;
	return shutdown(from->other->fd, SHUT_WR) ? -errno : 0;
}

int advance_side(struct side *side)
{
	socklen_t size = sizeof(int);
	int err = 0;

	getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &err, &size);
	err = err ? -err : side->error ? -EAGAIN : copy_messages(side);
	if (err == -EMSGSIZE) { /* find_message says so, or read_message */
		side->error = EMSGSIZE;
		side->ended = true;
		err = -EAGAIN;
	}
	return err;
}

void reset_at_close(const struct side *side, bool on)
{
	struct linger linger = { .l_onoff = on };

	setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
