// SPDX-License-Identifier: BSD-2-Clause
/*
 * ./watch-acks: counts, for each TCP connection of this machine, the data that comes and the ACKs
 * that go and come, until Ctrl-C; then it prints a table. This is the loader to copy from: libbpf,
 * and nothing else.
 *
 * What the full tool does and this one does not: kprobes where the kernel has no fentry, one port
 * only, tables while it runs, JSON, a histogram of the times that handling an ACK takes.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/bpf.h>

#include "watch-acks.h"
#include "watch-acks.skel.h"

static void print_end(const __u8 *address, __u16 port)
{
	int ipv4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address);
	char name[INET6_ADDRSTRLEN], end[sizeof(name) + sizeof("[]:65535")];

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? address + 12 : address, name, sizeof(name));
	snprintf(end, sizeof(end), ipv4 ? "%s:%u" : "[%s]:%u", name, port);
	printf("%-22s ", end);
}

static void print_traffic(const struct traffic *t)
{
	printf("%8llu %9llu %10llu %7llu %8llu %7llu %8llu\n", t->packets_in, t->segments_in,
	       t->bytes_in, t->acks_out, t->on_data, t->acks_in, t->handled);
}

static void print_table(const struct watch_acks *skel)
{
	int connections = bpf_map__fd(skel->maps.connections);
	struct connection *last = NULL, c;
	struct traffic traffic;
	__u32 zero = 0;

	printf("%45s %29s %16s %16s\n", "", "data that came", "ACKs sent", "ACKs that came");
	printf("%-22s %-22s %8s %9s %10s %7s %8s %7s %8s\n", "local", "peer", "packets", "segments",
	       "bytes", "alone", "on data", "ACKs", "handled");
	for (; !bpf_map_get_next_key(connections, last, &c); last = &c) {
		if (bpf_map_lookup_elem(connections, &c, &traffic))
			err(2, "cannot read the connections");
		print_end(c.local, c.local_port);
		print_end(c.peer, c.peer_port);
		print_traffic(&traffic);
	}
	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.others), &zero, &traffic))
		err(2, "cannot read the other connections");
	printf("%-45s ", "those that found no room here");
	print_traffic(&traffic);
}

/* Each CPU has timings of its own. */
static void print_timings(const struct watch_acks *skel)
{
	int cpus = libbpf_num_possible_cpus();
	struct timings *timings = cpus > 0 ? calloc(cpus, sizeof(*timings)) : NULL;
	__u64 times = 0, total_ns = 0;
	__u32 zero = 0;

	if (!timings || bpf_map_lookup_elem(bpf_map__fd(skel->maps.timings), &zero, timings))
		err(2, "cannot read the timings");
	for (int cpu = 0; cpu < cpus; cpu++) {
		total_ns += timings[cpu].total_ns;
		for (int bucket = 0; bucket < BUCKETS; bucket++)
			times += timings[cpu].times[bucket];
	}
	printf("%llu times ACKs were handled, in %llu ns on average\n", times,
	       times ? total_ns / times : 0);
	free(timings);
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct watch_acks *skel;
	sigset_t ends;
	int signal;

	if (argc != 1)
		errx(1, "usage: %s", argv[0]);
	skel = watch_acks__open();
	if (!skel)
		err(2, "cannot open the programs");
	/* The object has everything twice. The other half is in sections kprobe/... */
	bpf_object__for_each_program(program, skel->obj)
		bpf_program__set_autoload(program, *bpf_program__section_name(program) == 'f');
	if (watch_acks__load(skel))
		err(2, "cannot load the programs for fentry and fexit");

	/* Blocked, not handled: one that comes before sigwait() waits for it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);

	if (watch_acks__attach(skel))
		err(2, "cannot attach to TCP by fentry and fexit");
	puts("watching TCP by fentry; Ctrl-C ends it");
	fflush(stdout);
	sigwait(&ends, &signal);
	watch_acks__detach(skel); /* what is printed is all there was */
	print_table(skel);
	print_timings(skel);
	watch_acks__destroy(skel);
	return 0;
}
