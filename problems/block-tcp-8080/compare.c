// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "compare.h"
#include "oracle.h"

/* What one frame did, or should have done. Without padding: two are compared as bytes. */
struct outcome {
	__u32 action; /* XDP_... */
	__u16 row_wrong;
	__u16 frame_changed;
	struct packet_count frame_counts[VERDICT_BLOCKED]; /* by how much they rose */
};

int open_check(struct check *check)
{
	int err = stay_on_cpu();

	if (err)
		return err;
	check->count_slots = calloc(test.cpus, sizeof(*check->count_slots));
	check->row_slots = calloc(test.cpus, sizeof(*check->row_slots));
	if (!check->count_slots || !check->row_slots)
		return refused("no memory for the counters", -ENOMEM);
	check->skel = block_tcp_8080__open_and_load();
	if (!check->skel)
		return refused("can't load the program", -errno);
	check->program_fd = bpf_program__fd(check->skel->progs.block_ports);
	check->frame_counts_fd = bpf_map__fd(check->skel->maps.frame_counts);
	check->port_rows_fd = bpf_map__fd(check->skel->maps.port_rows);
	return 0;
}

void close_check(struct check *check)
{
	block_tcp_8080__destroy(check->skel);
	free(check->row_slots);
	free(check->count_slots);
}

/* Also follows the kernel's counters, right or wrong, so that a mismatch is reported once. */
static int read_counts(struct check *check, struct outcome *got)
{
	const struct packet_count *now = &check->count_slots[test.cpu];
	__u32 verdict;

	for (verdict = 0; verdict < VERDICT_BLOCKED; verdict++) {
		struct packet_count *before = &check->frame_counts[verdict];
		int err = bpf_map_lookup_elem(check->frame_counts_fd, &verdict, check->count_slots);

		if (err)
			return refused("can't read frame_counts", err);
		got->frame_counts[verdict].packets = now->packets - before->packets;
		got->frame_counts[verdict].bytes = now->bytes - before->bytes;
		*before = *now;
	}
	return 0;
}

int compare_row(struct check *check, __u32 row)
{
	const struct port_row *now = &check->row_slots[test.cpu];
	int err = bpf_map_lookup_elem(check->port_rows_fd, &row, check->row_slots);

	if (err)
		return refused("can't read port_rows", err);
	if (memcmp(now, &check->rows[row], sizeof(*now)) == 0)
		return 0;
	check->rows[row] = *now;
	return 1;
}

static void print_outcome(const char *title, const struct outcome *outcome)
{
	const char *action = outcome->action == XDP_PASS   ? "XDP_PASS"
			     : outcome->action == XDP_DROP ? "XDP_DROP"
							   : "neither pass nor drop";
	int verdict;

	printf("  %-9s action %u (%s)", title, outcome->action, action);
	for (verdict = 0; verdict < VERDICT_BLOCKED; verdict++)
		printf(", %s +%llu/%llu", test.verdict_names[verdict],
		       (unsigned long long)outcome->frame_counts[verdict].packets,
		       (unsigned long long)outcome->frame_counts[verdict].bytes);
	printf("%s%s\n", outcome->row_wrong ? ", wrong row of port_rows" : "",
	       outcome->frame_changed ? ", frame changed" : "");
}

/* What a blocked frame must have added to the row of its port. */
static int check_row(struct check *check, const uint8_t *frame, size_t len)
{
	int port = oracle_port(frame, len);
	struct port_row *row = &check->rows[port / PORTS_PER_ROW];

	row->segments[port % PORTS_PER_ROW]++;
	row->bytes += len;
	return compare_row(check, port / PORTS_PER_ROW);
}

int judge_frame(struct check *check, const uint8_t *frame, size_t len)
{
	enum verdict verdict = oracle_judge(frame, len, &check->blocked);
	struct outcome expected = { 0 }, got = { 0 };
	int err;

	test.seen[verdict]++;
	expected.action = verdict >= VERDICT_HIDDEN ? XDP_DROP : XDP_PASS;
	if (verdict != VERDICT_BLOCKED)
		expected.frame_counts[verdict] = (struct packet_count){ 1, len };

	err = run_program(check->program_fd, frame, len, &got.action);
	if (err < 0)
		return err;
	got.frame_changed = err;
	err = read_counts(check, &got);
	if (!err && verdict == VERDICT_BLOCKED)
		err = check_row(check, frame, len);
	if (err < 0)
		return err;
	got.row_wrong = err;
	if (memcmp(&expected, &got, sizeof(got)) == 0)
		return 0;

	printf("MISMATCH: %s, %s %lu\n", test.source, test.change, test.number);
	print_outcome("expected", &expected);
	print_outcome("got", &got);
	printf("  frame     ");
	packet_print_hex(stdout, frame, len);
	return ++test.mismatches >= MISMATCHES_MAX;
}
