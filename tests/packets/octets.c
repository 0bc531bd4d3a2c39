// SPDX-License-Identifier: BSD-2-Clause
/* To be checked against the standards line by line, like the oracles. */
#include "octets.h"

const uint8_t *take(struct cursor *cursor, size_t size)
{
	const uint8_t *start = cursor->at;

	if (cursor->left < size)
		return NULL;
	cursor->at += size;
	cursor->left -= size;
	return start;
}

unsigned int be16(const uint8_t *bytes)
{
	return (unsigned int)bytes[0] << 8 | bytes[1];
}

int take_ethernet(struct cursor *frame)
{
	/* Two addresses of six bytes, then the EtherType (IEEE 802.3, clause 3.1.1). */
	const uint8_t *header = take(frame, 14);
	unsigned int ethertype;

	if (!header)
		return -1;
	ethertype = be16(header + 12);

	/*
	 * A tag takes the EtherType's place, 0x8100 for a customer's and 0x88a8 for a provider's,
	 * and is followed by two bytes of its own and the EtherType it displaced (IEEE 802.1Q,
	 * clause 9). The standard foresees one of each, but nothing limits them.
	 */
	while (ethertype == 0x8100 || ethertype == 0x88a8) {
		header = take(frame, 4);
		if (!header)
			return -1;
		ethertype = be16(header + 2);
	}
	return (int)ethertype;
}

size_t extension_size(unsigned int kind, uint8_t second)
{
	switch (kind) {
	case FRAGMENT:
		/* Fixed; the second byte is reserved (RFC 8200, section 4.5). */
		return 8;
	case AUTH:
		/* "in 32-bit words (4-byte units), minus 2" (RFC 4302, section 2.2). */
		return ((size_t)second + 2) * 4;
	case HOP_BY_HOP:
	case ROUTING:
	case DESTINATION:
	case MOBILITY:
		/* "in 8-octet units, not including the first 8 octets" (RFC 8200, section 4.3). */
		return ((size_t)second + 1) * 8;
	default:
		return 0;
	}
}
