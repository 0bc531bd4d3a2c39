// SPDX-License-Identifier: BSD-2-Clause
/* load: everything around a tool's own loading that is the same for every tool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

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
		 hp_mode_name(state.mode));
	return true;
}

int hp_say_nothing(const struct hp_tool *tool, const char *name)
{
	if (!name)
		hp_error("nothing is loaded");
	else if (tool->at != HP_AT_XDP || !hp_say_held(name, if_nametoindex(name)))
		hp_error("nothing of ours is loaded on %s", name);
	return HP_EXIT_NOTHING;
}

/* ---- what holds them ------------------------------------------------------------------------- */

struct search {
	const struct hp_tool *tool;
	struct hp_places *places;
	char netns[32];
	hp_path sibling; /* an attachment that was made in this network namespace, or "" */
	bool dry_run;
};

static struct hp_place place_of(const struct hp_request *r)
{
	return (struct hp_place){ .ifindex = r->ifindex, .cgroup = r->cgroup };
}

/* Keeps the attachments to our places; removes what is left of attachments to gone ones. */
static int sort_out(const struct hp_attachment *a, void *arg)
{
	struct search *search = arg;

	if (a->condition == HP_STALE || a->condition == HP_PARTIAL) {
		/* Of another namespace's we may not see all: that is for `clean`. */
		if (search->dry_run || (*a->netns && strcmp(a->netns, search->netns)))
			return 0;
		hp_info("removing what is left of an attachment to %s",
			*a->place ? a->place : "a place");
		return hp_attachment_detach(a->dir, search->tool->forget);
	}
	if (a->condition != HP_ATTACHED)
		return 0;
	/* What came here with a moved interface is shared with those where that was before. */
	if (!strcmp(a->netns, search->netns))
		snprintf(search->sibling, sizeof(search->sibling), "%s", a->dir);
	for (size_t i = 0; i < search->places->n; i++)
		if (hp_is_at(a, place_of(&search->places->requests[i])))
			search->places->ours[i] = *a;
	return 0;
}

/* A free name for the pins. It tells people where; the kernel is asked for the truth. */
static void choose_dir(const char *tool, const struct hp_request *request, hp_path dir)
{
	struct stat ns = {};
	int n, beside = 1;

	stat("/proc/self/ns/net", &ns);
	if (request->cgroup)
		n = snprintf(dir, sizeof(hp_path), HP_PIN_ROOT "/%s/%llu", tool, request->cgroup);
	else
		n = snprintf(dir, sizeof(hp_path), HP_PIN_ROOT "/%s/%lu-%d", tool, ns.st_ino,
			     request->ifindex);
	while (!access(dir, F_OK)) /* a namespace or cgroup long gone had the same number */
		snprintf(dir + n, sizeof(hp_path) - n, "-%d", ++beside);
}

/* Prepares the request. OURS: what was found there, or nothing. */
static int look_at_place(const struct hp_tool *tool, struct hp_request *request,
			 const struct hp_attachment *ours, bool run)
{
	if (ours->condition != HP_ATTACHED || !*ours->dir) {
		if (tool->at == HP_AT_XDP && hp_say_held(request->place, request->ifindex))
			return HP_EXIT_HELD;
		choose_dir(tool->name, request, request->dir);
		return HP_EXIT_DONE;
	}
	request->ours = ours;
	snprintf(request->dir, sizeof(request->dir), "%s", ours->dir);
	if (ours->runner == HP_RUNNER_ALIVE && run) {
		hp_error("another `%s run` guards %s: end it first", tool->name, request->place);
		return HP_EXIT_REFUSED;
	}
	if (ours->runner == HP_RUNNER_ALIVE)
		hp_info("a `run` guards %s, and will detach when it ends", request->place);
	else if (run)
		hp_info("%s is loaded already: taking it over", request->place);
	return HP_EXIT_DONE;
}

/* ---- attaching ------------------------------------------------------------------------------- */

/* What a `run` that has attached must do before anybody else may touch it. */
static int claim(const struct hp_request *request, int *fd)
{
	int err = hp_attachment_claim(request->dir, fd);

	return err ? hp_fail(err, "mark %s as this process's", request->dir) : HP_EXIT_DONE;
}

static int load_one(const struct hp_tool *tool, const struct hp_request *request, int *runner)
{
	int status;

	/* What a killed `run` left is now load's. */
	if (!runner && request->ours && request->ours->runner == HP_RUNNER_DEAD &&
	    !request->dry_run)
		hp_attachment_release(request->dir);
	status = tool->load(request);
	if (status || !runner || request->dry_run)
		return status;
	status = claim(request, runner);
	if (status && !request->ours)
		hp_attachment_detach(request->dir, tool->forget);
	return status;
}

/* Takes back what load_one() did; what was attached before stays, and stays `load`'s. */
static void undo(const struct hp_tool *tool, const struct hp_request *request, int runner)
{
	if (request->ours && runner >= 0)
		hp_attachment_release(request->dir);
	if (!request->ours && !hp_attachment_detach(request->dir, tool->forget))
		hp_info("%s is detached again: all places or none", request->place);
}

/* All of them or, if one fails, none but those that were attached before. */
static int load_all(const struct hp_tool *tool, struct hp_places *places, bool run,
		    const char *sibling)
{
	struct hp_request *requests = places->requests;
	int status = HP_EXIT_DONE;
	size_t i;

	for (i = 0; i < places->n && !status; i++) {
		requests[i].sibling = *sibling ? sibling : NULL;
		requests[i].forget = tool->forget;
		status = load_one(tool, &requests[i], run ? &places->runners[i] : NULL);
		if (!requests[i].dry_run)
			sibling = requests[i].dir;
	}
	if (!status || requests->dry_run)
		return status;
	for (i--; i > 0; i--)
		undo(tool, &requests[i - 1], places->runners[i - 1]);
	return status;
}

/* With the lock of the tool's pins held. */
static int place_all(const struct hp_tool *tool, struct hp_places *places, bool run)
{
	struct search search = { .tool = tool,
				 .places = places,
				 .dry_run = places->requests->dry_run };
	int err, status = HP_EXIT_DONE;

	hp_read_note("/proc/self/ns", "net", search.netns, sizeof(search.netns));
	err = hp_attachment_each(tool->name, sort_out, &search);
	if (err)
		return hp_fail(err, "put the pins in " HP_PIN_ROOT "/%s in order", tool->name);
	for (size_t i = 0; i < places->n && !status; i++)
		status = look_at_place(tool, &places->requests[i], &places->ours[i], run);
	return status ? status : load_all(tool, places, run, search.sibling);
}

int hp_place(const struct hp_tool *tool, const struct hp_arguments *a, bool run,
	     struct hp_places *places)
{
	int lock, err, status;

	status = hp_places_list(tool, a, places);
	if (status)
		return status;
	err = hp_pin_lock(tool->name, &lock);
	if (err)
		return hp_fail_pins(err);
	status = place_all(tool, places, run);
	close(lock);
	return status;
}

int hp_load(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	struct hp_places places = {};
	int status = hp_place(tool, arguments, false, &places);

	hp_places_free(&places);
	return status;
}
