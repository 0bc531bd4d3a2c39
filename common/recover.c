// SPDX-License-Identifier: BSD-2-Clause
/* Finding again, from the pins, what was attached; and what a crash has left of it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

const char *hp_condition_name(enum hp_condition condition)
{
	static const char *const names[] = {
		[HP_ATTACHED] = "attached",
		[HP_ELSEWHERE] = "elsewhere",
		[HP_STALE] = "stale",
		[HP_PARTIAL] = "partial",
		[HP_UNREACHABLE] = "unreachable",
		[HP_UNREADABLE] = "unreadable",
	};

	return names[condition];
}

const char *hp_runner_name(enum hp_runner runner)
{
	static const char *const names[] = {
		[HP_RUNNER_NONE] = "none",
		[HP_RUNNER_ALIVE] = "alive",
		[HP_RUNNER_DEAD] = "dead",
	};

	return names[runner];
}

/* Of a link that leads nowhere any more: is the place gone, or was the link detached? */
static bool is_place_there(const struct hp_attachment *a)
{
	char netns[32], ifindex[16], interface[IF_NAMESIZE];
	hp_path path;
	__u64 id;

	if (!*a->netns) /* a cgroup, whose id is the name of the directory */
		return !hp_cgroup_find(a->place, path, &id) &&
		       id == strtoull(strrchr(a->dir, '/') + 1, NULL, 10);
	hp_read_note("/proc/self/ns", "net", netns, sizeof(netns));
	hp_read_note(a->dir, "ifindex", ifindex, sizeof(ifindex));
	return !strcmp(a->netns, netns) && if_indextoname(atoi(ifindex), interface) &&
	       !strcmp(a->place, interface);
}

/* What the binding of the attachment in A->dir says. */
static int read_binding(struct hp_attachment *a)
{
	char interface[IF_NAMESIZE];
	struct hp_binding binding;
	__u32 id;
	int err;

	a->condition = HP_PARTIAL;
	err = hp_binding_read(a->dir, &binding);
	if (err == -ENOENT)
		return 0;
	if (!err)
		err = hp_program_id(a->dir, &id);
	if (err) /* not to be taken for "nothing is attached": that would be cleaned away */
		return err;
	if (binding.unreachable) {
		a->condition = HP_UNREACHABLE;
		return 0;
	}
	if (!binding.ifindex && !binding.cgroup) {
		a->condition = is_place_there(a) ? HP_PARTIAL : HP_STALE;
		return 0;
	}
	if (binding.prog_id != id) /* a filter of somebody else's, where ours was */
		return 0;
	a->condition = HP_ELSEWHERE;
	a->ifindex = binding.ifindex;
	a->cgroup = binding.cgroup;
	a->prog_id = binding.prog_id;
	if (!binding.here)
		return 0;
	if (binding.ifindex && !if_indextoname(binding.ifindex, interface))
		return 0;
	if (binding.ifindex)
		snprintf(a->place, sizeof(a->place), "%s", interface);
	a->condition = HP_ATTACHED;
	a->mode = binding.mode;
	a->direction = binding.direction;
	return 0;
}

/* Whether it is a process that what A->dir holds is attached by. */
static bool read_process(struct hp_attachment *a)
{
	char process[32], mode[16];

	hp_read_note(a->dir, HP_PROCESS_NOTE, process, sizeof(process));
	if (!*process)
		return false;
	snprintf(a->place, sizeof(a->place), "%s", process);
	a->condition = a->runner == HP_RUNNER_ALIVE ? HP_ATTACHED : HP_STALE;
	hp_read_note(a->dir, "mode", mode, sizeof(mode));
	for (enum hp_mode m = HP_SOCKET; m <= HP_FENTRY; m++)
		if (!strcmp(mode, hp_mode_name(m)))
			a->mode = m;
	if (a->condition == HP_ATTACHED)
		hp_program_id(a->dir, &a->prog_id);
	return true;
}

static int read_attachment(struct hp_attachment *a)
{
	const char *dir = a->dir;

	hp_read_note(dir, "interface", a->place, sizeof(a->place));
	if (!*a->place)
		hp_read_note(dir, "cgroup", a->place, sizeof(a->place));
	hp_read_note(dir, "netns", a->netns, sizeof(a->netns));
	a->runner = hp_find_runner(dir);
	if (read_process(a))
		return 0;
	return read_binding(a);
}

/* We call them by numbers. What others have put there is not ours to list, or to remove. */
static int is_attachment(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && !entry->d_name[strspn(entry->d_name, "0123456789-")];
}

/* Reads the attachment in DIR, having finished what a loader that was killed had begun. */
static int recover_one(const char *tool, const char *dir, struct hp_attachment *attachment)
{
	int err;

	memset(attachment, 0, sizeof(*attachment));
	attachment->tool = tool;
	snprintf(attachment->dir, sizeof(attachment->dir), "%s", dir);
	err = hp_attachment_recover(dir);
	return err ? err : read_attachment(attachment);
}

