// SPDX-License-Identifier: BSD-2-Clause
/*
 * Damaged texts for the assembler, junk for the disassembler and the builder, under the sanitizers.
 *
 *   mutate NUMBER SEED <TEXT
 *
 * Changes lines of TEXT, NUMBER times: what the assembler takes must, disassembled and assembled
 * again, be the same bytes; what it doesn't it must explain in one line. Then as many handfuls of
 * random bytes: they must come back from text as they were, and what the builder makes of them must
 * not jump out of the program. Prints how many were taken and refused. Exit status: 0; 1 not so.
 */
#include <ctype.h>
#include <error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "insn.h"
#include "random.h"

#define LINES 4096

/* One change: a character other, gone, doubled, or a number far too long. */
static void change(char *text, size_t size)
{
	static const char likely[] = "0123456789 rw+-*/()[]=<>:;,&|^%xsul\t\n.#";
	size_t length = strlen(text), at = below(length + 1);

	switch (below(6)) {
	case 0:
		text[at] = at < length ? 1 + below(255) : '\0';
		break;
	case 1:
		text[at] = at < length ? likely[below(sizeof(likely) - 1)] : '\0';
		break;
	case 2:
		memmove(text + at, text + at + (at < length), length + 1 - at - (at < length));
		break;
	case 3:
		text[at] = '\0';
		break;
	default:
		if (length + 24 >= size)
			break;
		memmove(text + at + 1, text + at, length + 1 - at);
		text[at] = likely[below(sizeof(likely) - 1)];
		if (isdigit(text[at]) && !below(3)) {
			memmove(text + at + 20, text + at, strlen(text + at) + 1);
			memset(text + at, '9', 20);
		}
	}
}

/* From bytes to text to bytes. */
static void come_back(const struct bpf_insn *insns, size_t n)
{
	char *text, wrong[160] = "";
	struct bpf_insn *back;
	size_t size, n_back;
	FILE *memory = open_memstream(&text, &size);

	if (hp_disasm(insns, n, memory) || fclose(memory))
		error(1, 0, "cannot disassemble");
	if (hp_assemble(text, &back, &n_back, wrong, sizeof(wrong)))
		error(1, 0, "refuses its own text: %s", wrong);
	if (n_back != n || (n && memcmp(back, insns, n * sizeof(*insns))))
		error(1, 0, "not the same bytes:\n%s", text);
	free(back);
	free(text);
}

/* Whether it was taken. */
static bool try_text(const char *text)
{
	struct bpf_insn *insns = NULL;
	char wrong[160] = "";
	size_t n = 0;

	if (!hp_assemble(text, &insns, &n, wrong, sizeof(wrong))) {
		come_back(insns, n);
		free(insns);
		return true;
	}
	if (insns || n || strncmp(wrong, "line ", 5) || strchr(wrong, '\n'))
		error(1, 0, "refused, but not as it should be: %s", wrong);
	return false;
}

static void damage_texts(char **lines, size_t lines_n, size_t number)
{
	size_t taken = 0;
	char text[512];

	for (size_t i = 0; i < number; i++) {
		text[0] = '\0';
		for (int line = below(3); line >= 0; line--)
			strncat(text, lines[below(lines_n)], 100);
		for (int changes = below(4); changes >= 0; changes--)
			change(text, sizeof(text));
		taken += try_text(text);
	}
	printf("texts taken %zu refused %zu\n", taken, number - taken);
}

/* What leads elsewhere from instruction AT: where to, or AT where nothing does. */
static long long target_of(const struct bpf_insn *insns, size_t at)
{
	const struct bpf_insn *insn = insns + at;
	int class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	if (insn->code == (BPF_LD | BPF_DW | BPF_IMM) && insn->src_reg == BPF_PSEUDO_FUNC)
		return (long long)at + 1 + insn->imm;
	if (class != BPF_JMP && class != BPF_JMP32)
		return at;
	if (op == BPF_CALL)
		return insn->src_reg == BPF_PSEUDO_CALL ? (long long)at + 1 + insn->imm
							: (long long)at;
	if (op == BPF_EXIT)
		return at;
	return (long long)at + 1 + (insn->code == (BPF_JMP32 | BPF_JA) ? insn->imm : insn->off);
}

