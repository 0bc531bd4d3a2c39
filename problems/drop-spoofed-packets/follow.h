/* SPDX-License-Identifier: BSD-2-Clause */
/* run: following the addresses of the guarded interfaces. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "hookpoint.h"
#include "sources.h"

struct follow_options {
	bool addresses; /* or only whether the interfaces are still there */
	/* What is to be kept of a set in force that this process may not read. */
	const struct sources *allowed;
	bool log_only;
};

/*
 * Opens a socket that hears of changes, and whose descriptor is *FD. mnl_socket_close() when done.
 * Errors of socket(2) and bind(2).
 */
int follow_open(struct mnl_socket **socket, int *fd);

/*
 * Reads what has changed, and gives those of the N interfaces that it is about their addresses of
 * now. Returns an exit status: HP_EXIT_NOTHING when the last interface has gone.
 */
int follow_changes(int fd, const struct hp_request *requests, size_t n,
		   const struct follow_options *options);

#endif
