// SPDX-License-Identifier: BSD-2-Clause
/* Making maps, finding them, and what is known of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kernel-names.h"
#include "map-internal.h"

#define CGRP_STORAGE 32 /* Linux 6.2: BPF_MAP_TYPE_CGRP_STORAGE */

int hp_map_type(const char *name, enum bpf_map_type *type)
{
	const char *known;
	__u32 number;

	for (int i = BPF_MAP_TYPE_UNSPEC + 1; (known = libbpf_bpf_map_type_str(i)); i++) {
		if (!strcmp(known, name)) {
			*type = i;
			return 0;
		}
	}
	if (hp_kernel_enum("bpf_map_type", "BPF_MAP_TYPE_", name, &number) || !number)
		return -EINVAL;
	*type = number;
	return 0;
}

static bool must_have_btf(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_SK_STORAGE || type == BPF_MAP_TYPE_INODE_STORAGE ||
	       type == BPF_MAP_TYPE_TASK_STORAGE || (int)type == CGRP_STORAGE;
}

/* Describes a key as an int and a value as so many bytes. The caller frees *BTF, whatever is
 * returned. */
static int describe_types(__u32 value_bytes, struct btf **btf, struct bpf_map_create_opts *options)
{
	int key, byte, value;

	*btf = btf__new_empty();
	if (!*btf)
		return -errno;
	key = btf__add_int(*btf, "int", 4, BTF_INT_SIGNED);
	byte = btf__add_int(*btf, "unsigned char", 1, 0);
	value = btf__add_array(*btf, key, byte, value_bytes);
	if (key < 0 || byte < 0 || value < 0)
		return -ENOMEM;
	options->btf_key_type_id = key;
	options->btf_value_type_id = value;
	return btf__load_into_kernel(*btf);
}

/* A descriptor or a negative errno. */
static int create(enum bpf_map_type type, const char *name, __u32 key_bytes, __u32 value_bytes,
		  __u32 entries, const struct bpf_map_create_opts *options)
{
	LIBBPF_OPTS(bpf_map_create_opts, described);
	struct btf *btf = NULL;
	int fd;

	if (!must_have_btf(type) || (options && options->btf_fd))
		return bpf_map_create(type, name, key_bytes, value_bytes, entries, options);
	if (options)
		described.map_flags = options->map_flags;
	fd = describe_types(value_bytes, &btf, &described);
	if (!fd) {
		described.btf_fd = btf__fd(btf);
		fd = bpf_map_create(type, name, key_bytes, value_bytes, entries, &described);
	}
	btf__free(btf);
	return fd;
}

int hp_map_proc_error(int fd)
{
	int err = errno;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	return err == ENOENT ? -ENXIO : -err;
}

/* The kernel describes a program as readily, in a structure of its own: it would be taken for a
 * map's. */
static int check_is_map(int fd)
{
	static const char want[] = "anon_inode:bpf-map";
	char path[64], is[sizeof(want)] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, is, sizeof(is)) < 0)
		return hp_map_proc_error(fd);
	return memcmp(is, want, sizeof(want)) ? -EINVAL : 0;
}

static bool is_percpu(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

/* Asks for what FD, which is a map's, is. */
static int describe(int fd, struct hp_map *map)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	size_t value_bytes;
	int err, copies = 1;

	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	if (err)
		return hp_map_error(err);
	value_bytes = info.value_size;
	if (is_percpu(info.type)) {
		copies = libbpf_num_possible_cpus();
		if (copies < 0)
			return copies;
		value_bytes = (value_bytes + 7) / 8 * 8 * copies;
	}
	*map = (struct hp_map){ .fd = fd,
				.type = info.type,
				.id = info.id,
				.flags = info.map_flags,
				.max_entries = info.max_entries,
				.key_bytes = info.key_size,
				.value_bytes = value_bytes,
				.copies = copies };
	memcpy(map->name, info.name, sizeof(map->name));
	return 0;
}

int hp_map_of(int fd, struct hp_map *map)
{
	int err = check_is_map(fd);

	return err ? err : describe(fd, map);
}

/* Of a descriptor that is the caller's no longer, whatever is returned. */
static int adopt(int fd, int (*read)(int fd, struct hp_map *map), struct hp_map *map)
{
	int err;

	if (fd < 0)
		return hp_map_error(fd);
	err = read(fd, map);
	if (err)
		close(fd);
	return err;
}

int hp_map_create(const char *type, const char *name, __u32 key_bytes, __u32 value_bytes,
		  __u32 entries, const struct bpf_map_create_opts *options, struct hp_map *map)
{
	enum bpf_map_type number;
	hp_object_name called;
	int err = hp_map_type(type, &number);

	if (err)
		return err;
	hp_name_object(called, name ? name : "");
	return adopt(create(number, called, key_bytes, value_bytes, entries, options), describe,
		     map);
}

int hp_map_open_pin(const char *path, struct hp_map *map)
{
	return adopt(bpf_obj_get(path), hp_map_of, map);
}

int hp_map_open_id(__u32 id, struct hp_map *map)
{
	return adopt(bpf_map_get_fd_by_id(id), describe, map);
}

int hp_map_open_name(const char *name, struct hp_map *map)
{
	struct hp_map found = { .fd = -1 }, next;
	hp_object_name called;
	__u32 id = 0;
	int err;

	hp_name_object(called, name);
	while (!(err = bpf_map_get_next_id(id, &id))) {
		err = hp_map_open_id(id, &next);
		if (err == -ENOENT) /* it has gone in the meantime */
			continue;
		if (err)
			break;
		if (strcmp(next.name, called)) {
			hp_map_close(&next);
			continue;
		}
		if (found.fd >= 0) {
			hp_map_close(&next);
			err = -ENOTUNIQ;
			break;
		}
		found = next;
	}
	if (err == -ENOENT && found.fd >= 0) {
		*map = found;
		return 0;
	}
	hp_map_close(&found);
	return err;
}

void hp_map_close(struct hp_map *map)
{
	if (!map || map->fd < 0 || !map->id)
		return;
	close(map->fd);
	map->fd = -1;
}

int hp_map_state(const struct hp_map *map, struct hp_map_state *state)
{
	struct hp_map_state told = {};
	unsigned long long number;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map->fd);
	file = fopen(path, "re");
	if (!file)
		return hp_map_proc_error(map->fd);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &number) == 1)
			told.memory_bytes = number;
		else if (sscanf(line, "frozen: %llu", &number) == 1)
			told.frozen = number;
	}
	fclose(file);
	*state = told;
	return 0;
}

int hp_map_freeze(const struct hp_map *map)
{
	struct hp_map_state state;
	int err = bpf_map_freeze(map->fd);

	/* Of a frozen one some kernels say -EBUSY, others that nobody may write to it: -EPERM. */
	if ((err == -EBUSY || err == -EPERM) && !hp_map_state(map, &state) && state.frozen)
		err = 0;
	return hp_map_error(err);
}
