// SPDX-License-Identifier: BSD-2-Clause
/* Sets of ports: what is taken, what is refused, and that printing is the reverse of reading. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hookpoint.h"

#define WORDS 1024

static int count(const __u64 *words)
{
	int n = 0;

	for (int i = 0; i < WORDS; i++)
		n += __builtin_popcountll(words[i]);
	return n;
}

static void takes_ports_and_ranges(void **state)
{
	static const struct {
		const char *range;
		int first, last;
	} good[] = {
		{ "1", 1, 1 },
		{ "8080", 8080, 8080 },
		{ "65535", 65535, 65535 },
		{ "1-65535", 1, 65535 },
		{ "63-64", 63, 64 },
		{ "7-7", 7, 7 },
		{ "08080", 8080, 8080 },
		{ "65535-65535", 65535, 65535 },
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		__u64 words[WORDS] = {};

		assert_int_equal(hp_ports_add(words, good[i].range, &why), 0);
		assert_int_equal(count(words), good[i].last - good[i].first + 1);
		assert_true(words[good[i].first / 64] >> good[i].first % 64 & 1);
		assert_true(words[good[i].last / 64] >> good[i].last % 64 & 1);
	}
}

static void refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"65536",
		"80a",
		"a",
		"-",
		"-80",
		"80-",
		"90-80",
		"0-80",
		"80-65536",
		" 80",
		"80 ",
		"+80",
		"0x50",
		"80-90-100",
		"80,90",
		"4294967376",
		"99999999999999999999",
		"８０",
	};
	__u64 words[WORDS] = {};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why = NULL;
		if (hp_ports_add(words, bad[i], &why) != -EINVAL)
			fail_msg("took '%s'", bad[i]);
		assert_non_null(why);
		assert_int_equal(count(words), 0);
	}
}

static void adds_to_what_is_there(void **state)
{
	__u64 words[WORDS] = {};
	const char *why;

	(void)state;
	assert_int_equal(hp_ports_add(words, "80", &why), 0);
	assert_int_equal(hp_ports_add(words, "443", &why), 0);
	assert_int_equal(hp_ports_add(words, "80", &why), 0);
	assert_int_equal(count(words), 2);
}

static void prints_what_it_would_read(void **state)
{
	static const char *const ranges[] = { "1", "22-23", "63-65", "8080", "65534-65535" };
	__u64 words[WORDS] = {}, again[WORDS] = {};
	const char *why;
	json_t *json;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		hp_ports_add(words, ranges[i], &why);
	json = hp_ports_json(words);
	assert_int_equal(json_array_size(json), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(json_string_value(json_array_get(json, i)), ranges[i]);
		hp_ports_add(again, json_string_value(json_array_get(json, i)), &why);
	}
	assert_memory_equal(words, again, sizeof(words));
	json_decref(json);
}

static void text_ends_with_dots_where_it_does_not_fit(void **state)
{
	__u64 words[WORDS] = {};
	char text[32];
	const char *why;

	(void)state;
	hp_ports_text(words, text, sizeof(text));
	assert_string_equal(text, "");
	hp_ports_add(words, "8080", &why);
	hp_ports_text(words, text, sizeof(text));
	assert_string_equal(text, "8080");
	for (int i = 0; i < WORDS; i++)
		words[i] = 0x5555555555555555;
	hp_ports_text(words, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text));
	assert_string_equal(text + strlen(text) - 5, ", ...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_ports_and_ranges),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(adds_to_what_is_there),
		cmocka_unit_test(prints_what_it_would_read),
		cmocka_unit_test(text_ends_with_dots_where_it_does_not_fit),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
