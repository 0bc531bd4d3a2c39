// SPDX-License-Identifier: BSD-2-Clause
/* Maps: found by descriptor, id, name and pin, and in other maps. Needs root and bpffs. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

/* Named after the process: other programs may have maps of any name. */
static char name[32], pin[64];

static struct hp_map make(const char *type, const char *called, __u32 value_bytes, __u32 entries)
{
	struct hp_map map;

	assert_int_equal(hp_map_create(type, called, 4, value_bytes, entries, NULL, &map), 0);
	return map;
}

/* A program that returns 0. */
static int load_program(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "no_map", "BSD", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void describes_what_a_descriptor_stands_for(void **state)
{
	struct hp_map map = make("hash", name, 12, 5), same;

	(void)state;
	assert_int_equal(hp_map_of(map.fd, &same), 0);
	assert_memory_equal(&same, &map, sizeof(map));
	assert_int_equal(map.type, BPF_MAP_TYPE_HASH);
	assert_int_equal(map.key_bytes, 4);
	assert_int_equal(map.value_bytes, 12);
	assert_int_equal(map.max_entries, 5);
	assert_int_equal(map.copies, 1);
	assert_int_not_equal(map.id, 0);
	assert_int_equal(strlen(map.name), 15);
	hp_map_close(&map);
	assert_int_equal(map.fd, -1);
	hp_map_close(&map);
	hp_map_close(NULL);
}

/* Standard input, for one, is not what a structure that nobody has filled in holds. */
static void closes_nothing_that_was_not_opened(void **state)
{
	struct hp_map map = {};
	int standard_input = dup(0), null = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(dup2(null, 0), 0);
	hp_map_close(&map);
	assert_true(fcntl(0, F_GETFD) >= 0);
	dup2(standard_input, 0);
	close(standard_input);
	close(null);
}

/* A child's, so that the others keep theirs. */
static int work_without_proc(void)
{
	struct hp_map map, same;
	struct hp_map_state told;

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/proc", "tmpfs", 0, NULL))
		return 1;
	if (hp_map_create("hash", "test", 4, 8, 5, NULL, &map))
		return 2;
	if (hp_map_open_id(map.id, &same) || same.id != map.id)
		return 3;
	/* These can't be sure. */
	if (hp_map_of(map.fd, &same) != -ENXIO || hp_map_state(&map, &told) != -ENXIO)
		return 4;
	if (hp_map_of(9999, &same) != -EBADF)
		return 5;
	hp_map_close(&map);
	return 0;
}

static void makes_maps_without_proc(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		_exit(work_without_proc());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void what_names_cannot_hold_is_replaced(void **state)
{
	struct hp_map map = make("hash", "my-map.\xc3\xa4 1", 8, 5), found;

	(void)state;
	assert_string_equal(map.name, "my_map.___1");
	assert_int_equal(hp_map_open_name("my-map.\xc3\xa4 1", &found), 0);
	assert_int_equal(found.id, map.id);
	hp_map_close(&found);
	hp_map_close(&map);
}

static void a_value_has_a_copy_for_each_cpu(void **state)
{
	struct hp_map map = make("percpu_array", "copies", 12, 1);
	char *value = malloc(map.value_bytes);
	__u32 key = 0;

	(void)state;
	assert_int_equal(map.copies, libbpf_num_possible_cpus());
	assert_int_equal(map.value_bytes, map.copies * 16);
	memset(value, 1, map.value_bytes);
	assert_int_equal(hp_map_put(&map, &key, 4, value, map.value_bytes), 0);
	memset(value, 0, map.value_bytes);
	assert_int_equal(hp_map_get(&map, &key, 4, value, map.value_bytes), 0);
	for (__u32 copy = 0; copy < map.copies; copy++)
		assert_int_equal(value[copy * 16 + 11], 1);
	free(value);
	hp_map_close(&map);
}

static void what_is_no_map_is_not_taken_for_one(void **state)
{
	struct hp_map map = { .fd = 7 };
	int program = load_program(), pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(hp_map_of(program, &map), -EINVAL);
	assert_int_equal(hp_map_of(pipes[0], &map), -EINVAL);
	assert_int_equal(hp_map_of(-1, &map), -EBADF);
	assert_int_equal(hp_map_of(9999, &map), -EBADF);
	assert_int_equal(bpf_obj_pin(program, pin), 0);
	assert_int_equal(hp_map_open_pin(pin, &map), -EINVAL);
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(hp_map_open_pin(pin, &map), -ENOENT);
	assert_int_equal(map.fd, 7);
	close(program);
	close(pipes[0]);
	close(pipes[1]);
}

static void finds_by_id_and_pin(void **state)
{
	struct hp_map map = make("hash", name, 8, 5), found;

	(void)state;
	assert_int_equal(hp_map_open_id(map.id, &found), 0);
	assert_int_equal(found.id, map.id);
	assert_int_not_equal(found.fd, map.fd);
	hp_map_close(&found);
	assert_int_equal(hp_map_open_id(UINT32_MAX, &found), -ENOENT);

	assert_int_equal(bpf_obj_pin(map.fd, pin), 0);
	hp_map_close(&map);
	assert_int_equal(hp_map_open_pin(pin, &map), 0);
	assert_int_equal(map.id, found.id);
	assert_int_equal(unlink(pin), 0);
	hp_map_close(&map);
}

static void finds_by_a_name_that_only_one_has(void **state)
{
	struct hp_map map, other, found = { .fd = 7 };

	(void)state;
	assert_int_equal(hp_map_open_name(name, &found), -ENOENT);
	map = make("hash", name, 8, 5);
	assert_int_equal(hp_map_open_name(name, &found), 0);
	assert_int_equal(found.id, map.id);
	hp_map_close(&found);

	other = make("array", name, 8, 5);
	found.fd = 7;
	assert_int_equal(hp_map_open_name(name, &found), -ENOTUNIQ);
	assert_int_equal(found.fd, 7);
	hp_map_close(&map);
	hp_map_close(&other);
}

static void maps_in_a_map(void **state)
{
	struct hp_map like = make("hash", "like", 8, 5), inner = make("hash", "inner", 8, 5);
	struct hp_map unlike = make("hash", "unlike", 4, 5), outer, got = { .fd = 7 };
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = like.fd);
	__u32 key = 1;

	(void)state;
	assert_int_equal(hp_map_create("hash_of_maps", "outer", 4, 4, 2, &options, &outer), 0);
	assert_int_equal(hp_map_get_map(&outer, &key, 4, &got), -ENOENT);
	assert_int_equal(hp_map_put_map(&outer, &key, 4, &unlike), -EINVAL);
	assert_int_equal(hp_map_put_map(&outer, &key, 8, &inner), -EINVAL);
	assert_int_equal(hp_map_get_map(&outer, &key, 4, &got), -ENOENT);
	assert_int_equal(got.fd, 7);

	assert_int_equal(hp_map_put_map(&outer, &key, 4, &inner), 0);
	got.id = inner.id;
	hp_map_close(&inner);
	assert_int_equal(hp_map_get_map(&outer, &key, 4, &inner), 0);
	assert_int_equal(inner.id, got.id);
	assert_string_equal(inner.name, "inner");
	assert_int_equal(hp_map_remove(&outer, &key, 4), 0);
	hp_map_close(&like);
	hp_map_close(&inner);
	hp_map_close(&unlike);
	hp_map_close(&outer);
}

/* Puts one new map after the other in entry 0; each time the one before goes. */
static void *swap(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct hp_map inner = make("array", "swapped", 8, 1);

		assert_int_equal(hp_map_put_map(arg, &(__u32){ 0 }, 4, &inner), 0);
		hp_map_close(&inner);
	}
	return NULL;
}

