// SPDX-License-Identifier: BSD-2-Clause
/* The loader of snoop-exec: chooses what is reported, attaches the programs, prints what they send.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hookpoint.h"
#include "print.h"
#include "show.h"
#include "snoop-exec.h"
#include "snoop-exec.skel.h"

#define POLL_MS	    200
#define NAP_MS	    20
#define TELL_LOST_S 1

static struct snoop_settings settings;

static const struct argp_option option_table[] = {
	{ "failed", 'x', NULL, 0, "Failed execs too", 0 },
	{ "uid", 'u', "USER", 0, "Only those of this user, a number or a name", 0 },
	{ "name", 'c', "NAME", 0, "Only of files with this name, whatever their directory", 0 },
	{ "perf", 'p', NULL, 0,
	  "Through a perf buffer; as it is anyway where the kernel has no ring buffer", 0 },
	{}
};

static error_t parse_user(const char *text)
{
	const struct passwd *user = getpwnam(text);
	char *end;
	unsigned long uid = strtoul(text, &end, 10);

	if (user)
		uid = user->pw_uid;
	else if (*text < '0' || *text > '9' || *end || uid >= (__u32)-1)
		return hp_usage("there is no user '%s'", text);
	settings.by_uid = true;
	settings.uid = uid;
	return 0;
}

static error_t parse_name(const char *text)
{
	if (!*text || strchr(text, '/') || strlen(text) >= NAME_BYTES)
		return hp_usage("'%s' is no name of a file", text);
	settings.name_bytes = strlen(text) + 1;
	memcpy(settings.name, text, settings.name_bytes);
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'x':
		settings.failed = true;
#ifdef __x86_64__
		return 0;
#else
		return hp_usage("-x knows the registers of x86-64 only");
#endif
	case 'u':
		return parse_user(arg);
	case 'c':
		return parse_name(arg);
	case 'p':
		settings.use_perf = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- run ------------------------------------------------------------------------------------- */

/* Everything of one `run`. */
struct tracer {
	struct snoop_exec *skel;
	struct hp_consumer *consumer;
	int links[2]; /* of -x; 0: none */
	bool json;
	__u64 printed;
	__u64 told_lost; /* of which a line has been printed */
	time_t told_s;
};

/* Whoever may not make maps at all has not learned anything about this one. */
static bool lacks_ring_buffer(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 0 &&
	       libbpf_probe_bpf_map_type(BPF_MAP_TYPE_PERF_EVENT_ARRAY, NULL) == 1;
}

/* Of the two buffers one is made; of the programs, those that are attached. */
static void choose_parts(struct snoop_exec *skel)
{
	if (!settings.use_perf && lacks_ring_buffer()) {
		hp_info("this kernel has no ring buffer (5.8 has): using a perf buffer");
		settings.use_perf = true;
	}
	bpf_map__set_autocreate(skel->maps.ring_records, !settings.use_perf);
	bpf_map__set_autocreate(skel->maps.perf_records, settings.use_perf);
	bpf_program__set_autoload(skel->progs.report_failed_execve, settings.failed);
	bpf_program__set_autoload(skel->progs.report_failed_execveat, settings.failed);
	skel->rodata_settings->settings = settings;
}

static int print_record(const void *record, size_t size, void *arg)
{
	struct tracer *tracer = arg;

	(void)size;
	if (!ferror(stdout)) /* or each record would wait anew for a reader that stands still */
		print_exec(record, tracer->json);
	tracer->printed++;
	return 0;
}

static int attach_failed(struct tracer *tracer)
{
	static const char *const events[] = { "sys_exit_execve", "sys_exit_execveat" };
	const struct bpf_program *programs[] = { tracer->skel->progs.report_failed_execve,
						 tracer->skel->progs.report_failed_execveat };
	int err = 0;

	for (int i = 0; i < 2 && !err; i++)
		err = hp_attach_tracepoint(bpf_program__fd(programs[i]), "syscalls", events[i],
					   &tracer->links[i]);
	if (err == -ENOENT) {
		hp_error("-x needs tracepoints of system calls, and this kernel has none: it is "
			 "built without CONFIG_FTRACE_SYSCALLS");
		return HP_EXIT_LACKING;
	}
	return err ? hp_fail(err, "attach to the end of execve") : HP_EXIT_DONE;
}

