// SPDX-License-Identifier: BSD-2-Clause
/*
 * What BPF objects need of this kernel, for scripts/doctor. For each OBJECT it tries to load it,
 * and everything that it is made of, and prints lines of three columns with tabs between: what,
 * "ok" or "lack", the first kernel that has it ("-" where unknown). Exit status: 0, or 1 for bad
 * usage.
 */
#include <stdio.h>
#include <string.h>

#include "hookpoint.h"

static int print_need(const struct hp_need *need, void *arg)
{
	(void)arg;
	printf("%s\t%s\t%s\n", need->what, need->have ? "ok" : "lack",
	       need->since ? need->since : "-");
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	int err;

	if (argc < 2) {
		fprintf(stderr, "needs: OBJECT...\n");
		return 1;
	}
	libbpf_set_print(NULL); /* a refusal is a result here */
	for (int i = 1; i < argc; i++) {
		obj = bpf_object__open(argv[i]);
		if (!obj) {
			fprintf(stderr, "needs: cannot open %s\n", argv[i]);
			return 1;
		}
		err = bpf_object__load(obj);
		hp_needs_of(obj, print_need, NULL);
		printf("the verifier's consent\t%s\t-\n", err ? "lack" : "ok");
		bpf_object__close(obj);
	}
	return 0;
}
