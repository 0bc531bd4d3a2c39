// SPDX-License-Identifier: BSD-2-Clause
/* The interfaces and cgroups that a command line names. */
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

bool hp_means_all(const struct hp_arguments *a)
{
	return a->n_names == 1 && !strcmp(a->names[0], "all");
}

int hp_interface_index(const char *name)
{
	int ifindex = if_nametoindex(name);

	if (!ifindex)
		hp_error("no interface '%s' in this network namespace: see `ip link`", name);
	return ifindex;
}

struct hp_place hp_place_of(const struct hp_tool *tool, const char *name)
{
	struct hp_place place = {};
	hp_path real;

	if (tool->at == HP_AT_CGROUP)
		hp_cgroup_find(name, real, &place.cgroup);
	else
		place.ifindex = if_nametoindex(name);
	return place;
}

/* Says why there is no such cgroup. */
static void explain_cgroup(const char *name)
{
	hp_path real, mount;
	__u64 id;
	int err = hp_cgroup_find(name, real, &id);

	if (!hp_cgroup_mount(mount))
		hp_error(
			"'%s' is no cgroup: no cgroup v2 file system is mounted; `mount -t cgroup2 "
			"cgroup2 /sys/fs/cgroup` does that",
			name);
	else if (err == -ENOTDIR)
		hp_error("'%s' is not a directory of cgroup v2, which is mounted at %s", name,
			 mount);
	else
		hp_error("no cgroup '%s': %s; cgroup v2 is mounted at %s", name, strerror(-err),
			 mount);
}

bool hp_find_place(const struct hp_tool *tool, const char *name, struct hp_place *place)
{
	*place = hp_place_of(tool, name);
	if (place->ifindex || place->cgroup)
		return true;
	if (tool->at == HP_AT_CGROUP)
		explain_cgroup(name);
	else
		hp_interface_index(name);
	return false;
}

bool hp_is_at(const struct hp_attachment *a, struct hp_place place)
{
	return a->condition == HP_ATTACHED && (int)a->ifindex == place.ifindex &&
	       a->cgroup == place.cgroup;
}

void hp_places_free(struct hp_places *places)
{
	for (size_t i = 0; i < places->n; i++)
		if (places->runners[i] >= 0)
			close(places->runners[i]);
	free(places->requests);
	free(places->ours);
	free(places->runners);
}

/* Room for N of them. */
static bool make_room(struct hp_places *places, size_t n)
{
	places->requests = calloc(n, sizeof(*places->requests));
	places->ours = calloc(n, sizeof(*places->ours));
	places->runners = calloc(n, sizeof(*places->runners));
	return places->requests && places->ours && places->runners;
}

static bool has_place(const struct hp_places *places, struct hp_place place)
{
	for (size_t i = 0; i < places->n; i++)
		if (places->requests[i].ifindex == place.ifindex &&
		    places->requests[i].cgroup == place.cgroup)
			return true;
	return false;
}

static void add_place(const struct hp_tool *tool, struct hp_places *places,
		      const struct hp_arguments *a, const char *name, struct hp_place place)
{
	struct hp_request *request = &places->requests[places->n];

	request->tool = tool->name;
	snprintf(request->place, sizeof(request->place), "%s", name);
	request->ifindex = place.ifindex;
	request->cgroup = place.cgroup;
	request->exec = a->command;
	request->dry_run = a->dry_run;
	request->replace = a->replace;
	places->runners[places->n++] = -1;
}

static int add_named(const struct hp_tool *tool, struct hp_places *places,
		     const struct hp_arguments *a)
{
	struct hp_place place;
	hp_path path;
	__u64 id;

	if (!make_room(places, a->n_names))
		return hp_fail(-ENOMEM, "list the places");
	for (size_t i = 0; i < a->n_names; i++) {
		if (!hp_find_place(tool, a->names[i], &place))
			return HP_EXIT_USAGE;
		if (has_place(places, place)) {
			hp_usage("%s is named twice", a->names[i]);
			return HP_EXIT_USAGE;
		}
		if (place.cgroup && !hp_cgroup_find(a->names[i], path, &id))
			add_place(tool, places, a, path, place);
		else
			add_place(tool, places, a, a->names[i], place);
	}
	return HP_EXIT_DONE;
}

static bool is_ip(const struct sockaddr *address)
{
	return address && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

/* -i all: every interface of this network namespace that has an address. */
static int add_all(const struct hp_tool *tool, struct hp_places *places,
		   const struct hp_arguments *a)
{
	struct ifaddrs *addresses, *address;
	char name[IF_NAMESIZE];
	struct hp_place place = {};
	size_t most = 0;

	if (getifaddrs(&addresses))
		return hp_fail(-errno, "list the interfaces' addresses");
	for (address = addresses; address; address = address->ifa_next)
		most += is_ip(address->ifa_addr);
	if (!make_room(places, most + 1)) {
		freeifaddrs(addresses);
		return hp_fail(-ENOMEM, "list the interfaces");
	}
	for (address = addresses; address; address = address->ifa_next) {
		if (!is_ip(address->ifa_addr))
			continue;
		/* An address may have a label, "eth0:1": that is not an interface's name. */
		place.ifindex = if_nametoindex(address->ifa_name);
		if (place.ifindex && if_indextoname(place.ifindex, name) &&
		    !has_place(places, place))
			add_place(tool, places, a, name, place);
	}
	freeifaddrs(addresses);
	if (places->n)
		return HP_EXIT_DONE;
	hp_error("no interface of this network namespace has an address: see `ip address`");
	return HP_EXIT_USAGE;
}

int hp_places_list(const struct hp_tool *tool, const struct hp_arguments *a,
		   struct hp_places *places)
{
	bool cgroup = tool->at == HP_AT_CGROUP;

	if (!a->n_names) {
		hp_usage(cgroup ? "which cgroup? -g CGROUP" : "which interface? -i IF");
		return HP_EXIT_USAGE;
	}
	return hp_means_all(a) && !cgroup ? add_all(tool, places, a) : add_named(tool, places, a);
}
