// SPDX-License-Identifier: BSD-2-Clause
/* The loader of drop-spoofed-packets: gathers what each interface may send, puts the program there.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hookpoint.h"
#include "drop-spoofed-packets.skel.h"
#include "fill.h"
#include "follow.h"
#include "sets.h"
#include "show.h"

static struct {
	struct sources allowed;
	enum hp_direction direction;
	bool log_only;
} options;

static const struct argp_option option_table[] = {
	{ "allow", 'A', "ADDRESS[/BITS]", 0,
	  "A source that is allowed besides the interface's addresses; repeat for more", 0 },
	{ "direction", 'd', "egress|ingress", 0,
	  "egress (the default): guard what the interface sends. ingress: what arrives there, from "
	  "a container at the other end; allowed is then only what --allow says",
	  0 },
	{ "log-only", 'l', NULL, 0, "Count and report what is forged, but let it pass", 0 },
	{}
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct source source;
	error_t err;

	(void)state;
	switch (key) {
	case 'A':
		err = source_parse(arg, &source);
		return err ? err : -sources_add(&options.allowed, &source, ORIGIN_ALLOWED);
	case 'd':
		return hp_tc_parse_direction(arg, &options.direction);
	case 'l':
		options.log_only = true;
		return 0;
	case ARGP_KEY_SUCCESS:
		if (options.direction == HP_INGRESS && !options.allowed.n)
			return hp_usage("at ingress the interface's own addresses are not those of "
					"who sends: which are? --allow");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the interface's set is to be, by its addresses now and the options. */
static int gather(int ifindex, struct sources *set)
{
	return sources_want(set, options.direction == HP_EGRESS ? ifindex : 0, &options.allowed,
			    options.log_only);
}

/* ---- load ------------------------------------------------------------------------------------ */

static struct drop_spoofed_packets *skel;

static int load_program(void)
{
	int err;

	if (skel)
		return HP_EXIT_DONE;
	skel = drop_spoofed_packets__open();
	if (!skel)
		return hp_fail(-errno, "open the program");
	hp_log_verifier(skel->obj);
	err = drop_spoofed_packets__load(skel);
	return err ? hp_fail_load(err, skel->obj) : HP_EXIT_DONE;
}

/* The program for what the interface's packets begin with. */
static int choose_program(const struct hp_request *request, struct bpf_program **program)
{
	struct ifreq interface = {};
	int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(interface.ifr_name, sizeof(interface.ifr_name), "%.15s", request->place);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &interface))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		return hp_fail(err, "ask what kind of interface %s is", request->place);
	switch (interface.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		*program = skel->progs.guard_ethernet;
		return HP_EXIT_DONE;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		*program = skel->progs.guard_ip;
		return HP_EXIT_DONE;
	default:
		hp_error("%s can't be guarded: its packets begin neither with Ethernet nor with IP "
			 "(ARPHRD type %d)",
			 request->place, interface.ifr_hwaddr.sa_family);
		return HP_EXIT_REFUSED;
	}
}

static struct mnl_socket *changes; /* of addresses: only `run` listens */
static struct sources wanted;	   /* the set of the interface that is being loaded */

/* Prints, of the entries from --allow or of the others, so many that it makes 4 at most. */
static void print_some(const struct sources *set, bool allowed, size_t *printed)
{
	source_text text;

	for (size_t i = 0; i < set->n && *printed < 4; i++) {
		const struct entry *entry = &set->entries[i];

		if (!entry->source.family || !!(entry->value & ORIGIN_ALLOWED) != allowed)
			continue;
		source_print(&entry->source, text);
		printf("%s%s", (*printed)++ ? ", " : "", text);
	}
}

/* "veth0: attached at tcx egress, allowing 192.0.2.0/24, 10.0.0.2, fd00::2 and 1 more" */
static void say_allowing(const char *interface, const char *what, const struct sources *set,
			 bool followed)
{
	size_t printed = 0, n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += set->entries[i].source.family != 0;
	printf("%s: %s, allowing ", interface, what);
	print_some(set, true, &printed);
	print_some(set, false, &printed);
	if (n > printed)
		printf(" and %zu more", n - printed);
	printf("%s%s%s\n", n ? "" : "no source at all", options.log_only ? ", only logging" : "",
	       options.direction == HP_EGRESS && !followed ? " (a snapshot: `run` follows changes)"
							   : "");
	if (!n)
		hp_info("%s has no address: all that it sends is forged, but for what a host sends "
			"to get one",
			interface);
}

/* By this process, or by another `run`. */
static bool is_followed(const struct hp_request *request)
{
	return changes || (request->ours && request->ours->runner == HP_RUNNER_ALIVE);
}

