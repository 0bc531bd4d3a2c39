// SPDX-License-Identifier: BSD-2-Clause
/*
 * The least that loads an XDP program and leaves it there: opens OBJECT, loads it, attaches its
 * program to INTERFACE by a link and pins the link at PIN. What a loader is measured against.
 */
#include <net/if.h>
#include <stdio.h>
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;

	if (argc != 4) {
		fprintf(stderr, "usage: bare-loader OBJECT INTERFACE PIN\n");
		return 1;
	}
	object = bpf_object__open(argv[1]);
	if (!object || bpf_object__load(object))
		return 2;
	program = bpf_object__next_program(object, NULL);
	link = bpf_program__attach_xdp(program, if_nametoindex(argv[2]));
	if (!link || bpf_link__pin(link, argv[3]))
		return 2;
	return 0; /* libbpf has said what went wrong, and the kernel cleans up */
}
