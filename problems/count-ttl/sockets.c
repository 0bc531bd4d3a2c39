// SPDX-License-Identifier: BSD-2-Clause
/* Opens sockets, puts the filter on them, takes it off. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

/* How many datagrams are thrown away before somebody looks at the clock again. */
#define BATCH 1000

static int attach(int fd, int prog_fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog_fd, sizeof(prog_fd)) ? -errno : 0;
}

static int bind_packet(int fd, int ifindex, int protocol)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = ifindex,
	};

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

/* SOCK_DGRAM: from the IP header on, whatever the network. SOCK_RAW begins with the link's. */
static int open_packet(int prog_fd, int ifindex, int protocol)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = attach(fd, prog_fd); /* of protocol 0 the socket gets nothing yet */
	if (!err)
		err = bind_packet(fd, ifindex, protocol);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int sockets_open_packet(struct sockets *sockets, int prog_fd, int ifindex)
{
	static const int protocols[] = { ETH_P_IP, ETH_P_IPV6 };
	struct sockets opened = NO_SOCKETS;

	opened.ifindex = ifindex;
	for (int i = 0; i < SOCKETS_MAX; i++) {
		int fd = open_packet(prog_fd, ifindex, protocols[i]);

		if (fd < 0) {
			sockets_close(&opened);
			return fd;
		}
		opened.fds[i] = fd;
	}
	*sockets = opened;
	return 0;
}

/* Without V6ONLY a socket of IPv6 gets IPv4, too. */
static int bind_udp(int fd, int family, __u16 port)
{
	const struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int off = 0;

	if (family == AF_INET)
		return bind(fd, (struct sockaddr *)&ipv4, sizeof(ipv4)) ? -errno : 0;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
		return -errno;
	return bind(fd, (struct sockaddr *)&ipv6, sizeof(ipv6)) ? -errno : 0;
}

int sockets_open_udp(struct sockets *sockets, int prog_fd, __u16 port)
{
	int family = AF_INET6, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0 && errno == EAFNOSUPPORT) {
		family = AF_INET;
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	err = attach(fd, prog_fd);
	if (!err)
		err = bind_udp(fd, family, port);
	if (err) {
		close(fd);
		return err;
	}
	*sockets = NO_SOCKETS;
	sockets->udp = true;
	sockets->fds[0] = fd;
	return 0;
}

/* Reading a socket's error clears it. */
static int take_error(int fd)
{
	socklen_t size = sizeof(int);
	int err = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) ? -errno : -err;
}

/* One that goes down first, and is removed then, is told to the socket only the first time. */
static bool interface_is_gone(const struct sockets *sockets)
{
	char name[IF_NAMESIZE];

	return sockets->ifindex && !if_indextoname(sockets->ifindex, name);
}

int sockets_wait(const struct sockets *sockets, int timeout_ms)
{
	struct pollfd fds[SOCKETS_MAX];
	int result = 0, err;

	for (int i = 0; i < SOCKETS_MAX; i++) /* poll() passes over those that are -1 */
		fds[i] = (struct pollfd){ .fd = sockets->fds[i], .events = POLLIN };
	if (poll(fds, SOCKETS_MAX, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < SOCKETS_MAX; i++) {
		err = fds[i].revents & POLLERR ? take_error(fds[i].fd) : 0;
		result = err ? err : result;
	}
	for (int i = 0; i < BATCH && sockets->udp; i++)
		if (recv(sockets->fds[0], NULL, 0, MSG_DONTWAIT) < 0)
			break;
	return interface_is_gone(sockets) ? -ENODEV : result;
}

int sockets_detach(const struct sockets *sockets)
{
	int err = 0, unused = 0;

	for (int i = 0; i < SOCKETS_MAX; i++)
		if (sockets->fds[i] >= 0 &&
		    setsockopt(sockets->fds[i], SOL_SOCKET, SO_DETACH_BPF, &unused, sizeof(unused)))
			err = -errno;
	return err;
}

void sockets_close(struct sockets *sockets)
{
	for (int i = 0; i < SOCKETS_MAX; i++)
		if (sockets->fds[i] >= 0)
			close(sockets->fds[i]);
	*sockets = NO_SOCKETS;
}
