// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the library asks of the kernel: test runs, maps, features, XDP, pins. Needs root and bpffs.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

#define LOOPBACK	1
#define INSN(...)	((struct bpf_insn){ __VA_ARGS__ })
#define MOV(reg, value) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value))
#define EXIT		INSN(.code = BPF_JMP | BPF_EXIT)

/* A program that returns VERDICT. */
static int load_xdp(int verdict)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, verdict), EXIT };
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "verdict", "BSD", insns, 2, &options);

	assert_true(fd >= 0);
	return fd;
}

static void test_run_gives_the_verdict_and_the_packet(void **state)
{
	unsigned char in[64] = "what goes in", out[64] = "";
	struct hp_test_run run = {
		.in = in, .in_bytes = sizeof(in), .out = out, .out_bytes = sizeof(out), .repeat = 10
	};
	int fd = load_xdp(XDP_TX);

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), 0);
	assert_int_equal(run.retval, XDP_TX);
	assert_int_equal(run.out_bytes, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	close(fd);
}

static void test_run_never_writes_past_the_buffer(void **state)
{
	unsigned char in[64] = "what goes in", out[32];
	struct hp_test_run run = { .in = in, .in_bytes = sizeof(in), .out = out, .out_bytes = 16 };
	int fd = load_xdp(XDP_PASS);

	(void)state;
	memset(out, 0xee, sizeof(out));
	assert_int_equal(hp_test_run(fd, &run), -ENOSPC);
	assert_int_equal(run.out_bytes, sizeof(in));
	assert_memory_equal(out, in, 16);
	for (int i = 16; i < 32; i++)
		assert_int_equal(out[i], 0xee);

	/* The kernel reads a size of 0 as "no limit". */
	memset(out, 0xee, sizeof(out));
	run.out_bytes = 0;
	assert_int_equal(hp_test_run(fd, &run), -ENOSPC);
	assert_int_equal(run.out_bytes, sizeof(in));
	for (int i = 0; i < 32; i++)
		assert_int_equal(out[i], 0xee);
	close(fd);
}

static void test_run_refuses_a_packet_without_an_ethernet_header(void **state)
{
	unsigned char in[13] = "";
	struct hp_test_run run = { .in = in, .in_bytes = sizeof(in) };
	int fd = load_xdp(XDP_PASS);

	(void)state;
	assert_int_equal(hp_test_run(fd, &run), -EINVAL);
	close(fd);
}

static void test_run_says_which_types_it_can_not_run(void **state)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT };
	struct hp_test_run run = {};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "kprobe", "GPL", insns, 2, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(hp_test_run(fd, &run), -EOPNOTSUPP);
	close(fd);
}

static void sums_over_all_cpus(void **state)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "sums", 4, 16, 1, NULL);
	int cpus = libbpf_num_possible_cpus();
	__u64 *values = calloc(cpus, 16), sums[2] = { 7, 7 };
	__u32 key = 0;

	(void)state;
	for (int cpu = 0; cpu < cpus; cpu++) {
		values[cpu * 2] = cpu + 1;
		values[cpu * 2 + 1] = 1ULL << 40;
	}
	assert_int_equal(bpf_map_update_elem(fd, &key, values, BPF_ANY), 0);
	assert_int_equal(hp_map_sum_percpu(fd, &key, sums, 2), 0);
	assert_int_equal(sums[0], cpus * (cpus + 1) / 2);
	assert_true(sums[1] == (__u64)cpus << 40);

	sums[0] = 7;
	assert_int_equal(hp_map_sum_percpu(fd, &key, sums, 1), -EINVAL);
	key = 1;
	assert_int_equal(hp_map_sum_percpu(fd, &key, sums, 2), -ENOENT);
	assert_int_equal(sums[0], 7);
	free(values);
	close(fd);
}

