// SPDX-License-Identifier: BSD-2-Clause
/* exec: a command in a cgroup of its own, to which the tool is attached as long as it runs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

/* As shells have it. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

/* The cgroup of this process. */
static int find_own(hp_path path)
{
	char line[sizeof(hp_path)];
	int err = -ENOENT;
	hp_path mount;
	FILE *file;

	if (!hp_cgroup_mount(mount))
		return -ENODEV;
	file = fopen("/proc/self/cgroup", "re");
	if (!file)
		return -errno;
	while (err && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		err = snprintf(path, sizeof(hp_path), "%s%s", mount,
			       strcmp(line, "0::/") ? line + 3 : "") >= (int)sizeof(hp_path)
			      ? -ENAMETOOLONG
			      : 0;
	}
	fclose(file);
	return err;
}

/* Below the one that we are in. */
static int make_cgroup(const struct hp_tool *tool, hp_path cgroup)
{
	char name[NAME_MAX];
	hp_path own;
	int err = find_own(own);

	if (err == -ENODEV) {
		hp_error("no cgroup v2 file system is mounted: `mount -t cgroup2 cgroup2 "
			 "/sys/fs/cgroup` does that");
		return HP_EXIT_REFUSED;
	}
	if (err)
		return hp_fail(err, "find the cgroup of this process");
	snprintf(name, sizeof(name), "%s-XXXXXX", tool->name);
	hp_join(cgroup, own, name);
	if (!mkdtemp(cgroup))
		return hp_fail(-errno, "make the cgroup %s", cgroup);
	return HP_EXIT_DONE;
}

/* In the child. A command that wants to use the pins finds them by a variable. */
static void become(char **command, const char *cgroup, const char *pins, const sigset_t *signals)
{
	int err = hp_cgroup_enter(cgroup, 0);

	if (err) {
		hp_error("cannot enter the cgroup %s: %s", cgroup, strerror(-err));
		_exit(HP_EXIT_REFUSED);
	}
	setenv("HOOKPOINT_PINS", pins, 1);
	sigprocmask(SIG_SETMASK, signals, NULL);
	execvp(*command, command);
	err = errno;
	hp_error("cannot run %s: %s", *command, strerror(err));
	_exit(err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/*
 * Waits for the child. Signals that would end us are handed on to it; what the terminal sends, it
 * gets by itself. When it stops, by Ctrl-Z say, so do we, and then it goes on with us.
 */
static int wait_for(pid_t child)
{
	sigset_t all;
	siginfo_t got;
	int status;
	pid_t changed;

	sigfillset(&all);
	while ((changed = waitpid(child, &status, WNOHANG | WUNTRACED)) != child ||
	       WIFSTOPPED(status)) {
		if (changed < 0)
			return hp_fail(-errno, "wait for the command");
		if (changed == child) {
			raise(SIGSTOP);
			kill(child, SIGCONT);
		} else if (sigwaitinfo(&all, &got) > 0 && got.si_signo != SIGCHLD &&
			   got.si_code <= 0) {
			kill(child, got.si_signo);
		}
	}
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_in(const char *cgroup, const char *pins, char **command, const sigset_t *signals)
{
	pid_t child = fork();

	if (child < 0)
		return hp_fail(-errno, "start a process");
	if (!child)
		become(command, cgroup, pins, signals);
	return wait_for(child);
}

int hp_exec(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	struct hp_arguments placed = *arguments;
	struct hp_places places = {};
	sigset_t all, before;
	hp_path cgroup;
	char *name = cgroup;
	int err, status;

	if (!arguments->command) {
		hp_usage("which command? %s exec -- COMMAND...", tool->name);
		return HP_EXIT_USAGE;
	}
	/* From here to the end, signals wait: whatever comes, what we made is removed. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	signal(SIGCHLD, SIG_DFL); /* who ignores it, is not told of its children */
	status = make_cgroup(tool, cgroup);
	if (status)
		return status;
	placed.names = &name;
	placed.n_names = 1;
	status = hp_place(tool, &placed, true, &places);
	if (!status) {
		status = run_in(cgroup, places.requests->dir, arguments->command, &before);
		hp_detach_all(tool, &places);
	}
	hp_places_free(&places);
	err = hp_cgroup_remove(cgroup); /* unless detaching has done so */
	if (err && err != -ENOENT)
		hp_error("cannot remove the cgroup %s: %s", cgroup, strerror(-err));
	return status;
}
