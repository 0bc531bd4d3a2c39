// SPDX-License-Identifier: BSD-2-Clause
/* What an object needs of the kernel, read from the object and tried on the kernel. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

/*
 * First kernels, from the history of include/uapi/linux/bpf.h, of what the project's objects use.
 */
static const struct {
	const char *what, *since;
} first_kernels[] = {
	{ "program type xdp", "4.8" },
	{ "program type sched_cls", "4.1" },
	{ "program type sock_ops", "4.13" },
	{ "program type sk_skb", "4.14" },
	{ "program type sk_msg", "4.17" },
	{ "program type cgroup_sockopt", "5.3" },
	{ "map type array", "3.19" },
	{ "map type hash", "3.19" },
	{ "map type percpu_array", "4.6" },
	{ "map type percpu_hash", "4.6" },
	{ "map type hash_of_maps", "4.12" },
	{ "map type sockhash", "4.18" },
	{ "map type sk_storage", "5.2" },
	{ "map type ringbuf", "5.8" },
	{ "helper map_lookup_elem", "3.19" },
	{ "helper map_update_elem", "3.19" },
	{ "helper map_delete_elem", "3.19" },
	{ "helper ktime_get_ns", "4.1" },
	{ "helper skb_load_bytes", "4.5" },
	{ "helper get_socket_cookie", "4.12" },
	{ "helper sock_ops_cb_flags_set", "4.16" },
	{ "helper sock_hash_update", "4.18" },
	{ "helper msg_redirect_hash", "4.18" },
	{ "helper sk_redirect_hash", "4.18" },
	{ "helper spin_lock", "5.1" },
	{ "helper spin_unlock", "5.1" },
	{ "helper sk_storage_get", "5.2" },
	{ "helper probe_read_kernel", "5.5" },
	{ "helper get_netns_cookie", "5.7" },
	{ "helper ringbuf_output", "5.8" },
	{ "helper skc_to_tcp_sock", "5.9" },
	{ "helper loop", "5.17" },
	{ "helper xdp_load_bytes", "5.18" },
	{ "attaching xdp by link", "5.9" },
	{ "attaching at tc, by tcx or clsact", "4.5" },
};

struct walk {
	hp_each_need each;
	void *arg;
	/* What was told of: bit N of a type N, and of each helper. */
	unsigned long long map_types, program_types;
	bool helpers[1024];
};

static bool is_new(unsigned long long *seen, int type)
{
	bool is = type < 64 && !(*seen & 1ULL << type);

	if (is)
		*seen |= 1ULL << type;
	return is;
}

static int tell(const struct walk *walk, const char *kind, const char *name, bool have)
{
	struct hp_need need = { .have = have };

	snprintf(need.what, sizeof(need.what), "%s%s%s", kind, *name ? " " : "", name);
	for (size_t i = 0; i < sizeof(first_kernels) / sizeof(*first_kernels); i++)
		if (!strcmp(first_kernels[i].what, need.what))
			need.since = first_kernels[i].since;
	return walk->each(&need, walk->arg);
}

static const char *helper_name(int id)
{
#define NAME(helper) [BPF_FUNC_##helper] = #helper
	static const char *const names[] = { __BPF_FUNC_MAPPER(NAME) };
#undef NAME
	static char number[12];

	if (id >= 0 && (size_t)id < sizeof(names) / sizeof(*names) && names[id])
		return names[id];
	snprintf(number, sizeof(number), "%d", id);
	return number;
}

/* Tells of the helpers that PROGRAM calls. */
static int walk_helpers(struct walk *walk, const struct bpf_program *program)
{
	enum bpf_prog_type type = bpf_program__type(program);
	const struct bpf_insn *insns = bpf_program__insns(program);
	int err = 0;

	/* The loading of OBJ has put the program's functions behind it. */
	for (size_t i = 0; i < bpf_program__insn_cnt(program) && !err; i++) {
		const struct bpf_insn *insn = &insns[i];

		/* src_reg tells calls of helpers from calls of functions. */
		if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg || insn->imm < 0 ||
		    insn->imm >= 1024 || walk->helpers[insn->imm])
			continue;
		walk->helpers[insn->imm] = true;
		err = tell(walk, "helper", helper_name(insn->imm),
			   libbpf_probe_bpf_helper(type, insn->imm, NULL) != 0);
	}
	return err;
}

