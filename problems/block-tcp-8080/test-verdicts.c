// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hands whole, cut and damaged frames to the program in the kernel, by BPF_PROG_TEST_RUN, and
 * compares what it does with what the oracle says: the return code; the verdict counters, of which
 * one must rise, by one packet and the frame's length; the row of port_hits that a blocked port is
 * in; and the frame itself, which must come back as it went in. Each frame gets all of these; only
 * the other rows of port_hits wait for the end of a pass.
 *
 * Exit status: 0 they agree; 1 they do not, or the test can prove nothing; 2 the kernel refused.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "block-tcp-8080.h"
#include "block-tcp-8080.skel.h"
#include "oracle.h"
#include "packets.h"

#define EXIT_DISAGREE  1
#define EXIT_REFUSED   2
#define PORT_ROWS      (PORTS / PORTS_PER_ROW)
#define MISMATCHES_MAX 5

static const char *const verdict_names[VERDICTS] = {
	[VERDICT_PASSED] = "passed",
	[VERDICT_BLOCKED] = "blocked",
	[VERDICT_MALFORMED] = "malformed",
};

struct options {
	const char *fixtures;
	uint64_t seed;
	uint64_t mutations;
};

/* What one frame did, or should have done. Without padding: two are compared as bytes. */
struct outcome {
	__u32 action; /* XDP_... */
	__u16 hits_wrong;
	__u16 frame_changed;
	struct verdict_count counts[VERDICTS]; /* by how much they rose */
};

struct check {
	struct block_tcp_8080 *skel;
	int program_fd, verdicts_fd, port_hits_fd;
	int cpu;

	/* One map value each, for all CPUs. */
	struct verdict_count *count_slots;
	struct port_hits *hits_slots;
	/* The frame as the program leaves it. */
	uint8_t returned[PACKET_MAX];

	/* The oracle's port set, and what the kernel's counters must hold by now. */
	struct port_set blocked;
	struct verdict_count counts[VERDICTS];
	struct port_hits hits[PORT_ROWS];

	/* The present pass: its frames, by what the oracle said, and where the next comes from. */
	unsigned long frames[VERDICTS];
	const char *source;
	const char *change;
	unsigned long number;

	unsigned int mismatches;
};

static int refused(const char *what, int err)
{
	fprintf(stderr, "test-verdicts: %s: %s\n", what, strerror(-err));
	return err;
}

/*
 * The kernel runs a test on the CPU that asks for it, so on one CPU only its slot of the counters
 * changes. Staying there from before the first run is what makes the other slots irrelevant.
 */
static int pin_to_cpu(struct check *check)
{
	cpu_set_t set;

	check->cpu = sched_getcpu();
	if (check->cpu < 0)
		return refused("can't tell the current CPU", -errno);
	CPU_ZERO(&set);
	CPU_SET(check->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return refused("can't stay on one CPU", -errno);
	return 0;
}

static int open_check(struct check *check)
{
	int err, cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return refused("can't count the CPUs", cpus);
	err = pin_to_cpu(check);
	if (err)
		return err;
	check->count_slots = calloc(cpus, sizeof(*check->count_slots));
	check->hits_slots = calloc(cpus, sizeof(*check->hits_slots));
	if (!check->count_slots || !check->hits_slots)
		return refused("no memory for the counters", -ENOMEM);
	check->skel = block_tcp_8080__open_and_load();
	if (!check->skel)
		return refused("can't load the program", -errno);
	check->program_fd = bpf_program__fd(check->skel->progs.block_ports);
	check->verdicts_fd = bpf_map__fd(check->skel->maps.verdicts);
	check->port_hits_fd = bpf_map__fd(check->skel->maps.port_hits);
	return 0;
}

static void close_check(struct check *check)
{
	block_tcp_8080__destroy(check->skel);
	free(check->hits_slots);
	free(check->count_slots);
}

static int run_program(struct check *check, const uint8_t *frame, size_t len, struct outcome *got)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int err;

	run.data_in = frame;
	run.data_size_in = len;
	run.data_out = check->returned;
	run.data_size_out = sizeof(check->returned);
	err = bpf_prog_test_run_opts(check->program_fd, &run);
	if (err)
		return refused("the kernel does not run the program", err);
	got->action = run.retval;
	got->frame_changed = run.data_size_out != len || memcmp(frame, check->returned, len) != 0;
	return 0;
}

