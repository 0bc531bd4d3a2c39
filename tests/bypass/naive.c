// SPDX-License-Identifier: BSD-2-Clause
/*
 * naive [--verdict] [--small] -- COMMAND...: runs COMMAND in a new cgroup with naive.bpf.c on it,
 * and returns its status. On SIGUSR1 it takes the bypass away, the plain way, while COMMAND runs.
 *
 *   --verdict  the program whose answer is that of the redirect, and not always to pass
 *   --small    a map for 3 sockets
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "naive.skel.h"

#define SMALL	     3 /* odd: of one connection, one end has no room */
#define CANNOT_START 125

static const char usage[] = "usage: naive [--verdict] [--small] -- COMMAND...\n";

/* Sets path to where cgroup v2 is mounted. */
static int find_mount(char *path)
{
	FILE *mounts = fopen("/proc/self/mounts", "r");
	char line[3 * PATH_MAX], type[64] = "";

	if (!mounts)
		return -errno;
	while (strcmp(type, "cgroup2") && fgets(line, sizeof(line), mounts))
		sscanf(line, "%*s %4095s %63s", path, type);
	fclose(mounts);
	return strcmp(type, "cgroup2") ? -ENOENT : 0;
}

/* Sets path to this process's own cgroup, as seen from the mount. */
static int find_own(char *path)
{
	FILE *cgroups = fopen("/proc/self/cgroup", "r");
	char line[PATH_MAX + 64];
	int found = 0;

	if (!cgroups)
		return -errno;
	while (found != 1 && fgets(line, sizeof(line), cgroups))
		found = sscanf(line, "0::%4095[^\n]", path);
	fclose(cgroups);
	return found == 1 ? 0 : -ENOENT;
}

/* Makes a cgroup in this process's own; path gets its name. Returns it, open, or a negative errno.
 */
static int make_cgroup(char *path, size_t size)
{
	char mount[PATH_MAX], own[PATH_MAX];
	int err, fd;

	err = find_mount(mount);
	if (!err)
		err = find_own(own);
	if (err)
		return err;
	if ((size_t)snprintf(path, size, "%s%s/naive.XXXXXX", mount, own) >= size)
		return -ENAMETOOLONG;
	if (!mkdtemp(path))
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* It may take a moment until the last process is out. */
static void remove_cgroup(const char *path)
{
	for (int tries = 0; rmdir(path) && errno == EBUSY && tries < 100; tries++)
		usleep(10000);
}

/* Loads the program and attaches it. Returns NULL if it can't; libbpf has said why. */
static struct naive *load(int cgroup, bool verdict, bool small)
{
	struct naive *skel = naive__open();
	struct bpf_program *program;

	if (!skel)
		return NULL;
	program = verdict ? skel->progs.naive_verdict : skel->progs.naive_pass;
	if (small)
		bpf_map__set_max_entries(skel->maps.naive_sockets, SMALL);
	if (naive__load(skel))
		goto fail;
	if (bpf_prog_attach(bpf_program__fd(program), bpf_map__fd(skel->maps.naive_sockets),
			    BPF_SK_MSG_VERDICT, 0))
		goto fail;
	skel->links.naive_insert = bpf_program__attach_cgroup(skel->progs.naive_insert, cgroup);
	if (skel->links.naive_insert)
		return skel;
fail:
	naive__destroy(skel);
	return NULL;
}

/* No new connections, no old ones. What is on its way in an old one is lost here. */
static void unload(struct naive *skel)
{
	int map = bpf_map__fd(skel->maps.naive_sockets);
	__u32 key[4];

	bpf_link__destroy(skel->links.naive_insert);
	skel->links.naive_insert = NULL;
	while (!bpf_map_get_next_key(map, NULL, key))
		bpf_map_delete_elem(map, key);
}

/* Runs command in the cgroup; returns the new process, or a negative errno. */
static pid_t start(int cgroup, char **command, const sigset_t *signals)
{
	pid_t child = fork();
	int fd;

	if (child)
		return child < 0 ? -errno : child;
	sigprocmask(SIG_UNBLOCK, signals, NULL);
	fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) == 1)
		execvp(command[0], command);
	fprintf(stderr, "naive: %s: %s\n", command[0], strerror(errno));
	_exit(CANNOT_START);
}

/* Until the child ends: returns its status, as a shell would tell it. */
static int serve(struct naive *skel, pid_t child, const sigset_t *signals)
{
	int status;

	while (!waitpid(child, &status, WNOHANG)) {
		if (sigwaitinfo(signals, NULL) == SIGUSR1)
			unload(skel);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(int cgroup, bool verdict, bool small, char **command)
{
	struct naive *skel = load(cgroup, verdict, small);
	int status = CANNOT_START;
	sigset_t signals;
	pid_t child;

	if (!skel)
		return status;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	child = start(cgroup, command, &signals);
	if (child > 0)
		status = serve(skel, child, &signals);
	naive__destroy(skel);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "verdict", no_argument, NULL, 'v' },
		{ "small", no_argument, NULL, 's' },
		{},
	};
	bool verdict = false, small = false;
	char path[2 * PATH_MAX + 64];
	int cgroup, option, status;

	while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		verdict |= option == 'v';
		small |= option == 's';
		if (option == '?')
			optind = argc;
	}
	if (optind >= argc) {
		fputs(usage, stderr);
		return CANNOT_START;
	}
	cgroup = make_cgroup(path, sizeof(path));
	if (cgroup < 0) {
		fprintf(stderr, "naive: no cgroup: %s\n", strerror(-cgroup));
		return CANNOT_START;
	}
	status = run(cgroup, verdict, small, argv + optind);
	close(cgroup);
	remove_cgroup(path);
	return status;
}
