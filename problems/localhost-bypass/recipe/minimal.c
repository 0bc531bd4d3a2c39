// SPDX-License-Identifier: BSD-2-Clause
/*
 * localhost-bypass CGROUP: what local TCP connections between processes of the cgroup (version 2, a
 * directory) send skips the TCP/IP stack, until Ctrl-C.
 *
 * This is the loader to copy from: libbpf, and nothing else. Two links hold the programs at the
 * cgroup: however this process ends, they are closed, and no connection is taken any more. Killed
 * by SIGKILL, it can't tell those that were taken to leave the bypass; they stay in it until they
 * end.
 *
 * What Hookpoint's whole tool does besides: takes only certain ports, forwards between a proxy's
 * sockets (framing.bpf.h), stays attached without a process (pins), takes over from an older
 * version, runs a command in a cgroup made for it, counts, tells its state as JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <bpf/bpf.h>

#include "localhost-bypass.h"
#include "localhost-bypass.skel.h"

/* The programs of framing.bpf.h are for proxies. */
static struct localhost_bypass *open_and_load(void)
{
	struct localhost_bypass *skel = localhost_bypass__open();

	if (!skel)
		return NULL;
	bpf_program__set_autoload(skel->progs.find_message, false);
	bpf_program__set_autoload(skel->progs.forward_message, false);
	bpf_program__set_autoload(skel->progs.hold_back, false);
	bpf_program__set_autoload(skel->progs.release_member, false);
	if (!localhost_bypass__load(skel)) /* libbpf tells what the verifier says */
		return skel;
	localhost_bypass__destroy(skel);
	return NULL;
}

/* The program that takes connections comes last: what they need is there by then. */
static int attach(struct localhost_bypass *skel, int cgroup)
{
	int err = bpf_prog_attach(bpf_program__fd(skel->progs.redirect_to_peer),
				  bpf_map__fd(skel->maps.sockets), BPF_SK_MSG_VERDICT, 0);

	if (err)
		return err;
	skel->links.refuse_options = bpf_program__attach_cgroup(skel->progs.refuse_options, cgroup);
	if (!skel->links.refuse_options)
		return -errno;
	skel->links.follow_connections =
		bpf_program__attach_cgroup(skel->progs.follow_connections, cgroup);
	return skel->links.follow_connections ? 0 : -errno;
}

static int refused(const char *what, const char *on, const char *why)
{
	fprintf(stderr, "localhost-bypass: can't %s %s: %s\n", what, on, why);
	return 2;
}

int main(int argc, char **argv)
{
	struct localhost_bypass *skel;
	int err, cgroup, signal;
	struct statfs fs;
	sigset_t ends;

	if (argc != 2) {
		fprintf(stderr, "usage: localhost-bypass CGROUP\n");
		return 1;
	}
	cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0 || fstatfs(cgroup, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC) {
		fprintf(stderr, "localhost-bypass: %s is not the directory of a cgroup (v2)\n",
			argv[1]);
		return 1;
	}
	/* Blocked, not handled: one that comes before sigwait() waits for it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);

	skel = open_and_load();
	if (!skel)
		return refused("load", "the programs", strerror(errno));
	libbpf_set_print(NULL);
	err = attach(skel, cgroup);
	if (err == -EPERM)
		return refused("attach to", argv[1], "not permitted, or a program is alone there");
	if (err)
		return refused("attach to", argv[1], strerror(-err));
	printf("%s: attached; Ctrl-C detaches\n", argv[1]);
	fflush(stdout);
	sigwait(&ends, &signal);

	/* What was taken goes on through the stack; what waits in the map is read from there. */
	bpf_link__destroy(skel->links.follow_connections);
	skel->data_settings->settings.closing = 1;
	return 0; /* which closes the rest */
}
