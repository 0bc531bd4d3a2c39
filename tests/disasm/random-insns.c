// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random valid instructions, for tests/disasm.bats: an ELF object for llvm-objdump, and the same as
 * hp_disasm() tells it. Here an instruction is put together from the tables of RFC 9669, and not
 * from the library's, which it is to check. Each line is also assembled again, and must become the
 * same bytes.
 *
 *   random-insns SET NUMBER SEED OBJECT TEXT
 *
 * SET is what the oracle must know: "v3": LLVM 14; "atomics": LLVM 14 with -mattr=+alu32, 32-bit
 * atomic operations; "v4": LLVM 18, stores of immediates, bit tests, modulo and what cpu v4 has;
 * "ours": what no llvm-objdump writes. Exit status: 0; 1 not the same bytes, or bad usage.
 */
#include <elf.h>
#include <errno.h>
#include <error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "insn.h"
#include "random.h"

static bool coin(void)
{
	return below(2);
}

static unsigned int reg(void)
{
	return below(11);
}

/* Small ones, all, and the limits. */
static __s32 imm(void)
{
	static const __s32 limits[] = { 0, 1, -1, INT32_MAX, INT32_MIN, INT16_MAX, INT16_MIN };

	switch (below(3)) {
	case 0:
		return (__s32)below(200) - 100;
	case 1:
		return PICK(limits);
	default:
		return next();
	}
}

static __s16 off(void)
{
	static const __s16 limits[] = { 0, 1, -1, INT16_MAX, INT16_MIN };

	switch (below(3)) {
	case 0:
		return (int)below(200) - 100;
	case 1:
		return PICK(limits);
	default:
		return next();
	}
}

static const __u8 sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
static const __u8 narrow[] = { BPF_B, BPF_H, BPF_W };

static struct bpf_insn insn(__u8 code, __u8 dst, __u8 src, __s16 offset, __s32 immediate)
{
	return (struct bpf_insn){ code, dst, src, offset, immediate };
}

/* The OP of class CLASS, with a register or with an immediate. */
static struct bpf_insn with_operand(__u8 class, __u8 op, __s16 offset)
{
	if (coin())
		return insn(class | op | BPF_X, reg(), reg(), offset, 0);
	return insn(class | op | BPF_K, reg(), 0, offset, imm());
}

static struct bpf_insn v3_alu(void)
{
	static const __u8 ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,	 BPF_AND,
				    BPF_LSH, BPF_RSH, BPF_XOR, BPF_MOV, BPF_ARSH };
	static const int widths[] = { 16, 32, 64 };
	__u8 class = coin() ? BPF_ALU64 : BPF_ALU;

	switch (below(8)) {
	case 0:
		return insn(class | BPF_NEG, reg(), 0, 0, 0);
	case 1:
		return insn(BPF_ALU | BPF_END | (coin() ? BPF_TO_LE : BPF_TO_BE), reg(), 0, 0,
			    PICK(widths));
	default:
		return with_operand(class, PICK(ops), 0);
	}
}

static struct bpf_insn v3_jump(void)
{
	static const __u8 ops[] = { BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JNE,  BPF_JSGT,
				    BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE };

	switch (below(8)) {
	case 0:
		return insn(BPF_JMP | BPF_JA, 0, 0, off(), 0);
	case 1:
		return insn(BPF_JMP | BPF_CALL, 0, 0, 0, imm());
	case 2:
		return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	default:
		return with_operand(coin() ? BPF_JMP : BPF_JMP32, PICK(ops), off());
	}
}

static const __s32 atomic_ops[] = { BPF_ADD,
				    BPF_OR,
				    BPF_AND,
				    BPF_XOR,
				    BPF_ADD | BPF_FETCH,
				    BPF_OR | BPF_FETCH,
				    BPF_AND | BPF_FETCH,
				    BPF_XOR | BPF_FETCH,
				    BPF_XCHG,
				    BPF_CMPXCHG };

