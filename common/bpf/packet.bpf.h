/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a packet from the outside in: Ethernet, VLAN tags, IPv4 or IPv6, up to what IP carries.
 *
 * A cursor stands on the next byte to read. Each parse_*() reads one layer, moves the cursor behind
 * it and returns 0, or -1 where the layer is cut short or contradicts itself; its outputs are then
 * not to be used. Multi-byte outputs say their byte order.
 *
 * For programs at the XDP hook; with PACKET_IS_SKB defined before this is included, for those at
 * tc. There a packet's bytes needn't lie in one piece, so that a cursor reaches only its beginning:
 * walk with offsets instead. First kernel: 5.18 at XDP, for bpf_xdp_load_bytes(); 5.17 at tc, for
 * bpf_loop().
 */
#ifndef HP_PACKET_BPF_H
#define HP_PACKET_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* What a program gets, and how to copy SIZE bytes from an offset of its packet: 0, or negative. */
#ifdef PACKET_IS_SKB
typedef struct __sk_buff packet_ctx;
#define load_bytes bpf_skb_load_bytes
#else
typedef struct xdp_md packet_ctx;
#define load_bytes bpf_xdp_load_bytes
#endif

struct cursor {
	void *pos;  /* the next byte */
	void *end;  /* the first byte behind the frame: the verifier wants it compared with */
	__u64 left; /* behind the IP header: bytes to the end of the packet, without padding */
};

/* Which part of its packet a frame carries. */
enum fragment {
	FRAGMENT_NONE,	/* all of it */
	FRAGMENT_FIRST, /* the beginning: the transport header, or the first bytes of it */
	FRAGMENT_LATER, /* another part: no transport header */
};

/* What IP carries. */
struct transport {
	__u8 protocol; /* IPPROTO_* */
	enum fragment fragment;
};

static __always_inline struct cursor start_of(const packet_ctx *ctx)
{
	return (struct cursor){ (void *)(long)ctx->data, (void *)(long)ctx->data_end, 0 };
}

/* Moves the cursor behind the next SIZE bytes; where the frame ends before, it stays: false. */
static __always_inline bool advance(struct cursor *c, __u32 size)
{
	if (c->pos + size > c->end)
		return false;
	c->pos += size;
	return true;
}

static __always_inline bool is_vlan_tag(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* A walk along VLAN tags, more of them than anybody uses. */
struct tag_walk {
	packet_ctx *ctx;
	__u64 offset;	  /* of what ETHERTYPE tells of, from the start of the frame */
	__be16 ethertype; /* network byte order */
};

/* Steps over one tag. 0: go on; 1: this was the last step. */
static long skip_tag(__u32 index, struct tag_walk *walk)
{
	__be16 tag[2]; /* priority and VLAN, then the EtherType of what it wraps */

	if (!is_vlan_tag(walk->ethertype) || load_bytes(walk->ctx, walk->offset, tag, sizeof(tag)))
		return 1;
	walk->ethertype = tag[1];
	walk->offset += sizeof(tag);
	return 0;
}

/*
 * From the tag at OFFSET: the offset behind the last one, shifted by 16, and the EtherType there; 0
 * where the frame ends before. Linux takes off any number of tags of VLAN 0, on every interface: a
 * parser that gave up halfway would let what is behind them pass unseen.
 */
static __noinline __u64 skip_tags(packet_ctx *ctx, __u32 offset, __u16 ethertype)
{
	struct tag_walk walk = { .ctx = ctx, .offset = offset, .ethertype = ethertype };

	bpf_loop(16384 /* 64 KiB of them */, skip_tag, &walk, 0);
	return is_vlan_tag(walk.ethertype) ? 0 : walk.offset << 16 | walk.ethertype;
}

/*
 * IEEE 802.3, 802.1Q: the Ethernet header and all VLAN tags. *ethertype: network byte order.
 * Returns 1 behind 60 KiB of tags: what is there can't be read, but Linux would.
 */
static __always_inline int parse_ethernet(packet_ctx *ctx, struct cursor *c, __be16 *ethertype)
{
	void *start = c->pos;
	__u64 behind, offset;

	if (!advance(c, sizeof(struct ethhdr)))
		return -1;
	*ethertype = *(__be16 *)(c->pos - 2);

	for (int tags = 0; tags < 2; tags++) {
		if (!is_vlan_tag(*ethertype))
			return 0;
		if (!advance(c, 4)) /* the tag, then the EtherType of what it wraps */
			return -1;
		*ethertype = *(__be16 *)(c->pos - 2);
	}
	if (!is_vlan_tag(*ethertype))
		return 0;

	behind = skip_tags(ctx, c->pos - start, *ethertype);
	offset = behind >> 16;
	if (!offset)
		return -1;
	/* The verifier wants a limit, and the compiler to limit the register that it adds. */
	asm volatile("" : "+r"(offset));
	if (offset > 0xf000)
		return 1;
	c->pos = start + offset;
	*ethertype = behind;
	return 0;
}

/* RFC 791, section 3.1: from an IPv4 header's flags and offset (network byte order). */
static __always_inline enum fragment ipv4_fragment(__be16 frag_off)
{
	frag_off &= bpf_htons(0x3fff); /* without "don't fragment" */
	if (!frag_off)
		return FRAGMENT_NONE;
	/* 13 bits of offset, or only the flag "more fragments" */
	return frag_off & bpf_htons(0x1fff) ? FRAGMENT_LATER : FRAGMENT_FIRST;
}

/*
 * RFC 791: the IPv4 header and its options. A total length of 0 is Linux's BIG TCP (kernel 6.3):
 * such a packet ends where its frame does.
 */
static __always_inline int parse_ipv4(struct cursor *c, struct transport *t)
{
	struct iphdr *ip = c->pos;
	__u64 held = c->end - c->pos, header, total;

	if (!advance(c, sizeof(*ip)) || ip->version != 4 || ip->ihl < 5)
		return -1;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (!total)
		total = held;
	if (total < header || total > held)
		return -1;
	c->pos = (void *)ip + header;
	c->left = total - header;

	t->protocol = ip->protocol;
	t->fragment = ipv4_fragment(ip->frag_off);
	return 0;
}

/*
 * RFC 8200: the IPv6 header. A payload length of 0 is a jumbogram or BIG TCP: the packet ends where
 * its frame does. What follows may be an extension header: see walk_ipv6_extensions().
 */
static __always_inline int parse_ipv6(struct cursor *c, struct transport *t)
{
	struct ipv6hdr *ip = c->pos;
	__u64 held, payload;

	if (!advance(c, sizeof(*ip)) || ip->version != 6)
		return -1;
	held = c->end - c->pos;
	payload = bpf_ntohs(ip->payload_len);
	if (payload > held)
		return -1;
	c->left = payload ? payload : held;

	t->protocol = ip->nexthdr;
	t->fragment = FRAGMENT_NONE;
	return 0;
}

static __always_inline bool is_ipv6_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_MH || protocol == IPPROTO_AH ||
	       protocol == IPPROTO_FRAGMENT;
}

