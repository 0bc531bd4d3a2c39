// SPDX-License-Identifier: BSD-2-Clause
/* The instruction set, RFC 9669, in the words of llvm-objdump; "no llvm" marks words of our own. */
#include <string.h>

#include "insn-internal.h"

#define BPF_NOSPEC 0xc0 /* the kernel's own */

#define ROW(...)            \
	{                   \
		__VA_ARGS__ \
	}

/* Arithmetic, section 4.1: 64 and 32 bits, with an immediate and with a register. */
#define ALU_OFF(OP, SIGN, OFF)                                                     \
	ROW(BPF_ALU64 | OP | BPF_K, .off = OFF, .text = "%d " SIGN " %i"),         \
		ROW(BPF_ALU64 | OP | BPF_X, .off = OFF, .text = "%d " SIGN " %s"), \
		ROW(BPF_ALU | OP | BPF_K, .off = OFF, .text = "%D " SIGN " %i"),   \
		ROW(BPF_ALU | OP | BPF_X, .off = OFF, .text = "%D " SIGN " %S")
#define ALU(OP, SIGN) ALU_OFF(OP, SIGN, 0)

/* Byte order, section 4.2. */
#define END(BITS)                                                                               \
	ROW(BPF_ALU | BPF_END | BPF_TO_LE, .imm = BITS, .text = "%d = le" #BITS " %d"),         \
		ROW(BPF_ALU | BPF_END | BPF_TO_BE, .imm = BITS, .text = "%d = be" #BITS " %d"), \
		ROW(BPF_ALU64 | BPF_END, .imm = BITS, .text = "%d = bswap" #BITS " %d")

/* Conditional jumps, section 4.3. */
#define JUMP(OP, SIGN)                                                            \
	ROW(BPF_JMP | OP | BPF_K, .text = "if %d " SIGN " %i goto %j"),           \
		ROW(BPF_JMP | OP | BPF_X, .text = "if %d " SIGN " %s goto %j"),   \
		ROW(BPF_JMP32 | OP | BPF_K, .text = "if %D " SIGN " %i goto %j"), \
		ROW(BPF_JMP32 | OP | BPF_X, .text = "if %D " SIGN " %S goto %j")

/* Loads and stores, section 5.1; and those that acquire and release, which say DST and SRC. */
#define MEMORY(SIZE, TYPE, DST, SRC)                                               \
	ROW(BPF_LDX | BPF_MEM | SIZE, .text = "%d = *(" TYPE " *)(%s%o)"),         \
		ROW(BPF_STX | BPF_MEM | SIZE, .text = "*(" TYPE " *)(%d%o) = %s"), \
		ROW(BPF_ST | BPF_MEM | SIZE, .text = "*(" TYPE " *)(%d%o) = %i"),  \
		ROW(BPF_STX | BPF_ATOMIC | SIZE, .imm = BPF_LOAD_ACQ,              \
		    .text = DST " = load_acquire((" TYPE " *)(%s%o))"),            \
		ROW(BPF_STX | BPF_ATOMIC | SIZE, .imm = BPF_STORE_REL,             \
		    .text = "store_release((" TYPE " *)(%d%o), " SRC ")")

/* Of at most 32 bits: from the packet, section 5.5, and sign-extending, 5.2. */
#define NARROW(SIZE, BITS)                                                          \
	ROW(BPF_LD | BPF_ABS | SIZE, .text = "r0 = *(u" BITS " *)skb[%i]"),         \
		ROW(BPF_LD | BPF_IND | SIZE, .text = "r0 = *(u" BITS " *)skb[%s]"), \
		ROW(BPF_LD | BPF_IND | SIZE,                                        \
		    .text = "r0 = *(u" BITS " *)skb[%s%m]"), /* no llvm */          \
		ROW(BPF_LDX | BPF_MEMSX | SIZE, .text = "%d = *(s" BITS " *)(%s%o)")

/* Atomic operations, section 5.3. */
#define ATOMIC(OP, SIGN, NAME)                                                                    \
	ROW(BPF_STX | BPF_ATOMIC | BPF_DW, .imm = OP, .text = "lock *(u64 *)(%d%o) " SIGN " %s"), \
		ROW(BPF_STX | BPF_ATOMIC | BPF_W, .imm = OP,                                      \
		    .text = "lock *(u32 *)(%d%o) " SIGN " %S"),                                   \
		ROW(BPF_STX | BPF_ATOMIC | BPF_DW, .imm = (OP) | BPF_FETCH,                       \
		    .text = "%s = atomic_fetch_" NAME "((u64 *)(%d%o), %s)"),                     \
		ROW(BPF_STX | BPF_ATOMIC | BPF_W, .imm = (OP) | BPF_FETCH,                        \
		    .text = "%S = atomic_fetch_" NAME "((u32 *)(%d%o), %S)")

/* 64-bit immediates, section 5.4. */
#define WIDE(SRC, TEXT) ROW(BPF_LD | BPF_DW | BPF_IMM, .src = SRC, .text = TEXT)

#define CALL(SRC, TEXT) ROW(BPF_JMP | BPF_CALL, .src = SRC, .text = TEXT)

const struct insn_form hp_insn_forms[] = {
	ALU(BPF_ADD, "+="),
	ALU(BPF_SUB, "-="),
	ALU(BPF_MUL, "*="),
	ALU(BPF_DIV, "/="),
	ALU(BPF_OR, "|="),
	ALU(BPF_AND, "&="),
	ALU(BPF_LSH, "<<="),
	ALU(BPF_RSH, ">>="),
	ALU(BPF_MOD, "%%="),
	ALU(BPF_XOR, "^="),
	ALU(BPF_MOV, "="),
	ALU(BPF_ARSH, "s>>="),
	ALU_OFF(BPF_DIV, "s/=", 1),
	ALU_OFF(BPF_MOD, "s%%=", 1),
	ROW(BPF_ALU64 | BPF_NEG, .text = "%d = -%d"),
	ROW(BPF_ALU | BPF_NEG, .text = "%D = -%D"),
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = 8, .text = "%d = (s8)%s"),
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = 16, .text = "%d = (s16)%s"),
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = 32, .text = "%d = (s32)%s"),
	ROW(BPF_ALU | BPF_MOV | BPF_X, .off = 8, .text = "%D = (s8)%S"),
	ROW(BPF_ALU | BPF_MOV | BPF_X, .off = 16, .text = "%D = (s16)%S"),
	/* Arenas, in the kernel's instruction-set.rst only. First kernel: 6.9 */
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = 1, .imm = 1,
	    .text = "%d = addr_space_cast(%s, 0, 1)"),
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = 1, .imm = 1 << 16,
	    .text = "%d = addr_space_cast(%s, 1, 0)"),
	END(16),
	END(32),
	END(64),

	JUMP(BPF_JEQ, "=="),
	JUMP(BPF_JGT, ">"),
	JUMP(BPF_JGE, ">="),
	JUMP(BPF_JSET, "&"),
	JUMP(BPF_JNE, "!="),
	JUMP(BPF_JSGT, "s>"),
	JUMP(BPF_JSGE, "s>="),
	JUMP(BPF_JLT, "<"),
	JUMP(BPF_JLE, "<="),
	JUMP(BPF_JSLT, "s<"),
	JUMP(BPF_JSLE, "s<="),
	ROW(BPF_JMP | BPF_JA, .text = "goto %j"),
	ROW(BPF_JMP32 | BPF_JA, .text = "gotol %J"),
	ROW(BPF_JMP | BPF_JCOND, .text = "may_goto %j"),
	ROW(BPF_JMP | BPF_EXIT, .text = "exit"),
	CALL(0, "call %i"),
	CALL(BPF_PSEUDO_CALL, "call pc%J"),		 /* no llvm; this is bpftool's */
	CALL(BPF_PSEUDO_KFUNC_CALL, "call kfunc %i"),	 /* no llvm */
	CALL(BPF_PSEUDO_KFUNC_CALL, "call kfunc %i %f"), /* no llvm */

	MEMORY(BPF_B, "u8", "%D", "%S"),
	MEMORY(BPF_H, "u16", "%D", "%S"),
	MEMORY(BPF_W, "u32", "%D", "%S"),
	MEMORY(BPF_DW, "u64", "%d", "%s"),
	NARROW(BPF_B, "8"),
	NARROW(BPF_H, "16"),
	NARROW(BPF_W, "32"),
	ATOMIC(BPF_ADD, "+=", "add"),
	ATOMIC(BPF_OR, "|=", "or"),
	ATOMIC(BPF_AND, "&=", "and"),
	ATOMIC(BPF_XOR, "^=", "xor"),
	ROW(BPF_STX | BPF_ATOMIC | BPF_DW, .imm = BPF_XCHG, .text = "%s = xchg_64(%d%o, %s)"),
	ROW(BPF_STX | BPF_ATOMIC | BPF_W, .imm = BPF_XCHG, .text = "%S = xchg32_32(%d%o, %S)"),
	ROW(BPF_STX | BPF_ATOMIC | BPF_DW, .imm = BPF_CMPXCHG,
	    .text = "r0 = cmpxchg_64(%d%o, r0, %s)"),
	ROW(BPF_STX | BPF_ATOMIC | BPF_W, .imm = BPF_CMPXCHG,
	    .text = "w0 = cmpxchg32_32(%d%o, w0, %S)"),

	WIDE(0, "%d = %q ll"),
	/* No llvm. A map's number is its descriptor, and in a loaded program its id. */
	WIDE(BPF_PSEUDO_MAP_FD, "%d = map[%i]"),
	WIDE(BPF_PSEUDO_MAP_VALUE, "%d = map[%i][0]%n"),
	WIDE(BPF_PSEUDO_MAP_IDX, "%d = map[idx:%i]"),
	WIDE(BPF_PSEUDO_MAP_IDX_VALUE, "%d = map[idx:%i][0]%n"),
	WIDE(BPF_PSEUDO_BTF_ID, "%d = btf[%i]%n"),
	WIDE(BPF_PSEUDO_FUNC, "%d = subprog[%J]"),

	/* What the verifier makes of it: behind "#" the number of a BPF function, which the JIT
	   set. */
	ROW(BPF_JMP | BPF_CALL, .src = BPF_PSEUDO_CALL, .text = "call pc%j#%i", .loaded = true),
	ROW(BPF_LD | BPF_DW | BPF_IMM, .src = BPF_PSEUDO_FUNC, .text = "%d = subprog[%J]#%N",
	    .loaded = true),
	/* The address on this CPU. First kernel: 6.10 */
	ROW(BPF_ALU64 | BPF_MOV | BPF_X, .off = -1, .text = "%d = &(void __percpu *)(%s)",
	    .loaded = true),
	/* What clears the upper half where the machine does not. First kernel: 5.3 */
	ROW(BPF_ALU | BPF_MOV | BPF_X, .imm = 1, .text = "%D = zext(%S)", .loaded = true),
	/* A barrier to speculation. First kernel: 5.14 */
	ROW(BPF_ST | BPF_NOSPEC, .text = "nospec", .loaded = true),
};

