// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that is given as instructions, on every kind of hook: attached it counts, detached it
 * doesn't; what is open of it may be closed in any order, and afterwards nothing is left. Needs
 * root, and makes a network namespace and a cgroup of its own.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "attached.h"
#include "internal.h"

#define LOOPBACK 1

/* ---- what is done so that programs run --------------------------------------------------------
 */

static int udp = -1;		/* sends to itself */
static int tcp[2] = { -1, -1 }; /* the two ends of a connection */
static hp_path cgroup, home;	/* of our own, and where this process was before */

static void send_datagram(void)
{
	char byte;

	assert_int_equal(send(udp, "x", 1, 0), 1);
	assert_int_equal(recv(udp, &byte, 1, 0), 1);
}

static void send_segment(void)
{
	char byte;

	assert_int_equal(send(tcp[0], "x", 1, 0), 1);
	assert_int_equal(recv(tcp[1], &byte, 1, 0), 1);
}

static void open_socket(void)
{
	close(socket(AF_INET, SOCK_DGRAM, 0));
}

/* ---- the hooks --------------------------------------------------------------------------------
 */

static int keep(int link, int *fd)
{
	if (link < 0)
		return link;
	*fd = link;
	return 0;
}

static int attach_socket(int prog, int *fd)
{
	*fd = dup(udp);
	return setsockopt(udp, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) ? -errno : 0;
}

static void detach_socket(__u32 prog_id, int fd)
{
	int none = 0;

	(void)prog_id;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_BPF, &none, sizeof(none)), 0);
	close(fd);
}

static int attach_xdp(int prog, int *fd)
{
	enum hp_mode got;

	return hp_xdp_attach(prog, LOOPBACK, HP_GENERIC, fd, &got);
}

static int attach_tcx(int prog, int *fd)
{
	return keep(hp_tcx_attach(prog, LOOPBACK, HP_INGRESS), fd);
}

static int attach_clsact(int prog, int *fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = LOOPBACK, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = prog, .handle = 1, .priority = 1);
	int err = bpf_tc_hook_create(&hook);

	*fd = -1;
	return err ? err : bpf_tc_attach(&hook, &filter);
}

static void detach_clsact(__u32 prog_id, int fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = LOOPBACK,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	(void)prog_id;
	(void)fd;
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
}

static int attach_tracepoint(int prog, int *fd)
{
	return hp_attach_tracepoint(prog, "sched", "sched_process_fork", fd);
}

static int attach_raw_tracepoint(int prog, int *fd)
{
	return keep(bpf_raw_tracepoint_open("sched_process_fork", prog), fd);
}

static int attach_fentry(int prog, int *fd)
{
	return keep(bpf_raw_tracepoint_open(NULL, prog), fd);
}

static int attach_kprobe(int prog, int *fd)
{
	return hp_attach_kprobe(prog, HP_PROBE_ENTRY, "kernel_clone", 0, fd);
}

static int attach_kretprobe(int prog, int *fd)
{
	return hp_attach_kprobe(prog, HP_PROBE_RETURN, "kernel_clone", 0, fd);
}

static int attach_uprobe(int prog, int *fd)
{
	return hp_attach_uprobe(prog, HP_PROBE_ENTRY, "/proc/self/exe", "touched", 0, -1, fd);
}

static int attach_uretprobe(int prog, int *fd)
{
	return hp_attach_uprobe(prog, HP_PROBE_RETURN, "/proc/self/exe", "touched", 0, getpid(),
				fd);
}

static int attach_cgroup(int prog, int *fd)
{
	return hp_cgroup_attach(cgroup, prog, BPF_CGROUP_INET_SOCK_CREATE, fd);
}

/*
 * Programs are attached to a map, and run for the sockets that come into it afterwards, as long as
 * they are in it: detaching the program alone does not take it off them.
 */
static int sockets = -1;

static int make_sockmap(void)
{
	sockets = bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "sockets", 4, 4, 1, NULL);
	assert_true(sockets >= 0);
	return sockets;
}

