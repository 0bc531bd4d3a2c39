// SPDX-License-Identifier: BSD-2-Clause
/*
 * Written to be checked against the RFCs line by line, not to be fast: one cursor that can't leave
 * the packet (octets.h), one function per protocol, and no number without the section that it comes
 * from.
 */
#include <string.h>

#include "octets.h"
#include "oracle.h"

/* Do the first BITS bits of ONE and OTHER agree? Bit 0 is the most significant of byte 0. */
static bool same_bits(const __u8 *one, const __u8 *other, unsigned int bits)
{
	unsigned int i;

	for (i = 0; i < bits; i++)
		if ((one[i / 8] ^ other[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool is_allowed(const struct source_list *allowed, __u32 family, const __u8 *address)
{
	size_t i;

	for (i = 0; i < allowed->count; i++) {
		const struct source *source = &allowed->sources[i];

		if (source->family == family &&
		    same_bits(address, source->address.bytes, source->bits))
			return true;
	}
	return false;
}

static bool all_bytes_are(__u8 value, const __u8 *bytes, size_t size)
{
	while (size > 0)
		if (bytes[--size] != value)
			return false;
	return true;
}

/* Each of these protocols begins with the source port, then the destination port. */
static void report_ports(struct report *report, unsigned int protocol, const __u8 *header,
			 size_t size)
{
	switch (protocol) {
	case 6:	  /* TCP: RFC 9293, section 3.1 */
	case 17:  /* UDP: RFC 768 */
	case 33:  /* DCCP: RFC 4340, section 5.1 */
	case 132: /* SCTP: RFC 9260, section 3.1 */
	case 136: /* UDP-Lite: RFC 3828, section 3.1 */
		if (size >= sizeof(report->ports))
			memcpy(report->ports, header, sizeof(report->ports));
	}
}

/*
 * Is this what a DHCP client broadcasts before it has an address? "DHCP messages broadcast by a
 * client prior to that client obtaining its IP address must have the source address field in the IP
 * header set to 0" (RFC 2131, section 4.1). PACKET begins with an IPv4 header of 20 bytes at least.
 */
static bool is_dhcp_broadcast(struct cursor packet)
{
	const __u8 *header = packet.at;
	size_t header_length = (header[0] & 0x0f) * 4;
	const __u8 *ports;

	/* The limited broadcast address is all ones (RFC 919, section 7). */
	if (!all_bytes_are(0, header + 12, 4) || !all_bytes_are(0xff, header + 16, 4))
		return false;
	/* UDP is protocol 17 (RFC 768). A fragment hides some of the message. */
	if (header[9] != 17 || (be16(header + 6) & 0x3fff) != 0)
		return false;
	/* A UDP header has eight bytes (RFC 768), and they must belong to the packet. */
	if (be16(header + 2) < header_length + 8 || packet.left < header_length + 8)
		return false;

	/* From 'DHCP client' port (68) to 'DHCP server' port (67): RFC 2131, section 4.1. */
	ports = header + header_length;
	return be16(ports) == 68 && be16(ports + 2) == 67;
}

/*
 * Does a host tell what groups it listens to? "The 0.0.0.0 source address may be used by a system
 * that has not yet acquired an IP address" (RFC 3376, section 4.2.13). IGMP is protocol 2; reports
 * are sent with a TTL of 1 (section 4) to a group, and have at least eight bytes.
 */
static bool is_group_report(struct cursor packet)
{
	const __u8 *header = packet.at;
	size_t header_length = (header[0] & 0x0f) * 4;
	__u8 type;

	if (!all_bytes_are(0, header + 12, 4) || header[16] >> 4 != 14)
		return false;
	if (header[8] != 1 || header[9] != 2 || (be16(header + 6) & 0x3fff) != 0)
		return false;
	if (be16(header + 2) < header_length + 8 || packet.left < header_length + 8)
		return false;
	/* Version 3, section 4; versions 2 and 1, section 4 and RFC 1112, appendix I. */
	type = header[header_length];
	return type == 0x22 || type == 0x16 || type == 0x12;
}

/* IPv4: RFC 791, section 3.1, "Internet Header Format". */
static enum verdict judge_ipv4(const struct source_list *allowed, struct cursor packet,
			       struct report *report)
{
	const __u8 *header = packet.at;

	/* "Internet Header Length ... Note that the minimum value for a correct header is 5." */
	if (packet.left < 20 || header[0] >> 4 != 4 || (header[0] & 0x0f) < 5)
		return VERDICT_MALFORMED;
	if (is_allowed(allowed, 4, header + 12) || is_dhcp_broadcast(packet) ||
	    is_group_report(packet))
		return VERDICT_ALLOWED;

	report->family = 4;
	report->protocol = header[9];
	memcpy(report->source.bytes, header + 12, 4);
	memcpy(report->destination.bytes, header + 16, 4);
	/* 13 bits of fragment offset: only at 0 does the transport header follow. */
	if ((be16(header + 6) & 0x1fff) == 0 && take(&packet, (header[0] & 0x0f) * 4))
		report_ports(report, report->protocol, packet.at, packet.left);
	return VERDICT_FORGED_IPV4;
}

/*
 * ARP: RFC 826, "Packet format". With hardware addresses of 6 bytes and protocol addresses of 4 the
 * sender's protocol address is at 14 and the target's at 24.
 */
static enum verdict judge_arp(const struct source_list *allowed, struct cursor packet,
			      struct report *report)
{
	const __u8 *header = packet.at;

	if (packet.left < 28)
		return VERDICT_MALFORMED;
	if (be16(header + 2) != 0x0800 || header[4] != 6 || header[5] != 4)
		return VERDICT_MALFORMED;
	if (is_allowed(allowed, 4, header + 14))
		return VERDICT_ALLOWED;
	/*
	 * "'ARP Probe' ... an ARP Request packet, broadcast on the local link, with an all-zero
	 * 'sender IP address'" (RFC 5227, section 1.1). Request is operation 1.
	 */
	if (all_bytes_are(0, header + 14, 4) && be16(header + 6) == 1)
		return VERDICT_ALLOWED;

	report->family = 4;
	memcpy(report->source.bytes, header + 14, 4);
	memcpy(report->destination.bytes, header + 24, 4);
	return VERDICT_FORGED_ARP;
}

/* Where the walk over a packet's extension headers led. */
struct walk {
	struct cursor payload; /* what it did not step over */
	size_t padding;	       /* bytes of the frame behind the payload */
	unsigned int kind;     /* of the header that it stopped at */
	unsigned int headers;  /* so many it stepped over */
	bool broken;	       /* the header that it stopped at is an extension header, and cut */
	bool later_fragment;   /* the transport header is in another packet */
};

/*
 * RFC 8200, section 4, "IPv6 Extension Headers". "In any order and occurring any number of times"
 * (section 4.1): hop-by-hop options may only come first, but elsewhere they are the receiver's to
 * refuse.
 */
static struct walk walk_extensions(struct cursor packet)
{
	const __u8 *header = take(&packet, 40);
	struct walk walk = { .payload = packet, .kind = header[6] };
	size_t payload_length = be16(header + 4);

	/*
	 * Payload length counts everything behind these 40 bytes, extension headers included
	 * (section 3). 0 is what a jumbogram has (RFC 2675, section 3), and Linux's BIG TCP.
	 */
	if (payload_length != 0 && payload_length < packet.left) {
		walk.payload.left = payload_length;
		walk.padding = packet.left - payload_length;
	}

	while (extension_size(walk.kind, 0) != 0 && !walk.later_fragment) {
		header = walk.payload.at;
		if (walk.payload.left < 8 ||
		    !take(&walk.payload, extension_size(walk.kind, header[1]))) {
			walk.broken = true;
			break;
		}
		/*
		 * 13 bits of offset, two reserved bits, the M flag (section 4.5). Unless the offset
		 * is 0 what follows is somewhere in the packet that was cut up, and no header.
		 */
		if (walk.kind == FRAGMENT)
			walk.later_fragment = be16(header + 2) >> 3 != 0;
		walk.kind = header[0];
		walk.headers++;
	}
	return walk;
}

/* ICMPv6 (RFC 4443, section 2.1): protocol 58; the type is the first byte. */
static bool is_icmpv6(const struct walk *walk)
{
	return walk->kind == 58 && !walk->broken && !walk->later_fragment;
}

/* Is this what a host may send from the unspecified address, before it has one of its own? */
static bool is_from_nobody(const __u8 *header, const struct walk *walk)
{
	/* ff02::1:ff00:0/104, solicited-node multicast: RFC 4291, section 2.7.1. */
	static const __u8 solicited_node[16] = { 0xff, 2, [11] = 1, 0xff };
	/* All routers, RFC 4291, section 2.7.1; all MLDv2 routers, RFC 3810, section 5.2.14. */
	static const __u8 all_routers[16] = { 0xff, 2, [15] = 2 };
	static const __u8 mldv2_routers[16] = { 0xff, 2, [15] = 0x16 };
	const __u8 *destination = header + 24;
	__u8 hop_limit = header[7], type;

	if (!all_bytes_are(0, header + 8, 16) || !is_icmpv6(walk) || walk->payload.left < 8)
		return false;
	type = walk->payload.at[0];

	/* Neighbour discovery: a hop limit of 255 (RFC 4861, sections 4.1 and 4.3). */
	if (walk->headers == 0 && hop_limit == 255) {
		/* Neighbour solicitation, as duplicate detection sends it (RFC 4862, 5.4.2). */
		if (type == 135)
			return walk->payload.left >= 24 &&
			       same_bits(destination, solicited_node, 104);
		/* Router solicitation. */
		return type == 133 && same_bits(destination, all_routers, 128);
	}

	/*
	 * Multicast listener reports: a hop limit of 1, and a router alert in a hop-by-hop options
	 * header, which with its padding has eight bytes (RFC 2710, section 3; RFC 3810, section
	 * 5). From the unspecified address: RFC 3590, section 4; RFC 3810, section 5.2.13.
	 */
	if (walk->headers != 1 || header[6] != HOP_BY_HOP || header[41] != 0 || hop_limit != 1)
		return false;
	/* Version 2's report, to all MLDv2 routers. */
	if (type == 143)
		return same_bits(destination, mldv2_routers, 128);
	/* "MLD Report and Done messages" (RFC 3590, section 4); Done to all routers (RFC 2710). */
	if (type == 132)
		return same_bits(destination, all_routers, 128);
	/* Version 1's, to the group itself: multicast is ff00::/8 (RFC 4291, section 2.7). */
	return type == 131 && destination[0] == 0xff;
}

static void report_ipv6(struct report *report, const __u8 *header, const struct walk *walk)
{
	report->family = 6;
	report->protocol = walk->kind;
	memcpy(report->source.bytes, header + 8, 16);
	memcpy(report->destination.bytes, header + 24, 16);
	/* Where a header was cut there is none of these protocols. */
	if (!walk->later_fragment)
		report_ports(report, walk->kind, walk->payload.at,
			     walk->payload.left + walk->padding);
}

/* IPv6: RFC 8200, section 3, "IPv6 Header Format". */
static enum verdict judge_ipv6(const struct source_list *allowed, struct cursor packet,
			       struct report *report)
{
	const __u8 *header = packet.at;
	struct walk walk;

	if (packet.left < 40 || header[0] >> 4 != 6)
		return VERDICT_MALFORMED;
	walk = walk_extensions(packet);
	if (!is_allowed(allowed, 6, header + 8)) {
		if (is_from_nobody(header, &walk))
			return VERDICT_ALLOWED;
		report_ipv6(report, header, &walk);
		return VERDICT_FORGED_IPV6;
	}

	/* The sender is who it says; is the address that it advertises its own, too? */
	if (walk.broken)
		return VERDICT_MALFORMED;
	if (!is_icmpv6(&walk))
		return VERDICT_ALLOWED;
	if (walk.payload.left < 8)
		return VERDICT_MALFORMED;
	/* Neighbour advertisement: the target address is at 8 (RFC 4861, section 4.4). */
	if (walk.payload.at[0] != 136)
		return VERDICT_ALLOWED;
	if (walk.payload.left < 24)
		return VERDICT_MALFORMED;
	if (is_allowed(allowed, 6, walk.payload.at + 8))
		return VERDICT_ALLOWED;
	report_ipv6(report, header, &walk);
	memcpy(report->target.bytes, walk.payload.at + 8, 16);
	return VERDICT_FORGED_ADVERTISEMENT;
}

static enum verdict judge_frame(const struct source_list *allowed, struct cursor frame,
				struct report *report)
{
	switch (take_ethernet(&frame)) {
	case -1:
		return VERDICT_MALFORMED;
	case 0x0800: /* RFC 894 */
		return judge_ipv4(allowed, frame, report);
	case 0x0806: /* RFC 826 */
		return judge_arp(allowed, frame, report);
	case 0x86dd: /* RFC 2464, section 3 */
		return judge_ipv6(allowed, frame, report);
	default:
		return VERDICT_NOT_JUDGED;
	}
}

/* Without a link header the version, the first nibble of both protocols, has to tell. */
static enum verdict judge_bare(const struct source_list *allowed, struct cursor packet,
			       struct report *report)
{
	if (packet.left == 0)
		return VERDICT_MALFORMED;
	switch (packet.at[0] >> 4) {
	case 4:
		return judge_ipv4(allowed, packet, report);
	case 6:
		return judge_ipv6(allowed, packet, report);
	default:
		return VERDICT_MALFORMED;
	}
}

enum verdict oracle_judge(const struct source_list *allowed, bool ethernet, const __u8 *packet,
			  size_t len, struct report *report)
{
	struct cursor whole = { .at = packet, .left = len };
	enum verdict verdict;

	memset(report, 0, sizeof(*report));
	verdict =
		ethernet ? judge_frame(allowed, whole, report) : judge_bare(allowed, whole, report);
	if (report->family == 0)
		return verdict;
	report->verdict = verdict;
	report->dropped = !allowed->log_only;
	return verdict;
}
