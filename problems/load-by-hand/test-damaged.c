// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads damaged objects: COUNT of them, made of the good ones that are named. Built with
 * AddressSanitizer and UndefinedBehaviorSanitizer, it ends at the first bad access, and at its own
 * end if memory or a descriptor has leaked. Maps and BTF go to the kernel, and every eighth
 * object's programs do: one of some hundred keeps its verifier busy for seconds. But first it looks
 * at all memory that the kernel would read, which the sanitizers can't see.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "load-by-hand.h"
#include "mutate.h"

#define LARGEST_MAP_BYTES (1 << 20)
#define SECONDS_EACH	  60

/* Value sizes of the maps that are open, by descriptor. */
static __u32 value_bytes[1024];
static __u64 seed;

static void readable(__u64 address, size_t size)
{
	void *poisoned = __asan_region_is_poisoned((void *)address, size);

	if (!poisoned)
		return;
	printf("seed %llu: the kernel would read %zu bytes, of which the %tdth is not the "
	       "loader's\n",
	       seed, size, (char *)poisoned - (char *)address);
	fflush(stdout);
	abort();
}

static int made_up(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int create_map(union bpf_attr *attr, bool real)
{
	int fd;

	if (memchr(attr->map_name, '\0', sizeof(attr->map_name)) == NULL)
		abort();
	if ((__u64)attr->max_entries * ((__u64)attr->key_size + attr->value_size) >
	    LARGEST_MAP_BYTES) {
		errno = E2BIG;
		return -1;
	}
	fd = real ? (int)syscall(SYS_bpf, BPF_MAP_CREATE, attr, sizeof(*attr)) : made_up();
	if (fd >= 0 && fd < 1024)
		value_bytes[fd] = attr->value_size;
	return fd;
}

/* A refusal without a log, one with a log that has no room, and one with a log. */
static int refuse_program(const union bpf_attr *attr)
{
	errno = attr->log_size > 0 && attr->log_size < 1 << 24 ? ENOSPC : EINVAL;
	if (attr->log_size > 0)
		strcpy((char *)attr->log_buf, "why\n");
	return -1;
}

int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	bool real = seed % 5 == 0;

	switch (command) {
	case BPF_MAP_CREATE:
		return create_map(attr, real);
	case BPF_OBJ_GET:
		errno = ENOENT;
		return -1;
	case BPF_MAP_UPDATE_ELEM:
		readable(attr->key, sizeof(__u32));
		readable(attr->value, value_bytes[attr->map_fd]);
		break;
	case BPF_PROG_LOAD:
		readable(attr->insns, attr->insn_cnt * sizeof(struct bpf_insn));
		readable(attr->license, strlen((char *)attr->license) + 1);
		readable(attr->func_info, attr->func_info_cnt * attr->func_info_rec_size);
		readable(attr->log_buf, attr->log_size);
		if (seed % 25 || attr->log_size)
			return seed % 7 && !attr->log_size ? made_up() : refuse_program(attr);
		break;
	case BPF_BTF_LOAD:
		readable(attr->btf, attr->btf_size);
		if (!real)
			return made_up();
		break;
	default:
		break;
	}
	return real ? (int)syscall(SYS_bpf, command, attr, sizeof(*attr)) : 0;
}

static void too_long(int signal)
{
	(void)signal;
	dprintf(STDOUT_FILENO, "seed %llu: no end within %d seconds\n", seed, SECONDS_EACH);
	_exit(1);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3; /* . and .. and its own */

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Every other one comes from a file: libelf has a way of its own for each. */
static int load(unsigned char *bytes, size_t size)
{
	struct object object = { .dir = "/sys/fs/bpf/damaged", .shared_dir = "/sys/fs/bpf" };
	int fd = -1, status;

	if (seed & 1) {
		fd = memfd_create("object", MFD_CLOEXEC);
		if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
			abort();
		object.elf = elf_begin(fd, ELF_C_READ, NULL);
	} else {
		object.elf = elf_memory((char *)bytes, size);
	}
	status = object_read(&object) ?: maps_create(&object) ?: code_relocate(&object) ?:
		 code_load(&object);
	object_close(&object);
	if (fd >= 0)
		close(fd);
	return status;
}

/* What is said of a damaged object is one line, whatever names are in there. */
static void check_message(const char *said, int status)
{
	const char *end = strchr(said, '\n');

	if (status != BAD || !*said)
		return;
	for (const char *c = said; c < end; c++)
		if (*c < ' ' || *c > '~')
			end = NULL;
	if (strncmp(said, "load-by-hand: ", 14) || !end || end[1]) {
		printf("seed %llu: this is not one line of text: %s\n", seed, said);
		abort();
	}
}

static int load_damaged(const unsigned char *good, size_t good_bytes)
{
	unsigned char *bytes = malloc(good_bytes), *exact;
	size_t size = good_bytes, said_bytes;
	char *said;
	int status;

	memcpy(bytes, good, good_bytes);
	mutate(bytes, &size, seed);
	exact = malloc(size); /* so that a byte behind its end is nobody's */
	memcpy(exact, bytes, size);
	free(bytes);

	stderr = open_memstream(&said, &said_bytes);
	alarm(SECONDS_EACH);
	status = load(exact, size);
	fclose(stderr);
	check_message(said, status);
	free(said);
	free(exact);
	return status;
}

static unsigned char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	unsigned char *bytes = malloc(1 << 20);

	if (!file || !bytes) {
		printf("cannot read %s\n", path);
		exit(1);
	}
	*size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

int main(int argc, char **argv)
{
	size_t counts[3] = {}, sizes[8];
	unsigned char *good[8];
	long count = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
	int objects = argc - 3, before;

	if (count < 1 || objects > 8) {
		printf("usage: test-damaged SEED COUNT OBJECT...\n");
		return 1;
	}
	seed = strtoull(argv[1], NULL, 10);
	signal(SIGALRM, too_long);
	elf_version(EV_CURRENT);
	for (int i = 0; i < objects; i++)
		good[i] = read_file(argv[3 + i], &sizes[i]);
	before = open_descriptors();
	for (long i = 0; i < count; i++, seed++)
		counts[load_damaged(good[i % objects], sizes[i % objects])]++;
	for (int i = 0; i < objects; i++)
		free(good[i]);
	printf("%ld damaged objects: %zu refused by the loader, %zu by the kernel, %zu loaded\n",
	       count, counts[BAD], counts[REFUSED], counts[DONE]);
	printf("%d descriptors more than before\n", open_descriptors() - before);
	return open_descriptors() != before;
}
