// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps: making and finding them, and single entries; each error its own errno. What reads and
 * writes all entries is in test-map-walks.c. Needs root.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

#define KERNEL_ENOTSUPP 524
#define KEY(number)	(&(__u32){ number }), sizeof(__u32)
#define VALUE(number)	(&(__u64){ number }), sizeof(__u64)
#define NO_KEY		NULL, 0

/* A kernel before 5.14, as far as the library sees it: it calls this and not libbpf's. */
static bool is_old;

int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)
{
	int (*real)(int, const void *, void *) = dlsym(RTLD_NEXT, "bpf_map_lookup_and_delete_elem");

	return is_old && key ? -KERNEL_ENOTSUPP : real(fd, key, value);
}

static struct hp_map make(const char *type, __u32 key_bytes, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	struct hp_map map;
	int err = hp_map_create(type, "test", key_bytes, sizeof(__u64), entries, &options, &map);

	if (err)
		fail_msg("%s: %s", type, strerror(-err));
	return map;
}

static __u64 get(const struct hp_map *map, __u32 key)
{
	__u64 value = 0;

	assert_int_equal(hp_map_get(map, &key, sizeof(key), &value, sizeof(value)), 0);
	return value;
}

/* Maps of each type that libbpf 1.1 knows, but for struct_ops, which needs the kernel's BTF. */
static void makes_every_type_that_the_kernel_has(void **state)
{
	static const struct {
		const char *type;
		__u32 key, value, entries, flags;
	} shapes[] = {
		{ "hash", 4, 8, 8 },
		{ "array", 4, 8, 8 },
		{ "prog_array", 4, 4, 8 },
		{ "perf_event_array", 4, 4, 8 },
		{ "percpu_hash", 4, 8, 8 },
		{ "percpu_array", 4, 8, 8 },
		{ "stack_trace", 4, 64, 8 },
		{ "cgroup_array", 4, 4, 8 },
		{ "lru_hash", 4, 8, 8 },
		{ "lru_percpu_hash", 4, 8, 8 },
		{ "lpm_trie", 8, 8, 8, BPF_F_NO_PREALLOC },
		{ "array_of_maps", 4, 4, 8 },
		{ "hash_of_maps", 4, 4, 8 },
		{ "devmap", 4, 4, 8 },
		{ "sockmap", 4, 4, 8 },
		{ "cpumap", 4, 4, 8 },
		{ "xskmap", 4, 4, 8 },
		{ "sockhash", 4, 4, 8 },
		{ "cgroup_storage", sizeof(struct bpf_cgroup_storage_key), 8, 0 },
		{ "reuseport_sockarray", 4, 8, 8 },
		{ "percpu_cgroup_storage", sizeof(struct bpf_cgroup_storage_key), 8, 0 },
		{ "queue", 0, 8, 8 },
		{ "stack", 0, 8, 8 },
		{ "sk_storage", 4, 8, 0, BPF_F_NO_PREALLOC },
		{ "devmap_hash", 4, 4, 8 },
		{ "ringbuf", 0, 0, 1 << 16 },
		{ "inode_storage", 4, 8, 0, BPF_F_NO_PREALLOC },
		{ "task_storage", 4, 8, 0, BPF_F_NO_PREALLOC },
		{ "bloom_filter", 0, 8, 8 },
		{ "user_ringbuf", 0, 0, 1 << 16 },
		{ "cgrp_storage", 4, 8, 0, BPF_F_NO_PREALLOC },
	};
	struct hp_map inner = make("array", 4, 1, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = shapes[i].flags);
		struct hp_map map = { .fd = -1 };
		enum bpf_map_type type;
		int err;

		assert_int_equal(hp_map_type(shapes[i].type, &type), 0);
		assert_string_equal(libbpf_bpf_map_type_str(type), shapes[i].type);
		if (strstr(shapes[i].type, "of_maps"))
			options.inner_map_fd = inner.fd;
		err = hp_map_create(shapes[i].type, "every.type", shapes[i].key, shapes[i].value,
				    shapes[i].entries, &options, &map);
		if (err && libbpf_probe_bpf_map_type(type, NULL) == 1)
			fail_msg("%s: %s", shapes[i].type, strerror(-err));
		if (!err) {
			assert_int_equal(map.type, type);
			assert_int_equal(map.key_bytes, shapes[i].key);
			assert_string_equal(map.name, "every.type");
			assert_int_equal(map.flags & shapes[i].flags, shapes[i].flags);
			assert_true(map.max_entries >= shapes[i].entries);
		}
		hp_map_close(&map);
	}
	hp_map_close(&inner);
}

