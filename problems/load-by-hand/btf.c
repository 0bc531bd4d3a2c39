// SPDX-License-Identifier: BSD-2-Clause
/*
 * A map in section ".maps" is 32 bytes of zeros; what it is stands in its type. __uint(max_entries,
 * 256) is a member "max_entries", a pointer to an array of 256; __type(key, __u32) is a member
 * "key", a pointer to __u32. Types follow each other in .BTF, and are known by their number.
 */
#include <stdint.h>
#include <string.h>
#include <linux/btf.h>

#include "load-by-hand.h"

/* Deeper than that, it is a circle. */
#define MAX_DEPTH 32

struct btf {
	Elf_Data types, names;
};

/* A type, and where what follows its fixed part begins. */
struct type {
	struct btf_type head;
	size_t body, next;
};

static int btf_open(const Elf_Data *data, struct btf *btf)
{
	struct btf_header header;
	__u64 types, names;

	if (!data || !read_at(data, 0, &header, sizeof(header)) || header.magic != BTF_MAGIC)
		return bad("there are maps in section .maps, and no BTF that says what they are");
	types = (__u64)header.hdr_len + header.type_off;
	names = (__u64)header.hdr_len + header.str_off;
	if (types + header.type_len > data->d_size || names + header.str_len > data->d_size)
		return bad("section .BTF: its header points outside");
	btf->types.d_buf = (char *)data->d_buf + types;
	btf->types.d_size = header.type_len;
	btf->names.d_buf = (char *)data->d_buf + names;
	btf->names.d_size = header.str_len;
	if (!header.str_len || ((char *)btf->names.d_buf)[header.str_len - 1])
		return bad("section .BTF: its names don't end");
	return DONE;
}

static const char *name_at(const struct btf *btf, __u32 offset)
{
	return offset < btf->names.d_size ? (char *)btf->names.d_buf + offset : "";
}

static bool next_type(const struct btf *btf, struct type *type)
{
	/* What follows the head: once, and for each member. */
	static const struct {
		unsigned char bytes, bytes_each;
	} tails[] = {
		[BTF_KIND_INT] = { 4, 0 },
		[BTF_KIND_ARRAY] = { sizeof(struct btf_array), 0 },
		[BTF_KIND_STRUCT] = { 0, sizeof(struct btf_member) },
		[BTF_KIND_UNION] = { 0, sizeof(struct btf_member) },
		[BTF_KIND_ENUM] = { 0, sizeof(struct btf_enum) },
		[BTF_KIND_FUNC_PROTO] = { 0, sizeof(struct btf_param) },
		[BTF_KIND_VAR] = { sizeof(struct btf_var), 0 },
		[BTF_KIND_DATASEC] = { 0, sizeof(struct btf_var_secinfo) },
		[BTF_KIND_DECL_TAG] = { sizeof(struct btf_decl_tag), 0 },
		[BTF_KIND_ENUM64] = { 0, sizeof(struct btf_enum64) }, /* the last that there is */
	};
	__u32 kind;

	if (!read_at(&btf->types, type->next, &type->head, sizeof(type->head)))
		return false;
	kind = BTF_INFO_KIND(type->head.info);
	if (kind >= sizeof(tails) / sizeof(*tails))
		return false;
	type->body = type->next + sizeof(type->head);
	type->next = type->body + tails[kind].bytes +
		     (size_t)tails[kind].bytes_each * BTF_INFO_VLEN(type->head.info);
	return true;
}

static bool type_by_id(const struct btf *btf, __u32 id, struct type *type)
{
	*type = (struct type){};
	for (__u32 i = 0; i < id; i++)
		if (!next_type(btf, type))
			return false;
	return id;
}

/* -1: no type that has a size. */
static __s64 size_of(const struct btf *btf, __u32 id)
{
	struct btf_array array;
	struct type type;
	__u64 bytes = 1;

	for (int depth = 0; depth < MAX_DEPTH && type_by_id(btf, id, &type); depth++) {
		id = type.head.type;
		switch (BTF_INFO_KIND(type.head.info)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			break;
		case BTF_KIND_ARRAY:
			if (!read_at(&btf->types, type.body, &array, sizeof(array)))
				return -1;
			bytes *= array.nelems;
			if (bytes > UINT32_MAX)
				return -1;
			id = array.type;
			break;
		case BTF_KIND_PTR:
			return bytes * sizeof(__u64);
		case BTF_KIND_INT:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FLOAT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
			return bytes * type.head.size;
		default:
			return -1;
		}
	}
	return -1;
}

/* For __type(), the size of what the member points to; for __uint(), how many int that is. */
static int define_member(const struct btf *btf, const struct btf_member *member, struct map *map)
{
	const struct {
		const char *name;
		int unit_bytes;
		__u32 *to;
	} known[] = {
		{ "type", sizeof(int), &map->shape.type },
		{ "key", 1, &map->shape.key_bytes },
		{ "key_size", sizeof(int), &map->shape.key_bytes },
		{ "value", 1, &map->shape.value_bytes },
		{ "value_size", sizeof(int), &map->shape.value_bytes },
		{ "max_entries", sizeof(int), &map->shape.max_entries },
		{ "map_flags", sizeof(int), &map->shape.flags },
		{ "pinning", sizeof(int), &map->shared },
	};
	const char *name = name_at(btf, member->name_off);
	__s64 size = -1;
	struct type type;
	size_t i = 0;

	while (i < sizeof(known) / sizeof(*known) && strcmp(name, known[i].name))
		i++;
	if (i == sizeof(known) / sizeof(*known))
		return bad("map %s: this loader does not know '%s'", map->name, name);
	if (type_by_id(btf, member->type, &type) && BTF_INFO_KIND(type.head.info) == BTF_KIND_PTR)
		size = size_of(btf, type.head.type);
	if (size < 0 || size / known[i].unit_bytes > UINT32_MAX)
		return bad("map %s: '%s' has no size", map->name, name);
	*known[i].to = size / known[i].unit_bytes;
	if (map->shared > 1)
		return bad("map %s: this loader does not know pinning %u", map->name, map->shared);
	return DONE;
}

int btf_define_map(const Elf_Data *data, struct map *map)
{
	struct btf_member member;
	struct type type = {};
	struct btf btf;
	int status;

	status = btf_open(data, &btf);
	if (status)
		return status;
	do {
		if (!next_type(&btf, &type))
			return bad("map %s: section .BTF does not know it", map->name);
	} while (BTF_INFO_KIND(type.head.info) != BTF_KIND_VAR ||
		 strcmp(name_at(&btf, type.head.name_off), map->name));
	if (!type_by_id(&btf, type.head.type, &type) ||
	    BTF_INFO_KIND(type.head.info) != BTF_KIND_STRUCT)
		return bad("map %s: its type is not a structure", map->name);

	for (__u32 i = 0; i < BTF_INFO_VLEN(type.head.info); i++) {
		if (!read_at(&btf.types, type.body + i * sizeof(member), &member, sizeof(member)))
			return bad("map %s: its type is cut off", map->name);
		status = define_member(&btf, &member, map);
		if (status)
			return status;
	}
	return DONE;
}
