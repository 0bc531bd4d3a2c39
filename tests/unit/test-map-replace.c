// SPDX-License-Identifier: BSD-2-Clause
/* Maps: replacing all entries, also while others look; each as on a kernel without batches too. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "hookpoint.h"
#include "old-kernel.h"

#define ENTRIES 3000 /* several batches */

/* A key of 8 bytes, also of an lpm_trie. */
struct key {
	__u32 prefix_bits;
	__u32 number;
};

static struct hp_map make(const char *type, __u32 entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct hp_map map;

	if (!strcmp(type, "lpm_trie"))
		options.map_flags = BPF_F_NO_PREALLOC;
	assert_int_equal(hp_map_create(type, "test", 8, 8, entries, &options, &map), 0);
	return map;
}

/* Entries FIRST to FIRST + N - 1, with their number plus MORE on each CPU. hp_entries_free(). */
static struct hp_entries entries_of(const struct hp_map *map, __u32 first, __u32 n, __u64 more)
{
	struct hp_entries entries = {
		.keys = malloc(n * sizeof(struct key) + 1),
		.values = malloc(n * map->value_bytes + 1),
		.n = n,
		.key_bytes = sizeof(struct key),
		.value_bytes = map->value_bytes,
	};

	for (__u32 i = 0; i < n; i++) {
		((struct key *)entries.keys)[i] = (struct key){ 32, first + i };
		for (__u32 copy = 0; copy < map->copies; copy++)
			((__u64 *)entries.values)[i * map->copies + copy] = first + i + more;
	}
	return entries;
}

static int replace(const struct hp_map *map, __u32 first, __u32 n, __u64 more)
{
	struct hp_entries entries = entries_of(map, first, n, more);
	int err = hp_map_replace(map, &entries);

	hp_entries_free(&entries);
	return err;
}

/* MAP holds entries FIRST to FIRST + N - 1 with these values, and nothing else. */
static void check(const struct hp_map *map, __u32 first, __u32 n, __u64 more)
{
	struct hp_entries all;

	assert_int_equal(hp_map_read(map, &all), 0);
	assert_int_equal(all.n, n);
	for (__u32 i = 0; i < n; i++) {
		__u32 number = ((struct key *)all.keys)[i].number;

		assert_in_range(number, first, first + n - 1);
		for (__u32 copy = 0; copy < map->copies; copy++)
			assert_int_equal(((__u64 *)all.values)[i * map->copies + copy],
					 number + more);
	}
	hp_entries_free(&all);
}

static void afterwards_it_holds_what_was_given(void **state)
{
	static const char *const types[] = { "hash", "percpu_hash", "lpm_trie" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct hp_map map = make(types[i], ENTRIES);

		assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
		check(&map, 0, ENTRIES, 1);
		/* Full before and after; half of the keys stay. */
		assert_int_equal(replace(&map, ENTRIES / 2, ENTRIES, 7), 0);
		check(&map, ENTRIES / 2, ENTRIES, 7);
		/* None stays. */
		assert_int_equal(replace(&map, 2 * ENTRIES, ENTRIES, 9), 0);
		check(&map, 2 * ENTRIES, ENTRIES, 9);
		assert_int_equal(replace(&map, 0, 0, 0), 0);
		check(&map, 0, 0, 0);
		hp_map_close(&map);
	}
}

static void an_lru_hash_too_where_there_is_room(void **state)
{
	struct hp_map map = make("lru_hash", 8 * ENTRIES);

	(void)state;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	assert_int_equal(replace(&map, ENTRIES / 2, ENTRIES, 2), 0);
	check(&map, ENTRIES / 2, ENTRIES, 2);
	hp_map_close(&map);
}

static void what_is_right_already_is_not_written(void **state)
{
	struct hp_map map = make("hash", ENTRIES);

	(void)state;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	writes = 0;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	assert_int_equal(writes, 0);
	assert_int_equal(replace(&map, 10, ENTRIES, 1), 0);
	assert_int_equal(writes, 10);
	check(&map, 10, ENTRIES, 1);
	/* Nor is anything written twice. */
	writes = 0;
	assert_int_equal(replace(&map, 10, ENTRIES, 2), 0);
	assert_int_equal(writes, ENTRIES);
	hp_map_close(&map);
}

static void too_many_change_nothing(void **state)
{
	struct hp_map map = make("hash", ENTRIES);

	(void)state;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	assert_int_equal(replace(&map, 1, ENTRIES + 1, 2), -E2BIG);
	check(&map, 0, ENTRIES, 1);
	hp_map_close(&map);
}

