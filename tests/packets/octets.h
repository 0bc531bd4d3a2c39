/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the problems' oracles read packets with: a cursor that can't leave the packet, and what is
 * the same for all of them, whatever they look for. From the standards alone; nothing here is
 * shared with a program that runs in the kernel.
 */
#ifndef OCTETS_H
#define OCTETS_H

#include <stddef.h>
#include <stdint.h>

/* The unread rest of a packet. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

/* Moves past SIZE bytes and returns their start, or NULL, without moving, when fewer are left. */
const uint8_t *take(struct cursor *cursor, size_t size);

/* All protocols here put the most significant byte first (RFC 791, appendix B). */
unsigned int be16(const uint8_t *bytes);

/*
 * Moves past an Ethernet header and the VLAN tags behind it, however many, and returns the
 * EtherType of what follows; or -1, before a header or a tag that isn't all there.
 */
int take_ethernet(struct cursor *frame);

/* Next-header values that announce one more header to step over. */
enum extension {
	HOP_BY_HOP = 0,	  /* RFC 8200, section 4.3 */
	ROUTING = 43,	  /* RFC 8200, section 4.4 */
	FRAGMENT = 44,	  /* RFC 8200, section 4.5 */
	AUTH = 51,	  /* RFC 4302, section 2 */
	DESTINATION = 60, /* RFC 8200, section 4.6 */
	MOBILITY = 135,	  /* RFC 6275, section 6.1.1 */
};

/*
 * Bytes in an extension header of KIND whose second byte, mostly a length, is SECOND: 8 at least.
 * 0 if KIND is none of the above.
 */
size_t extension_size(unsigned int kind, uint8_t second);

#endif
