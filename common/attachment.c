// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attachments. The pins of one are a directory that holds the programs and maps, what binds them to
 * the interface (see binding.c), and symbolic links as notes; while its program is being replaced,
 * a second one stands beside it, with HP_BESIDE behind its name.
 */
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

void hp_attachment_beside(hp_path beside, const char *dir)
{
	snprintf(beside, sizeof(hp_path), "%s" HP_BESIDE, dir);
}

/* Pins FD, or what has that name in SIBLING. */
static int pin_one(const char *dir, const char *name, int fd, const char *sibling)
{
	int err, shared;

	if (!sibling)
		return hp_pin_fd(dir, name, fd);
	err = hp_pin_open(sibling, name, &shared);
	if (err)
		return err;
	err = hp_pin_fd(dir, name, shared);
	close(shared);
	return err;
}

/* Pins OBJ's, or those that SIBLING has. */
static int pin_all(const char *dir, const struct bpf_object *obj, const char *sibling)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_program(program, obj) {
		if (!bpf_program__autoload(program))
			continue;
		err = pin_one(dir, bpf_program__name(program), bpf_program__fd(program), sibling);
		if (err)
			return err;
	}
	bpf_object__for_each_map(map, obj) {
		if (!bpf_map__autocreate(map))
			continue;
		err = pin_one(dir, bpf_map__name(map), bpf_map__fd(map), sibling);
		if (err)
			return err;
	}
	return 0;
}

int hp_pin_object(const char *dir, const struct bpf_object *obj)
{
	return pin_all(dir, obj, NULL);
}

static int note_interface(const char *dir, const struct hp_request *request)
{
	char netns[32], index[16];
	int err;

	hp_read_note("/proc/self/ns", "net", netns, sizeof(netns));
	snprintf(index, sizeof(index), "%d", request->ifindex);
	err = hp_note(dir, "interface", request->place);
	if (!err)
		err = hp_note(dir, "ifindex", index);
	if (!err)
		err = hp_note(dir, "netns", netns);
	return err;
}

int hp_attachment_pin(const char *dir, const struct hp_request *request,
		      const struct bpf_object *obj, const struct bpf_program *program,
		      const char *sibling)
{
	int err;

	if (mkdir(dir, 0700))
		return -errno;
	err = request->cgroup ? hp_note(dir, "cgroup", request->place)
			      : note_interface(dir, request);
	if (!err && request->exec)
		err = hp_note(dir, HP_MADE_NOTE, request->place);
	if (!err)
		err = hp_note(dir, "program", bpf_program__name(program));
	if (!err)
		err = pin_all(dir, obj, sibling);
	if (err)
		hp_pin_remove(dir);
	return err;
}

int hp_program_id(const char *dir, __u32 *id)
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
	struct hp_binding binding;
	hp_path beside;
	__u32 id;
	int err;

	hp_attachment_beside(beside, dir);
	if (access(beside, F_OK))
		return 0;
	/* Which of the two is attached tells how far the replacing had come. */
	err = hp_binding_read(beside, &binding);
	if (err == -ENOENT)
		return hp_pin_remove(beside);
	if (!err && binding.unreachable) /* can't be told from here */
		return 0;
	if (!err)
		err = hp_program_id(beside, &id);
	if (err)
		return err;
	if (id == binding.prog_id) {
		err = hp_binding_finish(dir, beside);
		if (err)
			return err;
		if (renameat2(AT_FDCWD, beside, AT_FDCWD, dir, RENAME_EXCHANGE))
			return -errno;
	}
	return hp_pin_remove(beside);
}

static int same_program(const char *dir, const struct bpf_program *program)
{
	struct bpf_prog_info info = {}, other = {};
	__u32 size = sizeof(info), other_size = sizeof(other);
	int fd, err;

	err = hp_pin_open(dir, bpf_program__name(program), &fd);
	if (err)
		return err == -ENOENT ? 0 : err;
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

int hp_attachment_matches(const char *dir, const struct bpf_object *obj)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int same = 1;

	bpf_object__for_each_program(program, obj) {
		if (same == 1 && bpf_program__autoload(program))
			same = same_program(dir, program);
	}
	bpf_object__for_each_map(map, obj) {
		if (same == 1)
			same = same_map(dir, map);
	}
	return same;
}

int hp_attachment_detach(const char *dir, hp_forget forget)
{
	char ifindex[16];
	hp_path cgroup;
	int err;

	err = hp_attachment_recover(dir);
	if (!err)
		err = hp_binding_detach(dir);
	if (err)
		return err;
	hp_read_note(dir, "ifindex", ifindex, sizeof(ifindex));
	hp_read_note(dir, "cgroup", cgroup, sizeof(cgroup));
	if (forget && (*ifindex || *cgroup))
		forget(dir, atoi(ifindex));
	hp_read_note(dir, HP_MADE_NOTE, cgroup, sizeof(cgroup));
	if (*cgroup)
		hp_cgroup_remove(cgroup);
	return hp_pin_remove(dir);
}

int hp_attachment_replace(const char *dir)
{
	hp_path beside;
	int err, settled;

	hp_attachment_beside(beside, dir);
	err = hp_binding_copy(dir, beside);
	if (!err)
		err = hp_binding_update(dir, beside);
	settled = hp_attachment_recover(dir);
	return err ? err : settled;
}

/* A `run` holds the lock of its attachment's directory as long as it lives. */
enum hp_runner hp_find_runner(const char *dir)
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
