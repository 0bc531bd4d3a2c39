/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One frame through both: the program in the kernel, by BPF_PROG_TEST_RUN, and the oracle. Compared
 * are the return code; what the frame adds to the counters; and the frame itself, which must come
 * back as it went in.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include <stddef.h>
#include <stdint.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "block-tcp-8080.h"
#include "block-tcp-8080.skel.h"
#include "verdict-test.h"

#define PORT_ROWS (PORTS / PORTS_PER_ROW)

struct check {
	struct block_tcp_8080 *skel;
	int program_fd, frame_counts_fd, port_rows_fd;

	/* One map value each, for all CPUs. */
	struct packet_count *count_slots;
	struct port_row *row_slots;

	/* The oracle's port set, and what the kernel's counters must hold by now. */
	struct port_set blocked;
	struct packet_count frame_counts[VERDICT_BLOCKED];
	struct port_row rows[PORT_ROWS];
};

/* Loads the program, with its defaults. A negative errno, after having said what was refused. */
int open_check(struct check *check);
void close_check(struct check *check);

/*
 * 0 to go on, whether they agree or not; 1 when enough mismatches have been printed; a negative
 * errno when the kernel refused.
 */
int judge_frame(struct check *check, const uint8_t *frame, size_t len);

/* 1 when ROW of port_rows is not what it should be, and then follows it; or a negative errno. */
int compare_row(struct check *check, __u32 row);

#endif
