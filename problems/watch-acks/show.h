/* SPDX-License-Identifier: BSD-2-Clause */
/* What watch-acks has counted, for people and for scripts. */
#ifndef WATCH_ACKS_SHOW_H
#define WATCH_ACKS_SHOW_H

#include "hookpoint.h"

/*
 * Adds what the maps pinned in DIR hold to the JSON object FIELDS. Errors of hp_pin_open() and of
 * reading maps.
 */
int show_json(const char *dir, json_t *fields);

/* Prints the same as a table and a histogram. */
int show_text(const char *dir);

#endif
