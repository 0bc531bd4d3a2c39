/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RANDOM_H
#define RANDOM_H

#include <linux/types.h>

#define PICK(ARRAY) ((ARRAY)[below(sizeof(ARRAY) / sizeof(*(ARRAY)))])

/* Of which the program makes the seed; never 0. */
static __u64 state;

/* xorshift64*: the same numbers everywhere. */
static inline __u64 next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

/* 0 to N - 1. */
static inline unsigned int below(unsigned int n)
{
	return (next() >> 32) % n;
}

#endif
