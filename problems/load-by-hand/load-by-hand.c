// SPDX-License-Identifier: BSD-2-Clause
/* A loader of BPF object files without libbpf. What it does is in load(): read that first. */
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

static int pin(const struct pin *pin)
{
	char path[PATH_MAX];

	if (!pin->dir)
		return DONE;
	if (pin_path(pin->dir, pin->name, path))
		return BAD;
	if (sys_bpf(BPF_OBJ_PIN, &(union bpf_attr){ .pathname = (__u64)path, .bpf_fd = pin->fd }))
		return refused("pin %s", path);
	return DONE;
}

/* All or nothing. */
static int pin_all(const struct object *object)
{
	const char *dir = object->dir;
	const struct pin *pins = object->pins;
	char path[PATH_MAX];
	int status = DONE;
	struct statfs fs;
	size_t done = 0;

	if (mkdir(dir, 0700))
		return errno != EEXIST ? refused("make directory %s", dir)
				       : held("%s exists: take another name, or remove it with "
					      "rm -r",
					      dir);
	if (statfs(dir, &fs) || fs.f_type != BPF_FS_MAGIC)
		status = bad("%s is not in a BPF file system, such as /sys/fs/bpf", dir);
	while (!status && done < object->pin_count) {
		status = pin(&pins[done]);
		done += !status;
	}
	if (!status)
		return DONE;
	while (done--)
		if (pins[done].dir && !pin_path(pins[done].dir, pins[done].name, path))
			unlink(path);
	rmdir(dir);
	return status;
}

static void tell(const struct object *object)
{
	struct bpf_map_info info;

	for (size_t i = 0; i < object->pin_count; i++) {
		const struct pin *pin = &object->pins[i];

		get_info(pin->fd, &info);
		if (pin->section)
			printf("program %s: id %u, section %s\n", pin->name, info.id, pin->section);
		else
			printf("map %s: id %u, type %u, key %u bytes, value %u bytes, entries "
			       "%u%s\n",
			       pin->name, info.id, info.type, info.key_size, info.value_size,
			       info.max_entries,
			       !pin->dir			? ", shared, was there"
			       : pin->dir == object->shared_dir ? ", shared"
								: "");
	}
}

/* DIR is to be made; the directory in which it is holds what objects share. */
static int load(const char *path, const char *dir, bool dry_run)
{
	struct object object = { .dir = dir, .shared_dir = dirname(strdupa(dir)) };
	int fd, status;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bad("cannot open %s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	object.elf = elf_begin(fd, ELF_C_READ, NULL);

	/* A ?: B is A, unless that is DONE. */
	status = object_read(&object) ?: maps_create(&object) ?: code_relocate(&object) ?:
		 code_load(&object) ?: (dry_run ? DONE : pin_all(&object));
	if (!status)
		tell(&object);
	object_close(&object);
	close(fd);
	return status;
}

static int usage(void)
{
	puts("usage: load-by-hand load [-n] OBJECT DIR\n"
	     "       load-by-hand help | version\n"
	     "\n"
	     "Loads all programs of OBJECT, with its maps, and pins them in DIR, a new directory\n"
	     "in the BPF file system. Maps that say that they are pinned go beside DIR, where\n"
	     "objects share them. To attach a program is yours:\n"
	     "\n"
	     "  ip link set dev IF xdp pinned DIR/PROGRAM\n"
	     "  tc filter add dev IF ingress bpf da pinned DIR/PROGRAM\n"
	     "\n"
	     "and rm -r DIR lets go of what it has loaded.\n"
	     "\n"
	     "  -n, --dry-run  load through the verifier, pin nothing\n"
	     "\n"
	     "Exit status: 0 done; 1 bad usage, or no object that this loader understands; 2 the\n"
	     "kernel or the system refused; 3 DIR exists, or what is pinned where a shared map\n"
	     "would go is another one.");
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

	if (!word)
		return bad("no command (see `load-by-hand help`)");
	if (!strcmp(word, "help"))
		return usage();
	if (!strcmp(word, "version"))
		return printf("load-by-hand %s\n", VERSION) < 0;
	if (strcmp(word, "load"))
		return bad("unknown command '%s' (see `load-by-hand help`)", word);
	if (argc - optind != 2)
		return bad("load takes an object file and a directory (see `load-by-hand help`)");
	return load(argv[optind], argv[optind + 1], dry_run);
}
