/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a packet from the outside in: Ethernet, VLAN tags, IPv4 or IPv6, up to the transport
 * header.
 *
 * A cursor stands on the next byte to read. Each parse_*() reads one layer, moves the cursor behind
 * it and returns 0, or -1 where the layer is cut short or contradicts itself; its outputs are then
 * not to be used. Multi-byte outputs say their byte order. Only parse_ipv6() needs more than
 * kernel 5.3: 5.18, for bpf_loop() and bpf_xdp_load_bytes().
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

struct cursor {
	struct xdp_md *ctx;
	void *pos;    /* the next byte, unless `far` */
	void *end;    /* the first byte behind the frame: the verifier wants it compared with */
	__u64 offset; /* the next byte, counted from the start of the frame, if `far` */
	__u64 left;   /* behind the IP header: bytes to the end of the packet, without padding */
	bool far;     /* behind IPv6 extension headers: too far for the verifier to follow pos */
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

static __always_inline struct cursor start_of(struct xdp_md *ctx)
{
	struct cursor c = { .ctx = ctx };

	c.pos = (void *)(long)ctx->data;
	c.end = (void *)(long)ctx->data_end;
	return c;
}

/* Moves the cursor behind the next SIZE bytes; where the frame ends before, it stays: false. */
static __always_inline bool advance(struct cursor *c, __u32 size)
{
	if (c->pos + size > c->end)
		return false;
	c->pos += size;
	return true;
}

/*
 * The next SIZE bytes, or NULL where the packet has fewer. They stand in the packet, or behind
 * extension headers in COPY, which has room for them.
 */
static __always_inline void *peek(const struct cursor *c, void *copy, __u32 size)
{
	if (c->left < size)
		return NULL;
	if (c->far)
		return bpf_xdp_load_bytes(c->ctx, c->offset, copy, size) ? NULL : copy;
	return c->pos + size > c->end ? NULL : c->pos;
}

/* IEEE 802.3 and 802.1Q: the Ethernet header, up to two VLAN tags. *ethertype: network byte order.
 */
static __always_inline int parse_ethernet(struct cursor *c, __be16 *ethertype)
{
	if (!advance(c, sizeof(struct ethhdr)))
		return -1;
	*ethertype = *(__be16 *)(c->pos - 2);

	for (int tags = 0; tags < 2; tags++) {
		if (*ethertype != bpf_htons(ETH_P_8021Q) && *ethertype != bpf_htons(ETH_P_8021AD))
			break;
		if (!advance(c, 4)) /* the tag, then the EtherType of what it wraps */
			return -1;
		*ethertype = *(__be16 *)(c->pos - 2);
	}
	return 0;
}

/*
 * RFC 791: the IPv4 header and its options. A total length of 0 is Linux's BIG TCP (kernel 6.3):
 * such a packet ends where its frame does.
 */
static __always_inline int parse_ipv4(struct cursor *c, struct transport *t)
{
	struct iphdr *ip = c->pos;
	__u64 header, total;
	__u16 fragment;

	if (!advance(c, sizeof(*ip)) || ip->version != 4 || ip->ihl < 5)
		return -1;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (!total)
		total = c->end - (void *)ip;
	else if ((void *)ip + total > c->end)
		return -1;
	if (total < header)
		return -1;
	c->pos = (void *)ip + header;
	c->left = total - header;

	t->protocol = ip->protocol;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & 0x1fff) /* the offset, in units of 8 bytes */
		t->fragment = FRAGMENT_LATER;
	else if (fragment & 0x2000) /* more fragments */
		t->fragment = FRAGMENT_FIRST;
	else
		t->fragment = FRAGMENT_NONE;
	return 0;
}

static __always_inline bool is_ipv6_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_MH || protocol == IPPROTO_AH ||
	       protocol == IPPROTO_FRAGMENT;
}

/* A walk along the extension headers of an IPv6 packet. */
struct extension_walk {
	struct xdp_md *ctx;
	__u64 offset;	    /* of the header under the walker, from the start of the frame */
	__u64 left;	    /* bytes from there to the end of the packet */
	struct transport t; /* protocol: the kind of that header */
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
	if (walk->left < 8 || bpf_xdp_load_bytes(walk->ctx, walk->offset, header, sizeof(header)))
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

/* Moves the cursor, which stands behind the IPv6 header, behind all extension headers. */
static __always_inline int skip_extensions(struct cursor *c, struct transport *t)
{
	void *start = (void *)(long)c->ctx->data;
	struct extension_walk walk = {
		.ctx = c->ctx, .offset = c->pos - start, .left = c->left, .t = *t
	};

	bpf_loop(8192 /* 64 KiB of the smallest */, skip_extension, &walk, 0);
	if (walk.malformed)
		return -1;
	c->far = true;
	c->offset = walk.offset;
	c->left = walk.left;
	*t = walk.t;
	return 0;
}

/*
 * RFC 8200: the IPv6 header and all extension headers, however many: a chain that was given up
 * halfway would hide what stands at its end. A payload length of 0 is a jumbogram or BIG TCP: the
 * packet ends where its frame does.
 */
static __always_inline int parse_ipv6(struct cursor *c, struct transport *t)
{
	struct ipv6hdr *ip = c->pos;
	__u64 payload;

	if (!advance(c, sizeof(*ip)) || ip->version != 6)
		return -1;
	payload = bpf_ntohs(ip->payload_len);
	if (!payload)
		payload = c->end - c->pos;
	else if (c->pos + payload > c->end)
		return -1;
	c->left = payload;

	t->protocol = ip->nexthdr;
	t->fragment = FRAGMENT_NONE;
	return is_ipv6_extension(t->protocol) ? skip_extensions(c, t) : 0;
}

#endif
