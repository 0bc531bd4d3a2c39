/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BPF instructions by hand: macros that write one, a builder that checks a program made of them,
 * a disassembler and an assembler. hookpoint.h is not needed for it, and tells what it means that
 * all functions here are experimental (HP_EXPERIMENTAL).
 *
 * The macros have the names of the kernel's include/linux/filter.h. The instruction set is RFC
 * 9669, in the kernel Documentation/bpf/standardization/instruction-set.rst; the sections named
 * below are of the RFC. "First kernel" is 3.18 unless a line says otherwise.
 */
#ifndef HOOKPOINT_INSN_H
#define HOOKPOINT_INSN_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Newer than the headers of Linux 6.1. */
#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80 /* BPF_LDX: sign-extend what was read. First kernel: 6.6 */
#endif
#ifndef BPF_LOAD_ACQ
#define BPF_LOAD_ACQ  0x100 /* BPF_ATOMIC. First kernel: 6.15 */
#define BPF_STORE_REL 0x110
#endif
#ifndef BPF_JCOND
#define BPF_JCOND 0xe0 /* BPF_JMP: may_goto. First kernel: 6.9 */
#endif

/* ---- an instruction (section 3) -------------------------------------------------------------- */

/*
 * A field of an instruction is narrow, and C cuts off without a word what a variable holds beyond
 * it. So a macro whose register, offset or immediate does not fit writes one of these opcodes,
 * which the instruction set does not have, and the builder says which of the three it was. Of most
 * constants the compiler warns, too.
 */
#define HP_BAD_REGISTER	 0xe7
#define HP_BAD_OFFSET	 0xef
#define HP_BAD_IMMEDIATE 0xf7

/*
 * The largest immediate: 64-bit instructions extend its sign, so there 0xffffffff would become
 * something else; for the others it is as good as -1.
 */
#define HP_IS_64BIT(CODE)                                              \
	(BPF_CLASS(CODE) == BPF_ALU64 || BPF_CLASS(CODE) == BPF_JMP || \
	 (CODE) == (BPF_ST | BPF_MEM | BPF_DW))
#define HP_IMM_MAX(CODE) (HP_IS_64BIT(CODE) ? (long long)INT32_MAX : (long long)UINT32_MAX)

/* MIN <= VALUE <= MAX, in words that make no compiler warn that a narrow type always is. */
#define HP_WITHIN(VALUE, MIN, MAX) \
	((unsigned long long)(VALUE) - (MIN) <= (unsigned long long)(MAX) - (MIN))

#define HP_CHECKED_CODE(CODE, DST, SRC, OFF, IMM)                            \
	(!HP_WITHIN(DST, 0, 15) || !HP_WITHIN(SRC, 0, 15) ? HP_BAD_REGISTER  \
	 : !HP_WITHIN(OFF, INT16_MIN, INT16_MAX)	  ? HP_BAD_OFFSET    \
	 : !HP_WITHIN(IMM, INT32_MIN, HP_IMM_MAX(CODE))	  ? HP_BAD_IMMEDIATE \
							  : (CODE))

/*
 * Any instruction, from its fields. Like all macros here a value that may also stand in the
 * initializer of a static array; its arguments are evaluated more than once.
 */
#define BPF_RAW_INSN(CODE, DST, SRC, OFF, IMM)                                 \
	((struct bpf_insn){ .code = HP_CHECKED_CODE(CODE, DST, SRC, OFF, IMM), \
			    .dst_reg = (DST),                                  \
			    .src_reg = (SRC),                                  \
			    .off = (OFF),                                      \
			    .imm = (IMM) })

/* ---- arithmetic (section 4.1) ---------------------------------------------------------------- */

/*
 * dst = dst OP src, or dst OP imm. OP: BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD (both unsigned;
 * x / 0 is 0, x % 0 is x), BPF_OR, BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH (keeps the sign),
 * and with an immediate of 0 BPF_NEG. The 32-bit forms clear the upper half of dst.
 */
#define BPF_ALU64_REG(OP, DST, SRC) BPF_RAW_INSN(BPF_ALU64 | BPF_OP(OP) | BPF_X, DST, SRC, 0, 0)
#define BPF_ALU64_IMM(OP, DST, IMM) BPF_RAW_INSN(BPF_ALU64 | BPF_OP(OP) | BPF_K, DST, 0, 0, IMM)
#define BPF_ALU32_REG(OP, DST, SRC) BPF_RAW_INSN(BPF_ALU | BPF_OP(OP) | BPF_X, DST, SRC, 0, 0)
#define BPF_ALU32_IMM(OP, DST, IMM) BPF_RAW_INSN(BPF_ALU | BPF_OP(OP) | BPF_K, DST, 0, 0, IMM)

