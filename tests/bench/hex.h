/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets on the command line and in case files: two hexadecimal digits a byte. */
#ifndef BENCH_HEX_H
#define BENCH_HEX_H

#include <stdio.h>
#include <string.h>

#define PACKET_SIZE 256

/* Fills PACKET, which has room for PACKET_SIZE bytes. Returns how many, or -1: not a packet. */
static inline int read_packet(unsigned char *packet, const char *digits)
{
	int i, len = strlen(digits);

	if (len % 2 || len / 2 > PACKET_SIZE)
		return -1;
	for (i = 0; i < len / 2; i++)
		if (sscanf(digits + 2 * i, "%2hhx", &packet[i]) != 1)
			return -1;
	return len / 2;
}

#endif
