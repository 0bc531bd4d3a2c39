// SPDX-License-Identifier: BSD-2-Clause
/* The builder: instructions in, a checked program out, with names for the places to jump to. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "insn-internal.h"

/* A name, and the instruction that it stands before or that jumps to it. */
struct place {
	char *name;
	size_t at;
};

struct places {
	struct place *all;
	size_t n;
};

struct hp_asm {
	struct insn_list list;
	struct places labels;
	struct places jumps;
	int err;
	char text[160];
};

struct hp_asm *hp_asm_new(void)
{
	return calloc(1, sizeof(struct hp_asm));
}

static void free_places(struct places *places)
{
	for (size_t i = 0; i < places->n; i++)
		free(places->all[i].name);
	free(places->all);
}

void hp_asm_free(struct hp_asm *as)
{
	if (!as)
		return;
	free(as->list.insns);
	free_places(&as->labels);
	free_places(&as->jumps);
	free(as);
}

const char *hp_asm_error(const struct hp_asm *as)
{
	return as ? as->text : "out of memory";
}

/* Notes the first error, which is ERR, and its text. Returns ERR. */
static int fail(struct hp_asm *as, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct hp_asm *as, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(as->text, sizeof(as->text), format, args);
	va_end(args);
	as->err = err;
	return err;
}

static int fail_memory(struct hp_asm *as)
{
	return fail(as, -ENOMEM, "out of memory");
}

int hp_insn_list_append(struct insn_list *list, const struct bpf_insn *insns, size_t n)
{
	struct bpf_insn *grown;

	if (n > list->room - list->n) {
		grown = reallocarray(list->insns, list->n + n, 2 * sizeof(*insns));
		if (!grown)
			return -ENOMEM;
		list->insns = grown;
		list->room = 2 * (list->n + n);
	}
	if (n)
		memcpy(list->insns + list->n, insns, n * sizeof(*insns));
	list->n += n;
	return 0;
}

static int add_place(struct hp_asm *as, struct places *places, const char *name)
{
	struct place *grown = reallocarray(places->all, places->n + 1, sizeof(*grown));

	if (!grown)
		return fail_memory(as);
	places->all = grown;
	grown[places->n].at = as->list.n;
	grown[places->n].name = strdup(name);
	if (!grown[places->n].name)
		return fail_memory(as);
	places->n++;
	return 0;
}

static const struct place *find_label(const struct hp_asm *as, const char *name)
{
	for (size_t i = 0; i < as->labels.n; i++)
		if (!strcmp(as->labels.all[i].name, name))
			return &as->labels.all[i];
	return NULL;
}

/* The form of an instruction that the kernel may accept; NULL: there is none. */
static const struct insn_form *buildable(const struct bpf_insn *insn, size_t left)
{
	const struct insn_form *form = hp_form_of(insn, left);

	return form && !form->loaded ? form : NULL;
}

static bool code_is_known(__u8 code)
{
	for (size_t i = 0; i < hp_insn_forms_n; i++)
		if (hp_insn_forms[i].code == code && !hp_insn_forms[i].loaded)
			return true;
	return false;
}

/* An instruction without a form: finds out why it has none. AT is its number. */
static int fail_insn(struct hp_asm *as, size_t at, const struct bpf_insn *insn, size_t left)
{
	switch (insn->code) {
	case HP_BAD_REGISTER:
		return fail(as, -ERANGE, "instruction %zu: no such register", at);
	case HP_BAD_OFFSET:
		return fail(as, -ERANGE, "instruction %zu: the offset does not fit 16 bits", at);
	case HP_BAD_IMMEDIATE:
		return fail(as, -ERANGE, "instruction %zu: the immediate does not fit 32 bits", at);
	}
	if (!code_is_known(insn->code))
		return fail(as, -EINVAL, "instruction %zu: unknown opcode 0x%02x", at, insn->code);
	if (insn->dst_reg > BPF_REG_10 || insn->src_reg > BPF_REG_10)
		return fail(as, -EINVAL, "instruction %zu: no register r%u, the last one is r10",
			    at, insn->dst_reg > BPF_REG_10 ? insn->dst_reg : insn->src_reg);
	if (insn_is_wide(insn->code) && left < 2)
		return fail(as, -EINVAL, "instruction %zu: half a 64-bit immediate", at);
	return fail(as, -EINVAL,
		    "instruction %zu: opcode 0x%02x does not exist with dst %u, src %u, offset %d, "
		    "immediate %d",
		    at, insn->code, insn->dst_reg, insn->src_reg, insn->off, insn->imm);
}

