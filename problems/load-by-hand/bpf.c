// SPDX-License-Identifier: BSD-2-Clause
/* All that the loader wants of the kernel, but for a directory. */
#include <unistd.h>
#include <sys/syscall.h>

#include "load-by-hand.h"

int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}
