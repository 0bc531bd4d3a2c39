// SPDX-License-Identifier: BSD-2-Clause
/* Maps: reading all entries, also while others write; each as on a kernel without batches too. */
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
	__u32 key_bytes = strstr(type, "array") ? sizeof(__u32) : sizeof(struct key);
	struct hp_map map;

	if (!strcmp(type, "lpm_trie"))
		options.map_flags = BPF_F_NO_PREALLOC;
	assert_int_equal(hp_map_create(type, "test", key_bytes, 8, entries, &options, &map), 0);
	return map;
}

static const void *key_of(const struct hp_map *map, const struct key *key)
{
	return map->key_bytes == sizeof(*key) ? (const void *)key : &key->number;
}

static __u32 number_of(const struct hp_map *map, const void *key)
{
	return map->key_bytes == sizeof(struct key) ? ((const struct key *)key)->number
						    : *(const __u32 *)key;
}

/* Entry NUMBER has a value of VALUE on each CPU. */
static int put(const struct hp_map *map, __u32 number, __u64 value)
{
	__u64 values[map->copies];
	struct key key = { 32, number };

	for (__u32 i = 0; i < map->copies; i++)
		values[i] = value;
	return hp_map_put(map, key_of(map, &key), map->key_bytes, values, map->value_bytes);
}

static int remove_number(const struct hp_map *map, __u32 number)
{
	return hp_map_remove(map, &(struct key){ 32, number }, sizeof(struct key));
}

static const struct hp_map *seen_map;
static unsigned char seen[2 * ENTRIES];
static int n_seen, n_wrong; /* the latter have another value than they should */

static int note(const void *key, const void *value, void *arg)
{
	__u32 number = number_of(seen_map, key);

	(void)arg;
	assert_in_range(number, 0, 2 * ENTRIES - 1);
	for (__u32 i = 0; i < seen_map->copies; i++)
		n_wrong += ((const __u64 *)value)[i] != number + 1;
	seen[number]++;
	n_seen++;
	return 0;
}

static void begin_notes(const struct hp_map *map)
{
	memset(seen, 0, sizeof(seen));
	n_seen = n_wrong = batches = steps = 0;
	seen_map = map;
}

/* How many of the numbers below N were not seen, and how many twice or more. */
static int missed(__u32 n)
{
	int missed = 0;

	for (__u32 number = 0; number < n; number++)
		missed += !seen[number];
	return missed;
}

static int repeated(void)
{
	int repeated = 0;

	for (__u32 number = 0; number < 2 * ENTRIES; number++)
		repeated += seen[number] > 1;
	return repeated;
}

static const char *const types[] = {
	"hash", "percpu_hash", "lru_hash", "lru_percpu_hash", "lpm_trie", "percpu_array", "array",
};

#define N_TYPES (sizeof(types) / sizeof(*types))

static void sees_each_entry_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TYPES; i++) {
		/* A hash that throws out does so before it is full. */
		bool is_lru = !strncmp(types[i], "lru", 3);
		struct hp_map map = make(types[i], is_lru ? 4 * ENTRIES : ENTRIES);
		struct hp_entries all;

		for (__u32 number = 0; number < ENTRIES; number++)
			assert_int_equal(put(&map, number, number + 1), 0);
		begin_notes(&map);
		assert_int_equal(hp_map_each(&map, note, NULL), 0);
		assert_int_equal(n_seen, ENTRIES);
		assert_int_equal(missed(ENTRIES) + n_wrong, 0);
		/* As many calls as it should: the last one may find nothing more. */
		assert_in_range(batches, is_old ? 0 : 3, is_old ? 0 : 5);
		assert_int_equal(steps, is_old ? ENTRIES + 1 : 0);

		begin_notes(&map);
		assert_int_equal(hp_map_read(&map, &all), 0);
		assert_int_equal(all.n, ENTRIES);
		for (size_t at = 0; at < all.n; at++)
			note((char *)all.keys + at * all.key_bytes,
			     (char *)all.values + at * all.value_bytes, NULL);
		assert_int_equal(missed(ENTRIES) + n_wrong, 0);
		hp_entries_free(&all);
		assert_int_equal(all.n, 0);
		hp_map_close(&map);
	}
}

