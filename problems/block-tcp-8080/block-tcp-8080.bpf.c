/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops TCP segments to blocked ports at the XDP hook, before the kernel has made anything of them.
 */
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet.bpf.h"
#include "block-tcp-8080.h"

/* The blocked ports: 8080, unless the loader says otherwise. */
struct port_sets ports SEC(".data.ports") = {
	.sets[0].words[8080 / 64] = 1ULL << (8080 % 64),
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, struct verdict_count);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PORTS / PORTS_PER_ROW);
	__type(key, __u32);
	__type(value, struct port_hits);
} port_hits SEC(".maps");

/* Each CPU counts in memory of its own: no atomics, no cache line that two CPUs fight for. */
static __always_inline void count_verdict(enum verdict verdict, __u64 bytes)
{
	__u32 key = verdict;
	struct verdict_count *count = bpf_map_lookup_elem(&verdicts, &key);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline void count_hit(__u16 port)
{
	__u32 key = port / PORTS_PER_ROW;
	struct port_hits *row = bpf_map_lookup_elem(&port_hits, &key);

	if (row)
		row->hits[port % PORTS_PER_ROW]++;
}

static __always_inline bool is_blocked(__u16 port)
{
	const struct port_set *set = &ports.sets[ports.active & 1];

	return set->words[port / 64] & (1ULL << (port % 64));
}

/* RFC 9293, section 3.1. */
static __always_inline enum verdict judge_tcp(const struct cursor *c, bool fragment)
{
	struct tcphdr copy, *tcp;
	__u16 port;

	/* A first fragment may be as short as 8 bytes; the rest of its header comes later (RFC
	 * 1858). */
	if (fragment) {
		tcp = peek(c, &copy, 4);
		if (!tcp)
			return VERDICT_MALFORMED;
	} else {
		tcp = peek(c, &copy, sizeof(*tcp));
		if (!tcp || tcp->doff < 5 || tcp->doff * 4 > c->left)
			return VERDICT_MALFORMED;
	}

	port = bpf_ntohs(tcp->dest);
	if (!is_blocked(port))
		return VERDICT_PASSED;
	count_hit(port);
	return VERDICT_BLOCKED;
}

static __always_inline enum verdict judge(struct cursor *c)
{
	struct transport t = {};
	__be16 ethertype;
	int err;

	if (parse_ethernet(c, &ethertype))
		return VERDICT_MALFORMED;

	if (ethertype == bpf_htons(ETH_P_IP))
		err = parse_ipv4(c, &t);
	else if (ethertype == bpf_htons(ETH_P_IPV6))
		err = parse_ipv6(c, &t);
	else
		return VERDICT_PASSED;
	if (err)
		return VERDICT_MALFORMED;

	if (t.protocol != IPPROTO_TCP || t.fragment == FRAGMENT_LATER)
		return VERDICT_PASSED;
	return judge_tcp(c, t.fragment == FRAGMENT_FIRST);
}

SEC("xdp")
int block_ports(struct xdp_md *ctx)
{
	struct cursor c = start_of(ctx);
	__u64 bytes = c.end - c.pos;
	enum verdict verdict = judge(&c);

	count_verdict(verdict, bytes);
	return verdict == VERDICT_BLOCKED ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
