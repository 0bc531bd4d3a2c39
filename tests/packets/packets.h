/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile packets for any program that parses Ethernet frames: the fixtures that make-fixtures
 * prints, and an endless supply of damaged ones made from them. What a frame should lead to is the
 * caller's business; nothing here knows a protocol's rules.
 */
#ifndef PACKETS_H
#define PACKETS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* BPF_PROG_TEST_RUN takes no frame shorter than an Ethernet header. */
#define PACKET_MIN 14
/* Room for an IPv6 extension header of the largest size, 2048 bytes, and what goes around it. */
#define PACKET_MAX 2304

struct packet {
	char name[48]; /* unique in a list that make-fixtures wrote; not checked here */
	char word[16]; /* the second column: what the list's author says about the frame */
	size_t len;    /* PACKET_MIN to PACKET_MAX */
	uint8_t bytes[PACKET_MAX];
};

struct packet_list {
	struct packet *packets;
	size_t count;
};

/*
 * Reads a file of lines `NAME WORD HEX`. Returns 0; the caller ends with packets_free(). Otherwise
 * the reason is on standard error, *LIST is untouched, and the result is -EINVAL for a line in
 * another form or a file without any line, -ENOMEM, or the errno, negated, of opening or reading
 * PATH.
 */
int packets_read(const char *path, struct packet_list *list);

/* Releases what packets_read() gave and leaves an empty list. NULL is allowed. */
void packets_free(struct packet_list *list);

/* One line of hex digits, as in the third column. */
void packet_print_hex(FILE *out, const uint8_t *bytes, size_t len);

/*
 * Pseudo-random numbers, the same on each machine for the same seed, so that a failure can be
 * repeated: splitmix64, by Guy Steele, Doug Lea and Christine Flood, "Fast splittable pseudorandom
 * number generators", 2014. Set `state` to the seed, any value; 64 bits of it all count.
 */
struct prng {
	uint64_t state;
};

uint64_t prng_next(struct prng *prng);

/* A number from 0 to BOUND - 1. BOUND must not be 0. */
uint32_t prng_below(struct prng *prng, uint32_t bound);

/*
 * Copies FROM to FRAME with one to four random changes: flipped bits; bytes and 16-bit fields with
 * values that parsers branch on; a cut or an extension; one more VLAN tag; two regions
 * exchanged; a block of eight bytes repeated. Most changes fall into the first 80 bytes, where the
 * headers are. Returns the new length, PACKET_MIN to PACKET_MAX. A change may leave a frame as it
 * was.
 */
size_t packet_mutate(struct prng *prng, const struct packet *from, uint8_t frame[PACKET_MAX]);

#endif
