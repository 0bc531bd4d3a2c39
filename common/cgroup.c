// SPDX-License-Identifier: BSD-2-Clause
/* Cgroups of version 2, as places that programs are attached to. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
	char line[PATH_MAX];
	hp_path root, point;
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	if (!mounts)
		return false;
	/* ID PARENT DEVICE ROOT POINT OPTIONS... - TYPE ...; ROOT tells a foreign namespace's. */
	while (!found && fgets(line, sizeof(line), mounts))
		found = strstr(line, " - cgroup2 ") &&
			sscanf(line, "%*s %*s %*s %511s %511s", root, point) == 2 &&
			!strcmp(root, "/");
	fclose(mounts);
	if (found)
		snprintf(mount, sizeof(hp_path), "%s", point);
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
		if (pid > 0) /* 0: of another PID namespace */
			hp_cgroup_enter(above, pid);
	fclose(processes);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)place;
	if (type != FTW_DP)
		return 0;
	for (int tries = 0; rmdir(path); tries++) {
		if (errno != EBUSY || tries == 100)
			return -errno;
		empty(path);
		usleep(10000); /* a process that has ended may still be counted */
	}
	return 0;
}

int hp_cgroup_remove(const char *cgroup)
{
	int err = nftw(cgroup, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	return err == -1 ? -errno : err;
}
