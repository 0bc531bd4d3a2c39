// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tools whose programs are attached as long as their process lives: tracers, socket filters. What
 * such a `run` pins is for others to look at; nothing depends on it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

static volatile sig_atomic_t stopped;

bool hp_stopped(void)
{
	return stopped;
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* No SA_RESTART: what waits returns. */
static void handle_signals(void)
{
	const struct sigaction action = { .sa_handler = stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (signal(SIGHUP, SIG_IGN) != SIG_IGN) /* nohup */
		sigaction(SIGHUP, &action, NULL);
	/* Where nobody reads what we say, the tool sees that writing fails. */
	signal(SIGPIPE, SIG_IGN);
}

/* Whether request->dir is this process's: open as long as we live. */
static int runner = -1;

/* Other PID namespaces have the same numbers, and may share these pins. */
static void name_run(const struct hp_tool *tool, struct hp_request *request)
{
	char netns[32];
	unsigned long inode = 0;

	hp_read_note("/proc/self/ns", "pid", netns, sizeof(netns));
	sscanf(netns, "pid:[%20lu]", &inode);
	snprintf(request->place, sizeof(request->place), "process %d", getpid());
	snprintf(request->dir, sizeof(request->dir), HP_PIN_ROOT "/%s/%lu-%d", tool->name, inode,
		 getpid());
}

int hp_trace(const struct hp_tool *tool, const struct hp_arguments *a)
{
	struct hp_request request = { .tool = tool->name, .dry_run = a->dry_run, .json = a->json };
	int lock, err, status;

	name_run(tool, &request);
	handle_signals();
	status = tool->trace(&request);
	if (runner < 0)
		return status;
	err = hp_pin_lock(tool->name, &lock);
	if (!err) {
		err = hp_pin_remove(request.dir);
		close(lock);
	}
	if (err)
		return hp_fail(err, "remove %s: `%s clean` does it", request.dir, tool->name);
	return status;
}

/* The pins of a process that was killed, and had this one's number. */
static int make_dir(const char *dir)
{
	int err = mkdir(dir, 0700) ? -errno : 0;

	if (err != -EEXIST || hp_find_runner(dir) == HP_RUNNER_ALIVE)
		return err;
	err = hp_pin_remove(dir);
	return err ? err : mkdir(dir, 0700) ? -errno : 0;
}

static const char *first_program(const struct bpf_object *obj)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, obj) {
		if (bpf_program__autoload(program))
			return bpf_program__name(program);
	}
	return "none";
}

static int pin_run(const struct hp_request *request, enum hp_mode mode,
		   const struct bpf_object *obj)
{
	int err = make_dir(request->dir);

	if (err)
		return err;
	err = hp_attachment_claim(request->dir, &runner);
	if (!err)
		err = hp_note(request->dir, HP_PROCESS_NOTE, request->place);
	if (!err)
		err = hp_note(request->dir, "mode", hp_mode_name(mode));
	if (!err && obj)
		err = hp_pin_object(request->dir, obj);
	if (!err && obj)
		err = hp_note(request->dir, "program", first_program(obj));
	if (err)
		hp_pin_remove(request->dir);
	return err;
}

int hp_run_pin(const struct hp_request *request, enum hp_mode mode, const struct bpf_object *obj)
{
	int lock, err = hp_pin_lock(request->tool, &lock);

	if (err)
		return hp_fail_pins(err);
	err = pin_run(request, mode, obj);
	close(lock);
	return err ? hp_fail(err, "pin in %s", request->dir) : HP_EXIT_DONE;
}
