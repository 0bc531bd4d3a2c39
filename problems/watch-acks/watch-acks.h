/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs count, for the loader to read. */
#ifndef WATCH_ACKS_H
#define WATCH_ACKS_H

#include <linux/types.h>

/* One end of a connection. If both ends are on this machine, each has its own. */
struct connection {
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 peer[16];
	__u16 local_port; /* in host byte order */
	__u16 peer_port;
	__u32 netns; /* the number of its inode: two network namespaces may use the same addresses
		      */
};

struct traffic {
	/* With data. GRO may have made one packet, as TCP gets it, of several segments. */
	__u64 packets_in;
	__u64 segments_in;
	__u64 bytes_in;
	/* Segments with nothing but an ACK; packets with data that also acknowledge something. */
	__u64 acks_out;
	__u64 on_data;
	/*
	 * Segments with nothing but an ACK, and for how many of those tcp_ack() was called: what
	 * comes while a process has locked the socket is put together.
	 */
	__u64 acks_in;
	__u64 handled;
};

/* How long tcp_ack() took for ACKs without data: bucket N has those of 2^N to 2^(N+1) - 1 ns. */
#define BUCKETS 32

struct timings {
	__u64 times[BUCKETS]; /* the last: all that took longer, too */
	__u64 total_ns;
};

#endif
