// SPDX-License-Identifier: BSD-2-Clause
/*
 * ./load-by-hand OBJECT DIR: loads all programs of a BPF object file, with its maps, and pins them
 * in DIR, a new directory in the BPF file system. Maps that say that they are pinned go beside DIR.
 *
 * This is the job of the loader in the lesson, done with libbpf: compare the two. libbpf also knows
 * CO-RE, maps in maps and all types of programs; it refuses maps as they were defined before BTF.
 * What the other one does and this one does not: a dry run, version and help; if pinning fails,
 * which comes last, it removes new shared maps too.
 */
#include <err.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* libbpf puts the beginning of the object's name before .rodata, .data and .bss. */
static const char *name_of(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *section = strchr(name, '.');

	return section ? section : name;
}

enum action { PIN, UNPIN };

static int act(enum action action, int fd, const char *dir, const char *name)
{
	char path[PATH_MAX];

	errno = ENAMETOOLONG;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -1;
	for (char *c = path + strlen(dir); *c; c++)
		if (*c == '.') /* which the BPF file system doesn't take */
			*c = '_';
	return action == PIN ? bpf_obj_pin(fd, path) : unlink(path);
}

/* Maps that have a path are shared: libbpf has pinned or found them when it loaded the object. */
static int for_all(enum action action, struct bpf_object *object, const char *dir)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, object)
		if (!err && !bpf_map__pin_path(map))
			err = act(action, bpf_map__fd(map), dir, name_of(map));
	bpf_object__for_each_program(program, object)
		if (!err)
			err = act(action, bpf_program__fd(program), dir,
				  bpf_program__name(program));
	return err;
}

/* The number by which bpftool knows it: so begins what the kernel tells of a map or a program. */
static __u32 id_of(int fd)
{
	struct {
		__u32 type, id;
	} info = {};
	__u32 bytes = sizeof(info);

	bpf_obj_get_info_by_fd(fd, &info, &bytes);
	return info.id;
}

static void tell(struct bpf_object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
		printf("map %s: id %u, type %u, key %u bytes, value %u bytes, entries %u%s\n",
		       name_of(map), id_of(bpf_map__fd(map)), bpf_map__type(map),
		       bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
		       bpf_map__pin_path(map) ? ", shared" : "");
	bpf_object__for_each_program(program, object)
		printf("program %s: id %u, section %s\n", bpf_program__name(program),
		       id_of(bpf_program__fd(program)), bpf_program__section_name(program));
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_object_open_opts, options);
	char parent[PATH_MAX] = "";
	const char *dir = argc == 3 ? argv[2] : "";
	struct bpf_object *object;
	struct statfs fs;

	if (argc != 3)
		errx(1, "usage: ./load-by-hand OBJECT DIR");
	options.pin_root_path = dirname(strncpy(parent, dir, sizeof(parent) - 1));
	object = bpf_object__open_file(argv[1], &options);
	if (!object)
		err(1, "cannot open %s", argv[1]);
	if (statfs(options.pin_root_path, &fs))
		err(2, "cannot look at %s", options.pin_root_path);
	if (fs.f_type != BPF_FS_MAGIC)
		errx(1, "%s is not in a BPF file system, such as /sys/fs/bpf", dir);
	if (mkdir(dir, 0700))
		err(2, "cannot make directory %s", dir);
	if (bpf_object__load(object) || for_all(PIN, object, dir)) {
		warn("cannot load %s and pin it in %s", argv[1], dir);
		for_all(UNPIN, object, dir);
		rmdir(dir);
		return 2;
	}
	tell(object);
	bpf_object__close(object);
	return 0;
}
