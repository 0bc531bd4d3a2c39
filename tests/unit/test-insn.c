// SPDX-License-Identifier: BSD-2-Clause
/* Instructions: the macros against bytes put together from RFC 9669, and the builder. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define R0  BPF_REG_0
#define R1  BPF_REG_1
#define R2  BPF_REG_2
#define R10 BPF_REG_10

/* An instruction, and its eight bytes on a little-endian machine. */
struct known {
	struct bpf_insn insn;
	const char *bytes;
};

static const struct known known[] = {
	{ BPF_ALU64_IMM(BPF_ADD, R1, 5), "07 01 00 00 05 00 00 00" },
	{ BPF_ALU64_REG(BPF_SUB, R1, R2), "1f 21 00 00 00 00 00 00" },
	{ BPF_ALU32_IMM(BPF_MUL, R1, -1), "24 01 00 00 ff ff ff ff" },
	{ BPF_ALU32_IMM(BPF_AND, R1, 0xffffff00), "54 01 00 00 00 ff ff ff" },
	{ BPF_ALU32_REG(BPF_ARSH, R10, R1), "cc 1a 00 00 00 00 00 00" },
	{ BPF_ALU64_IMM(BPF_NEG, R1, 0), "87 01 00 00 00 00 00 00" },
	{ BPF_ALU64_REG_OFF(BPF_DIV, R1, R2, 1), "3f 21 01 00 00 00 00 00" },
	{ BPF_ALU64_IMM_OFF(BPF_MOD, R1, 7, 1), "97 01 01 00 07 00 00 00" },
	{ BPF_ALU32_REG_OFF(BPF_MOD, R1, R2, 1), "9c 21 01 00 00 00 00 00" },
	{ BPF_ALU32_IMM_OFF(BPF_DIV, R1, 7, 1), "34 01 01 00 07 00 00 00" },
	{ BPF_MOV64_REG(R1, R10), "bf a1 00 00 00 00 00 00" },
	{ BPF_MOV64_IMM(R0, -2), "b7 00 00 00 fe ff ff ff" },
	{ BPF_MOV32_REG(R1, R2), "bc 21 00 00 00 00 00 00" },
	{ BPF_MOV32_IMM(R1, 1), "b4 01 00 00 01 00 00 00" },
	{ BPF_MOVSX64_REG(R1, R2, 32), "bf 21 20 00 00 00 00 00" },
	{ BPF_MOVSX32_REG(R1, R2, 8), "bc 21 08 00 00 00 00 00" },
	{ BPF_ENDIAN(BPF_TO_BE, R1, 16), "dc 01 00 00 10 00 00 00" },
	{ BPF_ENDIAN(BPF_TO_LE, R1, 64), "d4 01 00 00 40 00 00 00" },
	{ BPF_BSWAP(R1, 32), "d7 01 00 00 20 00 00 00" },
	{ BPF_JMP_REG(BPF_JSGT, R1, R2, -2), "6d 21 fe ff 00 00 00 00" },
	{ BPF_JMP_IMM(BPF_JSET, R1, 8, 1), "45 01 01 00 08 00 00 00" },
	{ BPF_JMP32_REG(BPF_JLE, R1, R2, 3), "be 21 03 00 00 00 00 00" },
	{ BPF_JMP32_IMM(BPF_JEQ, R1, 0xc0a80001, 3), "16 01 03 00 01 00 a8 c0" },
	{ BPF_JMP_A(-32768), "05 00 00 80 00 00 00 00" },
	{ BPF_JMP32_A(65536), "06 00 00 00 00 00 01 00" },
	{ BPF_MAY_GOTO(1), "e5 00 01 00 00 00 00 00" },
	{ BPF_EXIT_INSN(), "95 00 00 00 00 00 00 00" },
	{ BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem), "85 00 00 00 01 00 00 00" },
	{ BPF_CALL_REL(-3), "85 10 00 00 fd ff ff ff" },
	{ BPF_CALL_KFUNC(1, 77), "85 20 01 00 4d 00 00 00" },
	{ BPF_LDX_MEM(BPF_B, R1, R2, 4), "71 21 04 00 00 00 00 00" },
	{ BPF_LDX_MEM(BPF_H, R1, R2, -4), "69 21 fc ff 00 00 00 00" },
	{ BPF_LDX_MEM(BPF_W, R1, R2, 0), "61 21 00 00 00 00 00 00" },
	{ BPF_LDX_MEM(BPF_DW, R1, R2, 0), "79 21 00 00 00 00 00 00" },
	{ BPF_LDX_MEMSX(BPF_W, R1, R2, 4), "81 21 04 00 00 00 00 00" },
	{ BPF_STX_MEM(BPF_DW, R10, R1, -8), "7b 1a f8 ff 00 00 00 00" },
	{ BPF_ST_MEM(BPF_W, R10, -4, 0xffffffff), "62 0a fc ff ff ff ff ff" },
	{ BPF_LD_ABS(BPF_H, 12), "28 00 00 00 0c 00 00 00" },
	{ BPF_LD_IND(BPF_B, R1, 9), "50 10 00 00 09 00 00 00" },
	{ BPF_ATOMIC_OP(BPF_DW, BPF_ADD, R1, R2, 8), "db 21 08 00 00 00 00 00" },
	{ BPF_ATOMIC_OP(BPF_W, BPF_XOR | BPF_FETCH, R1, R2, 0), "c3 21 00 00 a1 00 00 00" },
	{ BPF_ATOMIC_OP(BPF_DW, BPF_XCHG, R1, R2, 0), "db 21 00 00 e1 00 00 00" },
	{ BPF_ATOMIC_OP(BPF_DW, BPF_CMPXCHG, R1, R2, 0), "db 21 00 00 f1 00 00 00" },
	{ BPF_ATOMIC_OP(BPF_B, BPF_LOAD_ACQ, R1, R2, 0), "d3 21 00 00 00 01 00 00" },
	{ BPF_ATOMIC_OP(BPF_DW, BPF_STORE_REL, R1, R2, 0), "db 21 00 00 10 01 00 00" },
};

