// SPDX-License-Identifier: BSD-2-Clause
/* load: everything around a tool's own loading that is the same for every tool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

int hp_interface_index(const char *name)
{
	int ifindex = if_nametoindex(name);

	if (!ifindex)
		hp_error("no interface '%s' in this network namespace: see `ip link`", name);
	return ifindex;
}

int hp_fail_pins(int err)
{
	if (err == -ENODEV && hp_lacks_capabilities())
		err = -EPERM; /* the first thing that a mere user needs */
	if (err != -ENODEV)
		return hp_fail(err, "use the pins in " HP_PIN_ROOT);
	hp_error("no BPF file system at " HP_BPFFS
		 ", where pins live: under `ip netns exec`, which hides "
		 "it, use `nsenter --net=/run/netns/NAME` instead; else `mount -t bpf bpf " HP_BPFFS
		 "`");
	return HP_EXIT_REFUSED;
}

bool hp_say_held(const char *interface, int ifindex)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	struct hp_xdp_state state;
	int fd;

	if (hp_xdp_query(ifindex, &state) || !state.prog_id)
		return false;
	fd = bpf_prog_get_fd_by_id(state.prog_id); /* wants CAP_SYS_ADMIN: without it, no name */
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &size);
		close(fd);
	}
	hp_error("%s carries somebody else's XDP program: %s (id %u, %s), left as it is; `bpftool "
		 "net` "
		 "tells more",
		 interface, *info.name ? info.name : "without a name", state.prog_id,
		 hp_xdp_mode_name(state.mode));
	return true;
}

int hp_say_nothing(const char *interface, int ifindex)
{
	if (!ifindex)
		hp_error("nothing is loaded");
	else if (!hp_say_held(interface, ifindex))
		hp_error("nothing of ours is loaded on %s", interface);
	return HP_EXIT_NOTHING;
}

struct search {
	int ifindex;
	bool dry_run;
	struct hp_attachment *found;
};

/* Keeps the attachment to the interface; removes what is left of attachments to gone ones. */
static int sort_out(const struct hp_attachment *a, void *arg)
{
	struct search *search = arg;

	if (a->condition == HP_STALE || a->condition == HP_PARTIAL) {
		if (search->dry_run)
			return 0;
		hp_info("removing what is left of an attachment to %s",
			*a->interface ? a->interface : "an interface");
		return hp_pin_remove(a->dir);
	}
	if (a->condition == HP_ATTACHED && (int)a->ifindex == search->ifindex)
		*search->found = *a;
	return 0;
}

/* A free name for the pins. It tells people where; the kernel is asked for the truth. */
static void choose_dir(const char *tool, int ifindex, hp_path dir)
{
	struct stat ns = {};
	int n, beside = 1;

	stat("/proc/self/ns/net", &ns);
	n = snprintf(dir, sizeof(hp_path), HP_PIN_ROOT "/%s/%lu-%d", tool, ns.st_ino, ifindex);
	while (!access(dir, F_OK)) /* a namespace long gone had the same number */
		snprintf(dir + n, sizeof(hp_path) - n, "-%d", ++beside);
}

/*
 * Finds out what holds the place, and hands the request to the tool. OURS: room for what is ours.
 */
static int place(const struct hp_tool *tool, struct hp_request *request, bool run,
		 struct hp_attachment *ours)
{
	struct search search = { .ifindex = request->ifindex,
				 .dry_run = request->dry_run,
				 .found = ours };
	int err;

	err = hp_attachment_each(tool->name, sort_out, &search);
	if (err)
		return hp_fail(err, "put the pins in " HP_PIN_ROOT "/%s in order", tool->name);

	if (!ours->ifindex) {
		if (hp_say_held(request->interface, request->ifindex))
			return HP_EXIT_HELD;
		choose_dir(tool->name, request->ifindex, request->dir);
		return tool->load(request);
	}

	request->ours = ours;
	snprintf(request->dir, sizeof(request->dir), "%s", ours->dir);
	if (ours->runner == HP_RUNNER_ALIVE && run) {
		hp_error("another `%s run` guards %s: end it first", tool->name,
			 request->interface);
		return HP_EXIT_REFUSED;
	}
	if (ours->runner == HP_RUNNER_ALIVE)
		hp_info("a `run` guards %s, and will detach when it ends", request->interface);
	else if (run)
		hp_info("%s is loaded already: taking it over", request->interface);
	else if (ours->runner == HP_RUNNER_DEAD && !request->dry_run)
		hp_attachment_release(ours->dir); /* what the killed one left is now load's */
	return tool->load(request);
}

/* What a `run` that has attached must do before anybody else may touch it. */
static int claim(const struct hp_request *request, int *fd)
{
	int err = hp_attachment_claim(request->dir, fd);

	return err ? hp_fail(err, "mark %s as this process's", request->dir) : HP_EXIT_DONE;
}

int hp_place(const struct hp_tool *tool, const struct hp_arguments *a, int *runner, hp_path dir)
{
	struct hp_request request = { .dry_run = a->dry_run, .replace = a->replace };
	struct hp_attachment ours = {};
	int lock, err, status;

	if (!a->interface) {
		hp_usage("which interface? -i IF");
		return HP_EXIT_USAGE;
	}
	request.ifindex = hp_interface_index(a->interface);
	if (!request.ifindex)
		return HP_EXIT_USAGE;
	snprintf(request.interface, sizeof(request.interface), "%s", a->interface);

	err = hp_pin_lock(tool->name, &lock);
	if (err)
		return hp_fail_pins(err);
	status = place(tool, &request, runner, &ours);
	if (!status && runner && !a->dry_run) {
		status = claim(&request, runner);
		if (status && !request.ours)
			hp_attachment_detach(request.dir);
	}
	close(lock);
	snprintf(dir, sizeof(hp_path), "%s", request.dir);
	return status;
}

int hp_load(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	hp_path dir;

	return hp_place(tool, arguments, NULL, dir);
}
