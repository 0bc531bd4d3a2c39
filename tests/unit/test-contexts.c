// SPDX-License-Identifier: BSD-2-Clause
/*
 * Test runs of programs with a context, and what they report; the packet alone is in test-kernel.c.
 * Needs root.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int load(const char *type, const struct bpf_insn *insns, size_t n, bool sleepable)
{
	struct hp_prog_options options = { .sleepable = sleepable };
	int fd = -1;

	assert_int_equal(hp_prog_load(type, insns, n, &options, &fd, NULL), 0);
	return fd;
}

/* Returns the packet's mark, and adds 1 to it. */
static int load_marks(void)
{
	const struct bpf_insn insns[] = {
		BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct __sk_buff, mark)),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 1),
		BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, offsetof(struct __sk_buff, mark)),
		BPF_EXIT_INSN(),
	};

	return load("tc", insns, COUNT(insns), false);
}

static void a_packet_comes_and_goes_with_its_context(void **state)
{
	struct __sk_buff before = { .mark = 7 }, after = {};
	unsigned char in[64] = "what goes in", out[64];
	struct hp_test_run run = {
		.in = in,
		.in_bytes = sizeof(in),
		.out = out,
		.out_bytes = sizeof(out),
		.ctx_in = &before,
		.ctx_in_bytes = sizeof(before),
		.ctx_out = &after,
		.ctx_out_bytes = sizeof(after),
	};
	int fd = load_marks();

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(run.retval, 7);
	assert_int_equal(after.mark, 8);
	assert_int_equal(before.mark, 7);
	assert_in_range(run.ctx_out_bytes, offsetof(struct __sk_buff, tstamp), sizeof(after));
	assert_int_equal(run.out_bytes, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));

	/* A field that is not for the caller to set. */
	before.len = 5;
	run.retval = 99;
	assert_int_equal(hp_test_run(fd, &run), -EINVAL);
	assert_int_equal(run.retval, 99);
	close(fd);
}

static void a_context_is_never_written_past_its_buffer(void **state)
{
	struct __sk_buff before = { .mark = 7 };
	unsigned char in[64] = "", after[256];
	struct hp_test_run run = {
		.in = in,
		.in_bytes = sizeof(in),
		.ctx_in = &before,
		.ctx_in_bytes = sizeof(before),
		.ctx_out = after,
	};
	static const size_t rooms[] = { 0, 1, 12, 100 };
	int fd = load_marks();

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		memset(after, 0xee, sizeof(after));
		run.ctx_out_bytes = rooms[i];
		/* No room is as good as no buffer. */
		assert_int_equal(hp_test_run(fd, &run), rooms[i] ? -ENOSPC : 0);
		for (size_t j = rooms[i]; j < sizeof(after); j++)
			assert_int_equal(after[j], 0xee);
		assert_true(rooms[i] || !run.ctx_out_bytes);
		if (!rooms[i])
			continue;
		assert_in_range(run.ctx_out_bytes, 150, sizeof(after));
		assert_int_not_equal(after[0], 0xee);
		/* What it says now is enough. */
		assert_int_equal(hp_test_run(fd, &run), 0);
	}
	close(fd);
}

/* Returns how many bytes of metadata are in front of the packet. */
static void xdp_metadata_are_part_of_the_packet(void **state)
{
	const struct bpf_insn insns[] = {
		BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct xdp_md, data)),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data_meta)),
		BPF_ALU64_REG(BPF_SUB, BPF_REG_0, BPF_REG_2),
		BPF_EXIT_INSN(),
	};
	unsigned char in[64] = "";
	struct xdp_md before = { .data = 8, .data_end = sizeof(in) }, after = {};
	struct hp_test_run run = {
		.in = in,
		.in_bytes = sizeof(in),
		.ctx_in = &before,
		.ctx_in_bytes = sizeof(before),
		.ctx_out = &after,
		.ctx_out_bytes = sizeof(after),
	};
	int fd = load("xdp", insns, COUNT(insns), false);

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(run.retval, 8);
	assert_int_equal(run.ctx_out_bytes, sizeof(after));
	assert_int_equal(after.data, 8);
	assert_int_equal(after.data_end, sizeof(in));
	before.data_end = sizeof(in) + 1;
	assert_int_equal(hp_test_run(fd, &run), -EINVAL);
	close(fd);
}

/* A program of type syscall is there to be run like this; what it gets it may change in place. */
static void a_context_alone(void **state)
{
	const struct bpf_insn insns[] = {
		BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_1, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, 8),
		BPF_EXIT_INSN(),
	};
	__u64 context[2] = { 41, 0 };
	struct hp_test_run run = { .ctx_in = context, .ctx_in_bytes = sizeof(context) };
	int fd = load("syscall", insns, COUNT(insns), true);

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(run.retval, 42);
	assert_int_equal(context[1], 42);
	close(fd);
}

static void repeats_and_measures(void **state)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counts", 4, 8, 1, NULL);
	const struct bpf_insn insns[] = {
		BPF_LD_MAP_VALUE(BPF_REG_1, map, 0),
		BPF_MOV64_IMM(BPF_REG_2, 1),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_1, BPF_REG_2, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 100, -3),
		BPF_EXIT_INSN(),
	};
	unsigned char in[64] = "";
	struct hp_test_run run = { .in = in, .in_bytes = sizeof(in), .repeat = 300 };
	int fd = load("xdp", insns, COUNT(insns), false);
	__u64 count = 0;
	__u32 key = 0;

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(run.retval, 100);
	assert_int_equal(bpf_map_lookup_elem(map, &key, &count), 0);
	assert_int_equal(count, 100 * 300);
	/* A hundred atomic additions: of one run, and not of all 300. */
	assert_in_range(run.duration_ns, 20, 1000000);
	run.repeat = 0;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(bpf_map_lookup_elem(map, &key, &count), 0);
	assert_int_equal(count, 100 * 301);
	close(fd);
	close(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_comes_and_goes_with_its_context),
		cmocka_unit_test(a_context_is_never_written_past_its_buffer),
		cmocka_unit_test(xdp_metadata_are_part_of_the_packet),
		cmocka_unit_test(a_context_alone),
		cmocka_unit_test(repeats_and_measures),
	};

	hp_log_libbpf();
	return cmocka_run_group_tests_name("contexts", tests, NULL, NULL);
}