static void put_socket(void)
{
	__u32 key = 0;

	assert_int_equal(bpf_map_update_elem(sockets, &key, &tcp[0], BPF_ANY), 0);
}

static void take_socket(void)
{
	__u32 key = 0;

	assert_int_equal(bpf_map_delete_elem(sockets, &key), 0);
	close_one(&sockets);
}

static int attach_sockmap(int prog, int *fd)
{
	int err = bpf_prog_attach(prog, make_sockmap(), BPF_SK_MSG_VERDICT, 0);

	*fd = -1;
	if (!err)
		put_socket();
	return err;
}

/* The kernel wants to be told which program, even if nobody has it open any more. */
static void detach_sockmap(__u32 prog_id, int fd)
{
	int prog = bpf_prog_get_fd_by_id(prog_id);

	(void)fd;
	assert_int_equal(bpf_prog_detach2(prog, sockets, BPF_SK_MSG_VERDICT), 0);
	close(prog);
	take_socket();
}

static int attach_sockmap_link(int prog, int *fd)
{
	int link = bpf_link_create(prog, make_sockmap(), BPF_SK_MSG_VERDICT, NULL);

	if (link < 0)
		close_one(&sockets);
	else
		put_socket();
	return keep(link, fd);
}

static void detach_sockmap_link(__u32 prog_id, int fd)
{
	(void)prog_id;
	close(fd);
	take_socket();
}

static const struct hook hooks[] = {
	{ .title = "socket",
	  .type = "socket_filter",
	  .act = send_datagram,
	  .attach = attach_socket,
	  .detach = detach_socket,
	  .verdict = -1 },
	{ .title = "XDP",
	  .type = "xdp",
	  .act = send_datagram,
	  .attach = attach_xdp,
	  .verdict = XDP_PASS },
	{ .title = "tc, by tcx",
	  .type = "tc",
	  .act = send_datagram,
	  .attach = attach_tcx,
	  .verdict = -1,
	  .lacking = "tcx (Linux 6.6)" },
	{ .title = "tc, by a filter of clsact",
	  .type = "tc",
	  .act = send_datagram,
	  .attach = attach_clsact,
	  .detach = detach_clsact,
	  .verdict = -1 },
	{ .title = "tracepoint",
	  .type = "tracepoint",
	  .act = start_process,
	  .attach = attach_tracepoint },
	{ .title = "raw tracepoint",
	  .type = "raw_tracepoint",
	  .act = start_process,
	  .attach = attach_raw_tracepoint },
	{ .title = "kprobe",
	  .type = "kprobe",
	  .act = start_process,
	  .attach = attach_kprobe,
	  .lacking = "kprobes" },
	{ .title = "kretprobe",
	  .type = "kprobe",
	  .act = start_process,
	  .attach = attach_kretprobe,
	  .lacking = "kprobes" },
	{ .title = "fentry",
	  .type = "tracing",
	  .attach_type = BPF_TRACE_FENTRY,
	  .function = "kernel_clone",
	  .act = start_process,
	  .attach = attach_fentry,
	  .lacking = "fentry" },
	{ .title = "fexit",
	  .type = "tracing",
	  .attach_type = BPF_TRACE_FEXIT,
	  .function = "kernel_clone",
	  .act = start_process,
	  .attach = attach_fentry,
	  .lacking = "fexit" },
	{ .title = "uprobe",
	  .type = "kprobe",
	  .act = touch,
	  .attach = attach_uprobe,
	  .lacking = "uprobes" },
	{ .title = "uretprobe, in one process",
	  .type = "kprobe",
	  .act = touch,
	  .attach = attach_uretprobe,
	  .lacking = "uprobes" },
	{ .title = "cgroup",
	  .type = "cgroup/sock_create",
	  .act = open_socket,
	  .attach = attach_cgroup,
	  .verdict = 1 },
	{ .title = "sockmap",
	  .type = "sk_msg",
	  .act = send_segment,
	  .attach = attach_sockmap,
	  .detach = detach_sockmap,
	  .verdict = SK_PASS },
	{ .title = "sockmap, by a link",
	  .type = "sk_msg",
	  .act = send_segment,
	  .attach = attach_sockmap_link,
	  .detach = detach_sockmap_link,
	  .verdict = SK_PASS,
	  .lacking = "links to sockmaps (Linux 6.10)" },
};

