// SPDX-License-Identifier: BSD-2-Clause
/* The assembler: reads what the disassembler writes, by the same table. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "insn-internal.h"

/* What a line says, and what is wrong with it: a number that does not fit its field. */
struct reading {
	const char *at; /* what follows */
	const char *misfit;
	unsigned int seen_dst, seen_src; /* 1 + the register, 0: not named yet */
	struct bpf_insn insns[2];
};

static void skip_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		(*at)++;
}

/* A number of at most 64 bits. What is larger than MAX, or below MIN, is a misfit. */
static bool read_number(struct reading *line, const char *what, long long min,
			unsigned long long max, long long *value)
{
	bool negative = *line->at == '-';
	const char *digits = line->at + (negative || *line->at == '+');
	int base = digits[0] == '0' && digits[1] == 'x' && isxdigit(digits[2]) ? 16 : 10;
	unsigned long long magnitude;
	char *end;

	if (!isdigit(*digits))
		return false;
	errno = 0;
	magnitude = strtoull(digits, &end, base);
	if (errno || magnitude > (negative ? -(unsigned long long)min : max))
		line->misfit = what;
	*value = negative ? -magnitude : magnitude;
	line->at = end;
	return true;
}

/* " + 4", " - 4" */
static bool read_sum(struct reading *line, const char *what, long long min, long long max,
		     long long *value)
{
	char number[32];
	struct reading inner = { .at = number };
	size_t length;

	skip_blanks(&line->at);
	if (*line->at != '+' && *line->at != '-')
		return false;
	number[0] = *line->at++;
	skip_blanks(&line->at);
	length = strspn(line->at, "0123456789abcdefABCDEFx");
	if (length > sizeof(number) - 2)
		return false;
	memcpy(number + 1, line->at, length);
	number[1 + length] = '\0';
	if (!read_number(&inner, what, min, max, value) || *inner.at)
		return false;
	line->at += length;
	line->misfit = inner.misfit ?: line->misfit;
	return true;
}

/* A register, which must be the same each time that a line names it. */
static bool read_register(struct reading *line, char letter, unsigned int *seen)
{
	long long number;

	if (*line->at++ != letter || !isdigit(*line->at))
		return false;
	read_number(line, "register", 0, BPF_REG_10, &number);
	if (*seen && *seen != 1 + (unsigned int)number)
		return false;
	*seen = 1 + (unsigned int)number;
	return true;
}

static bool read_signed(struct reading *line, const char *what, long long min, long long max,
			long long *value)
{
	return (*line->at == '+' || *line->at == '-') && read_number(line, what, min, max, value);
}

static bool read_imm(struct reading *line, char field)
{
	struct bpf_insn *insn = line->insns;
	long long value;
	bool read;

	if (field == 'm')
		read = read_sum(line, "immediate", INT32_MIN, UINT32_MAX, &value);
	else if (field == 'J')
		read = read_signed(line, "distance", INT32_MIN, INT32_MAX, &value);
	else
		read = read_number(line, "immediate", INT32_MIN, HP_IMM_MAX(insn->code), &value);
	if (read)
		insn->imm = value;
	return read;
}

static bool read_off(struct reading *line, char field)
{
	long long value;
	bool read;

	if (field == 'o')
		read = read_sum(line, "offset", INT16_MIN, INT16_MAX, &value);
	else if (field == 'j')
		read = read_signed(line, "distance", INT16_MIN, INT16_MAX, &value);
	else
		read = read_number(line, "number of a module", INT16_MIN, INT16_MAX, &value);
	if (read)
		line->insns->off = value;
	return read;
}

/* Of a 64-bit immediate. */
static bool read_wide(struct reading *line, char field)
{
	long long value;

	if (field == 'n' || field == 'N') {
		if (field == 'n' && *line->at != '+' && *line->at != '-')
			return false;
		if (!read_number(line, "offset", INT32_MIN, UINT32_MAX, &value))
			return false;
		line->insns[1].imm = value;
		return true;
	}
	if (!read_number(line, "immediate", INT64_MIN, UINT64_MAX, &value))
		return false;
	line->insns[0].imm = value;
	line->insns[1].imm = value >> 32;
	return true;
}

static bool read_field(struct reading *line, char field)
{
	switch (field) {
	case 'd':
		return read_register(line, 'r', &line->seen_dst);
	case 'D':
		return read_register(line, 'w', &line->seen_dst);
	case 's':
		return read_register(line, 'r', &line->seen_src);
	case 'S':
		return read_register(line, 'w', &line->seen_src);
	case 'i':
	case 'm':
	case 'J':
		return read_imm(line, field);
	case 'o':
	case 'j':
	case 'f':
		return read_off(line, field);
	case 'q':
	case 'n':
	case 'N':
		return read_wide(line, field);
	default: /* "%%" */
		return *line->at++ == field;
	}
}

