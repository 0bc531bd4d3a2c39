/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking for a prefix in an interface's set. There is one look-up for each length that there is,
 * which the set's facts tell, and not for each prefix.
 */
#ifndef PREFIXES_BPF_H
#define PREFIXES_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "drop-spoofed-packets.h"

static __always_inline __u64 fact_of(void *sources, enum fact fact)
{
	struct source key = { .bits = fact };
	__u64 *value = bpf_map_lookup_elem(sources, &key);

	return value ? *value : 0;
}

/* The first BITS of an address, the others 0. */
static __always_inline __be64 first_bits(__be64 half, __u32 bits)
{
	if (bits >= 64)
		return half;
	return bits ? half & bpf_cpu_to_be64(~0ULL << (64 - bits)) : 0;
}

/* A search for a prefix that holds an address, from the shortest one on. */
struct prefix_search {
	void *sources;
	union address address;
	__u32 family;
	__u32 first;   /* the length that bit 0 of `lengths` stands for */
	__u64 lengths; /* those that there are */
	bool found;
};

/* Tries one length. 0: go on; 1: this was the last step. */
static long try_prefix(__u32 index, struct prefix_search *search)
{
	struct source key = { .family = search->family, .bits = search->first + index };

	if (!(search->lengths >> index))
		return 1;
	if (!(search->lengths >> index & 1))
		return 0;
	key.address.halves[0] = first_bits(search->address.halves[0], key.bits);
	key.address.halves[1] =
		key.bits <= 64 ? 0 : first_bits(search->address.halves[1], key.bits - 64);
	search->found = bpf_map_lookup_elem(search->sources, &key);
	return search->found;
}

static __always_inline bool has_prefix_for(void *sources, const struct source *source,
					   enum fact lengths)
{
	struct prefix_search search = {
		.sources = sources,
		.address = source->address,
		.family = source->family,
		.first = lengths == FACT_IPV6_LENGTHS_HIGH ? 64 : 0,
		.lengths = fact_of(sources, lengths),
	};

	if (search.lengths)
		bpf_loop(64, try_prefix, &search, 0);
	return search.found;
}

static __noinline bool has_prefix(void *sources, const struct source *source)
{
	if (source->family == 4)
		return has_prefix_for(sources, source, FACT_IPV4_LENGTHS);
	return has_prefix_for(sources, source, FACT_IPV6_LENGTHS_LOW) ||
	       has_prefix_for(sources, source, FACT_IPV6_LENGTHS_HIGH);
}

#endif
