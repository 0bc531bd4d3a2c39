// SPDX-License-Identifier: BSD-2-Clause
/*
 * With this in LD_PRELOAD a program finds a kernel without tcx, as it was before 6.6: links of its
 * two types are refused, as that kernel does it. Everything else is the real one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>

/* Linux 6.6: enum bpf_attach_type */
#define TCX_INGRESS 46
#define TCX_EGRESS  47

static bool is_tcx_link(long number, const long *arguments)
{
	const union bpf_attr *attr = (const void *)arguments[1];

	return number == SYS_bpf && arguments[0] == BPF_LINK_CREATE &&
	       (attr->link_create.attach_type == TCX_INGRESS ||
		attr->link_create.attach_type == TCX_EGRESS);
}

/* libc's, which libbpf calls: up to six arguments, each in a register. */
long syscall(long number, ...)
{
	long (*real)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (is_tcx_link(number, arguments)) {
		errno = EINVAL;
		return -1;
	}
	return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		    arguments[5]);
}
