// SPDX-License-Identifier: BSD-2-Clause
/*
 * Runs COMMAND and prints the time that it took (ns) and its peak memory (KiB). What it prints
 * itself is thrown away, except for its errors; its exit status is handed on.
 *
 * This is a small program of its own because the kernel counts what a process held before its exec
 * as its peak memory too: started from an interpreter, every command would seem as big as that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void become(char **command)
{
	int fd = open("/dev/null", O_WRONLY);

	if (fd >= 0)
		dup2(fd, STDOUT_FILENO);
	execvp(command[0], command);
	fprintf(stderr, "run-cost: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage usage;
	int status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: run-cost COMMAND [ARGUMENT...]\n");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	pid = fork();
	if (pid == 0)
		become(argv + 1);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
		perror("run-cost");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);

	printf("%lld %ld\n",
	       (end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec,
	       usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