/* Attaches an empty program to the loopback of a network namespace that ends with this process. */
static int try_xdp_link(void)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
	int program;

	if (unshare(CLONE_NEWNET)) /* takes CAP_SYS_ADMIN, which loading does not */
		return -errno;
	program = bpf_prog_load(BPF_PROG_TYPE_XDP, "try", "BSD", pass, 2, &options);
	if (program < 0)
		return program;
	return bpf_link_create(program, 1, BPF_XDP, NULL) < 0 ? -errno : 0;
}

static int try_clsact(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	return err == -ENOENT ? -EINVAL : err; /* no such qdisc */
}

/* At the loopback of a namespace that ends with this process: tcx, or else what clsact needs. */
static int try_tc(void)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program, link;

	if (unshare(CLONE_NEWNET))
		return -errno;
	program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "try", "BSD", pass, 2, NULL);
	if (program < 0)
		return program;
	link = hp_tcx_attach(program, 1, HP_EGRESS);
	return link == -EINVAL ? try_clsact() : link < 0 ? link : 0;
}

/*
 * Runs TRY in a child, so that nothing of it is left whatever it does. EINVAL is how a kernel says
 * that it lacks something; that it could not be tried says nothing.
 */
static bool in_child(int (*try)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(try() == -EINVAL);
	return child < 0 || waitpid(child, &status, 0) != child || status == 0;
}

static int walk_program_type(struct walk *walk, enum bpf_prog_type type)
{
	int err;

	if (!is_new(&walk->program_types, type))
		return 0;
	err = tell(walk, "program type", libbpf_bpf_prog_type_str(type),
		   libbpf_probe_bpf_prog_type(type, NULL) > 0);
	if (!err && type == BPF_PROG_TYPE_XDP)
		err = tell(walk, "attaching xdp by link", "", in_child(try_xdp_link));
	if (!err && type == BPF_PROG_TYPE_SCHED_CLS)
		err = tell(walk, "attaching at tc, by tcx or clsact", "", in_child(try_tc));
	return err;
}

int hp_needs_of(const struct bpf_object *obj, hp_each_need each, void *arg)
{
	struct walk walk = { .each = each, .arg = arg };
	struct bpf_program *program;
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, obj) {
		enum bpf_map_type type = bpf_map__type(map);

		if (!bpf_map__autocreate(map) || !is_new(&walk.map_types, type))
			continue;
		err = tell(&walk, "map type", libbpf_bpf_map_type_str(type),
			   libbpf_probe_bpf_map_type(type, NULL) > 0);
		if (err)
			return err;
	}
	bpf_object__for_each_program(program, obj) {
		if (!bpf_program__autoload(program))
			continue;
		err = walk_program_type(&walk, bpf_program__type(program));
		if (!err)
			err = walk_helpers(&walk, program);
		if (err)
			return err;
	}
	return 0;
}

static int keep_first_lack(const struct hp_need *need, void *arg)
{
	if (need->have)
		return 0;
	*(struct hp_need *)arg = *need;
	return 1;
}

int hp_fail_load(int err, const struct bpf_object *obj)
{
	struct hp_need lack = {};
	struct utsname kernel;

	/* The verifier forbids more to a process without CAP_PERFMON, and then says EACCES or
	 * EINVAL. */
	if (err == -EPERM || hp_lacks_capabilities())
		return hp_fail(-EPERM, "load the program");
	if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
		return hp_fail(err, "load the program");
	uname(&kernel);
	if (err == -ESRCH && access("/sys/kernel/btf/vmlinux", R_OK)) {
		hp_error("this kernel (%s) lacks what the program needs: its own types in BTF, "
			 "CONFIG_DEBUG_INFO_BTF",
			 kernel.release);
		return HP_EXIT_LACKING;
	}
	if (!hp_needs_of(obj, keep_first_lack, &lack)) {
		hp_error("cannot load the program: %s: the verifier's log above ends with the "
			 "reason",
			 strerror(-err));
		return HP_EXIT_REFUSED;
	}
	hp_error("this kernel (%s) lacks what the program needs: %s%s%s", kernel.release, lack.what,
		 lack.since ? ", first in " : "", lack.since ? lack.since : "");
	return HP_EXIT_LACKING;
}
