/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What block-tcp-8080 has to say about a frame, worked out a second time: from the RFCs, in plain
 * C, sharing nothing with block-tcp-8080.bpf.c but the types. test-verdicts compares the two.
 */
#ifndef BLOCK_TCP_8080_ORACLE_H
#define BLOCK_TCP_8080_ORACLE_H

#include <stddef.h>

#include "block-tcp-8080.h"

/*
 * The verdict on FRAME, an Ethernet frame of LEN bytes without its checksum, when the ports in
 * BLOCKED are blocked. Any LEN is allowed and no byte behind it is read.
 */
enum verdict oracle_judge(const __u8 *frame, size_t len, const struct port_set *blocked);

/*
 * The TCP destination port that FRAME carries, in host byte order, or -1 where oracle_judge() would
 * not look for a port in the set: the frame is malformed or holds no start of a TCP segment.
 */
int oracle_port(const __u8 *frame, size_t len);

#endif
