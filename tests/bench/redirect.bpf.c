/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends every frame out of one interface: the barrel of the flood. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 ifindex;

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect(ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
