/* SPDX-License-Identifier: BSD-2-Clause */
/* What `status` and `stats` tell of a run, from its pins. */
#ifndef SHOW_H
#define SHOW_H

#include "hookpoint.h"
#include "snoop-exec.h"

int show_settings(const struct hp_attachment *attachment, json_t *fields);
int show_counts(const struct hp_attachment *attachment, json_t *fields);

/* Adds up the CPUs' counts. Errors of hp_map_sum_percpu(). */
int read_counts(int map_fd, struct exec_counts *counts);

#endif