/* TELL: of those that can't be read, too. */
static int walk(const char *tool, bool tell, hp_each_attachment each, void *arg)
{
	struct hp_attachment attachment;
	struct dirent **entries;
	hp_path root, dir;
	int n, err = 0;

	hp_join(root, HP_PIN_ROOT, tool);
	n = scandir(root, &entries, is_attachment, versionsort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		hp_join(dir, root, entries[i]->d_name);
		free(entries[i]);
		if (err)
			continue;
		err = recover_one(tool, dir, &attachment);
		if (err && tell) {
			attachment.condition = HP_UNREADABLE;
			err = 0;
		}
		if (!err)
			err = each(&attachment, arg);
	}
	free(entries);
	return err;
}

int hp_attachment_each(const char *tool, hp_each_attachment each, void *arg)
{
	return walk(tool, false, each, arg);
}

static int is_tool(const struct dirent *entry)
{
	const char *name = entry->d_name;

	return entry->d_type == DT_DIR &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_-")];
}

static int recover_tool(const char *tool, bool tell, hp_each_attachment each, void *arg)
{
	int lock, err = hp_pin_lock(tool, &lock);

	if (err)
		return err;
	err = walk(tool, tell, each, arg);
	close(lock);
	return err;
}

/* An EACH that ends the walk, or an error of one tool. */
struct all {
	hp_each_attachment each;
	void *arg;
	int ended; /* what EACH said */
};

static int pass_on(const struct hp_attachment *attachment, void *arg)
{
	struct all *all = arg;

	all->ended = all->each(attachment, all->arg);
	return all->ended;
}

static int recover_all(struct all *all)
{
	struct dirent **tools;
	int n, err, first = hp_bpffs_check();

	if (first)
		return first;
	n = scandir(HP_PIN_ROOT, &tools, is_tool, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (!all->ended) {
			err = recover_tool(tools[i]->d_name, true, pass_on, all);
			first = first ? first : err;
		}
		free(tools[i]);
	}
	free(tools);
	return all->ended ? all->ended : first;
}

int hp_recover(const char *tool, hp_each_attachment each, void *arg)
{
	struct all all = { .each = each, .arg = arg };

	return tool ? recover_tool(tool, false, each, arg) : recover_all(&all);
}

/* What FD is of; the kernel has one number space for each kind. */
static int read_program(int fd, struct hp_pin *pin)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	pin->id = info.id;
	pin->type = libbpf_bpf_prog_type_str(info.type);
	return err;
}

static int read_map(int fd, struct hp_pin *pin)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	pin->id = info.id;
	pin->type = libbpf_bpf_map_type_str(info.type);
	return err;
}

/* Of links that are newer than libbpf 1.1 as well. Linux 6.6 and later: enum bpf_link_type. */
static const char *link_type_name(__u32 type)
{
	static const char *const newer[] = { [10] = "netfilter",
					     [11] = "tcx",
					     [12] = "uprobe_multi",
					     [13] = "netkit",
					     [14] = "sockmap" };
	const char *name = libbpf_bpf_link_type_str(type);

	return !name && type < sizeof(newer) / sizeof(*newer) ? newer[type] : name;
}

static int read_link(int fd, struct hp_pin *pin)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	pin->id = info.id;
	pin->type = link_type_name(info.type);
	return err;
}

static int read_pin(int fd, struct hp_pin *pin)
{
	char path[32], kind[32];
	int err;

	/* The one place where the kernel says what a descriptor is of. */
	snprintf(path, sizeof(path), "%d", fd);
	hp_read_note("/proc/self/fd", path, kind, sizeof(kind));
	if (strstr(kind, "bpf-prog")) {
		pin->kind = HP_PIN_PROGRAM;
		err = read_program(fd, pin);
	} else if (strstr(kind, "bpf-map")) {
		pin->kind = HP_PIN_MAP;
		err = read_map(fd, pin);
	} else if (strstr(kind, "bpf-link") || strstr(kind, "bpf_link")) {
		pin->kind = HP_PIN_LINK;
		err = read_link(fd, pin);
	} else {
		return -EINVAL;
	}
	if (!pin->type) /* newer than libbpf */
		pin->type = "unknown";
	return err;
}

static int is_pin(const struct dirent *entry)
{
	return entry->d_type == DT_REG;
}

int hp_attachment_pins(const char *dir, hp_each_pin each, void *arg)
{
	struct dirent **entries;
	struct hp_pin pin;
	int n, fd, err = 0;

	n = scandir(dir, &entries, is_pin, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!err)
			err = hp_pin_open(dir, entries[i]->d_name, &fd);
		if (!err) {
			pin = (struct hp_pin){ .name = entries[i]->d_name };
			err = read_pin(fd, &pin);
			close(fd);
			if (!err)
				err = each(&pin, arg);
		}
		free(entries[i]);
	}
	free(entries);
	return err;
}
