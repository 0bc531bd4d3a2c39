// SPDX-License-Identifier: BSD-2-Clause
/* Writing many entries of a map, and replacing all: in batches, or one by one where the kernel has
 * none for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "map-internal.h"

/* A batch of N entries (of keys alone, to remove them): *DONE get it. */
static int write_batch(const struct hp_map *map, const char *keys, const char *values, __u32 n,
		       __u32 *done)
{
	int err = values ? bpf_map_update_batch(map->fd, keys, values, done, NULL)
			 : bpf_map_delete_batch(map->fd, keys, done, NULL);

	if (err && *done == n) /* refused before the kernel wrote how many it has done */
		*done = 0;
	return err;
}

static int write_one(const struct hp_map *map, const char *key, const char *value)
{
	return value ? bpf_map_update_elem(map->fd, key, value, BPF_ANY) : hp_map_delete(map, key);
}

/* Puts N entries, or removes those with these KEYS where VALUES is NULL. */
static int write_all(const struct hp_map *map, const char *keys, const char *values, size_t n)
{
	bool one_by_one = false;
	int err = 0;

	while (n && !err) {
		__u32 count = n < BATCH_ENTRIES ? n : BATCH_ENTRIES;

		if (one_by_one)
			count = 1;
		err = one_by_one ? write_one(map, keys, values)
				 : write_batch(map, keys, values, count, &count);
		if (hp_map_unknown(err) && !one_by_one) {
			one_by_one = true;
			err = 0;
		} else if (err == -ENOENT && !values) {
			/* The next one has been removed by somebody else. */
			count += !one_by_one;
			err = 0;
		}
		keys += count * map->key_bytes;
		values += values ? count * map->value_bytes : 0;
		n -= count;
	}
	return err;
}

int hp_map_put_many(const struct hp_map *map, const struct hp_entries *entries)
{
	if (entries->key_bytes != map->key_bytes || entries->value_bytes != map->value_bytes)
		return -EINVAL;
	if (!hp_map_has_write(map, BPF_ANY))
		return -EOPNOTSUPP;
	return hp_map_write_error(write_all(map, entries->keys, entries->values, entries->n));
}

int hp_map_remove_many(const struct hp_map *map, const void *keys, size_t key_bytes, size_t n)
{
	if (key_bytes != map->key_bytes)
		return -EINVAL;
	if (!hp_map_has_removal(map))
		return -EOPNOTSUPP;
	return hp_map_error(write_all(map, keys, NULL, n));
}

/* How a map is made to hold the entries of KEEP, and no others: chunk by chunk. */
struct changes {
	struct hp_keys keep;
	const char **values; /* of each in KEEP; NULL: the map has it already */
	char *keys_to_remove;
	size_t n_to_remove;
	char *keys_to_put;
	char *values_to_put;
	size_t n_to_put;
};

static void free_changes(struct changes *c)
{
	hp_keys_free(&c->keep);
	free(c->values);
	free(c->keys_to_remove);
	free(c->keys_to_put);
	free(c->values_to_put);
}

/* The caller frees them, whatever is returned. */
static int begin_changes(const struct hp_map *map, const struct hp_entries *entries,
			 struct changes *c)
{
	const char *keys = entries->keys, *values = entries->values;
	__u32 number;
	int err;

	c->keep.key_bytes = map->key_bytes;
	c->values = calloc(entries->n + 1, sizeof(*c->values));
	c->keys_to_put = malloc(entries->n * map->key_bytes + 1);
	c->values_to_put = malloc(entries->n * map->value_bytes + 1);
	if (!c->values || !c->keys_to_put || !c->values_to_put)
		return -ENOMEM;
	err = hp_keys_reserve(&c->keep, entries->n + 1);
	for (size_t i = 0; i < entries->n && !err; i++) {
		err = hp_keys_add(&c->keep, keys + i * map->key_bytes, &number);
		if (!err)
			c->values[number] = values + i * map->value_bytes;
	}
	if (!err && c->keep.n > map->max_entries)
		err = -E2BIG;
	return err;
}

static void will_put(const struct hp_map *map, struct changes *c, __u32 number)
{
	memcpy(c->keys_to_put + c->n_to_put * map->key_bytes,
	       c->keep.keys + number * map->key_bytes, map->key_bytes);
	memcpy(c->values_to_put + c->n_to_put * map->value_bytes, c->values[number],
	       map->value_bytes);
	c->n_to_put++;
	c->values[number] = NULL;
}

