// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that are given as instructions: loading them as any type, with any option, and running
 * them without attaching them. Needs root.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "hookpoint.h"
#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Linux 6.4: enum bpf_attach_type, for headers that are older. */
#define NETFILTER_ATTACH 45

static const struct bpf_insn accept_all[] = { BPF_MOV64_IMM(BPF_REG_0, 1), BPF_EXIT_INSN() };
static const struct bpf_insn pass_all[] = { BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };
/* What the verifier refuses: R0 was never written. */
static const struct bpf_insn returns_nothing[] = { BPF_EXIT_INSN() };

#define LOAD(type, insns, options, fd, log) \
	hp_prog_load(type, insns, COUNT(insns), options, fd, log)

/* ---- types ----------------------------------------------------------------------------------- */

static void names_are_types_or_sections(void **state)
{
	static const struct {
		const char *name;
		enum bpf_prog_type type;
		int attach;
	} known[] = {
		{ "socket_filter", BPF_PROG_TYPE_SOCKET_FILTER, 0 },
		{ "xdp", BPF_PROG_TYPE_XDP, BPF_XDP },
		{ "sched_cls", BPF_PROG_TYPE_SCHED_CLS, 0 },
		{ "tc", BPF_PROG_TYPE_SCHED_CLS, 0 },
		{ "kprobe", BPF_PROG_TYPE_KPROBE, 0 },
		{ "cgroup_skb", BPF_PROG_TYPE_CGROUP_SKB, 0 },
		{ "cgroup_skb/egress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS },
		{ "cgroup/connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT },
		{ "tracing", BPF_PROG_TYPE_TRACING, 0 },
		{ "syscall", BPF_PROG_TYPE_SYSCALL, 0 },
	};
	static const char *const unknown[] = { "", "unspec", "XDP", "xdpp", "no_such_type" };
	enum bpf_prog_type type = 99;
	enum bpf_attach_type attach = 99;
	int fd = -7;
	char *log = "set";

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++)
		assert_int_equal(hp_prog_type(unknown[i], &type, &attach), -ESRCH);
	assert_int_equal(type, 99);
	assert_int_equal(attach, 99);
	assert_int_equal(LOAD("no_such_type", pass_all, NULL, &fd, &log), -ESRCH);
	assert_int_equal(fd, -7);
	assert_null(log);
	for (size_t i = 0; i < COUNT(known); i++) {
		assert_int_equal(hp_prog_type(known[i].name, &type, &attach), 0);
		assert_int_equal(type, known[i].type);
		assert_int_equal(attach, known[i].attach);
	}
	/* The usual name is the one that bpftool prints. */
	for (int i = 1; libbpf_bpf_prog_type_str(i); i++) {
		assert_int_equal(hp_prog_type(libbpf_bpf_prog_type_str(i), &type, &attach), 0);
		assert_int_equal(type, i);
	}
}

/* The index of the member that is called NAME, which the kernel wants as the attach type. */
static int member_of(const struct btf *btf, __u32 id, const char *name)
{
	const struct btf_type *structure = btf__type_by_id(btf, id);
	const struct btf_member *members = btf_members(structure);

	for (int i = 0; i < btf_vlen(structure); i++)
		if (!strcmp(btf__name_by_offset(btf, members[i].name_off), name))
			return i;
	return -ENOENT;
}

/* What a type takes to be loaded besides two instructions. */
static struct hp_prog_options wants(enum bpf_prog_type type, const struct btf *kernel)
{
	struct hp_prog_options options = { .licence = "GPL" };

	switch ((int)type) {
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
		options.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
		break;
	case BPF_PROG_TYPE_CGROUP_SOCKOPT:
		options.expected_attach_type = BPF_CGROUP_SETSOCKOPT;
		break;
	case 32: /* netfilter */
		options.expected_attach_type = NETFILTER_ATTACH;
		break;
	case BPF_PROG_TYPE_SYSCALL:
		options.sleepable = true;
		break;
	case BPF_PROG_TYPE_TRACING:
		options.expected_attach_type = BPF_TRACE_FENTRY;
		options.btf_id = libbpf_find_vmlinux_btf_id("bpf_fentry_test1", BPF_TRACE_FENTRY);
		break;
	case BPF_PROG_TYPE_LSM:
		options.expected_attach_type = BPF_LSM_MAC;
		options.btf_id = libbpf_find_vmlinux_btf_id("file_open", BPF_LSM_MAC);
		break;
	case BPF_PROG_TYPE_STRUCT_OPS:
		options.btf_id =
			btf__find_by_name_kind(kernel, "tcp_congestion_ops", BTF_KIND_STRUCT);
		options.expected_attach_type = member_of(kernel, options.btf_id, "ssthresh");
		break;
	}
	return options;
}

/*
 * Loads the smallest program of the type NAME. Whether the kernel has the type it says itself, with
 * EINVAL and no log; so what a type wants must be right here.
 */
static void load_as(const char *name, enum bpf_prog_type type, const struct btf *kernel)
{
	struct hp_prog_options options = wants(type, kernel);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	char *log = NULL;
	int fd = -1, err;

	if (type == BPF_PROG_TYPE_EXT) {
		/* It replaces a function of a program that has BTF; all else is refused. */
		err = LOAD(name, accept_all, &options, &fd, &log);
		assert_true(err == -EINVAL || err == -EPERM);
		free(log);
		return;
	}
	err = type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM
		      ? LOAD(name, pass_all, &options, &fd, &log)
		      : LOAD(name, accept_all, &options, &fd, &log);
	if (err && libbpf_probe_bpf_prog_type(type, NULL) != 1) {
		print_message("%s: this kernel has none (%s)\n", name, strerror(-err));
		free(log);
		return;
	}
	if (err == -EPERM) { /* libbpf's probe takes some refusals for a yes */
		print_message("%s: this kernel lets nobody load one\n", name);
		free(log);
		return;
	}
	if (err)
		fail_msg("%s: %s\n%s", name, strerror(-err), log ? log : "no log");
	assert_null(log);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	assert_int_equal(info.type, type);
	close(fd);
}

static void every_type_of_the_kernel_loads_by_its_name(void **state)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int id = btf__find_by_name_kind(kernel, "bpf_prog_type", BTF_KIND_ENUM), types = 0;
	const struct btf_enum *values;

	(void)state;
	assert_true(id > 0);
	values = btf_enum(btf__type_by_id(kernel, id));
	for (int i = 0; i < btf_vlen(btf__type_by_id(kernel, id)); i++) {
		const char *value = btf__name_by_offset(kernel, values[i].name_off);
		enum bpf_attach_type attach;
		enum bpf_prog_type type;
		char name[64] = "";

		if (strncmp(value, "BPF_PROG_TYPE_", 14) || !values[i].val)
			continue;
		for (size_t c = 0; value[14 + c] && c < sizeof(name) - 1; c++)
			name[c] = value[14 + c] | 0x20 * (value[14 + c] != '_');
		assert_int_equal(hp_prog_type(name, &type, &attach), 0);
		assert_int_equal(type, values[i].val);
		load_as(name, type, kernel);
		types++;
	}
	assert_true(types >= 31); /* as many as Linux 5.14 */
	btf__free(kernel);
}

