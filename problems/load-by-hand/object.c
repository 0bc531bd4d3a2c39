// SPDX-License-Identifier: BSD-2-Clause
/* First: what is in the file. Nothing in it is trusted. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load-by-hand.h"

/* One line, also where it quotes names that somebody has chosen to look like more. */
int fail(enum status status, const char *format, ...)
{
	const char *why = "", *remedy = "";
	char line[512];
	va_list args;

	if (status == REFUSED)
		why = strerror(errno);
	if (status == REFUSED && (errno == EPERM || (errno == EACCES && geteuid())))
		remedy = ": run it as root, or with cap_bpf, cap_net_admin and cap_perfmon";
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	fprintf(stderr, "load-by-hand: %s%s%s\n", line, why, remedy);
	return status;
}

/* The one way in which the loader looks into a section. */
bool read_at(const Elf_Data *data, size_t offset, void *to, size_t size)
{
	if (!data->d_buf || offset > data->d_size || size > data->d_size - offset)
		return false;
	memcpy(to, (const char *)data->d_buf + offset, size);
	return true;
}

/* A name is for the kernel, and for a file: no '/'. */
int check_name(const char *name)
{
	if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_.")])
		return bad("a map or function has no name, or one that is not a name in C");
	return DONE;
}

const char *symbol_name(const struct object *object, const GElf_Sym *symbol)
{
	return elf_strptr(object->elf, object->symbol_names, symbol->st_name) ?: "";
}

/* The kernel trusts what the object says: some helpers are only for programs under the GPL. */
static int read_license(struct object *object, const Elf_Data *data)
{
	if (data->d_size > sizeof(object->license) ||
	    !read_at(data, 0, object->license, data->d_size) ||
	    !memchr(object->license, '\0', data->d_size))
		return bad("section license: not a text of at most %zu bytes that ends in a zero",
			   sizeof(object->license));
	return DONE;
}

/*
 * Offsets that the target's own types decide would be in here: CO-RE. Loaded without, it would read
 * something else.
 */
static int refuse_core(const Elf_Data *data)
{
	__u32 header[8]; /* of which the last one says how many bytes that is */

	if (!read_at(data, 0, header, sizeof(header)))
		return bad("section .BTF.ext: no header");
	if (header[7])
		return bad("it has CO-RE relocations, which take the kernel's BTF: use bpftool");
	return DONE;
}

static int read_code(struct section *section)
{
	size_t size = section->data->d_size;

	section->type = program_type(section->name);
	if (!section->type && strcmp(section->name, ".text"))
		return bad("section %s: no program type that this loader knows", section->name);
	if (size % sizeof(struct bpf_insn))
		return bad("section %s: %zu bytes, not whole instructions", section->name, size);
	if (size && !section->data->d_buf)
		return bad("section %s: no contents", section->name);
	section->insn_count = size / sizeof(struct bpf_insn);
	section->insns = malloc(size + 1);
	section->callees = calloc(section->insn_count + 1, sizeof(*section->callees));
	if (!section->insns || !section->callees)
		return bad("out of memory");
	read_at(section->data, 0, section->insns, size);
	return DONE;
}

/* What is in a section its type, its name or its flags tell. */
static int read_section(struct object *object, size_t index)
{
	struct section *section = &object->sections[index];
	const GElf_Shdr *header = &section->header;
	const char *name = section->name;

	if (header->sh_type == SHT_SYMTAB) {
		object->symbols = section->data;
		object->symbol_names = header->sh_link;
	} else if (!strcmp(name, ".BTF")) {
		object->btf = section->data;
	} else if (!strcmp(name, ".BTF.ext")) {
		return refuse_core(section->data);
	} else if (!strcmp(name, "license")) {
		return read_license(object, section->data);
	} else if (header->sh_flags & SHF_EXECINSTR) {
		return read_code(section);
	} else if (header->sh_flags & SHF_ALLOC && section->data->d_size && strcmp(name, "maps") &&
		   strcmp(name, ".maps") && strcmp(name, "version")) {
		return map_of_variables(object, index);
	}
	return DONE;
}

/* What begins where in a section. */
static int read_symbol(struct object *object, const GElf_Sym *symbol)
{
	int type = GELF_ST_TYPE(symbol->st_info);
	const struct section *section;

	if (!symbol->st_shndx || symbol->st_shndx >= object->section_count)
		return DONE;
	section = &object->sections[symbol->st_shndx];
	if (type == STT_FUNC && section->insns)
		return function_define(object, symbol);
	if (type == STT_OBJECT &&
	    (!strcmp(section->name, "maps") || !strcmp(section->name, ".maps")))
		return map_define(object, symbol);
	return DONE;
}

int object_read(struct object *object)
{
	int status = DONE;
	GElf_Ehdr header;
	GElf_Sym symbol;
	size_t names;

	if (!gelf_getehdr(object->elf, &header))
		return bad("not an ELF file");
	if (header.e_machine != EM_BPF || header.e_type != ET_REL ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] !=
		    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
		return bad("not a BPF object of this machine's byte order");
	if (elf_getshdrnum(object->elf, &object->section_count) ||
	    elf_getshdrstrndx(object->elf, &names))
		return bad("the section headers are damaged: %s", elf_errmsg(-1));
	object->sections = calloc(object->section_count + 1, sizeof(*object->sections));
	if (!object->sections)
		return bad("out of memory");

	for (size_t i = 1; i < object->section_count && !status; i++) {
		struct section *section = &object->sections[i];
		Elf_Scn *scn = elf_getscn(object->elf, i);

		section->data = elf_getdata(scn, NULL);
		if (!section->data || !gelf_getshdr(scn, &section->header))
			return bad("section %zu is damaged: %s", i, elf_errmsg(-1));
		section->name = elf_strptr(object->elf, names, section->header.sh_name);
		if (!section->name)
			return bad("section %zu has no name", i);
		status = read_section(object, i);
	}
	if (!status && !object->symbols)
		return bad("there is no symbol table");
	for (int i = 0; !status && gelf_getsym((Elf_Data *)object->symbols, i, &symbol); i++)
		status = read_symbol(object, &symbol);
	return status;
}

void object_close(struct object *object)
{
	for (size_t i = 0; i < object->pin_count; i++)
		close(object->pins[i].fd);
	for (size_t i = 0; i < object->section_count && object->sections; i++) {
		free(object->sections[i].insns);
		free(object->sections[i].callees);
	}
	free(object->sections);
	elf_end(object->elf);
}
