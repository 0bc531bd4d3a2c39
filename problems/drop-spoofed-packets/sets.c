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

/* Fills an empty hash with all entries in one system call (or a few: the kernel may stop early). */
static int fill(int map_fd, const struct sources *set)
{
	struct source *keys = calloc(set->n, sizeof(*keys));
	__u64 *values = calloc(set->n, sizeof(*values));
	__u32 count, done = 0;
	int err = keys && values ? 0 : -ENOMEM;

	for (size_t i = 0; i < set->n && !err; i++) {
		keys[i] = set->entries[i].source;
		values[i] = set->entries[i].value;
	}
	while (!err && done < set->n) {
		count = set->n - done;
		err = bpf_map_update_batch(map_fd, keys + done, values + done, &count, NULL);
		done += count;
	}
	free(values);
	free(keys);
	return err;
}

int set_write(const struct maps *maps, __u32 ifindex, const struct sources *set)
{
	int err, inner;

	inner = bpf_map_create(BPF_MAP_TYPE_HASH, "sources", sizeof(struct source), sizeof(__u64),
			       set->n ? set->n : 1, NULL);
	if (inner < 0)
		return inner;
	err = fill(inner, set);
	if (!err) /* waits until no packet is judged by the old set any more */
		err = bpf_map_update_elem(maps->source_sets, &ifindex, &inner, BPF_ANY);
	close(inner);
	return err;
}

/* What an entry of the map says; facts that follow from the others are left out. */
static int take_entry(struct sources *set, const struct source *key, __u64 value)
{
	return key->family || key->bits == FACT_LOG_ONLY ? sources_add(set, key, value) : 0;
}

/* A set in force is never changed, so it can be read in pieces. N: its max_entries. */
static int read_entries(int map_fd, __u32 n, struct sources *set)
{
	struct source *keys = calloc(n, sizeof(*keys));
	__u64 *values = calloc(n, sizeof(*values));
	int taken = 0, err = keys && values ? 0 : -ENOMEM;
	__u32 place, count, *from = NULL;

	while (!err && !taken) {
		count = n;
		err = bpf_map_lookup_batch(map_fd, from, &place, keys, values, &count, NULL);
		if (err && err != -ENOENT) /* ENOENT: these are the last */
			break;
		for (__u32 i = 0; i < count && !taken; i++)
			taken = take_entry(set, &keys[i], values[i]);
		from = &place;
	}
	free(values);
	free(keys);
	return err == -ENOENT ? taken : err;
}

int set_read(const struct maps *maps, __u32 ifindex, struct sources *set)
{
	struct bpf_map_info info = {};
	__u32 id, size = sizeof(info);
	struct sources found = {};
	int inner, err;

	err = bpf_map_lookup_elem(maps->source_sets, &ifindex, &id);
	if (err)
		return err;
	inner = bpf_map_get_fd_by_id(id);
	if (inner < 0)
		return inner;
	err = bpf_obj_get_info_by_fd(inner, &info, &size);
	if (!err)
		err = read_entries(inner, info.max_entries, &found);
	close(inner);
	if (!err)
		err = sources_complete(&found, false);
	if (err)
		sources_free(&found);
	else
		*set = found;
	return err;
}
