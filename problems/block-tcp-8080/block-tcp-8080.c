// SPDX-License-Identifier: BSD-2-Clause
/* The loader of block-tcp-8080: chooses the ports, puts the program on an interface, reads
 * counters. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "block-tcp-8080.h"
#include "block-tcp-8080.skel.h"

struct options {
	struct port_set ports;
	bool ports_given;
	enum hp_xdp_mode mode;
};

static struct options options = { .ports.words[8080 / 64] = 1ULL << (8080 % 64) };

static const struct argp_option option_table[] = {
	{ "port", 'p', "PORT|FIRST-LAST", 0, "Block these ports; repeat for more. Default: 8080",
	  0 },
	{ "mode", 'm', "native|generic|auto", 0,
	  "In the driver, before the kernel has made a packet of the frame; or after. Default: "
	  "auto, "
	  "native where the driver can",
	  0 },
	{}
};

static error_t parse_mode(const char *arg)
{
	for (enum hp_xdp_mode mode = HP_XDP_AUTO; mode <= HP_XDP_GENERIC; mode++) {
		if (strcmp(arg, hp_xdp_mode_name(mode)))
			continue;
		options.mode = mode;
		return 0;
	}
	return hp_usage("unknown mode '%s': native, generic or auto", arg);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	const char *why;

	(void)state;
	switch (key) {
	case 'p':
		if (!options.ports_given)
			memset(&options.ports, 0, sizeof(options.ports));
		options.ports_given = true;
		return hp_ports_add(options.ports.words, arg, &why)
			       ? hp_usage("bad port '%s': %s", arg, why)
			       : 0;
	case 'm':
		return parse_mode(arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A pinned map's one value, mapped into memory: the port sets that the program reads. */
static int map_port_sets(const char *dir, struct port_sets **sets)
{
	int fd, err;

	err = hp_pin_open(dir, "_data_ports", &fd);
	if (err)
		return err;
	err = hp_map_mmap(fd, sizeof(**sets), (void **)sets);
	close(fd);
	return err;
}

/* "veth0: attached in native mode, blocking TCP port 8080" */
static void say_blocking(const struct hp_request *request, const char *what)
{
	char ports[100];

	hp_ports_text(options.ports.words, ports, sizeof(ports));
	printf("%s: %s TCP port %s\n", request->interface, what, ports);
}

/* Gives a program that is attached other ports: writes the set that it doesn't read, then swaps. */
static int change_ports(const struct hp_request *request)
{
	struct port_sets *sets;
	__u64 next;
	int err;

	err = map_port_sets(request->dir, &sets);
	if (err)
		return hp_fail(err, "open the port sets in %s", request->dir);
	next = !(sets->active & 1);

	if (!memcmp(&sets->sets[!next], &options.ports, sizeof(options.ports))) {
		say_blocking(request, "already blocking");
	} else if (request->dry_run) {
		say_blocking(request, "would now block");
	} else {
		memcpy(&sets->sets[next], &options.ports, sizeof(options.ports));
		__atomic_store_n(&sets->active, next, __ATOMIC_RELEASE);
		say_blocking(request, "now blocking");
	}
	munmap(sets, sizeof(*sets));
	return HP_EXIT_DONE;
}

static int attach(const struct hp_request *request, const struct block_tcp_8080 *skel)
{
	int link_fd, err;
	enum hp_xdp_mode mode;

	if (request->dry_run) {
		say_blocking(request, "would attach, blocking");
		return HP_EXIT_DONE;
	}
	err = hp_xdp_attach(bpf_program__fd(skel->progs.block_ports), request->ifindex,
			    options.mode, &link_fd, &mode);
	if (err)
		return hp_fail(err, "attach to %s in %s mode", request->interface,
			       hp_xdp_mode_name(options.mode));

	err = hp_attachment_pin(request->dir, request->interface, skel->obj,
				skel->progs.block_ports, link_fd);
	close(link_fd); /* without a pin this detaches */
	if (err)
		return hp_fail(err, "pin in %s", request->dir);
	say_blocking(request, mode == HP_XDP_NATIVE ? "attached in native mode, blocking"
						    : "attached in generic mode, blocking");
	return HP_EXIT_DONE;
}

