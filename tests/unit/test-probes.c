// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the library adds to perf events as hooks: symbols, tracefs, and kernels without links for
 * them. (That programs there count, and close, is in test-hooks.c.) Needs root.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "attached.h"

static int attach_tracepoint(int prog, int *fd)
{
	return hp_attach_tracepoint(prog, "sched", "sched_process_fork", fd);
}

static int attach_uprobe(int prog, int *fd)
{
	return hp_attach_uprobe(prog, HP_PROBE_ENTRY, "/proc/self/exe", "touched", 0, -1, fd);
}

static const struct hook tracepoint = { .type = "tracepoint",
					.act = start_process,
					.attach = attach_tracepoint };
static const struct hook uprobe = { .type = "kprobe", .act = touch, .attach = attach_uprobe };
static const struct hook not_a_probe = { .type = "xdp" };

static int count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void what_cannot_be_attached_has_its_errno(void **state)
{
	struct attachment a;
	int before, fd = -7, tracing = -1, xdp = -1;

	(void)state;
	assert_true(begin(&uprobe, &a));
	assert_int_equal(load(&tracepoint, a.map, &tracing), 0);
	assert_int_equal(load(&not_a_probe, a.map, &xdp), 0);
	before = count_descriptors();
	assert_int_equal(hp_attach_tracepoint(tracing, "sched", "no_such", &fd), -ENOENT);
	assert_int_equal(hp_attach_tracepoint(xdp, "sched", "sched_process_fork", &fd), -EINVAL);
	assert_int_equal(hp_attach_tracepoint(99, "sched", "sched_process_fork", &fd), -EBADF);
	assert_int_equal(hp_attach_kprobe(a.prog, HP_PROBE_ENTRY, "no_such_function", 0, &fd),
			 -ENOENT);
	assert_int_equal(hp_attach_uprobe(a.prog, HP_PROBE_ENTRY, "/no/such", "f", 0, -1, &fd),
			 -ENOENT);
	assert_int_equal(
		hp_attach_uprobe(a.prog, HP_PROBE_ENTRY, "/proc/self/exe", "no_such", 0, -1, &fd),
		-ENOENT);
	assert_int_equal(
		hp_attach_uprobe(a.prog, HP_PROBE_ENTRY, "/etc/passwd", "touched", 0, -1, &fd),
		-ENOEXEC);
	assert_int_equal(fd, -7);
	assert_int_equal(count_descriptors(), before);
	close(tracing);
	close(xdp);
	detach(&a);
	finish(&a);
}

/* What the loader puts in the place of such a function, it chooses when the program starts. */
static int (*choose(void))(int)
{
	return touched;
}

int chosen(int n) __attribute__((ifunc("choose")));

static void where_a_uprobe_cannot_go_has_its_errno(void **state)
{
	static const struct {
		const char *binary, *symbol;
		__u64 offset;
		int err;
	} places[] = {
		{ "/proc/self/exe", "chosen", 0, -ENOENT },
		{ "/proc/self/exe", NULL, 1ULL << 40, -EINVAL },
		{ "/usr", NULL, 0, -EINVAL },
		{ "/dev/null", NULL, 0, -EINVAL },
	};
	struct attachment a;
	int fd = -7;
	pid_t child;

	(void)state;
	assert_true(begin(&uprobe, &a));
	for (size_t i = 0; i < COUNT(places); i++)
		assert_int_equal(hp_attach_uprobe(a.prog, HP_PROBE_ENTRY, places[i].binary,
						  places[i].symbol, places[i].offset, -1, &fd),
				 places[i].err);
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	assert_int_equal(hp_attach_uprobe(a.prog, HP_PROBE_ENTRY, "/proc/self/exe", "touched", 0,
					  child, &fd),
			 -ESRCH);
	assert_int_equal(fd, -7);
	detach(&a);
	finish(&a);
}

/* Where touched() is in this file, as the kernel mapped it. */
static __u64 offset_of_touched(void)
{
	unsigned long start = 0, end, offset = 0, want = (unsigned long)touched;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && start <= want &&
		    want < end)
			break;
	fclose(maps);
	return want - start + offset;
}

static int attach_by_offset(int prog, int *fd)
{
	return hp_attach_uprobe(prog, HP_PROBE_ENTRY, "/proc/self/exe", NULL, offset_of_touched(),
				getpid(), fd);
}

static void a_uprobe_by_offset_and_process(void **state)
{
	struct hook hook = uprobe;
	int descriptors = count_descriptors();
	struct attachment a;
	__u64 before;
	pid_t child;

	(void)state;
	hook.attach = attach_by_offset;
	assert_true(begin(&hook, &a));
	runs(&a);
	before = *a.count;
	child = fork();
	if (!child) {
		touch();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_int_equal(*a.count, before);
	detach(&a);
	runs_no_more(&a);
	finish(&a);
	assert_int_equal(count_descriptors(), descriptors);
}

/* A pin is one more reference: what holds the descriptor may go. */
static void a_pin_keeps_it_attached(void **state)
{
	static const char pin[] = HP_BPFFS "/attached";
	struct attachment a;

	(void)state;
	assert_true(begin(&tracepoint, &a));
	assert_int_equal(bpf_obj_pin(a.fd, pin), 0);
	detach(&a);
	close_one(&a.prog);
	runs(&a);
	assert_int_equal(unlink(pin), 0);
	is_gone(&a);
	runs_no_more(&a);
	finish(&a);
}

static void works_where_tracefs_is_not_mounted(void **state)
{
	struct attachment a;

	(void)state;
	while (umount2("/sys/kernel/debug", MNT_DETACH) == 0)
		;
	while (umount2("/sys/kernel/tracing", MNT_DETACH) == 0)
		;
	assert_int_not_equal(access("/sys/kernel/tracing/events", F_OK), 0);
	assert_true(begin(&tracepoint, &a));
	runs(&a);
	detach(&a);
	finish(&a);
	assert_int_not_equal(access("/sys/kernel/tracing/events", F_OK), 0);
}

static bool is_a_link(int fd)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == 7 /* perf event */;
}

/*
 * Kernels before 5.15 have no links for perf events, and say so with EINVAL. From here on this
 * process runs on such a kernel, so this test is the last one.
 */
static void works_where_perf_events_have_no_links(void **state)
{
	static const struct hook *const hooks[] = { &tracepoint, &uprobe };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = COUNT(code), .filter = code };
	struct attachment a;

	(void)state;
	assert_true(begin(&tracepoint, &a));
	assert_true(is_a_link(a.fd));
	detach(&a);
	finish(&a);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
	for (size_t i = 0; i < COUNT(hooks); i++) {
		assert_true(begin(hooks[i], &a));
		assert_false(is_a_link(a.fd));
		runs(&a);
		close_one(&a.prog);
		runs(&a);
		detach(&a);
		runs_no_more(&a);
		finish(&a);
	}
}

/* In a mount namespace of its own, because one test pins, and one takes tracefs away. */
static int set_up(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("bpf", HP_BPFFS, "bpf", 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_attached_has_its_errno),
		cmocka_unit_test(where_a_uprobe_cannot_go_has_its_errno),
		cmocka_unit_test(a_uprobe_by_offset_and_process),
		cmocka_unit_test(a_pin_keeps_it_attached),
		cmocka_unit_test(works_where_tracefs_is_not_mounted),
		cmocka_unit_test(works_where_perf_events_have_no_links),
	};

	hp_log_libbpf();
	return cmocka_run_group_tests_name("probes", tests, set_up, NULL);
}
