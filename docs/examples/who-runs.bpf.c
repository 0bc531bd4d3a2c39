/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads one field of the kernel's own task_struct, wherever the running kernel has it. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

int last;

SEC("raw_tp/sched_switch")
int note_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *next = (void *)ctx->args[2];

	last = BPF_CORE_READ(next, tgid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
