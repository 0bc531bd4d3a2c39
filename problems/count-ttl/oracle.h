/* SPDX-License-Identifier: BSD-2-Clause */
/* What a packet should be counted as, worked out without a look at the filter. */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sighting {
	uint8_t address[16]; /* IPv4: the first four bytes, then zeros */
	uint8_t version;
	uint8_t ttl;
	uint8_t hops;
};

/* What a frame of LEN bytes, at least 14, tells. False, and nothing in *SEEN: not a whole header.
 */
bool oracle_see(const uint8_t *frame, size_t len, struct sighting *seen);

#endif
