// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Mistakes that hurt the machine if a kernel module makes them; see docs/faq/kernel-module.rst. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} reports SEC(".maps");

SEC("xdp")
int endless(struct xdp_md *ctx)
{
	for (;;)
		;
}

SEC("xdp")
int null_pointer(struct xdp_md *ctx)
{
	__u32 host = 1;
	__u64 *packets = bpf_map_lookup_elem(&hosts, &host); /* NULL if there is none */

	*packets += 1;
	return XDP_PASS;
}

SEC("xdp")
int wild_pointer(struct xdp_md *ctx)
{
	*(__u64 *)0xffff888000000000 = 0; /* x86: all memory is mapped around here */
	return XDP_PASS;
}

SEC("xdp")
int past_the_end(struct xdp_md *ctx)
{
	char *frame = (void *)(long)ctx->data;

	return frame[12] ? XDP_PASS : XDP_DROP; /* who says that there are 13 bytes? */
}

SEC("xdp")
int lost_memory(struct xdp_md *ctx)
{
	__u64 *report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);

	if (report)
		*report = 1;
	return XDP_PASS; /* and never submits it */
}

/* There is nothing wrong with this one, as far as the verifier can tell. */
SEC("xdp")
int drop_all(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
