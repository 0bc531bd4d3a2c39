/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One side of a connection of the relay: what arrives at its socket goes to the other side, message
 * by message. That is done by the kernel (framing.bpf.h), or by the functions here.
 *
 * They return 0 or a negative errno. -EAGAIN: not yet.
 */
#ifndef RELAY_SIDE_H
#define RELAY_SIDE_H

#include <stdbool.h>
#include <linux/types.h>

#include "localhost-bypass.h"

#define LENGTH_BYTES sizeof(__be32)

struct side {
	int fd;
	struct side *other;
	__u64 cookie;
	bool ours;  /* the connection was made by us, not accepted */
	bool ended; /* nothing more is read here: end of file, or ERROR */
	bool told;  /* the other side knows */
	int error;
	__u64 copied; /* bytes of messages that have gone from here to the other side through us */
	__u64 moved;  /* ... and through the kernel, as it was found at MOVED_MS */
	__u64 moved_ms;
	__u32 have, sent; /* of this message */
	unsigned char message[LENGTH_BYTES + MESSAGE_LIMIT_BYTES];
};

/* Opens the maps that are pinned in DIR. Once, before all else. */
int open_maps(const char *dir);

/* Reads one message from the side, and not a byte more; 0: it is whole. Sends it to the other. */
int read_message(struct side *from);
int send_message(struct side *from);

/* Leaves it to the kernel, as far as it can be, to forward what comes now, or has come. */
void let_kernel_forward(struct side *a, struct side *b);

/* Copies what the kernel leaves to us, and notes what has become of the side. */
int advance_side(struct side *side);

/*
 * If the side has ended, tells the other, once all messages are there. -EAGAIN: they aren't yet,
 * and no event will say so. 0: the other knows, or it hasn't.
 */
int tell_end(struct side *from);

/* Whether close() is a reset, which nobody takes for an end of file. */
void reset_at_close(const struct side *side, bool on);

#endif
