/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops packets that leave an interface in somebody else's name, at tc egress (or enter, ingress).
 */
#define PACKET_IS_SKB
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet.bpf.h"
#include "drop-spoofed-packets.h"
#include "prefixes.bpf.h"

/* An interface's sources. Never changed once it is in use: another one takes its place. */
struct source_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* each set is made as large as it needs to be */
	__uint(key_size, sizeof(struct source));
	__uint(value_size, sizeof(__u64)); /* of an address: enum origin */
};

/* The set of each guarded interface, by its index. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, INTERFACES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__array(values, struct source_set);
} source_sets SEC(".maps");

/* Each CPU counts in memory of its own: no atomics, no cache line that two CPUs fight for. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, INTERFACES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* the interface's index */
	__type(value, struct counts);
} verdict_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INTERFACES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* the interface's index */
	__type(value, struct report_limit);
} report_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} reports SEC(".maps");

/* A packet, and what was found out about it on the way. */
struct packet {
	struct __sk_buff *ctx;
	void *sources;	    /* the interface's set, or NULL: none is allowed */
	__u32 offset;	    /* of the IP or ARP header; then of what IP carries */
	struct transport t; /* what IP carries; of ARP nothing */
	struct report report;
};

/*
 * Copies the header at OFFSET: 0, or negative where the packet ends before. Headers are nearly
 * always in the packet's first piece, which can be read directly, in a third of the time.
 */
static __always_inline long load_header(struct __sk_buff *ctx, __u32 offset, void *to, __u32 size)
{
	void *end = (void *)(long)ctx->data_end, *from = (void *)(long)ctx->data;

	if (offset <= 64) { /* the verifier wants a limit */
		from += offset;
		if (from + size <= end) {
			__builtin_memcpy(to, from, size);
			return 0;
		}
	}
	return load_bytes(ctx, offset, to, size);
}

/* ---- is a source allowed? -------------------------------------------------------------------- */

/* An honest host's own address is found at once; prefixes are for what --allow has added. */
static __always_inline bool is_allowed(void *sources, __u32 family, const union address *address)
{
	struct source source = { .family = family, .bits = family == 4 ? 32 : 128 };

	if (!sources)
		return false;
	source.address = *address;
	return bpf_map_lookup_elem(sources, &source) || has_prefix(sources, &source);
}

/* ---- IPv4 ------------------------------------------------------------------------------------ */

/* Does IP carry SIZE bytes, and can they be copied? Only of a packet that is no fragment. */
static __always_inline bool has_payload(const struct packet *p, const struct iphdr *ip, void *to,
					__u32 size)
{
	return p->t.fragment == FRAGMENT_NONE && bpf_ntohs(ip->tot_len) >= ip->ihl * 4 + size &&
	       !load_bytes(p->ctx, p->offset, to, size);
}

/* RFC 2131, section 4.1: a client without an address broadcasts, from UDP port 68 to 67. */
static __always_inline bool is_dhcp_request(const struct packet *p, const struct iphdr *ip)
{
	struct udphdr udp;

	return ip->daddr == bpf_htonl(INADDR_BROADCAST) && ip->protocol == IPPROTO_UDP &&
	       has_payload(p, ip, &udp, sizeof(udp)) && udp.source == bpf_htons(68) &&
	       udp.dest == bpf_htons(67);
}

/* RFC 3376, section 4.2.13: a host without an address may tell what groups it listens to. */
static __always_inline bool is_group_report(const struct packet *p, const struct iphdr *ip)
{
	__u8 igmp[8]; /* first of all the type: a report of version 1, 2 or 3 */

	return ip->protocol == IPPROTO_IGMP && ip->ttl == 1 &&
	       (ip->daddr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) &&
	       has_payload(p, ip, igmp, sizeof(igmp)) &&
	       (igmp[0] == 0x12 || igmp[0] == 0x16 || igmp[0] == 0x22);
}