static const struct bpf_insn wide[] = {
	BPF_LD_IMM64(R1, 0x1122334455667788),
	BPF_LD_MAP_FD(R1, 3),
	BPF_LD_MAP_VALUE(R1, 3, 8),
	BPF_LD_MAP_IDX(R1, 3),
	BPF_LD_MAP_IDX_VALUE(R1, 3, 8),
	BPF_LD_BTF_ID(R1, 7, 0),
	BPF_LD_FUNC(R1, -2),
};

static const char *const wide_bytes[] = {
	"18 01 00 00 88 77 66 55", "00 00 00 00 44 33 22 11", "18 11 00 00 03 00 00 00",
	"00 00 00 00 00 00 00 00", "18 21 00 00 03 00 00 00", "00 00 00 00 08 00 00 00",
	"18 51 00 00 03 00 00 00", "00 00 00 00 00 00 00 00", "18 61 00 00 03 00 00 00",
	"00 00 00 00 08 00 00 00", "18 31 00 00 07 00 00 00", "00 00 00 00 00 00 00 00",
	"18 41 00 00 fe ff ff ff", "00 00 00 00 00 00 00 00",
};

static void assert_bytes(const struct bpf_insn *insn, const char *expected)
{
	const unsigned char *byte = (const unsigned char *)insn;
	char text[3 * sizeof(*insn) + 1];

	for (size_t i = 0; i < sizeof(*insn); i++)
		sprintf(text + 3 * i, "%02x ", byte[i]);
	text[sizeof(text) - 2] = '\0';
	assert_string_equal(text, expected);
}

static void test_macros(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(known); i++)
		assert_bytes(&known[i].insn, known[i].bytes);
	assert_int_equal(COUNT(wide), COUNT(wide_bytes));
	for (size_t i = 0; i < COUNT(wide); i++)
		assert_bytes(&wide[i], wide_bytes[i]);
}

/* All of them are instructions to the builder, too. */
static void test_builder_takes_macros(void **state)
{
	struct hp_asm *as = hp_asm_new();

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++)
		assert_int_equal(hp_asm_add(as, known[i].insn), 0);
	assert_int_equal(hp_asm_add_all(as, wide, COUNT(wide)), 0);
	assert_string_equal(hp_asm_error(as), "");
	hp_asm_free(as);
}

static void test_labels(void **state)
{
	const struct bpf_insn expected[] = {
		BPF_MOV64_IMM(R0, 0),
		BPF_JMP_IMM(BPF_JEQ, R1, 0, 6), /* over a 64-bit immediate, which is two */
		BPF_LD_IMM64(R2, 1),
		BPF_CALL_REL(4),
		BPF_JMP32_A(-5),
		BPF_JMP_A(-5), /* to the 64-bit immediate */
		BPF_JMP_A(-1), /* to itself */
		BPF_EXIT_INSN(),
		BPF_EXIT_INSN(),
	};
	struct hp_asm *as = hp_asm_new();
	struct bpf_insn *insns;
	size_t n;

	(void)state;
	hp_asm_add(as, BPF_MOV64_IMM(R0, 0));
	hp_asm_label(as, "top");
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JEQ, R1, 0, 0), "out");
	hp_asm_label(as, "wide");
	hp_asm_add(as, BPF_LD_IMM64(R2, 1));
	hp_asm_jump(as, BPF_CALL_REL(0), "function");
	hp_asm_jump(as, BPF_JMP32_A(0), "top");
	hp_asm_jump(as, BPF_JMP_A(99), "wide"); /* its own offset counts for nothing */
	hp_asm_label(as, "here");
	hp_asm_jump(as, BPF_JMP_A(0), "here");
	hp_asm_label(as, "out");
	hp_asm_add(as, BPF_EXIT_INSN());
	hp_asm_label(as, "function");
	hp_asm_add(as, BPF_EXIT_INSN());
	assert_int_equal(hp_asm_finish(as, &insns, &n), 0);
	assert_int_equal(n, COUNT(expected));
	assert_memory_equal(insns, expected, sizeof(expected));
	free(insns);
	hp_asm_free(as);
}

