// SPDX-License-Identifier: BSD-2-Clause
/*
 * tc: attaching through tcx, where a link owns its place; and before kernel 6.6 as a filter of the
 * qdisc clsact, where everybody may remove everything. What identifies a filter is kept in a note
 * beside the pins: "egress 49152 1 made", which is direction, priority, handle, and whether clsact
 * was made for it. The note is written first, so that a killed loader leaves no unknown filter.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

/* In front of the others (kernel 6.6). */
#define FLAG_BEFORE (1U << 3)

/* What the kernel gives to the first filter when it is asked to choose. */
#define FIRST_PRIORITY 0xc000

const char *hp_direction_name(enum hp_direction direction)
{
	return direction == HP_INGRESS ? "ingress" : "egress";
}

error_t hp_tc_parse_direction(const char *arg, enum hp_direction *direction)
{
	for (enum hp_direction d = HP_EGRESS; d <= HP_INGRESS; d++) {
		if (strcmp(arg, hp_direction_name(d)))
			continue;
		*direction = d;
		return 0;
	}
	return hp_usage("unknown direction '%s': egress or ingress", arg);
}

static int tcx_type(enum hp_direction direction)
{
	return direction == HP_INGRESS ? HP_BPF_TCX_INGRESS : HP_BPF_TCX_EGRESS;
}

int hp_tcx_attach(int prog_fd, int ifindex, enum hp_direction direction)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = FLAG_BEFORE);

	return bpf_link_create(prog_fd, ifindex, tcx_type(direction), &options);
}

int hp_tcx_find(struct hp_binding *binding)
{
	__u32 ids[64]; /* as many as the kernel allows in one place */
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids,
		    .prog_cnt = sizeof(ids) / sizeof(*ids));
	int err = bpf_prog_query_opts(binding->ifindex, tcx_type(binding->direction), &query);

	if (err == -ENODEV || err == -ENOENT)
		return 0; /* not in this namespace */
	if (err)
		return err;
	for (__u32 i = 0; i < query.prog_cnt; i++)
		if (ids[i] == binding->prog_id)
			binding->here = true;
	return 0;
}

/* ---- the qdisc ------------------------------------------------------------------------------- */

enum qdisc { QDISC_NONE, QDISC_CLSACT, QDISC_OTHER };

struct qdisc_search {
	int ifindex;
	enum qdisc found;
};

static int look_at_qdisc(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct qdisc_search *search = arg;
	const struct nlattr *attribute;

	if (tc->tcm_ifindex != search->ifindex || tc->tcm_parent != TC_H_CLSACT)
		return 0;
	mnl_attr_for_each(attribute, message,
			  sizeof(*tc)) if (mnl_attr_get_type(attribute) == TCA_KIND) search->found =
		strcmp(mnl_attr_get_str(attribute), "clsact") ? QDISC_OTHER : QDISC_CLSACT;
	return 0;
}

int hp_tc_dump(int message_type, int ifindex, __u32 parent, hp_each_message each, void *arg)
{
	char buffer[256];
	struct nlmsghdr *request;
	struct mnl_socket *socket;
	struct tcmsg *tc;
	int err;

	err = hp_netlink_open(0, &socket);
	if (err)
		return err;
	do {
		request = mnl_nlmsg_put_header(buffer);
		request->nlmsg_type = message_type;
		tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
		tc->tcm_ifindex = ifindex;
		tc->tcm_parent = parent;
		err = hp_netlink_dump(socket, request, each, arg);
	} while (err == -EINTR);
	mnl_socket_close(socket);
	return err;
}

/* What is in the place of clsact: itself, nothing, or the qdisc `ingress`, which has no egress. */
static int find_qdisc(int ifindex, enum qdisc *qdisc)
{
	struct qdisc_search search = { .ifindex = ifindex };
	int err = hp_tc_dump(RTM_GETQDISC, ifindex, 0, look_at_qdisc, &search);

	if (!err)
		*qdisc = search.found;
	return err;
}

/* ---- filters --------------------------------------------------------------------------------- */

struct filter {
	enum hp_direction direction;
	__u32 ifindex, priority, handle;
	bool made_qdisc;
};

static enum bpf_tc_attach_point attach_point(enum hp_direction direction)
{
	return direction == HP_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static int keep_lowest(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	__u32 *lowest = arg, priority = TC_H_MAJ(tc->tcm_info) >> 16;

	if (!*lowest || priority < *lowest)
		*lowest = priority;
	return 0;
}

/* The priority of the filter that is asked first, or 0 where there is none. */
static int first_priority(int ifindex, enum hp_direction direction, __u32 *priority)
{
	__u32 minor = direction == HP_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS, lowest = 0;
	int err = hp_tc_dump(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, minor), keep_lowest,
			     &lowest);

	if (!err)
		*priority = lowest;
	return err;
}

static int write_filter(const char *dir, const struct filter *filter)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u %u %s", hp_direction_name(filter->direction),
		 filter->priority, filter->handle, filter->made_qdisc ? "made" : "found");
	return hp_note(dir, HP_FILTER_NOTE, text);
}

