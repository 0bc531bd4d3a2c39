// SPDX-License-Identifier: BSD-2-Clause
/*
 * The loader of count-ttl: makes the maps, has the filter put together, loads it and puts it on a
 * socket, and shows what it counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "insn.h"
#include "count-ttl.h"
#include "filter.h"
#include "show.h"
#include "sockets.h"

static struct {
	const char *interface; /* NULL: any */
	int ifindex;
	__u16 port; /* 0: all packets, not those to a UDP port */
	double seconds;
} options;

static const struct argp_option option_table[] = {
	{ "interface", 'i', "IF", 0, "Only packets that come in here. Default: any interface", 0 },
	{ "udp", 'u', "PORT", 0,
	  "Listen on this UDP port, and count its packets only; what they hold is thrown away", 0 },
	{ "watch", 'w', "SECONDS", 0, "A table every so many seconds, not only at the end", 0 },
	{}
};

static error_t parse_port(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > 65535)
		return hp_usage("bad port '%s': it is a number from 1 to 65535", text);
	options.port = value;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'i':
		options.interface = arg;
		options.ifindex = if_nametoindex(arg);
		return options.ifindex ? 0
				       : hp_usage("no interface '%s' in this network namespace: "
						  "see `ip link`",
						  arg);
	case 'u':
		return parse_port(arg);
	case 'w':
		return hp_parse_seconds(arg, &options.seconds);
	case ARGP_KEY_END:
		return options.interface && options.port
			       ? hp_usage("a UDP socket listens on all interfaces: -i or -u")
			       : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What a `run` consists of. */
struct counting {
	struct hp_map hosts, totals;
	int prog_fd;
	struct sockets sockets;
};

/* hp_fail(), but for the rights: those that the chosen socket takes. */
static int fail(int err, const char *what)
{
	const char *rights = "cap_bpf,cap_net_raw";

	if (err != -EPERM && err != -EACCES)
		return hp_fail(err, "%s", what);
	if (options.port)
		rights = options.port < 1024 ? "cap_bpf,cap_net_bind_service" : "cap_bpf";
	hp_error("cannot %s: %s: it takes %s: run it with sudo, or once: sudo setcap %s+ep %s",
		 what, strerror(-err), rights, rights, program_invocation_name);
	return HP_EXIT_REFUSED;
}

/*
 * Hosts come and go, so theirs is a hash. It is not per CPU: a host has one TTL that was the last
 * one, and an atomic addition is cheap beside the rest of a packet's way to a socket.
 */
static int make_maps(struct counting *c)
{
	int err = hp_map_create("hash", "hosts", sizeof(struct host), sizeof(struct host_count),
				HOSTS_MAX, NULL, &c->hosts);

	if (err)
		return fail(err, "make the map of hosts");
	err = hp_map_create("array", "totals", sizeof(__u32), sizeof(struct totals), 1, NULL,
			    &c->totals);
	return err ? fail(err, "make the map of totals") : HP_EXIT_DONE;
}

static int load_program(struct counting *c, const struct bpf_insn *insns, size_t n)
{
	const struct hp_prog_options how = {
		.name = "count_ttl",
		.licence = "Dual BSD/GPL",
		.log_level = 2, /* what it knows at each instruction, of an accepted program too */
	};
	char *log;
	int err = hp_prog_load("socket", insns, n, &how, &c->prog_fd, &log);

	hp_log_program(log, err);
	if (err && log)
		hp_error("the verifier refuses the filter: its log above ends with the reason");
	else if (err)
		fail(err, "load the filter");
	free(log);
	return err ? HP_EXIT_REFUSED : HP_EXIT_DONE;
}

static int load(struct counting *c)
{
	struct hp_asm *as = hp_asm_new();
	struct bpf_insn *insns = NULL;
	size_t n;
	int status, err;

	write_filter(as, options.port ? UDP_SOCKET : PACKET_SOCKET, c->hosts.fd, c->totals.fd);
	err = hp_asm_finish(as, &insns, &n);
	if (err)
		hp_error("the filter is no program: %s", hp_asm_error(as));
	status = err ? HP_EXIT_REFUSED : load_program(c, insns, n);
	free(insns);
	hp_asm_free(as);
	return status;
}

