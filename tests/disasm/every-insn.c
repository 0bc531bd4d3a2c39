// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads a program with each kind of instruction that every kernel since 5.12 has, for
 * tests/disasm.bats to read back. Prints its id, and holds it until standard input ends. Exit
 * status: 0; 1 with the verifier's log.
 */
#include <error.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "insn.h"

#define R0 BPF_REG_0
#define R1 BPF_REG_1
#define R2 BPF_REG_2
#define R3 BPF_REG_3
#define R6 BPF_REG_6
#define R7 BPF_REG_7
#define R8 BPF_REG_8
#define FP BPF_REG_10

static const int sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };

/* r7 is some number, of which the verifier knows nothing; so is r8. */
static void add_arithmetic(struct hp_asm *as)
{
	static const int ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,	BPF_AND,
				   BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH };
	static const int widths[] = { 16, 32, 64 };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		hp_asm_add(as, BPF_ALU64_IMM(ops[i], R7, 7), BPF_ALU64_REG(ops[i], R7, R8));
		hp_asm_add(as, BPF_ALU32_IMM(ops[i], R7, 7), BPF_ALU32_REG(ops[i], R7, R8));
	}
	hp_asm_add(as, BPF_ALU64_IMM(BPF_ADD, R7, -2000000000), BPF_ALU64_IMM(BPF_NEG, R7, 0),
		   BPF_ALU32_IMM(BPF_NEG, R7, 0));
	for (int i = 0; i < 3; i++)
		hp_asm_add(as, BPF_ENDIAN(BPF_TO_LE, R7, widths[i]),
			   BPF_ENDIAN(BPF_TO_BE, R7, widths[i]));
}

static void add_jumps(struct hp_asm *as)
{
	static const int ops[] = { BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT,
				   BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		hp_asm_add(as, BPF_LDX_MEM(BPF_DW, R7, FP, -8));
		hp_asm_jump(as, BPF_JMP_IMM(ops[i], R7, -3, 0), "out");
		hp_asm_jump(as, BPF_JMP_REG(ops[i], R7, R8, 0), "out");
		hp_asm_jump(as, BPF_JMP32_IMM(ops[i], R7, 0xfffffff0, 0), "out");
		hp_asm_jump(as, BPF_JMP32_REG(ops[i], R7, R8, 0), "out");
	}
	hp_asm_jump(as, BPF_JMP_A(0), "back");
	hp_asm_label(as, "further");
}

static void add_memory(struct hp_asm *as)
{
	static const int ops[] = { BPF_ADD, BPF_OR, BPF_AND, BPF_XOR };

	for (int i = 0; i < 4; i++)
		hp_asm_add(as, BPF_ST_MEM(sizes[i], FP, -16, 77), BPF_STX_MEM(sizes[i], FP, R7, -8),
			   BPF_LDX_MEM(sizes[i], R7, FP, -8));
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, FP, -8, -1), BPF_ST_MEM(BPF_W, FP, -16, -1));
	for (int i = 0; i < 4; i++) {
		hp_asm_add(as, BPF_ATOMIC_OP(BPF_W, ops[i], FP, R7, -8),
			   BPF_ATOMIC_OP(BPF_DW, ops[i], FP, R7, -8));
		hp_asm_add(as, BPF_ATOMIC_OP(BPF_W, ops[i] | BPF_FETCH, FP, R7, -8),
			   BPF_ATOMIC_OP(BPF_DW, ops[i] | BPF_FETCH, FP, R7, -8));
	}
	hp_asm_add(as, BPF_MOV64_IMM(R0, 0), BPF_ATOMIC_OP(BPF_W, BPF_XCHG, FP, R7, -8),
		   BPF_ATOMIC_OP(BPF_DW, BPF_XCHG, FP, R7, -8),
		   BPF_ATOMIC_OP(BPF_W, BPF_CMPXCHG, FP, R7, -8),
		   BPF_ATOMIC_OP(BPF_DW, BPF_CMPXCHG, FP, R7, -8));
}

static void add_references(struct hp_asm *as, int map)
{
	hp_asm_add(as, BPF_LD_IMM64(R7, 0xfedcba9876543210), BPF_LD_IMM64(R7, 5),
		   BPF_LD_MAP_VALUE(R7, map, 8), BPF_LDX_MEM(BPF_DW, R7, R7, 0));
	hp_asm_add(as, BPF_ST_MEM(BPF_W, FP, -4, 0), BPF_MOV64_REG(R2, FP),
		   BPF_ALU64_IMM(BPF_ADD, R2, -4), BPF_LD_MAP_FD(R1, map),
		   BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem));
	hp_asm_add(as, BPF_EMIT_CALL(BPF_FUNC_ktime_get_ns),
		   BPF_EMIT_CALL(BPF_FUNC_get_smp_processor_id));
	hp_asm_add(as, BPF_LD_ABS(BPF_B, 0), BPF_LD_ABS(BPF_W, 4), BPF_MOV64_IMM(R3, 2),
		   BPF_LD_IND(BPF_H, R3, 8));
	hp_asm_jump(as, BPF_CALL_REL(0), "function");
}

static int load(struct hp_asm *as)
{
	static char log[1 << 20];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log));
	struct bpf_insn *insns;
	size_t n;
	int fd;

	if (hp_asm_finish(as, &insns, &n))
		error(1, 0, "%s", hp_asm_error(as));
	fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "every_insn", "GPL", insns, n, &opts);
	if (fd < 0)
		error(1, -fd, "%s", log);
	free(insns);
	return fd;
}

int main(void)
{
	struct hp_asm *as = hp_asm_new();
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "every_value", 4, 16, 1, NULL), fd;
	char byte;

	if (map < 0)
		error(1, -map, "cannot create a map");
	hp_asm_add(as, BPF_MOV64_REG(R6, R1), BPF_LDX_MEM(BPF_W, R7, R1, 0), BPF_MOV64_REG(R8, R7));
	add_arithmetic(as);
	add_memory(as);
	add_jumps(as);
	add_references(as, map);
	hp_asm_label(as, "out");
	hp_asm_add(as, BPF_MOV64_IMM(R0, 0), BPF_EXIT_INSN());
	hp_asm_label(as, "back");
	hp_asm_add(as, BPF_MOV32_REG(R7, R8));
	hp_asm_jump(as, BPF_JMP_A(0), "further");
	hp_asm_label(as, "function");
	hp_asm_add(as, BPF_MOV32_IMM(R0, 1), BPF_EXIT_INSN());

	fd = load(as);
	hp_asm_free(as);
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		error(1, 0, "no information");
	printf("%u\n", info.id);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
