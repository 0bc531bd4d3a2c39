// SPDX-License-Identifier: BSD-2-Clause
/* verified [ID]: one line for each program that the kernel holds with a higher id: its id, its
 * name, and how many instructions the verifier went through to accept it (Linux 5.16). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

/* One that has gone meanwhile is no failure. */
static bool print_program(__u32 id)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return errno == ENOENT;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return false;
	printf("%u %s %u\n", id, info.name, info.verified_insns);
	return true;
}

int main(int argc, char **argv)
{
	__u32 id = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		if (print_program(id))
			continue;
		fprintf(stderr, "verified: program %u: %s\n", id, strerror(errno));
		return 2;
	}
	return 0;
}