/* -ENOENT: there is no filter in DIR. */
static int read_filter(const char *dir, struct filter *filter)
{
	char text[64], direction[16], qdisc[16];

	hp_read_note(dir, HP_FILTER_NOTE, text, sizeof(text));
	if (sscanf(text, "%15s %u %u %15s", direction, &filter->priority, &filter->handle, qdisc) !=
	    4)
		return -ENOENT;
	filter->direction = strcmp(direction, "ingress") ? HP_EGRESS : HP_INGRESS;
	filter->made_qdisc = !strcmp(qdisc, "made");
	hp_read_note(dir, "ifindex", text, sizeof(text));
	return sscanf(text, "%u", &filter->ifindex) == 1 ? 0 : -ENOENT;
}

/* The program that the filter runs; *ID 0: it is gone. In the present network namespace. */
static int program_of(const struct filter *filter, __u32 *id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = filter->ifindex,
		    .attach_point = attach_point(filter->direction));
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);

	int err = bpf_tc_query(&hook, &options);

	/* EINVAL: there is no such qdisc. ENODEV: no such interface. */
	if (err && err != -ENOENT && err != -EINVAL && err != -ENODEV)
		return err;
	*id = err ? 0 : options.prog_id;
	return 0;
}

/* Takes clsact away again, if it was made for this filter and nobody uses it. */
static void remove_qdisc(const struct filter *filter)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = filter->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	__u32 ingress, egress;
	enum qdisc qdisc;

	if (filter->made_qdisc && !find_qdisc(filter->ifindex, &qdisc) && qdisc == QDISC_CLSACT &&
	    !first_priority(filter->ifindex, HP_INGRESS, &ingress) && !ingress &&
	    !first_priority(filter->ifindex, HP_EGRESS, &egress) && !egress)
		bpf_tc_hook_destroy(&hook);
}

int hp_clsact_attach(const char *dir, int prog_fd, int ifindex, enum hp_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = attach_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = prog_fd);
	struct filter filter = { .direction = direction, .ifindex = ifindex, .handle = 1 };
	enum qdisc qdisc;
	__u32 first = 0;
	int err;

	err = find_qdisc(ifindex, &qdisc);
	if (!err && qdisc == QDISC_CLSACT)
		err = first_priority(ifindex, direction, &first);
	if (err)
		return err;
	if (qdisc == QDISC_OTHER)
		return -EEXIST;
	if (first == 1) /* and there is nothing in front of it */
		return -EBUSY;
	filter.priority = first ? first - 1 : FIRST_PRIORITY;
	filter.made_qdisc = qdisc == QDISC_NONE;
	err = write_filter(dir, &filter);
	if (!err && filter.made_qdisc)
		err = bpf_tc_hook_create(&hook);
	if (err)
		return err;

	options.priority = filter.priority;
	options.handle = filter.handle;
	err = bpf_tc_attach(&hook, &options);
	if (err)
		remove_qdisc(&filter);
	return err;
}

/* ---- filters by their directory, in whatever network namespace ------------------------------- */

int hp_tc_read_filter(const char *dir, struct hp_binding *binding)
{
	struct hp_binding found = { .mode = HP_CLSACT };
	char interface[IF_NAMESIZE];
	struct filter filter;
	int err, back;

	err = read_filter(dir, &filter);
	if (err)
		return err;
	found.direction = filter.direction;
	err = hp_enter_netns(dir, &back);
	found.unreachable = err == -ESRCH;
	if (!err) {
		err = program_of(&filter, &found.prog_id);
		found.here = back < 0;
		if (if_indextoname(filter.ifindex, interface))
			found.ifindex = filter.ifindex;
		hp_leave_netns(back);
	}
	if (err && !found.unreachable)
		return err;
	if (found.ifindex && !found.prog_id)
		return -ENOENT;
	*binding = found;
	return 0;
}

int hp_tc_update_filter(const char *dir, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct filter filter;
	__u32 id, present;
	int err;

	err = read_filter(dir, &filter);
	if (!err)
		err = hp_program_id(dir, &id);
	if (!err)
		err = program_of(&filter, &present);
	if (err)
		return err;
	if (present != id)
		return -EBUSY;
	hook.ifindex = filter.ifindex;
	hook.attach_point = attach_point(filter.direction);
	options.priority = filter.priority;
	options.handle = filter.handle;
	return bpf_tc_attach(&hook, &options);
}

int hp_tc_detach_filter(const char *dir)
{
	LIBBPF_OPTS(bpf_tc_hook, hook);
	LIBBPF_OPTS(bpf_tc_opts, options);
	struct filter filter;
	__u32 id = 0, present;
	int err, back;

	err = read_filter(dir, &filter);
	if (!err)
		err = hp_enter_netns(dir, &back);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = hp_program_id(dir, &id);
	if (!err || err == -ENOENT)
		err = program_of(&filter, &present);
	/* By now it may be somebody else's. */
	if (!err && present && present == id) {
		hook.ifindex = filter.ifindex;
		hook.attach_point = attach_point(filter.direction);
		options.priority = filter.priority;
		options.handle = filter.handle;
		err = bpf_tc_detach(&hook, &options);
	}
	if (!err)
		remove_qdisc(&filter);
	hp_leave_netns(back);
	return err;
}
