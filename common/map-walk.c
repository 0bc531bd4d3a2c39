// SPDX-License-Identifier: BSD-2-Clause
/* Reading all entries of a map: in batches, or one by one where the kernel has none for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "map-internal.h"

/* Of maps with large values a chunk has fewer entries. */
#define CHUNK_BYTES (1 << 20)

/* Does the kernel hand over bucket by bucket? Of other types its batches go from key to key. */
static bool has_buckets(const struct hp_map *map)
{
	switch (map->type) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return true;
	default:
		return false;
	}
}

/* Makes room for so many entries in a chunk. */
static int make_room(struct hp_walk *walk, __u32 room)
{
	char *keys = realloc(walk->keys, (size_t)room * walk->map->key_bytes);
	char *values;

	if (!keys)
		return -ENOMEM;
	walk->keys = keys;
	values = realloc(walk->values, (size_t)room * walk->map->value_bytes);
	if (!values)
		return -ENOMEM;
	walk->values = values;
	walk->room = room;
	return 0;
}

int hp_walk_open(struct hp_walk *walk, const struct hp_map *map)
{
	struct hp_walk opened = {
		.map = map,
		.may_repeat = !hp_map_is_array(map) && !has_buckets(map),
		.seen = { .key_bytes = map->key_bytes },
	};
	size_t room = CHUNK_BYTES / (map->key_bytes + map->value_bytes + 1);
	int err;

	if (!map->key_bytes)
		return -EOPNOTSUPP;
	if (room > BATCH_ENTRIES)
		room = BATCH_ENTRIES;
	if (room > map->max_entries)
		room = map->max_entries;
	/* A place is a bucket's number, of 4 bytes, or a key. */
	opened.place = malloc(map->key_bytes > 4 ? map->key_bytes : 4);
	err = opened.place ? make_room(&opened, room ? room : 1) : -ENOMEM;
	if (err)
		hp_walk_close(&opened);
	else
		*walk = opened;
	return err;
}

void hp_walk_close(struct hp_walk *walk)
{
	free(walk->keys);
	free(walk->values);
	free(walk->place);
	hp_keys_free(&walk->seen);
}

static bool too_many_steps(const struct hp_walk *walk)
{
	return walk->may_repeat && walk->steps > 8ULL * walk->map->max_entries + 1024;
}

static int read_one_by_one(struct hp_walk *walk)
{
	size_t key_bytes = walk->map->key_bytes, value_bytes = walk->map->value_bytes;
	int err = 0, fd = walk->map->fd;

	while (walk->n < walk->room) {
		void *key = walk->keys + walk->n * key_bytes;

		if (too_many_steps(walk))
			return -EAGAIN;
		walk->steps++;
		err = bpf_map_get_next_key(fd, walk->begun ? walk->place : NULL, key);
		walk->ended = err == -ENOENT;
		if (err)
			break;
		memcpy(walk->place, key, key_bytes);
		walk->begun = true;
		err = bpf_map_lookup_elem(fd, key, walk->values + walk->n * value_bytes);
		if (!err)
			walk->n++;
		else if (err != -ENOENT) /* ENOENT: it has gone in the meantime, or has no value */
			break;
	}
	return err == -ENOENT ? 0 : err;
}

/* -ENOTSUPP, as the kernel says it, or -EINVAL: this kernel has no batches for this type. */
static int read_batch(struct hp_walk *walk)
{
	int err;

	for (;;) {
		__u32 count = walk->room;

		if (too_many_steps(walk))
			return -EAGAIN;
		err = bpf_map_lookup_batch(walk->map->fd, walk->begun ? walk->place : NULL,
					   walk->place, walk->keys, walk->values, &count, NULL);
		/* Refused before it wrote the count? */
		if (err && err != -ENOENT && count == walk->room)
			return err;
		walk->steps += count + 1;
		if (err == -EINTR && !count) {
			/*
			 * A key without a value: removed, or of an array of maps. An older
			 * kernel gets no further by itself; from the last key there is a way.
			 */
			walk->one_by_one = true;
			return 0;
		}
		if (err != -ENOSPC || count) {
			walk->n = count;
			break;
		}
		err = make_room(walk, walk->room * 2); /* for one bucket that is fuller than this */
		if (err)
			return err;
	}
	walk->begun = true;
	walk->ended = err == -ENOENT;
	return err == -ENOENT || err == -ENOSPC || err == -EINTR ? 0 : err;
}

