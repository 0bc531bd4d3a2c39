// SPDX-License-Identifier: BSD-2-Clause
/* The plan and the bytes of stress. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stress.h"

#define PIECE_LOG 18 /* the longest: 256 KiB */

struct plan plans[MOST_CONNECTIONS];
const uint8_t *table;
int table_fd;

/* SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t below(uint64_t *random, uint64_t limit)
{
	return next_random(random) % limit;
}

uint64_t random_for(int number, enum side side, int use)
{
	uint64_t state = options.seed;

	state = next_random(&state) ^ (uint64_t)number << 8 ^ (uint64_t)side << 4 ^ (uint64_t)use;
	next_random(&state);
	return state;
}

static size_t plan_bytes(uint64_t *random)
{
	uint64_t mean = options.bytes / (2 * (uint64_t)options.connections);

	switch (below(random, 16)) {
	case 0:
		return 0;
	case 1:
		return 1;
	default:
		return below(random, 2 * mean + 1);
	}
}

static void plan_direction(struct plan *plan, enum side to, uint64_t *random)
{
	plan->to[to].start = below(random, TABLE_BYTES);
	plan->to[to].bytes = plan_bytes(random);
	plan->to[to].writing = below(random, MANNERS_OF_WRITING);
	plan->to[to].reading = below(random, MANNERS_OF_READING);
	plan->to[to].slow_reader = !below(random, 16);
	plan->to[to].stop = SIZE_MAX;
	if (to != plan->first)
		return;
	if (plan->ending == RESET_AT_END)
		plan->to[to].stop = plan->to[to].bytes;
	if (plan->ending == RESET_AMID)
		plan->to[to].stop = below(random, plan->to[to].bytes + 1);
}

void make_plans(void)
{
	int number;

	for (number = 0; number < options.connections; number++) {
		uint64_t random = random_for(number, CLIENT, 0);
		struct plan *plan = &plans[number];

		plan->family = below(&random, FAMILIES);
		plan->ending = below(&random, ENDINGS);
		plan->first = below(&random, SIDES);
		plan->small_buffer = !below(&random, 8);
		plan_direction(plan, CLIENT, &random);
		plan_direction(plan, SERVER, &random);
	}
}

void make_table(void)
{
	uint64_t random = random_for(0, CLIENT, 1);
	uint64_t *words;
	size_t i, n = TABLE_BYTES / sizeof(*words);

	table_fd = memfd_create("table", 0);
	if (table_fd < 0 || ftruncate(table_fd, 2 * TABLE_BYTES))
		die("memfd");
	words = mmap(NULL, 2 * TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
	if (words == MAP_FAILED)
		die("mmap");
	for (i = 0; i < n; i++)
		words[i] = words[n + i] = next_random(&random);
	table = (const uint8_t *)words;
}

size_t piece_size(uint64_t *random)
{
	size_t power = (size_t)1 << below(random, PIECE_LOG);

	return power + below(random, power + 1);
}

void explain(char *text, size_t size, int number, enum side to, const uint8_t *bytes, size_t n)
{
	const uint8_t *found = memmem(table, 2 * TABLE_BYTES, bytes, n);
	size_t position;
	int i;

	snprintf(text, size, n < 8 ? "too few to say whose" : "bytes that nobody has sent");
	if (n < 8 || !found)
		return;
	for (i = -1; i < SIDES * options.connections; i++) { /* -1: most likely, the same one */
		int whose = i < 0 ? number : i / SIDES;
		enum side side = i < 0 ? to : (enum side)(i % SIDES);

		position = (TABLE_BYTES + (size_t)(found - table) - plans[whose].to[side].start) %
			   TABLE_BYTES;
		if (position >= plans[whose].to[side].bytes)
			continue;
		snprintf(text, size, "those of connection %d, to %s, from byte %zu", whose,
			 side_names[side], position);
		return;
	}
}