/* Also follows the kernel's counters, right or wrong, so that a mismatch is reported once. */
static int read_counts(struct check *check, struct outcome *got)
{
	const struct verdict_count *now = &check->count_slots[check->cpu];
	__u32 verdict;

	for (verdict = 0; verdict < VERDICTS; verdict++) {
		struct verdict_count *before = &check->counts[verdict];
		int err = bpf_map_lookup_elem(check->verdicts_fd, &verdict, check->count_slots);

		if (err)
			return refused("can't read verdicts", err);
		got->counts[verdict].packets = now->packets - before->packets;
		got->counts[verdict].bytes = now->bytes - before->bytes;
		*before = *now;
	}
	return 0;
}

/* 1 when ROW of port_hits is not what it should be, and then follows it, or a negative errno. */
static int compare_hits(struct check *check, __u32 row)
{
	const struct port_hits *now = &check->hits_slots[check->cpu];
	int err = bpf_map_lookup_elem(check->port_hits_fd, &row, check->hits_slots);

	if (err)
		return refused("can't read port_hits", err);
	if (memcmp(now, &check->hits[row], sizeof(*now)) == 0)
		return 0;
	check->hits[row] = *now;
	return 1;
}

static void print_outcome(const char *title, const struct outcome *outcome)
{
	const char *action = outcome->action == XDP_PASS   ? "XDP_PASS"
			     : outcome->action == XDP_DROP ? "XDP_DROP"
							   : "neither pass nor drop";
	int verdict;

	printf("  %-9s action %u (%s)", title, outcome->action, action);
	for (verdict = 0; verdict < VERDICTS; verdict++)
		printf(", %s +%llu/%llu", verdict_names[verdict],
		       (unsigned long long)outcome->counts[verdict].packets,
		       (unsigned long long)outcome->counts[verdict].bytes);
	printf("%s%s\n", outcome->hits_wrong ? ", wrong port_hits" : "",
	       outcome->frame_changed ? ", frame changed" : "");
}

/*
 * One frame through both. 0 to go on, whether they agree or not; 1 when enough mismatches have been
 * printed; a negative errno when the kernel refused.
 */
static int judge_frame(struct check *check, const uint8_t *frame, size_t len)
{
	enum verdict verdict = oracle_judge(frame, len, &check->blocked);
	struct outcome expected = { 0 }, got = { 0 };
	int err;

	expected.action = verdict == VERDICT_BLOCKED ? XDP_DROP : XDP_PASS;
	expected.counts[verdict].packets = 1;
	expected.counts[verdict].bytes = len;
	check->frames[verdict]++;

	err = run_program(check, frame, len, &got);
	if (!err)
		err = read_counts(check, &got);
	if (err)
		return err;
	if (verdict == VERDICT_BLOCKED) {
		int port = oracle_port(frame, len);

		check->hits[port / PORTS_PER_ROW].hits[port % PORTS_PER_ROW]++;
		err = compare_hits(check, port / PORTS_PER_ROW);
		if (err < 0)
			return err;
		got.hits_wrong = err;
	}
	if (memcmp(&expected, &got, sizeof(got)) == 0)
		return 0;

	printf("MISMATCH: %s, %s %lu\n", check->source, check->change, check->number);
	print_outcome("expected", &expected);
	print_outcome("got", &got);
	printf("  frame     ");
	packet_print_hex(stdout, frame, len);
	return ++check->mismatches >= MISMATCHES_MAX;
}

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

/* A plain segment to each port there is, for each bit of the set and each cell of port_hits. */
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
 * Ends a pass: tells what was in it, looks for hits in rows where none was expected, and insists on
 * LEAST frames of each verdict, because a test with fewer would say little about that verdict.
 */
static int end_pass(struct check *check, const char *what, unsigned long least)
{
	unsigned long *frames = check->frames;
	int i;

	printf("%lu %s:", frames[0] + frames[1] + frames[2], what);
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
		int err = compare_hits(check, i);

		if (err < 0)
			return err;
		if (err == 0)
			continue;
		printf("MISMATCH: port_hits, row %d: hits that no blocked frame accounts for\n", i);
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
			       options->mutations / 100);
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
