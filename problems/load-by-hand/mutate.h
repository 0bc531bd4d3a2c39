/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MUTATE_H
#define MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Damages FILE, an ELF file of *SIZE bytes, in place, and may shorten it. The same SEED does the
 * same. */
void mutate(unsigned char *file, size_t *size, uint64_t seed);

#endif
