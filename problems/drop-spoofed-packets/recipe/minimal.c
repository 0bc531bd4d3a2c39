// SPDX-License-Identifier: BSD-2-Clause
/*
 * drop-spoofed-packets IF: drops what leaves the Ethernet interface IF in the name of an address
 * that is not its own, until Ctrl-C. Takes Linux 6.6.
 *
 * This is the loader to copy from: libbpf, and nothing else. The addresses are those that the
 * interface has when it begins; whatever is sent from a later one is dropped. The program hangs on
 * a link (tcx): however this process ends, the link is closed and the program gone.
 *
 * What Hookpoint's whole tool does besides: follows the addresses, allows others and prefixes,
 * guards ingress, tunnels and lo, counts, reports what was forged, stays attached without a process
 * (pins), and is a filter of the qdisc clsact on older kernels.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>

#include "drop-spoofed-packets.h"
#include "drop-spoofed-packets.skel.h"

/* Newer headers call them BPF_TCX_EGRESS and BPF_F_BEFORE. */
#define TCX_EGRESS 47
#define BEFORE	   (1U << 3)

/* Adds the interface's addresses to the map SET; NULL or why not. */
static const char *gather(int ifindex, int set)
{
	const char *why = "it is not an Ethernet interface";
	struct ifaddrs *all, *a;

	if (getifaddrs(&all))
		return strerror(errno);
	for (a = all; a; a = a->ifa_next) {
		const struct sockaddr *address = a->ifa_addr;
		struct source source = {};

		/* By number, for "eth0:1" is a label of eth0. */
		if (!address || (int)if_nametoindex(a->ifa_name) != ifindex)
			continue;
		if (address->sa_family == AF_PACKET) {
			if (((struct sockaddr_ll *)address)->sll_hatype != ARPHRD_ETHER)
				break;
			why = NULL;
			continue;
		} else if (address->sa_family == AF_INET) {
			source.family = 4;
			source.bits = 32;
			source.address.ipv4 = ((struct sockaddr_in *)address)->sin_addr.s_addr;
		} else {
			source.family = 6;
			source.bits = 128;
			memcpy(&source.address, &((struct sockaddr_in6 *)address)->sin6_addr, 16);
		}
		if (bpf_map_update_elem(set, &source, &(__u64){ ORIGIN_INTERFACE }, BPF_ANY)) {
			why = strerror(errno);
			break;
		}
	}
	freeifaddrs(all);
	return why;
}

/* Puts the guard at the interface, with the interface's set in its map before it sees a packet. */
static const char *attach(const struct drop_spoofed_packets *skel, int ifindex)
{
	/* In front of all others: behind one that lets a packet pass it would not be asked. */
	LIBBPF_OPTS(bpf_link_create_opts, first, .flags = BEFORE);
	int set = bpf_map_create(BPF_MAP_TYPE_HASH, "sources", sizeof(struct source), sizeof(__u64),
				 1024, NULL);
	const char *why = set < 0 ? strerror(errno) : gather(ifindex, set);

	if (!why &&
	    bpf_map_update_elem(bpf_map__fd(skel->maps.source_sets), &ifindex, &set, BPF_ANY))
		why = strerror(errno);
	if (!why && bpf_link_create(bpf_program__fd(skel->progs.guard_ethernet), ifindex,
				    TCX_EGRESS, &first) < 0)
		why = errno == EINVAL ? "this kernel has no tcx (Linux 6.6 has)" : strerror(errno);
	return why;
}

int main(int argc, char **argv)
{
	struct drop_spoofed_packets *skel;
	int ifindex, signal;
	const char *why;
	sigset_t ends;

	if (argc != 2) {
		fprintf(stderr, "usage: drop-spoofed-packets IF\n");
		return 1;
	}
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex) {
		fprintf(stderr, "drop-spoofed-packets: no interface '%s'\n", argv[1]);
		return 1;
	}
	/* Blocked, not handled: one that comes before sigwait() waits for it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);

	skel = drop_spoofed_packets__open_and_load(); /* libbpf tells what the verifier says */
	why = skel ? attach(skel, ifindex) : strerror(errno);
	if (why) {
		fprintf(stderr, "drop-spoofed-packets: can't guard %s: %s\n", argv[1], why);
		return 2;
	}
	printf("%s: attached; Ctrl-C detaches\n", argv[1]);
	fflush(stdout);
	sigwait(&ends, &signal);
	return 0; /* which closes the link */
}
