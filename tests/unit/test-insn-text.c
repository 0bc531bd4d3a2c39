// SPDX-License-Identifier: BSD-2-Clause
/* Instructions as text, and back; tests/disasm.bats compares a million with llvm-objdump. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

/* The library calls this and not libc's. */
static bool has_no_memory;

char *strdup(const char *text)
{
	char *(*real)(const char *) = (char *(*)(const char *))dlsym(RTLD_NEXT, "strdup");

	return has_no_memory ? NULL : real(text);
}

/* INSNS as text is TEXT, and TEXT assembled is INSNS. */
static void assert_text(const struct bpf_insn *insns, size_t n, const char *text)
{
	char *written, wrong[160] = "";
	struct bpf_insn *back;
	size_t size, n_back;
	FILE *memory = open_memstream(&written, &size);

	assert_int_equal(hp_disasm(insns, n, memory), 0);
	fclose(memory);
	assert_string_equal(written, text);
	assert_int_equal(hp_assemble(written, &back, &n_back, wrong, sizeof(wrong)), 0);
	assert_int_equal(n_back, n);
	assert_memory_equal(back, insns, n * sizeof(*insns));
	free(back);
	free(written);
}

static void test_text(void **state)
{
	const struct bpf_insn insns[] = {
		BPF_LD_IMM64(R1, -1),
		BPF_LDX_MEM(BPF_W, R2, R1, -32768),
		BPF_JMP32_IMM(BPF_JSLT, R2, -5, -3),
		BPF_ATOMIC_OP(BPF_DW, BPF_ADD | BPF_FETCH, R10, R2, 0),
		BPF_LD_MAP_VALUE(R1, 3, 8),
		BPF_CALL_REL(-1),
		BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, R0, 0, 0, 1), /* without its second half */
	};

	(void)state;
	assert_text(insns, COUNT(insns),
		    "       0:\tr1 = -1 ll\n"
		    "       2:\tr2 = *(u32 *)(r1 - 32768)\n"
		    "       3:\tif w2 s< -5 goto -3\n"
		    "       4:\tr2 = atomic_fetch_add((u64 *)(r10 + 0), r2)\n"
		    "       5:\tr1 = map[3][0]+8\n"
		    "       7:\tcall pc-1\n"
		    "       8:\t.insn 0x18, 0, 0, 0, 1\n");
}

/* Every opcode with the longest numbers stays within HP_INSN_TEXT. */
static void test_longest_text(void **state)
{
	static const __s16 offs[] = { INT16_MIN, 0, -1, 1 };
	static const __s32 imms[] = { INT32_MIN,   BPF_ADD,	 BPF_XOR | BPF_FETCH, BPF_XCHG,
				      BPF_CMPXCHG, BPF_LOAD_ACQ, BPF_STORE_REL };
	char text[2 * HP_INSN_TEXT];
	size_t used, longest = 0;

	(void)state;
	for (size_t i = 0; i < 256 * 11 * COUNT(offs) * COUNT(imms); i++) {
		const struct bpf_insn insns[2] = {
			{ .code = i,
			  10,
			  i / 256 % 11,
			  offs[i / 256 / 11 % COUNT(offs)],
			  imms[i / 256 / 11 / COUNT(offs)] },
			{ .imm = INT32_MIN },
		};

		hp_disasm_insn(insns, 2, text, &used);
		longest = strlen(text) > longest ? strlen(text) : longest;
	}
	assert_in_range(longest, 40, HP_INSN_TEXT - 20);
}

static void assert_assembles(const char *text, size_t n_expected, const struct bpf_insn *expected)
{
	struct bpf_insn *insns;
	char wrong[160] = "";
	size_t n;

	assert_int_equal(hp_assemble(text, &insns, &n, wrong, sizeof(wrong)), 0);
	assert_int_equal(n, n_expected);
	if (n)
		assert_memory_equal(insns, expected, n * sizeof(*insns));
	else
		assert_null(insns);
	free(insns);
}

static void assert_text_refused(const char *text, int err, const char *expected)
{
	struct bpf_insn *insns = (void *)1;
	char wrong[160] = "";
	size_t n = 77;

	assert_int_equal(hp_assemble(text, &insns, &n, wrong, sizeof(wrong)), err);
	assert_string_equal(wrong, expected);
	assert_ptr_equal(insns, (void *)1);
	assert_int_equal(n, 77);
}

static void test_assemble(void **state)
{
	const struct bpf_insn two[] = { BPF_MOV64_IMM(R1, 16), BPF_EXIT_INSN() };

	(void)state;
	assert_assembles("r1 = 16\nexit", 2, two);
	assert_assembles("; a comment\n\n  7: r1  =\t0x10 ; why\r\n\texit\n", 2, two);
	assert_assembles("", 0, NULL);
	assert_text_refused("r1 = r11", -ERANGE, "line 1: register out of range: r1 = r11");
	assert_text_refused("exit\nr1 = 2147483648", -ERANGE,
			    "line 2: immediate out of range: r1 = 2147483648");
	assert_text_refused("w1 = 99999999999999999999", -ERANGE,
			    "line 1: immediate out of range: w1 = 99999999999999999999");
	assert_text_refused("r1 = 18446744073709551616 ll", -ERANGE,
			    "line 1: immediate out of range: r1 = 18446744073709551616 ll");
	assert_text_refused("goto +32768", -ERANGE, "line 1: distance out of range: goto +32768");
	assert_text_refused("r1 = *(u8 *)(r2 - 32769)", -ERANGE,
			    "line 1: offset out of range: r1 = *(u8 *)(r2 - 32769)");
	assert_text_refused("r1 = be16 r2", -EINVAL, "line 1: no such instruction: r1 = be16 r2");
	assert_text_refused("goto end", -EINVAL, "line 1: no such instruction: goto end");
	assert_text_refused("r1 = 1 2", -EINVAL, "line 1: no such instruction: r1 = 1 2");
	assert_text_refused(".insn 256, 0, 0, 0, 0", -ERANGE,
			    "line 1: opcode out of range: .insn 256, 0, 0, 0, 0");
}

static void test_out_of_memory(void **state)
{
	char wrong[160] = "unset";
	struct bpf_insn *insns;
	size_t n;
	int err;

	(void)state;
	has_no_memory = true;
	err = hp_assemble("exit", &insns, &n, wrong, sizeof(wrong));
	has_no_memory = false;
	assert_int_equal(err, -ENOMEM);
	assert_string_equal(wrong, "out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_assemble),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
