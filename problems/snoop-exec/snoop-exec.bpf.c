/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reports every exec on this machine: who started what, with which arguments. */
#include <linux/bpf.h>
#include <linux/fcntl.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel.bpf.h"
#include "snoop-exec.h"

/* Constants to the verifier, which therefore never looks at what is not asked for. */
const volatile struct snoop_settings settings SEC(".rodata.settings") = {};

/* Records on their way to user space: in one of these, the other is not made. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024); /* bytes */
} ring_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} perf_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_counts);
} exec_counts SEC(".maps");

/*
 * Where a record is made: it is too large for the stack. One for each CPU, since tracepoints call
 * us with preemption off, and no interrupt execs. The room behind it is never filled, but the
 * verifier takes the largest place and the largest size together.
 */
struct draft {
	struct exec_record record;
	char room[ARGS_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct draft);
} drafts SEC(".maps");

static __always_inline struct exec_counts *counts_here(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&exec_counts, &key);
}

static __always_inline void count_filtered(void)
{
	struct exec_counts *counts = counts_here();

	if (counts)
		counts->filtered++;
}

/* Who it was: the current process. NULL: somebody who is not to be reported. */
static __always_inline struct exec_record *begin_record(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 key = 0, uid = bpf_get_current_uid_gid();
	struct exec_record *record;

	if (settings.by_uid && uid != settings.uid) {
		count_filtered();
		return NULL;
	}
	record = bpf_map_lookup_elem(&drafts, &key);
	if (!record)
		return NULL;
	record->time_ns = bpf_ktime_get_ns();
	record->unread_args = 0;
	record->uid = uid;
	record->pid = bpf_get_current_pid_tgid() >> 32;
	record->ppid = BPF_CORE_READ(task, real_parent, tgid);
	record->ret = 0;
	record->dirfd = AT_FDCWD;
	record->argc = 0;
	record->flags = 0;
	record->file_bytes = 0;
	record->args_bytes = 0;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	return record;
}

/* Is the last part of the file's path the one that is asked for? Both end with a NUL. */
static __always_inline bool is_named(const struct exec_record *record)
{
	__u64 start = (__u64)record->file_bytes - settings.name_bytes;

	if (!settings.name_bytes)
		return true;
	if (start > FILE_BYTES) /* below 0: the path is shorter */
		return false;
	if (start && record->text[start - 1] != '/')
		return false;
	return !bpf_strncmp(record->text + start, NAME_BYTES, (const char *)settings.name);
}

/* Where the arguments go in the record. NULL: never, but the verifier does not know. */
static __always_inline char *args_of(struct exec_record *record)
{
	__u64 start = record->file_bytes;

	if (start > FILE_BYTES)
		return NULL;
	barrier_var(start); /* or clang adds to it before the comparison: no pointer to Linux 6.1 */
	return record->text + start;
}

static __always_inline void submit(void *ctx, struct exec_record *record)
{
	__u64 size = offsetof(struct exec_record, text) + record->file_bytes + record->args_bytes;
	struct exec_counts *counts = counts_here();
	long err;

	if (!counts || size > sizeof(*record))
		return;
	if (settings.use_perf)
		err = bpf_perf_event_output(ctx, &perf_records, BPF_F_CURRENT_CPU, record, size);
	else
		err = bpf_ringbuf_output(&ring_records, record, size, 0);
	if (err)
		counts->lost++;
	else
		counts->reported++;
}

/* ---- success --------------------------------------------------------------------------------- */

/*
 * The kernel has just copied the arguments into the new process: they are all in one piece, in
 * memory that is there, and nobody can have changed them.
 */
static __always_inline void read_args(struct exec_record *record)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);
	unsigned long size = BPF_CORE_READ(task, mm, arg_end) - start;
	char *args = args_of(record);

	if (size > ARGS_BYTES) {
		record->flags |= EXEC_CUT;
		size = ARGS_BYTES;
	}
	if (args && !bpf_probe_read_user(args, size, (void *)start))
		record->args_bytes = size;
	else
		record->flags |= EXEC_UNREADABLE;
}

