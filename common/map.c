// SPDX-License-Identifier: BSD-2-Clause
/* Reading and writing single entries of maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "map-internal.h"

int hp_map_error(int err)
{
	if (err == -KERNEL_ENOTSUPP)
		return -EOPNOTSUPP;
	return err == -EBADFD ? -EBADF : err; /* of what is no BPF object, since 6.1 or so */
}

/* -ENOSPC: sockets, in a map whose values are too short for their cookies. */
int hp_map_read_error(int err)
{
	return err == -ENOSPC ? -EOPNOTSUPP : hp_map_error(err);
}

/* -ENOSPC: an lpm_trie is full. */
int hp_map_write_error(int err)
{
	return err == -ENOSPC ? -E2BIG : hp_map_error(err);
}

bool hp_map_unknown(int err)
{
	return err == -KERNEL_ENOTSUPP || err == -EINVAL;
}

bool hp_map_is_array(const struct hp_map *map)
{
	return map->type == BPF_MAP_TYPE_ARRAY || map->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

/* The kernel has many answers to what types can't do, -EINVAL for one. */
bool hp_map_has_write(const struct hp_map *map, __u64 flags)
{
	switch (map->type) {
	case BPF_MAP_TYPE_STACK_TRACE:
		return false;
	case BPF_MAP_TYPE_CGROUP_STORAGE:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
		return flags != BPF_NOEXIST;
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_CGROUP_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
		return flags == BPF_ANY;
	default:
		return map->key_bytes || flags == BPF_ANY;
	}
}

bool hp_map_has_removal(const struct hp_map *map)
{
	return map->key_bytes && !hp_map_is_array(map) &&
	       map->type != BPF_MAP_TYPE_CGROUP_STORAGE &&
	       map->type != BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

int hp_map_get(const struct hp_map *map, const void *key, size_t key_bytes, void *value,
	       size_t value_bytes)
{
	if (key_bytes != map->key_bytes || value_bytes != map->value_bytes)
		return -EINVAL;
	return hp_map_read_error(bpf_map_lookup_elem(map->fd, key, value));
}

static int write_entry(const struct hp_map *map, const void *key, size_t key_bytes,
		       const void *value, size_t value_bytes, __u64 flags)
{
	if (key_bytes != map->key_bytes || value_bytes != map->value_bytes)
		return -EINVAL;
	if (!hp_map_has_write(map, flags))
		return -EOPNOTSUPP;
	return hp_map_write_error(bpf_map_update_elem(map->fd, key, value, flags));
}

int hp_map_put(const struct hp_map *map, const void *key, size_t key_bytes, const void *value,
	       size_t value_bytes)
{
	return write_entry(map, key, key_bytes, value, value_bytes, BPF_ANY);
}

int hp_map_update(const struct hp_map *map, const void *key, size_t key_bytes, const void *value,
		  size_t value_bytes)
{
	return write_entry(map, key, key_bytes, value, value_bytes, BPF_EXIST);
}

int hp_map_insert(const struct hp_map *map, const void *key, size_t key_bytes, const void *value,
		  size_t value_bytes)
{
	return write_entry(map, key, key_bytes, value, value_bytes, BPF_NOEXIST);
}

int hp_map_delete(const struct hp_map *map, const void *key)
{
	int err = bpf_map_delete_elem(map->fd, key);

	return err == -EINVAL && map->type == BPF_MAP_TYPE_SOCKMAP ? -ENOENT : err;
}

int hp_map_remove(const struct hp_map *map, const void *key, size_t key_bytes)
{
	if (key_bytes != map->key_bytes)
		return -EINVAL;
	if (!hp_map_has_removal(map))
		return -EOPNOTSUPP;
	return hp_map_error(hp_map_delete(map, key));
}

/*
 * Of those who take at once, all may read the entry. Each removes another one, but not surely the
 * one that it has read: that may be gone, and a new one in its place.
 */
static int take_in_two_steps(const struct hp_map *map, const void *key, void *value)
{
	void *read = malloc(map->value_bytes);
	int err = -ENOMEM;

	if (read)
		err = bpf_map_lookup_elem(map->fd, key, read);
	if (!err)
		err = hp_map_delete(map, key);
	if (!err)
		memcpy(value, read, map->value_bytes);
	free(read);
	return err;
}

int hp_map_take(const struct hp_map *map, const void *key, size_t key_bytes, void *value,
		size_t value_bytes)
{
	int err;

	if (key_bytes != map->key_bytes || value_bytes != map->value_bytes)
		return -EINVAL;
	if (key_bytes && !hp_map_has_removal(map))
		return -EOPNOTSUPP;
	err = bpf_map_lookup_and_delete_elem(map->fd, key, value);
	if (hp_map_unknown(err) && key_bytes)
		err = take_in_two_steps(map, key, value);
	return hp_map_read_error(err);
}

int hp_map_put_map(const struct hp_map *outer, const void *key, size_t key_bytes,
		   const struct hp_map *inner)
{
	if (outer->type != BPF_MAP_TYPE_ARRAY_OF_MAPS && outer->type != BPF_MAP_TYPE_HASH_OF_MAPS)
		return -EOPNOTSUPP;
	return hp_map_put(outer, key, key_bytes, &inner->fd, sizeof(inner->fd));
}

int hp_map_get_map(const struct hp_map *outer, const void *key, size_t key_bytes,
		   struct hp_map *inner)
{
	__u32 id = 0, before;
	int err;

	if (outer->type != BPF_MAP_TYPE_ARRAY_OF_MAPS && outer->type != BPF_MAP_TYPE_HASH_OF_MAPS)
		return -EOPNOTSUPP;
	/* While we ask what has this id, another map may come in its place, and it may go. */
	do {
		before = id;
		err = hp_map_get(outer, key, key_bytes, &id, sizeof(id));
		if (err)
			return err;
		err = hp_map_open_id(id, inner);
	} while (err == -ENOENT && id != before);
	return err;
}

static int check_value_size(int map_fd, size_t want)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(map_fd, &info, &size);

	if (err)
		return hp_map_error(err);
	return info.value_size == want ? 0 : -EINVAL;
}

int hp_map_sum_percpu(int map_fd, const void *key, __u64 *sums, size_t n)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values;
	int err;

	if (cpus < 0)
		return cpus;
	err = check_value_size(map_fd, n * sizeof(*sums));
	if (err)
		return err;
	values = calloc(cpus, n * sizeof(*values));
	if (!values)
		return -ENOMEM;

	err = bpf_map_lookup_elem(map_fd, key, values);
	if (err)
		goto out;
	memset(sums, 0, n * sizeof(*sums));
	for (int cpu = 0; cpu < cpus; cpu++)
		for (size_t i = 0; i < n; i++)
			sums[i] += values[cpu * n + i];
out:
	free(values);
	return err;
}

int hp_map_mmap(int map_fd, size_t size, void **value)
{
	int err = check_value_size(map_fd, size);
	void *mapped;

	if (err)
		return err;
	mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	*value = mapped;
	return 0;
}
