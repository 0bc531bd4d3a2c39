// SPDX-License-Identifier: BSD-2-Clause
/* Sets of ports: one bit each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hookpoint.h"

#define LAST_PORT 65535

static bool is_set(const __u64 *words, int port)
{
	return words[port / 64] & 1ULL << port % 64;
}

/* A decimal number from 1 to 65535 at *TEXT, which is moved behind it; 0: there is none. */
static int read_port(const char **text)
{
	int port = 0;

	while (**text >= '0' && **text <= '9') {
		port = port * 10 + *(*text)++ - '0';
		if (port > LAST_PORT)
			return 0;
	}
	return port;
}

int hp_ports_add(__u64 *words, const char *range, const char **why)
{
	int first, last;

	*why = "a port is a number from 1 to 65535, a range is FIRST-LAST";
	first = last = read_port(&range);
	if (first && *range == '-') {
		range++;
		last = read_port(&range);
	}
	if (!first || !last || *range)
		return -EINVAL;

	if (first > last) {
		*why = "the range is empty: it ends before it starts";
		return -EINVAL;
	}
	for (int port = first; port <= last; port++)
		words[port / 64] |= 1ULL << port % 64;
	return 0;
}

/* The range of set ports that starts at PORT or later, as text; returns the port behind it, 0:
 * none. */
static int next_range(const __u64 *words, int port, char *text, size_t size)
{
	int first;

	while (port <= LAST_PORT && !is_set(words, port))
		port++;
	if (port > LAST_PORT)
		return 0;
	first = port;
	while (port < LAST_PORT && is_set(words, port + 1))
		port++;
	snprintf(text, size, first == port ? "%d" : "%d-%d", first, port);
	return port + 1;
}

json_t *hp_ports_json(const __u64 *words)
{
	json_t *ranges = json_array();
	char text[16];
	int port = 0;

	while (ranges && (port = next_range(words, port, text, sizeof(text))))
		json_array_append_new(ranges, json_string(text));
	return ranges;
}

void hp_ports_text(const __u64 *words, char *text, size_t size)
{
	char range[16];
	size_t length = 0;
	int port = 0;

	*text = '\0';
	while ((port = next_range(words, port, range, sizeof(range)))) {
		if (length + sizeof(range) + sizeof(", ...") > size) {
			strcpy(text + length, ", ...");
			return;
		}
		length += sprintf(text + length, "%s%s", length ? ", " : "", range);
	}
}
