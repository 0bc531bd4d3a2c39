// SPDX-License-Identifier: BSD-2-Clause
/*
 * ./snoop-exec: prints every exec on this machine, who started what with which arguments, until
 * Ctrl-C. This is the loader to copy from: libbpf, and nothing else.
 *
 * What the full tool does and this one does not: failed execs, filters by user and by name, a perf
 * buffer where the kernel has no ring buffer (before 5.8), times, JSON, counts while it runs, words
 * quoted as a shell reads them.
 */
#include <ctype.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "snoop-exec.h"
#include "snoop-exec.skel.h"

/* Arguments are anybody's, the terminal is yours: what could harm it becomes \x and a number. */
static void print_text(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes && text[i]; i++) {
		if (isgraph((unsigned char)text[i]) && text[i] != '\\')
			putchar(text[i]);
		else
			printf("\\x%02x", (unsigned char)text[i]);
	}
}

/* Behind the path are the arguments, each with its NUL but for one that is cut. */
static int print_exec(void *unused, void *data, size_t bytes)
{
	const struct exec_record *exec = data;
	const char *arg = exec->text + exec->file_bytes, *end = arg + exec->args_bytes;

	(void)unused;
	(void)bytes;
	printf("%6u %7u %7u ", exec->uid, exec->pid, exec->ppid);
	print_text(exec->comm, COMM_BYTES);
	putchar(' ');
	print_text(exec->text, exec->file_bytes);
	for (; arg < end; arg += strnlen(arg, end - arg) + 1) {
		putchar(' ');
		print_text(arg, end - arg);
	}
	puts(exec->flags ? " ..." : ""); /* cut, or unreadable */
	return 0;
}

/* Each CPU has counters of its own. */
static void print_counts(const struct snoop_exec *skel)
{
	int cpus = libbpf_num_possible_cpus();
	struct exec_counts *counts = cpus > 0 ? calloc(cpus, sizeof(*counts)) : NULL;
	__u64 reported = 0, lost = 0;
	__u32 key = 0;

	if (!counts || bpf_map_lookup_elem(bpf_map__fd(skel->maps.exec_counts), &key, counts))
		err(2, "cannot read the counts");
	for (int cpu = 0; cpu < cpus; cpu++) {
		reported += counts[cpu].reported;
		lost += counts[cpu].lost;
	}
	warnx("%llu reported, %llu lost", reported, lost);
	free(counts);
}

static void print_new(struct ring_buffer *records)
{
	if (ring_buffer__consume(records) < 0)
		err(2, "cannot read the records");
	if (fflush(stdout))
		err(2, "cannot write to standard output");
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct snoop_exec *skel;
	struct ring_buffer *records;
	sigset_t ends;

	if (argc != 1)
		errx(1, "usage: %s", argv[0]);
	skel = snoop_exec__open();
	if (!skel)
		err(2, "cannot open the programs");
	/* The parts of what this loader leaves out. */
	bpf_map__set_autocreate(skel->maps.perf_records, false);
	bpf_program__set_autoload(skel->progs.report_failed_execve, false);
	bpf_program__set_autoload(skel->progs.report_failed_execveat, false);
	if (snoop_exec__load(skel))
		err(2, "cannot load the program");
	records = ring_buffer__new(bpf_map__fd(skel->maps.ring_records), print_exec, NULL, NULL);
	if (!records)
		err(2, "cannot open the ring buffer");

	/* Blocked, not handled: one that comes before sigtimedwait() waits for it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);

	if (snoop_exec__attach(skel))
		err(2, "cannot attach to sched_process_exec");
	puts("   UID     PID    PPID COMM FILE ARGS");
	do
		print_new(records);
	while (sigtimedwait(&ends, NULL, &pause) < 0);
	snoop_exec__detach(skel);
	print_new(records); /* what was reported before */
	print_counts(skel);
	ring_buffer__free(records);
	snoop_exec__destroy(skel);
	return 0;
}
