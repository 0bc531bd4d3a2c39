// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole, cut and damaged packets through the programs and the oracle; compare.h says what is
 * compared.
 *
 * Exit status: 0 they agree; 1 they do not, or the test can prove nothing; 2 the kernel refused.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"

#define EXIT_DISAGREE 1
#define EXIT_REFUSED  2

struct options {
	const char *fixtures;
	uint64_t seed;
	uint64_t mutations;
};

/* As in make-fixtures. */
#define ADDRESSES "192.0.2.1 192.0.2.77 10.20.30.40 2001:db8::1 fe80::1 2001:db8:77::77"

/* They end between bytes, within, and next to where a half or the whole address ends. */
#define PREFIXES                                                                                \
	"10.0.0.0/8 203.0.113.0/24 100.64.2.6/31 fc00::/7 2001:db8:48::/48 2001:db8:63:2::/63 " \
	"2001:db8:64:1::/64 2001:db8:65:1:8000::/65 2001:db8:104::1:ff00:0/104 "                \
	"2001:db8:127::2/127"

static const struct {
	const char *name;
	const char *sources; /* NULL: no set */
	bool log_only, ladders;
} recipes[] = {
	/* First the one that the fixtures' second column is about. */
	{ "addresses", ADDRESSES },
	{ "addresses, log only", ADDRESSES, .log_only = true },
	{ "no set", NULL },
	{ "an empty set", "" },
	{ "prefixes", ADDRESSES " " PREFIXES },
	{ "half of all addresses", ADDRESSES " 128.0.0.0/1 8000::/1" },
	{ "every IPv4 address", ADDRESSES " 0.0.0.0/0" },
	{ "every IPv6 address", ADDRESSES " ::/0" },
	{ "prefixes of all lengths", ADDRESSES, .ladders = true },
};

#define CONFIGURATIONS (sizeof(recipes) / sizeof(recipes[0]))

static struct source source_lists[CONFIGURATIONS][SOURCES_MAX];
static struct configuration configurations[CONFIGURATIONS];

/* Reads ADDRESS or ADDRESS/BITS, which is one of the above and so can be relied on. */
static struct source parse_source(const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	struct source source = { .family = family == AF_INET ? 4 : 6,
				 .bits = family == AF_INET ? 32 : 128 };
	const char *slash = strchrnul(text, '/');
	char address[INET6_ADDRSTRLEN] = "";

	memcpy(address, text, slash - text);
	inet_pton(family, address, &source.address);
	if (*slash)
		source.bits = atoi(slash + 1);
	return source;
}

static void flip_bit(struct source *source, unsigned int bit)
{
	source->address.bytes[bit / 8] ^= 0x80 >> bit % 8;
}

/*
 * All prefixes from 8 bits on that leave out ADDRESS by their last bit only. No two overlap, so a
 * length that is not looked at shows.
 */
static void add_ladder(struct source_list *list, struct source *to, const char *address)
{
	struct source whole = parse_source(address);
	unsigned int bits, bit;

	for (bits = 8; bits < whole.bits; bits++) {
		struct source *source = &to[list->count++];

		*source = whole;
		source->bits = bits;
		flip_bit(source, bits - 1);
		for (bit = bits; bit < whole.bits; bit++)
			source->address.bytes[bit / 8] &= ~(0x80 >> bit % 8);
	}
}

static void make_configurations(void)
{
	size_t i;

	for (i = 0; i < CONFIGURATIONS; i++) {
		struct configuration *configuration = &configurations[i];
		struct source_list *allowed = &configuration->allowed;
		char text[sizeof(ADDRESSES " " PREFIXES)] = "", *rest = text, *word;

		configuration->name = recipes[i].name;
		if (!recipes[i].sources)
			continue;
		allowed->sources = source_lists[i];
		allowed->log_only = recipes[i].log_only;
		strcpy(text, recipes[i].sources);
		while ((word = strtok_r(rest, " ", &rest)))
			source_lists[i][allowed->count++] = parse_source(word);
		if (recipes[i].ladders) {
			add_ladder(allowed, source_lists[i], "192.0.2.1");
			add_ladder(allowed, source_lists[i], "2001:db8::1");
		}
	}
}