static struct bpf_insn v3_memory(void)
{
	switch (below(5)) {
	case 0:
		return insn(BPF_LD | BPF_ABS | PICK(narrow), 0, 0, 0, imm());
	case 1:
		return insn(BPF_LD | BPF_IND | PICK(narrow), 0, reg(), 0, 0);
	case 2:
		return insn(BPF_LDX | BPF_MEM | PICK(sizes), reg(), reg(), off(), 0);
	case 3:
		return insn(BPF_STX | BPF_MEM | PICK(sizes), reg(), reg(), off(), 0);
	default:
		return insn(BPF_STX | BPF_ATOMIC | BPF_DW, reg(), reg(), off(), PICK(atomic_ops));
	}
}

static size_t wide(struct bpf_insn *to, __u8 src, bool high)
{
	to[0] = insn(BPF_LD | BPF_DW | BPF_IMM, reg(), src, 0, imm());
	to[1] = insn(0, 0, 0, 0, high ? imm() : 0);
	return 2;
}

/* Each writes one instruction of its set; how many struct bpf_insn that was. */
static size_t make_v3(struct bpf_insn *to)
{
	if (!below(10))
		return wide(to, 0, true);
	switch (below(3)) {
	case 0:
		*to = v3_alu();
		break;
	case 1:
		*to = v3_jump();
		break;
	default:
		*to = v3_memory();
	}
	return 1;
}

static size_t make_atomics(struct bpf_insn *to)
{
	*to = insn(BPF_STX | BPF_ATOMIC | BPF_W, reg(), reg(), off(), PICK(atomic_ops));
	return 1;
}

static size_t make_v4(struct bpf_insn *to)
{
	static const __s16 movsx64[] = { 8, 16, 32 }, movsx32[] = { 8, 16 };
	static const int widths[] = { 16, 32, 64 };
	__u8 class = coin() ? BPF_ALU64 : BPF_ALU;

	switch (below(10)) {
	case 0:
		*to = insn(BPF_ST | BPF_MEM | PICK(sizes), reg(), 0, off(), imm());
		break;
	case 1:
		*to = with_operand(coin() ? BPF_JMP : BPF_JMP32, BPF_JSET, off());
		break;
	case 2:
		*to = with_operand(class, BPF_MOD, 0);
		break;
	case 3:
		*to = with_operand(class, coin() ? BPF_DIV : BPF_MOD, 1);
		break;
	case 4:
		*to = insn(BPF_ALU64 | BPF_MOV | BPF_X, reg(), reg(), PICK(movsx64), 0);
		break;
	case 5:
		*to = insn(BPF_ALU | BPF_MOV | BPF_X, reg(), reg(), PICK(movsx32), 0);
		break;
	case 6:
		*to = insn(BPF_ALU64 | BPF_END, reg(), 0, 0, PICK(widths));
		break;
	case 7:
		*to = insn(BPF_LDX | BPF_MEMSX | PICK(narrow), reg(), reg(), off(), 0);
		break;
	case 8:
		*to = insn(BPF_JMP32 | BPF_JA, 0, 0, 0, imm());
		break;
	default:
		*to = insn(BPF_JMP | BPF_JCOND, 0, 0, off(), 0);
	}
	return 1;
}

static size_t make_ours(struct bpf_insn *to)
{
	switch (below(9)) {
	case 0:
		return wide(to, coin() ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_IDX, false);
	case 1:
		return wide(to, coin() ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_IDX_VALUE, true);
	case 2:
		return wide(to, BPF_PSEUDO_BTF_ID, true);
	case 3:
		return wide(to, BPF_PSEUDO_FUNC, false);
	case 4:
		*to = insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, imm());
		break;
	case 5:
		*to = insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, off(), imm());
		break;
	case 6:
		*to = insn(BPF_LD | BPF_IND | PICK(narrow), 0, reg(), 0, imm());
		break;
	case 7:
		*to = insn(BPF_STX | BPF_ATOMIC | PICK(sizes), reg(), reg(), off(),
			   coin() ? BPF_LOAD_ACQ : BPF_STORE_REL);
		break;
	default:
		*to = insn(BPF_ALU64 | BPF_MOV | BPF_X, reg(), reg(), 1, coin() ? 1 : 1 << 16);
	}
	return 1;
}

