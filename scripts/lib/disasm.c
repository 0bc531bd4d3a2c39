// SPDX-License-Identifier: BSD-2-Clause
/* What scripts/disasm runs; its --help tells what it does. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <elf.h>
#include <gelf.h>
#include <libelf.h>

#include "hookpoint.h"
#include "insn.h"

/* All of a file, "-" is standard input; a byte of zero follows the *SIZE. */
static int read_all(const char *path, char **content, size_t *size)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	size_t room = 1 << 16, have = 0, got;
	char *buffer = NULL, *grown;
	int err = file ? 0 : -errno;

	while (!err) {
		grown = realloc(buffer, room + 1);
		if (!grown) {
			err = -ENOMEM;
			break;
		}
		buffer = grown;
		got = fread(buffer + have, 1, room - have, file);
		have += got;
		if (have < room) {
			err = ferror(file) ? -errno : 0;
			break;
		}
		room *= 2;
	}
	if (file && file != stdin)
		fclose(file);
	if (err) {
		free(buffer);
		return err;
	}
	buffer[have] = '\0';
	*content = buffer;
	*size = have;
	return 0;
}

static int fail_reading(int err, const char *path)
{
	if (err != -ENOENT && err != -EISDIR)
		return hp_fail(err, "read %s", path);
	hp_error("cannot read %s: %s", path, strerror(-err));
	return HP_EXIT_USAGE;
}

/* ---- objects --------------------------------------------------------------------------------- */

struct object {
	Elf *elf;
	Elf_Data *symbols;
	size_t symbols_n;
	size_t symbol_names; /* number of a section */
};

static void find_symbols(struct object *obj)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;

	while ((scn = elf_nextscn(obj->elf, scn))) {
		if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_SYMTAB ||
		    !header.sh_entsize)
			continue;
		obj->symbols = elf_getdata(scn, NULL);
		obj->symbols_n = obj->symbols ? header.sh_size / header.sh_entsize : 0;
		obj->symbol_names = header.sh_link;
	}
}

/* Says which functions begin at OFFSET of a section. */
static void print_functions_at(const struct object *obj, size_t section, size_t offset)
{
	const char *name;
	GElf_Sym symbol;

	for (size_t i = 0; i < obj->symbols_n; i++) {
		if (!gelf_getsym(obj->symbols, i, &symbol) || symbol.st_shndx != section ||
		    symbol.st_value != offset || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(obj->elf, obj->symbol_names, symbol.st_name);
		printf("; function %s\n", name ? name : "without a name");
	}
}

static int print_section(const struct object *obj, size_t section, const char *name,
			 const Elf_Data *data)
{
	size_t n = data->d_size / sizeof(struct bpf_insn), used;
	struct bpf_insn *insns = malloc(data->d_size); /* in the file they may stand anywhere */
	char text[HP_INSN_TEXT];

	if (!insns)
		return -ENOMEM;
	memcpy(insns, data->d_buf, data->d_size);
	printf("; section %s\n", name);
	for (size_t i = 0; i < n; i += used) {
		print_functions_at(obj, section, i * sizeof(*insns));
		hp_disasm_insn(insns + i, n - i, text, &used);
		printf("%8zu:\t%s\n", i, text);
	}
	free(insns);
	return 0;
}

/* The sections of an object that hold instructions. -ENOENT: there is none. */
static int print_sections(const struct object *obj)
{
	int err = -ENOENT;
	size_t names;
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	const char *name;
	Elf_Data *data;

	if (elf_getshdrstrndx(obj->elf, &names))
		return -ENOENT;
	while ((scn = elf_nextscn(obj->elf, scn))) {
		if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_PROGBITS ||
		    !(header.sh_flags & SHF_EXECINSTR))
			continue;
		data = elf_getdata(scn, NULL);
		name = elf_strptr(obj->elf, names, header.sh_name);
		if (!data || !data->d_buf || !name)
			continue;
		err = print_section(obj, elf_ndxscn(scn), name, data);
		if (err)
			break;
	}
	return err;
}

static int disasm_object(const char *path)
{
	struct object obj = { 0 };
	GElf_Ehdr header;
	char *content;
	size_t size;
	int status = HP_EXIT_USAGE, err = read_all(path, &content, &size);

	if (err)
		return fail_reading(err, path);
	elf_version(EV_CURRENT);
	obj.elf = elf_memory(content, size);
	if (!obj.elf || elf_kind(obj.elf) != ELF_K_ELF || !gelf_getehdr(obj.elf, &header) ||
	    header.e_machine != EM_BPF || header.e_ident[EI_CLASS] != ELFCLASS64) {
		hp_error("%s is no BPF object; -r reads bare instructions", path);
		goto out;
	}
	if (header.e_ident[EI_DATA] != (htole16(1) == 1 ? ELFDATA2LSB : ELFDATA2MSB)) {
		hp_error("%s is for machines of the other byte order", path);
		goto out;
	}
	find_symbols(&obj);
	err = print_sections(&obj);
	if (err == -ENOENT)
		hp_error("%s has no instructions", path);
	else
		status = err ? hp_fail(err, "read %s", path) : HP_EXIT_DONE;
out:
	elf_end(obj.elf);
	free(content);
	return status;
}

