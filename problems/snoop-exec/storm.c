// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm N [ARGUMENT]...: starts itself N times, one after the other, with ARGUMENTs that must not
 * begin with a digit; started so, it ends at once. Prints how many were started, and the CPU time
 * of one in nanoseconds: its own, from vfork to exit, and what starting it took. Linked statically,
 * since loading a libc would be most of that.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long long cpu_ns(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

/* Whether a process was started, and ended well. */
static bool start(char **argv)
{
	static char *no_environment[] = { NULL };
	pid_t child = vfork();
	int status;

	if (child == 0) {
		execve("/proc/self/exe", argv, no_environment);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int make_calls(long n)
{
	long long before = cpu_ns(RUSAGE_SELF);

	for (long i = 0; i < n; i++)
		syscall(SYS_getppid);
	printf("%ld %.1f\n", n, (double)(cpu_ns(RUSAGE_SELF) - before) / n);
	return 0;
}

int main(int argc, char **argv)
{
	long wanted = argc > 1 && isdigit((unsigned char)*argv[1]) ? atol(argv[1]) : 0, started = 0;

	if (argc == 3 && !strcmp(argv[1], "calls") && atol(argv[2]) > 0)
		return make_calls(atol(argv[2]));
	if (!wanted)
		return 0;
	argv[1] = argv[0];
	for (long i = 0; i < wanted; i++)
		started += start(argv + 1);
	printf("%ld %lld\n", started, (cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN)) / wanted);
	return 0;
}
