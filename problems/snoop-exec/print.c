// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whoever starts a program chooses its name and its arguments, byte by byte. Here they meet a
 * terminal, or a parser of JSON, and must not get beyond their place.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hookpoint.h"
#include "print.h"

/* ---- characters ------------------------------------------------------------------------------ */

/*
 * Reads a character of UTF-8 (RFC 3629) from the N bytes at TEXT, N > 0. Returns how many bytes it
 * has, 0 if there is none.
 */
static size_t decode(const char *text, size_t n, __u32 *character)
{
	static const __u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = text[0];
	size_t bytes = first < 0x80   ? 1
		       : first < 0xc0 ? 0
		       : first < 0xe0 ? 2
		       : first < 0xf0 ? 3
				      : 4;
	__u32 c = bytes == 1 ? first : first & (0x7f >> bytes);

	if (!bytes || bytes > n || first >= 0xf8)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	/* Longer than necessary, too large, or half of a pair of UTF-16. */
	if (c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*character = c;
	return bytes;
}

/* Does a terminal show it as one character in its place? Not what turns the direction of writing.
 */
static bool is_visible(__u32 c)
{
	if (c < 0x7f)
		return c >= ' ';
	if (c < 0xa0 || c == 0xad || c == 0x61c || c == 0xfeff)
		return false;
	return !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
	       !(c >= 0x2060 && c <= 0x206f) && !(c >= 0xe000 && c <= 0xf8ff) &&
	       !(c >= 0xfff0 && c <= 0xfffb) && (c & 0xfffe) != 0xfffe && c < 0xe0000;
}

/* Does it mean nothing to a shell, wherever it stands? */
static bool is_bare(__u32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c > 0x7f || (c && strchr("%+,-./:=@_", c));
}

enum quoting {
	QUOTE_NONE,
	QUOTE_SINGLE, /* 'like this' */
	QUOTE_ESCAPE, /* $'like\nthis' */
};

static enum quoting quoting_of(const char *text, size_t n)
{
	enum quoting quoting = QUOTE_NONE;
	size_t bytes;
	__u32 c;

	if (!n || (n == 3 && !memcmp(text, "...", 3))) /* "..." says that something was cut */
		quoting = QUOTE_SINGLE;
	for (; n; text += bytes, n -= bytes) {
		bytes = decode(text, n, &c);
		if (!bytes || !is_visible(c) || c == '\'')
			return QUOTE_ESCAPE;
		if (!is_bare(c))
			quoting = QUOTE_SINGLE;
	}
	return quoting;
}

/* The N bytes at TEXT, one character or none, within $''. Returns the width. */
static int print_escaped(const char *text, size_t n)
{
	static const char letters[] = "\a\b\t\n\v\f\r\033\\'", names[] = "abtnvfre\\'";
	const char *letter = *text ? strchr(letters, *text) : NULL;

	if (letter)
		return printf("\\%c", names[letter - letters]);
	for (size_t i = 0; i < n; i++)
		printf("\\x%02x", (unsigned char)text[i]);
	return 4 * n;
}

int print_word(const char *text, size_t n)
{
	enum quoting quoting = quoting_of(text, n);
	int width = quoting == QUOTE_NONE ? 0 : quoting == QUOTE_SINGLE ? 2 : 3;
	size_t bytes;
	__u32 c;

	if (quoting != QUOTE_NONE)
		fputs(quoting == QUOTE_SINGLE ? "'" : "$'", stdout);
	for (; n; text += bytes, n -= bytes) {
		bytes = decode(text, n, &c);
		if (quoting == QUOTE_ESCAPE &&
		    (!bytes || !is_visible(c) || c == '\'' || c == '\\')) {
			bytes = bytes ? bytes : 1;
			width += print_escaped(text, bytes);
		} else {
			fwrite(text, 1, bytes, stdout);
			width++;
		}
	}
	if (quoting != QUOTE_NONE)
		putchar('\'');
	return width;
}

void print_json_string(const char *text, size_t n)
{
	size_t bytes;
	__u32 c;

	putchar('"');
	for (; n; text += bytes, n -= bytes) {
		bytes = decode(text, n, &c);
		if (!bytes) {
			bytes = 1;
			c = 0xfffd;
		}
		if (c >= 0x10000)
			printf("\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		else if (c < ' ' || c > '~')
			printf("\\u%04x", c);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* ---- records --------------------------------------------------------------------------------- */

typedef char file_path[FILE_BYTES + sizeof("/dev/fd/-2147483648/")];

/* The path that was asked for, with what stands for an open file or directory before it. */
static size_t file_of(const struct exec_record *record, file_path file)
{
	const char *path = record->text;
	size_t n = 0;

	if (record->dirfd != AT_FDCWD && *path != '/') /* as the kernel writes it on success */
		n = sprintf(file, "/dev/fd/%d%s", record->dirfd, *path ? "/" : "");
	memcpy(file + n, path, record->file_bytes);
	return n + record->file_bytes - 1;
}

/* A walk over the arguments: *ARG and *N are the one before, first NULL. Is there another? */
static bool next_arg(const struct exec_record *record, const char **arg, size_t *n)
{
	const char *start = record->text + record->file_bytes, *end = start + record->args_bytes;

	*arg = *arg ? *arg + *n + 1 : start;
	if (*arg >= end)
		return false;
	*n = strnlen(*arg, end - *arg);
	return true;
}

static bool is_unread(const struct exec_record *record, unsigned int i)
{
	return i < ARGS_MAX && record->unread_args & 1ULL << i;
}

/* "13:31:02.123", local time. */
static void print_time(__u64 monotonic_ns)
{
	static time_t last;
	static char text[16];
	__s64 ns = hp_real_time(monotonic_ns);
	time_t seconds = ns / 1000000000;
	struct tm local;

	if (seconds != last)
		strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&seconds, &local));
	last = seconds;
	printf("%s.%03lld ", text, ns % 1000000000 / 1000000);
}

/* "0", "ENOENT", or a number that has no name. */
static void print_result(int ret)
{
	const char *name = ret ? strerrorname_np(-ret) : NULL;

	if (name)
		printf("%-8s ", name);
	else
		printf("%-8d ", ret);
}

static void pad(int width, int column)
{
	printf("%*s", width < column ? column - width + 1 : 1, "");
}

void print_header(void)
{
	printf("%-12s %5s %7s %7s %-8s %-15s %-20s %s\n", "TIME", "UID", "PID", "PPID", "RET",
	       "COMM", "FILE", "ARGS");
}

static void print_text(const struct exec_record *record)
{
	const char *arg = NULL;
	file_path file;
	size_t n = file_of(record, file);

	print_time(record->time_ns);
	printf("%5u %7u %7u ", record->uid, record->pid, record->ppid);
	print_result(record->ret);
	pad(print_word(record->comm, strnlen(record->comm, COMM_BYTES)), 15);
	pad(record->file_bytes ? print_word(file, n) : printf("?"), 20);
	n = 0;
	for (unsigned int i = 0; next_arg(record, &arg, &n); i++) {
		if (i)
			putchar(' ');
		if (is_unread(record, i))
			putchar('?');
		else
			print_word(arg, n);
	}
	if (record->flags & EXEC_UNREADABLE)
		fputs(record->args_bytes ? " ?" : "?", stdout);
	if (record->flags & EXEC_CUT)
		fputs(" ...", stdout);
	putchar('\n');
}

static void print_json(const struct exec_record *record)
{
	const char *error = record->ret ? strerrorname_np(-record->ret) : NULL, *arg = NULL;
	hp_time_text time;
	file_path file;
	size_t n = 0;

	hp_time_of(record->time_ns, time);
	printf("{\"schema\":1,\"type\":\"exec\",\"time\":\"%s\",\"uid\":%u,\"pid\":%u,\"ppid\":%u,"
	       "\"ret\":%d,\"error\":",
	       time, record->uid, record->pid, record->ppid, record->ret);
	printf(error ? "\"%s\"" : "null", error);
	fputs(",\"comm\":", stdout);
	print_json_string(record->comm, strnlen(record->comm, COMM_BYTES));
	fputs(",\"file\":", stdout);
	if (record->file_bytes)
		print_json_string(file, file_of(record, file));
	else
		fputs("null", stdout);
	fputs(",\"args\":[", stdout);
	for (unsigned int i = 0; next_arg(record, &arg, &n); i++) {
		if (i)
			putchar(',');
		if (is_unread(record, i))
			fputs("null", stdout);
		else
			print_json_string(arg, n);
	}
	printf("],\"argc\":%u,\"cut\":%s,\"unreadable\":%s}\n", record->argc,
	       record->flags & EXEC_CUT ? "true" : "false",
	       record->flags & EXEC_UNREADABLE ? "true" : "false");
}

void print_exec(const struct exec_record *record, bool json)
{
	if (json)
		print_json(record);
	else
		print_text(record);
}

void print_lost(__u64 n, bool json)
{
	printf(json ? "{\"schema\":1,\"type\":\"lost\",\"lost\":%llu}\n"
		    : "%llu more, which were not reported\n",
	       n);
}

void print_totals(const struct exec_counts *counts, bool json)
{
	if (json)
		printf("{\"schema\":1,\"type\":\"totals\",\"reported\":%llu,\"lost\":%llu,"
		       "\"filtered\":%llu}\n",
		       counts->reported, counts->lost, counts->filtered);
	else
		hp_info("%llu reported, %llu lost, %llu filtered", counts->reported, counts->lost,
			counts->filtered);
}
