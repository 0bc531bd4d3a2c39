// SPDX-License-Identifier: BSD-2-Clause
/* Second: the maps. What they are is defined in three ways; BPF_MAP_CREATE wants one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>

#include "load-by-hand.h"

/* Section "maps", the old way: the size of the symbol tells which of two structures it is. */
static int define_old(const Elf_Data *data, size_t size, struct map *map)
{
	struct {
		struct shape shape; /* all of struct bpf_map_def, once libbpf's */
		__u32 id, pinning, inner_id, inner_index; /* struct bpf_elf_map, iproute2's */
	} definition = {};

	if (size != sizeof(definition.shape) && size != sizeof(definition))
		return bad(
			"map %s: its definition has %zu bytes; this loader knows bpf_map_def with "
			"%zu and bpf_elf_map with %zu",
			map->name, size, sizeof(definition.shape), sizeof(definition));
	if (!read_at(data, map->offset, &definition, size))
		return bad("map %s: its definition is outside its section", map->name);
	if (definition.inner_id || definition.inner_index)
		return bad("map %s: this loader does not know maps in maps", map->name);
	if (definition.pinning > 2)
		return bad("map %s: this loader does not know pinning %u", map->name,
			   definition.pinning);
	map->shape = definition.shape;
	map->shared = definition.pinning == 2; /* 1: shared within the object, which all are */
	return DONE;
}

/* What these types want besides their shape is not in any shape. */
static int check_type(const struct map *map)
{
	switch (map->shape.type) {
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return bad("map %s: this loader does not know maps in maps", map->name);
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_INODE_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE:
	case 32: /* BPF_MAP_TYPE_CGRP_STORAGE, which the headers of 6.1 lack */
	case BPF_MAP_TYPE_STRUCT_OPS:
		return bad("map %s: type %u needs BTF, which this loader does not give it",
			   map->name, map->shape.type);
	default:
		return DONE;
	}
}

/* A name is for the kernel, and for a file: no '/'. */
static int add_map(struct object *object, const char *name, size_t section, size_t offset,
		   struct map **map)
{
	if (object->map_count == MAX_MAPS)
		return bad("it has more than %d maps", MAX_MAPS);
	if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_.")])
		return bad("a map has no name, or one that is not a name in C");
	*map = &object->maps[object->map_count++];
	**map = (struct map){ .name = name, .section = section, .offset = offset, .fd = -1 };
	return DONE;
}

static bool begins(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return !strncmp(name, prefix, length) && (!name[length] || name[length] == '.');
}

/* Global variables are a map: an array of one value, which is the section. */
static int read_data_section(struct object *object, size_t index)
{
	const struct section *section = &object->sections[index];
	struct map *map;
	int status;

	if (!begins(section->name, ".data") && !begins(section->name, ".rodata") &&
	    !begins(section->name, ".bss"))
		return bad("section %s: this loader does not know it", section->name);
	if (section->data->d_size > UINT_MAX)
		return bad("section %s: %zu bytes", section->name, section->data->d_size);
	status = add_map(object, section->name, index, 0, &map);
	if (status)
		return status;
	map->contents = section->data;
	map->shape = (struct shape){
		.type = BPF_MAP_TYPE_ARRAY,
		.key_bytes = sizeof(__u32),
		.value_bytes = section->data->d_size,
		.max_entries = 1,
		.flags =
			BPF_F_MMAPABLE | (begins(section->name, ".rodata") ? BPF_F_RDONLY_PROG : 0),
	};
	return DONE;
}

static int read_symbol(struct object *object, const GElf_Sym *symbol)
{
	const struct section *section = &object->sections[symbol->st_shndx];
	bool is_old = !strcmp(section->name, "maps");
	struct map *map;
	int status;

	if (!is_old && strcmp(section->name, ".maps"))
		return DONE;
	status = add_map(object, symbol_name(object, symbol), symbol->st_shndx, symbol->st_value,
			 &map);
	if (status)
		return status;
	status = is_old ? define_old(section->data, symbol->st_size, map)
			: btf_define_map(object->btf, map);
	return status ? status : check_type(map);
}

int maps_read(struct object *object)
{
	int status = DONE;
	GElf_Sym symbol;

	for (int i = 0; !status && gelf_getsym((Elf_Data *)object->symbols, i, &symbol); i++)
		if (GELF_ST_TYPE(symbol.st_info) == STT_OBJECT && symbol.st_shndx &&
		    symbol.st_shndx < object->section_count)
			status = read_symbol(object, &symbol);
	for (size_t i = 1; i < object->section_count && !status; i++) {
		const struct section *section = &object->sections[i];

		if (section->header.sh_flags & SHF_ALLOC && section->data->d_size &&
		    !section->insns && strcmp(section->name, "maps") &&
		    strcmp(section->name, ".maps") && strcmp(section->name, "license") &&
		    strcmp(section->name, "version"))
			status = read_data_section(object, i);
	}
	return status;
}

/* Opens the map that another object has pinned there, if it has the same shape. */
static int open_shared(struct map *map, const char *dir)
{
	struct bpf_map_info info = {};
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, map->name) >= (int)sizeof(path))
		return bad("the path of map %s is too long", map->name);
	map->fd = sys_bpf(BPF_OBJ_GET, &(union bpf_attr){ .pathname = (__u64)path });
	if (map->fd < 0)
		return errno == ENOENT ? DONE : refused("open %s", path);
	map->reused = true;
	if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &(union bpf_attr){ .info = { .bpf_fd = map->fd,
									 .info_len = sizeof(info),
									 .info = (__u64)&info } }) <
	    0)
		return refused("ask what %s is", path);
	if (memcmp(&(struct shape){ info.type, info.key_size, info.value_size, info.max_entries,
				    info.map_flags },
		   &map->shape, sizeof(map->shape))) {
		bad("%s is pinned already, and is not the map that the object defines", path);
		return HELD;
	}
	return DONE;
}

/* Puts the initial values of global variables into their map; then nobody may write constants. */
static int fill(const struct map *map)
{
	union bpf_attr update = { .map_fd = map->fd,
				  .key = (__u64) & (__u32){ 0 },
				  .value = (__u64)map->contents->d_buf };

	if (map->contents->d_buf && sys_bpf(BPF_MAP_UPDATE_ELEM, &update) < 0)
		return refused("fill map %s", map->name);
	if (map->shape.flags & BPF_F_RDONLY_PROG &&
	    sys_bpf(BPF_MAP_FREEZE, &(union bpf_attr){ .map_fd = map->fd }) < 0)
		return refused("freeze map %s", map->name);
	return DONE;
}

int maps_create(struct object *object, const char *shared_dir)
{
	int status;

	for (size_t i = 0; i < object->map_count; i++) {
		struct map *map = &object->maps[i];
		union bpf_attr create = {
			.map_type = map->shape.type,
			.key_size = map->shape.key_bytes,
			.value_size = map->shape.value_bytes,
			.max_entries = map->shape.max_entries,
			.map_flags = map->shape.flags,
		};

		status = map->shared ? open_shared(map, shared_dir) : DONE;
		if (status)
			return status;
		if (map->reused)
			continue;
		strncpy(create.map_name, map->name, sizeof(create.map_name) - 1);
		map->fd = sys_bpf(BPF_MAP_CREATE, &create);
		if (map->fd < 0)
			return refused("create map %s", map->name);
		status = map->contents ? fill(map) : DONE;
		if (status)
			return status;
	}
	return DONE;
}
