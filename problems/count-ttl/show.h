/* SPDX-License-Identifier: BSD-2-Clause */
/* What was counted, for scripts and for people. */
#ifndef SHOW_H
#define SHOW_H

#include <jansson.h>

#include "hookpoint.h"

/*
 * Adds to FIELDS what the two maps hold: "packets", the totals, and "hosts", those with the most
 * packets first. Errors of hp_map_read() and hp_map_get(), -ENOMEM.
 */
int read_counts(const struct hp_map *hosts, const struct hp_map *totals, json_t *fields);

/* Prints them: as one line of JSON, or as a table of the first hosts. */
void print_counts(json_t *fields, bool json);

#endif