/* ---- options --------------------------------------------------------------------------------- */

static void the_licence_opens_helpers_and_none_is_assumed(void **state)
{
	const struct bpf_insn prints[] = {
		BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
		BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
		BPF_MOV64_IMM(BPF_REG_2, 8),
		BPF_EMIT_CALL(BPF_FUNC_trace_printk),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	struct hp_prog_options options = {};
	static const char *const closed[] = { NULL, "", "BSD", "Proprietary" };
	static const char *const open[] = { "GPL", "Dual BSD/GPL" };
	char *log = NULL;
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < COUNT(closed); i++) {
		options.licence = closed[i];
		assert_int_equal(LOAD("socket_filter", prints, &options, &fd, &log), -EINVAL);
		assert_non_null(strstr(log, "GPL"));
		free(log);
	}
	for (size_t i = 0; i < COUNT(open); i++) {
		options.licence = open[i];
		assert_int_equal(LOAD("socket_filter", prints, &options, &fd, NULL), 0);
		close(fd);
	}
}

static void the_name_and_the_attach_type_reach_the_kernel(void **state)
{
	struct hp_prog_options options = { .name = "a_name_of_more_than_fifteen_bytes" };
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = -1;

	(void)state;
	/* This type has several hooks, and none of them is 0. */
	assert_int_equal(LOAD("cgroup_sock_addr", accept_all, &options, &fd, NULL), -EINVAL);
	options.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
	assert_int_equal(LOAD("cgroup_sock_addr", accept_all, &options, &fd, NULL), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	assert_string_equal(info.name, "a_name_of_more_");
	close(fd);
	options.name = "block-tcp.8080 \xc3\xa4";
	assert_int_equal(LOAD("cgroup_sock_addr", accept_all, &options, &fd, NULL), 0);
	info = (struct bpf_prog_info){};
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	assert_string_equal(info.name, "block_tcp.8080_");
	close(fd);
	assert_int_equal(LOAD("cgroup/connect4", accept_all, NULL, &fd, NULL), 0);
	close(fd);
}

static void sleeping_is_for_those_that_ask_for_it_and_may(void **state)
{
	struct hp_prog_options options = { .sleepable = true };
	char *log = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(LOAD("xdp", pass_all, &options, &fd, &log), -EINVAL);
	assert_non_null(strstr(log, "can be sleepable"));
	free(log);
	/* Since 6.0, for uprobes. */
	assert_int_equal(LOAD("kprobe", pass_all, &options, &fd, NULL), 0);
	close(fd);
}

/* ---- the verifier's log ---------------------------------------------------------------------- */

static void a_refusal_comes_with_the_log(void **state)
{
	char *log = NULL;
	int fd = -7;

	(void)state;
	assert_int_equal(LOAD("xdp", returns_nothing, NULL, &fd, &log), -EACCES);
	assert_int_equal(fd, -7);
	assert_non_null(log);
	assert_non_null(strstr(log, "R0 !read_ok"));
	free(log);
	assert_int_equal(LOAD("xdp", returns_nothing, NULL, &fd, NULL), -EACCES);
}

static void a_success_has_the_log_that_was_asked_for(void **state)
{
	static const struct {
		__u32 level;
		const char *says;
	} levels[] = { { 1, "processed 2 insns" }, { 2, "0: (b7) r0 = 0" }, { 4, "verification" } };
	char *log = "set";
	int fd = -1;

	(void)state;
	assert_int_equal(LOAD("xdp", pass_all, NULL, &fd, &log), 0);
	assert_null(log);
	close(fd);
	for (size_t i = 0; i < COUNT(levels); i++) {
		struct hp_prog_options options = { .log_level = levels[i].level };

		assert_int_equal(LOAD("xdp", pass_all, &options, &fd, &log), 0);
		assert_non_null(log);
		assert_non_null(strstr(log, levels[i].says));
		free(log);
		close(fd);
		/* Nobody wants it. */
		assert_int_equal(LOAD("xdp", pass_all, &options, &fd, NULL), 0);
		close(fd);
	}
}

/* As LONG additions, which at log level 2 are some hundred kilobytes of log; LAST; and the end. */
#define LONG 4000
static const struct bpf_insn *long_program(struct bpf_insn last)
{
	static struct bpf_insn insns[LONG + 3];

	insns[0] = BPF_MOV64_IMM(BPF_REG_0, 0);
	for (int i = 1; i <= LONG; i++)
		insns[i] = BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1);
	insns[LONG + 1] = last;
	insns[LONG + 2] = BPF_EXIT_INSN();
	return insns;
}

