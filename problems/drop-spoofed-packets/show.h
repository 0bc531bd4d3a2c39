/* SPDX-License-Identifier: BSD-2-Clause */
/* What people and scripts get to see: status, stats, events. */
#ifndef SHOW_H
#define SHOW_H

#include "hookpoint.h"

int show_status(const struct hp_attachment *attachment, json_t *fields);
int show_stats(const struct hp_attachment *attachment, json_t *fields);

extern const struct hp_event_source event_source;

#endif
