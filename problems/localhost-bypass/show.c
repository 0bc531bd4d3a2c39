// SPDX-License-Identifier: BSD-2-Clause
/* status and stats: what the maps say. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "show.h"

int map_settings(const char *dir, struct settings **settings)
{
	int fd, err;

	err = hp_pin_open(dir, ".data.settings", &fd);
	if (err)
		return err;
	err = hp_map_mmap(fd, sizeof(**settings), (void **)settings);
	close(fd);
	return err;
}

/* The connections that are bypassed now. */
static int count_live(const char *dir, __u64 *live)
{
	struct connection key, *before = NULL;
	struct meeting meeting;
	__u64 n = 0;
	int fd, err;

	err = hp_pin_open(dir, "connections", &fd);
	if (err)
		return err;
	while (!bpf_map_get_next_key(fd, before, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &meeting))
			n += meeting.bypassed;
		before = &key;
	}
	close(fd);
	*live = n;
	return 0;
}

/* The programs of the other way are not loaded. */
static bool is_framing(const char *dir)
{
	int fd;

	if (hp_pin_open(dir, "forward_message", &fd))
		return false;
	close(fd);
	return true;
}

int show_status(const struct hp_attachment *attachment, json_t *fields)
{
	struct settings *settings;
	__u64 live;
	int err;

	err = map_settings(attachment->dir, &settings);
	if (err)
		return err;
	json_object_set_new(fields, "ports",
			    settings->some_ports ? hp_ports_json(settings->ports)
						 : json_pack("[s]", "all"));
	munmap(settings, sizeof(*settings));
	json_object_set_new(fields, "framing",
			    json_string(is_framing(attachment->dir) ? "length32" : "none"));
	err = count_live(attachment->dir, &live);
	if (!err)
		json_object_set_new(fields, "live", json_integer(live));
	return err;
}

static int add_traffic(const char *dir, json_t *fields)
{
	static const char *const names[WAYS] = {
		[WAY_REDIRECTED] = "redirected",
		[WAY_PASSED] = "passed",
	};
	json_t *ways = json_object();
	int fd, err;

	json_object_set_new(fields, "sent", ways);
	err = hp_pin_open(dir, "traffic", &fd);
	if (err)
		return err;
	for (__u32 way = 0; way < WAYS && !err; way++) {
		struct traffic sum = {};

		err = hp_map_sum_percpu(fd, &way, (__u64 *)&sum, 2);
		json_object_set_new(
			ways, names[way],
			json_pack("{s:I, s:I}", "messages", sum.messages, "bytes", sum.bytes));
	}
	close(fd);
	return err;
}

int show_stats(const struct hp_attachment *attachment, json_t *fields)
{
	static const struct {
		const char *group, *name;
	} shown[EVENTS] = {
		[EVENT_CONNECTION] = { "connections", "local" },
		[EVENT_CONNECTION_BYPASSED] = { "connections", "bypassed" },
		[EVENT_SOCKET_TAKEN] = { "sockets", "taken" },
		[EVENT_SOCKET_REMOTE] = { "left_alone", "not_local" },
		[EVENT_SOCKET_OTHER_PORT] = { "left_alone", "other_port" },
		[EVENT_SOCKET_ULP] = { "left_alone", "other_protocol" },
		[EVENT_SOCKET_FAST_OPEN] = { "left_alone", "fast_open" },
		[EVENT_SOCKET_ZEROCOPY] = { "left_alone", "zerocopy" },
		[EVENT_SOCKET_LOW_WATER] = { "left_alone", "low_water" },
		[EVENT_SOCKET_FRAMED] = { "sockets", "framed" },
		[EVENT_PACKET_HELD_BACK] = { "packets", "held_back" },
		[EVENT_SOCKET_NO_PEER] = { "left_alone", "no_peer" },
		[EVENT_SOCKET_NO_ROOM] = { "left_alone", "failed_inserts" },
		[EVENT_OPTION_REFUSED] = { "sockets", "options_refused" },
		[EVENT_DIRECTION_BYPASSED] = { "directions", "bypassed" },
		[EVENT_DIRECTION_NO_PEER] = { "directions", "no_peer" },
		[EVENT_DIRECTION_SENT_BEFORE] = { "directions", "sent_before" },
		[EVENT_LEFT_QUEUE_FULL] = { "left_bypass", "queue_full" },
		[EVENT_LEFT_STACK_USED] = { "left_bypass", "stack_used" },
		[EVENT_LEFT_NO_MEMORY] = { "left_bypass", "no_memory" },
		[EVENT_LEFT_PEER_GONE] = { "left_bypass", "peer_gone" },
		[EVENT_LEFT_CLOSING] = { "left_bypass", "unloaded" },
	};
	json_t *group;
	int fd, err;
	__u64 sum;

	err = hp_pin_open(attachment->dir, "events", &fd);
	if (err)
		return err;
	for (__u32 event = 0; event < EVENTS && !err; event++) {
		err = hp_map_sum_percpu(fd, &event, &sum, 1);
		group = json_object_get(fields, shown[event].group);
		if (!group) {
			group = json_object();
			json_object_set_new(fields, shown[event].group, group);
		}
		json_object_set_new(group, shown[event].name, json_integer(sum));
	}
	close(fd);
	return err ? err : add_traffic(attachment->dir, fields);
}
