// SPDX-License-Identifier: BSD-2-Clause
/* What `status` and `stats` tell of a run, from its pins. */
#include <unistd.h>
#include <bpf/bpf.h>

#include "show.h"

int read_counts(int map_fd, struct exec_counts *counts)
{
	__u32 key = 0;

	return hp_map_sum_percpu(map_fd, &key, (__u64 *)counts, sizeof(*counts) / sizeof(__u64));
}

int show_settings(const struct hp_attachment *attachment, json_t *fields)
{
	struct snoop_settings settings;
	__u32 key = 0;
	int fd, err = hp_pin_open(attachment->dir, ".rodata.settings", &fd);

	if (err)
		return err;
	err = bpf_map_lookup_elem(fd, &key, &settings);
	close(fd);
	if (err)
		return err;
	json_object_set_new(fields, "buffer", json_string(settings.use_perf ? "perf" : "ring"));
	json_object_set_new(fields, "failed", json_boolean(settings.failed));
	if (settings.by_uid)
		json_object_set_new(fields, "uid", json_integer(settings.uid));
	for (char *c = settings.name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (*settings.name)
		json_object_set_new(fields, "name", json_string(settings.name));
	return 0;
}

int show_counts(const struct hp_attachment *attachment, json_t *fields)
{
	struct exec_counts counts;
	int fd, err = hp_pin_open(attachment->dir, "exec_counts", &fd);

	if (err)
		return err;
	err = read_counts(fd, &counts);
	close(fd);
	if (err)
		return err;
	json_object_set_new(fields, "reported", json_integer(counts.reported));
	json_object_set_new(fields, "lost", json_integer(counts.lost));
	json_object_set_new(fields, "filtered", json_integer(counts.filtered));
	return 0;
}
