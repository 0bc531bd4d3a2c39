// SPDX-License-Identifier: BSD-2-Clause
/* The interfaces that a command line names. */
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

bool hp_means_all(const struct hp_arguments *a)
{
	return a->n_interfaces == 1 && !strcmp(a->interfaces[0], "all");
}

int hp_interface_index(const char *name)
{
	int ifindex = if_nametoindex(name);

	if (!ifindex)
		hp_error("no interface '%s' in this network namespace: see `ip link`", name);
	return ifindex;
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

static bool has_place(const struct hp_places *places, int ifindex)
{
	for (size_t i = 0; i < places->n; i++)
		if (places->requests[i].ifindex == ifindex)
			return true;
	return false;
}

static void add_place(struct hp_places *places, const struct hp_arguments *a, const char *name,
		      int ifindex)
{
	struct hp_request *request = &places->requests[places->n];

	snprintf(request->interface, sizeof(request->interface), "%s", name);
	request->ifindex = ifindex;
	request->dry_run = a->dry_run;
	request->replace = a->replace;
	places->runners[places->n++] = -1;
}

static int add_named(struct hp_places *places, const struct hp_arguments *a)
{
	int ifindex;

	if (!make_room(places, a->n_interfaces))
		return hp_fail(-ENOMEM, "list the interfaces");
	for (size_t i = 0; i < a->n_interfaces; i++) {
		ifindex = hp_interface_index(a->interfaces[i]);
		if (!ifindex)
			return HP_EXIT_USAGE;
		if (has_place(places, ifindex)) {
			hp_usage("interface %s is named twice", a->interfaces[i]);
			return HP_EXIT_USAGE;
		}
		add_place(places, a, a->interfaces[i], ifindex);
	}
	return HP_EXIT_DONE;
}

static bool is_ip(const struct sockaddr *address)
{
	return address && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

/* -i all: every interface of this network namespace that has an address. */
static int add_all(struct hp_places *places, const struct hp_arguments *a)
{
	struct ifaddrs *addresses, *address;
	char name[IF_NAMESIZE];
	size_t most = 0;
	int ifindex;

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
		ifindex = if_nametoindex(address->ifa_name);
		if (ifindex && if_indextoname(ifindex, name) && !has_place(places, ifindex))
			add_place(places, a, name, ifindex);
	}
	freeifaddrs(addresses);
	if (places->n)
		return HP_EXIT_DONE;
	hp_error("no interface of this network namespace has an address: see `ip address`");
	return HP_EXIT_USAGE;
}

int hp_places_list(const struct hp_arguments *a, struct hp_places *places)
{
	if (!a->n_interfaces) {
		hp_usage("which interface? -i IF");
		return HP_EXIT_USAGE;
	}
	return hp_means_all(a) ? add_all(places, a) : add_named(places, a);
}
