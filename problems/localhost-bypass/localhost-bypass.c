// SPDX-License-Identifier: BSD-2-Clause
/* The loader of localhost-bypass: chooses the ports, puts the programs on a cgroup. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "show.h"
#include "localhost-bypass.skel.h"

static struct settings wanted;
static bool framing;
static struct localhost_bypass *skel;

enum { FRAMING = 0x200 };

static const struct argp_option option_table[] = {
	{ "port", 'p', "PORT|FIRST-LAST", 0,
	  "Only connections to these ports; repeat for more. Default: to any port", 0 },
	{ "framing", FRAMING, "none|length32", 0,
	  "length32: forward whole messages between a proxy's sockets instead. Default: none", 0 },
	{ NULL, 0, NULL, 0,
	  "A reader that is further behind than TCP would allow (two thirds of the third number of "
	  "net.ipv4.tcp_rmem, or of its SO_RCVBUF) or 16384 messages gets the rest through the "
	  "TCP/IP "
	  "stack, which stops the sender.",
	  1 },
	{}
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	const char *why;

	(void)state;
	switch (key) {
	case 'p':
		wanted.some_ports = 1;
		return hp_ports_add(wanted.ports, arg, &why)
			       ? hp_usage("bad port '%s': %s", arg, why)
			       : 0;
	case FRAMING:
		framing = !strcmp(arg, "length32");
		return framing || !strcmp(arg, "none")
			       ? 0
			       : hp_usage("bad framing '%s': none or length32", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "/sys/fs/cgroup/web: attached, for TCP to port 8080" */
static void say(const struct hp_request *request, const char *what)
{
	char ports[100] = "";

	if (request->exec)
		return;
	if (wanted.some_ports)
		hp_ports_text(wanted.ports, ports, sizeof(ports));
	printf("%s: %s, for TCP to %s%s\n", request->place, what,
	       wanted.some_ports ? "port " : "any port", ports);
}

/* A socket in a map runs the programs that were attached to the map before. */
static int attach_to_map(const struct bpf_program *program, const struct bpf_map *sockets)
{
	enum bpf_attach_type type = bpf_program__expected_attach_type(program);

	return bpf_prog_attach(bpf_program__fd(program), bpf_map__fd(sockets), type, 0);
}

/* No connection is taken any more; those that were leave the bypass with what they send next. */
static void leave(const char *dir, __u32 ifindex)
{
	struct settings *settings;

	(void)ifindex;
	if (map_settings(dir, &settings))
		return;
	settings->closing = 1;
	munmap(settings, sizeof(*settings));
}

/* Before the first connection is told of. */
static int attach_to_maps(const struct hp_request *request, const char *dir)
{
	int err;

	(void)dir;
	if (request->ours) /* nobody will follow the sockets of the version that is replaced */
		leave(request->dir, 0);
	if (!framing) {
		err = attach_to_map(skel->progs.redirect_to_peer, skel->maps.sockets);
	} else {
		err = attach_to_map(skel->progs.find_message, skel->maps.inputs);
		if (!err)
			err = attach_to_map(skel->progs.forward_message, skel->maps.inputs);
	}
	return err ? hp_fail(err, "attach to the sockets of %s", request->place) : HP_EXIT_DONE;
}

/* Gives programs that are attached other ports. Connections that they have taken, they keep. */
static int change_ports(const struct hp_request *request)
{
	struct settings *settings;
	int err = map_settings(request->dir, &settings);

	if (err)
		return hp_fail(err, "open the settings in %s", request->dir);
	if (!memcmp(settings, &wanted, sizeof(wanted))) {
		say(request, "nothing to do");
	} else if (request->dry_run) {
		say(request, "would change the ports");
	} else {
		memcpy(settings, &wanted, sizeof(wanted));
		say(request, "ports changed");
	}
	munmap(settings, sizeof(*settings));
	return HP_EXIT_DONE;
}

static int load(const struct hp_request *request)
{
	const char *did;
	int err, status;

	skel = localhost_bypass__open();
	if (!skel)
		return hp_fail(-errno, "open the programs");
	skel->data_settings->settings = wanted;
	skel->rodata->framing = framing;
	/* Either way, only the programs that are to run. */
	bpf_program__set_autoload(skel->progs.redirect_to_peer, !framing);
	bpf_program__set_autoload(skel->progs.find_message, framing);
	bpf_program__set_autoload(skel->progs.forward_message, framing);
	bpf_program__set_autoload(skel->progs.hold_back, framing);
	bpf_program__set_autoload(skel->progs.release_member, framing);
	hp_log_verifier(skel->obj);
	err = localhost_bypass__load(skel);
	if (err) {
		status = hp_fail_load(err, skel->obj);
		goto out;
	}
	status = hp_cgroup_load(request, skel->obj, skel->progs.follow_connections, attach_to_maps,
				&did);
	if (status)
		goto out;
	if (did)
		say(request, did);
	else
		status = change_ports(request);
out:
	localhost_bypass__destroy(skel);
	return status;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL, NULL, NULL, NULL, NULL
	};
	static const struct hp_tool tool = {
		.name = "localhost-bypass",
		.summary = "let TCP between two local processes skip the TCP/IP stack",
		.options = &argp,
		.at = HP_AT_CGROUP,
		.load = load,
		.forget = leave,
		.status = show_status,
		.stats = show_stats,
	};

	return hp_main(&tool, argc, argv);
}
