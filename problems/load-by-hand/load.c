// SPDX-License-Identifier: BSD-2-Clause
/* Fourth: each program is put together with the functions that it calls, and goes to the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/btf.h>

#include "load-by-hand.h"

/* The verifier starts anew for each. Memory that it doesn't write to costs nothing. */
#define FIRST_LOG   (1UL << 20)
#define LARGEST_LOG (1UL << 28)

/* A program that is being put together. */
struct assembly {
	struct bpf_insn insns[MAX_INSNS];
	size_t insn_count;
	struct bpf_func_info functions[MAX_FUNCTIONS]; /* where each begins, and its BTF type */
	size_t function_count;
};

/* The types of load_function_type(). */
enum { INT = 1, PROTOTYPE, FUNCTION };

/* Appends a function, and behind it those that it calls and that aren't in there yet. */
static int append(struct object *object, struct assembly *assembly, struct function *function)
{
	const struct section *code = &object->sections[function->section];
	size_t begin = assembly->insn_count;
	int status = DONE;

	if (function->count > MAX_INSNS - begin)
		return bad("with function %s there are %zu instructions: too many", function->name,
			   begin + function->count);
	memcpy(&assembly->insns[begin], &code->insns[function->first],
	       function->count * sizeof(*code->insns));
	assembly->insn_count += function->count;
	assembly->functions[assembly->function_count++] = (struct bpf_func_info){ begin, FUNCTION };
	function->position = begin;

	for (size_t i = 0; i < function->count && !status; i++) {
		struct bpf_insn *insn = &assembly->insns[begin + i];
		struct function *callee = code->callees[function->first + i];

		if (!callee && !is_call(insn))
			continue;
		if (!callee) /* in this section: the compiler knows the distance */
			callee = find_function(object, function->section,
					       function->first + i + insn->imm + 1);
		if (!callee)
			return bad("function %s: instruction %zu calls what is no function",
				   function->name, i);
		if (callee->position < 0)
			status = append(object, assembly, callee);
		insn->imm = callee->position - (begin + i) - 1;
	}
	return status;
}

/*
 * A program may pass a function to a helper, such as bpf_loop(), only if BTF says that there is
 * such a static function. This is the least of it: "static int NAME()", and each function is one.
 */
static int load_function_type(const char *name)
{
	struct {
		struct btf_header header;
		struct btf_type integer;
		__u32 encoding;
		struct btf_type prototype, function;
		char names[sizeof("\0int") + BPF_OBJ_NAME_LEN];
	} __attribute__((packed)) btf = {
		.header = { .magic = BTF_MAGIC,
			    .version = BTF_VERSION,
			    .hdr_len = sizeof(btf.header) },
		.integer = { 1, BTF_KIND_INT << 24, { sizeof(int) } },
		.encoding = BTF_INT_SIGNED << 24 | 8 * sizeof(int),
		.prototype = { 0, BTF_KIND_FUNC_PROTO << 24, { INT } },
		.function = { sizeof("\0int"),
			      BTF_KIND_FUNC << 24 | BTF_FUNC_STATIC,
			      { PROTOTYPE } },
		.names = "\0int",
	};

	btf.header.type_len = sizeof(btf) - sizeof(btf.header) - sizeof(btf.names);
	btf.header.str_off = btf.header.type_len;
	btf.header.str_len = sizeof(btf.names);
	strncpy(btf.names + sizeof("\0int"), name, BPF_OBJ_NAME_LEN - 1);
	return sys_bpf(BPF_BTF_LOAD,
		       &(union bpf_attr){ .btf = (__u64)&btf, .btf_size = sizeof(btf) });
}

/* What is refused is loaded again, for the verifier's reasons: with a log in which they fit. */
static int load_with_log(union bpf_attr *attr)
{
	int fd = sys_bpf(BPF_PROG_LOAD, attr), err = errno;
	bool again = fd < 0 && err != EPERM;
	char *log = NULL;

	for (size_t size = FIRST_LOG; again && size <= LARGEST_LOG; size *= 16) {
		free(log);
		log = malloc(size);
		if (log)
			*log = '\0';
		attr->log_level = 1;
		attr->log_buf = (__u64)log;
		attr->log_size = size;
		fd = log ? sys_bpf(BPF_PROG_LOAD, attr) : -1;
		err = errno;
		again = fd < 0 && err == ENOSPC;
	}
	if (fd < 0 && log)
		fputs(log, stderr);
	free(log);
	errno = err;
	return fd;
}

static int load(struct object *object, const struct assembly *assembly,
		const struct function *program)
{
	int fd, type = load_function_type(program->name);
	union bpf_attr attr = {
		.prog_type = program->type->type,
		.expected_attach_type = program->type->attach,
		.insns = (__u64)assembly->insns,
		.insn_cnt = assembly->insn_count,
		.license = (__u64)object->license,
		.prog_btf_fd = type,
		.func_info = (__u64)assembly->functions,
		.func_info_cnt = assembly->function_count,
		.func_info_rec_size = sizeof(*assembly->functions),
	};

	if (type < 0)
		return refused("load the type of the functions of %s", program->name);
	strncpy(attr.prog_name, program->name, sizeof(attr.prog_name) - 1);
	fd = load_with_log(&attr);
	if (fd < 0)
		refused("load program %s", program->name);
	else
		object->pins[object->pin_count++] = (struct pin){
			.dir = object->dir,
			.name = program->name,
			.section = object->sections[program->section].name,
			.fd = fd,
		};
	close(type);
	return fd < 0 ? REFUSED : DONE;
}

int code_load(struct object *object)
{
	static struct assembly assembly; /* too large for the stack */
	size_t before = object->pin_count;
	int status = DONE;

	for (size_t i = 0; i < object->function_count && !status; i++) {
		if (!object->functions[i].type)
			continue;
		for (size_t j = 0; j < object->function_count; j++)
			object->functions[j].position = -1;
		assembly.insn_count = assembly.function_count = 0;
		status = append(object, &assembly, &object->functions[i]);
		if (!status)
			status = load(object, &assembly, &object->functions[i]);
	}
	if (!status && object->pin_count == before)
		return bad("there is no program in it");
	return status;
}
