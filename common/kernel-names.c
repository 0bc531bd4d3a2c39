// SPDX-License-Identifier: BSD-2-Clause
/* Names that the kernel gives, and names that it takes. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <bpf/btf.h>

#include "kernel-names.h"

/* Is SMALL the constant LARGE in small letters? */
static bool is_small_of(const char *small, const char *large)
{
	while (*small && *small == tolower(*large)) {
		small++;
		large++;
	}
	return !*small && !*large;
}

/* Looks through the enumeration of type ID. */
static int search(const struct btf *btf, int id, const char *prefix, const char *name, __u32 *value)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_enum *values = btf_enum(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		const char *constant = btf__name_by_offset(btf, values[i].name_off);

		if (strncmp(constant, prefix, strlen(prefix)) ||
		    !is_small_of(name, constant + strlen(prefix)))
			continue;
		*value = values[i].val;
		return 0;
	}
	return -ESRCH;
}

int hp_kernel_enum(const char *enumeration, const char *prefix, const char *name, __u32 *value)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id, err = -ESRCH;

	if (!btf)
		return -ESRCH;
	id = btf__find_by_name_kind(btf, enumeration, BTF_KIND_ENUM);
	if (id > 0)
		err = search(btf, id, prefix, name, value);
	btf__free(btf);
	return err;
}

void hp_name_object(hp_object_name called, const char *name)
{
	size_t n = 0;

	for (; n < sizeof(hp_object_name) - 1 && name[n]; n++)
		called[n] = isalnum((unsigned char)name[n]) || name[n] == '.' ? name[n] : '_';
	called[n] = '\0';
}
