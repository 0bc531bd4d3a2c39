// SPDX-License-Identifier: BSD-2-Clause
/*
 * Written to be checked against the RFCs line by line, not to be fast: one cursor that can't leave
 * the packet (octets.h), one function per protocol, and no number without the section that it comes
 * from.
 */
#include <stdbool.h>

#include "octets.h"
#include "oracle.h"

/* What a frame turned out to hold. */
enum finding {
	FOUND_NO_PORT,
	FOUND_PORT,
	FOUND_MALFORMED,
	FOUND_HIDDEN,
};

/* TCP: RFC 9293, section 3.1, "Header Format". */
static enum finding read_tcp(struct cursor segment, bool first_fragment, unsigned int *port)
{
	/*
	 * A first fragment may hold as little as eight bytes of its segment (RFC 791, section 3.2)
	 * and the rest of the header arrives later: RFC 1858, section 3. The ports come first, so
	 * they can be judged; the data offset in byte 12 need not be there.
	 */
	if (first_fragment) {
		if (segment.left < 4)
			return FOUND_MALFORMED;
	} else {
		/* Five words without options; data offset counts words, options included. */
		unsigned int data_offset;

		if (segment.left < 20)
			return FOUND_MALFORMED;
		data_offset = segment.at[12] >> 4;
		if (data_offset < 5 || data_offset * 4 > segment.left)
			return FOUND_MALFORMED;
	}

	/* Bytes 0 and 1 are the source port, 2 and 3 the destination port. */
	*port = be16(segment.at + 2);
	return FOUND_PORT;
}

/* IPv4: RFC 791, section 3.1, "Internet Header Format". */
static enum finding read_ipv4(struct cursor packet, unsigned int *port)
{
	const __u8 *header = packet.at;
	size_t header_length, total_length;
	bool more_fragments;

	if (packet.left < 20)
		return FOUND_MALFORMED;
	if (header[0] >> 4 != 4)
		return FOUND_MALFORMED;

	/* "Internet Header Length is the length of the internet header in 32 bit words": 5 at
	 * least. */
	header_length = (header[0] & 0x0f) * 4;
	if (header_length < 20 || header_length > packet.left)
		return FOUND_MALFORMED;

	/*
	 * Total length counts header and data. 0 is what Linux writes into a packet too long for 16
	 * bits (BIG TCP, since 6.3); the frame's end is then the packet's. Bytes behind the total
	 * length fill the frame to Ethernet's minimum (IEEE 802.3, clause 4.2.3.3): not packet.
	 */
	total_length = be16(header + 2);
	if (total_length != 0) {
		if (total_length < header_length || total_length > packet.left)
			return FOUND_MALFORMED;
		packet.left = total_length;
	}
	take(&packet, header_length);

	/* Flags (reserved, don't fragment, more fragments) over 13 bits of fragment offset. */
	if ((be16(header + 6) & 0x1fff) != 0)
		return FOUND_NO_PORT;
	more_fragments = (be16(header + 6) & 0x2000) != 0;

	/* Protocol 6 is TCP (IANA, "Assigned Internet Protocol Numbers"). */
	if (header[9] != 6)
		return FOUND_NO_PORT;
	return read_tcp(packet, more_fragments, port);
}

/* IPv6: RFC 8200, section 3, "IPv6 Header Format", and section 4, "IPv6 Extension Headers". */
static enum finding read_ipv6(struct cursor packet, unsigned int *port)
{
	const __u8 *header = take(&packet, 40);
	bool first_fragment = false;
	size_t payload_length;
	unsigned int kind;

	if (!header || header[0] >> 4 != 6)
		return FOUND_MALFORMED;

	/*
	 * Payload length counts everything behind these 40 bytes, extension headers included. 0 is
	 * what a jumbogram has (RFC 2675, section 3), and BIG TCP: up to the frame's end.
	 */
	payload_length = be16(header + 4);
	if (payload_length > packet.left)
		return FOUND_MALFORMED;
	if (payload_length != 0)
		packet.left = payload_length;

	/*
	 * "In any order and occurring any number of times" (section 4.1). Hop-by-hop options may
	 * only come first; elsewhere they are the receiver's to refuse, and are walked over here.
	 */
	for (kind = header[6]; extension_size(kind, 0) != 0; kind = header[0]) {
		/*
		 * "The first fragment packet must include the header chain" (RFC 7112, section 5):
		 * one that does not keeps the rest of it for a fragment that nobody judges.
		 */
		enum finding cut = first_fragment ? FOUND_HIDDEN : FOUND_MALFORMED;

		if (packet.left < 2)
			return cut;
		header = take(&packet, extension_size(kind, packet.at[1]));
		if (!header)
			return cut;
		if (kind != FRAGMENT)
			continue;

		/* 13 bits of offset, two reserved bits, the M flag (section 4.5). */
		if (be16(header + 2) >> 3 != 0)
			return FOUND_NO_PORT;
		if (be16(header + 2) & 1)
			first_fragment = true;
	}

	/*
	 * Anything but TCP ends the walk: other transports, ESP (RFC 4303), no next header (4.7).
	 */
	if (kind != 6)
		return FOUND_NO_PORT;
	return read_tcp(packet, first_fragment, port);
}

static enum finding read_frame(const __u8 *bytes, size_t len, unsigned int *port)
{
	struct cursor frame = { .at = bytes, .left = len };

	switch (take_ethernet(&frame)) {
	case -1:
		return FOUND_MALFORMED;
	case 0x0800: /* RFC 894 */
		return read_ipv4(frame, port);
	case 0x86dd: /* RFC 2464, section 3 */
		return read_ipv6(frame, port);
	default:
		return FOUND_NO_PORT;
	}
}

enum verdict oracle_judge(const __u8 *frame, size_t len, const struct port_set *blocked)
{
	unsigned int port;

	switch (read_frame(frame, len, &port)) {
	case FOUND_MALFORMED:
		return VERDICT_MALFORMED;
	case FOUND_HIDDEN:
		return VERDICT_HIDDEN;
	case FOUND_PORT:
		if (blocked->words[port / 64] >> port % 64 & 1)
			return VERDICT_BLOCKED;
		return VERDICT_PASSED;
	default:
		return VERDICT_PASSED;
	}
}

int oracle_port(const __u8 *frame, size_t len)
{
	unsigned int port;

	if (read_frame(frame, len, &port) != FOUND_PORT)
		return -1;
	return (int)port;
}
