// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads or replaces all entries of a pinned hash, and prints how much CPU time that took, in ns.
 *
 *   time-maps PIN make ENTRIES   makes and pins a hash that has no entries yet
 *   time-maps PIN read HOW
 *   time-maps PIN replace HOW KEYS VALUES
 *
 * HOW: "batched", by the library; "one-by-one": to read with the two system calls that an entry
 * takes, to replace as the library does where the kernel has no batches. To replace also
 * "blindly", one by one, by who doesn't look at the values that are there, and sees by a key itself
 * whether it must go; and "swapped": a new map is filled, and put into a map of maps, where
 * programs would find it instead of the old one. The pinned map always gets as many entries as it
 * has room for. KEYS and VALUES are numbers: with the same one, keys or values are the same again.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

#define REAL(function) ((typeof(&(function)))dlsym(RTLD_NEXT, #function))

static bool has_batches = true; /* the kernel, as far as the library sees it: it calls these */

int bpf_map_lookup_batch(int fd, void *from, void *to, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (!has_batches)
		return -EINVAL;
	return REAL(bpf_map_lookup_batch)(fd, from, to, keys, values, count, options);
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (!has_batches)
		return -EINVAL;
	return REAL(bpf_map_update_batch)(fd, keys, values, count, options);
}

int bpf_map_delete_batch(int fd, const void *keys, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (!has_batches)
		return -EINVAL;
	return REAL(bpf_map_delete_batch)(fd, keys, count, options);
}

static int make(const char *pin, const char *entries)
{
	struct hp_map map;
	int err = hp_map_create("hash", "bench", sizeof(__u64), sizeof(__u64),
				strtoul(entries, NULL, 10), NULL, &map);

	if (err)
		return err;
	err = bpf_obj_pin(map.fd, pin);
	hp_map_close(&map);
	return err;
}

/* The number of a key's set is its lowest byte; the rest is as spread as addresses of hosts are. */
static __u64 key_of(__u64 i, __u8 set)
{
	return i * 0x9e3779b97f4a7c15 << 8 | set;
}

/* hp_entries_free() in any case. */
static int choose(const struct hp_map *map, __u8 keys, __u64 values, struct hp_entries *entries)
{
	__u64 *key = calloc(map->max_entries, sizeof(*key));
	__u64 *value = calloc(map->max_entries, sizeof(*value));

	*entries = (struct hp_entries){ .keys = key,
					.values = value,
					.n = map->max_entries,
					.key_bytes = sizeof(*key),
					.value_bytes = sizeof(*value) };
	if (!key || !value)
		return -ENOMEM;
	for (__u64 i = 0; i < entries->n; i++) {
		key[i] = key_of(i, keys);
		value[i] = i + values;
	}
	return 0;
}

/* With two system calls for an entry. */
static int read_one_by_one(const struct hp_map *map, struct hp_entries *all)
{
	__u64 *keys = calloc(map->max_entries, sizeof(*keys)), *before = NULL;
	__u64 *values = calloc(map->max_entries, sizeof(*values));
	int err = keys && values ? 0 : -ENOMEM;
	__u32 n = 0;

	while (!err && n < map->max_entries) {
		err = bpf_map_get_next_key(map->fd, before, &keys[n]);
		if (err)
			break;
		before = &keys[n];
		err = bpf_map_lookup_elem(map->fd, before, &values[n]);
		n++;
	}
	*all = (struct hp_entries){ .keys = keys, .values = values, .n = n };
	return err == -ENOENT ? 0 : err;
}

