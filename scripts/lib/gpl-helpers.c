// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the running kernel keeps for programs whose licence is compatible with the GPL, for
 * scripts/gpl-helpers. `-j`: as JSON. Exit status: enum hp_exit.
 *
 * Asked is the verifier, with a program that calls a helper at once. Of such a call it judges in
 * this order: is there such a helper, may this type of program call it, does the licence fit, are
 * the arguments right? So its last words tell how far the call got.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "hookpoint.h"
#include "insn.h"

#define HELPERS_MAX 1024
#define LICENCE	    "BSD" /* which is not compatible, to the kernel */

enum answer { UNKNOWN, NO_SUCH_HELPER, NOT_FOR_TYPE, ANY_LICENCE, GPL_ONLY };
static const char *const licences[] = {
	[UNKNOWN] = "unknown", [ANY_LICENCE] = "any", [GPL_ONLY] = "GPL"
};

/*
 * The types of programs, as sections where the type alone is not enough, and what they attach to.
 * Without ext, which has the helpers of the program that it extends.
 */
static struct type {
	const char *name, *target;
	enum bpf_prog_type number;
	enum bpf_attach_type attach;
	__u32 btf_id;
	enum answer takes; /* as a whole */
} types[] = {
	{ .name = "xdp" }, /* the first: it stands for all where one is enough */
	{ .name = "socket_filter" },
	{ .name = "kprobe" },
	{ .name = "sched_cls" },
	{ .name = "sched_act" },
	{ .name = "tracepoint" },
	{ .name = "perf_event" },
	{ .name = "cgroup_skb" },
	{ .name = "cgroup_sock" },
	{ .name = "lwt_in" },
	{ .name = "lwt_out" },
	{ .name = "lwt_xmit" },
	{ .name = "sock_ops" },
	{ .name = "sk_skb" },
	{ .name = "cgroup_device" },
	{ .name = "sk_msg" },
	{ .name = "raw_tracepoint" },
	{ .name = "cgroup/connect4" },
	{ .name = "lwt_seg6local" },
	{ .name = "lirc_mode2" },
	{ .name = "sk_reuseport" },
	{ .name = "flow_dissector" },
	{ .name = "cgroup_sysctl" },
	{ .name = "raw_tracepoint_writable" },
	{ .name = "cgroup/setsockopt" },
	{ .name = "fentry", .target = "vfs_read" },
	{ .name = "tp_btf", .target = "sched_switch" },
	{ .name = "iter", .target = "task" },
	{ .name = "struct_ops" },
	{ .name = "lsm", .target = "file_open" },
	{ .name = "sk_lookup" },
	{ .name = "syscall" },
	{ .name = "netfilter", .attach = 45 /* BPF_NETFILTER: Linux 6.4 */ },
};
#define TYPES (sizeof(types) / sizeof(*types))

static struct helper {
	char name[64];
	enum answer takes[TYPES];
} helpers[HELPERS_MAX];

/* Has the kernel load INSNS as of TYPE: whether it did, and its words in LOG. */
static bool try_to_load(const struct type *type, const struct bpf_insn *insns, size_t n, char *log,
			size_t log_bytes)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type->attach,
		    .attach_btf_id = type->btf_id, .log_level = 2, .log_buf = log,
		    .log_size = log_bytes);
	int fd;

	*log = '\0';
	if (type->number == BPF_PROG_TYPE_SYSCALL)
		options.prog_flags = BPF_F_SLEEPABLE;
	fd = bpf_prog_load(type->number, NULL, LICENCE, insns, n, &options);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Finds the number of TYPE, and whether programs of it are loaded with any licence. */
static void try_type(struct type *type)
{
	static const struct bpf_insn pass[] = { BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };
	enum bpf_attach_type attach;
	char log[4096];
	int id;

	if (hp_prog_type(type->name, &type->number, &attach))
		return;
	if (!type->attach)
		type->attach = attach;
	id = type->target ? libbpf_find_vmlinux_btf_id(type->target, type->attach) : 0;
	type->btf_id = id > 0 ? id : 0;
	if (try_to_load(type, pass, 2, log, sizeof(log)))
		type->takes = ANY_LICENCE;
	else if (strstr(log, "must have a GPL compatible license"))
		type->takes = GPL_ONLY;
}

/* Whether programs of TYPE with any licence may call a helper; its name, from the log, in NAME. */
static enum answer try_helper(const struct type *type, int helper, char name[64])
{
	struct bpf_insn call[] = { BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper),
				   BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };
	char log[4096];
	const char *line;

	try_to_load(type, call, 3, log, sizeof(log));
	line = strstr(log, ") call ");
	if (strstr(log, "invalid func "))
		return NO_SUCH_HELPER;
	if (!line)
		return UNKNOWN;
	sscanf(line, ") call %63[^#]", name);
	/* The second: since Linux 6.12. */
	if (strstr(log, "unknown func ") || strstr(log, "cannot use helper "))
		return NOT_FOR_TYPE;
	if (strstr(log, "cannot call GPL-restricted function"))
		return GPL_ONLY;
	return ANY_LICENCE; /* it is the arguments that are wrong, or there are none */
}

