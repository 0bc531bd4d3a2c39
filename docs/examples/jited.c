// SPDX-License-Identifier: BSD-2-Clause
/* Writes the machine code of a pinned BPF program to standard output. */
#include <bpf/bpf.h>
#include <err.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	static unsigned char code[65536];
	struct bpf_prog_info info = { .jited_prog_insns = (unsigned long)code,
				      .jited_prog_len = sizeof(code) };
	__u32 size = sizeof(info);
	int fd;

	if (argc != 2)
		errx(1, "usage: jited PIN");
	fd = bpf_obj_get(argv[1]);
	if (fd < 0)
		err(2, "%s", argv[1]);
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		err(2, "%s: bpf_obj_get_info_by_fd", argv[1]);
	if (!info.jited_prog_len || info.jited_prog_len > sizeof(code))
		errx(2, "%s: %u bytes of machine code", argv[1], info.jited_prog_len);
	fwrite(code, 1, info.jited_prog_len, stdout);
	return 0;
}
