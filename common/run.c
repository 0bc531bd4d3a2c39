// SPDX-License-Identifier: BSD-2-Clause
/* run: load, stand guard until a signal, detach. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Is DIR the directory that RUNNER is open on, or another of the same name? */
static bool is_still(const char *dir, int runner)
{
	struct stat ours, there;

	return !fstat(runner, &ours) && !stat(dir, &there) && ours.st_ino == there.st_ino;
}

/* Tells the tool that what it watches has changed, with those interfaces that are still ours. */
static int pass_on(const struct hp_tool *tool, const struct hp_places *places, int watch)
{
	struct hp_request *still = calloc(places->n, sizeof(*still));
	int lock, err, status;
	size_t n = 0;

	if (!still)
		return hp_fail(-ENOMEM, "follow the interfaces");
	err = hp_pin_lock(tool->name, &lock);
	if (err) {
		free(still);
		return hp_fail_pins(err);
	}
	for (size_t i = 0; i < places->n; i++)
		if (is_still(places->requests[i].dir, places->runners[i]))
			still[n++] = places->requests[i];
	status = tool->changed(watch, still, n);
	close(lock);
	free(still);
	return status;
}

/* Until a signal comes, or the tool has had enough. WATCH: -1 if there is nothing to follow. */
static int stand_guard(const struct hp_tool *tool, const struct hp_places *places, int watch,
		       int signals)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = watch, .events = POLLIN } };
	int status = HP_EXIT_DONE;

	while (!status) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return hp_fail(-errno, "wait for a signal");
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			status = pass_on(tool, places, watch);
	}
	return status;
}

static int detach(const struct hp_tool *tool, const struct hp_request *request, int runner)
{
	int lock, err;

	err = hp_pin_lock(tool->name, &lock);
	if (!err && !is_still(request->dir, runner)) {
		close(lock);
		if (!request->exec)
			printf("%s: unloaded by somebody else in the meantime\n", request->place);
		return HP_EXIT_DONE;
	}
	if (!err) {
		err = hp_attachment_detach(request->dir, tool->forget);
		close(lock);
	}
	if (err)
		return hp_fail(err, "detach from %s: `%s clean` finishes it", request->place,
			       tool->name);
	if (!request->exec)
		printf("%s: detached\n", request->place);
	return HP_EXIT_DONE;
}

int hp_detach_all(const struct hp_tool *tool, const struct hp_places *places)
{
	int status = HP_EXIT_DONE, worst;

	for (size_t i = 0; i < places->n; i++) {
		worst = detach(tool, &places->requests[i], places->runners[i]);
		status = worst ? worst : status;
	}
	return status;
}

/* Blocked, not handled: a signal that comes while we attach waits until we can undo it. */
static int block_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN); /* nohup: a blocked signal is kept even if it is ignored */
	else
		sigaddset(&ends, SIGHUP);
	/* Where nobody reads what we say, we end, but not without detaching. */
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	return signalfd(-1, &ends, SFD_CLOEXEC);
}

/* A pipe whose other end is closed. That a disk is full, say, is no reason to end. */
static bool nobody_reads(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && out.revents & POLLERR;
}

static int run(const struct hp_tool *tool, const struct hp_arguments *arguments, int signals,
	       int watch)
{
	struct hp_places places = {};
	int status, worst;

	status = hp_place(tool, arguments, true, &places);
	if (!status && !arguments->dry_run) {
		if (!nobody_reads())
			status = stand_guard(tool, &places, watch, signals);
		worst = hp_detach_all(tool, &places);
		status = worst ? worst : status;
	}
	hp_places_free(&places);
	return status;
}

int hp_run(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	int signals, watch = -1, status = HP_EXIT_DONE;

	if (tool->at == HP_AT_PROCESS)
		return hp_trace(tool, arguments);
	signals = block_signals();
	if (signals < 0)
		return hp_fail(-errno, "wait for signals");
	if (tool->watch) /* before the first look, so that nothing is missed in between */
		status = tool->watch(&watch);
	if (!status)
		status = run(tool, arguments, signals, watch);
	close(signals);
	return status;
}
