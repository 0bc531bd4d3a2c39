// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ways to lose a packet, and a VLAN tag; see docs/faq/where-is-my-packet.rst. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int drop_all(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

/* For tc egress: tags each frame with VLAN 0, which every Linux takes as if it had no tag. */
SEC("tc")
int tag_all(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* Drops tagged frames, and looks for the tag where the standard has it: in the bytes. */
SEC("xdp")
int drop_tagged_frames(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	return eth->h_proto == bpf_htons(ETH_P_8021Q) ? XDP_DROP : XDP_PASS;
}

/* The same at tc ingress, where the tag is beside the bytes, wherever it was before. */
SEC("tc")
int drop_tagged_packets(struct __sk_buff *skb)
{
	return skb->vlan_present ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
