/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what arrives and leaves, with maps as they were defined before there was BTF. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#undef SEC /* libbpf's is for what libbpf still loads */
#define SEC(name) __attribute__((section(name), used))

/* libbpf's, until its version 1.0. */
struct bpf_map_def {
	__u32 type, key_size, value_size, max_entries, map_flags;
};

/* iproute2's: tc pins a map of PIN_GLOBAL_NS where other objects find it. */
struct bpf_elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};
#define PIN_GLOBAL_NS 2

struct bpf_map_def SEC("maps") packet_counts = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u64),
	.max_entries = 2,
};

struct bpf_elf_map SEC("maps") byte_counts = {
	.type = BPF_MAP_TYPE_ARRAY,
	.size_key = sizeof(__u32),
	.size_value = sizeof(__u64),
	.max_elem = 2,
	.pinning = PIN_GLOBAL_NS,
};

enum direction { IN, OUT };

static __always_inline int count(struct __sk_buff *skb, __u32 direction)
{
	__u64 *packets = bpf_map_lookup_elem(&packet_counts, &direction);
	__u64 *bytes = bpf_map_lookup_elem(&byte_counts, &direction);

	if (packets && bytes) {
		__sync_fetch_and_add(packets, 1);
		__sync_fetch_and_add(bytes, skb->len);
	}
	return TC_ACT_OK;
}

SEC("classifier")
int count_in(struct __sk_buff *skb)
{
	return count(skb, IN);
}

SEC("classifier")
int count_out(struct __sk_buff *skb)
{
	return count(skb, OUT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