static void the_last_of_several_with_a_key_counts(void **state)
{
	struct key keys[] = { { 32, 5 }, { 32, 6 }, { 32, 5 } };
	__u64 values[] = { 8, 7, 6 };
	struct hp_entries entries = {
		.keys = keys, .values = values, .n = 3, .key_bytes = 8, .value_bytes = 8
	};
	struct hp_map map = make("hash", 2);

	(void)state;
	/* Also where the map has one of them, with a value that is not the last. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hp_map_replace(&map, &entries), 0);
		check(&map, 5, 2, 1);
		hp_map_put(&map, &keys[0], sizeof(keys[0]), &values[0], sizeof(values[0]));
	}
	hp_map_close(&map);
}

static void an_array_has_zeros_where_nothing_was_given(void **state)
{
	static const char *const types[] = { "array", "percpu_array" };
	__u32 indexes[] = { 2, 0 }, beyond[] = { 1, 4 }, third = 3;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct hp_entries entries = { .keys = indexes, .n = 2, .key_bytes = 4 }, all;
		struct hp_map map;
		__u64 *read;

		assert_int_equal(hp_map_create(types[i], "test", 4, 8, 4, NULL, &map), 0);
		entries.value_bytes = map.value_bytes;
		entries.values = malloc(2 * map.value_bytes);
		memset(entries.values, 1, 2 * map.value_bytes);
		assert_int_equal(hp_map_put(&map, &third, 4, entries.values, map.value_bytes), 0);
		assert_int_equal(hp_map_replace(&map, &entries), 0);
		entries.keys = beyond;
		assert_int_equal(hp_map_replace(&map, &entries), -E2BIG);

		assert_int_equal(hp_map_read(&map, &all), 0);
		assert_int_equal(all.n, 4);
		read = all.values;
		for (__u32 at = 0; at < 4 * map.copies; at++)
			assert_true(read[at] == (at / map.copies % 2 ? 0 : 0x0101010101010101ULL));
		hp_entries_free(&all);
		free(entries.values);
		hp_map_close(&map);
	}
}

static void maps_in_a_map_too(void **state)
{
	struct hp_map inner[3], outer, got;
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct key keys[] = { { 0, 1 }, { 0, 2 } };
	int values[2];
	struct hp_entries entries = {
		.keys = keys, .values = values, .n = 2, .key_bytes = 8, .value_bytes = 4
	};

	(void)state;
	for (int i = 0; i < 3; i++)
		inner[i] = make("hash", 1);
	options.inner_map_fd = inner[0].fd;
	assert_int_equal(hp_map_create("hash_of_maps", "outer", 8, 4, 2, &options, &outer), 0);
	for (int i = 0; i < 2; i++) {
		values[0] = inner[i].fd;
		values[1] = inner[i + 1].fd;
		keys[0].number = 3 + i;
		assert_int_equal(hp_map_replace(&outer, &entries), 0);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(hp_map_get_map(&outer, &keys[j], 8, &got), 0);
			assert_int_equal(got.id, inner[i + j].id);
			hp_map_close(&got);
		}
	}
	keys[0].number = 3;
	assert_int_equal(hp_map_get_map(&outer, &keys[0], 8, &got), -ENOENT);
	for (int i = 0; i < 3; i++)
		hp_map_close(&inner[i]);
	hp_map_close(&outer);
}

static atomic_bool looking;

/*
 * Looks all the time for the keys that stay: how often one was missing. (The value may be another
 * key's: see hp_map_put().)
 */
static void *look(void *arg)
{
	struct key key = { 32, 0 };
	long missing = 0;
	__u64 value;

	while (looking) {
		key.number = ENTRIES / 2 + (key.number + 1) % (ENTRIES / 2);
		missing += hp_map_get(arg, &key, sizeof(key), &value, sizeof(value)) != 0;
	}
	return (void *)missing;
}

static void what_stays_is_never_missing(void **state)
{
	struct hp_map map = make("hash", ENTRIES);
	pthread_t thread;
	int rounds = getenv("HOOKPOINT_EMULATED") ? 2 : 20;
	void *missing;

	(void)state;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	looking = true;
	assert_int_equal(pthread_create(&thread, NULL, look, &map), 0);
	for (int i = 0; i < rounds; i++) {
		assert_int_equal(replace(&map, ENTRIES / 2, ENTRIES, 2), 0);
		assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	}
	looking = false;
	assert_int_equal(pthread_join(thread, &missing), 0);
	assert_int_equal((intptr_t)missing, 0);
	check(&map, 0, ENTRIES, 1);
	hp_map_close(&map);
}

/* Somebody else removes one in the middle, and the last. */
static void remove_some(int fd, const void *keys, __u32 count)
{
	bpf_map_delete_elem(fd, (const struct key *)keys + count / 2);
	bpf_map_delete_elem(fd, (const struct key *)keys + count - 1);
}

static void what_others_remove_first_is_no_failure(void **state)
{
	struct hp_map map = make("hash", ENTRIES);

	(void)state;
	assert_int_equal(replace(&map, 0, ENTRIES, 1), 0);
	before_delete = remove_some;
	assert_int_equal(replace(&map, 2 * ENTRIES, ENTRIES, 1), 0);
	before_delete = NULL;
	check(&map, 2 * ENTRIES, ENTRIES, 1);
	hp_map_close(&map);
}

static void puts_and_removes_many(void **state)
{
	struct hp_map map = make("hash", ENTRIES), array;
	struct hp_entries entries = entries_of(&map, 0, ENTRIES, 1);

	(void)state;
	assert_int_equal(hp_map_put_many(&map, &entries), 0);
	check(&map, 0, ENTRIES, 1);
	/* A third, and some that are not there. */
	assert_int_equal(hp_map_remove_many(&map, entries.keys, 8, ENTRIES / 3), 0);
	assert_int_equal(hp_map_remove_many(&map, entries.keys, 8, ENTRIES / 2), 0);
	check(&map, ENTRIES / 2, ENTRIES - ENTRIES / 2, 1);
	assert_int_equal(hp_map_remove_many(&map, entries.keys, 4, 1), -EINVAL);
	assert_int_equal(hp_map_put_many(&map, &entries), 0);
	entries.n = 1;
	((struct key *)entries.keys)->number = ENTRIES;
	assert_int_equal(hp_map_put_many(&map, &entries), -E2BIG);
	entries.value_bytes = 4;
	assert_int_equal(hp_map_put_many(&map, &entries), -EINVAL);
	check(&map, 0, ENTRIES, 1);
	assert_int_equal(hp_map_create("array", "test", 4, 8, 4, NULL, &array), 0);
	assert_int_equal(hp_map_remove_many(&array, entries.keys, 4, 1), -EOPNOTSUPP);
	hp_entries_free(&entries);
	hp_map_close(&array);
	hp_map_close(&map);
}

static void a_queue_gets_many_in_their_order(void **state)
{
	__u64 values[] = { 3, 1, 2 }, value = 0;
	struct hp_entries entries = { .values = values, .n = 3, .value_bytes = 8 };
	struct hp_map map;

	(void)state;
	assert_int_equal(hp_map_create("queue", "test", 0, 8, 4, NULL, &map), 0);
	assert_int_equal(hp_map_put_many(&map, &entries), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(hp_map_take(&map, NULL, 0, &value, 8), 0);
		assert_int_equal(value, values[i]);
	}
	hp_map_close(&map);
}

static void what_one_entry_is_refused_for_is_told(void **state)
{
	struct hp_map map = make("lpm_trie", 4);
	struct key keys[] = { { 32, 1 }, { 33, 2 } }; /* 33 bits of 32 */
	struct hp_entries entries = { .keys = keys, .n = 2, .key_bytes = 8, .value_bytes = 8 };
	__u64 values[2] = {};

	(void)state;
	entries.values = values;
	assert_int_equal(hp_map_replace(&map, &entries), -EINVAL);
	hp_map_close(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_both(afterwards_it_holds_what_was_given),
		on_both(an_lru_hash_too_where_there_is_room),
		on_both(what_is_right_already_is_not_written),
		on_both(too_many_change_nothing),
		on_both(the_last_of_several_with_a_key_counts),
		on_both(an_array_has_zeros_where_nothing_was_given),
		on_both(maps_in_a_map_too),
		on_both(puts_and_removes_many),
		on_both(a_queue_gets_many_in_their_order),
		on_both(what_stays_is_never_missing),
		on_both(what_others_remove_first_is_no_failure),
		on_both(what_one_entry_is_refused_for_is_told),
	};

	return cmocka_run_group_tests_name("replacing maps", tests, NULL, NULL);
}
