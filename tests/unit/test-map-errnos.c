// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps: each error has its own errno, whatever the type and the kernel. Needs root.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "one-map.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void a_type_that_can_not_says_so(void **state)
{
	struct hp_map array = make("array", 4, 2, 0), queue = make("queue", 0, 2, 0);
	struct hp_map trie = make("lpm_trie", 8, 2, BPF_F_NO_PREALLOC), jumps = {}, ring;
	struct hp_entries none = { .value_bytes = 8 };
	__u64 value = 7;

	(void)state;
	assert_int_equal(hp_map_remove(&array, KEY(0)), -EOPNOTSUPP);
	assert_int_equal(hp_map_take(&array, KEY(0), &value, 8), -EOPNOTSUPP);
	assert_int_equal(hp_map_insert(&array, KEY(0), VALUE(1)), -EEXIST);
	assert_int_equal(hp_map_get(&array, KEY(2), &value, 8), -ENOENT);
	assert_int_equal(hp_map_put(&array, KEY(2), VALUE(1)), -E2BIG);

	assert_int_equal(hp_map_insert(&queue, NO_KEY, VALUE(1)), -EOPNOTSUPP);
	assert_int_equal(hp_map_update(&queue, NO_KEY, VALUE(1)), -EOPNOTSUPP);
	assert_int_equal(hp_map_remove(&queue, NO_KEY), -EOPNOTSUPP);
	assert_int_equal(hp_map_each(&queue, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(hp_map_replace(&queue, &none), -EOPNOTSUPP);
	assert_int_equal(hp_map_put_map(&trie, VALUE(1), &array), -EOPNOTSUPP);
	assert_int_equal(hp_map_get_map(&trie, VALUE(1), &jumps), -EOPNOTSUPP);

	assert_int_equal(hp_map_create("prog_array", "jumps", 4, 4, 2, NULL, &jumps), 0);
	assert_int_equal(hp_map_insert(&jumps, KEY(0), KEY(0)), -EOPNOTSUPP);
	assert_int_equal(hp_map_create("ringbuf", "ring", 0, 0, 1 << 16, NULL, &ring), 0);
	assert_int_equal(hp_map_get(&ring, NO_KEY, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(hp_map_take(&ring, NO_KEY, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(value, 7);
	hp_map_close(&array);
	hp_map_close(&queue);
	hp_map_close(&trie);
	hp_map_close(&jumps);
	hp_map_close(&ring);
}

/* What an empty map of each of these types says; CAN: another errno than that it can't, or 0. */
#define CAN  1
#define CANT -EOPNOTSUPP
#define NONE -ENOENT

static const struct answers {
	const char *type;
	__u32 key, value, entries;
	int get, update, insert, put_many, remove, take, read;
} answers[] = {
	{ "sockmap", 4, 4, 8, CANT, CAN, CAN, CAN, NONE, CANT, CANT },
	{ "sockmap", 4, 8, 8, NONE, CAN, CAN, CAN, NONE, NONE, 0 },
	{ "sockhash", 4, 4, 8, CANT, CAN, CAN, CAN, NONE, CANT, 0 },
	{ "reuseport_sockarray", 4, 4, 8, CANT, CAN, CAN, CAN, NONE, CANT, CANT },
	{ "stack_trace", 4, 64, 8, NONE, CANT, CANT, CANT, NONE, NONE, 0 },
	{ "cgroup_storage", sizeof(struct bpf_cgroup_storage_key), 8, 0, NONE, CAN, CANT, CAN, CANT,
	  CANT, 0 },
	{ "percpu_cgroup_storage", sizeof(struct bpf_cgroup_storage_key), 8, 0, NONE, CAN, CANT,
	  CAN, CANT, CANT, 0 },
	{ "prog_array", 4, 4, 8, NONE, CANT, CANT, CAN, NONE, NONE, 0 },
	{ "array_of_maps", 4, 4, 8, NONE, CANT, CANT, CAN, NONE, NONE, 0 },
	/* In these, to remove what is not there is done. */
	{ "xskmap", 4, 4, 8, CANT, CAN, CAN, CAN, 0, CANT, CANT },
	{ "devmap", 4, 4, 8, NONE, CAN, CAN, CAN, 0, NONE, 0 },
	{ "cpumap", 4, 4, 8, NONE, CAN, CAN, CAN, 0, NONE, 0 },
};

static int open_empty(const struct answers *a, struct hp_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct hp_map inner = make("array", 4, 1, 0);
	int err;

	if (strstr(a->type, "of_maps"))
		options.inner_map_fd = inner.fd;
	err = hp_map_create(a->type, "test", a->key, a->value, a->entries, &options, map);
	hp_map_close(&inner);
	return err;
}

static void check(const struct answers *a, const char *function, int got, int want)
{
	if (want == CAN ? got != CANT : got == want)
		return;
	fail_msg("%s, values of %u bytes, %s: %d, not %d", a->type, a->value, function, got, want);
}

static void an_empty_map_of_each_type_says_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		const struct answers *a = &answers[i];
		char key[64] = "", value[4096] = "";
		struct hp_entries one = { .keys = key, .values = value, .n = 1 }, all = {};
		struct hp_map map;
		size_t k, v;

		if (open_empty(a, &map)) {
			print_message("%s: this kernel has none\n", a->type);
			continue;
		}
		memset(value, 0xff, sizeof(value)); /* no descriptor, CPU or interface */
		k = one.key_bytes = map.key_bytes;
		v = one.value_bytes = map.value_bytes;
		check(a, "get", hp_map_get(&map, key, k, value, v), a->get);
		check(a, "update", hp_map_update(&map, key, k, value, v), a->update);
		check(a, "insert", hp_map_insert(&map, key, k, value, v), a->insert);
		check(a, "remove", hp_map_remove(&map, key, k), a->remove);
		check(a, "remove_many", hp_map_remove_many(&map, key, k, 1),
		      a->remove == NONE ? 0 : a->remove);
		check(a, "take", hp_map_take(&map, key, k, value, v), a->take);
		check(a, "read", hp_map_read(&map, &all), a->read);
		check(a, "put_many", hp_map_put_many(&map, &one), a->put_many);
		hp_entries_free(&all);
		hp_map_close(&map);
	}
}

static void a_full_trie_is_full(void **state)
{
	struct hp_map trie = make("lpm_trie", 8, 1, BPF_F_NO_PREALLOC);
	__u32 first[2] = { 32, 1 }, second[2] = { 32, 2 };

	(void)state;
	assert_int_equal(hp_map_put(&trie, first, 8, VALUE(1)), 0);
	assert_int_equal(hp_map_put(&trie, second, 8, VALUE(1)), -E2BIG);
	assert_int_equal(hp_map_insert(&trie, second, 8, VALUE(1)), -E2BIG);
	hp_map_close(&trie);
}

static void a_wrong_descriptor_is_one(void **state)
{
	struct hp_map map;
	void *mapped = NULL;
	int pipes[2];
	__u64 sum = 7;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 2; i++) {
		int fd = i ? pipes[0] : -1;

		assert_int_equal(hp_map_sum_percpu(fd, &(__u32){ 0 }, &sum, 1),
				 i ? -EINVAL : -EBADF);
		assert_int_equal(hp_map_mmap(fd, 8, &mapped), i ? -EINVAL : -EBADF);
	}
	assert_int_equal(hp_map_of(-1, &map), -EBADF);
	assert_int_equal(sum, 7);
	assert_null(mapped);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_frozen_map_can_be_read_only(void **state)
{
	struct hp_map map = make("hash", 4, 8, 0);
	__u64 value = 7;
	struct hp_entries none = { .key_bytes = 4, .value_bytes = 8 };
	struct hp_map_state told;

	(void)state;
	hp_map_put(&map, KEY(1), VALUE(10));
	assert_int_equal(hp_map_state(&map, &told), 0);
	assert_false(told.frozen);
	assert_true(told.memory_bytes >= 8 * 12);
	assert_int_equal(hp_map_freeze(&map), 0);
	assert_int_equal(hp_map_freeze(&map), 0);
	assert_int_equal(hp_map_state(&map, &told), 0);
	assert_true(told.frozen);
	assert_int_equal(get(&map, 1), 10);
	assert_int_equal(hp_map_put(&map, KEY(1), VALUE(11)), -EPERM);
	assert_int_equal(hp_map_insert(&map, KEY(2), VALUE(11)), -EPERM);
	assert_int_equal(hp_map_remove(&map, KEY(1)), -EPERM);
	assert_int_equal(hp_map_take(&map, KEY(1), &value, 8), -EPERM);
	assert_int_equal(hp_map_replace(&map, &none), -EPERM);
	assert_int_equal(get(&map, 1), 10);
	hp_map_close(&map);
}

static void a_descriptor_can_be_for_one_way_only(void **state)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, reading, .open_flags = BPF_F_RDONLY);
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, writing, .open_flags = BPF_F_WRONLY);
	struct hp_map map = make("hash", 4, 8, 0), reader, writer;
	struct hp_entries entries = {};
	__u64 value = 7;

	(void)state;
	assert_int_equal(hp_map_of(bpf_map_get_fd_by_id_opts(map.id, &reading), &reader), 0);
	assert_int_equal(hp_map_of(bpf_map_get_fd_by_id_opts(map.id, &writing), &writer), 0);
	assert_int_equal(hp_map_put(&writer, KEY(1), VALUE(10)), 0);
	assert_int_equal(get(&reader, 1), 10);
	assert_int_equal(hp_map_put(&reader, KEY(1), VALUE(11)), -EPERM);
	assert_int_equal(hp_map_remove(&reader, KEY(1)), -EPERM);
	assert_int_equal(hp_map_take(&reader, KEY(1), &value, 8), -EPERM);
	assert_int_equal(hp_map_get(&writer, KEY(1), &value, 8), -EPERM);
	assert_int_equal(hp_map_take(&writer, KEY(1), &value, 8), -EPERM);
	assert_int_equal(hp_map_read(&writer, &entries), -EPERM);
	assert_int_equal(value, 7);
	hp_map_close(&reader);
	hp_map_close(&writer);
	hp_map_close(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_that_can_not_says_so),
		cmocka_unit_test(an_empty_map_of_each_type_says_so),
		cmocka_unit_test(a_full_trie_is_full),
		cmocka_unit_test(a_wrong_descriptor_is_one),
		cmocka_unit_test(a_frozen_map_can_be_read_only),
		cmocka_unit_test(a_descriptor_can_be_for_one_way_only),
	};

	return cmocka_run_group_tests_name("errnos of maps", tests, NULL, NULL);
}