/* With a system call to find an entry, and one to write it; and one for each that must go. */
static int replace_blindly(struct hp_map *map, const struct hp_map *outer,
			   const struct hp_entries *entries)
{
	const __u64 *keys = entries->keys, *values = entries->values;
	__u8 set = keys[0];
	__u64 *stale = calloc(map->max_entries, sizeof(*stale)), key, *before = NULL;
	size_t n = 0;
	int err = stale ? 0 : -ENOMEM;

	(void)outer;
	while (!err && !(err = bpf_map_get_next_key(map->fd, before, &key))) {
		if ((__u8)key != set)
			stale[n++] = key;
		before = &key;
	}
	if (err == -ENOENT)
		err = 0;
	for (size_t i = 0; i < n && !err; i++)
		err = bpf_map_delete_elem(map->fd, &stale[i]);
	for (size_t i = 0; i < entries->n && !err; i++)
		err = bpf_map_update_elem(map->fd, &keys[i], &values[i], BPF_ANY);
	free(stale);
	return err;
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int time_read(const struct hp_map *map, bool batched, long long *ns)
{
	struct hp_entries all = {};
	long long start = now_ns();
	int err = batched ? hp_map_read(map, &all) : read_one_by_one(map, &all);

	*ns = now_ns() - start;
	if (!err && all.n != map->max_entries)
		err = -ENODATA;
	hp_entries_free(&all);
	return err;
}

/* Who is fast and leaves something else in the map is not worth timing. */
static int check(const struct hp_map *map, const struct hp_entries *entries)
{
	const __u64 *keys = entries->keys, *values = entries->values;
	__u64 value;

	for (size_t i = 0; i < entries->n; i++)
		if (bpf_map_lookup_elem(map->fd, &keys[i], &value) || value != values[i])
			return -EBADMSG;
	return 0;
}

/* How to replace what is in MAP; one that comes in its place takes its place in *MAP. */
typedef int (*replacer)(struct hp_map *map, const struct hp_map *outer,
			const struct hp_entries *entries);

static int replace_batched(struct hp_map *map, const struct hp_map *outer,
			   const struct hp_entries *entries)
{
	(void)outer;
	return hp_map_replace(map, entries);
}

static int replace_one_by_one(struct hp_map *map, const struct hp_map *outer,
			      const struct hp_entries *entries)
{
	(void)outer;
	has_batches = false;
	return hp_map_replace(map, entries);
}

static int swap(struct hp_map *map, const struct hp_map *outer, const struct hp_entries *entries)
{
	struct hp_map filled;
	int err = hp_map_create("hash", "bench", sizeof(__u64), sizeof(__u64), map->max_entries,
				NULL, &filled);

	if (err)
		return err;
	err = hp_map_put_many(&filled, entries);
	if (!err)
		err = hp_map_put_map(outer, &(__u32){ 0 }, sizeof(__u32), &filled);
	hp_map_close(map);
	*map = filled;
	return err;
}

static replacer replacer_of(const char *how)
{
	if (!strcmp(how, "swapped"))
		return swap;
	if (!strcmp(how, "blindly"))
		return replace_blindly;
	return strcmp(how, "one-by-one") ? replace_batched : replace_one_by_one;
}

/* NUMBERS: of the keys and of the values. */
static int time_replace(struct hp_map *map, const char *how, char **numbers, long long *ns)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = map->fd);
	replacer replace = replacer_of(how);
	struct hp_entries entries = {};
	struct hp_map outer;
	long long start;
	int err = hp_map_create("array_of_maps", "bench", sizeof(__u32), sizeof(__u32), 1, &options,
				&outer);

	if (err)
		return err;
	err = choose(map, strtoul(numbers[0], NULL, 10), strtoul(numbers[1], NULL, 10), &entries);
	if (!err) {
		start = now_ns();
		err = replace(map, &outer, &entries);
		*ns = now_ns() - start;
	}
	if (!err)
		err = check(map, &entries);
	hp_entries_free(&entries);
	hp_map_close(&outer);
	return err;
}

static int time_one(int argc, char **argv)
{
	struct hp_map map;
	long long ns = 0;
	int err = hp_map_open_pin(argv[1], &map);

	if (err)
		return err;
	err = argc == 4 ? time_read(&map, strcmp(argv[3], "one-by-one"), &ns)
			: time_replace(&map, argv[3], argv + 4, &ns);
	hp_map_close(&map);
	if (!err)
		printf("%lld\n", ns);
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc == 4 && !strcmp(argv[2], "make"))
		err = make(argv[1], argv[3]);
	else if ((argc == 4 && !strcmp(argv[2], "read")) ||
		 (argc == 6 && !strcmp(argv[2], "replace")))
		err = time_one(argc, argv);
	else {
		fprintf(stderr,
			"usage: time-maps PIN make ENTRIES | read HOW | replace HOW KEYS VALUES\n");
		return 1;
	}
	if (err)
		fprintf(stderr, "time-maps: %s\n", strerror(-err));
	return err ? 2 : 0;
}
