// SPDX-License-Identifier: BSD-2-Clause
/*
 * drop-all socket | lo: the smallest program of all, two instructions that drop every packet, put
 * on a UDP socket, or on the loopback interface of a network namespace of its own; seen to work;
 * taken off. Exit status: 0 as it should be, 1 usage, 2 refused, 3 packets came or went otherwise.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "insn.h"

#define LOOPBACK 1 /* the number of lo in every network namespace */

/* All calls here return something below zero if they fail, with the reason in errno. */
static int check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "drop-all: cannot ");
		perror(what);
		exit(2);
	}
	return result;
}

/* What is returned says "drop": to a socket 0, keep no byte of it; to XDP its verdict. */
static int load(enum bpf_prog_type type, int verdict)
{
	const struct bpf_insn drop_all[] = {
		BPF_MOV64_IMM(BPF_REG_0, verdict),
		BPF_EXIT_INSN(),
	};

	return check(bpf_prog_load(type, "drop_all", "Dual BSD/GPL", drop_all, 2, NULL),
		     "load the program");
}

/* A socket that talks to itself, by way of lo. */
static int talking_to_itself(void)
{
	struct sockaddr_in self = { .sin_family = AF_INET };
	const struct timeval patience = { .tv_usec = 200000 };
	socklen_t size = sizeof(self);
	int fd = check(socket(AF_INET, SOCK_DGRAM, 0), "make a socket");

	self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)&self, size), "bind to 127.0.0.1");
	check(getsockname(fd, (struct sockaddr *)&self, &size), "learn the port");
	check(connect(fd, (struct sockaddr *)&self, size), "connect to itself");
	check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
	      "limit the wait");
	return fd;
}

/* Sends a packet, and insists on its fate. */
static void expect(int fd, bool arrives, const char *when)
{
	char packet[] = "hello";
	bool came;

	check(send(fd, packet, sizeof(packet), 0), "send");
	came = recv(fd, packet, sizeof(packet), 0) == sizeof(packet);
	printf("%-8s %s\n", when, came ? "the packet arrives" : "nothing arrives");
	if (came != arrives)
		exit(3);
}

static void on_a_socket(void)
{
	int prog_fd = load(BPF_PROG_TYPE_SOCKET_FILTER, 0), fd = talking_to_itself(), unused = 0;

	expect(fd, true, "before:");
	check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog_fd, sizeof(prog_fd)), "attach");
	expect(fd, false, "with it:");
	check(setsockopt(fd, SOL_SOCKET, SO_DETACH_BPF, &unused, sizeof(unused)), "detach");
	expect(fd, true, "after:");
}

static void on_lo(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int prog_fd, fd;

	check(unshare(CLONE_NEWNET), "make a network namespace");
	prog_fd = load(BPF_PROG_TYPE_XDP, XDP_DROP);
	fd = check(socket(AF_INET, SOCK_DGRAM, 0), "make a socket");
	check(ioctl(fd, SIOCSIFFLAGS, &lo), "bring lo up");
	fd = talking_to_itself();

	expect(fd, true, "before:");
	check(bpf_xdp_attach(LOOPBACK, prog_fd, 0, NULL), "attach");
	expect(fd, false, "with it:");
	check(bpf_xdp_detach(LOOPBACK, 0, NULL), "detach");
	expect(fd, true, "after:");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "socket")) {
		on_a_socket();
	} else if (argc == 2 && !strcmp(argv[1], "lo")) {
		on_lo();
	} else {
		fprintf(stderr, "usage: drop-all socket | lo\n");
		return 1;
	}
	return 0;
}
