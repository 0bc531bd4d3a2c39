// SPDX-License-Identifier: BSD-2-Clause
/* Putting a program in its place: attaching it first, or instead of another version. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

const char *hp_mode_name(enum hp_mode mode)
{
	static const char *const names[] = {
		[HP_AUTO] = "auto",	      [HP_NATIVE] = "native", [HP_GENERIC] = "generic",
		[HP_OFFLOADED] = "offloaded", [HP_TCX] = "tcx",	      [HP_CLSACT] = "clsact",
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
	/* Without PREPARE the maps hold what is this interface's alone. */
	const char *sibling = l->prepare ? r->sibling : NULL;
	int err, status = HP_EXIT_DONE;

	if (sibling && hp_attachment_matches(sibling, l->obj) != 1)
		sibling = NULL;
	err = hp_attachment_pin(dir, r->interface, r->ifindex, l->obj, l->program, sibling);
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
			 r->interface, r->ours->prog_id);
		return HP_EXIT_HELD;
	}
	if (r->ours->runner == HP_RUNNER_ALIVE) {
		hp_error("a `run` guards %s: end it before its program is replaced", r->interface);
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
		return hp_fail(err, "replace the program on %s", r->interface);
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

static int attach_xdp(const struct loading *l, int prog_fd, const char **did)
{
	const struct hp_request *r = l->request;
	enum hp_mode mode;
	int link_fd, err;

	err = hp_xdp_attach(prog_fd, r->ifindex, l->mode, &link_fd, &mode);
	if (err == -EBUSY && hp_say_held(r->interface, r->ifindex))
		return HP_EXIT_HELD;
	if (err)
		return hp_fail(err, "attach to %s in %s mode", r->interface, hp_mode_name(l->mode));
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
			 request->interface, hp_mode_name(request->ours->mode));
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
			 r->interface, direction, r->interface);
		return HP_EXIT_HELD;
	}
	if (err == -EBUSY) {
		hp_error("%s has somebody else's filter, left as it is, in the first place, from "
			 "where it could pass packets by a guard: see `tc filter show dev %s %s`",
			 r->interface, r->interface, direction);
		return HP_EXIT_HELD;
	}
	if (err)
		return hp_fail(err, "attach to %s at tc %s", r->interface, direction);
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
			r->interface, hp_direction_name(l->direction));
		return HP_EXIT_HELD;
	}
	if (link_fd < 0)
		return hp_fail(link_fd, "attach to %s at tc %s", r->interface,
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
			 request->interface, request->ours->netns);
		return HP_EXIT_REFUSED;
	}
	if (request->ours && direction != request->ours->direction) {
		hp_error("%s is attached at %s, which can't be changed: unload it first",
			 request->interface, hp_direction_name(request->ours->direction));
		return HP_EXIT_REFUSED;
	}
	return load(&l, did);
}
