/* SPDX-License-Identifier: BSD-2-Clause */
/* What the filter keeps in its maps, for the loader to read. */
#ifndef COUNT_TTL_H
#define COUNT_TTL_H

#include <linux/types.h>

/* More are not counted one by one: see struct totals. */
#define HOSTS_MAX 8192

/* The key in the map `hosts`. */
struct host {
	__u8 address[16]; /* of the source; IPv4: in the first four bytes, the others are 0 */
	__u8 hops;	  /* as the filter guesses them */
	__u8 version;	  /* of IP: 4 or 6 */
	__u8 zero[2];
};

/* Its value there. */
struct host_count {
	__u64 packets;
	__u64 ttl; /* of the last one: IPv4's time to live, IPv6's hop limit */
};

/* The one value of the map `totals`: all packets that the filter saw. */
struct totals {
	__u64 counted;	  /* by host */
	__u64 no_room;	  /* not by host: `hosts` was full */
	__u64 unreadable; /* no whole IPv4 or IPv6 header */
};

#endif
