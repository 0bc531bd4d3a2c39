// SPDX-License-Identifier: BSD-2-Clause
/* Reading and writing maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

static int check_value_size(int map_fd, size_t want)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(map_fd, &info, &size);

	if (err)
		return err;
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
