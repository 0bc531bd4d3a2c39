// SPDX-License-Identifier: BSD-2-Clause
/*
 * With this in LD_PRELOAD a program finds a kernel without ring buffers, as it was before 5.8: such
 * maps are refused, as that kernel does it. Everything else is the real one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* libc's, which libbpf calls: up to six arguments, each in a register. */
long syscall(long number, ...)
{
	long (*real)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	const union bpf_attr *attr;
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	attr = (const void *)arguments[1];
	if (number == SYS_bpf && arguments[0] == BPF_MAP_CREATE &&
	    attr->map_type == BPF_MAP_TYPE_RINGBUF) {
		errno = EINVAL;
		return -1;
	}
	return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		    arguments[5]);
}
