// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a packet costs in programs that are already loaded, by BPF_PROG_TEST_RUN.
 *
 * Standard input has a case on each line: "LABEL PIN VERDICT PACKET", the packet in hexadecimal
 * digits. Each program must first give its VERDICT. Then all cases are timed in turn, ROUNDS times;
 * each time prints "LABEL NS", the mean of REPEAT packets.
 *
 * The clock is this thread's CPU time, read around the system call: the kernel's own figure is a
 * whole number of nanoseconds, and wall time has in it what else the machine did.
 *
 * Compare only programs of which none is attached to an interface. The kernel patches a direct call
 * of an XDP program into itself, which takes about 200 us: once where it is attached, otherwise in
 * each test run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "hex.h"

#define CASES_MAX 128

struct test_case {
	char label[96];
	char pin[256];
	unsigned int verdict;
	int prog_fd;
	unsigned char packet[PACKET_SIZE];
	int packet_bytes;
};

/* Fills in C from a line of standard input. 0, or -1 where the line is no case. */
static int read_case(struct test_case *c, const char *line)
{
	char digits[2 * PACKET_SIZE + 2];

	if (sscanf(line, "%95s %255s %u %513s", c->label, c->pin, &c->verdict, digits) != 4)
		return -1;
	c->packet_bytes = read_packet(c->packet, digits);
	return c->packet_bytes < 0 ? -1 : 0;
}

/* The number of cases, or -1. */
static int read_cases(struct test_case *cases)
{
	char line[1024];
	int n;

	for (n = 0; fgets(line, sizeof(line), stdin); n++) {
		struct test_case *c = &cases[n];

		if (n == CASES_MAX || read_case(c, line)) {
			fprintf(stderr, "test-run-cost: bad case, or one too many: %s", line);
			return -1;
		}
		c->prog_fd = bpf_obj_get(c->pin);
		if (c->prog_fd < 0) {
			fprintf(stderr, "test-run-cost: cannot open %s: %s\n", c->pin,
				strerror(errno));
			return -1;
		}
	}
	return n;
}

static int run_case(const struct test_case *c, int repeat, unsigned int *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err;

	options.data_in = c->packet;
	options.data_size_in = c->packet_bytes;
	options.repeat = repeat;
	err = bpf_prog_test_run_opts(c->prog_fd, &options);
	if (err)
		fprintf(stderr, "test-run-cost: cannot run %s: %s\n", c->pin, strerror(-err));
	*verdict = options.retval;
	return err;
}

/* A program that does something else than its label says is not to be timed. */
static int check_verdicts(const struct test_case *cases, int n)
{
	unsigned int verdict;

	for (int i = 0; i < n; i++) {
		if (run_case(&cases[i], 1, &verdict))
			return -1;
		if (verdict != cases[i].verdict) {
			fprintf(stderr, "test-run-cost: %s: verdict %u instead of %u\n",
				cases[i].pin, verdict, cases[i].verdict);
			return -1;
		}
	}
	return 0;
}

static double cpu_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* One round, from another case each time: none is always the one after an expensive one. */
static int time_cases(const struct test_case *cases, int n, int first, int repeat)
{
	for (int i = 0; i < n; i++) {
		const struct test_case *c = &cases[(first + i) % n];
		unsigned int verdict;
		double start = cpu_time_ns();

		if (run_case(c, repeat, &verdict))
			return -1;
		printf("%s %.4f\n", c->label, (cpu_time_ns() - start) / repeat);
	}
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static struct test_case cases[CASES_MAX];
	int repeat, rounds, n;

	if (argc != 3 || (repeat = atoi(argv[1])) < 1 || (rounds = atoi(argv[2])) < 1) {
		fprintf(stderr, "usage: test-run-cost REPEAT ROUNDS <CASES\n");
		return 1;
	}
	n = read_cases(cases);
	if (n < 0 || check_verdicts(cases, n))
		return 2;
	for (int round = 0; round < rounds; round++)
		if (time_cases(cases, n, round, repeat))
			return 2;
	return 0;
}
