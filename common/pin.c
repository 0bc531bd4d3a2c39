// SPDX-License-Identifier: BSD-2-Clause
/* Pins: files and directories of the BPF file system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "internal.h"

int hp_bpffs_check(void)
{
	struct statfs fs;

	if (statfs(HP_BPFFS, &fs))
		return errno == EACCES ? -EACCES : -ENODEV;
	return fs.f_type == BPF_FS_MAGIC ? 0 : -ENODEV;
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int hp_pin_lock(const char *tool, int *fd)
{
	hp_path path;
	int err, dir;

	err = hp_bpffs_check();
	if (!err)
		err = make_dir(HP_PIN_ROOT);
	snprintf(path, sizeof(path), HP_PIN_ROOT "/%s", tool);
	if (!err)
		err = make_dir(path);
	if (err)
		return err;

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	while (flock(dir, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		err = -errno;
		close(dir);
		return err;
	}
	*fd = dir;
	return 0;
}

void hp_join(hp_path path, const char *dir, const char *name)
{
	snprintf(path, sizeof(hp_path), "%s/%s", dir, name);
}

/* The path of a pin. The BPF file system takes no dots, and ".data.ports" has two. */
static void pin_path(hp_path path, const char *dir, const char *name)
{
	hp_join(path, dir, name);
	for (char *c = path + strlen(dir); *c; c++)
		if (*c == '.')
			*c = '_';
}

int hp_pin_open(const char *dir, const char *name, int *fd)
{
	hp_path path;
	int opened;

	pin_path(path, dir, name);
	opened = bpf_obj_get(path);
	if (opened < 0)
		return opened;
	*fd = opened;
	return 0;
}

int hp_pin_fd(const char *dir, const char *name, int fd)
{
	hp_path path;

	pin_path(path, dir, name);
	return bpf_obj_pin(fd, path);
}

int hp_note(const char *dir, const char *name, const char *text)
{
	hp_path path;

	hp_join(path, dir, name);
	return symlink(text, path) ? -errno : 0;
}

void hp_read_note(const char *dir, const char *name, char *text, size_t size)
{
	hp_path path;
	ssize_t length;

	hp_join(path, dir, name);
	length = readlink(path, text, size - 1);
	text[length < 0 ? 0 : length] = '\0';
}

int hp_pin_remove(const char *dir)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(stream), entry->d_name, 0))
			err = -errno;
	closedir(stream);
	if (rmdir(dir) && !err)
		err = -errno;
	return err;
}
