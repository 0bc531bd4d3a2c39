// SPDX-License-Identifier: BSD-2-Clause
/* Third: the programs. Their instructions learn where maps and functions are, and are loaded. */
#include <string.h>

#include "load-by-hand.h"

/* What clang writes: the instruction means a symbol. */
#define R_BPF_64_64 1  /* its 64-bit constant */
#define R_BPF_64_32 10 /* the function that it calls */

/* A section whose name ends in '/' here: and whatever follows. */
static const struct program_type program_types[] = {
	{ "xdp", BPF_PROG_TYPE_XDP },
	{ "tc", BPF_PROG_TYPE_SCHED_CLS },
	{ "classifier", BPF_PROG_TYPE_SCHED_CLS },
	{ "socket", BPF_PROG_TYPE_SOCKET_FILTER },
	{ "cgroup_skb/ingress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS },
	{ "cgroup_skb/egress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS },
	{ "cgroup/sock_release", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE },
	{ "cgroup/setsockopt", BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT },
	{ "sockops", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS },
	{ "sk_msg", BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT },
	{ "sk_skb/stream_parser", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_PARSER },
	{ "sk_skb/stream_verdict", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_VERDICT },
	{ "tracepoint/", BPF_PROG_TYPE_TRACEPOINT },
	{ "raw_tp/", BPF_PROG_TYPE_RAW_TRACEPOINT },
	{ "kprobe/", BPF_PROG_TYPE_KPROBE },
	{ "kretprobe/", BPF_PROG_TYPE_KPROBE },
};

const struct program_type *program_type(const char *section)
{
	for (size_t i = 0; i < sizeof(program_types) / sizeof(*program_types); i++) {
		const char *known = program_types[i].section;
		size_t length = strlen(known);

		if (known[length - 1] == '/' ? !strncmp(section, known, length)
					     : !strcmp(section, known))
			return &program_types[i];
	}
	return NULL;
}

int function_define(struct object *object, const GElf_Sym *symbol)
{
	const struct section *section = &object->sections[symbol->st_shndx];
	const size_t insn = sizeof(struct bpf_insn);
	const char *name = symbol_name(object, symbol);
	size_t first = symbol->st_value / insn, count = symbol->st_size / insn;
	bool local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL;

	if (check_name(name))
		return BAD;
	if (symbol->st_value % insn || symbol->st_size % insn || !count ||
	    first > section->insn_count || count > section->insn_count - first)
		return bad("function %s: not in its section", name);
	if (object->function_count == MAX_FUNCTIONS)
		return bad("it has more than %d functions", MAX_FUNCTIONS);
	object->functions[object->function_count++] = (struct function){
		.name = name,
		.section = symbol->st_shndx,
		.first = first,
		.count = count,
		.type = local ? NULL : section->type,
	};
	return DONE;
}

struct function *find_function(struct object *object, size_t section, size_t first)
{
	for (size_t i = 0; i < object->function_count; i++)
		if (object->functions[i].section == section && object->functions[i].first == first)
			return &object->functions[i];
	return NULL;
}

static struct map *find_map(struct object *object, size_t section, size_t offset)
{
	for (size_t i = 0; i < object->map_count; i++)
		if (object->maps[i].section == section &&
		    (object->maps[i].contents || object->maps[i].offset == offset))
			return &object->maps[i];
	return NULL;
}

bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
}

/* The one instruction of 16 bytes: its constant has 64 bits, or means something. */
static bool is_load64(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* The instruction at AT means SYMBOL: a function, a map, or a variable, a place in a map. */
static int point_to(struct object *object, struct section *code, size_t at, const GElf_Sym *symbol)
{
	struct bpf_insn *insn = &code->insns[at];
	size_t more = is_call(insn) ? sizeof(*insn) * (insn->imm + 1L) : (size_t)insn->imm;
	size_t offset = symbol->st_value + more;
	struct map *map = is_load64(insn) ? find_map(object, symbol->st_shndx, offset) : NULL;

	if (map) {
		insn[0].src_reg = map->contents ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD;
		insn[0].imm = map->fd;
		insn[1].imm = map->contents ? offset : 0;
		return DONE;
	}
	if (offset % sizeof(*insn) == 0)
		code->callees[at] = find_function(object, symbol->st_shndx, offset / sizeof(*insn));
	if (!code->callees[at])
		return bad("section %s: instruction %zu wants '%s', which is no map, variable or "
			   "function",
			   code->name, at, symbol_name(object, symbol));
	if (is_load64(insn))
		insn->src_reg = BPF_PSEUDO_FUNC;
	return DONE;
}

static int relocate(struct object *object, struct section *code, const GElf_Rel *rel)
{
	size_t at = rel->r_offset / sizeof(struct bpf_insn), type = GELF_R_TYPE(rel->r_info);
	const struct bpf_insn *insn;
	GElf_Sym symbol;

	if (rel->r_offset % sizeof(*insn) || at >= code->insn_count)
		return bad("section %s: a relocation of byte %#lx, where no instruction begins",
			   code->name, rel->r_offset);
	if (!gelf_getsym((Elf_Data *)object->symbols, GELF_R_SYM(rel->r_info), &symbol))
		return bad("section %s: instruction %zu wants symbol %lu, which there is not",
			   code->name, at, GELF_R_SYM(rel->r_info));
	if (symbol.st_shndx == SHN_UNDEF)
		return bad("section %s: instruction %zu wants '%s', which is extern: this loader "
			   "knows no kernel functions or variables",
			   code->name, at, symbol_name(object, &symbol));
	insn = &code->insns[at];
	if ((type == R_BPF_64_64 && is_load64(insn) && !insn->src_reg &&
	     at + 1 < code->insn_count) ||
	    (type == R_BPF_64_32 && is_call(insn)))
		return point_to(object, code, at, &symbol);
	return bad("section %s: instruction %zu has a relocation to '%s' of type %lu that this "
		   "loader does not know",
		   code->name, at, symbol_name(object, &symbol), type);
}

int code_relocate(struct object *object)
{
	int status = DONE;
	GElf_Rel rel;

	for (size_t i = 1; i < object->section_count && !status; i++) {
		const struct section *section = &object->sections[i];
		size_t to = section->header.sh_info, type = section->header.sh_type;

		if ((type != SHT_REL && type != SHT_RELA) || to >= object->section_count ||
		    !(object->sections[to].header.sh_flags & SHF_ALLOC))
			continue;
		if (!object->sections[to].insns || type != SHT_REL)
			return bad("section %s: this loader only knows relocations of code",
				   section->name);
		for (int j = 0; !status && gelf_getrel(section->data, j, &rel); j++)
			status = relocate(object, &object->sections[to], &rel);
	}
	return status;
}
