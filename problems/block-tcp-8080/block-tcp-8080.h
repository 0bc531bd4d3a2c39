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

/* What was found about a frame; an index into the map `verdicts`. */
enum verdict {
	VERDICT_PASSED,	   /* nothing to block in it */
	VERDICT_BLOCKED,   /* a TCP segment to a blocked port: dropped */
	VERDICT_MALFORMED, /* cut short or contradicting itself: left to the stack, which drops it
			    */
	VERDICTS
};

struct verdict_count {
	__u64 packets;
	__u64 bytes; /* whole frames, Ethernet header included, without the checksum */
};

/* Segments blocked per port: port PORT is hits[PORT % 256] of entry PORT / 256 of `port_hits`. */
#define PORTS_PER_ROW 256
struct port_hits {
	__u64 hits[PORTS_PER_ROW];
};

#endif
