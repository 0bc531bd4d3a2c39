// SPDX-License-Identifier: BSD-2-Clause
/* The loader of watch-acks: finds out by which probes it can look into TCP, and shows what it sees.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "hookpoint.h"
#include "show.h"
#include "watch-acks.h"
#include "watch-acks.skel.h"

static struct options {
	enum hp_mode probe; /* HP_AUTO: the first that works */
	unsigned int port;  /* 0: all */
	unsigned int connections;
	unsigned int interval_ms; /* 0: only at the end */
} options = { .connections = 4096 };

static const struct argp_option option_table[] = {
	{ "port", 'p', "PORT", 0, "Only connections with this port at either end", 0 },
	{ "watch", 'w', "SECONDS", 0, "Print what there is so far every so many seconds", 0 },
	{ "connections", 'c', "N", 0,
	  "Room for so many in the table; what comes from more is counted together. Default: 4096",
	  0 },
	{ "probe", 'P', "fentry|kprobe", 0, "Use this one. Default: fentry where it works", 0 },
	{}
};

static error_t parse_whole(const char *arg, unsigned int most, unsigned int *number)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || value < 1 || value > most)
		return hp_usage("'%s' is no number from 1 to %u", arg, most);
	*number = value;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	double seconds;
	error_t err;

	(void)state;
	switch (key) {
	case 'p':
		return parse_whole(arg, 65535, &options.port);
	case 'c':
		return parse_whole(arg, 1000000, &options.connections);
	case 'w':
		err = hp_parse_seconds(arg, &seconds);
		if (!err)
			options.interval_ms = seconds * 1000;
		return err;
	case 'P':
		if (!strcmp(arg, hp_mode_name(HP_FENTRY)))
			options.probe = HP_FENTRY;
		else if (!strcmp(arg, hp_mode_name(HP_KPROBE)))
			options.probe = HP_KPROBE;
		else
			return hp_usage("unknown probe '%s': fentry or kprobe", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- which probes work ----------------------------------------------------------------------- */

/* How far one kind of probes came. */
struct attempt {
	int err; /* 0: it watches */
	bool loaded;
};

/* Of the two halves of the object, the one for PROBE: the sections say which it is. */
static void choose_programs(struct bpf_object *obj, enum hp_mode probe)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, obj) {
		bool is_kprobe = *bpf_program__section_name(program) == 'k';

		bpf_program__set_autoload(program, is_kprobe == (probe == HP_KPROBE));
	}
}

/* That the kernel loads them is no proof: only attaching is. *SKEL is set if both succeed. */
static struct attempt try(enum hp_mode probe, struct watch_acks **skel)
{
	struct attempt attempt = {};
	struct watch_acks *made = watch_acks__open();

	if (!made)
		return (struct attempt){ .err = -errno };
	made->rodata->only_port = options.port;
	choose_programs(made->obj, probe);
	attempt.err = bpf_map__set_max_entries(made->maps.connections, options.connections);
	hp_log_verifier(made->obj);
	if (!attempt.err)
		attempt.err = watch_acks__load(made);
	attempt.loaded = !attempt.err;
	if (attempt.loaded)
		attempt.err = watch_acks__attach(made);
	if (attempt.err)
		watch_acks__destroy(made);
	else
		*skel = made;
	return attempt;
}

static const char *outcome(const struct attempt *attempt, const char *otherwise)
{
	return attempt->err ? strerror(-attempt->err) : otherwise;
}

static int say_lacking(const struct attempt *fentry, const struct attempt *kprobe)
{
	struct utsname kernel;

	uname(&kernel);
	hp_error(
		"this kernel (%s) lacks a way to look into TCP: fentry: %s (takes "
		"CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS and CONFIG_DEBUG_INFO_BTF, first in 5.5); "
		"kprobe: %s (takes CONFIG_KPROBES and CONFIG_KPROBE_EVENTS, first in 4.17): "
		"on another kernel it works: make vm NAME=watch-acks",
		kernel.release, outcome(fentry, "not tried"), outcome(kprobe, "works"));
	return HP_EXIT_LACKING;
}

