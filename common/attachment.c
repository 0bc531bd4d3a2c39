// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attachments. The pins of one are a directory that holds the link, the programs and maps, and
 * symbolic links as notes; while its program is being replaced, a second one stands beside it, with
 * BESIDE behind its name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "internal.h"

#define BESIDE "+new"

static int pin_object(const char *dir, const struct bpf_object *obj)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int err;

	bpf_object__for_each_program(program, obj) {
		err = hp_pin_fd(dir, bpf_program__name(program), bpf_program__fd(program));
		if (err)
			return err;
	}
	bpf_object__for_each_map(map, obj) {
		err = hp_pin_fd(dir, bpf_map__name(map), bpf_map__fd(map));
		if (err)
			return err;
	}
	return 0;
}

int hp_attachment_pin(const char *dir, const char *interface, const struct bpf_object *obj,
		      const struct bpf_program *program, int link_fd)
{
	char netns[32];
	int err;

	if (mkdir(dir, 0700))
		return -errno;
	hp_read_note("/proc/self/ns", "net", netns, sizeof(netns));
	err = hp_note(dir, "interface", interface);
	if (!err)
		err = hp_note(dir, "netns", netns);
	if (!err)
		err = hp_note(dir, "program", bpf_program__name(program));
	if (!err)
		err = pin_object(dir, obj);
	if (!err)
		err = hp_pin_fd(dir, "link", link_fd);
	if (err)
		hp_pin_remove(dir);
	return err;
}

/* What the link pinned in DIR says of itself. */
static int link_info(const char *dir, struct bpf_link_info *info)
{
	__u32 size = sizeof(*info);
	int fd, err;

	err = hp_pin_open(dir, "link", &fd);
	if (err)
		return err;
	memset(info, 0, sizeof(*info));
	err = bpf_obj_get_info_by_fd(fd, info, &size);
	close(fd);
	return err;
}

static int program_id(const char *dir, __u32 *id)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd, err;

	err = hp_pin_open(dir, "program", &fd);
	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (!err)
		*id = info.id;
	return err;
}

int hp_attachment_recover(const char *dir)
{
	struct bpf_link_info info;
	hp_path beside;
	__u32 id;
	int err;

	snprintf(beside, sizeof(beside), "%s" BESIDE, dir);
	if (access(beside, F_OK))
		return 0;
	/* Which of the two the link runs tells how far the replacing had come. The link is pinned
	 * last. */
	err = link_info(beside, &info);
	if (err == -ENOENT)
		return hp_pin_remove(beside);
	if (!err)
		err = program_id(beside, &id);
	if (err)
		return err;
	if (id == info.prog_id && renameat2(AT_FDCWD, beside, AT_FDCWD, dir, RENAME_EXCHANGE))
		return -errno;
	return hp_pin_remove(beside);
}

static int same_program(const char *dir, const struct bpf_program *program)
{
	struct bpf_prog_info info = {}, other = {};
	__u32 size = sizeof(info), other_size = sizeof(other);
	int fd, err;

	err = hp_pin_open(dir, "program", &fd);
	if (err)
		return err;
	err = bpf_obj_get_info_by_fd(fd, &other, &other_size);
	close(fd);
	if (!err)
		err = bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size);
	return err ? err : !memcmp(info.tag, other.tag, sizeof(info.tag));
}

static int same_map(const char *dir, const struct bpf_map *map)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd, err;

	err = hp_pin_open(dir, bpf_map__name(map), &fd);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return err;
	return info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

int hp_attachment_matches(const char *dir, const struct bpf_object *obj,
			  const struct bpf_program *program)
{
	struct bpf_map *map;
	int same = same_program(dir, program);

	bpf_object__for_each_map(map, obj) {
		if (same != 1)
			break;
		same = same_map(dir, map);
	}
	return same;
}

int hp_attachment_detach(const char *dir)
{
	int fd, err;

	err = hp_attachment_recover(dir);
	if (err)
		return err;
	err = hp_pin_open(dir, "link", &fd);
	if (!err) {
		/* Removing the last pin would detach too, but only some time later. */
		err = bpf_link_detach(fd);
		close(fd);
		if (err == -ENOLINK)
			err = 0;
	} else if (err == -ENOENT) {
		err = 0;
	}
	return err ? err : hp_pin_remove(dir);
}

