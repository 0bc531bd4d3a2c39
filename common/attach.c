// SPDX-License-Identifier: BSD-2-Clause
/* Putting a program in its place: attaching it first, or instead of another version. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

const char *hp_mode_name(enum hp_mode mode)
{
	static const char *const names[] = {
		[HP_AUTO] = "auto",
		[HP_NATIVE] = "native",
		[HP_GENERIC] = "generic",
		[HP_OFFLOADED] = "offloaded",
		[HP_TCX] = "tcx",
		[HP_CLSACT] = "clsact",
		[HP_CGROUP] = "cgroup",
		[HP_SOCKET] = "socket",
		[HP_TRACEPOINT] = "tracepoint",
		[HP_KPROBE] = "kprobe",
		[HP_FENTRY] = "fentry",
	};

	return names[mode];
}

/* A program, and where it is to go. */
struct loading {
	const struct hp_request *request;
	const struct bpf_object *obj;
	const struct bpf_program *program;
	hp_prepare prepare; /* or NULL */
	/* Attaches what is pinned in the request's directory, whose program is PROG_FD. */
	int (*attach)(const struct loading *l, int prog_fd, const char **did);
	enum hp_mode mode;	     /* XDP */
	enum hp_direction direction; /* tc */
};

/* Pins, in DIR, what is to be attached, and prepares it. Returns an exit status. */
static int set_up(const struct loading *l, const char *dir)
{
	const struct hp_request *r = l->request;
	/* Without PREPARE, or at a cgroup, the maps hold what is this place's alone. */
	const char *sibling = l->prepare && !r->cgroup ? r->sibling : NULL;
	int err, status = HP_EXIT_DONE;

	if (sibling && hp_attachment_matches(sibling, l->obj) != 1)
		sibling = NULL;
	err = hp_attachment_pin(dir, r, l->obj, l->program, sibling);
	if (err)
		return hp_fail(err, "pin in %s", dir);
	if (l->prepare)
		status = l->prepare(r, dir);
	if (status)
		hp_attachment_detach(dir, r->forget);
	return status;
}

/* Nothing of this tool is there yet. */
static int load_first(const struct loading *l, const char **did)
{
	const struct hp_request *r = l->request;
	int prog_fd, err, status;

	if (r->dry_run) {
		*did = "would attach";
		return HP_EXIT_DONE;
	}
	status = set_up(l, r->dir);
	if (status)
		return status;
	err = hp_pin_open(r->dir, "program", &prog_fd);
	if (err) {
		status = hp_fail(err, "open the program in %s", r->dir);
	} else {
		status = l->attach(l, prog_fd, did);
		close(prog_fd);
	}
	if (status)
		hp_attachment_detach(r->dir, r->forget);
	return status;
}

/* Another version of this tool is there. */
static int load_instead(const struct loading *l, const char **did)
{
	const struct hp_request *r = l->request;
	hp_path beside;
	int err, status;

	if (!r->replace) {
		hp_error("%s runs another version of this program (id %u): add --replace to take "
			 "over",
			 r->place, r->ours->prog_id);
		return HP_EXIT_HELD;
	}
	if (r->ours->runner == HP_RUNNER_ALIVE) {
		hp_error("a `run` guards %s: end it before its program is replaced", r->place);
		return HP_EXIT_REFUSED;
	}
	if (r->dry_run) {
		*did = "would replace the program";
		return HP_EXIT_DONE;
	}
	hp_attachment_beside(beside, r->dir);
	status = set_up(l, beside);
	if (status)
		return status;
	err = hp_attachment_replace(r->dir);
	if (err)
		return hp_fail(err, "replace the program on %s", r->place);
	*did = "program replaced";
	return HP_EXIT_DONE;
}

static int load(const struct loading *l, const char **did)
{
	int same;

	if (!l->request->ours)
		return load_first(l, did);
	same = hp_attachment_matches(l->request->dir, l->obj);
	if (same < 0)
		return hp_fail(same, "compare with what is pinned in %s", l->request->dir);
	if (!same)
		return load_instead(l, did);
	*did = NULL;
	return HP_EXIT_DONE;
}

/* ---- XDP ------------------------------------------------------------------------------------- */

/* What a driver means by its refusal. */
static int fail_xdp(int err, const struct loading *l)
{
	const char *place = l->request->place, *mode = hp_mode_name(l->mode), *remedy = NULL;

	if (err == -EOPNOTSUPP && l->mode != HP_GENERIC)
		remedy = "the driver can't: try generic mode (-m generic)";
	if (err == -ERANGE)
		remedy = "the interface's MTU is too large for native XDP: lower it, or -m generic";
	if (!remedy)
		return hp_fail(err, "attach to %s in %s mode", place, mode);
	hp_error("cannot attach to %s in %s mode: %s: %s", place, mode, strerror(-err), remedy);
	return HP_EXIT_REFUSED;
}

