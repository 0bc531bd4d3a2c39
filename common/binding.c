// SPDX-License-Identifier: BSD-2-Clause
/*
 * What binds a program to its place: a pinned link, or, where tc has no links, a filter, which
 * a note names. See tc.c for filters. At a cgroup there may be more programs, at other hooks, each
 * with a link of its own: "link_" and the program's name.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
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
	memset(binding, 0, sizeof(*binding));
	if (info.type == BPF_LINK_TYPE_CGROUP) {
		binding->cgroup = info.cgroup.cgroup_id;
		binding->prog_id = info.prog_id;
		binding->mode = HP_CGROUP;
		binding->here = true;
		return 0;
	}
	memcpy(&place, &info.xdp, sizeof(place));
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

/* ---- the further links ----------------------------------------------------------------------- */

static int is_further_link(const struct dirent *entry)
{
	return !strncmp(entry->d_name, HP_FURTHER_LINK, strlen(HP_FURTHER_LINK));
}

int hp_binding_further_links(const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_further_link, NULL);

	for (int i = 0; i < n; i++)
		free(entries[i]);
	if (n >= 0)
		free(entries);
	return n < 0 ? -errno : n;
}

/* Calls EACH with the names of the further links of DIR, until it returns other than 0. */
static int each_further_link(const char *dir,
			     int (*each)(const char *dir, const char *link, const char *beside),
			     const char *beside)
{
	struct dirent **entries;
	int n, err = 0;

	n = scandir(dir, &entries, is_further_link, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (!err)
			err = each(dir, entries[i]->d_name, beside);
		free(entries[i]);
	}
	free(entries);
	return err;
}

static int copy_link(const char *dir, const char *link, const char *beside)
{
	int fd, err;

	err = hp_pin_open(dir, link, &fd);
	if (err)
		return err;
	err = hp_pin_fd(beside, link, fd);
	close(fd);
	return err;
}

static int detach_link(const char *dir, const char *link, const char *beside)
{
	int fd, err;

	(void)beside;
	err = hp_pin_open(dir, link, &fd);
	if (err)
		return err;
	/* Removing the last pin would detach too, but only some time later. */
	err = bpf_link_detach(fd);
	close(fd);
	return err == -ENOLINK ? 0 : err;
}

static int swap_program(int link_fd, int old_fd, int new_fd)
{
	/* And nothing that somebody else may have put there by now. */
	LIBBPF_OPTS(bpf_link_update_opts, options, .flags = BPF_F_REPLACE, .old_prog_fd = old_fd);

	return bpf_link_update(link_fd, new_fd, &options);
}

/* The program of LINK becomes the one that BESIDE has pinned. */
static int update_link(const char *dir, const char *link, const char *beside)
{
	bool further = !strncmp(link, HP_FURTHER_LINK, strlen(HP_FURTHER_LINK));
	const char *program = further ? link + strlen(HP_FURTHER_LINK) : "program";
	int link_fd, old_fd, new_fd, err;

	err = hp_pin_open(dir, link, &link_fd);
	if (err)
		return err;
	err = hp_pin_open(dir, program, &old_fd);
	if (err)
		goto out_link;
	err = hp_pin_open(beside, program, &new_fd);
	if (err)
		goto out_old;
	err = swap_program(link_fd, old_fd, new_fd);
	close(new_fd);
out_old:
	close(old_fd);
out_link:
	close(link_fd);
	return err;
}

/* The same, and it may have been done already. */
static int finish_link(const char *dir, const char *link, const char *beside)
{
	int err = update_link(dir, link, beside);

	return err == -EPERM ? 0 : err;
}

int hp_binding_finish(const char *dir, const char *beside)
{
	return each_further_link(dir, finish_link, beside);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int hp_binding_update(const char *dir, const char *beside)
{
	int new_fd, err;

	err = update_link(dir, "link", beside);
	if (!err)
		return each_further_link(dir, update_link, beside);
	if (err != -ENOENT)
		return err;
	err = hp_pin_open(beside, "program", &new_fd);
	if (err)
		return err;
	err = hp_tc_update_filter(dir, new_fd);
	close(new_fd);
	return err;
}

int hp_binding_detach(const char *dir)
{
	int err = detach_link(dir, "link", NULL), further;

	if (err == -ENOENT)
		err = hp_tc_detach_filter(dir);
	further = each_further_link(dir, detach_link, NULL);
	return err ? err : further;
}

int hp_binding_copy(const char *dir, const char *beside)
{
	char filter[64];
	int err;

	hp_read_note(dir, HP_FILTER_NOTE, filter, sizeof(filter));
	if (*filter)
		return hp_note(beside, HP_FILTER_NOTE, filter);
	err = copy_link(dir, "link", beside);
	return err ? err : each_further_link(dir, copy_link, beside);
}
