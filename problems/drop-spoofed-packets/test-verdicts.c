// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole, cut and damaged packets through the programs and the oracle; compare.h says what is
 * compared, verdict-test.h how the test ends.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "octets.h"

static const char *const verdict_names[VERDICTS] = {
	[VERDICT_ALLOWED] = "allowed",
	[VERDICT_FORGED_IPV4] = "forged-ipv4",
	[VERDICT_FORGED_IPV6] = "forged-ipv6",
	[VERDICT_FORGED_ARP] = "forged-arp",
	[VERDICT_FORGED_ADVERTISEMENT] = "forged-advert",
	[VERDICT_MALFORMED] = "malformed",
	[VERDICT_NOT_JUDGED] = "not-judged",
};

struct verdict_test test = {
	.problem = "drop-spoofed-packets",
	.make_fixtures = "make-fixtures",
	.packets = "packets",
	.sides = "programs and oracle",
	.verdicts = VERDICTS,
	.verdict_names = verdict_names,
	.seed = 2827,
	.seen = (unsigned long[VERDICTS]){ 0 },
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

/*
 * May the kernel be asked to run a tc program on PACKET? Not if an EtherType, or what is in its
 * place, announces an IP header that isn't all there: some kernels, 6.18.44 for one, return
 * -EINVAL.
 */
static bool can_run(const uint8_t *packet, size_t len)
{
	unsigned int ethertype = be16(packet + 12);

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
	struct cursor packet = { .at = frame, .left = len };

	/* Of a link header that is cut it leaves less than the kernel accepts. */
	if (way == WAY_STRIPPED)
		take_ethernet(&packet);
	if (way == WAY_ETHERNET || packet.left < PACKET_MIN || !can_run(packet.at, packet.left))
		return judge_frame(check, frame, len);
	return judge_packet(check, HOOK_IP, packet.at, packet.left);
}

static int judge_every_way(struct check *check, const uint8_t *frame, size_t len)
{
	enum way way;
	int err = 0;

	for (way = 0; !err && way < WAYS; way++)
		err = judge(check, way, frame, len);
	return err;
}

/*
 * Puts an address that is allowed in a place that is looked at, or one that differs in one bit:
 * chance alone never hits one.
 */
static void plant_address(struct prng *prng, const struct source_list *allowed, uint8_t *frame,
			  size_t len)
{
	struct cursor packet = { .at = frame, .left = len };
	bool arp = take_ethernet(&packet) == 0x0806;
	size_t at = len - packet.left;
	unsigned int bit, size;
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
		at += arp ? 14 : 12;
	else
		at += prng_below(prng, 2) ? 8 : 48; /* the source, or what an advertisement has */
	if (at + size <= len)
		memcpy(frame + at, source.address.bytes, size);
}

/* Each configuration has its share of all mutations, at a time, as changing over is slow. */
static int judge_mutation(struct check *check, struct prng *prng, const struct packet *fixture)
{
	size_t share = (double)test.number / test.mutations * CONFIGURATIONS;
	uint8_t frame[PACKET_MAX];
	size_t len = packet_mutate(prng, fixture, frame);
	unsigned int dice = prng_below(prng, 16);
	enum way way = dice < 8 ? WAY_ETHERNET : dice < 15 ? WAY_STRIPPED : WAY_IP;

	if (check->configuration != &configurations[share]) {
		int err = configure(check, &configurations[share]);

		if (err)
			return err;
	}
	if (prng_below(prng, 2))
		plant_address(prng, &check->configuration->allowed, frame, len);
	return judge(check, way, frame, len);
}

/* Returns the first fixture that is forged, or NULL. */
static const struct packet *check_words(void)
{
	const struct packet *forged = NULL;
	struct report report;
	size_t i;

	for (i = 0; i < test.fixtures.count; i++) {
		const struct packet *fixture = &test.fixtures.packets[i];

		check_word(fixture, oracle_judge(&configurations[0].allowed, true, fixture->bytes,
						 fixture->len, &report));
		if (report.verdict && !forged)
			forged = fixture;
	}
	return forged;
}

static int run_all(struct check *check)
{
	const struct packet *forged = check_words();
	size_t i;
	int err = 0;

	for (i = 0; !err && i < CONFIGURATIONS; i++) {
		err = configure(check, &configurations[i]);
		if (!err && i == 0 && forged)
			err = check_limits(check, forged);
		if (!err)
			err = run_truncations(check, judge_every_way);
		if (!err)
			end_pass(configurations[i].name, i == 0 ? 1 : 0);
	}
	if (!err)
		err = run_mutations(check, judge_mutation);
	if (!err)
		end_pass("mutations", test.mutations / 200);
	return err;
}

int main(int argc, char **argv)
{
	static struct check check;
	int err;

	begin_test(argc, argv);
	make_configurations();
	err = open_check(&check);
	if (!err)
		err = run_all(&check);
	close_check(&check);
	return end_test(err);
}