/* Ends a program that has an error: it is ERR, and TEXT tells it; the outputs are as they were. */
static void assert_refused(struct hp_asm *as, int err, const char *text)
{
	struct bpf_insn *insns = (void *)1;
	size_t n = 77;

	assert_int_equal(hp_asm_finish(as, &insns, &n), err);
	assert_string_equal(hp_asm_error(as), text);
	assert_ptr_equal(insns, (void *)1);
	assert_int_equal(n, 77);
	hp_asm_free(as);
}

/* One instruction that the builder refuses, behind one that it takes. */
static void assert_insn_refused(struct bpf_insn insn, int err, const char *text)
{
	struct hp_asm *as = hp_asm_new();

	assert_int_equal(hp_asm_add(as, BPF_MOV64_IMM(R0, 0)), 0);
	assert_int_equal(hp_asm_add(as, insn), err);
	assert_refused(as, err, text);
}

static void test_bad_instructions(void **state)
{
	(void)state;
	assert_insn_refused(BPF_MOV64_IMM(11, 0), -EINVAL,
			    "instruction 1: no register r11, the last one is r10");
	assert_insn_refused(BPF_MOV64_REG(R0, 15), -EINVAL,
			    "instruction 1: no register r15, the last one is r10");
	assert_insn_refused(BPF_RAW_INSN(0x8f, R0, R1, 0, 0), -EINVAL,
			    "instruction 1: unknown opcode 0x8f");
	assert_insn_refused(BPF_RAW_INSN(0xc2, R0, 0, 0, 0), -EINVAL,
			    "instruction 1: unknown opcode 0xc2");
	assert_insn_refused(BPF_ENDIAN(BPF_TO_BE, R0, 17), -EINVAL,
			    "instruction 1: opcode 0xdc does not exist with dst 0, src 0, offset "
			    "0, immediate 17");
	assert_insn_refused(BPF_ATOMIC_OP(BPF_B, BPF_ADD, R1, R2, 0), -EINVAL,
			    "instruction 1: opcode 0xd3 does not exist with dst 1, src 2, offset "
			    "0, immediate 0");
	assert_insn_refused(BPF_MOVSX32_REG(R1, R2, 32), -EINVAL,
			    "instruction 1: opcode 0xbc does not exist with dst 1, src 2, offset "
			    "32, immediate 0");
	assert_insn_refused(BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, R0, 0, 0, 1), -EINVAL,
			    "instruction 1: half a 64-bit immediate");
}

/* Of variables the compiler does not know; of constants it warns. */
static void test_bad_numbers(void **state)
{
	const char *no_immediate = "instruction 1: the immediate does not fit 32 bits";
	const char *no_offset = "instruction 1: the offset does not fit 16 bits";
	const char *no_register = "instruction 1: no such register";
	volatile int sixteen = 16, minus_one = -1;
	volatile long long number = 0x80000000;

	(void)state;
	assert_insn_refused(BPF_MOV64_REG(sixteen, R0), -ERANGE, no_register);
	assert_insn_refused(BPF_MOV64_REG(R0, minus_one), -ERANGE, no_register);
	assert_insn_refused(BPF_MOV64_IMM(R0, number), -ERANGE, no_immediate);
	assert_insn_refused(BPF_JMP_IMM(BPF_JEQ, R0, number, 0), -ERANGE, no_immediate);
	assert_insn_refused(BPF_ST_MEM(BPF_DW, R10, 0, number), -ERANGE, no_immediate);
	number = 0x100000000;
	assert_insn_refused(BPF_MOV32_IMM(R0, number), -ERANGE, no_immediate);
	number = -0x80000001LL;
	assert_insn_refused(BPF_MOV32_IMM(R0, number), -ERANGE, no_immediate);
	number = 32768;
	assert_insn_refused(BPF_JMP_A(number), -ERANGE, no_offset);
	number = -32769;
	assert_insn_refused(BPF_LDX_MEM(BPF_B, R0, R1, number), -ERANGE, no_offset);
}

/* A program of one instruction and what else stands behind it. */
static struct hp_asm *begun(void)
{
	struct hp_asm *as = hp_asm_new();

	hp_asm_add(as, BPF_MOV64_IMM(R0, 0));
	return as;
}

