// SPDX-License-Identifier: BSD-2-Clause
/* XDP: what an interface's hook holds, and attaching through a link. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <bpf/bpf.h>

#include "internal.h"

error_t hp_xdp_parse_mode(const char *arg, enum hp_mode *mode)
{
	for (enum hp_mode m = HP_AUTO; m <= HP_GENERIC; m++) {
		if (strcmp(arg, hp_mode_name(m)))
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
		state->mode = HP_GENERIC;
		break;
	case XDP_ATTACHED_HW:
		state->mode = HP_OFFLOADED;
		break;
	default:
		state->mode = HP_NATIVE;
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

int hp_xdp_attach(int prog_fd, int ifindex, enum hp_mode mode, int *link_fd, enum hp_mode *got)
{
	struct hp_xdp_state state;
	int fd, err;

	fd = attach(prog_fd, ifindex, mode == HP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	if (fd < 0 && mode == HP_AUTO && !is_final(fd)) {
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
