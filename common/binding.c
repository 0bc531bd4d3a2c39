// SPDX-License-Identifier: BSD-2-Clause
/*
 * What binds a program to its interface: a pinned link, or, where tc has no links, a filter, which
 * a note names. See tc.c for filters.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

/* Kernel 6.6; not in the headers of older distributions. */
#define LINK_TYPE_TCX 11

/* What a link tells of an XDP program or of one at tcx: the beginning of the union is the same. */
static int read_link(const char *dir, struct hp_binding *binding)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	struct {
		__u32 ifindex, attach_type;
	} place;
	int fd, err;

	err = hp_pin_open(dir, "link", &fd);
	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return err;
	memcpy(&place, &info.xdp, sizeof(place));
	memset(binding, 0, sizeof(*binding));
	binding->ifindex = place.ifindex;
	binding->prog_id = info.prog_id;
	binding->mode = HP_NATIVE;
	if (info.type == LINK_TYPE_TCX) {
		binding->mode = HP_TCX;
		binding->direction =
			place.attach_type == HP_BPF_TCX_INGRESS ? HP_INGRESS : HP_EGRESS;
	}
	return 0;
}

/* Is it this network namespace's interface of that index? */
static int find_xdp(struct hp_binding *binding)
{
	struct hp_xdp_state state;
	int err = hp_xdp_query(binding->ifindex, &state);

	if (err)
		return err;
	binding->here = state.prog_id == binding->prog_id;
	binding->mode = state.mode;
	return 0;
}

int hp_binding_read(const char *dir, struct hp_binding *binding)
{
	int err = read_link(dir, binding);

	if (err == -ENOENT)
		return hp_tc_read_filter(dir, binding);
	if (err || !binding->ifindex)
		return err;
	return binding->mode == HP_TCX ? hp_tcx_find(binding) : find_xdp(binding);
}

static int update_link(const char *dir, int old_fd, int new_fd)
{
	/* And nothing that somebody else may have put there by now. */
	LIBBPF_OPTS(bpf_link_update_opts, options, .flags = BPF_F_REPLACE, .old_prog_fd = old_fd);
	int link_fd, err;

	err = hp_pin_open(dir, "link", &link_fd);
	if (err)
		return err;
	err = bpf_link_update(link_fd, new_fd, &options);
	close(link_fd);
	return err;
}

int hp_binding_update(const char *dir, const char *beside)
{
	int old_fd, new_fd, err;

	err = hp_pin_open(dir, "program", &old_fd);
	if (err)
		return err;
	err = hp_pin_open(beside, "program", &new_fd);
	if (err)
		goto out;
	err = update_link(dir, old_fd, new_fd);
	if (err == -ENOENT)
		err = hp_tc_update_filter(dir, new_fd);
	close(new_fd);
out:
	close(old_fd);
	return err;
}

int hp_binding_detach(const char *dir)
{
	int fd, err;

	err = hp_pin_open(dir, "link", &fd);
	if (err == -ENOENT)
		return hp_tc_detach_filter(dir);
	if (err)
		return err;
	/* Removing the last pin would detach too, but only some time later. */
	err = bpf_link_detach(fd);
	close(fd);
	return err == -ENOLINK ? 0 : err;
}

int hp_binding_copy(const char *dir, const char *beside)
{
	char filter[64];
	int fd, err;

	hp_read_note(dir, HP_FILTER_NOTE, filter, sizeof(filter));
	if (*filter)
		return hp_note(beside, HP_FILTER_NOTE, filter);
	err = hp_pin_open(dir, "link", &fd);
	if (err)
		return err;
	err = hp_pin_fd(beside, "link", fd);
	close(fd);
	return err;
}
