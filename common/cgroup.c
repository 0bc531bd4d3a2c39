// SPDX-License-Identifier: BSD-2-Clause
/* Cgroups of version 2, as places that programs are attached to. */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>

#include "internal.h"

bool hp_cgroup_mount(hp_path mount)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	bool found = false;

	if (!mounts)
		return false;
	while (!found && (entry = getmntent(mounts))) {
		found = !strcmp(entry->mnt_type, "cgroup2");
		if (found)
			snprintf(mount, sizeof(hp_path), "%s", entry->mnt_dir);
	}
	endmntent(mounts);
	return found;
}

int hp_cgroup_find(const char *path, hp_path real, __u64 *id)
{
	char resolved[PATH_MAX];
	struct statfs fs;
	struct stat dir;

	if (!realpath(path, resolved) || stat(resolved, &dir) || statfs(resolved, &fs))
		return -errno;
	if (!S_ISDIR(dir.st_mode) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOTDIR;
	if (strlen(resolved) >= sizeof(hp_path))
		return -ENAMETOOLONG;
	strcpy(real, resolved);
	*id = dir.st_ino;
	return 0;
}

int hp_cgroup_attach(const char *path, int prog_fd, enum bpf_attach_type type, int *link_fd)
{
	int fd, cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup_fd < 0)
		return -errno;
	fd = bpf_link_create(prog_fd, cgroup_fd, type, NULL);
	close(cgroup_fd);
	if (fd < 0)
		return fd;
	*link_fd = fd;
	return 0;
}

int hp_cgroup_enter(const char *cgroup, long pid)
{
	char text[24];
	hp_path path;
	int fd, err = 0;

	hp_join(path, cgroup, "cgroup.procs");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%ld", pid);
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Moves what runs in the cgroup to the one above. */
static void empty(const char *cgroup)
{
	hp_path path, above;
	FILE *processes;
	long pid;

	snprintf(above, sizeof(above), "%s", cgroup);
	*strrchr(above, '/') = '\0';
	hp_join(path, cgroup, "cgroup.procs");
	processes = fopen(path, "re");
	if (!processes)
		return;
	while (fscanf(processes, "%ld", &pid) == 1)
		hp_cgroup_enter(above, pid);
	fclose(processes);
}

int hp_cgroup_remove(const char *cgroup)
{
	for (int tries = 0; rmdir(cgroup); tries++) {
		if (errno != EBUSY || tries == 100)
			return -errno;
		empty(cgroup);
		usleep(10000); /* a process that has ended may still be counted */
	}
	return 0;
}