/*
 * Attaches the first kind that works. A kernel that has no fentry may say EPERM, as it does to a
 * user without rights; programs for kprobes tell the two apart: who has the rights may load them on
 * any kernel, and only attaching them fails where there are none.
 */
static int attach(struct watch_acks **skel, enum hp_mode *mode)
{
	struct attempt fentry = {}, kprobe = {};

	if (options.probe != HP_KPROBE) {
		*mode = HP_FENTRY;
		fentry = try(HP_FENTRY, skel);
		if (!fentry.err)
			return HP_EXIT_DONE;
	}
	*mode = HP_KPROBE;
	kprobe = try(HP_KPROBE, skel);
	if (!kprobe.err && options.probe != HP_FENTRY)
		return HP_EXIT_DONE;
	if (!kprobe.err)
		watch_acks__destroy(*skel);
	if (!kprobe.loaded && (kprobe.err == -EPERM || kprobe.err == -EACCES))
		return hp_fail(kprobe.err, "load the programs");
	if (kprobe.err == -EACCES && options.probe != HP_FENTRY)
		return hp_fail(kprobe.err, "attach by kprobe");
	if (kprobe.err == -ENOMEM || kprobe.err == -E2BIG)
		return hp_fail(kprobe.err, "load the programs");
	return say_lacking(&fentry, &kprobe);
}

/* ---- watching -------------------------------------------------------------------------------- */

/* With -j, one object a line. */
static int print(const struct hp_request *request, enum hp_mode mode)
{
	json_t *fields;
	int err;

	if (!request->json)
		return show_text(request->dir);
	fields = json_pack("{s:i, s:s, s:s}", "schema", 1, "tool", request->tool, "probe",
			   hp_mode_name(mode));
	if (!fields)
		return -ENOMEM;
	err = show_json(request->dir, fields);
	if (!err) {
		json_dumpf(fields, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(fields);
	return err;
}

/* Returns after so long, or earlier if it is to end. 0: when it is to end. */
static void pause_for(unsigned int ms)
{
	struct timespec now;
	long long end_ms, left_ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + ms;
	/* A signal that comes just before poll() does not interrupt it. */
	while (!hp_stopped()) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left_ms = end_ms - now.tv_sec * 1000LL - now.tv_nsec / 1000000;
		if (ms && left_ms <= 0)
			return;
		poll(NULL, 0, ms && left_ms < 200 ? left_ms : 200);
	}
}

static int watch(const struct hp_request *request, struct watch_acks *skel, enum hp_mode mode)
{
	int err = 0;

	hp_info("watching TCP by %s; Ctrl-C ends it", hp_mode_name(mode));
	while (!err && !ferror(stdout)) {
		pause_for(options.interval_ms);
		if (hp_stopped())
			break;
		err = print(request, mode);
		if (!request->json)
			putchar('\n');
	}
	watch_acks__detach(skel); /* what is printed last is all there was */
	if (!err)
		err = print(request, mode);
	return err ? hp_fail(err, "read the counters in %s", request->dir) : HP_EXIT_DONE;
}

static int trace(const struct hp_request *request)
{
	struct watch_acks *skel;
	enum hp_mode mode;
	int status;

	status = attach(&skel, &mode);
	if (status)
		return status;
	if (request->dry_run) {
		printf("would watch TCP by %s\n", hp_mode_name(mode));
		goto out;
	}
	status = hp_run_pin(request, mode, skel->obj);
	if (!status)
		status = watch(request, skel, mode);
out:
	watch_acks__destroy(skel);
	return status;
}

static int stats(const struct hp_attachment *attachment, json_t *fields)
{
	return show_json(attachment->dir, fields);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL, NULL, NULL, NULL, NULL
	};
	static const struct hp_tool tool = {
		.name = "watch-acks",
		.summary = "how many ACKs TCP sends for the data that it gets, and how long "
			   "handling one takes",
		.options = &argp,
		.at = HP_AT_PROCESS,
		.capabilities = "cap_bpf,cap_perfmon",
		.trace = trace,
		.stats = stats,
	};

	return hp_main(&tool, argc, argv);
}