static const struct {
	const char *name;
	size_t (*make)(struct bpf_insn *to);
} sets[] = {
	{ "v3", make_v3 },
	{ "atomics", make_atomics },
	{ "v4", make_v4 },
	{ "ours", make_ours },
};

static void put(FILE *to, const void *data, size_t size)
{
	if (fwrite(data, size, 1, to) != 1)
		error(1, errno, "cannot write");
}

static FILE *create(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		error(1, errno, "cannot write %s", path);
	return file;
}

static void finish(FILE *file)
{
	if (fclose(file))
		error(1, errno, "cannot write");
}

/* The smallest object that llvm-objdump takes: a header, .text, the names, three sections. */
static void write_object(const char *path, const struct bpf_insn *insns, size_t n)
{
	static const char names[24] = "\0.text\0.shstrtab";
	size_t size = n * sizeof(*insns);
	const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_REL,
		.e_machine = EM_BPF,
		.e_version = EV_CURRENT,
		.e_shoff = sizeof(header) + size + sizeof(names),
		.e_ehsize = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
		.e_shstrndx = 2,
	};
	const Elf64_Shdr sections[3] = {
		{ 0 },
		{ .sh_name = 1,
		  .sh_type = SHT_PROGBITS,
		  .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
		  .sh_offset = sizeof(header),
		  .sh_size = size,
		  .sh_addralign = 8 },
		{ .sh_name = 7,
		  .sh_type = SHT_STRTAB,
		  .sh_offset = sizeof(header) + size,
		  .sh_size = sizeof(names),
		  .sh_addralign = 1 },
	};
	FILE *file = create(path);

	put(file, &header, sizeof(header));
	put(file, insns, size);
	put(file, names, sizeof(names));
	put(file, sections, sizeof(sections));
	finish(file);
}

static void come_back(const struct bpf_insn *insns, size_t n)
{
	char *text, wrong[160];
	size_t size, n_back;
	struct bpf_insn *back;
	FILE *memory = open_memstream(&text, &size);

	if (hp_disasm(insns, n, memory) || fclose(memory))
		error(1, 0, "cannot disassemble");
	if (hp_assemble(text, &back, &n_back, wrong, sizeof(wrong)))
		error(1, 0, "%s", wrong);
	if (n_back != n || memcmp(back, insns, n * sizeof(*insns)))
		error(1, 0, "assembled again, it is not the same");
	free(back);
	free(text);
}

int main(int argc, char **argv)
{
	struct bpf_insn *insns;
	size_t number, n = 0, set = 0;
	FILE *text;

	if (argc != 6)
		error(1, 0, "SET NUMBER SEED OBJECT TEXT");
	while (strcmp(argv[1], sets[set].name))
		if (++set == sizeof(sets) / sizeof(*sets))
			error(1, 0, "no set %s", argv[1]);
	number = strtoul(argv[2], NULL, 0);
	state = strtoul(argv[3], NULL, 0) * 2 + 1;
	insns = calloc(number, 2 * sizeof(*insns));
	if (!insns)
		error(1, errno, "%zu instructions", number);
	for (size_t i = 0; i < number; i++)
		n += sets[set].make(insns + n);

	come_back(insns, n);
	write_object(argv[4], insns, n);
	text = create(argv[5]);
	if (hp_disasm(insns, n, text))
		error(1, 0, "cannot write %s", argv[5]);
	finish(text);
	free(insns);
	return 0;
}
