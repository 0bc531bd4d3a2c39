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
	__u32 shared;		  /* between objects: pinned beside DIR, and not in it */
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
};

struct section {
	const char *name;
	GElf_Shdr header;
	Elf_Data *data;
	const struct program_type *type; /* of the programs in it */
	struct bpf_insn *insns;		 /* a copy, if it is code */
	struct function **callees; /* by instruction: the function that it calls or passes on */
	size_t insn_count;
};

/* A map or a program that the kernel has, and what it is to be called in the BPF file system. */
struct pin {
	const char *dir, *name; /* no directory: another object has pinned it */
	const char *section;	/* of a program */
	int fd;
};

struct object {
	Elf *elf;
	const char *dir, *shared_dir; /* where its pins go, and those that objects share */
	struct section *sections;
	size_t section_count;
	const Elf_Data *symbols, *btf;
	size_t symbol_names; /* section of their names */
	char license[128];
	struct map maps[MAX_MAPS];
	size_t map_count;
	struct function functions[MAX_FUNCTIONS];
	size_t function_count;
	struct pin pins[MAX_MAPS + MAX_FUNCTIONS];
	size_t pin_count;
};

/* bpf.c: the system call. A result below zero is -1, with errno. */
int sys_bpf(enum bpf_cmd command, union bpf_attr *attr);

/*
 * object.c: what is in the file. OBJECT has the ELF, which it owns, and the directories; the rest
 * is zeroed. object_close() always.
 */
int object_read(struct object *object);
void object_close(struct object *object);
const char *symbol_name(const struct object *object, const GElf_Sym *symbol);
bool read_at(const Elf_Data *data, size_t offset, void *to, size_t size);
int check_name(const char *name);
int fail(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define bad(...)	     fail(BAD, __VA_ARGS__)
#define held(...)	     fail(HELD, __VA_ARGS__)
#define refused(format, ...) fail(REFUSED, "cannot " format ": ", __VA_ARGS__)

/* maps.c: what a section or a symbol defines; then makes them, or opens what is pinned. */
int map_of_variables(struct object *object, size_t section);
int map_define(struct object *object, const GElf_Sym *symbol);
int maps_create(struct object *object);
int pin_path(const char *dir, const char *name, char *path);
bool get_info(int fd, struct bpf_map_info *info);

/* btf.c: what a map in section ".maps" is. */
int btf_define_map(const Elf_Data *data, struct map *map);

/* code.c: finds the functions, and tells their instructions where the maps are. */
const struct program_type *program_type(const char *section);
int function_define(struct object *object, const GElf_Sym *symbol);
int code_relocate(struct object *object);
bool is_call(const struct bpf_insn *insn);
struct function *find_function(struct object *object, size_t section, size_t first);

/* load.c: puts the programs together, and loads them. */
int code_load(struct object *object);

#endif
