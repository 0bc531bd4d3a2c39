/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `stats` tells of. */
#ifndef COUNTS_BPF_H
#define COUNTS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "localhost-bypass.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WAYS);
	__type(key, __u32);
	__type(value, struct traffic);
} traffic SEC(".maps");

static void count(__u32 event)
{
	__u64 *n = bpf_map_lookup_elem(&events, &event);

	if (n) /* sockets of two processes may be on one CPU in turns, even in the middle of this */
		__sync_fetch_and_add(n, 1);
}

static void measure(__u32 way, __u32 bytes)
{
	struct traffic *t = bpf_map_lookup_elem(&traffic, &way);

	if (!t)
		return;
	__sync_fetch_and_add(&t->messages, 1);
	__sync_fetch_and_add(&t->bytes, bytes);
}

#endif