static int load_long(bool good, const struct hp_prog_options *options, int *fd, char **log)
{
	struct bpf_insn last = BPF_MOV64_REG(BPF_REG_0, BPF_REG_9);

	if (good)
		last = BPF_MOV64_IMM(BPF_REG_0, 0);
	return hp_prog_load("socket_filter", long_program(last), LONG + 3, options, fd, log);
}

/* Is LOG whole: the first line, the last, and much between? */
static void is_whole(const char *log)
{
	assert_non_null(log);
	assert_true(strlen(log) > 100000);
	assert_memory_equal(log, "func#0 @0", 9);
	assert_non_null(strstr(log + strlen(log) - 200, "processed "));
}

static void a_buffer_that_is_too_small_grows(void **state)
{
	static const __u32 sizes[] = { 1, 128, 1000, 0, 200 << 10 };
	char small[200], *log = NULL;
	LIBBPF_OPTS(bpf_prog_load_opts, plain, .log_level = 2, .log_buf = small,
		    .log_size = sizeof(small));
	int fd = -7;

	(void)state;
	/* What this is about: the kernel refuses this program for its log. */
	assert_int_equal(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "BSD",
				       long_program(BPF_MOV64_IMM(BPF_REG_0, 0)), LONG + 3, &plain),
			 -ENOSPC);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct hp_prog_options options = { .log_level = 2, .log_bytes = sizes[i] };

		assert_int_equal(load_long(true, &options, &fd, &log), 0);
		is_whole(log);
		free(log);
		close(fd);
		fd = -7;
		assert_int_equal(load_long(false, &options, &fd, &log), -EACCES);
		assert_int_equal(fd, -7);
		assert_non_null(strstr(log, "R9 !read_ok"));
		is_whole(log);
		free(log);
	}
}