int hp_attachment_replace(const char *dir, const struct bpf_object *obj,
			  const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_link_update_opts, options, .flags = BPF_F_REPLACE);
	char interface[IF_NAMESIZE];
	int link_fd, old_fd, err, settled;
	hp_path beside;

	err = hp_pin_open(dir, "link", &link_fd);
	if (err)
		return err;
	err = hp_pin_open(dir, "program", &old_fd);
	if (err)
		goto out_link;
	snprintf(beside, sizeof(beside), "%s" BESIDE, dir);
	hp_read_note(dir, "interface", interface, sizeof(interface));
	err = hp_attachment_pin(beside, interface, obj, program, link_fd);
	if (err)
		goto out_old;

	options.old_prog_fd = old_fd; /* and nothing that somebody else may have put there by now */
	err = bpf_link_update(link_fd, bpf_program__fd(program), &options);
	settled = hp_attachment_recover(dir);
	err = err ? err : settled;
out_old:
	close(old_fd);
out_link:
	close(link_fd);
	return err;
}

/* Is the interface that the link tells of here, in this network namespace, with that program? */
static int locate(const struct bpf_link_info *info, struct hp_attachment *a)
{
	struct hp_xdp_state state;
	int err;

	err = hp_xdp_query(info->xdp.ifindex, &state);
	if (err)
		return err;
	a->condition = HP_ELSEWHERE;
	if (state.prog_id != info->prog_id || !if_indextoname(info->xdp.ifindex, a->interface))
		return 0;
	a->condition = HP_ATTACHED;
	a->mode = state.mode;
	return 0;
}

/* A `run` holds the lock of its attachment's directory as long as it lives. */
static enum hp_runner find_runner(const char *dir)
{
	enum hp_runner runner;
	char pid[16];
	int fd;

	hp_read_note(dir, "runner", pid, sizeof(pid));
	if (!*pid)
		return HP_RUNNER_NONE;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return HP_RUNNER_NONE;
	runner = flock(fd, LOCK_EX | LOCK_NB) ? HP_RUNNER_ALIVE : HP_RUNNER_DEAD;
	close(fd);
	return runner;
}

int hp_attachment_release(const char *dir)
{
	hp_path path;

	hp_join(path, dir, "runner");
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int hp_attachment_claim(const char *dir, int *fd)
{
	char pid[16];
	int err, opened;

	opened = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opened < 0)
		return -errno;
	if (flock(opened, LOCK_EX | LOCK_NB)) {
		err = -errno;
		goto err;
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	err = hp_attachment_release(dir);
	if (!err)
		err = hp_note(dir, "runner", pid);
	if (err)
		goto err;
	*fd = opened;
	return 0;
err:
	close(opened);
	return err;
}

static int read_attachment(const char *dir, struct hp_attachment *a)
{
	struct bpf_link_info info;
	int err;

	memset(a, 0, sizeof(*a));
	snprintf(a->dir, sizeof(a->dir), "%s", dir);
	hp_read_note(dir, "interface", a->interface, sizeof(a->interface));
	hp_read_note(dir, "netns", a->netns, sizeof(a->netns));
	a->runner = find_runner(dir);
	err = link_info(dir, &info);
	if (err == -ENOENT) {
		a->condition = HP_PARTIAL;
		return 0;
	}
	if (err) /* not to be taken for "no link": that would be cleaned away */
		return err;
	if (!info.xdp.ifindex) {
		a->condition = HP_STALE;
		return 0;
	}
	a->ifindex = info.xdp.ifindex;
	a->prog_id = info.prog_id;
	return locate(&info, a);
}

static int is_attachment(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.' && !strstr(entry->d_name, BESIDE);
}

int hp_attachment_each(const char *tool, hp_each_attachment each, void *arg)
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
		err = hp_attachment_recover(dir);
		if (!err)
			err = read_attachment(dir, &attachment);
		if (!err)
			err = each(&attachment, arg);
	}
	free(entries);
	return err;
}
