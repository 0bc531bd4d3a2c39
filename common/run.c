// SPDX-License-Identifier: BSD-2-Clause
/* run: load, wait for a signal, detach. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Is DIR the directory that RUNNER is open on, or another of the same name? */
static bool is_still(const char *dir, int runner)
{
	struct stat ours, there;

	return !fstat(runner, &ours) && !stat(dir, &there) && ours.st_ino == there.st_ino;
}

/* Waits for the signal to end, then detaches. */
static int stand_guard(const struct hp_tool *tool, const char *dir, int runner,
		       const sigset_t *ends)
{
	int lock, got, err;

	if (!fflush(stdout) || errno != EPIPE)
		sigwait(ends, &got);

	err = hp_pin_lock(tool->name, &lock);
	if (!err && !is_still(dir, runner)) {
		close(lock);
		puts("unloaded by somebody else in the meantime");
		return HP_EXIT_DONE;
	}
	if (!err) {
		err = hp_attachment_detach(dir);
		close(lock);
	}
	if (err)
		return hp_fail(err, "detach: `%s clean` finishes it", tool->name);
	puts("detached");
	return HP_EXIT_DONE;
}

int hp_run(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	int runner, status;
	sigset_t ends;
	hp_path dir;

	/* Blocked, not handled: one that comes while we attach waits until we can undo it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN); /* nohup: a blocked signal is kept even if it is ignored */
	else
		sigaddset(&ends, SIGHUP);
	signal(SIGPIPE,
	       SIG_IGN); /* where nobody reads what we say, we end, but not without detaching */
	sigprocmask(SIG_BLOCK, &ends, NULL);

	status = hp_place(tool, arguments, &runner, dir);
	if (status || arguments->dry_run)
		return status;
	status = stand_guard(tool, dir, runner, &ends);
	close(runner);
	return status;
}
