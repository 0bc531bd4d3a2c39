/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts the frames that arrive, by their IP protocol and their source, with maps that BTF defines.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets, bytes;
};

/* By IP protocol. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} protocol_counts SEC(".maps");

/* By source address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(__be32));
	__uint(value_size, sizeof(struct count));
} source_counts SEC(".maps");

/* Of all interfaces, by whatever objects: they share it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct count);
} totals SEC(".maps");

/* Larger frames are not counted. A constant, which user space may change before it is loaded. */
const volatile __u32 limit_bytes = 1000;

/* How many these were. */
__u64 large_frames;

static __noinline void count(struct count *count, __u64 bytes)
{
	if (!count)
		return;
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, bytes);
}

SEC("xdp")
int count_frames(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 bytes = end - data, key = 0;
	const struct ethhdr *ethernet = data;
	const struct iphdr *ip = (void *)(ethernet + 1);
	struct count zero = {};
	__be32 address;

	if (bytes > limit_bytes) {
		__sync_fetch_and_add(&large_frames, 1);
		return XDP_PASS;
	}
	count(bpf_map_lookup_elem(&totals, &key), bytes);
	if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	key = ip->protocol;
	count(bpf_map_lookup_elem(&protocol_counts, &key), bytes);

	address = ip->saddr;
	bpf_map_update_elem(&source_counts, &address, &zero, BPF_NOEXIST);
	count(bpf_map_lookup_elem(&source_counts, &address), bytes);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
