/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of what the library does on kernels without batches, and of what others do to a map
 * while it works: it calls these functions and not libbpf's of the same names.
 */
#ifndef OLD_KERNEL_H
#define OLD_KERNEL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <bpf/bpf.h>

#define REAL(function) ((typeof(&(function)))dlsym(RTLD_NEXT, #function))

static bool is_old;				     /* has no batches */
static void (*before_step)(int fd, const void *key); /* a walk goes on from KEY */
static void (*after_step)(int fd, const void *key);
static void (*before_delete)(int fd, const void *keys, __u32 count);
static int batches, steps, writes;
static int stuck_after; /* so many batches, the kernel can't read on; 0: it can */

int bpf_map_lookup_batch(int fd, void *from, void *to, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (is_old)
		return -EINVAL;
	if (stuck_after && batches >= stuck_after) {
		*count = 0;
		return -EINTR;
	}
	batches++;
	return REAL(bpf_map_lookup_batch)(fd, from, to, keys, values, count, options);
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (is_old)
		return -EINVAL;
	writes += *count;
	return REAL(bpf_map_update_batch)(fd, keys, values, count, options);
}

int bpf_map_delete_batch(int fd, const void *keys, __u32 *count,
			 const struct bpf_map_batch_opts *options)
{
	if (is_old)
		return -EINVAL;
	if (before_delete)
		before_delete(fd, keys, *count);
	return REAL(bpf_map_delete_batch)(fd, keys, count, options);
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	writes++;
	return REAL(bpf_map_update_elem)(fd, key, value, flags);
}

int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	int err;

	steps++;
	if (before_step && key)
		before_step(fd, key);
	err = REAL(bpf_map_get_next_key)(fd, key, next);
	if (after_step && key)
		after_step(fd, key);
	return err;
}

static int be_old(void **state)
{
	(void)state;
	is_old = true;
	return 0;
}

static int be_new(void **state)
{
	(void)state;
	is_old = false;
	return 0;
}

/* A test, and the same on such a kernel. */
#define on_both(test)                                                 \
	{ #test, test, NULL, NULL, NULL },                            \
	{                                                             \
#test ", without batches", test, be_old, be_new, NULL \
	}

#endif
