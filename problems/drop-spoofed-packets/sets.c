// SPDX-License-Identifier: BSD-2-Clause
/* The program's maps, and an interface's rows in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "sets.h"

int maps_open(const char *dir, struct maps *maps)
{
	struct maps opened = { -1, -1, -1 };
	int err;

	err = hp_pin_open(dir, "source_sets", &opened.source_sets);
	if (!err)
		err = hp_pin_open(dir, "verdict_counts", &opened.verdict_counts);
	if (!err)
		err = hp_pin_open(dir, "report_limits", &opened.report_limits);
	if (err)
		maps_close(&opened);
	else
		*maps = opened;
	return err;
}

void maps_close(struct maps *maps)
{
	int fds[] = { maps->source_sets, maps->verdict_counts, maps->report_limits };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Puts an entry of zeros in, unless there is one. */
static int add_row(int map_fd, __u32 ifindex, size_t value_size)
{
	void *zeros = calloc(1, value_size);
	int err = -ENOMEM;

	if (zeros)
		err = bpf_map_update_elem(map_fd, &ifindex, zeros, BPF_NOEXIST);
	free(zeros);
	return err == -EEXIST ? 0 : err;
}

int maps_add_rows(const struct maps *maps, __u32 ifindex)
{
	int err, cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	err = add_row(maps->verdict_counts, ifindex, cpus * sizeof(struct counts));
	return err ? err : add_row(maps->report_limits, ifindex, sizeof(struct report_limit));
}

void maps_remove_rows(const struct maps *maps, __u32 ifindex)
{
	bpf_map_delete_elem(maps->source_sets, &ifindex);
	bpf_map_delete_elem(maps->verdict_counts, &ifindex);
	bpf_map_delete_elem(maps->report_limits, &ifindex);
}

static int fill(const struct hp_map *map, const struct sources *set)
{
	struct source *keys = calloc(set->n, sizeof(*keys));
	__u64 *values = calloc(set->n, sizeof(*values));
	const struct hp_entries entries = { .keys = keys,
					    .values = values,
					    .n = set->n,
					    .key_bytes = sizeof(*keys),
					    .value_bytes = sizeof(*values) };
	int err = keys && values ? 0 : -ENOMEM;

	for (size_t i = 0; i < set->n && !err; i++) {
		keys[i] = set->entries[i].source;
		values[i] = set->entries[i].value;
	}
	if (!err)
		err = hp_map_put_many(map, &entries);
	free(values);
	free(keys);
	return err;
}

int set_write(const struct maps *maps, __u32 ifindex, const struct sources *set)
{
	struct hp_map outer, inner;
	int err = hp_map_of(maps->source_sets, &outer);

	if (!err)
		err = hp_map_create("hash", "sources", sizeof(struct source), sizeof(__u64),
				    set->n ? set->n : 1, NULL, &inner);
	if (err)
		return err;
	err = fill(&inner, set);
	if (!err) /* waits until no packet is judged by the old set any more */
		err = hp_map_put_map(&outer, &ifindex, sizeof(ifindex), &inner);
	hp_map_close(&inner);
	return err;
}

/* Adds what an entry of the map says; facts that follow from the others are left out. */
static int take_entry(const void *key, const void *value, void *set)
{
	const struct source *source = key;

	if (!source->family && source->bits != FACT_LOG_ONLY)
		return 0;
	return sources_add(set, source, *(const __u64 *)value);
}

int set_read(const struct maps *maps, __u32 ifindex, struct sources *set)
{
	struct sources found = {};
	struct hp_map outer, inner;
	int err = hp_map_of(maps->source_sets, &outer);

	if (!err)
		err = hp_map_get_map(&outer, &ifindex, sizeof(ifindex), &inner);
	if (err)
		return err;
	err = hp_map_each(&inner, take_entry, &found);
	hp_map_close(&inner);
	if (!err)
		err = sources_complete(&found, false);
	if (err)
		sources_free(&found);
	else
		*set = found;
	return err;
}