/* A test of one hook. What it skips it says in its title, as TAP wants it: cmocka has no reasons.
 */
struct titled {
	const struct hook *hook;
	char title[128];
};

/* The program and its map stay as long as the program is attached, and no longer. */
static void closes_in_any_order(void **state)
{
	static const char *const orders[] = { "mp|", "pm|", "m|p", "p|m", "|mp", "|pm" };
	struct titled *test = *state;
	size_t length = strlen(test->title);

	for (size_t i = 0; i < COUNT(orders); i++) {
		struct attachment a;
		bool attached = true;

		if (!begin(test->hook, &a)) {
			snprintf(test->title + length, sizeof(test->title) - length,
				 " # skip this kernel has no %s", test->hook->lacking);
			return;
		}

		for (const char *next = orders[i]; *next; next++) {
			if (*next == 'm')
				close_one(&a.map);
			else if (*next == 'p')
				close_one(&a.prog);
			else
				detach(&a);
			attached &= *next != '|';
			if (attached)
				runs(&a);
			else
				runs_no_more(&a);
		}
		finish(&a);
	}
}

/* ---- where this runs --------------------------------------------------------------------------
 */

static int open_sockets(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 5 };
	socklen_t size = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	udp = socket(AF_INET, SOCK_DGRAM, 0);
	tcp[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(udp, (void *)&here, size) || getsockname(udp, (void *)&here, &size) ||
	    connect(udp, (void *)&here, size))
		return -1;
	setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	here.sin_port = 0;
	if (bind(listener, (void *)&here, size) || listen(listener, 1) ||
	    getsockname(listener, (void *)&here, &size) || connect(tcp[0], (void *)&here, size))
		return -1;
	tcp[1] = accept(listener, NULL, NULL);
	setsockopt(tcp[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	close(listener);
	return tcp[1] < 0;
}

/* Below the cgroup that this process is in, which it then moves to. */
static int make_cgroup(void)
{
	char line[256], *path = NULL;
	FILE *file = fopen("/proc/self/cgroup", "r");
	hp_path mount;

	if (!file || !hp_cgroup_mount(mount))
		return -1;
	while (!path && fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::/", 4))
			path = line + 4;
	fclose(file);
	if (!path)
		return -1;
	path[strcspn(path, "\n")] = '\0';
	snprintf(home, sizeof(home), "%.240s/%.240s", mount, path);
	snprintf(cgroup, sizeof(cgroup), "%.400s/hookpoint-%d", home, getpid());
	return mkdir(cgroup, 0755) || hp_cgroup_enter(cgroup, 0);
}

static int set_up(void **state)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(udp, SIOCSIFFLAGS, &loopback))
		return -1;
	close(udp);
	return open_sockets() || make_cgroup();
}

static int tear_down(void **state)
{
	(void)state;
	return hp_cgroup_enter(home, 0) || rmdir(cgroup);
}

int main(void)
{
	static struct titled titled[COUNT(hooks)];
	struct CMUnitTest tests[COUNT(hooks)];

	for (size_t i = 0; i < COUNT(hooks); i++) {
		titled[i].hook = &hooks[i];
		snprintf(titled[i].title, sizeof(titled[i].title),
			 "%s: counts while it is attached", hooks[i].title);
		tests[i] = (struct CMUnitTest){ titled[i].title, closes_in_any_order, NULL, NULL,
						&titled[i] };
	}
	hp_log_libbpf();
	return cmocka_run_group_tests_name("hooks", tests, set_up, tear_down);
}
