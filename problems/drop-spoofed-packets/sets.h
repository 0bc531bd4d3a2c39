/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's maps, and an interface's rows in them. Errors are negative errnos of bpf(2). */
#ifndef SETS_H
#define SETS_H

#include "sources.h"

/* Descriptors of the maps that the program reads: maps_close(). */
struct maps {
	int source_sets;
	int verdict_counts;
	int report_limits;
};

/* From the pins in DIR. */
int maps_open(const char *dir, struct maps *maps);
void maps_close(struct maps *maps);

/* Makes the interface's counters, where there are none yet. */
int maps_add_rows(const struct maps *maps, __u32 ifindex);
void maps_remove_rows(const struct maps *maps, __u32 ifindex);

/* In one step, puts SET, which is complete, in the place of the interface's present one. */
int set_write(const struct maps *maps, __u32 ifindex, const struct sources *set);

/* Reads the set in force, and completes it. -ENOENT: there is none. Takes CAP_SYS_ADMIN. */
int set_read(const struct maps *maps, __u32 ifindex, struct sources *set);

#endif