/* Where FRAME's network header is, and which (0: none). */
static size_t network_header(const uint8_t *frame, size_t len, unsigned int *ethertype)
{
	size_t offset;

	for (offset = 14; offset <= len; offset += 4) {
		*ethertype = frame[offset - 2] << 8 | frame[offset - 1];
		if (*ethertype != 0x8100 && *ethertype != 0x88a8)
			return offset;
	}
	*ethertype = 0;
	return len;
}

/*
 * May the kernel be asked to run a tc program on PACKET? Not if an EtherType, or what is in its
 * place, announces an IP header that isn't all there: some kernels, 6.18.44 for one, return
 * -EINVAL.
 */
static bool can_run(const uint8_t *packet, size_t len)
{
	unsigned int ethertype = packet[12] << 8 | packet[13];

	return len >= (ethertype == 0x0800 ? 34 : ethertype == 0x86dd ? 54 : PACKET_MIN);
}

/* A cut IP header is put behind a VLAN tag, where the kernel doesn't miss the rest. */
static int judge_frame(struct check *check, const uint8_t *frame, size_t len)
{
	uint8_t tagged[PACKET_MAX];

	if (can_run(frame, len))
		return judge_packet(check, HOOK_ETHERNET, frame, len);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\0\0\x7", 4);
	memcpy(tagged + 16, frame + 12, len - 12);
	return judge_packet(check, HOOK_ETHERNET, tagged, len + 4);
}

/* How a frame gets to a program. */
enum way {
	WAY_ETHERNET,
	WAY_IP,	      /* its Ethernet header taken for an IP header */
	WAY_STRIPPED, /* without its link header */
	WAYS
};

/* Where FRAME can't go the WAY it is judged as a frame. */
static int judge(struct check *check, enum way way, const uint8_t *frame, size_t len)
{
	unsigned int ethertype;
	size_t link = way == WAY_STRIPPED ? network_header(frame, len, &ethertype) : 0;

	if (way == WAY_ETHERNET || len < link + PACKET_MIN || !can_run(frame + link, len - link))
		return judge_frame(check, frame, len);
	return judge_packet(check, HOOK_IP, frame + link, len - link);
}

/* Each fixture, cut to every length that the kernel accepts, the last one being its own. */
static int run_truncations(struct check *check, const struct packet_list *fixtures)
{
	enum way way;
	size_t i;
	int err = 0;

	check->change = "bytes left:";
	for (i = 0; i < fixtures->count; i++) {
		const struct packet *fixture = &fixtures->packets[i];

		check->source = fixture->name;
		for (check->number = PACKET_MIN; check->number <= fixture->len; check->number++)
			for (way = 0; !err && way < WAYS; way++)
				err = judge(check, way, fixture->bytes, check->number);
	}
	return err;
}

/*
 * Puts an address that is allowed in a place that is looked at, or one that differs in one bit:
 * chance alone never hits one.
 */
static void plant_address(struct prng *prng, const struct source_list *allowed, uint8_t *frame,
			  size_t len)
{
	unsigned int ethertype, bit, size;
	size_t at = network_header(frame, len, &ethertype);
	struct source source;

	if (allowed->count == 0)
		return;
	source = allowed->sources[prng_below(prng, allowed->count)];
	size = source.family == 4 ? 4 : 16;
	for (bit = source.bits; bit < size * 8; bit++)
		if (prng_below(prng, 2))
			flip_bit(&source, bit);
	/* Every other time near the end of the prefix: the last bit in it, or the first behind. */
	bit = prng_below(prng, size * 8);
	if (prng_below(prng, 2) && source.bits > 0)
		bit = source.bits - 1 + prng_below(prng, 2);
	if (prng_below(prng, 2) && bit < size * 8)
		flip_bit(&source, bit);

	if (source.family == 4)
		at += ethertype == 0x0806 ? 14 : 12;
	else
		at += prng_below(prng, 2) ? 8 : 48; /* the source, or what an advertisement has */
	if (at + size <= len)
		memcpy(frame + at, source.address.bytes, size);
}

static int judge_mutation(struct check *check, struct prng *prng, const struct packet *fixture)
{
	uint8_t frame[PACKET_MAX];
	size_t len = packet_mutate(prng, fixture, frame);
	unsigned int dice = prng_below(prng, 16);
	enum way way = dice < 8 ? WAY_ETHERNET : dice < 15 ? WAY_STRIPPED : WAY_IP;

	if (prng_below(prng, 2))
		plant_address(prng, &check->configuration->allowed, frame, len);
	return judge(check, way, frame, len);
}

