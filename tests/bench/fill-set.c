// SPDX-License-Identifier: BSD-2-Clause
/*
 * Gives interface 1 a set of HOSTS hosts in the maps of drop-spoofed-packets that are pinned in
 * DIR: of each host an IPv4 and an IPv6 address, from 10.0.0.2 and fd00::2 on. Prints how many
 * nanoseconds that took, until the set was in force, and how many bytes the kernel says it takes.
 *
 * That is done as the loader does it, by its own function; with "one-by-one", by a system call for
 * each address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/bpf_endian.h>

#include "sets.h"

static const __u32 ifindex = 1;

static int add_hosts(struct sources *set, __u32 hosts)
{
	struct source ipv4 = { .family = 4, .bits = 32 }, ipv6 = { .family = 6, .bits = 128 };
	int err = 0;

	ipv6.address.halves[0] = bpf_cpu_to_be64(0xfdULL << 56);
	for (__u32 host = 2; host < hosts + 2 && !err; host++) {
		ipv4.address.ipv4 = bpf_htonl(0x0a000000 + host);
		ipv6.address.halves[1] = bpf_cpu_to_be64(host);
		err = sources_add(set, &ipv4, ORIGIN_INTERFACE);
		if (!err)
			err = sources_add(set, &ipv6, ORIGIN_INTERFACE);
	}
	return err ? err : sources_complete(set, false);
}

/* As set_write(), which see. */
static int write_one_by_one(const struct maps *maps, const struct sources *set)
{
	int err = 0, inner;

	inner = bpf_map_create(BPF_MAP_TYPE_HASH, "sources", sizeof(struct source), sizeof(__u64),
			       set->n ? set->n : 1, NULL);
	if (inner < 0)
		return inner;
	for (size_t i = 0; i < set->n && !err; i++)
		err = bpf_map_update_elem(inner, &set->entries[i].source, &set->entries[i].value,
					  BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(maps->source_sets, &ifindex, &inner, BPF_ANY);
	close(inner);
	return err;
}

/* What /proc tells of a map's memory; 0: nothing. */
static unsigned long long memory_of(int map_fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %llu", &bytes);
	if (file)
		fclose(file);
	return bytes;
}

static unsigned long long memory_of_set(const struct maps *maps)
{
	unsigned long long bytes = 0;
	int set = -1;
	__u32 id;

	if (!bpf_map_lookup_elem(maps->source_sets, &ifindex, &id))
		set = bpf_map_get_fd_by_id(id);
	if (set >= 0) {
		bytes = memory_of(set);
		close(set);
	}
	return bytes;
}

static int time_write(const struct maps *maps, const struct sources *set, int one_by_one)
{
	struct timespec start, end;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &start);
	err = one_by_one ? write_one_by_one(maps, set) : set_write(maps, ifindex, set);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (!err)
		printf("%lld %llu\n",
		       (end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec,
		       memory_of_set(maps));
	return err;
}

int main(int argc, char **argv)
{
	struct sources set = {};
	struct maps maps;
	int err;

	if (argc != 3 && !(argc == 4 && !strcmp(argv[3], "one-by-one"))) {
		fprintf(stderr, "usage: fill-set DIR HOSTS [one-by-one]\n");
		return 1;
	}
	err = maps_open(argv[1], &maps);
	if (!err) {
		err = add_hosts(&set, strtoul(argv[2], NULL, 10));
		if (!err)
			err = time_write(&maps, &set, argc == 4);
		maps_close(&maps);
	}
	sources_free(&set);
	if (err)
		fprintf(stderr, "fill-set: %s\n", strerror(-err));
	return err ? 2 : 0;
}
