// SPDX-License-Identifier: BSD-2-Clause
/* Reads the filter's maps, and makes JSON or a table of what they hold. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count-ttl.h"
#include "show.h"

/* In a table; JSON has all hosts. */
#define ROWS_MAX 20

struct row {
	struct host host;
	struct host_count count;
};

/* The most packets first; then by address, so that nothing jumps about from table to table. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->count.packets != y->count.packets)
		return x->count.packets < y->count.packets ? 1 : -1;
	return memcmp(&x->host, &y->host, sizeof(x->host));
}

static json_t *row_json(const struct row *row)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(row->host.version == 4 ? AF_INET : AF_INET6, row->host.address, address,
		  sizeof(address));
	return json_pack("{s:s, s:i, s:I, s:I}", "address", address, "hops", row->host.hops, "ttl",
			 (json_int_t)row->count.ttl, "packets", (json_int_t)row->count.packets);
}

static int add_rows(const struct hp_entries *entries, json_t *array)
{
	const struct host *hosts = entries->keys;
	const struct host_count *counts = entries->values;
	struct row *rows = calloc(entries->n + 1, sizeof(*rows)); /* of no rows, too: not NULL */
	int err = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < entries->n; i++)
		rows[i] = (struct row){ hosts[i], counts[i] };
	qsort(rows, entries->n, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < entries->n && !err; i++)
		err = json_array_append_new(array, row_json(&rows[i])) ? -ENOMEM : 0;
	free(rows);
	return err;
}

/* Totals first: a host that they count is then among the hosts. */
int read_counts(const struct hp_map *hosts, const struct hp_map *totals, json_t *fields)
{
	struct hp_entries entries = {};
	struct totals packets;
	json_t *array;
	__u32 key = 0;
	int err;

	err = hp_map_get(totals, &key, sizeof(key), &packets, sizeof(packets));
	if (!err)
		err = hp_map_read(hosts, &entries);
	if (err)
		return err;
	json_object_set_new(fields, "packets",
			    json_pack("{s:I, s:I, s:I}", "counted", (json_int_t)packets.counted,
				      "no_room", (json_int_t)packets.no_room, "unreadable",
				      (json_int_t)packets.unreadable));
	array = json_array();
	err = add_rows(&entries, array);
	hp_entries_free(&entries);
	if (json_object_set_new(fields, "hosts", array))
		err = -ENOMEM;
	return err;
}

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void print_counts(json_t *fields, bool json)
{
	json_t *packets = json_object_get(fields, "packets");
	json_t *hosts = json_object_get(fields, "hosts"), *host;
	size_t i;

	if (json) {
		json_dumpf(fields, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	printf("%10s %5s %5s  %s\n", "packets", "hops", "ttl", "from");
	json_array_foreach(hosts, i, host) {
		if (i == ROWS_MAX) {
			printf("  and %zu more: `count-ttl stats` has them all\n",
			       json_array_size(hosts) - i);
			break;
		}
		printf("%10lld %5lld %5lld  %s\n", (long long)number(host, "packets"),
		       (long long)number(host, "hops"), (long long)number(host, "ttl"),
		       json_string_value(json_object_get(host, "address")));
	}
	printf("%lld packets counted, %lld of more hosts than the map has room for, %lld "
	       "unreadable\n",
	       (long long)number(packets, "counted"), (long long)number(packets, "no_room"),
	       (long long)number(packets, "unreadable"));
}
