/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts VLAN tags on what leaves an interface, and takes them off what came in, so that two hosts
 * talk in tagged frames on kernels without VLAN devices too. Each runs in direct action mode at tc
 * egress or ingress, and passes everything on.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int push_8021q(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 42);
	return TC_ACT_OK;
}

SEC("tc")
int push_8021ad(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 42);
	return TC_ACT_OK;
}

SEC("tc")
int push_two(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 42);
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 43);
	return TC_ACT_OK;
}

SEC("tc")
int pop_all(struct __sk_buff *skb)
{
	bpf_skb_vlan_pop(skb);
	bpf_skb_vlan_pop(skb);
	return TC_ACT_OK;
}