static void an_empty_map_has_no_entries(void **state)
{
	struct hp_map map = make("hash", 8);
	struct hp_entries all = { .n = 7 };

	(void)state;
	begin_notes(&map);
	assert_int_equal(hp_map_each(&map, note, NULL), 0);
	assert_int_equal(n_seen, 0);
	assert_int_equal(hp_map_read(&map, &all), 0);
	assert_int_equal(all.n, 0);
	hp_entries_free(&all);
	hp_entries_free(&all);
	hp_entries_free(NULL);
	hp_map_close(&map);
}

static int stop_at_five(const void *key, const void *value, void *arg)
{
	int *n = arg;

	(void)key;
	(void)value;
	return ++*n == 5 ? 42 : 0;
}

static int take_away(const void *key, const void *value, void *arg)
{
	(void)arg;
	note(key, value, NULL);
	return hp_map_remove(seen_map, key, seen_map->key_bytes);
}

static void who_looks_may_end_the_walk_or_remove_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_TYPES && strcmp(types[i], "percpu_array"); i++) {
		struct hp_map map = make(types[i], 4 * ENTRIES);
		int n = 0;

		for (__u32 number = 0; number < ENTRIES; number++)
			put(&map, number, number + 1);
		assert_int_equal(hp_map_each(&map, stop_at_five, &n), 42);
		assert_int_equal(n, 5);
		begin_notes(&map);
		assert_int_equal(hp_map_each(&map, take_away, NULL), 0);
		assert_int_equal(n_seen, ENTRIES);
		begin_notes(&map);
		assert_int_equal(hp_map_each(&map, note, NULL), 0);
		assert_int_equal(n_seen, 0);
		hp_map_close(&map);
	}
}

