// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole, cut and damaged frames through the program and the oracle; compare.h says what is
 * compared.
 *
 * Exit status: 0 they agree; 1 they do not, or the test can prove nothing; 2 the kernel refused.
 */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "oracle.h"

#define EXIT_DISAGREE 1
#define EXIT_REFUSED  2

struct options {
	const char *fixtures;
	uint64_t seed;
	uint64_t mutations;
};

/* Each fixture, cut to every length that the kernel accepts, the last one being its own. */
static int run_truncations(struct check *check, const struct packet_list *fixtures)
{
	size_t i;
	int err;

	check->change = "bytes left:";
	for (i = 0; i < fixtures->count; i++) {
		const struct packet *fixture = &fixtures->packets[i];

		check->source = fixture->name;
		for (check->number = PACKET_MIN; check->number <= fixture->len; check->number++) {
			err = judge_frame(check, fixture->bytes, check->number);
			if (err)
				return err;
		}
	}
	return 0;
}

/* A plain segment to each port there is, for each bit of the set and each cell of port_rows. */
static int run_ports(struct check *check)
{
	uint8_t frame[54] = { [12] = 0x08, 0x00, 0x45, [17] = 40, [22] = 64, 6, [46] = 0x50 };

	check->source = "plain IPv4";
	check->change = "port";
	for (check->number = 0; check->number < PORTS; check->number++) {
		int err;

		frame[36] = check->number >> 8;
		frame[37] = check->number;
		err = judge_frame(check, frame, sizeof(frame));
		if (err)
			return err;
	}
	return 0;
}

static int run_mutations(struct check *check, const struct packet_list *fixtures,
			 const struct options *options)
{
	struct prng prng = { .state = options->seed };
	bool terminal = isatty(STDERR_FILENO);
	uint8_t frame[PACKET_MAX];
	int err = 0;

	check->change = "mutation";
	for (check->number = 0; !err && check->number < options->mutations; check->number++) {
		const struct packet *fixture;

		if (terminal && check->number % 65536 == 0)
			fprintf(stderr, "\r%lu mutations ", check->number);
		fixture = &fixtures->packets[prng_below(&prng, fixtures->count)];
		check->source = fixture->name;
		err = judge_frame(check, frame, packet_mutate(&prng, fixture, frame));
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return err;
}

/*
 * Ends a pass: tells what was in it, looks for counts in rows where none was expected, and insists
 * on LEAST frames of each verdict, because a test with fewer would say little about that verdict.
 */
static int end_pass(struct check *check, const char *what, unsigned long least)
{
	unsigned long *frames = check->frames, all = 0;
	int i;

	for (i = 0; i < VERDICTS; i++)
		all += frames[i];
	printf("%lu %s:", all, what);
	for (i = 0; i < VERDICTS; i++)
		printf(" %lu %s", frames[i], verdict_names[i]);
	printf("\n");
	for (i = 0; i < VERDICTS; i++) {
		if (frames[i] >= least)
			continue;
		printf("TOO FEW: %s frames, fewer than %lu\n", verdict_names[i], least);
		check->mismatches++;
	}
	for (i = 0; i < PORT_ROWS; i++) {
		int err = compare_row(check, i);

		if (err < 0)
			return err;
		if (err == 0)
			continue;
		printf("MISMATCH: port_rows, row %d: counts that no blocked frame accounts for\n",
		       i);
		check->mismatches++;
	}
	memset(frames, 0, sizeof(check->frames));
	return 0;
}

/* The fixtures' second column was written by hand, for port 8080: the oracle has to agree too. */
static void check_words(struct check *check, const struct packet_list *fixtures)
{
	size_t i;

	for (i = 0; i < fixtures->count; i++) {
		const struct packet *fixture = &fixtures->packets[i];
		enum verdict verdict = oracle_judge(fixture->bytes, fixture->len, &check->blocked);

		if (strcmp(fixture->word, verdict_names[verdict]) == 0)
			continue;
		printf("MISMATCH: %s is %s to the fixture file and %s to the oracle\n",
		       fixture->name, fixture->word, verdict_names[verdict]);
		check->mismatches++;
	}
}

static void block_port(struct port_set *set, __u16 port)
{
	set->words[port / 64] |= 1ull << port % 64;
}

/*
 * Changes over to 8080 and half of the other ports as user space does it: the idle set, then
 * `active`. The old set becomes the new one's opposite, so that a verdict by it shows.
 */
static void switch_sets(struct check *check)
{
	struct port_sets *ports = &check->skel->data_ports->ports;
	struct prng prng = { .state = 0 };
	__u64 old = ports->active;
	int i;

	for (i = 0; i < PORT_WORDS; i++)
		check->blocked.words[i] = prng_next(&prng);
	block_port(&check->blocked, 8080);
	ports->sets[!old] = check->blocked;
	ports->active = !old;
	for (i = 0; i < PORT_WORDS; i++)
		ports->sets[old].words[i] = ~check->blocked.words[i];
}

static int run_all(struct check *check, const struct packet_list *fixtures,
		   const struct options *options)
{
	int err;

	block_port(&check->blocked, 8080);
	check_words(check, fixtures);
	err = run_truncations(check, fixtures);
	if (!err)
		err = end_pass(check, "truncations, 8080 blocked", 1);
	if (err)
		return err;

	switch_sets(check);
	err = run_truncations(check, fixtures);
	if (!err)
		err = end_pass(check, "truncations, half of all ports blocked", 1);
	if (!err)
		err = run_ports(check);
	if (!err)
		err = end_pass(check, "ports, half of them blocked", 0);
	if (!err)
		err = run_mutations(check, fixtures, options);
	if (!err)
		err = end_pass(check, "mutations, half of all ports blocked",
			       options->mutations / 200);
	return err;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	char *end;

	switch (key) {
	case 's':
	case 'n':
		errno = 0;
		*(key == 's' ? &options->seed : &options->mutations) = strtoull(arg, &end, 0);
		if (errno || *end || end == arg || *arg == '-')
			argp_error(state, "not a number: %s", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->fixtures)
			argp_error(state, "one file of fixtures is enough");
		options->fixtures = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no file of fixtures: tests/packets/make-fixtures prints one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{ "seed", 's', "SEED", 0, "Start of the random numbers (8080)", 0 },
	{ "mutations", 'n', "NUMBER", 0, "How many damaged frames to try (1000000)", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "FIXTURES",
	.doc = "Compares the verdicts of block-tcp-8080 with those of an independent oracle.",
};

int main(int argc, char **argv)
{
	static struct check check; /* half a megabyte: not on the stack */
	struct options options = { .seed = 8080, .mutations = 1000000 };
	struct packet_list fixtures = { 0 };
	int status = EXIT_REFUSED;

	argp_err_exit_status = EXIT_DISAGREE;
	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (packets_read(options.fixtures, &fixtures))
		return EXIT_DISAGREE;

	printf("%zu fixtures, seed %llu\n", fixtures.count, (unsigned long long)options.seed);
	if (open_check(&check) || run_all(&check, &fixtures, &options) < 0)
		goto out;
	status = check.mismatches ? EXIT_DISAGREE : 0;
	printf("program and oracle %s\n", status ? "disagree" : "agree");
out:
	close_check(&check);
	packets_free(&fixtures);
	return status;
}
