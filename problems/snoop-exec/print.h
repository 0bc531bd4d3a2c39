/* SPDX-License-Identifier: BSD-2-Clause */
/* Records as a person or a program reads them. */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include "snoop-exec.h"

/* All print to standard output: a line of text, or a JSON object in a line. */
void print_exec(const struct exec_record *record, bool json);

/* N execs that were to be reported, and were not. */
void print_lost(__u64 n, bool json);

/* Of a whole run, at its end; text goes to standard error. */
void print_totals(const struct exec_counts *counts, bool json);

/* The line above lines of text. */
void print_header(void);

/*
 * Prints the N bytes at TEXT as a word that a shell would read as just these bytes: nothing in it
 * can move a terminal's cursor, begin a new line, or look like two words. Returns its width.
 */
int print_word(const char *text, size_t n);

/* Prints them as a JSON string, in ASCII; what is no UTF-8 becomes U+FFFD. */
void print_json_string(const char *text, size_t n);

#endif
