/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that the kernel gives, and names that it takes. */
#ifndef KERNEL_NAMES_H
#define KERNEL_NAMES_H

#include <linux/bpf.h>

/*
 * The *VALUE that ENUMERATION of the kernel gives to PREFIX and NAME in capital letters, where NAME
 * is in small ones: what is newer than libbpf has its name in the kernel's BTF only. -ESRCH.
 */
int hp_kernel_enum(const char *enumeration, const char *prefix, const char *name, __u32 *value);

/*
 * What NAME becomes for a program or map: the kernel takes letters, digits, '_' and '.', so all
 * else becomes '_', and keeps 15 of them.
 */
typedef char hp_object_name[BPF_OBJ_NAME_LEN];
void hp_name_object(hp_object_name called, const char *name);

#endif
