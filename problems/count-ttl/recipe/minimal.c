// SPDX-License-Identifier: BSD-2-Clause
/*
 * ./count-ttl IF: counts the IPv4 packets that come in at an interface, by sender and by the hops
 * they have made, with a socket filter written by hand. Ctrl-C ends it, and then it prints a table.
 *
 * What the full tool does and this one does not: IPv6, all interfaces at once, a UDP socket, tables
 * while it runs, JSON; it counts what is no whole header, and ends when IF is removed. When its map
 * is full it says what it can't count; this one forgets hosts that have been silent for long.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "insn.h"

struct host {
	__u32 address, ttl; /* in host byte order */
};
/* On the stack, from its end in r10: the map's key and the value of a new entry. */
#define HOST	(-8)
#define TTL	(-4) /* in there */
#define PACKETS (-16)

static int load_filter(int hosts)
{
	const struct bpf_insn filter[] = {
		BPF_MOV64_REG(BPF_REG_6, BPF_REG_1), /* the context; BPF_LD_ABS wants it in r6 */
		BPF_LD_ABS(BPF_W, 12),		     /* r0 = the sender; none: it ends here */
		BPF_STX_MEM(BPF_W, BPF_REG_10, BPF_REG_0, HOST),
		BPF_LD_ABS(BPF_B, 8),
		BPF_STX_MEM(BPF_W, BPF_REG_10, BPF_REG_0, TTL),
		BPF_ST_MEM(BPF_DW, BPF_REG_10, PACKETS, 0),

		/* An entry for this key, unless there is one. */
		BPF_LD_MAP_FD(BPF_REG_1, hosts),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, HOST),
		BPF_MOV64_REG(BPF_REG_3, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, PACKETS),
		BPF_MOV64_IMM(BPF_REG_4, BPF_NOEXIST),
		BPF_EMIT_CALL(BPF_FUNC_map_update_elem),

		/* r0 = where it is. */
		BPF_LD_MAP_FD(BPF_REG_1, hosts),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, HOST),
		BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem),
		BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 4), /* forgotten again: skip 4 */

		/* GRO may have made one packet of several, and says of how many. 0: it has not. */
		BPF_LDX_MEM(BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, gso_segs)),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_1, 0, 1),
		BPF_MOV64_IMM(BPF_REG_1, 1),
		BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_0, BPF_REG_1, 0),

		BPF_MOV64_IMM(BPF_REG_0, 0), /* the socket gets nothing: nobody reads it */
		BPF_EXIT_INSN(),
	};

	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "count_ttl", "Dual BSD/GPL", filter,
			     sizeof(filter) / sizeof(*filter), NULL);
}

static void print(int hosts)
{
	struct host *last = NULL, host;
	__u64 packets;

	puts("   packets  hops   ttl  from");
	for (; !bpf_map_get_next_key(hosts, last, &host); last = &host) {
		int first = host.ttl <= 32 ? 32 : host.ttl <= 64 ? 64 : host.ttl <= 128 ? 128 : 255;
		struct in_addr address = { htonl(host.address) };

		if (!bpf_map_lookup_elem(hosts, &host, &packets))
			printf("%10llu %5u %5u  %s\n", packets, first - host.ttl, host.ttl,
			       inet_ntoa(address));
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_ll place = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int hosts, filter, fd, signal;
	sigset_t signals;

	if (argc != 2)
		errx(1, "usage: ./count-ttl IF");
	place.sll_ifindex = if_nametoindex(argv[1]);
	if (!place.sll_ifindex)
		err(1, "no interface %s in this network namespace", argv[1]);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* they wait for sigwait() */

	hosts = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "hosts", sizeof(struct host), 8, 8192, NULL);
	if (hosts < 0)
		err(2, "cannot make the map of hosts");
	filter = load_filter(hosts);
	if (filter < 0)
		err(2, "cannot load the filter");
	/* SOCK_DGRAM: from the IP header on. It gets packets when it is bound, and not before. */
	fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter)) ||
	    bind(fd, (struct sockaddr *)&place, sizeof(place)))
		err(2, "cannot put the filter on a packet socket for %s", argv[1]);
	printf("counting IPv4 packets that come in at %s\n", argv[1]);
	fflush(stdout);
	sigwait(&signals, &signal);
	close(fd); /* and so the filter is detached */
	print(hosts);
	return 0;
}
