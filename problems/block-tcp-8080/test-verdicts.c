// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole, cut and damaged frames through the program and the oracle; compare.h says what is
 * compared, verdict-test.h how the test ends.
 */
#include "compare.h"
#include "oracle.h"

static const char *const verdict_names[VERDICTS] = {
	[VERDICT_PASSED] = "passed",
	[VERDICT_MALFORMED] = "malformed",
	[VERDICT_HIDDEN] = "hidden",
	[VERDICT_BLOCKED] = "blocked",
};

struct verdict_test test = {
	.problem = "block-tcp-8080",
	.make_fixtures = "tests/packets/make-fixtures",
	.packets = "frames",
	.sides = "program and oracle",
	.verdicts = VERDICTS,
	.verdict_names = verdict_names,
	.seed = 8080,
	.seen = (unsigned long[VERDICTS]){ 0 },
};

/* A plain segment to each port there is, for each bit of the set and each cell of port_rows. */
static int run_ports(struct check *check)
{
	uint8_t frame[54] = { [12] = 0x08, 0x00, 0x45, [17] = 40, [22] = 64, 6, [46] = 0x50 };

	test.source = "plain IPv4";
	test.change = "port";
	for (test.number = 0; test.number < PORTS; test.number++) {
		int err;

		frame[36] = test.number >> 8;
		frame[37] = test.number;
		err = judge_frame(check, frame, sizeof(frame));
		if (err)
			return err;
	}
	return 0;
}

static int judge_mutation(struct check *check, struct prng *prng, const struct packet *fixture)
{
	uint8_t frame[PACKET_MAX];

	return judge_frame(check, frame, packet_mutate(prng, fixture, frame));
}

/* Ends a pass, and looks for counts in rows where none was expected. */
static int end_pass_and_rows(struct check *check, const char *what, unsigned long least)
{
	int i;

	end_pass(what, least);
	for (i = 0; i < PORT_ROWS; i++) {
		int err = compare_row(check, i);

		if (err < 0)
			return err;
		if (err == 0)
			continue;
		printf("MISMATCH: port_rows, row %d: counts that no blocked frame accounts for\n",
		       i);
		test.mismatches++;
	}
	return 0;
}

/* The fixtures' words are about port 8080. */
static void check_words(struct check *check)
{
	size_t i;

	for (i = 0; i < test.fixtures.count; i++) {
		const struct packet *fixture = &test.fixtures.packets[i];

		check_word(fixture, oracle_judge(fixture->bytes, fixture->len, &check->blocked));
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

static int run_all(struct check *check)
{
	int err;

	block_port(&check->blocked, 8080);
	check_words(check);
	err = run_truncations(check, judge_frame);
	if (!err)
		err = end_pass_and_rows(check, "truncations, 8080 blocked", 1);
	if (err)
		return err;

	switch_sets(check);
	err = run_truncations(check, judge_frame);
	if (!err)
		err = end_pass_and_rows(check, "truncations, half of all ports blocked", 1);
	if (!err)
		err = run_ports(check);
	if (!err)
		err = end_pass_and_rows(check, "ports, half of them blocked", 0);
	if (!err)
		err = run_mutations(check, judge_mutation);
	if (!err)
		err = end_pass_and_rows(check, "mutations, half of all ports blocked",
					test.mutations / 200);
	return err;
}

int main(int argc, char **argv)
{
	static struct check check; /* half a megabyte: not on the stack */
	int err;

	begin_test(argc, argv);
	err = open_check(&check);
	if (!err)
		err = run_all(&check);
	close_check(&check);
	return end_test(err);
}
