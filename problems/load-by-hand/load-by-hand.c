// SPDX-License-Identifier: BSD-2-Clause
/* A loader of BPF object files without libbpf. What it does is in load_elf(): read that first. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "load-by-hand.h"

/* One name in the BPF file system. */
struct pin {
	const char *dir, *name;
	int fd;
};

static int pin_path(const struct pin *pin, char *path)
{
	if (snprintf(path, PATH_MAX, "%s/%s", pin->dir, pin->name) >= PATH_MAX)
		return bad("the path of %s is too long", pin->name);
	for (char *c = path + strlen(pin->dir); *c; c++)
		if (*c == '.') /* which the BPF file system doesn't take */
			*c = '_';
	return DONE;
}

static int pin(const struct pin *pin)
{
	char path[PATH_MAX];

	if (pin_path(pin, path))
		return BAD;
	if (sys_bpf(BPF_OBJ_PIN, &(union bpf_attr){ .pathname = (__u64)path, .bpf_fd = pin->fd }) <
	    0)
		return refused("pin %s", path);
	return DONE;
}

/* All or nothing. */
static int pin_all(const struct pin *pins, size_t count, const char *dir)
{
	char path[PATH_MAX];
	struct statfs fs;
	size_t done = 0;
	int status;

	if (mkdir(dir, 0700)) {
		if (errno != EEXIST)
			return refused("make directory %s", dir);
		bad("%s exists: take another name, or remove it with rm -r", dir);
		return HELD;
	}
	status = statfs(dir, &fs) ? refused("look at %s", dir) : DONE;
	if (!status && fs.f_type != BPF_FS_MAGIC)
		status = bad("%s is not in a BPF file system, such as /sys/fs/bpf", dir);
	while (done < count && !status) {
		status = pin(&pins[done]);
		done += !status;
	}
	if (!status)
		return DONE;
	while (done--)
		if (!pin_path(&pins[done], path))
			unlink(path);
	rmdir(dir);
	return status;
}

/* The number by which `bpftool` knows it; 0 if the kernel does not say. */
static __u32 id_of(int fd)
{
	struct {
		__u32 type, id;
	} info = {}; /* so begins what the kernel tells of a map, and of a program */

	sys_bpf(BPF_OBJ_GET_INFO_BY_FD,
		&(union bpf_attr){
			.info = { .bpf_fd = fd, .info_len = sizeof(info), .info = (__u64)&info } });
	return info.id;
}

/* Lists what is to be pinned; PINS has room for all of OBJECT. */
static size_t list_pins(const struct object *object, const char *dir, const char *shared_dir,
			struct pin *pins)
{
	size_t count = 0;

	for (size_t i = 0; i < object->map_count; i++) {
		const struct map *map = &object->maps[i];

		if (!map->reused)
			pins[count++] =
				(struct pin){ map->shared ? shared_dir : dir, map->name, map->fd };
	}
	for (size_t i = 0; i < object->function_count; i++) {
		const struct function *function = &object->functions[i];

		if (function->type)
			pins[count++] = (struct pin){ dir, function->name, function->fd };
	}
	return count;
}

static void tell(const struct object *object)
{
	for (size_t i = 0; i < object->map_count; i++) {
		const struct map *map = &object->maps[i];
		const struct shape *shape = &map->shape;

		printf("map %s: id %u, type %u, key %u bytes, value %u bytes, entries %u%s\n",
		       map->name, id_of(map->fd), shape->type, shape->key_bytes, shape->value_bytes,
		       shape->max_entries,
		       map->reused   ? ", shared, was there"
		       : map->shared ? ", shared"
				     : "");
	}
	for (size_t i = 0; i < object->function_count; i++) {
		const struct function *function = &object->functions[i];

		if (function->type)
			printf("program %s: id %u, section %s\n", function->name,
			       id_of(function->fd), object->sections[function->section].name);
	}
}

/* DIR is to be made; SHARED_DIR, in which it is, holds what objects share. */
static int load_elf(Elf *elf, const char *dir, const char *shared_dir, bool dry_run)
{
	struct pin pins[MAX_MAPS + MAX_FUNCTIONS];
	struct object object = {};
	int status;

	/* A ?: B is A, unless that is DONE. */
	status = object_read(&object, elf) ?: maps_read(&object) ?: code_read(&object) ?:
		 maps_create(&object, shared_dir) ?: code_relocate(&object) ?: code_load(&object);
	if (!status && !dry_run)
		status = pin_all(pins, list_pins(&object, dir, shared_dir, pins), dir);
	if (!status)
		tell(&object);
	object_close(&object);
	return status;
}

static int load(const char *path, char *dir, bool dry_run)
{
	char shared_dir[PATH_MAX];
	int fd, status;
	Elf *elf;

	if (snprintf(shared_dir, sizeof(shared_dir), "%s", dir) >= (int)sizeof(shared_dir))
		return bad("the path %.20s... is too long", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bad("cannot open %s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	status = elf ? load_elf(elf, dir, dirname(shared_dir), dry_run)
		     : bad("cannot read %s: %s", path, elf_errmsg(-1));
	close(fd);
	return status;
}

static int usage(void)
{
	puts("usage: load-by-hand load [-n] OBJECT DIR\n"
	     "       load-by-hand help | version\n"
	     "\n"
	     "Loads all programs of OBJECT, with its maps, and pins them in DIR, a new directory "
	     "in\n"
	     "the BPF file system. Maps that say that they are pinned go beside DIR, where "
	     "objects\n"
	     "share them. To attach a program is yours:\n"
	     "\n"
	     "  ip link set dev IF xdp pinned DIR/PROGRAM\n"
	     "  tc filter add dev IF ingress bpf da pinned DIR/PROGRAM\n"
	     "\n"
	     "and rm -r DIR lets go of what it has loaded.\n"
	     "\n"
	     "  -n, --dry-run  load through the verifier, pin nothing\n"
	     "\n"
	     "Exit status: 0 done; 1 bad usage, or no object that this loader understands; 2 the\n"
	     "kernel or the system refused; 3 DIR exists, or what is pinned where a shared map "
	     "would\n"
	     "go is another one.");
	return DONE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dry-run", no_argument, NULL, 'n' },
						 { "help", no_argument, NULL, 'h' },
						 { "version", no_argument, NULL, 'V' },
						 {} };
	const char *word = NULL;
	bool dry_run = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "nhV", options, NULL)) >= 0) {
		if (option == '?')
			return bad("unknown option '%s' (see `load-by-hand help`)",
				   argv[optind - 1]);
		dry_run |= option == 'n';
		word = option == 'h' ? "help" : option == 'V' ? "version" : word;
	}
	if (!word && optind < argc)
		word = argv[optind++];

	if (word && !strcmp(word, "help"))
		return usage();
	if (word && !strcmp(word, "version"))
		return printf("load-by-hand %s\n", VERSION) < 0;
	if (!word || strcmp(word, "load"))
		return bad("%s '%s' (see `load-by-hand help`)",
			   word ? "unknown command" : "no command", word ? word : "");
	if (argc - optind != 2)
		return bad("load takes an object file and a directory (see `load-by-hand help`)");
	return load(argv[optind], argv[optind + 1], dry_run);
}
