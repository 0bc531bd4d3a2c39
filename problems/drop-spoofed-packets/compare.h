/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One packet through both: a program in the kernel, by BPF_PROG_TEST_RUN, and the oracle. Compared
 * are the return code; what the packet adds to the counters; what is reported of it; and the packet
 * itself, which must come back as it went in.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bpf/libbpf.h>

#include "drop-spoofed-packets.h"
#include "drop-spoofed-packets.skel.h"
#include "oracle.h"
#include "verdict-test.h"

/* Room for a prefix of every length, of both families, and some addresses. */
#define SOURCES_MAX 192

/* What an interface may be set to. */
struct configuration {
	const char *name;
	struct source_list allowed; /* its `sources` is NULL: no set */
};

enum hook {
	HOOK_ETHERNET,
	HOOK_IP, /* no link header */
	HOOKS
};

struct check {
	struct drop_spoofed_packets *skel;
	int program_fds[HOOKS];
	int source_sets_fd, verdict_counts_fd, report_limits_fd;
	struct ring_buffer *ring;

	/* One map value for all CPUs, and what this CPU's must be by now. */
	struct counts *count_slots;
	struct counts counts;
	/* What came out of the ring buffer since this was last 0, and the last of it. */
	unsigned int reports;
	struct report report;

	const struct configuration *configuration;
};

/* Loads the programs. A negative errno, after having said what was refused. */
int open_check(struct check *check);
void close_check(struct check *check);

/* Makes CONFIGURATION that of the interface. Waits for the kernel: tens of milliseconds. */
int configure(struct check *check, const struct configuration *configuration);

/*
 * Runs a program on PACKET and compares what came of it with what should have.
 * 0 to go on, whether they agree or not; 1 when enough mismatches have been printed; a negative
 * errno when the kernel refused.
 */
int judge_packet(struct check *check, enum hook hook, const uint8_t *packet, size_t len);

/*
 * Has FORGED, a frame that is to be reported, reported more often than a second's limit allows, and
 * than the ring buffer has room for, and counts what becomes of that. 0 or a negative errno.
 */
int check_limits(struct check *check, const struct packet *forged);

#endif