static bool read_form(struct reading *line, const char *text, const struct insn_form *form)
{
	*line = (struct reading){ .at = text };
	line->insns[0].code = form->code;
	line->insns[0].off = form->off;
	line->insns[0].imm = form->imm;
	for (const char *expected = form->text; *expected; expected++) {
		if (*expected == '%') {
			if (!read_field(line, *++expected))
				return false;
		} else if (*expected == ' ') {
			if (*line->at != ' ' && *line->at != '\t')
				return false;
			skip_blanks(&line->at);
		} else if (*line->at++ != *expected) {
			return false;
		}
	}
	line->insns[0].dst_reg = line->seen_dst ? line->seen_dst - 1 : 0;
	line->insns[0].src_reg = line->seen_src ? line->seen_src - 1 : form->src;
	return !*line->at;
}

/* ".insn CODE, DST, SRC, OFF, IMM" */
static bool read_raw(struct reading *line, const char *text)
{
	static const struct {
		const char *what;
		int min, max;
	} fields[] = {
		{ "opcode", 0, UINT8_MAX },
		{ "register", 0, 15 },
		{ "register", 0, 15 },
		{ "offset", INT16_MIN, INT16_MAX },
		{ "immediate", INT32_MIN, INT32_MAX },
	};
	long long values[5];

	*line = (struct reading){ .at = text };
	if (strncmp(text, ".insn", 5))
		return false;
	line->at += 5;
	for (int i = 0; i < 5; i++) {
		if (i && *line->at++ != ',')
			return false;
		skip_blanks(&line->at);
		if (!read_number(line, fields[i].what, fields[i].min, fields[i].max, &values[i]))
			return false;
	}
	line->insns[0] = (struct bpf_insn){
		.code = values[0],
		.dst_reg = values[1],
		.src_reg = values[2],
		.off = values[3],
		.imm = values[4],
	};
	return !*line->at;
}

/* Reads TEXT, which is trimmed. *N: the number of instructions that it is, 1 or 2. */
static bool read_insn(struct reading *line, const char *text, size_t *n)
{
	for (size_t i = 0; i < hp_insn_forms_n; i++) {
		if (read_form(line, text, &hp_insn_forms[i])) {
			*n = insn_is_wide(hp_insn_forms[i].code) ? 2 : 1;
			return true;
		}
	}
	*n = 1;
	return read_raw(line, text);
}

/* Without a comment, the blanks around it, and the number in front. */
static char *trim(char *line)
{
	char *end = line + strcspn(line, ";\r");
	size_t digits;

	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	line += strspn(line, " \t");
	digits = strspn(line, "0123456789");
	if (digits && line[digits] == ':')
		line += digits + 1;
	return line + strspn(line, " \t");
}

/* One line. 0, -ENOMEM, -EINVAL, -ERANGE; *MISFIT as in struct reading. */
static int assemble_line(const char *text, struct insn_list *list, const char **misfit)
{
	struct reading line;
	size_t n;

	if (!*text)
		return 0;
	if (!read_insn(&line, text, &n))
		return -EINVAL;
	*misfit = line.misfit;
	return line.misfit ? -ERANGE : hp_insn_list_append(list, line.insns, n);
}

static void explain(int err, size_t number, const char *misfit, const char *text, char *error,
		    size_t size)
{
	if (err == -ERANGE)
		snprintf(error, size, "line %zu: %s out of range: %.60s", number, misfit, text);
	else if (err == -EINVAL)
		snprintf(error, size, "line %zu: no such instruction: %.60s", number, text);
	else
		snprintf(error, size, "line %zu: out of memory", number);
}

int hp_assemble(const char *text, struct bpf_insn **insns, size_t *n, char *error, size_t size)
{
	struct insn_list list = { 0 };
	char *copy = strdup(text), *rest = copy, *line;
	const char *misfit = NULL;
	int err = copy ? 0 : -ENOMEM;
	size_t number = 0;

	if (err)
		snprintf(error, size, "out of memory");
	while (!err && (line = strsep(&rest, "\n"))) {
		number++;
		line = trim(line);
		err = assemble_line(line, &list, &misfit);
		if (err)
			explain(err, number, misfit, line, error, size);
	}
	free(copy);
	if (err) {
		free(list.insns);
		return err;
	}
	*insns = list.insns;
	*n = list.n;
	return 0;
}
