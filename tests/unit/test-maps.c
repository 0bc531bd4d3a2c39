// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps: making them, and single entries. What reads and writes all entries is in test-map-walks.c;
 * what types can't do, and rights that are missing, in test-map-errnos.c. Needs root.
 */
#include <ctype.h>
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
#include <bpf/btf.h>

#include "one-map.h"

#define KERNEL_ENOTSUPP 524

/* A kernel before 5.14, as far as the library sees it: it calls this and not libbpf's. */
static bool is_old;

int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)
{
	int (*real)(int, const void *, void *) = dlsym(RTLD_NEXT, "bpf_map_lookup_and_delete_elem");

	return is_old && key ? -KERNEL_ENOTSUPP : real(fd, key, value);
}

/* What a map of each type takes to be made. */
static const struct shape {
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
	{ "arena", 0, 0, 1, BPF_F_MMAPABLE },
};

static const struct shape *shape_of(const char *type)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (!strcmp(shapes[i].type, type))
			return &shapes[i];
	return NULL;
}

/* That the kernel has a name for it is no proof: it may be built without. Libbpf can tell. */
static bool must_be_there(int type, int err)
{
	return libbpf_bpf_map_type_str(type) ? libbpf_probe_bpf_map_type(type, NULL) == 1
					     : err != -EOPNOTSUPP;
}

static void make_one(const struct shape *shape, int type)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = shape->flags);
	struct hp_map inner = make("array", 4, 1, 0), map = { .fd = -1 };
	int err;

	if (strstr(shape->type, "of_maps"))
		options.inner_map_fd = inner.fd;
	err = hp_map_create(shape->type, "every.type", shape->key, shape->value, shape->entries,
			    &options, &map);
	if (err && must_be_there(type, err))
		fail_msg("%s: %s", shape->type, strerror(-err));
	if (!err) {
		assert_int_equal(map.type, type);
		assert_int_equal(map.key_bytes, shape->key);
		assert_string_equal(map.name, "every.type");
		assert_int_equal(map.flags & shape->flags, shape->flags);
		assert_true(map.max_entries >= shape->entries);
	}
	hp_map_close(&map);
	hp_map_close(&inner);
}

/* Of struct_ops, whose values are structures of the kernel, only the name is tried. */
static void makes_every_type_that_the_kernel_has(void **state)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int id = btf__find_by_name_kind(kernel, "bpf_map_type", BTF_KIND_ENUM), types = 0;
	const struct btf_enum *values;

	(void)state;
	assert_true(id > 0);
	values = btf_enum(btf__type_by_id(kernel, id));
	for (int i = 0; i < btf_vlen(btf__type_by_id(kernel, id)); i++) {
		const char *constant = btf__name_by_offset(kernel, values[i].name_off);
		enum bpf_map_type type;
		const struct shape *shape;
		char name[64] = "";

		if (strncmp(constant, "BPF_MAP_TYPE_", 13) || !values[i].val)
			continue;
		for (size_t c = 0; constant[13 + c] && c < sizeof(name) - 1; c++)
			name[c] = tolower(constant[13 + c]);
		assert_int_equal(hp_map_type(name, &type), 0);
		assert_int_equal(type, values[i].val);
		shape = shape_of(name);
		if (shape)
			make_one(shape, type);
		else if (strcmp(name, "struct_ops") && !strstr(name, "_deprecated"))
			print_message("%s: newer than this test\n", name);
		types += !!shape;
	}
	assert_true(types >= 29); /* as many as Linux 5.16 */
	btf__free(kernel);
}

static void a_type_that_is_none_is_refused(void **state)
{
	struct hp_map map = { .fd = 7 };
	enum bpf_map_type type = BPF_MAP_TYPE_HASH;

	(void)state;
	assert_int_equal(hp_map_type("hashmap", &type), -EINVAL);
	assert_int_equal(hp_map_type("", &type), -EINVAL);
	assert_int_equal(hp_map_type("unspec", &type), -EINVAL);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_every_type_that_the_kernel_has),
		cmocka_unit_test(a_type_that_is_none_is_refused),
		cmocka_unit_test(put_insert_and_update_differ_in_what_must_be_there),
		cmocka_unit_test(what_is_not_there_is_not_read_removed_or_taken),
		cmocka_unit_test(buffers_of_another_size_are_not_touched),
		cmocka_unit_test(queues_and_stacks_give_in_their_order),
		cmocka_unit_test(only_one_gets_what_two_take),
		{ "only_one_gets_what_two_take, before 5.14", only_one_gets_what_two_take, NULL,
		  NULL, "old" },
		cmocka_unit_test(takes_from_types_that_the_kernel_can_not_take_from),
	};

	return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