static void will_remove(const struct hp_map *map, struct changes *c, const char *key)
{
	memcpy(c->keys_to_remove + c->n_to_remove++ * map->key_bytes, key, map->key_bytes);
}

/* A map of maps shows ids of what was put there as descriptors. */
static bool is_same(const struct hp_map *map, const char *have, const char *want)
{
	return map->type != BPF_MAP_TYPE_HASH_OF_MAPS && !memcmp(have, want, map->value_bytes);
}

/* N entries of the map, no more than HP_KEYS_AT_ONCE. */
static void compare(const struct hp_map *map, struct changes *c, const char *keys,
		    const char *values, __u32 n)
{
	__u32 found[HP_KEYS_AT_ONCE];

	hp_keys_find(&c->keep, keys, n, found);
	for (__u32 i = 0; i < n; i++)
		if (found[i])
			__builtin_prefetch(&c->values[found[i] - 1]);
	for (__u32 i = 0; i < n; i++)
		if (found[i])
			__builtin_prefetch(c->values[found[i] - 1]);
	for (__u32 i = 0; i < n; i++, keys += map->key_bytes, values += map->value_bytes) {
		if (!found[i])
			will_remove(map, c, keys);
		else if (is_same(map, values, c->values[found[i] - 1]))
			c->values[found[i] - 1] = NULL;
		else
			will_put(map, c, found[i] - 1);
	}
}

static int write_changes(const struct hp_map *map, struct changes *c)
{
	int err = write_all(map, c->keys_to_remove, NULL, c->n_to_remove);

	if (!err)
		err = write_all(map, c->keys_to_put, c->values_to_put, c->n_to_put);
	c->n_to_remove = c->n_to_put = 0;
	return err;
}

/*
 * What the map has is written at once and in the order in which it was read: that is faster, since
 * the kernel has just had it in its hands.
 */
static int change_chunk(const struct hp_map *map, const char *keys, const char *values, size_t n,
			void *arg)
{
	struct changes *c = arg;
	char *room = realloc(c->keys_to_remove, n * map->key_bytes);

	if (!room)
		return -ENOMEM;
	c->keys_to_remove = room;
	for (size_t i = 0; i < n; i += HP_KEYS_AT_ONCE)
		compare(map, c, keys + i * map->key_bytes, values + i * map->value_bytes,
			n - i < HP_KEYS_AT_ONCE ? n - i : HP_KEYS_AT_ONCE);
	return write_changes(map, c);
}

/* What is new is put last, when there is room for it. */
static int replace_hash(const struct hp_map *map, const struct hp_entries *entries)
{
	struct changes c = {};
	int err = begin_changes(map, entries, &c);

	if (!err)
		err = hp_walk_each(map, change_chunk, &c);
	for (__u32 i = 0; i < c.keep.n && !err; i++)
		if (c.values[i])
			will_put(map, &c, i);
	if (!err)
		err = write_changes(map, &c);
	free_changes(&c);
	return err;
}

/* All of the new array is laid out first, so that no entry is zero in between. */
static int replace_array(const struct hp_map *map, const struct hp_entries *entries)
{
	__u32 *indexes = calloc(map->max_entries, sizeof(*indexes));
	char *values = calloc(map->max_entries, map->value_bytes);
	const __u32 *keys = entries->keys;
	int err = indexes && values ? 0 : -ENOMEM;

	for (__u32 i = 0; i < map->max_entries && !err; i++)
		indexes[i] = i;
	for (size_t i = 0; i < entries->n && !err; i++) {
		if (keys[i] < map->max_entries)
			memcpy(values + keys[i] * map->value_bytes,
			       (const char *)entries->values + i * map->value_bytes,
			       map->value_bytes);
		else
			err = -E2BIG;
	}
	if (!err)
		err = write_all(map, (char *)indexes, values, map->max_entries);
	free(values);
	free(indexes);
	return err;
}

int hp_map_replace(const struct hp_map *map, const struct hp_entries *entries)
{
	if (entries->key_bytes != map->key_bytes || entries->value_bytes != map->value_bytes)
		return -EINVAL;
	switch (map->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return hp_map_write_error(replace_array(map, entries));
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return hp_map_write_error(replace_hash(map, entries));
	default:
		return -EOPNOTSUPP;
	}
}