static int attach_xdp(const struct loading *l, int prog_fd, const char **did)
{
	const struct hp_request *r = l->request;
	enum hp_mode mode;
	int link_fd, err;

	err = hp_xdp_attach(prog_fd, r->ifindex, l->mode, &link_fd, &mode);
	if (err == -EBUSY && hp_say_held(r->place, r->ifindex))
		return HP_EXIT_HELD;
	if (err)
		return fail_xdp(err, l);
	err = hp_pin_fd(r->dir, "link", link_fd);
	close(link_fd); /* without a pin this detaches */
	if (err)
		return hp_fail(err, "pin in %s", r->dir);
	*did = mode == HP_NATIVE ? "attached in native mode" : "attached in generic mode";
	return HP_EXIT_DONE;
}

int hp_xdp_load(const struct hp_request *request, const struct bpf_object *obj,
		const struct bpf_program *program, enum hp_mode mode, const char **did)
{
	const struct loading l = { .request = request,
				   .obj = obj,
				   .program = program,
				   .attach = attach_xdp,
				   .mode = mode };

	if (request->ours && mode != HP_AUTO && mode != request->ours->mode) {
		hp_error("%s is attached in %s mode, which can't be changed: unload it first",
			 request->place, hp_mode_name(request->ours->mode));
		return HP_EXIT_REFUSED;
	}
	return load(&l, did);
}

/* ---- tc -------------------------------------------------------------------------------------- */

static int attach_filter(const struct loading *l, int prog_fd, const char **did)
{
	const struct hp_request *r = l->request;
	const char *direction = hp_direction_name(l->direction);
	int err = hp_clsact_attach(r->dir, prog_fd, r->ifindex, l->direction);

	if (err == -EEXIST) {
		hp_error("%s has somebody else's qdisc `ingress`, left as it is, where clsact is "
			 "needed: a program at %s would be attached to nothing; see `tc qdisc show "
			 "dev %s`",
			 r->place, direction, r->place);
		return HP_EXIT_HELD;
	}
	if (err == -EBUSY) {
		hp_error("%s has somebody else's filter, left as it is, in the first place, from "
			 "where it could pass packets by a guard: see `tc filter show dev %s %s`",
			 r->place, r->place, direction);
		return HP_EXIT_HELD;
	}
	if (err)
		return hp_fail(err, "attach to %s at tc %s", r->place, direction);
	*did = l->direction == HP_INGRESS ? "attached at clsact ingress"
					  : "attached at clsact egress";
	return HP_EXIT_DONE;
}

static int attach_tc(const struct loading *l, int prog_fd, const char **did)
{
	const struct hp_request *r = l->request;
	int err, link_fd = hp_tcx_attach(prog_fd, r->ifindex, l->direction);

	if (link_fd == -EINVAL) /* before kernel 6.6 */
		return attach_filter(l, prog_fd, did);
	if (link_fd == -ERANGE) {
		hp_error(
			"%s has 64 programs at tcx %s, and there is room for no more: see `bpftool "
			"net`",
			r->place, hp_direction_name(l->direction));
		return HP_EXIT_HELD;
	}
	if (link_fd < 0)
		return hp_fail(link_fd, "attach to %s at tc %s", r->place,
			       hp_direction_name(l->direction));
	err = hp_pin_fd(r->dir, "link", link_fd);
	close(link_fd);
	if (err)
		return hp_fail(err, "pin in %s", r->dir);
	*did = l->direction == HP_INGRESS ? "attached at tcx ingress" : "attached at tcx egress";
	return HP_EXIT_DONE;
}