/* First the reader, then the programs: from the first exec on there is somebody to read it. */
static int attach(struct tracer *tracer)
{
	struct snoop_exec *skel = tracer->skel;
	const struct bpf_map *records =
		settings.use_perf ? skel->maps.perf_records : skel->maps.ring_records;
	int err = hp_consumer_open(bpf_map__fd(records), print_record, tracer, &tracer->consumer);

	if (err)
		return hp_fail(err, "open the buffer of records");
	skel->links.report_exec =
		bpf_program__attach_raw_tracepoint(skel->progs.report_exec, "sched_process_exec");
	if (!skel->links.report_exec)
		return hp_fail(-errno, "attach to sched_process_exec");
	return settings.failed ? attach_failed(tracer) : HP_EXIT_DONE;
}

static void detach(struct tracer *tracer)
{
	bpf_link__destroy(tracer->skel->links.report_exec);
	tracer->skel->links.report_exec = NULL;
	for (int i = 0; i < 2; i++)
		if (tracer->links[i])
			close(tracer->links[i]);
	memset(tracer->links, 0, sizeof(tracer->links));
}

static int counts_of(const struct tracer *tracer, struct exec_counts *counts)
{
	return read_counts(bpf_map__fd(tracer->skel->maps.exec_counts), counts);
}

/* Says how many were lost since it was last said, where in the stream they are missing. */
static void tell_lost(struct tracer *tracer, const struct exec_counts *counts)
{
	if (counts->lost > tracer->told_lost)
		print_lost(counts->lost - tracer->told_lost, tracer->json);
	tracer->told_lost = counts->lost;
}

static void tell_lost_sometimes(struct tracer *tracer)
{
	struct exec_counts counts;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec < tracer->told_s + TELL_LOST_S || counts_of(tracer, &counts))
		return;
	tracer->told_s = now.tv_sec;
	tell_lost(tracer, &counts);
}

/*
 * A reader that waits has to be woken for each record, which costs more than all the rest. So once
 * there is something to read, it does not wait, but sleeps until there is more of it.
 */
static int follow(struct tracer *tracer)
{
	int err = 0;

	while (!err && !hp_stopped() && !ferror(stdout)) {
		err = hp_consumer_poll(tracer->consumer, POLL_MS);
		tell_lost_sometimes(tracer);
		fflush(stdout);
		usleep(NAP_MS * 1000);
	}
	return err;
}

/* What had been put into the buffer when the programs were detached is still to be printed. */
static int finish(struct tracer *tracer)
{
	struct exec_counts counts;
	int err = counts_of(tracer, &counts);
	__u64 before = -1;

	while (!err && tracer->printed < counts.reported && tracer->printed != before) {
		before = tracer->printed;
		err = hp_consumer_poll(tracer->consumer, POLL_MS);
	}
	if (err)
		return err;
	if (counts.reported > tracer->printed) /* never, unless the buffer lies */
		counts.lost += counts.reported - tracer->printed;
	counts.reported = tracer->printed;
	tell_lost(tracer, &counts);
	print_totals(&counts, tracer->json);
	return 0;
}

static int run(struct tracer *tracer, const struct hp_request *request)
{
	int err, status;

	status = attach(tracer);
	if (status)
		return status;
	status = hp_run_pin(request, HP_TRACEPOINT, tracer->skel->obj);
	if (status)
		return status;
	if (!tracer->json)
		print_header();
	fflush(stdout);
	err = follow(tracer);
	detach(tracer);
	if (!err)
		err = finish(tracer);
	return err ? hp_fail(err, "read records") : HP_EXIT_DONE;
}

static int trace(const struct hp_request *request)
{
	struct tracer tracer = { .skel = snoop_exec__open(), .json = request->json };
	int err, status;

	if (!tracer.skel)
		return hp_fail(-errno, "open the programs");
	setvbuf(stdout, NULL, _IOFBF, 0); /* follow() says when to write */
	choose_parts(tracer.skel);
	hp_log_verifier(tracer.skel->obj);
	err = snoop_exec__load(tracer.skel);
	if (err)
		status = hp_fail_load(err, tracer.skel->obj);
	else if (request->dry_run)
		status = HP_EXIT_DONE;
	else
		status = run(&tracer, request);
	detach(&tracer);
	hp_consumer_close(tracer.consumer);
	snoop_exec__destroy(tracer.skel);
	return status;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { .options = option_table, .parser = parse_option };
	static const struct hp_tool tool = {
		.name = "snoop-exec",
		.summary = "report who starts what, with which arguments",
		.options = &argp,
		.at = HP_AT_PROCESS,
		.capabilities = "cap_bpf,cap_perfmon,cap_dac_read_search",
		.trace = trace,
		.status = show_settings,
		.stats = show_counts,
	};

	return hp_main(&tool, argc, argv);
}
