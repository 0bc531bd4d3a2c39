/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the kernel's own structures is read here (Linux 6.1 to 6.18). The offsets are not these
 * but the running kernel's: libbpf looks them up in its BTF.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/types.h>

/* The arguments of a process, one after the other, each with its NUL. */
struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} __attribute__((preserve_access_index));

struct task_struct {
	struct mm_struct *mm;
	struct task_struct *real_parent;
	int tgid;
} __attribute__((preserve_access_index));

/* What exec works on. */
struct linux_binprm {
	int argc;
	const char *filename;
} __attribute__((preserve_access_index));

/* x86-64: the first three arguments of a system call, which stay as they were. */
struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
} __attribute__((preserve_access_index));

/* What a program at syscalls:sys_exit_* gets. */
struct sys_exit {
	__u64 common;
	long number;
	long ret;
};

#endif