static __always_inline enum verdict judge_ipv4(struct packet *p)
{
	struct iphdr ip;

	if (load_header(p->ctx, p->offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return VERDICT_MALFORMED;
	p->offset += ip.ihl * 4;
	p->t.protocol = ip.protocol;
	p->t.fragment = ipv4_fragment(ip.frag_off);
	p->report.family = 4;
	p->report.source.ipv4 = ip.saddr;
	p->report.destination.ipv4 = ip.daddr;

	if (is_allowed(p->sources, 4, &p->report.source))
		return VERDICT_ALLOWED;
	if (ip.saddr == 0 && (is_dhcp_request(p, &ip) || is_group_report(p, &ip)))
		return VERDICT_ALLOWED;
	return VERDICT_FORGED_IPV4;
}

/* ---- ARP ------------------------------------------------------------------------------------- */

#define ARP_REQUEST 1

/* RFC 826, for IPv4 on Ethernet. */
struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_bytes;
	__u8 protocol_bytes;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target[4];
};

static __always_inline enum verdict judge_arp(struct packet *p)
{
	union address *sender = &p->report.source;
	struct arp arp;

	if (load_header(p->ctx, p->offset, &arp, sizeof(arp)) ||
	    arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_bytes != ETH_ALEN ||
	    arp.protocol_bytes != 4)
		return VERDICT_MALFORMED;
	p->report.family = 4;
	__builtin_memcpy(&sender->ipv4, arp.sender, 4);
	__builtin_memcpy(&p->report.destination.ipv4, arp.target, 4);

	if (is_allowed(p->sources, 4, sender))
		return VERDICT_ALLOWED;
	/* RFC 5227, section 2.1.1: a probe asks who has an address before it is used. */
	if (sender->ipv4 == 0 && arp.operation == bpf_htons(ARP_REQUEST))
		return VERDICT_ALLOWED;
	return VERDICT_FORGED_ARP;
}

/* ---- IPv6 ------------------------------------------------------------------------------------ */

#define MLD_REPORT	       131 /* RFC 2710, as the next one */
#define MLD_DONE	       132
#define MLD2_REPORT	       143 /* RFC 3810 */
#define ROUTER_SOLICITATION    133 /* RFC 4861, as the next two */
#define NEIGHBOR_SOLICITATION  135
#define NEIGHBOR_ADVERTISEMENT 136

/* ff02::1:ff00:0/104: RFC 4291, section 2.7.1 */
static __always_inline bool is_solicited_node(const union address *a)
{
	return a->halves[0] == bpf_cpu_to_be64(0xff02ULL << 48) &&
	       first_bits(a->halves[1], 40) == bpf_cpu_to_be64(0x1ff000000);
}

/* ff02::LAST */
static __always_inline bool is_link_group(const union address *a, __u8 last)
{
	return a->halves[0] == bpf_cpu_to_be64(0xff02ULL << 48) &&
	       a->halves[1] == bpf_cpu_to_be64(last);
}

/*
 * What a host may send from `::`, when it has no address yet: whether another host has it (RFC
 * 4862, section 5.4.2), whether there is a router (RFC 4861, section 4.1), what multicast groups it
 * listens to (RFC 3590). WALK has come to ICMPv6, behind so many bytes of EXTENSIONS.
 */
static __always_inline bool is_from_nobody(const struct packet *p, const struct ipv6hdr *ip,
					   const struct extension_walk *walk, __u64 extensions)
{
	const union address *to = &p->report.destination;
	struct icmp6hdr icmp;

	if (p->report.source.halves[0] || p->report.source.halves[1] || walk->malformed ||
	    walk->t.fragment != FRAGMENT_NONE || walk->t.protocol != IPPROTO_ICMPV6 ||
	    walk->left < sizeof(icmp) || load_bytes(p->ctx, walk->offset, &icmp, sizeof(icmp)))
		return false;
	if (ip->hop_limit == 255 && !extensions)
		return (icmp.icmp6_type == NEIGHBOR_SOLICITATION && walk->left >= 24 &&
			is_solicited_node(to)) ||
		       (icmp.icmp6_type == ROUTER_SOLICITATION && is_link_group(to, 2));
	/* Behind one hop-by-hop header, which holds the option "router alert". */
	if (ip->hop_limit == 1 && ip->nexthdr == IPPROTO_HOPOPTS && extensions == 8)
		return (icmp.icmp6_type == MLD2_REPORT && is_link_group(to, 22)) ||
		       (icmp.icmp6_type == MLD_REPORT && to->bytes[0] == 0xff) ||
		       (icmp.icmp6_type == MLD_DONE && is_link_group(to, 2));
	return false;
}

/* RFC 4861, section 4.4: the target of a neighbour advertisement is an address of the sender's. */
static __always_inline enum verdict judge_icmpv6(struct packet *p, __u64 left)
{
	struct icmp6hdr icmp;

	if (left < sizeof(icmp) || load_bytes(p->ctx, p->offset, &icmp, sizeof(icmp)))
		return VERDICT_MALFORMED; /* in a fragment, the rest could follow */
	if (icmp.icmp6_type != NEIGHBOR_ADVERTISEMENT)
		return VERDICT_ALLOWED;
	if (left < 24 || load_bytes(p->ctx, p->offset + 8, &p->report.target, 16))
		return VERDICT_MALFORMED;
	return is_allowed(p->sources, 6, &p->report.target) ? VERDICT_ALLOWED
							    : VERDICT_FORGED_ADVERTISEMENT;
}

static __always_inline enum verdict judge_ipv6(struct packet *p)
{
	struct extension_walk walk = { .ctx = p->ctx };
	__u64 extensions;
	struct ipv6hdr ip;

	if (load_header(p->ctx, p->offset, &ip, sizeof(ip)) || ip.version != 6)
		return VERDICT_MALFORMED;
	p->offset += sizeof(ip);
	p->report.family = 6;
	__builtin_memcpy(&p->report.source, &ip.saddr, 16);
	__builtin_memcpy(&p->report.destination, &ip.daddr, 16);

	walk.offset = p->offset;
	walk.left = p->ctx->len - p->offset;
	if (ip.payload_len &&
	    bpf_ntohs(ip.payload_len) < walk.left) /* 0: a jumbogram, or BIG TCP */
		walk.left = bpf_ntohs(ip.payload_len);
	walk.t.protocol = ip.nexthdr;
	walk_ipv6_extensions(&walk);

	extensions = walk.offset - p->offset;
	p->t = walk.t;
	p->offset = walk.offset;

	if (!is_allowed(p->sources, 6, &p->report.source))
		return is_from_nobody(p, &ip, &walk, extensions) ? VERDICT_ALLOWED
								 : VERDICT_FORGED_IPV6;
	if (walk.malformed)
		return VERDICT_MALFORMED;
	if (walk.t.protocol == IPPROTO_ICMPV6 && walk.t.fragment != FRAGMENT_LATER)
		return judge_icmpv6(p, walk.left);
	return VERDICT_ALLOWED;
}

/* ---- the way through the program ------------------------------------------------------------- */

static __always_inline enum verdict judge(struct packet *p, __be16 ethertype)
{
	if (ethertype == bpf_htons(ETH_P_IP))
		return judge_ipv4(p);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return judge_ipv6(p);
	if (ethertype == bpf_htons(ETH_P_ARP))
		return judge_arp(p);
	return VERDICT_NOT_JUDGED;
}

static __always_inline void count(struct __sk_buff *ctx, enum verdict verdict)
{
	__u32 ifindex = ctx->ifindex;
	struct counts *counts = bpf_map_lookup_elem(&verdict_counts, &ifindex);

	if (!counts)
		return;
	counts->verdicts[verdict].packets++;
	counts->verdicts[verdict].bytes += ctx->len;
}

/* At most REPORTS_PER_SECOND, so that a flood can't fill anybody's terminal. */
static __always_inline bool may_report(struct report_limit *limit, __u64 now_ns)
{
	bool may;

	bpf_spin_lock(&limit->lock); /* all CPUs share it, but only forged packets come here */
	/* Signed: another CPU may have begun a second after this one looked at the time. */
	if ((__s64)(now_ns - limit->since_ns) >= 1000000000) {
		limit->since_ns = now_ns;
		limit->reported = 0;
	}
	may = limit->reported < REPORTS_PER_SECOND;
	if (may)
		limit->reported++;
	else
		limit->suppressed++;
	bpf_spin_unlock(&limit->lock);
	return may;
}

static __always_inline bool has_ports(const struct transport *t)
{
	return t->fragment != FRAGMENT_LATER &&
	       (t->protocol == IPPROTO_TCP || t->protocol == IPPROTO_UDP ||
		t->protocol == IPPROTO_UDPLITE || t->protocol == IPPROTO_SCTP ||
		t->protocol == IPPROTO_DCCP);
}

static __always_inline void report_forged(struct packet *p, enum verdict verdict, bool dropped)
{
	__u32 ifindex = p->ctx->ifindex;
	struct report_limit *limit = bpf_map_lookup_elem(&report_limits, &ifindex);
	__u64 now_ns = bpf_ktime_get_ns();

	if (!limit || !may_report(limit, now_ns))
		return;
	p->report.time_ns = now_ns;
	p->report.ifindex = ifindex;
	p->report.verdict = verdict;
	p->report.dropped = dropped;
	p->report.protocol = p->t.protocol;
	if (has_ports(&p->t))
		load_bytes(p->ctx, p->offset, p->report.ports, sizeof(p->report.ports));
	if (bpf_ringbuf_output(&reports, &p->report, sizeof(p->report), 0))
		__sync_fetch_and_add(&limit->lost, 1); /* nobody reads them, or not fast enough */
}

/*
 * What the kernel is to do with the packet. Not TC_ACT_OK: the programs and filters of others
 * behind this one are to see it as well.
 */
static __always_inline int act_on(struct packet *p, enum verdict verdict)
{
	bool forged = verdict >= VERDICT_FORGED_IPV4 && verdict <= VERDICT_FORGED_ADVERTISEMENT;
	bool drop = forged || verdict == VERDICT_MALFORMED;

	count(p->ctx, verdict);
	if (!drop)
		return TC_ACT_UNSPEC;
	if (p->sources && fact_of(p->sources, FACT_LOG_ONLY))
		drop = false;
	if (forged)
		report_forged(p, verdict, drop);
	return drop ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

static __always_inline struct packet start_of_packet(struct __sk_buff *ctx)
{
	__u32 ifindex = ctx->ifindex;

	return (struct packet){
		.ctx = ctx,
		.sources = bpf_map_lookup_elem(&source_sets, &ifindex),
	};
}

/* For interfaces whose packets begin with an Ethernet header; a VLAN tag may be in it or beside it.
 */
SEC("tc")
int guard_ethernet(struct __sk_buff *ctx)
{
	struct packet p = start_of_packet(ctx);
	__be16 ethertype;
	__u64 behind;

	p.offset = sizeof(struct ethhdr);
	if (load_header(ctx, p.offset - 2, &ethertype, sizeof(ethertype)))
		return act_on(&p, VERDICT_MALFORMED);
	if (is_vlan_tag(ethertype)) {
		behind = skip_tags(ctx, p.offset, ethertype);
		p.offset = behind >> 16;
		ethertype = behind;
		if (!p.offset)
			return act_on(&p, VERDICT_MALFORMED);
	}
	return act_on(&p, judge(&p, ethertype));
}

/* For interfaces whose packets begin with IP: tunnels, tun, WireGuard, PPP. */
SEC("tc")
int guard_ip(struct __sk_buff *ctx)
{
	struct packet p = start_of_packet(ctx);
	__u8 version;

	if (load_bytes(ctx, 0, &version, sizeof(version)))
		return act_on(&p, VERDICT_MALFORMED);
	version >>= 4;
	return act_on(&p, version == 4	 ? judge_ipv4(&p)
			  : version == 6 ? judge_ipv6(&p)
					 : VERDICT_MALFORMED);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
