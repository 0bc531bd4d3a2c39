// SPDX-License-Identifier: BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "hookpoint.h"
#include "verdict-test.h"

#define EXIT_DISAGREE 1
#define EXIT_REFUSED  2

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	uint64_t *number = key == 's' ? &test.seed : key == 'n' ? &test.mutations : &test.step;
	const char **path = state->input;
	char *end;

	switch (key) {
	case 's':
	case 'n':
	case 't':
		errno = 0;
		*number = strtoull(arg, &end, 0);
		if (errno || *end || end == arg || *arg == '-')
			argp_error(state, "not a number: %s", arg);
		if (test.step == 0)
			argp_error(state, "a step of 0 leads nowhere");
		return 0;
	case ARGP_KEY_ARG:
		if (*path)
			argp_error(state, "one file of fixtures is enough");
		*path = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no file of fixtures: %s prints one", test.make_fixtures);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void begin_test(int argc, char **argv)
{
	char doc[128], seed[64], mutations[64];
	const struct argp_option options[] = {
		{ "seed", 's', "SEED", 0, seed, 0 },
		{ "mutations", 'n', "NUMBER", 0, mutations, 0 },
		{ "truncations", 't', "STEP", 0, "Try one of STEP lengths only (1)", 0 },
		{ 0 },
	};
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "FIXTURES",
		.doc = doc,
	};
	const char *path = NULL;

	test.mutations = 1000000;
	test.step = 1;
	snprintf(doc, sizeof(doc),
		 "Compares the verdicts of %s with those of an independent oracle.", test.problem);
	snprintf(seed, sizeof(seed), "Start of the random numbers (%llu)",
		 (unsigned long long)test.seed);
	snprintf(mutations, sizeof(mutations), "How many damaged %s to try (%llu)", test.packets,
		 (unsigned long long)test.mutations);

	argp_err_exit_status = EXIT_DISAGREE;
	argp_parse(&argp, argc, argv, 0, NULL, &path);
	if (packets_read(path, &test.fixtures))
		exit(EXIT_DISAGREE);
	printf("%zu fixtures, seed %llu\n", test.fixtures.count, (unsigned long long)test.seed);
}

int end_test(int err)
{
	packets_free(&test.fixtures);
	if (err < 0)
		return EXIT_REFUSED;
	printf("%s %s\n", test.sides, test.mismatches ? "disagree" : "agree");
	return test.mismatches ? EXIT_DISAGREE : 0;
}

int refused(const char *what, int err)
{
	fprintf(stderr, "test-verdicts: %s: %s\n", what, strerror(-err));
	return err;
}

int stay_on_cpu(void)
{
	cpu_set_t set;

	test.cpus = libbpf_num_possible_cpus();
	if (test.cpus < 0)
		return refused("can't count the CPUs", test.cpus);
	test.cpu = sched_getcpu();
	if (test.cpu < 0)
		return refused("can't tell the current CPU", -errno);
	CPU_ZERO(&set);
	CPU_SET(test.cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return refused("can't stay on one CPU", -errno);
	return 0;
}

int run_program(int program_fd, const uint8_t *packet, size_t len, uint32_t *action)
{
	static uint8_t returned[PACKET_MAX];
	struct hp_test_run run = {
		.in = packet,
		.in_bytes = len,
		.out = returned,
		.out_bytes = sizeof(returned),
	};
	int err;

	err = hp_test_run(program_fd, &run);
	if (err)
		return refused("the kernel does not run the program", err);
	*action = run.retval;
	return run.out_bytes != len || memcmp(packet, returned, len) != 0;
}

int run_truncations(struct check *check,
		    int (*judge)(struct check *check, const uint8_t *packet, size_t len))
{
	static uint64_t turn; /* goes on over all passes, so that each tries other lengths */
	size_t i;
	int err;

	test.change = "bytes left:";
	for (i = 0; i < test.fixtures.count; i++) {
		const struct packet *fixture = &test.fixtures.packets[i];

		test.source = fixture->name;
		for (test.number = PACKET_MIN; test.number <= fixture->len; test.number++) {
			if (test.number < fixture->len && ++turn % test.step != 0)
				continue;
			err = judge(check, fixture->bytes, test.number);
			if (err)
				return err;
		}
	}
	return 0;
}

int run_mutations(struct check *check, int (*judge)(struct check *check, struct prng *prng,
						    const struct packet *fixture))
{
	struct prng prng = { .state = test.seed };
	bool terminal = isatty(STDERR_FILENO);
	int err = 0;

	test.change = "mutation";
	for (test.number = 0; !err && test.number < test.mutations; test.number++) {
		const struct packet *fixture;

		if (terminal && test.number % 65536 == 0)
			fprintf(stderr, "\r%lu mutations ", test.number);
		fixture = &test.fixtures.packets[prng_below(&prng, test.fixtures.count)];
		test.source = fixture->name;
		err = judge(check, &prng, fixture);
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return err;
}

void check_word(const struct packet *fixture, size_t verdict)
{
	if (strcmp(fixture->word, test.verdict_names[verdict]) == 0)
		return;
	printf("MISMATCH: %s is %s to the fixture file and %s to the oracle\n", fixture->name,
	       fixture->word, test.verdict_names[verdict]);
	test.mismatches++;
}

void end_pass(const char *what, unsigned long least)
{
	unsigned long *seen = test.seen, all = 0;
	size_t i;

	for (i = 0; i < test.verdicts; i++)
		all += seen[i];
	printf("%lu %s:", all, what);
	for (i = 0; i < test.verdicts; i++)
		printf(" %lu %s", seen[i], test.verdict_names[i]);
	printf("\n");
	for (i = 0; i < test.verdicts; i++) {
		if (seen[i] < least) {
			printf("TOO FEW: %s %s, fewer than %lu\n", test.verdict_names[i],
			       test.packets, least);
			test.mismatches++;
		}
		seen[i] = 0;
	}
}
