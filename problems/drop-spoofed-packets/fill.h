/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs of this tool that a stock loader has attached. */
#ifndef FILL_H
#define FILL_H

#include "hookpoint.h"
#include "sets.h"

/*
 * Finds the programs of this object that are filters of the interface's clsact, and puts SET into
 * the maps of each. *N: how many there are. Errors of rtnetlink and bpf(2).
 */
int fill_programs(int ifindex, enum hp_direction direction, const struct sources *set, int *n);

#endif
