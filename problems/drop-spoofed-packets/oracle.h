/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drop-spoofed-packets has to say about a packet, worked out a second time: from the RFCs, in
 * plain C, sharing nothing with drop-spoofed-packets.bpf.c but the types. test-verdicts compares
 * the two.
 */
#ifndef DROP_SPOOFED_PACKETS_ORACLE_H
#define DROP_SPOOFED_PACKETS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

#include "drop-spoofed-packets.h"

/* An interface's set, as a list without facts. No set at all is an empty one. */
struct source_list {
	const struct source *sources;
	size_t count;
	bool log_only;
};

/*
 * The verdict on PACKET, LEN bytes, on an interface that may send from ALLOWED. The packet begins
 * with its Ethernet header if ETHERNET, otherwise with its IP header. Any LEN is allowed and no
 * byte behind it is read. *REPORT is what is to be reported of a forged packet, but for its time
 * and interface, which are 0; of any other packet it is all 0.
 */
enum verdict oracle_judge(const struct source_list *allowed, bool ethernet, const __u8 *packet,
			  size_t len, struct report *report);

#endif
