/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that counts how often it runs, given as instructions, on some hook: what the tests of
 * attaching have in common. A test includes its own headers first, with cmocka.h.
 */
#ifndef ATTACHED_H
#define ATTACHED_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define TIMES	     20

__attribute__((noinline)) int touched(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

static void touch(void)
{
	touched(1);
}

static void start_process(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

struct hook {
	const char *title;
	const char *type;
	enum bpf_attach_type attach_type;
	const char *function; /* of the kernel, for its BTF id */
	__s32 verdict;
	void (*act)(void);
	int (*attach)(int prog,
		      int *fd); /* *FD: closing it detaches, or DETACH is called with it */
	void (*detach)(__u32 prog_id,
		       int fd); /* NULL: there is a descriptor of the attachment's own */
	const char *lacking;	/* what a kernel lacks that says so with EINVAL or ENOENT */
};

struct attachment {
	const struct hook *hook;
	int map, prog, fd; /* -1: closed */
	__u32 prog_id;
	volatile __u64 *count; /* how often the program ran: the map's value, beyond its life */
};

/* What runs there: it counts, and says VERDICT. */
static int load(const struct hook *hook, int map, int *prog)
{
	const struct bpf_insn insns[] = {
		BPF_LD_MAP_VALUE(BPF_REG_1, map, 0),
		BPF_MOV64_IMM(BPF_REG_2, 1),
		BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, hook->verdict),
		BPF_EXIT_INSN(),
	};
	struct hp_prog_options options = { .name = "counts", .licence = "Dual BSD/GPL" };

	options.expected_attach_type = hook->attach_type;
	if (hook->function)
		options.btf_id = libbpf_find_vmlinux_btf_id(hook->function, hook->attach_type);
	return hp_prog_load(hook->type, insns, COUNT(insns), &options, prog, NULL);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Loads and attaches: whether it could. If it couldn't, this kernel lacks the hook. */
static bool begin(const struct hook *hook, struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	struct attachment a = { .hook = hook, .prog = -1, .fd = -1 };
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int err;

	a.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counts", 4, 8, 1, &options);
	assert_true(a.map >= 0);
	assert_int_equal(hp_map_mmap(a.map, 8, (void **)&a.count), 0);
	err = load(hook, a.map, &a.prog);
	if (!err) {
		assert_int_equal(bpf_obj_get_info_by_fd(a.prog, &info, &size), 0);
		a.prog_id = info.id;
		err = hook->attach(a.prog, &a.fd);
	}
	if (err && hook->lacking && (err == -EINVAL || err == -ENOENT || err == -EPERM)) {
		close_one(&a.prog);
		close_one(&a.map);
		munmap((void *)a.count, 8);
		return false;
	}
	assert_int_equal(err, 0);
	*attachment = a;
	return true;
}

/* Does the program run when it should? */
static void runs(const struct attachment *a)
{
	__u64 before = *a->count;

	for (int i = 0; i < TIMES; i++)
		a->hook->act();
	assert_in_range(*a->count - before, TIMES, 1000 * TIMES);
}

static void runs_no_more(const struct attachment *a)
{
	__u64 before = *a->count;

	for (int i = 0; i < TIMES; i++)
		a->hook->act();
	assert_int_equal(*a->count, before);
}

static void detach(struct attachment *a)
{
	if (a->hook->detach)
		a->hook->detach(a->prog_id, a->fd);
	else
		close_one(&a->fd);
	a->fd = -1;
}

/* The kernel frees a program some time after the last reference has gone. */
static void is_gone(const struct attachment *a)
{
	for (int tries = 0; tries < 500; tries++) {
		int fd = bpf_prog_get_fd_by_id(a->prog_id);

		if (fd == -ENOENT)
			return;
		close(fd);
		usleep(10000);
	}
	fail_msg("program %u is left", a->prog_id);
}

static void finish(struct attachment *a)
{
	close_one(&a->prog);
	close_one(&a->map);
	is_gone(a);
	munmap((void *)a->count, 8);
}

#endif
