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
	enum hp_mode mode;
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
		return hp_xdp_parse_mode(arg, &options.mode);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A pinned map's one value, mapped into memory: the port sets that the program reads. */
static int map_port_sets(const char *dir, struct port_sets **sets)
{
	int fd, err;

	err = hp_pin_open(dir, ".data.ports", &fd);
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
	printf("%s: %s, blocking TCP port %s\n", request->place, what, ports);
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
		say_blocking(request, "nothing to do");
	} else if (request->dry_run) {
		say_blocking(request, "would change the ports");
	} else {
		memcpy(&sets->sets[next], &options.ports, sizeof(options.ports));
		__atomic_store_n(&sets->active, next, __ATOMIC_RELEASE);
		say_blocking(request, "ports changed");
	}
	munmap(sets, sizeof(*sets));
	return HP_EXIT_DONE;
}

static int load(const struct hp_request *request)
{
	struct block_tcp_8080 *skel = block_tcp_8080__open();
	const char *did;
	int err, status;

	if (!skel)
		return hp_fail(-errno, "open the program");
	skel->data_ports->ports.sets[0] = options.ports;
	hp_log_verifier(skel->obj);
	err = block_tcp_8080__load(skel);
	if (err) {
		status = hp_fail_load(err, skel->obj);
		goto out;
	}
	status = hp_xdp_load(request, skel->obj, skel->progs.block_ports, options.mode, &did);
	if (status)
		goto out;
	if (did)
		say_blocking(request, did);
	else
		status = change_ports(request);
out:
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

static int count_frames(const char *dir, struct packet_count *counts)
{
	int fd, err;

	err = hp_pin_open(dir, "frame_counts", &fd);
	if (err)
		return err;
	for (__u32 verdict = 0; verdict < VERDICT_BLOCKED && !err; verdict++)
		err = hp_map_sum_percpu(fd, &verdict, (__u64 *)&counts[verdict], 2);
	close(fd);
	return err;
}

/* Adds each port that was hit to PORTS, and all of them up in COUNT. */
static int count_blocked(const char *dir, struct packet_count *count, json_t *ports)
{
	struct port_row row;
	int fd, err;

	err = hp_pin_open(dir, "port_rows", &fd);
	if (err)
		return err;
	for (__u32 key = 0; key < PORTS / PORTS_PER_ROW; key++) {
		err = hp_map_sum_percpu(fd, &key, (__u64 *)&row, sizeof(row) / sizeof(__u64));
		if (err)
			break;
		count->bytes += row.bytes;
		for (__u32 i = 0; i < PORTS_PER_ROW; i++) {
			if (!row.segments[i])
				continue;
			count->packets += row.segments[i];
			json_array_append_new(ports, json_pack("{s:i, s:I}", "port",
							       key * PORTS_PER_ROW + i, "blocked",
							       row.segments[i]));
		}
	}
	close(fd);
	return err;
}

static int stats(const struct hp_attachment *attachment, json_t *fields)
{
	static const struct {
		const char *name;
		enum verdict verdict;
	} shown[] = {
		{ "passed", VERDICT_PASSED },
		{ "blocked", VERDICT_BLOCKED },
		{ "malformed", VERDICT_MALFORMED },
		{ "hidden", VERDICT_HIDDEN },
	};
	struct packet_count counts[VERDICTS] = {}, *count;
	json_t *verdicts = json_object(), *ports = json_array();
	int err;

	json_object_set_new(fields, "verdicts", verdicts);
	json_object_set_new(fields, "ports", ports);
	err = count_frames(attachment->dir, counts);
	if (!err)
		err = count_blocked(attachment->dir, &counts[VERDICT_BLOCKED], ports);
	for (int i = 0; i < VERDICTS; i++) {
		count = &counts[shown[i].verdict];
		json_object_set_new(
			verdicts, shown[i].name,
			json_pack("{s:I, s:I}", "packets", count->packets, "bytes", count->bytes));
	}
	return err;
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