/* Takes out of the chunk what was seen before. */
static int drop_repeated(struct hp_walk *walk)
{
	size_t key_bytes = walk->map->key_bytes, value_bytes = walk->map->value_bytes;
	__u32 kept = 0;

	for (__u32 i = 0; i < walk->n; i++) {
		__u32 number, before = walk->seen.n;
		int err = hp_keys_add(&walk->seen, walk->keys + i * key_bytes, &number);

		if (err)
			return err;
		if (walk->seen.n == before)
			continue;
		memmove(walk->keys + kept * key_bytes, walk->keys + i * key_bytes, key_bytes);
		memmove(walk->values + kept * value_bytes, walk->values + i * value_bytes,
			value_bytes);
		kept++;
	}
	walk->n = kept;
	return 0;
}

int hp_walk_next(struct hp_walk *walk)
{
	int err = 0;

	walk->n = 0;
	while (!walk->n && !walk->ended && !err) {
		err = walk->one_by_one ? read_one_by_one(walk) : read_batch(walk);
		if (!walk->one_by_one && !walk->begun && hp_map_unknown(err)) {
			walk->one_by_one = true;
			walk->may_repeat = !hp_map_is_array(walk->map);
			err = 0;
			continue;
		}
		if (!err && walk->may_repeat)
			err = drop_repeated(walk);
	}
	return hp_map_read_error(err);
}

/* Doubles the arrays until N more entries fit. *ROOM: for how many there is. */
static int reserve(struct hp_entries *entries, size_t *room, size_t n)
{
	size_t wanted = *room;
	void *keys, *values;

	while (wanted < entries->n + n)
		wanted = wanted ? wanted * 2 : n;
	if (wanted == *room)
		return 0;
	keys = realloc(entries->keys, wanted * entries->key_bytes);
	if (!keys)
		return -ENOMEM;
	entries->keys = keys;
	values = realloc(entries->values, wanted * entries->value_bytes);
	if (!values)
		return -ENOMEM;
	entries->values = values;
	*room = wanted;
	return 0;
}

static int append(struct hp_entries *entries, size_t *room, const struct hp_walk *walk)
{
	int err = reserve(entries, room, walk->n);

	if (err)
		return err;
	memcpy((char *)entries->keys + entries->n * entries->key_bytes, walk->keys,
	       walk->n * entries->key_bytes);
	memcpy((char *)entries->values + entries->n * entries->value_bytes, walk->values,
	       walk->n * entries->value_bytes);
	entries->n += walk->n;
	return 0;
}

/* Reads what is in this chunk and in those that follow. */
static int read_on(struct hp_walk *walk, struct hp_entries *entries)
{
	struct hp_entries read = { .key_bytes = walk->map->key_bytes,
				   .value_bytes = walk->map->value_bytes };
	size_t room = 0;
	int err = 0;

	while (!err && walk->n) {
		err = append(&read, &room, walk);
		if (!err)
			err = hp_walk_next(walk);
	}
	if (err)
		hp_entries_free(&read);
	else
		*entries = read;
	return err;
}

int hp_map_read(const struct hp_map *map, struct hp_entries *entries)
{
	struct hp_walk walk;
	int err = hp_walk_open(&walk, map);

	if (err)
		return err;
	err = hp_walk_next(&walk);
	if (!err)
		err = read_on(&walk, entries);
	hp_walk_close(&walk);
	return err;
}

int hp_walk_each(const struct hp_map *map, hp_each_chunk each, void *arg)
{
	struct hp_entries all = {};
	struct hp_walk walk;
	int err = hp_walk_open(&walk, map);

	if (err)
		return err;
	err = hp_walk_next(&walk);
	if (!err && walk.may_repeat) {
		/* What EACH removes now would have the kernel begin anew. */
		err = read_on(&walk, &all);
		if (!err && all.n)
			err = each(map, all.keys, all.values, all.n, arg);
	}
	while (!err && walk.n) {
		err = each(map, walk.keys, walk.values, walk.n, arg);
		if (!err)
			err = hp_walk_next(&walk);
	}
	hp_walk_close(&walk);
	hp_entries_free(&all);
	return err;
}

struct caller {
	hp_each_entry each;
	void *arg;
};

static int call_each(const struct hp_map *map, const char *keys, const char *values, size_t n,
		     void *arg)
{
	const struct caller *caller = arg;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = caller->each(keys + i * map->key_bytes, values + i * map->value_bytes,
				   caller->arg);
	return err;
}

int hp_map_each(const struct hp_map *map, hp_each_entry each, void *arg)
{
	return hp_walk_each(map, call_each, &(struct caller){ each, arg });
}

void hp_entries_free(struct hp_entries *entries)
{
	if (!entries)
		return;
	free(entries->keys);
	free(entries->values);
	entries->keys = entries->values = NULL;
	entries->n = 0;
}
