/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the program in the kernel and its loader share. */
#ifndef NEW_PROBLEM_H
#define NEW_PROBLEM_H

/* What a frame carries; an index into the map `frames`. */
enum frame_kind {
	FRAME_IPV4,
	FRAME_IPV6,
	FRAME_OTHER, /* ARP, for instance, and what is cut short */
	FRAME_KINDS
};

#endif