int hp_asm_add_all(struct hp_asm *as, const struct bpf_insn *insns, size_t n)
{
	if (!as)
		return -ENOMEM;
	if (as->err)
		return as->err;
	for (size_t i = 0; i < n; i += insn_is_wide(insns[i].code) ? 2 : 1)
		if (!buildable(insns + i, n - i))
			return fail_insn(as, as->list.n + i, insns + i, n - i);
	return hp_insn_list_append(&as->list, insns, n) ? fail_memory(as) : 0;
}

int hp_asm_label(struct hp_asm *as, const char *name)
{
	const struct place *before;

	if (!as)
		return -ENOMEM;
	if (as->err)
		return as->err;
	before = find_label(as, name);
	if (before)
		return fail(as, -EEXIST,
			    "instruction %zu: label \"%.40s\" is at instruction %zu already",
			    as->list.n, name, before->at);
	return add_place(as, &as->labels, name);
}

/*
 * Where an instruction keeps a distance: 'j' in off, 'J' in imm, 0: nowhere. It is counted from the
 * next instruction, also by a 64-bit immediate, whose next one is its own second half.
 */
static char distance_of(const struct bpf_insn *insn, size_t left)
{
	const struct insn_form *form = hp_form_of(insn, left);

	if (!form)
		return 0;
	return hp_form_names(form, "j") ? 'j' : hp_form_names(form, "J") ? 'J' : 0;
}

int hp_asm_jump(struct hp_asm *as, struct bpf_insn insn, const char *label)
{
	size_t jumps;

	if (!as)
		return -ENOMEM;
	if (as->err)
		return as->err;
	if (!buildable(&insn, 1))
		return fail_insn(as, as->list.n, &insn, 1);
	if (!distance_of(&insn, 1))
		return fail(as, -EINVAL, "instruction %zu: no jump, so not to \"%.40s\"",
			    as->list.n, label);
	jumps = as->jumps.n;
	if (add_place(as, &as->jumps, label))
		return as->err;
	if (!hp_asm_add_all(as, &insn, 1))
		return 0;
	free(as->jumps.all[jumps].name);
	as->jumps.n = jumps;
	return as->err;
}

static int resolve(struct hp_asm *as, const struct place *jump)
{
	const struct place *label = find_label(as, jump->name);
	struct bpf_insn *insn = as->list.insns + jump->at;
	long long distance;

	if (!label)
		return fail(as, -ENOENT, "instruction %zu: no label \"%.40s\"", jump->at,
			    jump->name);
	distance = (long long)label->at - (long long)jump->at - 1;
	if (distance_of(insn, 1) == 'J') {
		insn->imm = distance;
		return 0;
	}
	if (!HP_WITHIN(distance, INT16_MIN, INT16_MAX))
		return fail(as, -ERANGE,
			    "instruction %zu: \"%.40s\" is too far, %lld instructions; a jump goes "
			    "-32768 to 32767, BPF_JMP32_A() any distance",
			    jump->at, jump->name, distance);
	insn->off = distance;
	return 0;
}

/* SECOND_HALF[i]: whether instruction i is that, of a 64-bit immediate. */
static int check_jump(struct hp_asm *as, size_t at, const bool *second_half)
{
	const struct bpf_insn *insn = as->list.insns + at;
	char kept_in = distance_of(insn, as->list.n - at);
	long long target = (long long)at + 1 + (kept_in == 'j' ? insn->off : insn->imm);

	if (!kept_in)
		return 0;
	if (target < 0 || (size_t)target >= as->list.n)
		return fail(as, -ERANGE,
			    "instruction %zu: leads to instruction %lld, outside of the program",
			    at, target);
	if (second_half[target])
		return fail(as, -ERANGE,
			    "instruction %zu: leads to instruction %lld, the second half of a "
			    "64-bit immediate",
			    at, target);
	return 0;
}

static int check_jumps(struct hp_asm *as)
{
	const struct insn_list *list = &as->list;
	bool *second_half = calloc(list->n, sizeof(*second_half));

	if (!second_half)
		return fail_memory(as);
	for (size_t i = 0; i < list->n; i++)
		if (insn_is_wide(list->insns[i].code))
			second_half[++i] = true;
	for (size_t i = 0; i < list->n && !as->err; i++)
		if (!second_half[i])
			check_jump(as, i, second_half);
	free(second_half);
	return as->err;
}

int hp_asm_finish(struct hp_asm *as, struct bpf_insn **insns, size_t *n)
{
	struct insn_list copy = { 0 };

	if (!as)
		return -ENOMEM;
	if (!as->err && !as->list.n)
		return fail(as, -EINVAL, "no instructions");
	for (size_t i = 0; i < as->jumps.n && !as->err; i++)
		resolve(as, &as->jumps.all[i]);
	if (as->err || check_jumps(as))
		return as->err;
	if (hp_insn_list_append(&copy, as->list.insns, as->list.n))
		return fail_memory(as);
	*insns = copy.insns;
	*n = copy.n;
	return 0;
}
