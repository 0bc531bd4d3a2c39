/* SPDX-License-Identifier: BSD-2-Clause */
/* status and stats of localhost-bypass. Both as struct hp_tool has them. */
#ifndef LOCALHOST_BYPASS_SHOW_H
#define LOCALHOST_BYPASS_SHOW_H

#include "hookpoint.h"
#include "localhost-bypass.h"

/*
 * The settings of the programs that are pinned in DIR, mapped into memory: munmap(*settings,
 * sizeof(**settings)) when done. Errors of hp_pin_open() and hp_map_mmap().
 */
int map_settings(const char *dir, struct settings **settings);

int show_status(const struct hp_attachment *attachment, json_t *fields);
int show_stats(const struct hp_attachment *attachment, json_t *fields);

#endif