/* With OFF 1, BPF_DIV and BPF_MOD are signed. First kernel: 6.6 */
#define BPF_ALU64_REG_OFF(OP, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_ALU64 | BPF_OP(OP) | BPF_X, DST, SRC, OFF, 0)
#define BPF_ALU64_IMM_OFF(OP, DST, IMM, OFF) \
	BPF_RAW_INSN(BPF_ALU64 | BPF_OP(OP) | BPF_K, DST, 0, OFF, IMM)
#define BPF_ALU32_REG_OFF(OP, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_ALU | BPF_OP(OP) | BPF_X, DST, SRC, OFF, 0)
#define BPF_ALU32_IMM_OFF(OP, DST, IMM, OFF) \
	BPF_RAW_INSN(BPF_ALU | BPF_OP(OP) | BPF_K, DST, 0, OFF, IMM)

/* dst = src, or dst = imm, whose sign is extended to 64 bits. */
#define BPF_MOV64_REG(DST, SRC) BPF_ALU64_REG(BPF_MOV, DST, SRC)
#define BPF_MOV64_IMM(DST, IMM) BPF_ALU64_IMM(BPF_MOV, DST, IMM)
#define BPF_MOV32_REG(DST, SRC) BPF_ALU32_REG(BPF_MOV, DST, SRC)
#define BPF_MOV32_IMM(DST, IMM) BPF_ALU32_IMM(BPF_MOV, DST, IMM)

/* dst = the low 8, 16 or (64-bit form) 32 BITS of src, sign-extended. First kernel: 6.6 */
#define BPF_MOVSX64_REG(DST, SRC, BITS) BPF_ALU64_REG_OFF(BPF_MOV, DST, SRC, BITS)
#define BPF_MOVSX32_REG(DST, SRC, BITS) BPF_ALU32_REG_OFF(BPF_MOV, DST, SRC, BITS)

/* ---- byte order (section 4.2) ---------------------------------------------------------------- */

/*
 * dst = the low 16, 32 or 64 BITS of dst, TYPE BPF_TO_BE or BPF_TO_LE: to big or little endian, or
 * from it, which is the same. The rest of dst is cleared.
 */
#define BPF_ENDIAN(TYPE, DST, BITS) BPF_RAW_INSN(BPF_ALU | BPF_END | (TYPE), DST, 0, 0, BITS)

/* Swaps them on every machine. First kernel: 6.6 */
#define BPF_BSWAP(DST, BITS) BPF_RAW_INSN(BPF_ALU64 | BPF_END, DST, 0, 0, BITS)

/* ---- jumps (section 4.3) --------------------------------------------------------------------- */

/*
 * if (dst OP src) skip OFF instructions; OFF may be negative, and is counted from the instruction
 * that follows. OP: BPF_JEQ, BPF_JNE, BPF_JSET (any of these bits), unsigned BPF_JGT, BPF_JGE,
 * BPF_JLT, BPF_JLE, signed BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE. The less-than ones: 4.14.
 * JMP32 compares the low halves. First kernel: 5.1. With hp_asm_jump() OFF is 0.
 */
#define BPF_JMP_REG(OP, DST, SRC, OFF) BPF_RAW_INSN(BPF_JMP | BPF_OP(OP) | BPF_X, DST, SRC, OFF, 0)
#define BPF_JMP_IMM(OP, DST, IMM, OFF) BPF_RAW_INSN(BPF_JMP | BPF_OP(OP) | BPF_K, DST, 0, OFF, IMM)
#define BPF_JMP32_REG(OP, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_JMP32 | BPF_OP(OP) | BPF_X, DST, SRC, OFF, 0)
#define BPF_JMP32_IMM(OP, DST, IMM, OFF) \
	BPF_RAW_INSN(BPF_JMP32 | BPF_OP(OP) | BPF_K, DST, 0, OFF, IMM)

/* goto, always; the second one farther than 32767 instructions. First kernel of that one: 6.6 */
#define BPF_JMP_A(OFF)	 BPF_RAW_INSN(BPF_JMP | BPF_JA, 0, 0, OFF, 0)
#define BPF_JMP32_A(OFF) BPF_RAW_INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, OFF)

/* goto once this loop has taken too long, in the kernel's opinion. First kernel: 6.9 */
#define BPF_MAY_GOTO(OFF) BPF_RAW_INSN(BPF_JMP | BPF_JCOND, 0, 0, OFF, 0)

/* return r0 */
#define BPF_EXIT_INSN() BPF_RAW_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* r0 = HELPER(r1 ... r5), a BPF_FUNC_...; r1 to r5 are lost. */
#define BPF_EMIT_CALL(HELPER) BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, HELPER)

