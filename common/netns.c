// SPDX-License-Identifier: BSD-2-Clause
/*
 * Other network namespaces, for what has no descriptor that reaches into them. Notes have them as
 * /proc does, "net:[4026531840]", by the number of their inode. Where one has a process in it, or a
 * name in /run/netns, it can be entered.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Opens the first of the files that PATTERN tells of that is the namespace of that inode. */
static int open_netns(const char *pattern, unsigned long inode)
{
	struct stat ns;
	glob_t found;
	int fd = -1;

	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return -1;
	for (size_t i = 0; i < found.gl_pathc && fd < 0; i++)
		if (!stat(found.gl_pathv[i], &ns) && ns.st_ino == inode)
			fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
	globfree(&found);
	return fd;
}

int hp_enter_netns(const char *dir, int *back)
{
	unsigned long inode;
	char netns[32];
	struct stat own;
	int there, here;

	hp_read_note(dir, "netns", netns, sizeof(netns));
	if (sscanf(netns, "net:[%lu]", &inode) != 1)
		return -ENOENT;
	*back = -1;
	if (!stat("/proc/self/ns/net", &own) && own.st_ino == inode)
		return 0;

	there = open_netns("/run/netns/*", inode);
	if (there < 0)
		there = open_netns("/proc/[0-9]*/ns/net", inode);
	if (there < 0)
		return -ESRCH;
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (here >= 0 && !setns(there, CLONE_NEWNET)) {
		close(there);
		*back = here;
		return 0;
	}
	if (here >= 0)
		close(here);
	close(there);
	return -ESRCH;
}

void hp_leave_netns(int back)
{
	if (back < 0)
		return;
	setns(back, CLONE_NEWNET);
	close(back);
}