#define WITHOUT_MEMORY "without-memory"

/*
 * What this program does as a child, whose heap is empty: 0 if the program was loaded though there
 * was no memory for all of its log, else a number.
 */
static int load_without_memory(void)
{
	struct hp_prog_options options = { .log_level = 2, .log_bytes = 4096 };
	struct rlimit limit;
	char *log = NULL;
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "r");
	int fd = -1;

	if (!file || fscanf(file, "%lu", &pages) != 1)
		return 1;
	fclose(file);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = pages * sysconf(_SC_PAGESIZE) + 64 * 1024;
	setrlimit(RLIMIT_AS, &limit);
	if (load_long(true, &options, &fd, &log))
		return 2;
	if (fd < 0 || !log || !*log)
		return 3;
	return strlen(log) < 300000 ? 0 : 4;
}

static void without_memory_for_the_log_the_program_still_loads(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		_exit(execl("/proc/self/exe", "test-programs", WITHOUT_MEMORY, NULL));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_types_or_sections),
		cmocka_unit_test(every_type_of_the_kernel_loads_by_its_name),
		cmocka_unit_test(the_licence_opens_helpers_and_none_is_assumed),
		cmocka_unit_test(the_name_and_the_attach_type_reach_the_kernel),
		cmocka_unit_test(sleeping_is_for_those_that_ask_for_it_and_may),
		cmocka_unit_test(a_refusal_comes_with_the_log),
		cmocka_unit_test(a_success_has_the_log_that_was_asked_for),
		cmocka_unit_test(a_buffer_that_is_too_small_grows),
		cmocka_unit_test(without_memory_for_the_log_the_program_still_loads),
	};

	hp_log_libbpf();
	if (argc == 2 && !strcmp(argv[1], WITHOUT_MEMORY))
		return load_without_memory();
	return cmocka_run_group_tests_name("programs", tests, NULL, NULL);
}