/* A share of all for each configuration, at a time, as changing over is slow. */
static int run_mutations(struct check *check, const struct packet_list *fixtures,
			 const struct options *options)
{
	struct prng prng = { .state = options->seed };
	bool terminal = isatty(STDERR_FILENO);
	int err = 0;

	check->change = "mutation";
	for (check->number = 0; !err && check->number < options->mutations; check->number++) {
		size_t share = (double)check->number / options->mutations * CONFIGURATIONS;
		const struct packet *fixture;

		if (check->configuration != &configurations[share])
			err = configure(check, &configurations[share]);
		if (terminal && check->number % 65536 == 0)
			fprintf(stderr, "\r%lu mutations ", check->number);
		fixture = &fixtures->packets[prng_below(&prng, fixtures->count)];
		check->source = fixture->name;
		if (!err)
			err = judge_mutation(check, &prng, fixture);
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return err;
}

/*
 * Ends a pass: tells what was in it, and insists on LEAST packets of each verdict, because a test
 * with fewer would say little about that verdict.
 */
static void end_pass(struct check *check, const char *what, unsigned long least)
{
	unsigned long *packets = check->packets, all = 0;
	int i;

	for (i = 0; i < VERDICTS; i++)
		all += packets[i];
	printf("%lu %s:", all, what);
	for (i = 0; i < VERDICTS; i++)
		printf(" %lu %s", packets[i], verdict_names[i]);
	printf("\n");
	for (i = 0; i < VERDICTS; i++) {
		if (packets[i] >= least)
			continue;
		printf("TOO FEW: %s packets, fewer than %lu\n", verdict_names[i], least);
		check->mismatches++;
	}
	memset(packets, 0, sizeof(check->packets));
}

/*
 * The fixtures' second column was written by hand: the oracle has to agree too. Returns the first
 * that is forged, or NULL.
 */
static const struct packet *check_words(struct check *check, const struct packet_list *fixtures)
{
	const struct packet *forged = NULL;
	struct report report;
	size_t i;

	for (i = 0; i < fixtures->count; i++) {
		const struct packet *fixture = &fixtures->packets[i];
		enum verdict verdict = oracle_judge(&configurations[0].allowed, true,
						    fixture->bytes, fixture->len, &report);

		if (report.verdict && !forged)
			forged = fixture;
		if (strcmp(fixture->word, verdict_names[verdict]) == 0)
			continue;
		printf("MISMATCH: %s is %s to the fixture file and %s to the oracle\n",
		       fixture->name, fixture->word, verdict_names[verdict]);
		check->mismatches++;
	}
	return forged;
}

static int run_all(struct check *check, const struct packet_list *fixtures,
		   const struct options *options)
{
	const struct packet *forged = check_words(check, fixtures);
	size_t i;
	int err = 0;

	for (i = 0; !err && i < CONFIGURATIONS; i++) {
		err = configure(check, &configurations[i]);
		if (!err && i == 0 && forged)
			err = check_limits(check, forged);
		if (!err)
			err = run_truncations(check, fixtures);
		if (!err)
			end_pass(check, configurations[i].name, i == 0 ? 1 : 0);
	}
	if (!err)
		err = run_mutations(check, fixtures, options);
	if (!err)
		end_pass(check, "mutations", options->mutations / 200);
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
		argp_error(state, "no file of fixtures: make-fixtures prints one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{ "seed", 's', "SEED", 0, "Start of the random numbers (2827)", 0 },
	{ "mutations", 'n', "NUMBER", 0, "How many damaged packets to try (1000000)", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "FIXTURES",
	.doc = "Compares the verdicts of drop-spoofed-packets with those of an independent oracle.",
};

int main(int argc, char **argv)
{
	static struct check check;
	struct options options = { .seed = 2827, .mutations = 1000000 };
	struct packet_list fixtures = { 0 };
	int status = EXIT_REFUSED;

	argp_err_exit_status = EXIT_DISAGREE;
	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (packets_read(options.fixtures, &fixtures))
		return EXIT_DISAGREE;

	printf("%zu fixtures, seed %llu\n", fixtures.count, (unsigned long long)options.seed);
	make_configurations();
	if (open_check(&check) || run_all(&check, &fixtures, &options) < 0)
		goto out;
	status = check.mismatches ? EXIT_DISAGREE : 0;
	printf("programs and oracle %s\n", status ? "disagree" : "agree");
out:
	close_check(&check);
	packets_free(&fixtures);
	return status;
}