/* This tool's program is attached already: is it this version's? */
static int update(const struct hp_request *request, const struct block_tcp_8080 *skel)
{
	int old_fd, err, same;

	if (options.mode != HP_XDP_AUTO && options.mode != request->ours->mode) {
		hp_error("%s is attached in %s mode, which can't be changed: unload it first",
			 request->interface, hp_xdp_mode_name(request->ours->mode));
		return HP_EXIT_REFUSED;
	}

	err = hp_pin_open(request->dir, "program", &old_fd);
	if (err)
		return hp_fail(err, "open the program in %s", request->dir);
	same = hp_same_program(old_fd, bpf_program__fd(skel->progs.block_ports));
	close(old_fd);
	if (same)
		return change_ports(request);

	if (!request->replace) {
		hp_error("%s runs another version of this program (id %u): add --replace to take "
			 "over",
			 request->interface, request->ours->prog_id);
		return HP_EXIT_HELD;
	}
	if (!request->dry_run)
		err = hp_attachment_replace(request->dir, skel->obj, skel->progs.block_ports);
	if (err)
		return hp_fail(err, "replace the program on %s", request->interface);
	say_blocking(request, request->dry_run ? "would replace the program, blocking"
					       : "program replaced, blocking");
	return HP_EXIT_DONE;
}

static int load(const struct hp_request *request)
{
	struct block_tcp_8080 *skel = block_tcp_8080__open();
	int err, status;

	if (!skel)
		return hp_fail(-errno, "open the program");
	skel->data_ports->ports.sets[0] = options.ports;

	err = block_tcp_8080__load(skel);
	if (err)
		status = hp_fail_load(err, skel->obj);
	else if (request->ours)
		status = update(request, skel);
	else
		status = attach(request, skel);
	block_tcp_8080__destroy(skel);
	return status;
}

static int status(const struct hp_attachment *attachment, json_t *fields)
{
	struct port_sets *sets;
	int err;

	err = map_port_sets(attachment->dir, &sets);
	if (err)
		return err;
	json_object_set_new(fields, "ports", hp_ports_json(sets->sets[sets->active & 1].words));
	munmap(sets, sizeof(*sets));
	return 0;
}

static int add_verdicts(const char *dir, json_t *fields)
{
	static const char *const names[] = {
		[VERDICT_PASSED] = "passed",
		[VERDICT_BLOCKED] = "blocked",
		[VERDICT_MALFORMED] = "malformed",
	};
	json_t *verdicts = json_object();
	struct verdict_count count;
	int fd, err;

	json_object_set_new(fields, "verdicts", verdicts);
	err = hp_pin_open(dir, "verdicts", &fd);
	if (err)
		return err;
	for (__u32 verdict = 0; verdict < VERDICTS && !err; verdict++) {
		err = hp_map_sum_percpu(fd, &verdict, (__u64 *)&count, 2);
		json_object_set_new(
			verdicts, names[verdict],
			json_pack("{s:I, s:I}", "packets", count.packets, "bytes", count.bytes));
	}
	close(fd);
	return err;
}

static int add_hits(const char *dir, json_t *fields)
{
	json_t *ports = json_array();
	struct port_hits row;
	int fd, err;

	json_object_set_new(fields, "ports", ports);
	err = hp_pin_open(dir, "port_hits", &fd);
	if (err)
		return err;
	for (__u32 key = 0; key < PORTS / PORTS_PER_ROW && !err; key++) {
		err = hp_map_sum_percpu(fd, &key, row.hits, PORTS_PER_ROW);
		for (__u32 i = 0; i < PORTS_PER_ROW && !err; i++)
			if (row.hits[i])
				json_array_append_new(ports, json_pack("{s:i, s:I}", "port",
								       key * PORTS_PER_ROW + i,
								       "blocked", row.hits[i]));
	}
	close(fd);
	return err;
}

static int stats(const struct hp_attachment *attachment, json_t *fields)
{
	int err = add_verdicts(attachment->dir, fields);

	return err ? err : add_hits(attachment->dir, fields);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL, NULL, NULL, NULL, NULL
	};
	static const struct hp_tool tool = {
		.name = "block-tcp-8080",
		.summary = "drop TCP segments to blocked ports at the XDP hook",
		.options = &argp,
		.load = load,
		.status = status,
		.stats = stats,
	};

	return hp_main(&tool, argc, argv);
}
