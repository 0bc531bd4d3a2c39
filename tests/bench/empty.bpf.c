/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The least that an XDP program can be: what a test run costs by itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