static void maps_a_value_into_memory(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mapped", 4, 8, 1, &options);
	int plain = bpf_map_create(BPF_MAP_TYPE_ARRAY, "plain", 4, 8, 1, NULL);
	__u64 *mapped = NULL, value = 0;
	__u32 key = 0;

	(void)state;
	assert_int_equal(hp_map_mmap(fd, sizeof(value), (void **)&mapped), 0);
	*mapped = 8080;
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
	assert_int_equal(value, 8080);
	munmap(mapped, sizeof(value));

	mapped = NULL;
	assert_int_equal(hp_map_mmap(fd, 4, (void **)&mapped), -EINVAL);
	assert_int_not_equal(hp_map_mmap(plain, sizeof(value), (void **)&mapped), 0);
	assert_null(mapped);
	close(fd);
	close(plain);
}

static void auto_mode_falls_back_and_reports_what_it_got(void **state)
{
	int fd = load_xdp(XDP_PASS), link = -1;
	struct hp_xdp_state hook;
	enum hp_mode got = HP_AUTO;

	(void)state;
	/* The loopback has no native XDP. */
	assert_int_equal(hp_xdp_attach(fd, LOOPBACK, HP_NATIVE, &link, &got), -EOPNOTSUPP);
	assert_int_equal(link, -1);
	assert_int_equal(hp_xdp_attach(fd, LOOPBACK, HP_AUTO, &link, &got), 0);
	assert_int_equal(got, HP_GENERIC);
	assert_int_equal(hp_xdp_query(LOOPBACK, &hook), 0);
	assert_int_not_equal(hook.prog_id, 0);

	assert_int_equal(hp_xdp_attach(fd, LOOPBACK, HP_AUTO, &(int){ -1 }, &got), -EBUSY);
	close(link);
	assert_int_equal(hp_xdp_query(LOOPBACK, &hook), 0);
	assert_int_equal(hook.prog_id, 0);
	assert_int_equal(hp_xdp_attach(fd, 9999, HP_AUTO, &link, &got) < 0, 1);
	close(fd);
}

static void nothing_pinned_is_no_failure(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(hp_bpffs_check(), 0);
	assert_int_equal(hp_pin_open(HP_BPFFS "/no-such", "link", &fd), -ENOENT);
	assert_int_equal(fd, -1);
	assert_int_equal(hp_pin_remove(HP_BPFFS "/no-such"), 0);
	assert_int_equal(hp_attachment_detach(HP_BPFFS "/no-such", NULL), 0);
	assert_int_equal(hp_attachment_recover(HP_BPFFS "/no-such"), 0);
	assert_int_equal(hp_attachment_release(HP_BPFFS "/no-such"), 0);
	assert_int_equal(hp_attachment_each("no-such", NULL, NULL), 0);
}

static void explains_errors(void **state)
{
	/* One errno comes from maps as well as from hooks: what is said is true for both. */
	static const struct {
		int err;
		const char *says;
	} causes[] = {
		{ -E2BIG, "map is full" },
		{ -EBUSY, "somebody else" },
		{ -ESRCH, "no such type, or a process or network namespace" },
	};
	static const int nothing_to_add[] = { -EOPNOTSUPP, -524, -ERANGE, -EIO };
	char text[512] = "x";

	(void)state;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		hp_explain(causes[i].err, text, sizeof(text));
		assert_non_null(strstr(text, causes[i].says));
	}
	for (size_t i = 0; i < sizeof(nothing_to_add) / sizeof(*nothing_to_add); i++) {
		hp_explain(nothing_to_add[i], text, sizeof(text));
		assert_string_equal(text, "");
	}
}

/* In a namespace of its own, so that the loopback is nobody else's. */
static int enter_netns(void **state)
{
	(void)state;
	hp_log_libbpf();
	return unshare(CLONE_NEWNET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_gives_the_verdict_and_the_packet),
		cmocka_unit_test(test_run_never_writes_past_the_buffer),
		cmocka_unit_test(test_run_refuses_a_packet_without_an_ethernet_header),
		cmocka_unit_test(test_run_says_which_types_it_can_not_run),
		cmocka_unit_test(sums_over_all_cpus),
		cmocka_unit_test(maps_a_value_into_memory),
		cmocka_unit_test(auto_mode_falls_back_and_reports_what_it_got),
		cmocka_unit_test(nothing_pinned_is_no_failure),
		cmocka_unit_test(explains_errors),
	};

	return cmocka_run_group_tests_name("kernel", tests, enter_netns, NULL);
}
