// SPDX-License-Identifier: BSD-2-Clause
/* The loader: puts the program on an interface, reads its counters. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "hookpoint.h"
#include "new-problem.h"
#include "new-problem.skel.h"

static int load(const struct hp_request *request)
{
	struct new_problem *skel;
	const char *did;
	int err, status;

	skel = new_problem__open();
	if (!skel)
		return hp_fail(-errno, "open the program");
	hp_log_verifier(skel->obj);
	err = new_problem__load(skel);
	if (err) {
		status = hp_fail_load(err, skel->obj);
		goto out;
	}
	status = hp_xdp_load(request, skel->obj, skel->progs.count_frames, HP_AUTO, &did);
	if (!status)
		printf("%s: %s, counting frames\n", request->place, did ?: "nothing to do");
out:
	new_problem__destroy(skel);
	return status;
}

static int stats(const struct hp_attachment *attachment, json_t *fields)
{
	static const char *const names[] = {
		[FRAME_IPV4] = "ipv4",
		[FRAME_IPV6] = "ipv6",
		[FRAME_OTHER] = "other",
	};
	__u64 count;
	int fd, err;

	err = hp_pin_open(attachment->dir, "frames", &fd);
	if (err)
		return err;
	for (__u32 kind = 0; kind < FRAME_KINDS && !err; kind++) {
		err = hp_map_sum_percpu(fd, &kind, &count, 1);
		if (!err)
			json_object_set_new(fields, names[kind], json_integer(count));
	}
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	static const struct hp_tool tool = {
		.name = "new-problem",
		.summary = "count IPv4, IPv6 and other frames at the XDP hook",
		.load = load,
		.stats = stats,
	};

	return hp_main(&tool, argc, argv);
}