/* Before the program runs, it gets the interface's set and counters. */
static int prepare(const struct hp_request *request, const char *dir)
{
	struct maps maps;
	int err;

	err = maps_open(dir, &maps);
	if (err)
		return hp_fail(err, "open the maps in %s", dir);
	err = maps_add_rows(&maps, request->ifindex);
	if (!err)
		err = set_write(&maps, request->ifindex, &wanted);
	maps_close(&maps);
	if (err == -E2BIG) {
		hp_error("no more than %d interfaces can be guarded", INTERFACES_MAX);
		return HP_EXIT_REFUSED;
	}
	return err ? hp_fail(err, "fill the maps for %s", request->place) : HP_EXIT_DONE;
}

/* The program is there already: the set in force is replaced, unless it is the same. */
static int change_set(const struct hp_request *request)
{
	struct sources present = {};
	const char *did = "nothing to do";
	struct maps maps;
	int err;

	err = maps_open(request->dir, &maps);
	if (err)
		return hp_fail(err, "open the maps in %s", request->dir);
	/* A process that may not read it writes it anew. */
	err = set_read(&maps, request->ifindex, &present);
	if (err || !sources_equal(&wanted, &present)) {
		did = request->dry_run ? "would change the sources" : "sources changed";
		err = request->dry_run ? 0 : set_write(&maps, request->ifindex, &wanted);
	}
	maps_close(&maps);
	sources_free(&present);
	if (err)
		return hp_fail(err, "change the set of %s", request->place);
	say_allowing(request->place, did, &wanted, is_followed(request));
	return HP_EXIT_DONE;
}

static int load(const struct hp_request *request)
{
	struct bpf_program *program = NULL;
	const char *did;
	int err, status;

	status = load_program();
	if (!status)
		status = choose_program(request, &program);
	if (status)
		return status;
	sources_free(&wanted);
	err = gather(request->ifindex, &wanted);
	if (err)
		return hp_fail(err, "ask for the addresses of %s", request->place);
	status = hp_tc_load(request, skel->obj, program, options.direction, prepare, &did);
	if (status)
		return status;
	if (!did)
		return change_set(request);
	say_allowing(request->place, did, &wanted, is_followed(request));
	return HP_EXIT_DONE;
}

/* Removes an interface's rows from maps that others still use. */
static void forget(const char *dir, __u32 ifindex)
{
	struct maps maps;

	if (maps_open(dir, &maps))
		return;
	maps_remove_rows(&maps, ifindex);
	maps_close(&maps);
}

/* ---- run ------------------------------------------------------------------------------------- */

static int watch(int *fd)
{
	int err = follow_open(&changes, fd);

	return err ? hp_fail(err, "listen for changes of addresses") : HP_EXIT_DONE;
}

static int changed(int fd, const struct hp_request *requests, size_t n)
{
	const struct follow_options how = {
		.addresses = options.direction == HP_EGRESS,
		.allowed = &options.allowed,
		.log_only = options.log_only,
	};

	return follow_changes(fd, requests, n, &how);
}

/* ---- fill: for a program that tc has attached ------------------------------------------------ */

static int fill(const char *interface, int ifindex)
{
	struct sources set = {};
	int err, n = 0;

	err = gather(ifindex, &set);
	if (!err)
		err = fill_programs(ifindex, options.direction, &set, &n);
	if (!err && n)
		say_allowing(interface, "filled", &set, false);
	sources_free(&set);
	if (err)
		return hp_fail(err, "fill the programs at %s", interface);
	if (n)
		return HP_EXIT_DONE;
	hp_error("no program of this tool's is a filter of %s at %s: attach it first, with `tc "
		 "filter add dev %s %s bpf da obj drop-spoofed-packets.bpf.o sec tc`",
		 interface, hp_direction_name(options.direction), interface,
		 hp_direction_name(options.direction));
	return HP_EXIT_NOTHING;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL, NULL, NULL, NULL, NULL
	};
	static const struct hp_tool tool = {
		.name = "drop-spoofed-packets",
		.summary = "drop packets in somebody else's name, at tc egress",
		.options = &argp,
		.at = HP_AT_TC,
		.load = load,
		.watch = watch,
		.changed = changed,
		.forget = forget,
		.status = show_status,
		.stats = show_stats,
		.events = &event_source,
		.fill = fill,
	};
	int status = hp_main(&tool, argc, argv);

	drop_spoofed_packets__destroy(skel);
	sources_free(&wanted);
	sources_free(&options.allowed);
	if (changes)
		mnl_socket_close(changes);
	return status;
}
