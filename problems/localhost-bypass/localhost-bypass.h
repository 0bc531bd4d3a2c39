/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What localhost-bypass.bpf.c and the programs around it share. */
#ifndef LOCALHOST_BYPASS_H
#define LOCALHOST_BYPASS_H

#include <linux/types.h>

#define PORT_WORDS (65536 / 64)

/*
 * What may wait at a reader before the sender leaves the bypass: so many messages, and two thirds
 * of what TCP would let wait (net.ipv4.tcp_rmem, or the reader's SO_RCVBUF).
 */
#define QUEUE_LIMIT_MESSAGES 16384

/* With --framing length32: see framing.bpf.h. */
#define MESSAGE_LIMIT_BYTES 65536
#define BACKLOG_LIMIT_BYTES (64 << 20)
#define FRAMED_SOCKETS_MAX  1024

/* What user space may change at any time. */
struct settings {
	__u32 some_ports; /* 0: the port doesn't matter, else 1 */
	__u32 closing;	  /* 1: from now on everything goes through the stack */
	/* Bit PORT % 64 of word PORT / 64 is set for each port (host byte order). */
	__u64 ports[PORT_WORDS];
};

/*
 * A connection, as the end sees it that called connect(). No other one has the same: addresses and
 * ports are used once at a time in a network namespace, and the sequence numbers tell this use of
 * them from the last one.
 */
struct connection {
	__u64 netns_cookie;
	__u32 client_ip[4]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
	__u32 server_ip[4];
	__u32 client_port; /* host byte order */
	__u32 server_port;
	__u32 client_start; /* sequence number of the first byte that this end sends */
	__u32 server_start;
};

/*
 * What the two ends know of each other. In the map `sockets` the client's end has the key ID, the
 * server's ID + 1; no number is used twice.
 */
struct meeting {
	__u64 id;
	__u64 client_address; /* of the struct sock in the kernel */
	__u64 server_address; /* 0: not there yet */
	__u64 bypassed;	      /* 1: in at least one direction */
};

/* Which way what a socket sends goes. It is decided once; BYPASS may become STACK, for good. */
enum direction_path {
	PATH_UNDECIDED, /* nothing was sent yet */
	PATH_BYPASS,
	PATH_STACK,
};

/* How often what happened. */
enum event {
	EVENT_CONNECTION, /* a local connection to one of the ports, seen by its active end */
	EVENT_CONNECTION_BYPASSED, /* ... in at least one direction */
	EVENT_SOCKET_TAKEN,	   /* into the map; a connection has two */
	EVENT_SOCKET_REMOTE,	   /* left alone: the peer is on another host */
	EVENT_SOCKET_OTHER_PORT,   /* left alone: no port of ours */
	EVENT_SOCKET_ULP,	   /* left alone: MPTCP or the like sits on it */
	EVENT_SOCKET_FAST_OPEN,	   /* left alone: its SYN carried data */
	EVENT_SOCKET_ZEROCOPY,	   /* left alone: SO_ZEROCOPY */
	EVENT_SOCKET_LOW_WATER,	   /* left alone: SO_RCVLOWAT */
	EVENT_SOCKET_NO_PEER,	   /* left alone: the client's end isn't taken */
	EVENT_SOCKET_NO_ROOM,	   /* left alone: the map is full, or there is no memory */
	EVENT_SOCKET_FRAMED,	   /* with --framing: may be a proxy's input or output */
	EVENT_PACKET_HELD_BACK,	   /* ... was lost, because the output was too far behind */
	EVENT_OPTION_REFUSED,	   /* setsockopt() that taken sockets do without */
	EVENT_DIRECTION_BYPASSED,
	EVENT_DIRECTION_NO_PEER,     /* through the stack: the peer was not in the map */
	EVENT_DIRECTION_SENT_BEFORE, /* through the stack: bytes of it went there already */
	EVENT_LEFT_QUEUE_FULL,	     /* left the bypass: the reader was too far behind */
	EVENT_LEFT_STACK_USED,	     /* left the bypass: bytes went through the stack besides */
	EVENT_LEFT_NO_MEMORY,	     /* left the bypass: TCP is short of memory */
	EVENT_LEFT_PEER_GONE,	     /* left the bypass: the peer's socket is closed */
	EVENT_LEFT_CLOSING,	     /* left the bypass: it was unloaded */
	EVENTS
};

/* How much of what was sent by sockets in the map went where. */
enum way {
	WAY_REDIRECTED,
	WAY_PASSED, /* to the stack */
	WAYS
};

struct traffic {
	__u64 messages;
	__u64 bytes;
};

/* A socket that may be a proxy's, with --framing, and what was forwarded from it. */
struct member {
	struct traffic forwarded;
	__u32 output_start; /* sequence number of the output, as nothing had been */
	__u32 unused;
};

#endif