int hp_tc_load(const struct hp_request *request, const struct bpf_object *obj,
	       const struct bpf_program *program, enum hp_direction direction, hp_prepare prepare,
	       const char **did)
{
	const struct loading l = { .request = request,
				   .obj = obj,
				   .program = program,
				   .prepare = prepare,
				   .attach = attach_tc,
				   .direction = direction };
	char netns[32];

	hp_read_note("/proc/self/ns", "net", netns, sizeof(netns));
	if (request->ours && strcmp(request->ours->netns, netns)) {
		hp_error("%s was moved here with a program that shares its maps with interfaces of "
			 "%s: unload it first",
			 request->place, request->ours->netns);
		return HP_EXIT_REFUSED;
	}
	if (request->ours && direction != request->ours->direction) {
		hp_error("%s is attached at %s, which can't be changed: unload it first",
			 request->place, hp_direction_name(request->ours->direction));
		return HP_EXIT_REFUSED;
	}
	return load(&l, did);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

/* The name of the first program that is attached there alone, or "". */
static void find_exclusive(const char *path, enum bpf_attach_type type, char *name, size_t size)
{
	struct bpf_prog_info info = {};
	__u32 flags = 0, n = 1, id, info_size = sizeof(info);
	int fd, cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*name = '\0';
	if (cgroup_fd < 0)
		return;
	if (!bpf_prog_query(cgroup_fd, type, 0, &flags, &id, &n) && n &&
	    !(flags & BPF_F_ALLOW_MULTI)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &info_size))
			snprintf(name, size, "%s (id %u)", info.name, id);
		close(fd);
	}
	close(cgroup_fd);
}

/* Says who doesn't let us in: the kernel asks the cgroup and those above it. */
static int say_exclusive(const char *path, enum bpf_attach_type type)
{
	char name[64] = "";
	hp_path above;

	snprintf(above, sizeof(above), "%s", path);
	while (strchr(above, '/')) {
		find_exclusive(above, type, name, sizeof(name));
		if (*name)
			break;
		*strrchr(above, '/') = '\0';
	}
	if (!*name)
		return hp_fail(-EPERM, "attach to %s", path);
	hp_error(
		"%s carries somebody else's program %s, left as it is, that allows no other beside "
		"or below it: see `bpftool cgroup show %s`",
		above, name, above);
	return HP_EXIT_HELD;
}

/* Attaches one program, and pins its link as NAME. */
static int attach_one(const struct loading *l, int prog_fd, enum bpf_attach_type type,
		      const char *name)
{
	const struct hp_request *r = l->request;
	int link_fd, err;

	err = hp_cgroup_attach(r->place, prog_fd, type, &link_fd);
	if (err == -EPERM && !hp_lacks_capabilities())
		return say_exclusive(r->place, type);
	if (err)
		return hp_fail(err, "attach to %s", r->place);
	err = hp_pin_fd(r->dir, name, link_fd);
	close(link_fd);
	return err ? hp_fail(err, "pin in %s", r->dir) : HP_EXIT_DONE;
}

/* Is it one of the programs, besides the first, that go to the cgroup? */
static bool is_further(const struct loading *l, const struct bpf_program *program)
{
	return program != l->program && bpf_program__autoload(program) &&
	       !strncmp(bpf_program__section_name(program), "cgroup", strlen("cgroup"));
}

static void name_link(const struct bpf_program *program, char *name, size_t size)
{
	snprintf(name, size, HP_FURTHER_LINK "%s", bpf_program__name(program));
}

/* The first program last: the others are to be there when it begins to work. */
static int attach_cgroup(const struct loading *l, int prog_fd, const char **did)
{
	struct bpf_program *program;
	int status = HP_EXIT_DONE;
	char name[NAME_MAX];

	bpf_object__for_each_program(program, l->obj) {
		if (status || !is_further(l, program))
			continue;
		name_link(program, name, sizeof(name));
		status = attach_one(l, bpf_program__fd(program),
				    bpf_program__expected_attach_type(program), name);
	}
	if (!status)
		status = attach_one(l, prog_fd, bpf_program__expected_attach_type(l->program),
				    "link");
	*did = "attached";
	return status;
}

/* Does what is attached there have a link for each further program, and no others? */
static bool has_same_hooks(const struct loading *l)
{
	struct bpf_program *program;
	char name[NAME_MAX];
	int programs = 0;
	hp_path path;

	bpf_object__for_each_program(program, l->obj) {
		if (!is_further(l, program))
			continue;
		programs++;
		name_link(program, name, sizeof(name));
		hp_join(path, l->request->dir, name);
		if (access(path, F_OK))
			return false;
	}
	return hp_binding_further_links(l->request->dir) == programs;
}

int hp_cgroup_load(const struct hp_request *request, const struct bpf_object *obj,
		   const struct bpf_program *program, hp_prepare prepare, const char **did)
{
	const struct loading l = { .request = request,
				   .obj = obj,
				   .program = program,
				   .prepare = prepare,
				   .attach = attach_cgroup };

	if (request->ours && request->replace && !has_same_hooks(&l)) {
		hp_error("%s has programs at other hooks than this version: unload it first",
			 request->place);
		return HP_EXIT_REFUSED;
	}
	return load(&l, did);
}
