/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops frames that are longer than a limit. docs/concepts.rst takes it apart. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* In bytes. User space may change it while the program runs. */
__u32 longest = 1000;

/* Entry 0 counts frames that were passed, entry 1 those that were dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} frame_verdicts SEC(".maps");

SEC("xdp")
int drop_long(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	__u32 key = length > longest;
	__u64 *count;

	count = bpf_map_lookup_elem(&frame_verdicts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return key ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
