/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A loop of STEPS rounds, each of which the verifier walks through. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int walk_steps(struct xdp_md *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < STEPS; i++) {
		sum += ctx->ingress_ifindex;
		asm volatile("" : "+r"(sum)); /* or the compiler makes a multiplication of it */
	}
	return sum ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
