// SPDX-License-Identifier: BSD-2-Clause
/* Second: the maps. What they are is defined in three ways; BPF_MAP_CREATE wants one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <limits.h>

#include "load-by-hand.h"

/* What these want is not in any shape. The headers of 6.1 lack CGRP_STORAGE, which is 32. */
#define UNKNOWN_TYPES                                                             \
	(1ULL << BPF_MAP_TYPE_ARRAY_OF_MAPS | 1ULL << BPF_MAP_TYPE_HASH_OF_MAPS | \
	 1ULL << BPF_MAP_TYPE_SK_STORAGE | 1ULL << BPF_MAP_TYPE_INODE_STORAGE |   \
	 1ULL << BPF_MAP_TYPE_TASK_STORAGE | 1ULL << BPF_MAP_TYPE_STRUCT_OPS | 1ULL << 32)

static struct map *add_map(struct object *object, const char *name, size_t section, size_t offset)
{
	struct map *map = &object->maps[object->map_count];

	if (check_name(name))
		return NULL;
	if (object->map_count == MAX_MAPS) {
		bad("it has more than %d maps", MAX_MAPS);
		return NULL;
	}
	object->map_count++;
	*map = (struct map){ .name = name, .section = section, .offset = offset };
	return map;
}

static bool begins(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return !strncmp(name, prefix, length) && (!name[length] || name[length] == '.');
}

/* Global variables are a map: an array of one value, which is the section. */
int map_of_variables(struct object *object, size_t index)
{
	const struct section *section = &object->sections[index];
	bool constant = begins(section->name, ".rodata");
	struct map *map;

	if (!constant && !begins(section->name, ".data") && !begins(section->name, ".bss"))
		return bad("section %s: this loader does not know it", section->name);
	if (section->data->d_size > UINT_MAX)
		return bad("section %s: %zu bytes", section->name, section->data->d_size);
	map = add_map(object, section->name, index, 0);
	if (!map)
		return BAD;
	map->contents = section->data;
	map->shape = (struct shape){
		.type = BPF_MAP_TYPE_ARRAY,
		.key_bytes = sizeof(__u32),
		.value_bytes = section->data->d_size,
		.max_entries = 1,
		.flags = BPF_F_MMAPABLE | (constant ? BPF_F_RDONLY_PROG : 0),
	};
	return DONE;
}

/* Section "maps", the old way: the size of the symbol tells which of two structures it is. */
static int define_old(const Elf_Data *data, size_t size, struct map *map)
{
	struct {
		struct shape shape; /* all of struct bpf_map_def, once libbpf's */
		__u32 id, pinning, inner_id, inner_index; /* struct bpf_elf_map, iproute2's */
	} definition = {};

	if (size != sizeof(definition.shape) && size != sizeof(definition))
		return bad("map %s: its definition has %zu bytes; this loader knows bpf_map_def "
			   "with %zu and bpf_elf_map with %zu",
			   map->name, size, sizeof(definition.shape), sizeof(definition));
	if (!read_at(data, map->offset, &definition, size))
		return bad("map %s: its definition is outside its section", map->name);
	if (definition.pinning > 2)
		return bad("map %s: this loader does not know pinning %u", map->name,
			   definition.pinning);
	map->shape = definition.shape;
	map->shared = definition.pinning == 2; /* 1: shared within the object, which all are */
	return DONE;
}

int map_define(struct object *object, const GElf_Sym *symbol)
{
	const struct section *section = &object->sections[symbol->st_shndx];
	struct map *map =
		add_map(object, symbol_name(object, symbol), symbol->st_shndx, symbol->st_value);
	int status;

	if (!map)
		return BAD;
	status = *section->name == '.' ? btf_define_map(object->btf, map)
				       : define_old(section->data, symbol->st_size, map);
	if (status)
		return status;
	if (map->shape.type < 64 && UNKNOWN_TYPES >> map->shape.type & 1)
		return bad("map %s: type %u takes another map, or BTF, which this loader does not "
			   "give it",
			   map->name, map->shape.type);
	return DONE;
}

int pin_path(const char *dir, const char *name, char *path)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return bad("the path of %s is too long", name);
	for (char *c = path + strlen(dir); *c; c++)
		if (*c == '.') /* which the BPF file system doesn't take */
			*c = '_';
	return DONE;
}

/* Of a program, the first two fields are the same: its type and its id. */
bool get_info(int fd, struct bpf_map_info *info)
{
	*info = (struct bpf_map_info){};
	return !sys_bpf(
		BPF_OBJ_GET_INFO_BY_FD,
		&(union bpf_attr){
			.info = { .bpf_fd = fd, .info_len = sizeof(*info), .info = (__u64)info } });
}

/* Opens the map that another object has pinned, if it has the same shape. */
static int open_shared(struct object *object, struct map *map)
{
	struct bpf_map_info info;
	char path[PATH_MAX];

	if (pin_path(object->shared_dir, map->name, path))
		return BAD;
	map->fd = sys_bpf(BPF_OBJ_GET, &(union bpf_attr){ .pathname = (__u64)path });
	if (map->fd < 0)
		return errno == ENOENT ? DONE : refused("open %s", path);
	object->pins[object->pin_count++] = (struct pin){ .name = map->name, .fd = map->fd };
	if (!get_info(map->fd, &info))
		return refused("ask what %s is", path);
	if (memcmp(&(struct shape){ info.type, info.key_size, info.value_size, info.max_entries,
				    info.map_flags },
		   &map->shape, sizeof(map->shape)))
		return held("%s is pinned already, and is not the map that the object defines",
			    path);
	return DONE;
}

static int create(struct object *object, struct map *map)
{
	union bpf_attr attr = {
		.map_type = map->shape.type,
		.key_size = map->shape.key_bytes,
		.value_size = map->shape.value_bytes,
		.max_entries = map->shape.max_entries,
		.map_flags = map->shape.flags,
	};

	strncpy(attr.map_name, map->name, sizeof(attr.map_name) - 1);
	map->fd = sys_bpf(BPF_MAP_CREATE, &attr);
	if (map->fd < 0)
		return refused("create map %s", map->name);
	object->pins[object->pin_count++] = (struct pin){
		.dir = map->shared ? object->shared_dir : object->dir,
		.name = map->name,
		.fd = map->fd,
	};
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

int maps_create(struct object *object)
{
	int status = DONE;

	for (size_t i = 0; i < object->map_count && !status; i++) {
		struct map *map = &object->maps[i];

		map->fd = -1;
		if (map->shared)
			status = open_shared(object, map);
		if (!status && map->fd < 0)
			status = create(object, map);
		if (!status && map->contents)
			status = fill(map);
	}
	return status;
}
