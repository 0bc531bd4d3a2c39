/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What drop-spoofed-packets.bpf.c and the programs around it share. */
#ifndef DROP_SPOOFED_PACKETS_H
#define DROP_SPOOFED_PACKETS_H

#include <linux/bpf.h>
#include <linux/types.h>

/* So many interfaces of a network namespace can be guarded at once. */
#define INTERFACES_MAX 16384

/* An IPv4 address is in the first 4 bytes, and the rest is 0. Network byte order. */
union address {
	__u8 bytes[16];
	__be32 ipv4;
	__be64 halves[2];
};

/*
 * The key of an interface's set: an address or a prefix that may be a source there, or, with family
 * 0, a fact about the whole set. No byte of it is padding.
 */
struct source {
	__u32 family;	       /* 4 or 6, or 0: a fact */
	__u32 bits;	       /* the prefix: 32 or 128 for one address; of a fact: enum fact */
	union address address; /* 0 behind the prefix */
};

/* What the value of an address or prefix tells: where it comes from. The program doesn't care. */
enum origin {
	ORIGIN_INTERFACE = 1, /* the interface's own */
	ORIGIN_ALLOWED = 2,   /* --allow */
};

/* What else a set holds. A fact whose value would be 0 may be missing. */
enum fact {
	/* Bit N is set if there are prefixes of N bits shorter than a whole address. */
	FACT_IPV4_LENGTHS,	/* 0 to 31 */
	FACT_IPV6_LENGTHS_LOW,	/* 0 to 63 */
	FACT_IPV6_LENGTHS_HIGH, /* 64 to 127, as bits 0 to 63 */
	FACT_LOG_ONLY,		/* 1: count and report, drop nothing */
	FACTS
};

/* What became of a packet. Its source is judged first: what is forged may be malformed, too. */
enum verdict {
	VERDICT_ALLOWED,
	VERDICT_FORGED_IPV4,
	VERDICT_FORGED_IPV6,
	VERDICT_FORGED_ARP,
	VERDICT_FORGED_ADVERTISEMENT, /* IPv6 neighbour advertisement, from an allowed source, for
					 an address that is none */
	VERDICT_MALFORMED,  /* what would have to be judged isn't there: dropped like forged ones */
	VERDICT_NOT_JUDGED, /* not IPv4, IPv6 or ARP: passed */
	VERDICTS
};

/* Bytes as the kernel counts them here: with the Ethernet header, and many segments at once (GSO).
 */
struct packet_count {
	__u64 packets;
	__u64 bytes;
};

/* The counters of one interface. */
struct counts {
	struct packet_count verdicts[VERDICTS];
};

/* At most so many forged packets a second are reported for each interface; the rest is counted. */
#define REPORTS_PER_SECOND 100

struct report_limit {
	struct bpf_spin_lock lock;
	__u32 reported; /* in the second that began at since_ns */
	__u64 since_ns;
	__u64 suppressed; /* ever: one too many in its second */
	__u64 lost;	  /* ever: the ring buffer was full */
};

/* A report of a forged packet, in the ring buffer. */
struct report {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 ifindex;
	__u8 verdict;	 /* VERDICT_FORGED_* */
	__u8 dropped;	 /* 0 if the set says FACT_LOG_ONLY */
	__u8 family;	 /* 4 or 6, also of ARP's addresses */
	__u8 protocol;	 /* IPPROTO_*; 0 of ARP */
	__be16 ports[2]; /* source and destination; 0 where the packet has none, or not here */
	__u32 reserved;
	union address source;	   /* of ARP: the sender's */
	union address destination; /* of ARP: the target's */
	union address target;	   /* of an advertisement: whose it claims to be */
};

#endif