static void a_type_that_is_none_is_refused(void **state)
{
	struct hp_map map = { .fd = 7 };
	enum bpf_map_type type = BPF_MAP_TYPE_HASH;

	(void)state;
	assert_int_equal(hp_map_type("hashmap", &type), -EINVAL);
	assert_int_equal(hp_map_type("", &type), -EINVAL);
	assert_int_equal(type, BPF_MAP_TYPE_HASH);
	assert_int_equal(hp_map_create("hashmap", "test", 4, 8, 1, NULL, &map), -EINVAL);
	assert_int_equal(hp_map_create("array", "test", 8, 8, 1, NULL, &map), -EINVAL);
	assert_int_equal(map.fd, 7);
}

static void put_insert_and_update_differ_in_what_must_be_there(void **state)
{
	struct hp_map map = make("hash", 4, 2, 0);

	(void)state;
	assert_int_equal(hp_map_update(&map, KEY(1), VALUE(10)), -ENOENT);
	assert_int_equal(hp_map_insert(&map, KEY(1), VALUE(11)), 0);
	assert_int_equal(hp_map_insert(&map, KEY(1), VALUE(12)), -EEXIST);
	assert_int_equal(get(&map, 1), 11);
	assert_int_equal(hp_map_update(&map, KEY(1), VALUE(13)), 0);
	assert_int_equal(get(&map, 1), 13);
	assert_int_equal(hp_map_put(&map, KEY(1), VALUE(14)), 0);
	assert_int_equal(hp_map_put(&map, KEY(2), VALUE(20)), 0);
	assert_int_equal(get(&map, 1), 14);

	/* Full: for a new key, not for one that is there. */
	assert_int_equal(hp_map_put(&map, KEY(3), VALUE(30)), -E2BIG);
	assert_int_equal(hp_map_insert(&map, KEY(3), VALUE(30)), -E2BIG);
	assert_int_equal(hp_map_put(&map, KEY(2), VALUE(21)), 0);
	hp_map_close(&map);
}

static void what_is_not_there_is_not_read_removed_or_taken(void **state)
{
	struct hp_map map = make("hash", 4, 8, 0);
	__u64 value = 7;

	(void)state;
	assert_int_equal(hp_map_get(&map, KEY(1), &value, sizeof(value)), -ENOENT);
	assert_int_equal(hp_map_remove(&map, KEY(1)), -ENOENT);
	assert_int_equal(hp_map_take(&map, KEY(1), &value, sizeof(value)), -ENOENT);
	assert_int_equal(value, 7);
	hp_map_put(&map, KEY(1), VALUE(10));
	assert_int_equal(hp_map_remove(&map, KEY(1)), 0);
	assert_int_equal(hp_map_get(&map, KEY(1), &value, sizeof(value)), -ENOENT);
	hp_map_close(&map);
}

static void buffers_of_another_size_are_not_touched(void **state)
{
	struct hp_map map = make("hash", 4, 8, 0);
	char buffer[16] = "untouched";
	struct hp_entries entries = { .key_bytes = 4, .value_bytes = 4 };

	(void)state;
	hp_map_put(&map, KEY(1), VALUE(10));
	assert_int_equal(hp_map_get(&map, KEY(1), buffer, 4), -EINVAL);
	assert_int_equal(hp_map_get(&map, KEY(1), buffer, 16), -EINVAL);
	assert_int_equal(hp_map_get(&map, buffer, 8, buffer, 8), -EINVAL);
	assert_int_equal(hp_map_take(&map, KEY(1), buffer, 4), -EINVAL);
	assert_int_equal(hp_map_put(&map, KEY(1), buffer, 16), -EINVAL);
	assert_int_equal(hp_map_put(&map, buffer, 2, VALUE(1)), -EINVAL);
	assert_int_equal(hp_map_insert(&map, KEY(2), buffer, 4), -EINVAL);
	assert_int_equal(hp_map_update(&map, KEY(1), buffer, 4), -EINVAL);
	assert_int_equal(hp_map_remove(&map, buffer, 8), -EINVAL);
	assert_int_equal(hp_map_replace(&map, &entries), -EINVAL);
	assert_string_equal(buffer, "untouched");
	assert_int_equal(get(&map, 1), 10);
	hp_map_close(&map);
}

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