/* Calls a BPF function of this program, OFF instructions from the next. First kernel: 4.16 */
#define BPF_CALL_REL(OFF) BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, OFF)

/*
 * Calls a function of the kernel (kfunc) by its number in BTF: vmlinux's with FD_INDEX 0, a
 * module's with its index in the fd_array given to BPF_PROG_LOAD. First kernel: 5.13
 */
#define BPF_CALL_KFUNC(FD_INDEX, BTF_ID) \
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, FD_INDEX, BTF_ID)

/* ---- memory (sections 5.1, 5.2, 5.5) --------------------------------------------------------- */

/* SIZE, here and below: BPF_B, BPF_H, BPF_W, BPF_DW, which is 8, 16, 32, 64 bits. */

/* dst = *(SIZE *)(src + OFF), zero-extended */
#define BPF_LDX_MEM(SIZE, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_LDX | BPF_SIZE(SIZE) | BPF_MEM, DST, SRC, OFF, 0)
/* the same sign-extended, of at most 32 bits. First kernel: 6.6 */
#define BPF_LDX_MEMSX(SIZE, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_LDX | BPF_SIZE(SIZE) | BPF_MEMSX, DST, SRC, OFF, 0)
/* *(SIZE *)(dst + OFF) = src, or = imm */
#define BPF_STX_MEM(SIZE, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_STX | BPF_SIZE(SIZE) | BPF_MEM, DST, SRC, OFF, 0)
#define BPF_ST_MEM(SIZE, DST, OFF, IMM) \
	BPF_RAW_INSN(BPF_ST | BPF_SIZE(SIZE) | BPF_MEM, DST, 0, OFF, IMM)

/*
 * r0 = what the packet has at IMM, or at src + IMM, of at most 32 bits, in the machine's byte
 * order. r6 must hold the context; r1 to r5 are lost; beyond the packet's end the program returns
 * 0. Socket filters and tc only. IMM may be SKF_NET_OFF or SKF_LL_OFF and something.
 */
#define BPF_LD_ABS(SIZE, IMM)	   BPF_RAW_INSN(BPF_LD | BPF_SIZE(SIZE) | BPF_ABS, 0, 0, 0, IMM)
#define BPF_LD_IND(SIZE, SRC, IMM) BPF_RAW_INSN(BPF_LD | BPF_SIZE(SIZE) | BPF_IND, 0, SRC, 0, IMM)

/* ---- atomic operations (section 5.3) --------------------------------------------------------- */

/*
 * On *(SIZE *)(dst + OFF), of 32 or 64 bits. OP: BPF_ADD, BPF_AND, BPF_OR, BPF_XOR with src; the
 * same | BPF_FETCH, then src = the old value; BPF_XCHG: swaps with src; BPF_CMPXCHG: if it is r0,
 * stores src, and r0 = the old value. BPF_LOAD_ACQ: dst = *(SIZE *)(src + OFF), BPF_STORE_REL:
 * stores src; both of any size. First kernel: BPF_ADD 3.18, LOAD_ACQ and STORE_REL 6.15, the
 * others 5.12.
 */
#define BPF_ATOMIC_OP(SIZE, OP, DST, SRC, OFF) \
	BPF_RAW_INSN(BPF_STX | BPF_SIZE(SIZE) | BPF_ATOMIC, DST, SRC, OFF, OP)

/* ---- 64-bit immediates (section 5.4) --------------------------------------------------------- */

/* These are two instructions long: dst = HIGH << 32 | LOW, where SRC says what that means. */
#define BPF_LD_IMM64_RAW(DST, SRC, LOW, HIGH) \
	BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, DST, SRC, 0, LOW), BPF_RAW_INSN(0, 0, 0, 0, HIGH)

/* dst = a number of 64 bits */
#define BPF_LD_IMM64(DST, IMM) \
	BPF_LD_IMM64_RAW(DST, 0, (uint32_t)(IMM), (uint32_t)((uint64_t)(IMM) >> 32))
/* dst = the map with this descriptor, for a helper */
#define BPF_LD_MAP_FD(DST, FD) BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_MAP_FD, FD, 0)
/* dst = the address OFF bytes into the first value of an array map. First kernel: 5.2 */
#define BPF_LD_MAP_VALUE(DST, FD, OFF) BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_MAP_VALUE, FD, OFF)
/* The same two with an index into the fd_array given to BPF_PROG_LOAD. First kernel: 5.14 */
#define BPF_LD_MAP_IDX(DST, INDEX) BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_MAP_IDX, INDEX, 0)
#define BPF_LD_MAP_IDX_VALUE(DST, INDEX, OFF) \
	BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_MAP_IDX_VALUE, INDEX, OFF)
