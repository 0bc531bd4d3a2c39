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
	struct bpf_insn *insns;
	size_t insn_count;
	const struct function *functions[MAX_FUNCTIONS]; /* in their order in it */
	size_t function_count;
	bool passes_functions;
};

/* Appends a function, and behind it those that it calls and that aren't in there yet. */
static int append(struct object *object, struct assembly *assembly, struct function *function)
{
	const struct section *code = &object->sections[function->section];
	size_t begin = assembly->insn_count, end = begin + function->count;
	struct bpf_insn *insns;
	int status;

	insns = end <= MAX_INSNS ? realloc(assembly->insns, end * sizeof(*insns)) : NULL;
	if (!insns)
		return bad("with function %s there are %zu instructions: too many", function->name,
			   end);
	memcpy(&insns[begin], &code->insns[function->first], function->count * sizeof(*insns));
	assembly->insns = insns;
	assembly->insn_count = end;
	assembly->functions[assembly->function_count++] = function;
	function->position = begin;

	for (size_t i = 0; i < function->count; i++) {
		struct bpf_insn *insn = &assembly->insns[begin + i];
		struct function *callee = code->callees[function->first + i];

		if (is_call(insn) && !callee)
			callee = find_function(object, function->section,
					       function->first + i + insn->imm + 1);
		if (is_call(insn) && !callee)
			return bad("function %s: instruction %zu calls what is no function",
				   function->name, i);
		if (callee && callee->position < 0) {
			status = append(object, assembly, callee);
			if (status)
				return status;
			insn = &assembly->insns[begin + i]; /* they may have moved */
		}
		if (callee)
			insn->imm = callee->position - (begin + i) - 1;
		if (is_load64(insn)) {
			assembly->passes_functions |= insn->src_reg == BPF_PSEUDO_FUNC;
			i++;
		}
	}
	return DONE;
}

/*
 * A program may pass a function to a helper, such as bpf_loop(), only if BTF says that there is
 * such a static function. This is the least of it: each of FUNCTIONS is "static int NAME()".
 * Returns its descriptor, and in INFOS where each function begins.
 */
static int load_function_types(const struct assembly *assembly, struct bpf_func_info *infos)
{
	enum { INT = 1, PROTOTYPE, FIRST_FUNCTION };
	struct {
		struct btf_header header;
		struct btf_type integer;
		__u32 encoding;
		struct btf_type prototype;
		struct btf_type functions[];
	} * btf;
	size_t count = assembly->function_count,
	       size = sizeof(*btf) + count * sizeof(struct btf_type);
	size_t name = sizeof("\0int");
	char *names;
	int fd;

	for (size_t i = 0; i < count; i++)
		name += strlen(assembly->functions[i]->name) + 1;
	btf = calloc(1, size + name);
	if (!btf)
		return -1;
	names = (char *)btf + size;
	btf->header = (struct btf_header){
		.magic = BTF_MAGIC,
		.version = BTF_VERSION,
		.hdr_len = sizeof(btf->header),
		.type_len = size - sizeof(btf->header),
		.str_off = size - sizeof(btf->header),
		.str_len = name,
	};
	btf->integer = (struct btf_type){ 1, BTF_KIND_INT << 24, { sizeof(int) } };
	btf->encoding = BTF_INT_SIGNED << 24 | 8 * sizeof(int);
	btf->prototype = (struct btf_type){ 0, BTF_KIND_FUNC_PROTO << 24, { INT } };
	memcpy(names, "\0int", sizeof("\0int"));
	name = sizeof("\0int");
	for (size_t i = 0; i < count; i++) {
		btf->functions[i] = (struct btf_type){ name,
						       BTF_KIND_FUNC << 24 | BTF_FUNC_STATIC,
						       { PROTOTYPE } };
		infos[i] = (struct bpf_func_info){ assembly->functions[i]->position,
						   FIRST_FUNCTION + i };
		name += stpcpy(names + name, assembly->functions[i]->name) - (names + name) + 1;
	}

	fd = sys_bpf(BPF_BTF_LOAD, &(union bpf_attr){ .btf = (__u64)btf, .btf_size = size + name });
	free(btf);
	return fd;
}

/* Once more, for the verifier's reasons: with a log that is grown until they fit. */
static int load_with_log(union bpf_attr *attr)
{
	char *log = NULL, *grown;
	int fd = -1, err = ENOMEM;

	attr->log_level = 1;
	for (size_t size = FIRST_LOG; size <= LARGEST_LOG && (grown = realloc(log, size));
	     size *= 16) {
		log = grown;
		*log = '\0';
		attr->log_buf = (__u64)log;
		attr->log_size = size;
		fd = sys_bpf(BPF_PROG_LOAD, attr);
		err = errno;
		if (fd >= 0 || err != ENOSPC)
			break;
	}
	if (fd < 0 && log)
		fputs(log, stderr);
	free(log);
	errno = err;
	return fd;
}

static int load(const struct object *object, const struct assembly *assembly,
		struct function *program)
{
	struct bpf_func_info infos[MAX_FUNCTIONS];
	union bpf_attr attr = {
		.prog_type = program->type->type,
		.expected_attach_type = program->type->attach,
		.insns = (__u64)assembly->insns,
		.insn_cnt = assembly->insn_count,
		.license = (__u64)object->license,
	};
	int types = -1;

	strncpy(attr.prog_name, program->name, sizeof(attr.prog_name) - 1);
	if (assembly->passes_functions) {
		types = load_function_types(assembly, infos);
		if (types < 0)
			return refused("load the types of the functions of %s", program->name);
		attr.prog_btf_fd = types;
		attr.func_info = (__u64)infos;
		attr.func_info_cnt = assembly->function_count;
		attr.func_info_rec_size = sizeof(*infos);
	}
	program->fd = sys_bpf(BPF_PROG_LOAD, &attr);
	if (program->fd < 0 && errno != EPERM)
		program->fd = load_with_log(&attr);
	if (program->fd < 0)
		refused("load program %s", program->name);
	if (types >= 0)
		close(types);
	return program->fd < 0 ? REFUSED : DONE;
}

int code_load(struct object *object)
{
	int status = DONE;

	for (size_t i = 0; i < object->function_count && !status; i++) {
		struct function *program = &object->functions[i];
		struct assembly assembly = {};

		if (!program->type)
			continue;
		for (size_t j = 0; j < object->function_count; j++)
			object->functions[j].position = -1;
		status = append(object, &assembly, program);
		if (!status)
			status = load(object, &assembly, program);
		free(assembly.insns);
	}
	return status;
}
