// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random programs that the verifier takes, for tests/disasm.bats to read back.
 *
 *   loadable-insns NUMBER SEED
 *
 * Loads programs of at least NUMBER instructions together, prints their ids, and holds them until
 * standard input ends. r0 to r8 are numbers, so that any of them may be in any instruction; memory
 * is the last 16 bytes of the stack, and the context, in r9. Exit status: 0; 1 with the verifier's
 * log.
 */
#include <error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "insn.h"
#include "random.h"

#define EACH 20000 /* with more, there are more jumps than the verifier keeps in mind: 8,192 */

static unsigned int reg(void)
{
	return below(9);
}

static __s32 imm(void)
{
	return below(2) ? (__s32)below(200) - 100 : (__s32)next();
}

static struct bpf_insn arithmetic(void)
{
	static const int ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,	BPF_AND,
				   BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH };
	int op = PICK(ops), number = imm();

	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		number = below(32);
	else if ((op == BPF_DIV || op == BPF_MOD) && !number)
		number = 1;
	switch (below(4)) {
	case 0:
		return BPF_ALU64_IMM(op, reg(), number);
	case 1:
		return BPF_ALU64_REG(op, reg(), reg());
	case 2:
		return BPF_ALU32_IMM(op, reg(), number);
	default:
		return BPF_ALU32_REG(op, reg(), reg());
	}
}

static struct bpf_insn of_one_register(void)
{
	static const int widths[] = { 16, 32, 64 };

	switch (below(4)) {
	case 0:
		return BPF_ALU64_IMM(BPF_NEG, reg(), 0);
	case 1:
		return BPF_ALU32_IMM(BPF_NEG, reg(), 0);
	case 2:
		return BPF_ENDIAN(BPF_TO_LE, reg(), PICK(widths));
	default:
		return BPF_ENDIAN(BPF_TO_BE, reg(), PICK(widths));
	}
}

/* Forward, and never into a 64-bit immediate: behind a jump come three that are none. */
static struct bpf_insn jump(void)
{
	static const int ops[] = { BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT,
				   BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE };
	int op = PICK(ops), distance = below(4);

	switch (below(4)) {
	case 0:
		return BPF_JMP_IMM(op, reg(), imm(), distance);
	case 1:
		return BPF_JMP_REG(op, reg(), reg(), distance);
	case 2:
		return BPF_JMP32_IMM(op, reg(), imm(), distance);
	default:
		return BPF_JMP32_REG(op, reg(), reg(), distance);
	}
}

static struct bpf_insn memory(void)
{
	static const int sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
	static const int bytes[] = { 1, 2, 4, 8 };
	static const int ops[] = { BPF_ADD,
				   BPF_OR,
				   BPF_AND,
				   BPF_XOR,
				   BPF_ADD | BPF_FETCH,
				   BPF_OR | BPF_FETCH,
				   BPF_AND | BPF_FETCH,
				   BPF_XOR | BPF_FETCH,
				   BPF_XCHG,
				   BPF_CMPXCHG };
	int size = below(4), off = -bytes[size] * (1 + (int)below(16 / bytes[size]));

	switch (below(size < 2 ? 3 : 4)) {
	case 0:
		return BPF_LDX_MEM(sizes[size], reg(), BPF_REG_10, off);
	case 1:
		return BPF_STX_MEM(sizes[size], BPF_REG_10, reg(), off);
	case 2:
		return BPF_ST_MEM(sizes[size], BPF_REG_10, off, imm());
	default:
		return BPF_ATOMIC_OP(sizes[size], PICK(ops), BPF_REG_10, reg(), off);
	}
}

static struct bpf_insn no_jump(void)
{
	switch (below(6)) {
	case 0:
		return of_one_register();
	case 1:
	case 2:
		return memory();
	default:
		return arithmetic();
	}
}

static void add_some(struct hp_asm *as, size_t *n)
{
	if (!below(8)) {
		hp_asm_add(as, BPF_LD_IMM64(reg(), next()));
		*n += 2;
		return;
	}
	hp_asm_add(as, jump(), no_jump(), no_jump(), no_jump());
	*n += 4;
}

/*
 * Makes the verifier forget all that it knows, so that it does not follow each of the ways that
 * lead here to the end: what it reads from the context may be anything.
 */
static void forget(struct hp_asm *as)
{
	for (int i = 0; i < 9; i++)
		hp_asm_add(as, BPF_LDX_MEM(BPF_W, i, BPF_REG_9, 0));
	hp_asm_add(as, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_0, -8),
		   BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1, -16));
}

static struct hp_asm *program(void)
{
	struct hp_asm *as = hp_asm_new();

	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_9, BPF_REG_1));
	for (size_t n = 0; n < EACH; n += 11) {
		size_t end = n + 40;

		forget(as);
		while (n < end)
			add_some(as, &n);
	}
	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN());
	return as;
}

static __u32 load(struct hp_asm *as)
{
	static char log[1 << 20];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log));
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	struct bpf_insn *insns;
	size_t n;
	int fd;

	if (hp_asm_finish(as, &insns, &n))
		error(1, 0, "%s", hp_asm_error(as));
	fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "loadable_insns", "GPL", insns, n, &opts);
	if (fd < 0)
		error(1, -fd, "%s", log);
	free(insns);
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		error(1, 0, "no information");
	return info.id;
}

int main(int argc, char **argv)
{
	size_t number;
	char byte;

	if (argc != 3)
		error(1, 0, "NUMBER SEED");
	number = strtoul(argv[1], NULL, 0);
	state = strtoul(argv[2], NULL, 0) * 2 + 1;
	for (size_t n = 0; n < number; n += EACH) {
		struct hp_asm *as = program();

		printf("%u\n", load(as));
		hp_asm_free(as);
	}
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
