// SPDX-License-Identifier: BSD-2-Clause
/* Loading programs that are given as instructions, without an object file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "kernel-names.h"

/* Room for the verifier's log: kernels before 6.4 take no less, and none takes more. */
#define LOG_MIN	    128U
#define LOG_DEFAULT (64U << 10)
#define LOG_MAX	    (1U << 30)

int hp_prog_type(const char *name, enum bpf_prog_type *type, enum bpf_attach_type *attach)
{
	const char *known;
	__u32 number;

	/* First the sections: they know more, and where both have a name, it is the same type's. */
	if (libbpf_prog_type_by_name(name, type, attach) == 0)
		return 0;
	for (int i = BPF_PROG_TYPE_UNSPEC + 1; (known = libbpf_bpf_prog_type_str(i)); i++) {
		if (strcmp(known, name))
			continue;
		*type = i;
		*attach = 0;
		return 0;
	}
	/* libbpf knows the types that were there when it was written. */
	if (hp_kernel_enum("bpf_prog_type", "BPF_PROG_TYPE_", name, &number) || !number)
		return -ESRCH;
	*type = number;
	*attach = 0;
	return 0;
}

/* The flags that a section implies by its first part, as libbpf has them: "lsm.s/file_open". */
static __u32 flags_of_section(const char *name)
{
	static const struct {
		const char *end;
		__u32 flags;
	} ends[] = {
		{ ".s", BPF_F_SLEEPABLE },
		{ "syscall", BPF_F_SLEEPABLE },
		{ "xdp.frags", BPF_F_XDP_HAS_FRAGS },
	};
	size_t length = strcspn(name, "/"), end;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		end = strlen(ends[i].end);
		if (length >= end && !memcmp(name + length - end, ends[i].end, end))
			return ends[i].flags;
	}
	return 0;
}

/* What does not change from one try to the next. */
struct program {
	enum bpf_prog_type type;
	hp_object_name name;
	const char *licence;
	const struct bpf_insn *insns;
	size_t n;
	struct bpf_prog_load_opts options;
};

static int try_to_load(struct program *program, __u32 log_level, char *log, __u32 log_bytes)
{
	program->options.log_level = log_level;
	program->options.log_buf = log;
	program->options.log_size = log_bytes;
	return bpf_prog_load(program->type, *program->name ? program->name : NULL, program->licence,
			     program->insns, program->n, &program->options);
}

/*
 * Loads with the log that LEVEL asks for, with BYTES of room to begin with: a descriptor, or a
 * negative errno.
 */
static int load_with_log(struct program *program, __u32 level, __u32 bytes, char **log)
{
	char *text = malloc(bytes), *more;
	int fd;

	if (!text)
		return try_to_load(program, 0, NULL, 0);
	for (;;) {
		*text = '\0'; /* the kernel writes nothing if it refuses before the verifier */
		fd = try_to_load(program, level, text, bytes);
		if (fd != -ENOSPC)
			break;
		/*
		 * This is what the verifier says instead of its verdict if the log does not fit,
		 * before 6.4 with the beginning of the log in the buffer, since then with the end.
		 */
		more = bytes <= LOG_MAX / 4 ? realloc(text, bytes * 4) : NULL;
		if (!more) {
			fd = try_to_load(program, 0, NULL, 0);
			break;
		}
		text = more;
		bytes *= 4;
	}
	if (!*text) {
		free(text);
		text = NULL;
	}
	*log = text;
	return fd;
}

/* The room for the log to begin with, as the kernel can take it. */
static __u32 first_log_bytes(__u32 wanted)
{
	if (!wanted)
		return LOG_DEFAULT;
	if (wanted < LOG_MIN)
		return LOG_MIN;
	return wanted < LOG_MAX ? wanted : LOG_MAX;
}

int hp_prog_load(const char *type, const struct bpf_insn *insns, size_t n,
		 const struct hp_prog_options *options, int *fd, char **log)
{
	static const struct hp_prog_options none;
	const struct hp_prog_options *o = options ? options : &none;
	struct program program = { .insns = insns, .n = n };
	enum bpf_attach_type attach;
	int got, err;

	if (log)
		*log = NULL;
	err = hp_prog_type(type, &program.type, &attach);
	if (err)
		return err;
	hp_name_object(program.name, o->name ? o->name : "");
	program.licence = o->licence ? o->licence : "";
	program.options.sz = sizeof(program.options);
	program.options.expected_attach_type =
		o->expected_attach_type ? o->expected_attach_type : attach;
	program.options.attach_btf_id = o->btf_id;
	program.options.attach_prog_fd = o->target_fd;
	program.options.prog_flags =
		o->flags | flags_of_section(type) | (o->sleepable ? BPF_F_SLEEPABLE : 0);

	/* Without a log first: it costs, and a program that is accepted has none to show. */
	got = log && o->log_level ? -ENOSPC : try_to_load(&program, 0, NULL, 0);
	if (got < 0 && log)
		got = load_with_log(&program, o->log_level ? o->log_level : 1,
				    first_log_bytes(o->log_bytes), log);
	if (got < 0)
		return got;
	*fd = got;
	return 0;
}