static void test_bad_labels(void **state)
{
	struct hp_asm *as = begun();

	(void)state;
	hp_asm_jump(as, BPF_JMP_A(0), "nowhere");
	assert_refused(as, -ENOENT, "instruction 1: no label \"nowhere\"");

	as = begun();
	assert_int_equal(hp_asm_label(as, "twice"), 0);
	hp_asm_add(as, BPF_EXIT_INSN());
	assert_int_equal(hp_asm_label(as, "twice"), -EEXIST);
	assert_refused(as, -EEXIST, "instruction 2: label \"twice\" is at instruction 1 already");

	as = begun();
	hp_asm_label(as, "here");
	assert_int_equal(hp_asm_jump(as, BPF_MOV64_IMM(R0, 0), "here"), -EINVAL);
	assert_refused(as, -EINVAL, "instruction 1: no jump, so not to \"here\"");

	as = begun();
	hp_asm_jump(as, BPF_JMP_A(0), "end");
	hp_asm_label(as, "end");
	assert_refused(as, -ERANGE,
		       "instruction 1: leads to instruction 2, outside of the program");
}

static void test_bad_jumps(void **state)
{
	struct hp_asm *as = begun();

	(void)state;
	hp_asm_add(as, BPF_JMP_A(1), BPF_EXIT_INSN());
	assert_refused(as, -ERANGE,
		       "instruction 1: leads to instruction 3, outside of the program");

	as = begun();
	hp_asm_add(as, BPF_CALL_REL(-3), BPF_EXIT_INSN());
	assert_refused(as, -ERANGE,
		       "instruction 1: leads to instruction -1, outside of the program");

	as = begun();
	hp_asm_add(as, BPF_JMP_IMM(BPF_JEQ, R0, 0, 1), BPF_LD_IMM64(R0, 1), BPF_EXIT_INSN());
	assert_refused(as, -ERANGE,
		       "instruction 1: leads to instruction 3, the second half of a 64-bit "
		       "immediate");

	as = begun();
	hp_asm_add(as, BPF_LD_FUNC(R1, 5), BPF_EXIT_INSN());
	assert_refused(as, -ERANGE,
		       "instruction 1: leads to instruction 7, outside of the program");
}

/* A jump of 16 bits ends where goto with 32 goes on. */
static void test_far_jump(void **state)
{
	struct hp_asm *as;
	struct bpf_insn *insns;
	size_t n;

	(void)state;
	for (int far = 0; far < 3; far++) {
		as = hp_asm_new();
		hp_asm_jump(as, far == 2 ? BPF_JMP32_A(0) : BPF_JMP_A(0), "end");
		for (int i = 0; i < 32767 + !!far; i++)
			hp_asm_add(as, BPF_MOV64_IMM(R0, 0));
		hp_asm_label(as, "end");
		hp_asm_add(as, BPF_EXIT_INSN());
		if (far == 1) {
			assert_refused(as, -ERANGE,
				       "instruction 0: \"end\" is too far, 32768 instructions; a "
				       "jump goes -32768 to 32767, BPF_JMP32_A() any distance");
			continue;
		}
		assert_int_equal(hp_asm_finish(as, &insns, &n), 0);
		assert_int_equal(far ? insns->imm : insns->off, 32767 + !!far);
		free(insns);
		hp_asm_free(as);
	}
}

static void test_first_error_sticks(void **state)
{
	struct hp_asm *as = begun();
	struct bpf_insn *insns;
	size_t n;

	(void)state;
	assert_int_equal(hp_asm_add(as, BPF_MOV64_IMM(12, 0)), -EINVAL);
	assert_int_equal(hp_asm_label(as, "label"), -EINVAL);
	assert_int_equal(hp_asm_jump(as, BPF_JMP_A(0), "nowhere"), -EINVAL);
	assert_int_equal(hp_asm_add(as, BPF_EXIT_INSN()), -EINVAL);
	assert_refused(as, -EINVAL, "instruction 1: no register r12, the last one is r10");

	assert_refused(hp_asm_new(), -EINVAL, "no instructions");
	assert_int_equal(hp_asm_add(NULL, BPF_EXIT_INSN()), -ENOMEM);
	assert_int_equal(hp_asm_label(NULL, "label"), -ENOMEM);
	assert_int_equal(hp_asm_jump(NULL, BPF_JMP_A(0), "label"), -ENOMEM);
	assert_int_equal(hp_asm_finish(NULL, &insns, &n), -ENOMEM);
	assert_string_equal(hp_asm_error(NULL), "out of memory");
	hp_asm_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_builder_takes_macros),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_bad_instructions),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_bad_labels),
		cmocka_unit_test(test_bad_jumps),
		cmocka_unit_test(test_far_jump),
		cmocka_unit_test(test_first_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
