// SPDX-License-Identifier: BSD-2-Clause
/* XDP: what an interface's hook holds, and attaching through a link. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <bpf/bpf.h>

#include "internal.h"

const char *hp_xdp_mode_name(enum hp_xdp_mode mode)
{
	static const char *const names[] = {
		[HP_XDP_AUTO] = "auto",
		[HP_XDP_NATIVE] = "native",
		[HP_XDP_GENERIC] = "generic",
		[HP_XDP_OFFLOADED] = "offloaded",
	};

	return names[mode];
}

error_t hp_xdp_parse_mode(const char *arg, enum hp_xdp_mode *mode)
{
	for (enum hp_xdp_mode m = HP_XDP_AUTO; m <= HP_XDP_GENERIC; m++) {
		if (strcmp(arg, hp_xdp_mode_name(m)))
			continue;
		*mode = m;
		return 0;
	}
	return hp_usage("unknown mode '%s': native, generic or auto", arg);
}

int hp_xdp_query(int ifindex, struct hp_xdp_state *state)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query(ifindex, 0, &query);

	if (err)
		return err;

	/* With a driver's and a card's program at once, prog_id is 0. */
	state->prog_id = query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id ?: query.hw_prog_id;
	switch (query.attach_mode) {
	case XDP_ATTACHED_SKB:
		state->mode = HP_XDP_GENERIC;
		break;
	case XDP_ATTACHED_HW:
		state->mode = HP_XDP_OFFLOADED;
		break;
	default:
		state->mode = HP_XDP_NATIVE;
	}
	return 0;
}

static int attach(int prog_fd, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	return bpf_link_create(prog_fd, ifindex, BPF_XDP, &options);
}

/* Errors that generic mode would meet as well. */
static bool is_final(int err)
{
	return err == -EBUSY || err == -EEXIST || err == -EPERM || err == -ENODEV || err == -ENOMEM;
}

int hp_xdp_attach(int prog_fd, int ifindex, enum hp_xdp_mode mode, int *link_fd,
		  enum hp_xdp_mode *got)
{
	struct hp_xdp_state state;
	int fd, err;

	fd = attach(prog_fd, ifindex,
		    mode == HP_XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	if (fd < 0 && mode == HP_XDP_AUTO && !is_final(fd)) {
		hp_info("no native XDP here (%s): using generic mode", strerror(-fd));
		fd = attach(prog_fd, ifindex, XDP_FLAGS_SKB_MODE);
	}
	if (fd == -EEXIST) /* in the other mode */
		return -EBUSY;
	if (fd < 0)
		return fd;

	err = hp_xdp_query(ifindex, &state);
	if (err) {
		close(fd);
		return err;
	}
	*link_fd = fd;
	*got = state.mode;
	return 0;
}

/* Nothing of this tool is there yet. */
static int load_first(const struct hp_request *request, const struct bpf_object *obj,
		      const struct bpf_program *program, enum hp_xdp_mode mode, const char **did)
{
	int link_fd, err;

	if (request->dry_run) {
		*did = "would attach";
		return HP_EXIT_DONE;
	}
	err = hp_xdp_attach(bpf_program__fd(program), request->ifindex, mode, &link_fd, &mode);
	if (err == -EBUSY && hp_say_held(request->interface, request->ifindex))
		return HP_EXIT_HELD;
	if (err)
		return hp_fail(err, "attach to %s in %s mode", request->interface,
			       hp_xdp_mode_name(mode));
	err = hp_attachment_pin(request->dir, request->interface, obj, program, link_fd);
	close(link_fd); /* without a pin this detaches */
	if (err)
		return hp_fail(err, "pin in %s", request->dir);
	*did = mode == HP_XDP_NATIVE ? "attached in native mode" : "attached in generic mode";
	return HP_EXIT_DONE;
}

/* Another version of this tool is there. */
static int load_instead(const struct hp_request *request, const struct bpf_object *obj,
			const struct bpf_program *program, const char **did)
{
	int err;

	if (!request->replace) {
		hp_error("%s runs another version of this program (id %u): add --replace to take "
			 "over",
			 request->interface, request->ours->prog_id);
		return HP_EXIT_HELD;
	}
	if (request->ours->runner == HP_RUNNER_ALIVE) {
		hp_error("a `run` guards %s: end it before its program is replaced",
			 request->interface);
		return HP_EXIT_REFUSED;
	}
	if (request->dry_run) {
		*did = "would replace the program";
		return HP_EXIT_DONE;
	}
	err = hp_attachment_replace(request->dir, obj, program);
	if (err)
		return hp_fail(err, "replace the program on %s", request->interface);
	*did = "program replaced";
	return HP_EXIT_DONE;
}

int hp_xdp_load(const struct hp_request *request, const struct bpf_object *obj,
		const struct bpf_program *program, enum hp_xdp_mode mode, const char **did)
{
	int same;

	if (!request->ours)
		return load_first(request, obj, program, mode, did);

	if (mode != HP_XDP_AUTO && mode != request->ours->mode) {
		hp_error("%s is attached in %s mode, which can't be changed: unload it first",
			 request->interface, hp_xdp_mode_name(request->ours->mode));
		return HP_EXIT_REFUSED;
	}
	same = hp_attachment_matches(request->dir, obj, program);
	if (same < 0)
		return hp_fail(same, "compare with what is pinned in %s", request->dir);
	if (!same)
		return load_instead(request, obj, program, did);
	*did = NULL;
	return HP_EXIT_DONE;
}
