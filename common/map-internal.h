/* SPDX-License-Identifier: BSD-2-Clause */
/* What the modules of the map library share. */
#ifndef MAP_INTERNAL_H
#define MAP_INTERNAL_H

#include "hookpoint.h"

/* The kernel's own errno for "not for this type"; no libc has it, and strerror() no text. */
#define KERNEL_ENOTSUPP 524

/*
 * How many entries a system call reads or writes at most. From 256 on it makes no difference any
 * more; and between two calls others get the CPU, and signals are handled.
 */
#define BATCH_ENTRIES 1024

/* ERR as this library has it; the kernel's -ENOSPC means one thing of reads and another of writes.
 */
int hp_map_error(int err);
int hp_map_read_error(int err);
int hp_map_write_error(int err);

/* Makes the errno of /proc/self/fd*, which has just failed, that of FD. */
int hp_map_proc_error(int fd);

/* Was a command refused as one that the kernel doesn't know, or not for this type of map? */
bool hp_map_unknown(int err);

/* Are its keys indexes, each of which always has an entry? */
bool hp_map_is_array(const struct hp_map *map);

/* Can its entries be written, with these flags of BPF_MAP_UPDATE_ELEM? */
bool hp_map_has_write(const struct hp_map *map, __u64 flags);

/* Can its entries be removed? */
bool hp_map_has_removal(const struct hp_map *map);

/* Removes one, with the kernel's own errnos but for -ENOENT, which is each type's. */
int hp_map_delete(const struct hp_map *map, const void *key);

/* A set of keys of one size, which it copies. Begin with all zeros but for key_bytes. */
struct hp_keys {
	size_t key_bytes;
	__u32 n;
	__u32 *slots; /* 0, or the number of a key, from 1 on; N_SLOTS is a power of two */
	__u32 n_slots;
	char *keys; /* room for n_slots / 2 of them */
	__u64 secrets[2];
};

/* Makes room for N keys in all. -ENOMEM. */
int hp_keys_reserve(struct hp_keys *set, size_t n);

/* Adds KEY unless it is there. *NUMBER: its number, from 0 on in the order of adding. -ENOMEM. */
int hp_keys_add(struct hp_keys *set, const void *key, __u32 *number);

/*
 * Looks for N KEYS, no more than HP_KEYS_AT_ONCE, in a set that has been reserved for some. FOUND:
 * of each its number and 1, or 0.
 */
#define HP_KEYS_AT_ONCE 64
void hp_keys_find(const struct hp_keys *set, const char *keys, __u32 n, __u32 *found);
void hp_keys_free(struct hp_keys *set);

/*
 * A walk through a map, a chunk of entries after the other. Begin with hp_walk_open(), which needs
 * no undoing when it fails.
 */
struct hp_walk {
	const struct hp_map *map;
	char *keys; /* this chunk's entries */
	char *values;
	__u32 n;
	__u32 room;
	void *place; /* where the next chunk begins: the last key, or the number of a bucket */
	bool begun;
	bool ended;
	bool one_by_one;
	bool may_repeat; /* so what was seen is remembered */
	struct hp_keys seen;
	__u64 steps;
};

int hp_walk_open(struct hp_walk *walk, const struct hp_map *map);

/* Reads the next chunk: no entries in it: that was all. Errors as of hp_map_each(). */
int hp_walk_next(struct hp_walk *walk);
void hp_walk_close(struct hp_walk *walk);

/*
 * Calls EACH with chunks of all entries, which it may write to, until it returns something else
 * than 0. Errors as of hp_map_each().
 */
typedef int (*hp_each_chunk)(const struct hp_map *map, const char *keys, const char *values,
			     size_t n, void *arg);
int hp_walk_each(const struct hp_map *map, hp_each_chunk each, void *arg);

#endif
