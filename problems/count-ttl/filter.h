/* SPDX-License-Identifier: BSD-2-Clause */
/* The filter, as instructions. */
#ifndef FILTER_H
#define FILTER_H

#include "insn.h"

/* The socket that the filter is for. */
enum socket_kind {
	PACKET_SOCKET, /* AF_PACKET, SOCK_DGRAM: sees every packet from its IP header on */
	UDP_SOCKET,    /* sees its own from the UDP header on */
};

/*
 * Writes the filter to AS, with the maps that these descriptors stand for. What is wrong with it
 * hp_asm_finish() tells.
 */
void write_filter(struct hp_asm *as, enum socket_kind kind, int hosts_fd, int totals_fd);

#endif
