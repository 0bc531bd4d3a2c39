/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LOAD_BY_HAND_H
#define LOAD_BY_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <gelf.h>
#include <linux/bpf.h>

#define MAX_MAPS      64      /* as many as the kernel lets a program use */
#define MAX_FUNCTIONS 256     /* as many as it lets a program consist of */
#define MAX_INSNS     1000000 /* as many as it reads */

/* What functions return, and the process in the end. All but DONE have been said on stderr. */
enum status {
	DONE = 0,
	BAD = 1,     /* bad usage, or no object that this loader understands */
	REFUSED = 2, /* by the kernel */
	HELD = 3,    /* the place is taken */
};

/* The fields that all ways to define a map share; the oldest way consists of them. */
struct shape {
	__u32 type, key_bytes, value_bytes, max_entries, flags;
};

struct map {
	const char *name;
	size_t section, offset; /* where it is defined; a data section is a map from offset 0 on */
	struct shape shape;
	const Elf_Data *contents; /* of a data section, else NULL */
	bool shared;		  /* between objects: pinned beside DIR, and not in it */
	bool reused;		  /* another object has pinned it there */
	int fd;
};

/* What the section of a program tells of it. */
struct program_type {
	const char *section;
	enum bpf_prog_type type;
	enum bpf_attach_type attach; /* where the verifier asks for it: what the context holds */
};

/* One function of the object. A program is a function that has a type. */
struct function {
	const char *name;
	size_t section, first, count; /* instructions */
	const struct program_type *type;
	long position; /* in the program that is being put together, -1: it isn't in it */
	int fd;
};

struct section {
	const char *name;
	GElf_Shdr header;
	Elf_Data *data;
	struct bpf_insn *insns;	   /* a copy, if it is code */
	struct function **callees; /* by instruction: the function that it calls or passes on */
	size_t insn_count;
};

struct object {
	Elf *elf;
	struct section *sections;
	size_t section_count;
	const Elf_Data *symbols;
	size_t symbol_names; /* section of their names */
	const Elf_Data *btf;
	char license[128];
	struct map maps[MAX_MAPS];
	size_t map_count;
	struct function functions[MAX_FUNCTIONS];
	size_t function_count;
};

/* bpf.c: the system call. A result below zero is -1, with errno. */
int sys_bpf(enum bpf_cmd command, union bpf_attr *attr);

/* object.c: what is in the file. OBJECT, zeroed, owns the ELF; object_close() always. */
int object_read(struct object *object, Elf *elf);
void object_close(struct object *object);
const char *symbol_name(const struct object *object, const GElf_Sym *symbol);
bool read_at(const Elf_Data *data, size_t offset, void *to, size_t size);
int bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
int refused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* btf.c: what a map in section ".maps" is. */
int btf_define_map(const Elf_Data *data, struct map *map);

/* maps.c: reads their definitions; then makes them, or opens what is pinned in SHARED_DIR. */
int maps_read(struct object *object);
int maps_create(struct object *object, const char *shared_dir);

/* code.c: finds the functions, and tells their instructions where the maps are. */
bool is_program_section(const char *name);
int code_read(struct object *object);
int code_relocate(struct object *object);
bool is_call(const struct bpf_insn *insn);
bool is_load64(const struct bpf_insn *insn);
struct function *find_function(struct object *object, size_t section, size_t first);

/* load.c: puts the programs together, and loads them. */
int code_load(struct object *object);

#endif