/* The library makes room for one such entry at first, and several are in one bucket. */
static void a_bucket_may_be_fuller_than_a_batch(void **state)
{
	enum { LARGE = 1 << 20, N = 12 };
	struct hp_map map;
	struct hp_entries all;
	char *value = calloc(1, LARGE);

	(void)state;
	assert_int_equal(hp_map_create("hash", "large", 4, LARGE, N, NULL, &map), 0);
	for (__u32 key = 0; key < N; key++) {
		value[LARGE - 1] = key;
		assert_int_equal(hp_map_put(&map, &key, sizeof(key), value, LARGE), 0);
	}
	assert_int_equal(hp_map_read(&map, &all), 0);
	assert_int_equal(all.n, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(((char *)all.values)[(i + 1) * LARGE - 1], ((__u32 *)all.keys)[i]);
	hp_entries_free(&all);
	free(value);
	hp_map_close(&map);
}

/* Numbers from 0 on, in thirds: nobody writes to these, they are written to, they come and go. */
static atomic_bool churning;

static void *churn(void *arg)
{
	const __u32 third = ENTRIES / 3;

	while (churning) {
		for (__u32 i = 0; i < third && churning; i++) {
			__u32 other = 2 * third + (i + 7) % third;

			put(arg, third + i, third + i + 1);
			remove_number(arg, 2 * third + i);
			put(arg, other, other + 1);
		}
	}
	return NULL;
}

static void while_others_write_each_entry_is_seen_once(void **state)
{
	int rounds = getenv("HOOKPOINT_EMULATED") ? 5 : 50;
	int missing = 0, twice = 0, wrong = 0, failed = 0;
	struct hp_map map = make("hash", 2 * ENTRIES);
	pthread_t thread;

	(void)state;
	for (__u32 number = 0; number < ENTRIES; number++)
		put(&map, number, number + 1);
	churning = true;
	assert_int_equal(pthread_create(&thread, NULL, churn, &map), 0);
	for (int round = 0; round < rounds; round++) {
		int err;

		begin_notes(&map);
		err = hp_map_each(&map, note, NULL);
		failed += err && !(is_old && err == -EAGAIN);
		missing += missed(ENTRIES / 3 * 2);
		twice += repeated();
		wrong += n_wrong;
	}
	churning = false;
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
	assert_int_equal(twice, 0);
	/* Read one by one, what is written to may be missed, and have another key's value. */
	if (!is_old)
		assert_int_equal(missing + wrong, 0);
	hp_map_close(&map);
}

/* So that the kernel, asked what comes after KEY, doesn't know it and begins anew. */
static void take_out(int fd, const void *key)
{
	bpf_map_delete_elem(fd, key);
}

static void put_back(int fd, const void *key)
{
	__u64 value = ((const struct key *)key)->number + 1;

	bpf_map_update_elem(fd, key, &value, BPF_ANY);
}

static void a_walk_that_begins_anew_too_often_ends(void **state)
{
	struct hp_map map = make("hash", ENTRIES);
	struct hp_entries all = { .n = 7 };

	(void)state;
	for (__u32 number = 0; number < 10; number++)
		put(&map, number, number + 1);
	begin_notes(&map);
	is_old = true;
	before_step = take_out;
	after_step = put_back;
	assert_int_equal(hp_map_each(&map, note, NULL), -EAGAIN);
	assert_int_equal(n_seen, 0);
	assert_in_range(steps, 8 * ENTRIES, 8 * ENTRIES + 1100);
	assert_int_equal(hp_map_read(&map, &all), -EAGAIN);
	assert_int_equal(all.n, 7);

	/* Where all is taken out, nothing is missed for that. */
	after_step = NULL;
	assert_int_equal(hp_map_each(&map, note, NULL), 0);
	assert_int_equal(n_seen, 10);
	before_step = NULL;
	is_old = false;
	hp_map_close(&map);
}

static void a_batch_that_gets_stuck_is_read_on_one_by_one(void **state)
{
	struct hp_map map = make("lpm_trie", ENTRIES);

	(void)state;
	for (__u32 number = 0; number < ENTRIES; number++)
		put(&map, number, number + 1);
	begin_notes(&map);
	stuck_after = 1;
	assert_int_equal(hp_map_each(&map, note, NULL), 0);
	stuck_after = 0;
	assert_int_equal(batches, 1);
	assert_int_equal(n_seen, ENTRIES);
	assert_int_equal(missed(ENTRIES) + n_wrong, 0);
	hp_map_close(&map);
}

static int count_entries(const void *key, const void *value, void *arg)
{
	(void)value;
	assert_int_equal(*(const __u32 *)key % 3, 1);
	++*(int *)arg;
	return 0;
}

static void entries_without_a_value_are_none(void **state)
{
	struct hp_map inner = make("array", 1), outer, jumps;
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = inner.fd);
	int n = 0;

	(void)state;
	assert_int_equal(hp_map_create("array_of_maps", "outer", 4, 4, 9, &options, &outer), 0);
	for (__u32 key = 1; key < 9; key += 3)
		assert_int_equal(hp_map_put_map(&outer, &key, sizeof(key), &inner), 0);
	assert_int_equal(hp_map_each(&outer, count_entries, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(hp_map_create("prog_array", "jumps", 4, 4, 8, NULL, &jumps), 0);
	assert_int_equal(hp_map_each(&jumps, count_entries, &n), 0);
	assert_int_equal(n, 3);
	hp_map_close(&inner);
	hp_map_close(&outer);
	hp_map_close(&jumps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_both(sees_each_entry_once),
		on_both(an_empty_map_has_no_entries),
		on_both(who_looks_may_end_the_walk_or_remove_everything),
		on_both(a_bucket_may_be_fuller_than_a_batch),
		on_both(while_others_write_each_entry_is_seen_once),
		cmocka_unit_test(a_batch_that_gets_stuck_is_read_on_one_by_one),
		cmocka_unit_test(a_walk_that_begins_anew_too_often_ends),
		on_both(entries_without_a_value_are_none),
	};

	return cmocka_run_group_tests_name("walks through maps", tests, NULL, NULL);
}