const size_t hp_insn_forms_n = sizeof(hp_insn_forms) / sizeof(*hp_insn_forms);

bool hp_form_names(const struct insn_form *form, const char *fields)
{
	for (const char *at = form->text; *at; at++)
		if (*at == '%' && *++at != '%' && strchr(fields, *at))
			return true;
	return false;
}

static bool second_half_fits(const struct insn_form *form, const struct bpf_insn *second)
{
	return !second->code && !second->dst_reg && !second->src_reg && !second->off &&
	       (!second->imm || hp_form_names(form, "qnN"));
}

static bool form_fits(const struct insn_form *form, const struct bpf_insn *insn, size_t left)
{
	if (form->code != insn->code || insn->dst_reg > BPF_REG_10 || insn->src_reg > BPF_REG_10)
		return false;
	if (insn->dst_reg && !hp_form_names(form, "dD"))
		return false;
	if (insn->src_reg != form->src && !hp_form_names(form, "sS"))
		return false;
	if (insn->off != form->off && !hp_form_names(form, "ojf"))
		return false;
	if (insn->imm != form->imm && !hp_form_names(form, "imJq"))
		return false;
	return !insn_is_wide(insn->code) || (left >= 2 && second_half_fits(form, insn + 1));
}

const struct insn_form *hp_form_of(const struct bpf_insn *insn, size_t left)
{
	for (size_t i = 0; i < hp_insn_forms_n; i++)
		if (form_fits(&hp_insn_forms[i], insn, left))
			return &hp_insn_forms[i];
	return NULL;
}