/* Called by the process that has become another one: (task, its number before, the binary). */
SEC("raw_tp/sched_process_exec")
int report_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *binary = (void *)ctx->args[2];
	struct exec_record *record = begin_record();
	long bytes;

	if (!record)
		return 0;
	bytes = bpf_probe_read_kernel_str(record->text, FILE_BYTES,
					  BPF_CORE_READ(binary, filename));
	if (bytes > 0)
		record->file_bytes = bytes;
	if (!is_named(record)) {
		count_filtered();
		return 0;
	}
	record->argc = BPF_CORE_READ(binary, argc);
	read_args(record);
	submit(ctx, record);
	return 0;
}

/* ---- failure --------------------------------------------------------------------------------- */

/* As bpf_probe_read_user_str(): its bytes with the NUL. Linux 6.1 says 0 for an empty string. */
static __always_inline long read_string(char *to, __u32 size, const char *from)
{
	long bytes = bpf_probe_read_user_str(to, size, from);

	if (bytes)
		return bytes;
	*to = '\0';
	return 1;
}

struct argv_walk {
	struct exec_record *record;
	const char *const *argv;
};

/*
 * Reads argument I; 1: that was the last one. The process is still the old one, and so is its
 * memory. What neither it nor the kernel has touched yet may not be there, and a program like this
 * one can't wait until it comes.
 */
static long read_arg(__u32 i, struct argv_walk *walk)
{
	struct exec_record *record = walk->record;
	char *args = args_of(record);
	__u64 bytes = record->args_bytes;
	const char *arg;
	long n;

	if (bpf_probe_read_user(&arg, sizeof(arg), &walk->argv[i])) {
		record->flags |= EXEC_UNREADABLE;
		return 1;
	}
	if (!arg)
		return 1;
	if (i == ARGS_MAX || bytes >= ARGS_BYTES || !args) {
		record->flags |= EXEC_CUT;
		return 1;
	}
	n = read_string(args + bytes, ARGS_BYTES - bytes, arg);
	if (n < 0) {
		record->unread_args |= 1ULL << i;
		args[bytes] = '\0';
		n = 1;
	}
	record->args_bytes = bytes + n;
	record->argc = i + 1;
	return 0;
}

static __always_inline int report_failure(struct sys_exit *ctx, int dirfd, const char *file,
					  const char *const *argv)
{
	struct argv_walk walk = { .record = begin_record(), .argv = argv };
	struct exec_record *record = walk.record;
	long bytes;

	if (!record)
		return 0;
	record->ret = ctx->ret;
	record->dirfd = dirfd;
	bytes = read_string(record->text, FILE_BYTES, file);
	if (bytes > 0)
		record->file_bytes = bytes;
	if (!is_named(record)) {
		count_filtered();
		return 0;
	}
	if (argv) /* NULL is as good as no arguments */
		bpf_loop(ARGS_MAX + 1, read_arg, &walk, 0);
	submit(ctx, record);
	return 0;
}

/* -512 and below: a signal came, and the call will be made again, or the thread is about to end. */
static __always_inline bool has_failed(const struct sys_exit *ctx)
{
	return ctx->ret < 0 && ctx->ret > -512;
}

/* The tracepoint has only the result; the arguments are still in the registers. */
static __always_inline struct pt_regs *registers(void)
{
	return (void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
}

SEC("tracepoint")
int report_failed_execve(struct sys_exit *ctx)
{
	struct pt_regs *regs;

	if (!has_failed(ctx))
		return 0;
	regs = registers();
	return report_failure(ctx, AT_FDCWD, (void *)BPF_CORE_READ(regs, di),
			      (void *)BPF_CORE_READ(regs, si));
}

SEC("tracepoint")
int report_failed_execveat(struct sys_exit *ctx)
{
	struct pt_regs *regs;

	if (!has_failed(ctx))
		return 0;
	regs = registers();
	return report_failure(ctx, BPF_CORE_READ(regs, di), (void *)BPF_CORE_READ(regs, si),
			      (void *)BPF_CORE_READ(regs, dx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