/* A walk along the extension headers of an IPv6 packet, and where it has come to. */
struct extension_walk {
	packet_ctx *ctx;
	__u64 offset;	    /* of the header, from the start of the frame */
	__u64 left;	    /* bytes from there to the end of the packet */
	struct transport t; /* protocol: the header's kind */
	bool malformed;
};

/* Steps over one extension header (RFC 8200, section 4). 0: go on; 1: this was the last step. */
static long skip_extension(__u32 index, struct extension_walk *walk)
{
	__u8 header[4]; /* next header, length; in a fragment header then offset (13 bits), flags */
	__u8 protocol = walk->t.protocol;
	__u32 size;

	if (!is_ipv6_extension(protocol))
		return 1;
	walk->malformed = true;
	if (walk->left < 8 || load_bytes(walk->ctx, walk->offset, header, sizeof(header)))
		return 1;

	if (protocol == IPPROTO_FRAGMENT)
		size = 8;
	else if (protocol == IPPROTO_AH)
		size = (header[1] + 2) * 4; /* RFC 4302, section 2.2 */
	else
		size = (header[1] + 1) * 8;
	if (size > walk->left)
		return 1;
	walk->malformed = false;

	if (protocol == IPPROTO_FRAGMENT) {
		if (header[2] || header[3] & 0xf8)
			walk->t.fragment = FRAGMENT_LATER;
		else if (header[3] & 1) /* more fragments */
			walk->t.fragment = FRAGMENT_FIRST;
	}
	walk->t.protocol = header[0];
	walk->offset += size;
	walk->left -= size;
	return walk->t.fragment == FRAGMENT_LATER;
}

/*
 * Walks from the first extension header to the first header that is none, however many there are: a
 * walk that gave up halfway would let everything behind it pass unseen. Returns 0 or -1, as
 * parse_*().
 */
static __always_inline int walk_ipv6_extensions(struct extension_walk *walk)
{
	bpf_loop(8192 /* 64 KiB of the smallest */, skip_extension, walk, 0);
	if (is_ipv6_extension(walk->t.protocol) && walk->t.fragment != FRAGMENT_LATER)
		walk->malformed = true; /* in a jumbogram there may be more of them */
	return walk->malformed ? -1 : 0;
}

#endif
