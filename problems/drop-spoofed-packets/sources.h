/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of allowed sources in user space: gathered, read from a command line, compared. */
#ifndef SOURCES_H
#define SOURCES_H

#include <argp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "drop-spoofed-packets.h"

struct entry {
	struct source source;
	__u64 value; /* as in the map: enum origin, or of a fact its value */
};

/* All 0: empty. The entries belong to the set: sources_free(). */
struct sources {
	struct entry *entries;
	size_t n;
};

/* An address or prefix as text: "10.0.0.1", "fd00::/8". */
typedef char source_text[INET6_ADDRSTRLEN + 4];

/* -ENOMEM */
int sources_add(struct sources *set, const struct source *source, __u64 value);
void sources_free(struct sources *set);

/*
 * Sorts the set, makes one of entries that are there twice, and adds the facts that follow from
 * them, and LOG_ONLY. -ENOMEM. Of two sets that were completed, sources_equal() tells.
 */
int sources_complete(struct sources *set, bool log_only);
bool sources_equal(const struct sources *a, const struct sources *b);

/* The value of SOURCE in a completed set, or 0. */
__u64 sources_find(const struct sources *set, const struct source *source);

/*
 * Adds the addresses that the interface has now. Of a loopback these are all that are local to the
 * network namespace, and 127.0.0.0/8, for packets between any two of them take that way. Addresses
 * that go away meanwhile may be among them; those that stay are. Errors of rtnetlink.
 */
int sources_gather(struct sources *set, int ifindex);

/*
 * Fills the empty SET with what an interface's set is to be, complete: its addresses (IFINDEX 0:
 * none), and what of ALLOWED is ORIGIN_ALLOWED. Errors of sources_gather().
 */
int sources_want(struct sources *set, int ifindex, const struct sources *allowed, bool log_only);

/* Reads "ADDRESS" or "ADDRESS/BITS" for a parser of options. EINVAL, having said what is wrong. */
error_t source_parse(const char *arg, struct source *source);
void source_print(const struct source *source, source_text text);

/* ADDRESS of FAMILY (4 or 6) as text, which has room for INET6_ADDRSTRLEN. */
const char *address_text(__u32 family, const union address *address, char *text);

#endif