/* All helpers, in all types: how many there are. */
static int try_helpers(void)
{
	for (int id = 1; id < HELPERS_MAX; id++)
		for (size_t t = 0; t < TYPES; t++) {
			if (types[t].takes != ANY_LICENCE)
				continue;
			helpers[id].takes[t] = try_helper(&types[t], id, helpers[id].name);
			if (helpers[id].takes[t] == NO_SUCH_HELPER)
				return id - 1;
		}
	return 0;
}

/* Of kfuncs no name is needed: the licence comes first. */
static enum answer try_kfuncs(const struct type *type)
{
	static const struct bpf_insn call[] = { BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0,
							     BPF_PSEUDO_KFUNC_CALL, 0, 1),
						BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };
	char log[4096];

	try_to_load(type, call, 3, log, sizeof(log));
	return strstr(log, "cannot call kernel function from non-GPL") ? GPL_ONLY : UNKNOWN;
}

/* ---- saying it ------------------------------------------------------------------------------- */

/* The names of the types in which HELPER takes LICENCE. */
static json_t *types_with(const struct helper *helper, enum answer licence)
{
	json_t *names = json_array();

	for (size_t t = 0; t < TYPES; t++)
		if (helper->takes[t] == licence)
			json_array_append_new(names, json_string(types[t].name));
	return names;
}

static json_t *describe_helper(int id)
{
	json_t *gpl = types_with(&helpers[id], GPL_ONLY);
	json_t *any = types_with(&helpers[id], ANY_LICENCE);
	const char *licence = licences[UNKNOWN];

	if (json_array_size(gpl))
		licence = json_array_size(any) ? "mixed" : licences[GPL_ONLY];
	else if (json_array_size(any))
		licence = licences[ANY_LICENCE];
	return json_pack("{s:i, s:s, s:s, s:o, s:o}", "id", id, "name", helpers[id].name, "licence",
			 licence, "gpl_in", gpl, "any_in", any);
}

static json_t *describe(int count, enum answer kfuncs)
{
	json_t *listed = json_array(), *by_type = json_object();
	struct utsname kernel;

	uname(&kernel);
	for (int id = 1; id <= count; id++)
		json_array_append_new(listed, describe_helper(id));
	for (size_t t = 0; t < TYPES; t++)
		json_object_set_new(by_type, types[t].name, json_string(licences[types[t].takes]));
	return json_pack("{s:i, s:s, s:o, s:s, s:o}", "schema", 1, "kernel", kernel.release,
			 "helpers", listed, "kfuncs", licences[kfuncs], "program_types", by_type);
}

static void print_helper(const json_t *helper)
{
	const char *licence = json_string_value(json_object_get(helper, "licence"));
	json_t *name;
	size_t i;

	printf("%-36s%s", json_string_value(json_object_get(helper, "name")), licence);
	if (!strcmp(licence, "mixed"))
		json_array_foreach(json_object_get(helper, "gpl_in"), i, name)
			printf("%s%s", i ? ", " : ": GPL in ", json_string_value(name));
	putchar('\n');
}

static void print_all(json_t *document)
{
	json_t *item;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(document, "helpers"), i, item)
		print_helper(item);
	printf("%-36s%s\n", "every kfunc", json_string_value(json_object_get(document, "kfuncs")));
	json_object_foreach(json_object_get(document, "program_types"), name, item)
		if (strcmp(json_string_value(item), licences[ANY_LICENCE]))
			printf("program type %-23s%s\n", name, json_string_value(item));
}

int main(int argc, char **argv)
{
	const struct type *xdp = &types[0];
	json_t *document;
	int count;

	program_invocation_short_name = "gpl-helpers";
	libbpf_set_print(NULL); /* a refusal is a result here */
	for (size_t t = 0; t < TYPES; t++)
		try_type(&types[t]);
	if (xdp->takes == UNKNOWN)
		return hp_fail(-EPERM, "load a program");
	count = try_helpers();
	document = describe(count, try_kfuncs(xdp));
	if (!document)
		return hp_fail(-ENOMEM, "list the helpers");
	if (argc > 1 && !strcmp(argv[1], "-j")) {
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_all(document);
	}
	json_decref(document);
	return hp_flush_output() ? HP_EXIT_REFUSED : HP_EXIT_DONE;
}
