// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that are loaded by the name of a section: what it says besides the type; and the same
 * said by options. Needs root.
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static __u32 flags; /* of the last try: the library calls this function and not libbpf's */

int bpf_prog_load(enum bpf_prog_type type, const char *name, const char *licence,
		  const struct bpf_insn *insns, size_t n, const struct bpf_prog_load_opts *options)
{
	typeof(&bpf_prog_load) real = (typeof(&bpf_prog_load))dlsym(RTLD_NEXT, "bpf_prog_load");

	flags = options->prog_flags;
	return real(type, name, licence, insns, n, options);
}

static const struct bpf_insn pass[] = { BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };

static void flags_come_with_the_section(void **state)
{
	static const struct {
		const char *section;
		__u32 flags;
	} sections[] = {
		{ "xdp", 0 },
		{ "xdp.frags", BPF_F_XDP_HAS_FRAGS },
		{ "xdp.frags/devmap", BPF_F_XDP_HAS_FRAGS },
		{ "xdp/devmap", 0 },
		{ "fentry/vfs_read", 0 },
		{ "fentry.s/vfs_read", BPF_F_SLEEPABLE },
		{ "fexit.s/vfs_read", BPF_F_SLEEPABLE },
		{ "fmod_ret.s/vfs_read", BPF_F_SLEEPABLE },
		{ "lsm.s/file_open", BPF_F_SLEEPABLE },
		{ "lsm/file_open", 0 },
		{ "iter.s/task", BPF_F_SLEEPABLE },
		{ "uprobe.s", BPF_F_SLEEPABLE },
		{ "uretprobe.s", BPF_F_SLEEPABLE },
		{ "syscall", BPF_F_SLEEPABLE },
		{ "tracepoint/a/b.s", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(sections); i++) {
		int fd = -1;

		flags = ~0U;
		/* What else it may lack here, a BTF id for one, is no matter. */
		hp_prog_load(sections[i].section, pass, COUNT(pass), NULL, &fd, NULL);
		if (flags != sections[i].flags)
			fail_msg("%s: %#x", sections[i].section, flags);
		if (fd >= 0)
			close(fd);
	}
}

static void own_flags_are_added(void **state)
{
	struct hp_prog_options options = { .flags = BPF_F_TEST_RND_HI32 };
	int fd = -1;

	(void)state;
	assert_int_equal(hp_prog_load("xdp.frags", pass, COUNT(pass), &options, &fd, NULL), 0);
	assert_int_equal(flags, BPF_F_XDP_HAS_FRAGS | BPF_F_TEST_RND_HI32);
	close(fd);
}

/* The kernel keeps this helper for what may sleep. */
static const struct bpf_insn reads[] = {
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
	BPF_MOV64_IMM(BPF_REG_2, 8),
	BPF_MOV64_IMM(BPF_REG_3, 0),
	BPF_EMIT_CALL(BPF_FUNC_copy_from_user),
	BPF_MOV64_IMM(BPF_REG_0, 0),
	BPF_EXIT_INSN(),
};

static int load(const char *type, bool sleepable, int *fd)
{
	const struct hp_prog_options options = { .licence = "GPL", .sleepable = sleepable };

	return hp_prog_load(type, reads, COUNT(reads), &options, fd, NULL);
}

static void a_sleepable_section_may_sleep(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(load("uprobe", false, &fd), -EINVAL);
	assert_int_equal(load("uprobe.s", false, &fd), 0);
	close(fd);
}

static void sleepable_is_an_option(void **state)
{
	const struct hp_prog_options sleepable = { .sleepable = true };
	int fd = -1;

	(void)state;
	assert_int_equal(load("kprobe", false, &fd), -EINVAL);
	assert_int_equal(hp_prog_load("xdp", pass, COUNT(pass), &sleepable, &fd, NULL),
			 -EINVAL); /* it must not */
	assert_int_equal(fd, -1);
	assert_int_equal(load("kprobe", true, &fd), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_come_with_the_section),
		cmocka_unit_test(own_flags_are_added),
		cmocka_unit_test(a_sleepable_section_may_sleep),
		cmocka_unit_test(sleepable_is_an_option),
	};

	hp_log_libbpf();
	return cmocka_run_group_tests_name("sections", tests, NULL, NULL);
}
