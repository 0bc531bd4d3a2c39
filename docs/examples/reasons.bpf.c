// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs that the verifier refuses, each for a reason of its own, and after each what it accepts
 * instead. docs/troubleshooting.rst loads them one by one.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

__u8 table[64];

/* ---- a packet's bytes ------------------------------------------------------------------------ */

SEC("xdp")
int unchecked(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return eth->h_proto ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int checked(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	return eth->h_proto ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int far(struct xdp_md *ctx)
{
	int offset = ctx->ingress_ifindex;
	__u8 *byte = (__u8 *)(long)ctx->data + offset;

	if ((void *)(byte + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	return *byte ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int near(struct xdp_md *ctx)
{
	int offset = ctx->ingress_ifindex & 0x3ff;
	__u8 *byte = (__u8 *)(long)ctx->data + offset;

	if ((void *)(byte + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	return *byte ? XDP_PASS : XDP_DROP;
}

/* ---- maps and memory ------------------------------------------------------------------------- */

SEC("xdp")
int maybe_null(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	*count += 1;
	return XDP_PASS;
}

SEC("xdp")
int not_null(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}

SEC("xdp")
int key_by_value(struct xdp_md *ctx)
{
	__u64 key = ctx->ingress_ifindex;

	return bpf_map_lookup_elem(&counts, (void *)key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int number_as_pointer(struct xdp_md *ctx)
{
	__u64 address = ctx->ingress_ifindex;

	return *(volatile __u32 *)address ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int unbounded(struct xdp_md *ctx)
{
	__u32 at = ctx->ingress_ifindex;

	return table[at] ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int bounded(struct xdp_md *ctx)
{
	__u32 at = ctx->ingress_ifindex;

	return table[at % sizeof(table)] ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int leaking(struct xdp_md *ctx)
{
	__u32 *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return XDP_PASS;
	*event = ctx->ingress_ifindex;
	return XDP_PASS;
}

SEC("xdp")
int submitting(struct xdp_md *ctx)
{
	__u32 *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return XDP_PASS;
	*event = ctx->ingress_ifindex;
	bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* The empty asm keeps the compiler from computing the result itself. */
#define hide(variable) asm volatile("" : "+r"(variable))

SEC("xdp")
int endless(struct xdp_md *ctx)
{
	__u32 round = 0;

	do
		hide(round);
	while (!round);
	return XDP_PASS;
}

SEC("xdp")
int too_long(struct xdp_md *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 1000000; i++) {
		sum += i;
		hide(sum);
	}
	return sum ? XDP_PASS : XDP_DROP;
}

static long add(__u64 i, void *context)
{
	__u32 *sum = context;

	*sum += i;
	return 0;
}

SEC("xdp")
int by_callback(struct xdp_md *ctx)
{
	__u32 sum = 0;

	bpf_loop(1000000, add, &sum, 0);
	return sum ? XDP_PASS : XDP_DROP;
}

/* ---- helpers --------------------------------------------------------------------------------- */

SEC("xdp")
int helper_of_tc(struct xdp_md *ctx)
{
	__u8 byte;

	return bpf_skb_load_bytes(ctx, 0, &byte, sizeof(byte)) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int helper_of_xdp(struct xdp_md *ctx)
{
	__u8 byte;

	return bpf_xdp_load_bytes(ctx, 0, &byte, sizeof(byte)) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int helper_for_gpl(struct xdp_md *ctx)
{
	bpf_printk("a frame of interface %d", ctx->ingress_ifindex);
	return XDP_PASS;
}

#ifndef LICENCE
#define LICENCE "Dual BSD/GPL"
#endif
char licence[] SEC("license") = LICENCE;