/* dst = a variable of the kernel, by number in the BTF of FD (0: vmlinux). First kernel: 5.10 */
#define BPF_LD_BTF_ID(DST, BTF_ID, FD) BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_BTF_ID, BTF_ID, FD)
/* dst = a BPF function of this program, for a helper that calls back. First kernel: 5.13 */
#define BPF_LD_FUNC(DST, OFF) BPF_LD_IMM64_RAW(DST, BPF_PSEUDO_FUNC, OFF, 0)

/* ---- the builder ----------------------------------------------------------------------------- */

/*
 * Puts a program together and checks it:
 *
 *	struct hp_asm *as = hp_asm_new();
 *
 *	hp_asm_add(as, BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_1, 0));
 *	hp_asm_jump(as, BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 0), "out");
 *	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_0, 1));
 *	hp_asm_label(as, "out");
 *	hp_asm_add(as, BPF_EXIT_INSN());
 *	err = hp_asm_finish(as, &insns, &n);
 *
 * The first error sticks: what follows it does nothing and returns it again, so it is enough to
 * look at what hp_asm_finish() returns. All functions accept an AS of NULL, and return -ENOMEM.
 */
struct hp_asm;

struct hp_asm *hp_asm_new(void); /* NULL: out of memory */
void hp_asm_free(struct hp_asm *as);

/*
 * Appends instructions. -EINVAL: an unknown register or opcode, a field used that must be 0, half a
 * 64-bit immediate. -ERANGE: a register, offset or immediate that doesn't fit. -ENOMEM.
 */
int hp_asm_add_all(struct hp_asm *as, const struct bpf_insn *insns, size_t n);
#define hp_asm_add(as, ...)                                          \
	hp_asm_add_all(as, (const struct bpf_insn[]){ __VA_ARGS__ }, \
		       sizeof((const struct bpf_insn[]){ __VA_ARGS__ }) / sizeof(struct bpf_insn))

/* Names the place of the next instruction. -EEXIST: the name is taken. -ENOMEM. */
int hp_asm_label(struct hp_asm *as, const char *name);

/*
 * Appends INSN, a jump or BPF_CALL_REL(), that goes to LABEL, before or after this. Its own
 * offset is ignored. Errors of hp_asm_add(); -EINVAL also: INSN goes nowhere.
 */
int hp_asm_jump(struct hp_asm *as, struct bpf_insn insn, const char *label);

/*
 * The program: *N instructions in *INSNS, for the caller to free(). -ENOENT: an undefined label.
 * -ERANGE: a jump that is too far, leads outside of the program or into the middle of a 64-bit
 * immediate. -EINVAL: no instructions. -ENOMEM. Or the error that sticks.
 */
int hp_asm_finish(struct hp_asm *as, struct bpf_insn **insns, size_t *n);

/* The error in one line, with the number of the instruction; "" if there is none. AS owns it. */
const char *hp_asm_error(const struct hp_asm *as);

/* ---- text ------------------------------------------------------------------------------------ */

/*
 * The text of one instruction, without a newline, in the words of `llvm-objdump -d`. LEFT is how
 * many instructions INSN points to: a 64-bit immediate takes two. *USED is how many were read, 1 or
 * 2. What is no instruction becomes ".insn" and its fields. TEXT: HP_INSN_TEXT bytes.
 *
 * Words of our own, where LLVM has none: "call pc+5" a BPF function, "call kfunc 7" one of the
 * kernel, "r1 = map[3]" a map by its descriptor (in a loaded program its id), "map[3][0]+8" its
 * value, "map[idx:3]" the same by index, "btf[7]+0" a variable of the kernel, "subprog[+5]" the
 * address of a BPF function; in a loaded program "#" and the number of a BPF function behind it.
 * Loads and stores name r registers, as with -mcpu=v2, 32-bit atomic operations w registers.
 */
#define HP_INSN_TEXT 80
void hp_disasm_insn(const struct bpf_insn *insn, size_t left, char *text, size_t *used);

/* Writes N instructions to OUT, one a line behind its number: "7:\tr0 = 1". -EIO: OUT refused. */
int hp_disasm(const struct bpf_insn *insns, size_t n, FILE *out);

/*
 * Reads what hp_disasm() writes, and gives back the same bytes: *N instructions in *INSNS, for the
 * caller to free(); NULL if there are none. The numbers of the lines may be left out, and count for
 * nothing; so do empty lines and what follows a ";". Numbers may be hexadecimal. Where jumps lead
 * is not checked. -EINVAL: a line that is no instruction. -ERANGE: a number that does not fit its
 * field. -ENOMEM. After each, ERROR, of SIZE bytes, says in which line what is wrong.
 */
int hp_assemble(const char *text, struct bpf_insn **insns, size_t *n, char *error, size_t size);

#endif