/* Whether the builder took it. */
static bool try_build(const struct bpf_insn *insns, size_t n)
{
	static const char *const labels[] = { "a", "b", "c" };
	struct hp_asm *as = hp_asm_new();
	struct bpf_insn *built;
	size_t n_built;
	bool taken;

	for (size_t i = 0; i < n; i++) {
		if (!below(4))
			hp_asm_label(as, labels[below(3)]);
		if (!below(4))
			hp_asm_jump(as, insns[i], labels[below(3)]);
		else
			hp_asm_add_all(as, insns + i, 1 + (i + 1 < n && !insns[i + 1].code));
	}
	taken = !hp_asm_finish(as, &built, &n_built);
	if (taken == (bool)*hp_asm_error(as))
		error(1, 0, "an error without words, or words without an error");
	hp_asm_free(as);
	if (!taken)
		return false;
	for (size_t i = 0; i < n_built; i++) {
		long long target = target_of(built, i);

		if (target < 0 || target >= (long long)n_built || !built[target].code)
			error(1, 0, "instruction %zu jumps to %lld of %zu", i, target, n_built);
		i += built[i].code == (BPF_LD | BPF_DW | BPF_IMM);
	}
	free(built);
	return true;
}

/* Some bytes at random, some nearly an instruction, some jumps. */
static void scatter(struct bpf_insn *insns, size_t n)
{
	static const __u8 jumps[] = { BPF_JMP | BPF_JA,	  BPF_JMP32 | BPF_JA, BPF_JMP | BPF_JEQ,
				      BPF_JMP | BPF_EXIT, BPF_JMP | BPF_CALL, BPF_JMP | BPF_JCOND };
	static const __s32 imms[] = { 0, 1, 2, -1, 16, 0xf1, 0x100, 1 << 16 };

	for (size_t i = 0; i < n; i++) {
		__u64 bytes = next();

		memcpy(insns + i, &bytes, sizeof(bytes));
		if (!below(6))
			continue;
		if (below(2)) {
			insns[i] = (struct bpf_insn){ .code = jumps[below(6)] };
			continue;
		}
		insns[i].dst_reg = below(2) ? 0 : below(12);
		insns[i].src_reg = below(2) ? 0 : below(12);
		insns[i].off = below(2) ? 0 : below(4);
		insns[i].imm = imms[below(8)];
		if (!below(6))
			insns[i].code = below(2) ? 0 : BPF_LD | BPF_DW | BPF_IMM;
	}
}

static void try_junk(size_t number)
{
	struct bpf_insn insns[16];
	size_t taken = 0;

	for (size_t i = 0; i < number; i++) {
		size_t n = 1 + below(below(2) ? 3 : 16);

		scatter(insns, n);
		come_back(insns, n);
		taken += try_build(insns, n);
	}
	printf("programs taken %zu refused %zu\n", taken, number - taken);
}

int main(int argc, char **argv)
{
	char *lines[LINES] = { 0 };
	size_t lines_n = 0, room = 0, number;

	if (argc != 3)
		error(1, 0, "NUMBER SEED <TEXT");
	number = strtoul(argv[1], NULL, 0);
	state = strtoul(argv[2], NULL, 0) * 2 + 1;
	while (lines_n < LINES && getline(&lines[lines_n], &room, stdin) > 0) {
		lines_n++;
		room = 0;
	}
	if (!lines_n)
		error(1, 0, "no text");
	damage_texts(lines, lines_n, number);
	try_junk(number);
	for (size_t i = 0; i < LINES; i++)
		free(lines[i]);
	return 0;
}
