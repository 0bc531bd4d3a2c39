/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every problem's test-verdicts does alike: it reads the command line and the fixtures, makes
 * cut and damaged packets, has the kernel run a program on them, counts the verdicts, and ends with
 * an exit status. Which packet deserves which verdict, and what else is compared, is the problem's.
 *
 * Exit status: 0 they agree; 1 they do not, or the test can prove nothing; 2 the kernel refused.
 */
#ifndef VERDICT_TEST_H
#define VERDICT_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "packets.h"

/* A test gives up after so many. */
#define MISMATCHES_MAX 5

struct verdict_test {
	/* What the problem says about itself. */
	const char *problem;
	const char *make_fixtures; /* prints its fixtures */
	const char *packets;	   /* its word for them: "frames", say */
	const char *sides;	   /* who agree or not: "program and oracle" */
	size_t verdicts;
	const char *const *verdict_names;
	uint64_t seed; /* unless the command line has another */

	/* From begin_test(). */
	uint64_t mutations, step;
	struct packet_list fixtures;

	/* From stay_on_cpu(): its number, and how many slots a value of a per-CPU map has. */
	int cpu, cpus;

	/* The present pass: its packets, by the oracle's verdict, and where the next comes from. */
	unsigned long *seen; /* an array of the problem's */
	const char *source;
	const char *change;
	unsigned long number;

	unsigned int mismatches;
};

/* The one test of this process: its problem defines it. */
extern struct verdict_test test;

/* The programs under test and what is known about them: each problem has its own. */
struct check;

/* Reads the command line and the fixtures. If anything is wrong, says so and exits. */
void begin_test(int argc, char **argv);

/* Says how it went, unless ERR is a negative errno. Returns the exit status. */
int end_test(int err);

/* Says WHAT the kernel refused, and why. Returns ERR, a negative errno. */
int refused(const char *what, int err);

/*
 * The kernel runs a test on the CPU that asks for it, so on one CPU only its slot of the counters
 * changes. Staying there from before the first run is what makes the other slots irrelevant.
 * 0 or, after refused(), a negative errno.
 */
int stay_on_cpu(void);

/*
 * Runs a program on PACKET, once; *ACTION is what it returned. 0 when the packet came back as it
 * went in, 1 when it did not, or, after refused(), a negative errno.
 */
int run_program(int program_fd, const uint8_t *packet, size_t len, uint32_t *action);

/*
 * JUDGE gets each fixture, cut to every length that the kernel accepts, or as few of them as the
 * command line says, the last one being its own. Stops when it returns anything but 0, and returns
 * that.
 */
int run_truncations(struct check *check,
		    int (*judge)(struct check *check, const uint8_t *packet, size_t len));

/*
 * JUDGE gets fixtures, picked at random, and random numbers to damage them with, as many times as
 * the command line says. Stops when it returns anything but 0, and returns that.
 */
int run_mutations(struct check *check, int (*judge)(struct check *check, struct prng *prng,
						    const struct packet *fixture));

/* The fixtures' second column was written by hand: VERDICT, the oracle's, has to agree too. */
void check_word(const struct packet *fixture, size_t verdict);

/*
 * Ends a pass: tells what was in it, and insists on LEAST packets of each verdict, because a test
 * with fewer would say little about that verdict.
 */
void end_pass(const char *what, unsigned long least);

#endif
