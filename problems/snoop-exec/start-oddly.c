// SPDX-License-Identifier: BSD-2-Clause
/*
 * Becomes another program in ways that a shell doesn't:
 *
 *   start-oddly thread FILE ARGUMENT...   from a thread that is not the first
 *   start-oddly fexecve FILE ARGUMENT...  by a descriptor
 *   start-oddly at DIR FILE ARGUMENT...   by a descriptor of DIR, and a path that begins there
 *   start-oddly no-argv FILE              without even an argv[0]
 *   start-oddly null-argv FILE            with NULL for argv
 *   start-oddly bad-file ARGUMENT...      from an address where no path is
 *   start-oddly bad-argv FILE             with arguments from such an address
 *   start-oddly untouched FILE TEXTS      with argv[0] FILE, and argv[1] in a mapping of the file
 *                                         TEXTS that nobody has read yet
 *
 * Prints why it could not, and ends with 127.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void *exec_in_thread(void *argv)
{
	execv(((char **)argv)[0], argv);
	return NULL;
}

static void from_thread(char **argv)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, argv);
	pthread_join(thread, NULL);
}

static void at(const char *dir, char **argv)
{
	syscall(SYS_execveat, open(dir, O_PATH | O_DIRECTORY), argv[0], argv, environ, 0);
}

static void untouched(char *file, const char *texts)
{
	char *argv[] = { file, NULL, NULL };

	argv[1] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open(texts, O_RDONLY), 0);
	execv(file, argv);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	char *nothing[] = { NULL }, **nowhere = (char **)8;

	errno = EINVAL;
	if (!strcmp(how, "thread"))
		from_thread(argv + 2);
	else if (!strcmp(how, "fexecve"))
		fexecve(open(argv[2], O_PATH), argv + 2, environ);
	else if (!strcmp(how, "at"))
		at(argv[2], argv + 3);
	else if (!strcmp(how, "no-argv"))
		execv(argv[2], nothing);
	else if (!strcmp(how, "null-argv"))
		syscall(SYS_execve, argv[2], NULL, environ);
	else if (!strcmp(how, "bad-file"))
		syscall(SYS_execve, nowhere, argv + 2, environ);
	else if (!strcmp(how, "bad-argv"))
		syscall(SYS_execve, argv[2], nowhere, environ);
	else if (!strcmp(how, "untouched"))
		untouched(argv[2], argv[3]);
	perror("start-oddly");
	return 127;
}