static void a_map_that_is_swapped_is_never_missing(void **state)
{
	struct hp_map inner = make("array", "swapped", 8, 1), outer;
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = inner.fd);
	pthread_t thread;

	(void)state;
	assert_int_equal(hp_map_create("array_of_maps", "outer", 4, 4, 1, &options, &outer), 0);
	assert_int_equal(hp_map_put_map(&outer, &(__u32){ 0 }, 4, &inner), 0);
	hp_map_close(&inner);
	assert_int_equal(pthread_create(&thread, NULL, swap, &outer), 0);
	while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
		assert_int_equal(hp_map_get_map(&outer, &(__u32){ 0 }, 4, &inner), 0);
		hp_map_close(&inner);
	}
	hp_map_close(&outer);
}

static int choose_names(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), "find_%d_is_cut_off", getpid());
	snprintf(pin, sizeof(pin), HP_BPFFS "/test-map-find-%d", getpid());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describes_what_a_descriptor_stands_for),
		cmocka_unit_test(closes_nothing_that_was_not_opened),
		cmocka_unit_test(makes_maps_without_proc),
		cmocka_unit_test(what_names_cannot_hold_is_replaced),
		cmocka_unit_test(a_value_has_a_copy_for_each_cpu),
		cmocka_unit_test(what_is_no_map_is_not_taken_for_one),
		cmocka_unit_test(finds_by_id_and_pin),
		cmocka_unit_test(finds_by_a_name_that_only_one_has),
		cmocka_unit_test(maps_in_a_map),
		cmocka_unit_test(a_map_that_is_swapped_is_never_missing),
	};

	return cmocka_run_group_tests_name("finding maps", tests, choose_names, NULL);
}
