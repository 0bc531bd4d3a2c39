/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of single entries: a map with values of 64 bits, and what is in it. */
#ifndef ONE_MAP_H
#define ONE_MAP_H

#include <bpf/bpf.h>

#include "hookpoint.h"

#define KEY(number)   (&(__u32){ number }), sizeof(__u32)
#define VALUE(number) (&(__u64){ number }), sizeof(__u64)
#define NO_KEY	      NULL, 0

static struct hp_map make(const char *type, __u32 key_bytes, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	struct hp_map map;
	int err = hp_map_create(type, "test", key_bytes, sizeof(__u64), entries, &options, &map);

	if (err)
		fail_msg("%s: %s", type, strerror(-err));
	return map;
}

static __u64 get(const struct hp_map *map, __u32 key)
{
	__u64 value = 0;

	assert_int_equal(hp_map_get(map, &key, sizeof(key), &value, sizeof(value)), 0);
	return value;
}

#endif
