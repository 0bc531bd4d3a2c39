// SPDX-License-Identifier: BSD-2-Clause
/* What people and scripts get to see: status, stats, events. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "sets.h"
#include "show.h"

static const char *const verdict_names[] = {
	[VERDICT_ALLOWED] = "allowed",
	[VERDICT_FORGED_IPV4] = "forged_ipv4",
	[VERDICT_FORGED_IPV6] = "forged_ipv6",
	[VERDICT_FORGED_ARP] = "forged_arp",
	[VERDICT_FORGED_ADVERTISEMENT] = "forged_advertisement",
	[VERDICT_MALFORMED] = "malformed",
	[VERDICT_NOT_JUDGED] = "not_judged",
};

/* ---- status ---------------------------------------------------------------------------------- */

/* The entries of SET that come from ORIGIN, and of those only what OTHER has not; NULL: all. */
static json_t *list(const struct sources *set, enum origin origin, const struct sources *other)
{
	json_t *array = json_array();
	source_text text;

	for (size_t i = 0; i < set->n; i++) {
		const struct entry *entry = &set->entries[i];

		if (!entry->source.family || !(entry->value & origin) ||
		    (other && sources_find(other, &entry->source) & origin))
			continue;
		source_print(&entry->source, text);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

/* Adds what differs between the set in force and the interface's addresses now. */
static int add_differences(const struct hp_attachment *a, const struct sources *set, json_t *fields)
{
	struct sources now = {};
	json_t *missing, *outdated;
	int err;

	err = sources_gather(&now, a->ifindex);
	if (!err)
		err = sources_complete(&now, false);
	if (err)
		goto out;
	missing = list(&now, ORIGIN_INTERFACE, set);
	outdated = list(set, ORIGIN_INTERFACE, &now);
	if (json_array_size(missing) || json_array_size(outdated))
		hp_info("the addresses of %s have changed since: `load` again, or `run`, which "
			"follows them",
			a->place);
	json_object_set_new(fields, "missing", missing);
	json_object_set_new(fields, "outdated", outdated);
out:
	sources_free(&now);
	return err;
}

int show_status(const struct hp_attachment *a, json_t *fields)
{
	static const struct source log_only = { .bits = FACT_LOG_ONLY };
	struct sources set = {};
	struct maps maps;
	int err;

	if (a->condition != HP_ATTACHED)
		return 0;
	err = maps_open(a->dir, &maps);
	if (err)
		return err;
	err = set_read(&maps, a->ifindex, &set);
	maps_close(&maps);
	if (err == -EPERM) {
		hp_info("reading the set of %s takes cap_sys_admin", a->place);
		return 0;
	}
	if (err && err != -ENOENT)
		return err;
	json_object_set_new(fields, "log_only", json_boolean(sources_find(&set, &log_only)));
	json_object_set_new(fields, "addresses", list(&set, ORIGIN_INTERFACE, NULL));
	json_object_set_new(fields, "allowed", list(&set, ORIGIN_ALLOWED, NULL));
	if (a->direction == HP_EGRESS)
		err = add_differences(a, &set, fields);
	sources_free(&set);
	return err;
}

/* ---- stats ----------------------------------------------------------------------------------- */

static int read_limit(const char *dir, __u32 ifindex, struct report_limit *limit)
{
	int fd, err;

	err = hp_pin_open(dir, "report_limits", &fd);
	if (err)
		return err;
	err = bpf_map_lookup_elem(fd, &ifindex, limit);
	close(fd);
	return err;
}

int show_stats(const struct hp_attachment *a, json_t *fields)
{
	struct counts counts = {};
	struct report_limit limit = {};
	json_t *verdicts;
	int fd, err;

	if (a->condition != HP_ATTACHED) /* elsewhere the index may be another's */
		return 0;
	err = hp_pin_open(a->dir, "verdict_counts", &fd);
	if (err)
		return err;
	err = hp_map_sum_percpu(fd, &a->ifindex, (__u64 *)&counts, sizeof(counts) / sizeof(__u64));
	close(fd);
	if (!err)
		err = read_limit(a->dir, a->ifindex, &limit);
	if (err)
		return err;
	json_object_set_new(fields, "unreported", json_integer(limit.suppressed + limit.lost));
	verdicts = json_object();
	json_object_set_new(fields, "verdicts", verdicts);
	for (int i = 0; i < VERDICTS; i++)
		json_object_set_new(verdicts, verdict_names[i],
				    json_pack("{s:I, s:I}", "packets", counts.verdicts[i].packets,
					      "bytes", counts.verdicts[i].bytes));
	return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static __u32 event_ifindex(const void *record)
{
	return ((const struct report *)record)->ifindex;
}

static int events_missed(const struct hp_attachment *a, __u64 *count)
{
	struct report_limit limit;
	int err = read_limit(a->dir, a->ifindex, &limit);

	if (!err)
		*count = limit.suppressed + limit.lost;
	return err;
}

static void print_json(const struct report *r, const char *time, const char *interface)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	json_t *fields;

	fields = json_pack("{s:i, s:s, s:s, s:i, s:s, s:b, s:s, s:s, s:i}", "schema", 1, "time",
			   time, "interface", interface, "ifindex", r->ifindex, "reason",
			   verdict_names[r->verdict], "dropped", r->dropped, "source",
			   address_text(r->family, &r->source, source), "destination",
			   address_text(r->family, &r->destination, destination), "protocol",
			   r->protocol);
	if (r->ports[0] || r->ports[1]) {
		json_object_set_new(fields, "source_port", json_integer(ntohs(r->ports[0])));
		json_object_set_new(fields, "destination_port", json_integer(ntohs(r->ports[1])));
	}
	if (r->verdict == VERDICT_FORGED_ADVERTISEMENT)
		json_object_set_new(fields, "target",
				    json_string(address_text(6, &r->target, target)));
	json_dumpf(fields, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(fields);
}

static void protocol_text(__u8 protocol, char *text, size_t size)
{
	static const struct {
		__u8 number;
		const char *name;
	} known[] = {
		{ IPPROTO_ICMP, "ICMP" },     { IPPROTO_IGMP, "IGMP" }, { IPPROTO_TCP, "TCP" },
		{ IPPROTO_UDP, "UDP" },	      { IPPROTO_GRE, "GRE" },	{ IPPROTO_ESP, "ESP" },
		{ IPPROTO_ICMPV6, "ICMPv6" }, { IPPROTO_SCTP, "SCTP" },
	};

	snprintf(text, size, "protocol %u", protocol);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].number == protocol)
			snprintf(text, size, "%s", known[i].name);
}

/* "10.0.0.7 port 40000 to 10.0.0.1 port 9999, UDP" */
static void print_text(const struct report *r)
{
	char address[INET6_ADDRSTRLEN], protocol[16];
	bool ports = r->ports[0] || r->ports[1];

	printf("%s", address_text(r->family, &r->source, address));
	if (ports)
		printf(" port %u", ntohs(r->ports[0]));
	printf(" to %s", address_text(r->family, &r->destination, address));
	if (ports)
		printf(" port %u", ntohs(r->ports[1]));
	protocol_text(r->protocol, protocol, sizeof(protocol));
	if (r->verdict != VERDICT_FORGED_ARP)
		printf(", %s", protocol);
	if (r->verdict == VERDICT_FORGED_ADVERTISEMENT)
		printf(", for %s", address_text(6, &r->target, address));
}

static void print_event(const void *record, size_t size, bool json)
{
	const struct report *r = record;
	char interface[IF_NAMESIZE];
	hp_time_text time;

	if (size < sizeof(*r) || r->verdict >= VERDICTS)
		return;
	hp_time_of(r->time_ns, time);
	hp_interface_name(r->ifindex, interface);
	if (json) {
		print_json(r, time, interface);
		return;
	}
	printf("%s %s: %s: ", time, interface, verdict_names[r->verdict]);
	print_text(r);
	puts(r->dropped ? "" : " (passed)");
}

const struct hp_event_source event_source = {
	.map = "reports",
	.ifindex = event_ifindex,
	.print = print_event,
	.missed = events_missed,
};
