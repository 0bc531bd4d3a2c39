// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdarg.h>

#include "insn-internal.h"

static void append(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All texts are far shorter than HP_INSN_TEXT, which tests/unit/test-insn.c makes sure of. */
static void append(char **text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	*text += vsprintf(*text, format, args);
	va_end(args);
}

static void append_sum(char **text, __s32 value)
{
	append(text, " %c %lld", value < 0 ? '-' : '+', value < 0 ? -(long long)value : value);
}

static long long wide_value(const struct bpf_insn *insn)
{
	return (long long)((__u64)(__u32)insn[1].imm << 32 | (__u32)insn->imm);
}

static void append_field(char **text, char field, const struct bpf_insn *insn)
{
	switch (field) {
	case 'd':
		return append(text, "r%u", insn->dst_reg);
	case 'D':
		return append(text, "w%u", insn->dst_reg);
	case 's':
		return append(text, "r%u", insn->src_reg);
	case 'S':
		return append(text, "w%u", insn->src_reg);
	case 'i':
		return append(text, "%d", insn->imm);
	case 'm':
		return append_sum(text, insn->imm);
	case 'o':
		return append_sum(text, insn->off);
	case 'j':
		return append(text, "%+d", insn->off);
	case 'J':
		return append(text, "%+d", insn->imm);
	case 'f':
		return append(text, "%d", insn->off);
	case 'q':
		return append(text, "%lld", wide_value(insn));
	case 'n':
		return append(text, "%+d", insn[1].imm);
	case 'N':
		return append(text, "%d", insn[1].imm);
	default: /* "%%" */
		return append(text, "%c", field);
	}
}

void hp_disasm_insn(const struct bpf_insn *insn, size_t left, char *text, size_t *used)
{
	const struct insn_form *form = hp_form_of(insn, left);

	*used = form && insn_is_wide(insn->code) ? 2 : 1;
	if (!form) {
		sprintf(text, ".insn 0x%02x, %u, %u, %d, %d", insn->code, insn->dst_reg,
			insn->src_reg, insn->off, insn->imm);
		return;
	}
	for (const char *at = form->text; *at; at++) {
		if (*at == '%')
			append_field(&text, *++at, insn);
		else
			*text++ = *at;
	}
	*text = '\0';
}

int hp_disasm(const struct bpf_insn *insns, size_t n, FILE *out)
{
	char text[HP_INSN_TEXT];
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		hp_disasm_insn(insns + i, n - i, text, &used);
		if (fprintf(out, "%8zu:\t%s\n", i, text) < 0)
			return -EIO;
	}
	return 0;
}
