// SPDX-License-Identifier: BSD-2-Clause
/* What can be done with a map, one call after the other. docs/maps.rst follows it. */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

static void say(const char *what, int err)
{
	printf("%s: %s\n", what, err ? strerror(-err) : "done");
}

/* A host's number, and how many packets it sent. */
static void write_entries(const struct hp_map *hosts)
{
	__u32 host = 1;
	__u64 packets = 10;

	say("update host 1", hp_map_update(hosts, &host, sizeof(host), &packets, sizeof(packets)));
	say("insert host 1", hp_map_insert(hosts, &host, sizeof(host), &packets, sizeof(packets)));
	say("insert host 1", hp_map_insert(hosts, &host, sizeof(host), &packets, sizeof(packets)));
	for (host = 2; host <= 5; host++)
		say("put another",
		    hp_map_put(hosts, &host, sizeof(host), &packets, sizeof(packets)));
}

static void read_entries(const struct hp_map *hosts)
{
	__u32 host = 1, packets_too_short = 0;
	__u64 packets;

	say("get host 1", hp_map_get(hosts, &host, sizeof(host), &packets, sizeof(packets)));
	say("get host 1 into 4 bytes",
	    hp_map_get(hosts, &host, sizeof(host), &packets_too_short, sizeof(packets_too_short)));
	say("take host 1", hp_map_take(hosts, &host, sizeof(host), &packets, sizeof(packets)));
	say("take host 1", hp_map_take(hosts, &host, sizeof(host), &packets, sizeof(packets)));
}

static int print_entry(const void *key, const void *value, void *arg)
{
	(void)arg;
	printf("  host %u: %llu packets\n", *(const __u32 *)key, *(const __u64 *)value);
	return 0;
}

static void work_on_all(const struct hp_map *hosts)
{
	__u32 numbers[] = { 3, 4, 6 };
	__u64 packets[] = { 10, 11, 12 };
	struct hp_entries wanted = {
		.keys = numbers, .values = packets, .n = 3, .key_bytes = 4, .value_bytes = 8
	};

	say("each", hp_map_each(hosts, print_entry, NULL));
	say("replace all by 3, 4 and 6", hp_map_replace(hosts, &wanted));
	say("each", hp_map_each(hosts, print_entry, NULL));
}

static void freeze(const struct hp_map *hosts)
{
	__u32 host = 3;

	say("freeze", hp_map_freeze(hosts));
	say("remove host 3", hp_map_remove(hosts, &host, sizeof(host)));
}

int main(void)
{
	struct hp_map hosts;
	int err;

	setlinebuf(stdout);
	err = hp_map_create("hash", "hosts", sizeof(__u32), sizeof(__u64), 4, NULL, &hosts);
	say("create", err);
	if (err)
		return 1;
	write_entries(&hosts);
	read_entries(&hosts);
	work_on_all(&hosts);
	freeze(&hosts);
	hp_map_close(&hosts);
	return 0;
}
