/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that the filter is put on. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <linux/types.h>
#include <stdbool.h>

/* One for each protocol, or the one UDP socket. */
#define SOCKETS_MAX 2

struct sockets {
	int fds[SOCKETS_MAX]; /* -1: none */
	bool udp;
	int ifindex; /* of the packet sockets; 0: all interfaces */
};

#define NO_SOCKETS ((struct sockets){ .fds = { -1, -1 } })

/*
 * Opens packet sockets for all IPv4 and IPv6 packets that come in at an interface of this network
 * namespace (0: any), with the filter PROG_FD already on them when the first packet comes. Errors
 * of socket(2), setsockopt(2) and bind(2); -EPERM: without CAP_NET_RAW. sockets_close() when done.
 */
int sockets_open_packet(struct sockets *sockets, int prog_fd, int ifindex);

/*
 * Opens a UDP socket, bound to PORT (host byte order) on all addresses of IPv4 and IPv6, in the
 * same way. Without IPv6 in this kernel: of IPv4. -EADDRINUSE: another socket has the port.
 */
int sockets_open_udp(struct sockets *sockets, int prog_fd, __u16 port);

/*
 * Waits for at most TIMEOUT_MS, or until a signal; what a UDP socket has received is thrown away.
 * -ENETDOWN: the interface has gone down; -ENODEV: it has gone. Otherwise errors of poll(2).
 */
int sockets_wait(const struct sockets *sockets, int timeout_ms);

/* Takes the filter off again. Errors of setsockopt(2). */
int sockets_detach(const struct sockets *sockets);

void sockets_close(struct sockets *sockets);

#endif
