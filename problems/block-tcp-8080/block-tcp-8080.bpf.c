/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops TCP segments to blocked ports at the XDP hook, before the kernel makes packets of them. */
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

/* All verdicts but VERDICT_BLOCKED, whose segments are counted by port. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICT_BLOCKED);
	__type(key, __u32);
	__type(value, struct packet_count);
} frame_counts SEC(".maps");

/* Segments that were blocked, by port. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PORTS / PORTS_PER_ROW);
	__type(key, __u32);
	__type(value, struct port_row);
} port_rows SEC(".maps");

/* In place of a port: a verdict, below zero. */
#define NO_PORT	  (-1 - VERDICT_PASSED)
#define MALFORMED (-1 - VERDICT_MALFORMED)
#define HIDDEN	  (-1 - VERDICT_HIDDEN)

/*
 * RFC 9293, section 3.1: the destination port. Of a first fragment 4 bytes are enough: it may be as
 * short as 8 bytes, and its TCP header is completed by the next one (RFC 1858).
 */
static __always_inline long port_of(const struct tcphdr *tcp, __u64 left, bool first_fragment)
{
	if (first_fragment ? left < 4 : tcp->doff < 5 || tcp->doff * 4 > left)
		return MALFORMED;
	return bpf_ntohs(tcp->dest);
}

/*
 * Behind extension headers the verifier can't follow a pointer any more: what is there is copied.
 */
static __noinline long port_behind_extensions(struct xdp_md *ctx, __u64 offset, __u64 left,
					      __u8 protocol)
{
	struct extension_walk walk = {
		.ctx = ctx, .offset = offset, .left = left, .t.protocol = protocol
	};
	struct tcphdr tcp = {};
	bool first;

	/*
	 * RFC 8200, section 4.5: a first fragment holds all headers. Linux accepts one that is cut
	 * between two extension headers, and delivers the TCP header that comes in the next.
	 */
	if (walk_ipv6_extensions(&walk))
		return walk.t.fragment == FRAGMENT_FIRST ? HIDDEN : MALFORMED;
	if (walk.t.protocol != IPPROTO_TCP || walk.t.fragment == FRAGMENT_LATER)
		return NO_PORT;
	first = walk.t.fragment == FRAGMENT_FIRST;
	if (bpf_xdp_load_bytes(ctx, walk.offset, &tcp, first ? 4 : sizeof(tcp)))
		return MALFORMED;
	return port_of(&tcp, walk.left, first);
}

/* The port that a frame is for; NO_PORT if it holds no beginning of a TCP segment. */
static __always_inline long find_port(struct xdp_md *ctx, struct cursor c)
{
	void *start = c.pos;
	struct transport t;
	struct tcphdr *tcp;
	__be16 ethertype;
	bool first;
	int err;

	err = parse_ethernet(ctx, &c, &ethertype);
	if (err)
		return err > 0 ? HIDDEN : MALFORMED;

	if (ethertype == bpf_htons(ETH_P_IP)) {
		if (parse_ipv4(&c, &t))
			return MALFORMED;
	} else if (ethertype == bpf_htons(ETH_P_IPV6)) {
		if (parse_ipv6(&c, &t))
			return MALFORMED;
		if (is_ipv6_extension(t.protocol))
			return port_behind_extensions(ctx, c.pos - start, c.left, t.protocol);
	} else {
		return NO_PORT;
	}

	if (t.protocol != IPPROTO_TCP || t.fragment == FRAGMENT_LATER)
		return NO_PORT;
	tcp = c.pos;
	first = t.fragment == FRAGMENT_FIRST;
	if (!advance(&c, first ? 4 : sizeof(*tcp)))
		return MALFORMED;
	return port_of(tcp, c.left, first);
}

static __always_inline bool is_blocked(__u16 port)
{
	const struct port_set *set = &ports.sets[ports.active & 1];

	return set->words[port / 64] & (1ULL << (port % 64));
}

/* Each CPU counts in memory of its own: no atomics, no cache line that two CPUs fight for. */
static __always_inline void count_blocked(__u16 port, __u64 bytes)
{
	__u32 key = port / PORTS_PER_ROW;
	struct port_row *row = bpf_map_lookup_elem(&port_rows, &key);

	if (!row)
		return;
	row->bytes += bytes;
	row->segments[port % PORTS_PER_ROW]++;
}

static __always_inline void count_frame(enum verdict verdict, __u64 bytes)
{
	__u32 key = verdict;
	struct packet_count *count = bpf_map_lookup_elem(&frame_counts, &key);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

SEC("xdp")
int block_ports(struct xdp_md *ctx)
{
	struct cursor start = start_of(ctx);
	__u64 bytes = start.end - start.pos;
	long port = find_port(ctx, start);

	if (port >= 0 && is_blocked(port)) {
		count_blocked(port, bytes);
		return XDP_DROP;
	}
	count_frame(port < 0 ? -1 - port : VERDICT_PASSED, bytes);
	return port == HIDDEN ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
