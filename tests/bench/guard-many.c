// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fills the maps of drop-spoofed-packets that are pinned in DIR as if the interfaces 2 to LAST were
 * guarded too, with one address each. There needn't be such interfaces: a test run is on number 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/bpf_endian.h>

#include "sets.h"

/* A map that holds one address, or a negative errno. */
static int make_set(__u32 number)
{
	struct source source = { .family = 4, .bits = 32 };
	__u64 origin = ORIGIN_INTERFACE;
	int err, set;

	source.address.ipv4 = bpf_htonl(0x0a000000 + number);
	set = bpf_map_create(BPF_MAP_TYPE_HASH, "sources", sizeof(source), sizeof(origin), 1, NULL);
	if (set < 0)
		return set;
	err = bpf_map_update_elem(set, &source, &origin, BPF_ANY);
	if (!err)
		return set;
	close(set);
	return err;
}

/* In one batch: each system call that changes the map waits until no packet sees the old one. */
static int guard(const struct maps *maps, __u32 *ifindexes, int *sets, __u32 n)
{
	int err = 0;

	for (__u32 i = 0; i < n && !err; i++) {
		ifindexes[i] = i + 2;
		sets[i] = make_set(ifindexes[i]);
		err = sets[i] < 0 ? sets[i] : maps_add_rows(maps, ifindexes[i]);
	}
	return err ? err : bpf_map_update_batch(maps->source_sets, ifindexes, sets, &n, NULL);
}

int main(int argc, char **argv)
{
	static __u32 ifindexes[INTERFACES_MAX];
	static int sets[INTERFACES_MAX];
	struct rlimit files = { INTERFACES_MAX + 64, INTERFACES_MAX + 64 };
	struct maps maps;
	int err, last;

	if (argc != 3 || (last = atoi(argv[2])) < 2 || last > INTERFACES_MAX) {
		fprintf(stderr, "usage: guard-many DIR LAST\n");
		return 1;
	}
	err = setrlimit(RLIMIT_NOFILE, &files) ? -errno : maps_open(argv[1], &maps);
	if (!err) {
		err = guard(&maps, ifindexes, sets, last - 1);
		maps_close(&maps);
	}
	if (err)
		fprintf(stderr, "guard-many: %s\n", strerror(-err));
	return err ? 2 : 0;
}