/* ---- loaded programs ------------------------------------------------------------------------- */

/* -EPERM: the kernel shows no instructions to this user. */
static int read_program(int fd, struct bpf_prog_info *info, struct bpf_insn **insns)
{
	__u32 size = sizeof(*info), length;
	int err = bpf_obj_get_info_by_fd(fd, info, &size);

	if (err)
		return err;
	length = info->xlated_prog_len;
	if (!length)
		return -EPERM;
	*insns = malloc(length);
	if (!*insns)
		return -ENOMEM;
	*info = (struct bpf_prog_info){
		.xlated_prog_len = length,
		.xlated_prog_insns = (__u64)(unsigned long)*insns,
	};
	size = sizeof(*info);
	err = bpf_obj_get_info_by_fd(fd, info, &size);
	if (!err && !info->xlated_prog_insns)
		err = -EPERM;
	if (err)
		free(*insns);
	return err;
}

static int disasm_id(const char *arg)
{
	struct bpf_prog_info info = { 0 };
	struct bpf_insn *insns;
	unsigned long id;
	char *end;
	int fd, err;

	errno = 0;
	id = strtoul(arg, &end, 10);
	if (errno || *end || end == arg || *arg == '-' || !id || id > UINT32_MAX) {
		hp_error("%s is no number of a program; see bpftool prog", arg);
		return HP_EXIT_USAGE;
	}
	fd = bpf_prog_get_fd_by_id(id);
	if (fd == -ENOENT) {
		hp_error("no program with id %lu is loaded; see bpftool prog", id);
		return HP_EXIT_NOTHING;
	}
	if (fd < 0)
		return hp_fail(fd, "open program %lu", id);
	err = read_program(fd, &info, &insns);
	close(fd);
	if (err)
		return hp_fail(err, "read the instructions of program %lu", id);
	printf("; program %u, %s\n", info.id, info.name);
	hp_disasm(insns, info.xlated_prog_len / sizeof(*insns), stdout); /* main() looks */
	free(insns);
	return HP_EXIT_DONE;
}

/* ---- bare instructions and text -------------------------------------------------------------- */

static int disasm_raw(const char *path)
{
	char *content;
	size_t size;
	int status = HP_EXIT_DONE, err = read_all(path, &content, &size);

	if (err)
		return fail_reading(err, path);
	if (size % sizeof(struct bpf_insn)) {
		hp_error("%s has %zu bytes, and an instruction has 8", path, size);
		status = HP_EXIT_USAGE;
	} else { /* whether all was written, main() looks */
		hp_disasm((struct bpf_insn *)content, size / sizeof(struct bpf_insn), stdout);
	}
	free(content);
	return status;
}

static int assemble(const char *path)
{
	struct bpf_insn *insns;
	char *content, wrong[160];
	size_t size, n;
	int err = read_all(path, &content, &size);

	if (err)
		return fail_reading(err, path);
	if (strlen(content) != size) {
		hp_error("%s is no text", path);
		free(content);
		return HP_EXIT_USAGE;
	}
	err = hp_assemble(content, &insns, &n, wrong, sizeof(wrong));
	free(content);
	if (err) {
		hp_error("%s: %s", path, wrong);
		return HP_EXIT_USAGE;
	}
	fwrite(insns, sizeof(*insns), n, stdout);
	free(insns);
	return HP_EXIT_DONE;
}

int main(int argc, char **argv)
{
	static const struct {
		char option;
		int (*act)(const char *arg);
	} actions[] = { { 'i', disasm_id }, { 'r', disasm_raw }, { 'a', assemble } };
	int (*act)(const char *arg) = disasm_object;
	int status, written;

	if (argc == 3 && argv[1][0] == '-' && argv[1][1] && !argv[1][2])
		for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
			if (argv[1][1] == actions[i].option)
				act = actions[i].act;
	if (argc != (act == disasm_object ? 2 : 3) ||
	    (act == disasm_object && argv[1][0] == '-' && argv[1][1])) {
		hp_error("FILE, -i ID, -r FILE or -a FILE; see scripts/disasm --help");
		return HP_EXIT_USAGE;
	}
	status = act(argv[argc - 1]);
	written = hp_flush_output();
	return status ? status : written;
}
