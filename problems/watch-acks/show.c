// SPDX-License-Identifier: BSD-2-Clause
/* What watch-acks has counted: read from its pinned maps; a table, a histogram, JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "show.h"
#include "watch-acks.h"

#define ROWS_MAX  20 /* of the table for people; JSON has them all */
#define BAR_WIDTH 40

struct row {
	struct connection connection;
	struct traffic traffic;
};

struct counts {
	struct row *rows; /* the busiest first */
	size_t n;
	struct traffic others;
	struct timings timings;
	__u64 missed; /* how often a program was not run, because its CPU was running it already */
};

/* An address and a port: "192.0.2.1:80" or "[2001:db8::1]:80". */
typedef char end_text[INET6_ADDRSTRLEN + sizeof("[]:65535")];

/* ---- reading --------------------------------------------------------------------------------- */

static int by_traffic(const void *a, const void *b)
{
	const struct traffic *left = &((const struct row *)a)->traffic;
	const struct traffic *right = &((const struct row *)b)->traffic;
	__u64 l = left->packets_in + left->acks_in, r = right->packets_in + right->acks_in;

	return l < r ? 1 : l > r ? -1 : 0;
}

static int keep_row(const void *key, const void *value, void *arg)
{
	struct counts *counts = arg;
	struct row *row = &counts->rows[counts->n++];

	memcpy(&row->connection, key, sizeof(row->connection));
	memcpy(&row->traffic, value, sizeof(row->traffic));
	return 0;
}

/* Rows are added meanwhile, and none is removed: there are never more than ROOM. */
static int read_connections(int fd, struct counts *counts, size_t room)
{
	struct hp_map map;
	int err = hp_map_of(fd, &map);

	if (err)
		return err;
	counts->rows = calloc(room, sizeof(*counts->rows));
	return counts->rows ? hp_map_each(&map, keep_row, counts) : -ENOMEM;
}

static int read_others(int fd, struct counts *counts, size_t room)
{
	__u32 zero = 0;

	(void)room;
	return bpf_map_lookup_elem(fd, &zero, &counts->others);
}

static int read_timings(int fd, struct counts *counts, size_t room)
{
	__u32 zero = 0;

	(void)room;
	return hp_map_sum_percpu(fd, &zero, (__u64 *)&counts->timings,
				 sizeof(counts->timings) / sizeof(__u64));
}

/* -EINVAL: another version of this tool has pinned it. */
static int read_map(const char *dir, const char *map, size_t value_bytes, struct counts *counts,
		    int (*read)(int fd, struct counts *counts, size_t room))
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd, err = hp_pin_open(dir, map, &fd);

	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (!err && info.value_size != value_bytes)
		err = -EINVAL;
	if (!err)
		err = read(fd, counts, info.max_entries);
	close(fd);
	return err;
}

/* One half of the programs is there. Those of the other are no failure. */
static int read_missed(const char *dir, struct counts *counts)
{
	static const char *const programs[] = {
		"fentry_data", "fentry_late_data", "fentry_sent", "fentry_ack", "fexit_ack",
		"kprobe_data", "kprobe_late_data", "kprobe_sent", "kprobe_ack", "kretprobe_ack",
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);
		int fd, err = hp_pin_open(dir, programs[i], &fd);

		if (err == -ENOENT)
			continue;
		if (!err) {
			err = bpf_obj_get_info_by_fd(fd, &info, &size);
			close(fd);
		}
		if (err)
			return err;
		counts->missed += info.recursion_misses;
	}
	return 0;
}

static int read_counts(const char *dir, struct counts *counts)
{
	int err = read_map(dir, "connections", sizeof(struct traffic), counts, read_connections);

	if (!err)
		err = read_map(dir, "others", sizeof(struct traffic), counts, read_others);
	if (!err)
		err = read_map(dir, "timings", sizeof(struct timings), counts, read_timings);
	if (!err)
		err = read_missed(dir, counts);
	if (!err)
		qsort(counts->rows, counts->n, sizeof(*counts->rows), by_traffic);
	return err;
}