static int attach(struct counting *c)
{
	int err;

	if (!options.port) {
		err = sockets_open_packet(&c->sockets, c->prog_fd, options.ifindex);
		return err ? fail(err, "put the filter on a packet socket") : HP_EXIT_DONE;
	}
	err = sockets_open_udp(&c->sockets, c->prog_fd, options.port);
	if (err == -EADDRINUSE) {
		hp_error("UDP port %u is another socket's: `ss -ulpn sport = :%u` tells whose",
			 options.port, options.port);
		return HP_EXIT_HELD;
	}
	return err ? fail(err, "put the filter on a UDP socket") : HP_EXIT_DONE;
}

/* So that `status` and `stats` find them. */
static int pin(const struct hp_request *request, const struct counting *c)
{
	int err, status = hp_run_pin(request, HP_SOCKET, NULL);

	if (status)
		return status;
	err = hp_pin_fd(request->dir, "hosts", c->hosts.fd);
	if (!err)
		err = hp_pin_fd(request->dir, "totals", c->totals.fd);
	if (!err)
		err = hp_pin_fd(request->dir, "program", c->prog_fd);
	return err ? hp_fail(err, "pin the filter and its maps in %s", request->dir) : HP_EXIT_DONE;
}

static int show(const struct counting *c, bool json)
{
	json_t *document = json_pack("{s:i, s:s}", "schema", 1, "tool", "count-ttl");
	int err = document ? read_counts(&c->hosts, &c->totals, document) : -ENOMEM;

	if (!err)
		print_counts(document, json);
	json_decref(document);
	return err ? hp_fail(err, "read the counts") : HP_EXIT_DONE;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* An interface that is down may come up again, and the socket is still on it. */
static int wait_for_packets(const struct counting *c)
{
	int err = sockets_wait(&c->sockets, 100);

	if (err == -ENETDOWN) {
		hp_info("%s is down: nothing to count until it is up again", options.interface);
		return HP_EXIT_DONE;
	}
	return err ? hp_fail(err, "count on %s", options.interface) : HP_EXIT_DONE;
}

static int follow(const struct counting *c, bool json)
{
	double next = now() + options.seconds;
	int status = HP_EXIT_DONE;

	while (!status && !hp_stopped() && !ferror(stdout)) {
		status = wait_for_packets(c);
		if (options.seconds > 0 && now() >= next && !hp_stopped()) {
			status = show(c, json);
			fflush(stdout);
			next += options.seconds;
		}
	}
	return status;
}

static void say_counting(const struct hp_request *request, const char *what)
{
	if (request->json)
		return;
	if (options.port)
		printf("%s packets to UDP port %u\n", what, options.port);
	else
		printf("%s IPv4 and IPv6 packets that come in at %s\n", what,
		       options.interface ? options.interface : "any interface");
}

static int count(const struct hp_request *request, struct counting *c)
{
	int status = attach(c), worst, err;

	if (!status)
		status = pin(request, c);
	if (status)
		return status;
	say_counting(request, "counting");
	status = follow(c, request->json);
	err = sockets_detach(&c->sockets);
	if (err)
		status = hp_fail(err, "take the filter off");
	worst = show(c, request->json);
	return worst ? worst : status;
}

static int trace(const struct hp_request *request)
{
	struct counting c = {
		.hosts.fd = -1, .totals.fd = -1, .prog_fd = -1, .sockets = NO_SOCKETS
	};
	int status = make_maps(&c);

	if (!status)
		status = load(&c);
	if (!status && request->dry_run)
		say_counting(request, "would count");
	else if (!status)
		status = count(request, &c);
	sockets_close(&c.sockets);
	if (c.prog_fd >= 0)
		close(c.prog_fd);
	hp_map_close(&c.hosts);
	hp_map_close(&c.totals);
	return status;
}

static int open_map(const char *dir, const char *name, struct hp_map *map)
{
	hp_path path;

	snprintf(path, sizeof(path), "%.480s/%s", dir, name);
	return hp_map_open_pin(path, map);
}

static int stats(const struct hp_attachment *attachment, json_t *fields)
{
	struct hp_map hosts = { .fd = -1 }, totals = { .fd = -1 };
	int err = open_map(attachment->dir, "hosts", &hosts);

	if (!err)
		err = open_map(attachment->dir, "totals", &totals);
	if (!err)
		err = read_counts(&hosts, &totals, fields);
	hp_map_close(&hosts);
	hp_map_close(&totals);
	return err;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL, NULL, NULL, NULL, NULL
	};
	static const struct hp_tool tool = {
		.name = "count-ttl",
		.summary = "how many hops away are the hosts whose packets come in?",
		.options = &argp,
		.at = HP_AT_PROCESS,
		.capabilities = "cap_bpf",
		.trace = trace,
		.stats = stats,
	};

	return hp_main(&tool, argc, argv);
}
