// SPDX-License-Identifier: BSD-2-Clause
/* rtnetlink, as far as libmnl leaves it to its user. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "hookpoint.h"

int hp_netlink_open(unsigned int groups, struct mnl_socket **socket)
{
	struct mnl_socket *opened = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err, on = 1;

	if (!opened)
		return -errno;
	if (mnl_socket_bind(opened, groups, MNL_SOCKET_AUTOPID)) {
		err = -errno;
		mnl_socket_close(opened);
		return err;
	}
	/* Has the kernel look at what a dump is to be limited to (4.20). */
	mnl_socket_setsockopt(opened, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*socket = opened;
	return 0;
}

struct dump {
	hp_each_message each;
	void *arg;
	bool done, interrupted;
	int err; /* the first; what follows is read all the same, so that no answer stays behind */
};

static void take(struct dump *dump, const struct nlmsghdr *message)
{
	int err = 0;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		dump->interrupted = true;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
		/* Both carry an errno first: that of a dump, or of its refusal. */
		dump->done = true;
		err = *(int *)mnl_nlmsg_get_payload(message);
	} else if (!dump->err) {
		err = dump->each(message, dump->arg);
	}
	if (!dump->err)
		dump->err = err;
}

int hp_netlink_dump(struct mnl_socket *socket, struct nlmsghdr *request, hp_each_message each,
		    void *arg)
{
	struct dump dump = { .each = each, .arg = arg };
	char answer[32768]; /* the largest piece in which the kernel answers */
	struct nlmsghdr *message;
	ssize_t received;
	int length;

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (!dump.done) {
		received = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (received < 0)
			return -errno;
		length = received;
		for (message = (void *)answer; mnl_nlmsg_ok(message, length);
		     message = mnl_nlmsg_next(message, &length))
			take(&dump, message);
	}
	return dump.err ? dump.err : dump.interrupted ? -EINTR : 0;
}