/* ---- for both of them ------------------------------------------------------------------------ */

static void print_end(const __u8 *address, __u16 port, end_text text)
{
	static const __u8 ipv4[12] = { [10] = 0xff, [11] = 0xff };
	char name[INET6_ADDRSTRLEN] = "?";

	if (!memcmp(address, ipv4, sizeof(ipv4))) {
		inet_ntop(AF_INET, address + sizeof(ipv4), name, sizeof(name));
		snprintf(text, sizeof(end_text), "%s:%u", name, port);
	} else {
		inet_ntop(AF_INET6, address, name, sizeof(name));
		snprintf(text, sizeof(end_text), "[%s]:%u", name, port);
	}
}

/* ENDS: the local one, the peer. */
static void print_ends(const struct connection *connection, end_text *ends)
{
	print_end(connection->local, connection->local_port, ends[0]);
	print_end(connection->peer, connection->peer_port, ends[1]);
}

static __u64 times_measured(const struct timings *timings)
{
	__u64 sum = 0;

	for (int i = 0; i < BUCKETS; i++)
		sum += timings->times[i];
	return sum;
}

static __u64 times_handled(const struct counts *counts)
{
	__u64 sum = counts->others.handled;

	for (size_t i = 0; i < counts->n; i++)
		sum += counts->rows[i].traffic.handled;
	return sum;
}

/* The buckets from the first to the last that holds something: [*FIRST, *END). */
static void range_of(const struct timings *timings, int *first, int *end)
{
	*first = 0;
	*end = BUCKETS;
	while (*end > 0 && !timings->times[*end - 1])
		--*end;
	while (*first < *end && !timings->times[*first])
		++*first;
}

