/* SPDX-License-Identifier: BSD-2-Clause */
/* What the builder, the disassembler and the assembler share. Inside the library only. */
#ifndef HOOKPOINT_INSN_INTERNAL_H
#define HOOKPOINT_INSN_INTERNAL_H

#include <stdbool.h>

#include "insn.h"

/*
 * The instruction set is a table, which the disassembler prints, the assembler reads and the
 * builder checks by. One row: one form of an instruction: its text, where a "%" and a letter stand
 * for a field, and the values of the fields that the text does not name.
 *
 *   %d %D   dst as r1, as w1                   %j  off as a distance: +5
 *   %s %S   src                                %J  imm as a distance
 *   %i      imm                                %q  64 bits of two instructions
 *   %o %m   off, imm in a sum: " + 4"          %n  imm of the second instruction: +5
 *   %f      off                                %N  imm of the second instruction
 */
struct insn_form {
	__u8 code;
	__u8 src;
	__s16 off;
	__s32 imm;
	const char *text;
	bool loaded; /* only in loaded programs: none that the kernel accepts has it */
};

extern const struct insn_form hp_insn_forms[];
extern const size_t hp_insn_forms_n;

/* A 64-bit immediate is two instructions long. */
static inline bool insn_is_wide(__u8 code)
{
	return code == (BPF_LD | BPF_DW | BPF_IMM);
}

/* Whether the text of FORM names one of FIELDS, a string of letters. */
bool hp_form_names(const struct insn_form *form, const char *fields);

/* The form of INSN, of LEFT instructions that remain; NULL: none, it is no instruction. */
const struct insn_form *hp_form_of(const struct bpf_insn *insn, size_t left);

/* A program that grows. */
struct insn_list {
	struct bpf_insn *insns;
	size_t n;
	size_t room;
};

/* -ENOMEM. */
int hp_insn_list_append(struct insn_list *list, const struct bpf_insn *insns, size_t n);

#endif
