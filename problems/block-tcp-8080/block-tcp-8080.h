/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What block-tcp-8080.bpf.c and the programs around it share. */
#ifndef BLOCK_TCP_8080_H
#define BLOCK_TCP_8080_H

#include <linux/types.h>

#define PORTS	   65536
#define PORT_WORDS (PORTS / 64)

/* Bit PORT % 64 of word PORT / 64 is set for each blocked port (host byte order). */
struct port_set {
	__u64 words[PORT_WORDS];
};

/*
 * The program reads sets[active]. User space writes the other one and then changes `active` with
 * one store, so that every packet is judged by one whole set.
 */
struct port_sets {
	__u64 active; /* 0 or 1 */
	struct port_set sets[2];
};

/* What became of a frame. */
enum verdict {
	VERDICT_PASSED,	   /* nothing to block in it */
	VERDICT_MALFORMED, /* cut short or contradicting itself: left to the stack, which drops it
			    */
	VERDICT_HIDDEN,	   /* headers that go on in the next fragment, or too far away: dropped */
	VERDICT_BLOCKED,   /* a TCP segment to a blocked port: dropped */
	VERDICTS
};

/* Bytes are those of whole frames, Ethernet header included, checksum not. */
struct packet_count {
	__u64 packets;
	__u64 bytes;
};

/*
 * What was blocked, for 256 ports: of port PORT, segments[PORT % 256] of row PORT / 256. Rows,
 * because 65,536 single entries would be as many allocations for each CPU.
 */
#define PORTS_PER_ROW 256
struct port_row {
	__u64 bytes; /* of all of them */
	__u64 segments[PORTS_PER_ROW];
};

#endif