static void queues_and_stacks_give_in_their_order(void **state)
{
	static const struct {
		const char *type;
		int first, second;
	} orders[] = { { "queue", 1, 2 }, { "stack", 2, 1 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct hp_map map = make(orders[i].type, 0, 2, 0);
		__u64 value = 0;

		assert_int_equal(hp_map_put(&map, NO_KEY, VALUE(1)), 0);
		assert_int_equal(hp_map_put(&map, NO_KEY, VALUE(2)), 0);
		assert_int_equal(hp_map_put(&map, NO_KEY, VALUE(3)), -E2BIG);
		assert_int_equal(hp_map_get(&map, NO_KEY, &value, 8), 0);
		assert_int_equal(value, orders[i].first);
		assert_int_equal(hp_map_take(&map, NO_KEY, &value, 8), 0);
		assert_int_equal(value, orders[i].first);
		assert_int_equal(hp_map_take(&map, NO_KEY, &value, 8), 0);
		assert_int_equal(value, orders[i].second);
		assert_int_equal(hp_map_take(&map, NO_KEY, &value, 8), -ENOENT);
		assert_int_equal(hp_map_get(&map, NO_KEY, &value, 8), -ENOENT);
		hp_map_close(&map);
	}
}

/* Takes what it can get of the entries 0 to 4095: the sum of their values. */
static void *take_all(void *arg)
{
	__u64 value, sum = 0;

	for (__u32 key = 0; key < 4096; key++)
		if (!hp_map_take(arg, &key, sizeof(key), &value, sizeof(value)))
			sum += value;
	return (void *)(uintptr_t)sum;
}

static void only_one_gets_what_two_take(void **state)
{
	struct hp_map map = make("hash", 4, 4096, 0);
	void *here, *there;
	pthread_t thread;

	is_old = *state;
	for (int round = 0; round < 4; round++) {
		for (__u32 key = 0; key < 4096; key++)
			assert_int_equal(hp_map_put(&map, KEY(key), VALUE(key)), 0);
		assert_int_equal(pthread_create(&thread, NULL, take_all, &map), 0);
		here = take_all(&map);
		assert_int_equal(pthread_join(thread, &there), 0);
		assert_int_equal((uintptr_t)here + (uintptr_t)there, 4095 * 4096 / 2);
	}
	is_old = false;
	hp_map_close(&map);
}

static void takes_from_types_that_the_kernel_can_not_take_from(void **state)
{
	struct hp_map trie = make("lpm_trie", 8, 2, BPF_F_NO_PREALLOC);
	struct bpf_lpm_trie_key *key = calloc(1, 8);
	__u64 value = 0;

	(void)state;
	key->prefixlen = 8;
	assert_int_equal(hp_map_put(&trie, key, 8, VALUE(5)), 0);
	assert_int_equal(hp_map_take(&trie, key, 8, &value, 8), 0);
	assert_int_equal(value, 5);
	assert_int_equal(hp_map_take(&trie, key, 8, &value, 8), -ENOENT);
	free(key);
	hp_map_close(&trie);
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
		cmocka_unit_test(makes_every_type_that_the_kernel_has),
		cmocka_unit_test(a_type_that_is_none_is_refused),
		cmocka_unit_test(put_insert_and_update_differ_in_what_must_be_there),
		cmocka_unit_test(what_is_not_there_is_not_read_removed_or_taken),
		cmocka_unit_test(buffers_of_another_size_are_not_touched),
		cmocka_unit_test(a_type_that_can_not_says_so),
		cmocka_unit_test(queues_and_stacks_give_in_their_order),
		cmocka_unit_test(only_one_gets_what_two_take),
		{ "only_one_gets_what_two_take, before 5.14", only_one_gets_what_two_take, NULL,
		  NULL, "old" },
		cmocka_unit_test(takes_from_types_that_the_kernel_can_not_take_from),
		cmocka_unit_test(a_frozen_map_can_be_read_only),
		cmocka_unit_test(a_descriptor_can_be_for_one_way_only),
	};

	return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