static bool is_empty(const struct traffic *traffic)
{
	static const struct traffic nothing;

	return !memcmp(traffic, &nothing, sizeof(nothing));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_traffic(json_t *fields, const struct traffic *traffic)
{
	json_object_set_new(fields, "packets_in", json_integer(traffic->packets_in));
	json_object_set_new(fields, "segments_in", json_integer(traffic->segments_in));
	json_object_set_new(fields, "bytes_in", json_integer(traffic->bytes_in));
	json_object_set_new(fields, "acks_out", json_integer(traffic->acks_out));
	json_object_set_new(fields, "on_data", json_integer(traffic->on_data));
	json_object_set_new(fields, "acks_in", json_integer(traffic->acks_in));
	json_object_set_new(fields, "handled", json_integer(traffic->handled));
}

static json_t *connections_json(const struct counts *counts)
{
	json_t *array = json_array(), *fields;
	char both[2 * sizeof(end_text) + 3];
	end_text ends[2];

	for (size_t i = 0; i < counts->n; i++) {
		print_ends(&counts->rows[i].connection, ends);
		/* The first is for the text of `stats`, which shows one string for each row. */
		snprintf(both, sizeof(both), "%s - %s", ends[0], ends[1]);
		fields = json_pack("{s:s, s:s, s:s, s:I}", "connection", both, "local", ends[0],
				   "peer", ends[1], "netns",
				   (json_int_t)counts->rows[i].connection.netns);
		add_traffic(fields, &counts->rows[i].traffic);
		json_array_append_new(array, fields);
	}
	return array;
}

static json_t *histogram_json(const struct timings *timings)
{
	json_t *array = json_array();
	int first, end;

	range_of(timings, &first, &end);
	for (int i = first; i < end; i++)
		json_array_append_new(array,
				      json_pack("{s:I, s:I, s:I}", "from_ns", (json_int_t)1 << i,
						"below_ns", (json_int_t)2 << i, "times",
						(json_int_t)timings->times[i]));
	return array;
}

int show_json(const char *dir, json_t *fields)
{
	struct counts counts = {};
	json_t *others = json_object();
	__u64 measured, handled;
	int err = read_counts(dir, &counts);

	if (err)
		goto out;
	measured = times_measured(&counts.timings);
	handled = times_handled(&counts);
	add_traffic(others, &counts.others);
	json_object_set_new(fields, "connections", connections_json(&counts));
	json_object_set(fields, "others", others);
	json_object_set_new(fields, "handling", histogram_json(&counts.timings));
	json_object_set_new(fields, "handled", json_integer(handled));
	json_object_set_new(fields, "measured", json_integer(measured));
	json_object_set_new(fields, "measured_ns", json_integer(counts.timings.total_ns));
	json_object_set_new(fields, "missed", json_integer(counts.missed));
out:
	json_decref(others);
	free(counts.rows);
	return err;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_header(int width)
{
	printf("%*s %29s %16s %9s %15s\n", 2 * width + 1, "", "data that came", "ACKs sent",
	       "segments", "ACKs that came");
	printf("%-*s %-*s %8s %9s %10s %7s %8s %9s %7s %7s\n", width, "local", width, "peer",
	       "packets", "segments", "bytes", "alone", "on data", "per ACK", "ACKs", "handled");
}

static void print_row(const char *local, const char *peer, int width, const struct traffic *t)
{
	__u64 acks = t->acks_out + t->on_data;
	char ratio[24] = "-";

	if (acks && t->segments_in)
		snprintf(ratio, sizeof(ratio), "%.1f", (double)t->segments_in / acks);
	printf("%-*s %-*s %8llu %9llu %10llu %7llu %8llu %9s %7llu %7llu\n", width, local, width,
	       peer, t->packets_in, t->segments_in, t->bytes_in, t->acks_out, t->on_data, ratio,
	       t->acks_in, t->handled);
}

/* Of the longest address of the ROWS that are shown. */
static int width_of(const struct counts *counts, size_t rows)
{
	size_t width = sizeof("10.0.0.1:65535") - 1;
	end_text ends[2];

	for (size_t i = 0; i < rows; i++) {
		print_ends(&counts->rows[i].connection, ends);
		for (int end = 0; end < 2; end++)
			width = strlen(ends[end]) > width ? strlen(ends[end]) : width;
	}
	return width;
}

static void print_table(const struct counts *counts)
{
	size_t rows = counts->n < ROWS_MAX ? counts->n : ROWS_MAX;
	int width = width_of(counts, rows);
	end_text ends[2];

	print_header(width);
	for (size_t i = 0; i < rows; i++) {
		print_ends(&counts->rows[i].connection, ends);
		print_row(ends[0], ends[1], width, &counts->rows[i].traffic);
	}
	if (counts->n > rows)
		printf("and %zu more connections: `stats -j` has them all\n", counts->n - rows);
	if (!is_empty(&counts->others)) {
		print_row("all others", "", width, &counts->others);
		puts("The table is full: `run -c` makes a larger one.");
	}
}

static void print_histogram(const struct timings *timings)
{
	__u64 most = 1;
	int first, end;

	range_of(timings, &first, &end);
	for (int i = first; i < end; i++)
		most = timings->times[i] > most ? timings->times[i] : most;
	printf("\n%23s %10s\n", "ns in tcp_ack()", "times");
	for (int i = first; i < end; i++) {
		int width = (timings->times[i] * BAR_WIDTH + most - 1) / most;

		printf("%10llu - %10llu %10llu |%.*s\n", 1ULL << i, (2ULL << i) - 1,
		       timings->times[i], width, "########################################");
	}
}

int show_text(const char *dir)
{
	struct counts counts = {};
	int err = read_counts(dir, &counts);
	__u64 measured, handled;

	if (err)
		goto out;
	measured = times_measured(&counts.timings);
	handled = times_handled(&counts);
	print_table(&counts);
	if (measured) {
		print_histogram(&counts.timings);
		printf("%llu times ACKs were handled, in %llu ns on average\n", measured,
		       counts.timings.total_ns / measured);
	}
	if (handled > measured)
		printf("%llu times it was not measured\n", handled - measured);
	if (counts.missed)
		printf("%llu times something was missed: its CPU was counting something else\n",
		       counts.missed);
out:
	free(counts.rows);
	return err;
}
