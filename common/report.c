// SPDX-License-Identifier: BSD-2-Clause
/* JSON to read: the same data that -j prints, laid out for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define COLUMN	     12
#define ELEMENTS_MAX 16 /* of an array in one line; JSON has them all */

/* A scalar, or an array or object of scalars, in one line. */
static void print_value(json_t *value)
{
	const char *key;
	json_t *element;
	size_t i = 0;

	switch (json_typeof(value)) {
	case JSON_STRING:
		fputs(json_string_value(value), stdout);
		break;
	case JSON_INTEGER:
		printf("%lld", (long long)json_integer_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fputs(json_is_true(value) ? "yes" : "no", stdout);
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, element) {
			if (i == ELEMENTS_MAX) {
				printf(" and %zu more", json_array_size(value) - i);
				break;
			}
			fputs(i ? ", " : "", stdout);
			print_value(element);
		}
		if (!i)
			fputs("none", stdout);
		break;
	case JSON_OBJECT:
		json_object_foreach(value, key, element) {
			printf("%s%s ", i++ ? ", " : "", key);
			print_value(element);
		}
		break;
	default:
		break;
	}
}

/* WIDTH: of the first column, where TITLE stands; 0 if there is none. */
static void print_row(const char *title, json_t *row, int width)
{
	const char *key;
	json_t *cell;

	printf("  %-*s", width, title);
	json_object_foreach(row, key, cell)
		if (!json_is_string(cell))
			printf("%*lld", COLUMN, (long long)json_integer_value(cell));
	putchar('\n');
}

static void print_header(const char *title, json_t *row, int width)
{
	const char *key;
	json_t *cell;

	printf("\n  %-*s", width, title);
	json_object_foreach(row, key, cell)
		if (!json_is_string(cell))
			printf("%*s", COLUMN, key);
	putchar('\n');
}

static int longest_key(json_t *object)
{
	const char *key;
	json_t *value;
	int longest = COLUMN;

	json_object_foreach(object, key, value)
		if ((int)strlen(key) > longest)
			longest = strlen(key);
	return longest;
}

/* The string in ROW, for the first column, with its key in *KEY; both "" if there is none. */
static const char *title_of(json_t *row, const char **key)
{
	json_t *cell;

	json_object_foreach(row, *key, cell)
		if (json_is_string(cell))
			return json_string_value(cell);
	*key = "";
	return "";
}

/*
 * {"passed": {"packets": 1}, ...}: a row for each key. [{"port": 1}, ...]: a row for each element,
 * which may have one string: [{"host": "10.0.0.1", "packets": 1}, ...].
 */
static void print_table(const char *title, json_t *table)
{
	const char *key;
	int width = 0;
	json_t *row;
	size_t i;

	if (json_is_object(table)) {
		width = longest_key(table);
		print_header(title, json_object_iter_value(json_object_iter(table)), width);
		json_object_foreach(table, key, row)
			print_row(key, row, width);
		return;
	}
	json_array_foreach(table, i, row)
		if ((int)strlen(title_of(row, &key)) > width)
			width = strlen(title_of(row, &key));
	title_of(json_array_get(table, 0), &key);
	print_header(key, json_array_get(table, 0), width);
	json_array_foreach(table, i, row)
		print_row(title_of(row, &key), row, width);
}

static bool is_table(json_t *value)
{
	return json_is_object(json_object_iter_value(json_object_iter(value))) ||
	       json_is_object(json_array_get(value, 0));
}

void hp_print_text(json_t *fields)
{
	const char *key;
	json_t *value;

	json_object_foreach(fields, key, value) {
		if (is_table(value)) {
			print_table(key, value);
			continue;
		}
		printf("  %-*s", COLUMN, key);
		print_value(value);
		putchar('\n');
	}
}
