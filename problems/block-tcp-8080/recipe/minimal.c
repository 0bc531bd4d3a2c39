// SPDX-License-Identifier: BSD-2-Clause
/*
 * block-tcp-8080 IF: drops TCP segments to port 8080 that arrive at interface IF, until Ctrl-C.
 *
 * This is the loader to copy from: libbpf, and nothing else. Its link holds the program at the
 * interface; however this process ends, the link is closed and the program gone. (When the
 * interface goes, it stays and guards nothing, not even a new one of that name.) The ports are
 * compiled into block-tcp-8080.bpf.c.
 *
 * What Hookpoint's whole tool does besides: takes the ports from its command line and changes them
 * while the program runs, stays attached without a process (pins), falls back to generic mode where
 * the driver refuses, takes over from an older version, tells its state and all counters as JSON.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block-tcp-8080.h"
#include "block-tcp-8080.skel.h"

static int refused(const char *what, const char *on, const char *why)
{
	fprintf(stderr, "block-tcp-8080: can't %s %s: %s\n", what, on, why);
	return 2;
}

/* How many segments were dropped, by port. Each CPU has counters of its own. */
static int print_dropped(const struct block_tcp_8080 *skel)
{
	int cpus = libbpf_num_possible_cpus();
	struct port_row *rows = cpus > 0 ? calloc(cpus, sizeof(*rows)) : NULL;
	int err = rows ? 0 : -ENOMEM;

	for (__u32 key = 0; key < PORTS / PORTS_PER_ROW && !err; key++) {
		err = bpf_map__lookup_elem(skel->maps.port_rows, &key, sizeof(key), rows,
					   cpus * sizeof(*rows), 0);
		for (int i = 0; i < PORTS_PER_ROW && !err; i++) {
			unsigned long long segments = 0;

			for (int cpu = 0; cpu < cpus; cpu++)
				segments += rows[cpu].segments[i];
			if (segments)
				printf("port %d: %llu dropped\n", key * PORTS_PER_ROW + i,
				       segments);
		}
	}
	free(rows);
	return err ? refused("read", "the counters", strerror(-err)) : 0;
}

int main(int argc, char **argv)
{
	struct block_tcp_8080 *skel;
	int ifindex, signal, status;
	sigset_t ends;

	if (argc != 2) {
		fprintf(stderr, "usage: block-tcp-8080 IF\n");
		return 1;
	}
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex) {
		fprintf(stderr, "block-tcp-8080: no interface '%s': %s\n", argv[1],
			strerror(errno));
		return 1;
	}

	/* Blocked, not handled: one that comes before sigwait() waits for it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);

	/* Here libbpf prints the verifier's log, where there is one; later errors we tell. */
	skel = block_tcp_8080__open_and_load();
	if (!skel)
		return refused("load", "the program", strerror(errno));
	libbpf_set_print(NULL);

	/* A link takes nobody's place: the kernel refuses it where a program is attached. */
	skel->links.block_ports = bpf_program__attach_xdp(skel->progs.block_ports, ifindex);
	if (!skel->links.block_ports) {
		status = refused("attach to", argv[1],
				 errno == EBUSY || errno == EEXIST
					 ? "it has another XDP program, see `ip link`"
					 : strerror(errno));
	} else {
		printf("%s: attached; Ctrl-C detaches\n", argv[1]);
		fflush(stdout);
		sigwait(&ends, &signal);
		status = print_dropped(skel);
	}
	block_tcp_8080__destroy(skel);
	return status;
}
