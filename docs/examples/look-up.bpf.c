/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A byte of the frame chooses an entry of a table: what the verifier knows of a number. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 seen[16];

SEC("xdp")
int look_up(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u64 index;

	if (data + 1 > end)
		return XDP_PASS;
	index = data[0] & 15;
	seen[index] = 1;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
