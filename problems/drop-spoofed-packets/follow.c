// SPDX-License-Identifier: BSD-2-Clause
/* run: following the addresses of the guarded interfaces. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "follow.h"
#include "sets.h"

#define LOOPBACK 1 /* its index, in each network namespace */

int follow_open(struct mnl_socket **socket, int *fd)
{
	int err = hp_netlink_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
					  RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
				  socket);

	if (!err)
		*fd = mnl_socket_get_fd(*socket);
	return err;
}

/* What messages have told of: interfaces, or more of them than there is room for. */
struct touched {
	__u32 ifindexes[64];
	size_t n;
	bool all;
	bool gone; /* some interface was removed */
};

static bool is_touched(const struct touched *touched, __u32 ifindex)
{
	for (size_t i = 0; i < touched->n; i++)
		if (touched->ifindexes[i] == ifindex)
			return true;
	return touched->all;
}

static void touch(struct touched *touched, __u32 ifindex)
{
	if (is_touched(touched, ifindex))
		return;
	if (touched->n == sizeof(touched->ifindexes) / sizeof(*touched->ifindexes))
		touched->all = true;
	else
		touched->ifindexes[touched->n++] = ifindex;
}

/*
 * A new IPv6 link-local address is first used in the moment in which the kernel tells of it, when
 * it has been found to be nobody else's. But its prefix gets a route a second before.
 */
static void take_route(const struct nlmsghdr *message, struct touched *touched)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	if (route->rtm_type == RTN_LOCAL)
		touch(touched, LOOPBACK);
	if (route->rtm_family != AF_INET6)
		return;
	mnl_attr_for_each(attribute, message,
			  sizeof(*route)) if (mnl_attr_get_type(attribute) == RTA_OIF)
		touch(touched, mnl_attr_get_u32(attribute));
}

static int take_change(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	struct touched *touched = arg;

	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		touch(touched, address->ifa_index);
		touch(touched, LOOPBACK);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(message, touched);
		break;
	case RTM_DELLINK:
		touched->gone = true;
		break;
	}
	return MNL_CB_OK;
}

/* Takes all messages that are there. */
static void take_changes(int fd, struct touched *touched)
{
	char buffer[32768];
	ssize_t length;

	while ((length = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) >= 0 || errno == ENOBUFS)
		if (length < 0) /* there were too many, and some are lost */
			touched->all = touched->gone = true;
		else
			mnl_cb_run(buffer, length, 0, 0, take_change, touched);
}

/*
 * Gives the program the interface's addresses as they are now; what --allow said, to this process
 * or since then to `load`, stays as it is.
 */
static int follow(const struct hp_request *request, const struct follow_options *options)
{
	struct sources present = {}, now = {};
	bool log_only = options->log_only;
	struct maps maps;
	int err;

	err = maps_open(request->dir, &maps);
	if (err)
		return err;
	err = set_read(&maps, request->ifindex, &present);
	if (!err)
		log_only = sources_find(&present, &(struct source){ .bits = FACT_LOG_ONLY });
	if (!err)
		err = sources_want(&now, request->ifindex, &present, log_only);
	else if (err == -EPERM) /* without cap_sys_admin */
		err = sources_want(&now, request->ifindex, options->allowed, log_only);
	if (!err && !sources_equal(&now, &present))
		err = set_write(&maps, request->ifindex, &now);
	maps_close(&maps);
	sources_free(&present);
	sources_free(&now);
	return err == -ENODEV || err == -ENXIO ? 0 : err; /* the interface is just vanishing */
}

int follow_changes(int fd, const struct hp_request *requests, size_t n,
		   const struct follow_options *options)
{
	struct touched touched = {};
	char name[IF_NAMESIZE];
	size_t left = 0;
	int err;

	take_changes(fd, &touched);
	for (size_t i = 0; i < n; i++) {
		if (options->addresses && is_touched(&touched, requests[i].ifindex)) {
			err = follow(&requests[i], options);
			/* A kernel short of memory may have some again in a moment. */
			for (int tries = 0; err && tries < 5; tries++) {
				usleep(50000);
				err = follow(&requests[i], options);
			}
			if (err)
				hp_fail(err, "follow the addresses of %s", requests[i].place);
		}
		if (!touched.gone || if_indextoname(requests[i].ifindex, name))
			left++;
	}
	if (left)
		return HP_EXIT_DONE;
	hp_error("no interface is left to be guarded");
	return HP_EXIT_NOTHING;
}
