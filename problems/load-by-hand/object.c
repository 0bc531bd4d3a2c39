// SPDX-License-Identifier: BSD-2-Clause
/* First: what is in the file. Nothing in it is trusted. */
#include <errno.h>
#include <linux/btf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load-by-hand.h"

/* One line, also where it quotes names that somebody has chosen to look like more. */
static void say(const char *prefix, const char *format, va_list args, const char *suffix)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	for (char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	fprintf(stderr, "load-by-hand: %s%s%s\n", prefix, line, suffix);
}

int bad(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args, "");
	va_end(args);
	return BAD;
}

int refused(const char *format, ...)
{
	char why[200];
	va_list args;

	snprintf(why, sizeof(why), ": %s%s", strerror(errno),
		 errno == EPERM || (errno == EACCES && geteuid())
			 ? ": run it as root, or with cap_bpf, cap_net_admin and cap_perfmon"
			 : "");
	va_start(args, format);
	say("cannot ", format, args, why);
	va_end(args);
	return REFUSED;
}

/* The one way in which the loader looks into a section. */
bool read_at(const Elf_Data *data, size_t offset, void *to, size_t size)
{
	if (!data->d_buf || offset > data->d_size || size > data->d_size - offset)
		return false;
	memcpy(to, (const char *)data->d_buf + offset, size);
	return true;
}

const char *symbol_name(const struct object *object, const GElf_Sym *symbol)
{
	const char *name = elf_strptr(object->elf, object->symbol_names, symbol->st_name);

	return name ? name : "";
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
	struct {
		__u16 magic;
		__u8 version, flags;
		__u32 header_bytes, func_offset, func_bytes, line_offset, line_bytes, core_offset,
			core_bytes;
	} header;

	if (!read_at(data, 0, &header, sizeof(header)) || header.magic != BTF_MAGIC)
		return bad("section .BTF.ext: no header");
	if (header.core_bytes)
		return bad("it has CO-RE relocations, which take the kernel's BTF: use bpftool");
	return DONE;
}

static int read_code(struct section *section)
{
	size_t size = section->data->d_size;

	if (size % sizeof(struct bpf_insn))
		return bad("section %s: %zu bytes, not whole instructions", section->name, size);
	if (size && !section->data->d_buf)
		return bad("section %s: no contents", section->name);
	section->insn_count = size / sizeof(struct bpf_insn);
	section->insns = malloc(size + 1);
	section->callees = calloc(section->insn_count + 1, sizeof(*section->callees));
	if (!section->insns || !section->callees)
		return bad("section %s: no memory for %zu instructions", section->name,
			   section->insn_count);
	if (size)
		memcpy(section->insns, section->data->d_buf, size);
	return DONE;
}

static int read_section(struct object *object, struct section *section)
{
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
		if (strcmp(name, ".text") && !is_program_section(name))
			return bad("section %s: no program type that this loader knows", name);
		return read_code(section);
	}
	return DONE;
}

int object_read(struct object *object, Elf *elf)
{
	GElf_Ehdr header;
	size_t names;
	int status;

	object->elf = elf;
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return bad("not an ELF file");
	if (header.e_machine != EM_BPF || header.e_type != ET_REL ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] !=
		    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
		return bad("not a BPF object of this machine's byte order");
	if (elf_getshdrnum(elf, &object->section_count) || elf_getshdrstrndx(elf, &names))
		return bad("the section headers are damaged: %s", elf_errmsg(-1));

	object->sections = calloc(object->section_count + 1, sizeof(*object->sections));
	if (!object->sections)
		return bad("no memory for %zu sections", object->section_count);
	for (size_t i = 1; i < object->section_count; i++) {
		struct section *section = &object->sections[i];
		Elf_Scn *scn = elf_getscn(elf, i);

		section->data = elf_getdata(scn, NULL);
		if (!section->data || !gelf_getshdr(scn, &section->header))
			return bad("section %zu is damaged: %s", i, elf_errmsg(-1));
		section->name = elf_strptr(elf, names, section->header.sh_name);
		if (!section->name)
			return bad("section %zu has no name", i);
		status = read_section(object, section);
		if (status)
			return status;
	}
	if (!object->symbols)
		return bad("there is no symbol table");
	return DONE;
}

void object_close(struct object *object)
{
	for (size_t i = 0; i < object->map_count; i++)
		if (object->maps[i].fd >= 0)
			close(object->maps[i].fd);
	for (size_t i = 0; i < object->function_count; i++)
		if (object->functions[i].fd >= 0)
			close(object->functions[i].fd);
	for (size_t i = 0; i < object->section_count && object->sections; i++) {
		free(object->sections[i].insns);
		free(object->sections[i].callees);
	}
	free(object->sections);
	elf_end(object->elf);
}
