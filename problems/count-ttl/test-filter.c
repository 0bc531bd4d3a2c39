// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole, cut and damaged frames through the filter and the oracle, for both kinds of socket: the
 * same entry in `hosts`, and no other; the same in `totals`; the right number of bytes kept.
 *
 * BPF_PROG_TEST_RUN takes no IP packet without a whole header. Such ones are sent over the loopback
 * interface of a network namespace of the test's own, to the packet sockets of the tool.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "count-ttl.h"
#include "filter.h"
#include "oracle.h"
#include "sockets.h"
#include "verdict-test.h"

#define LOOPBACK 1 /* the number of lo in every network namespace */

enum { COUNTED, UNREADABLE, VERDICTS };

struct verdict_test test = {
	.problem = "count-ttl",
	.make_fixtures = "tests/packets/make-fixtures",
	.packets = "frames",
	.sides = "filter and oracle",
	.verdicts = VERDICTS,
	.verdict_names = (const char *const[VERDICTS]){ "counted", "unreadable" },
	.seed = 64,
	.seen = (unsigned long[VERDICTS]){ 0 },
};

struct check {
	struct hp_map hosts, totals;
	struct totals before;
	int prog_fds[UDP_SOCKET + 1];
	struct sockets sockets;
	int wire; /* what is sent here comes in at lo */
	struct prng prng;
};

static int load(struct check *check, enum socket_kind kind)
{
	struct hp_asm *as = hp_asm_new();
	struct bpf_insn *insns = NULL;
	size_t n;
	int err;

	write_filter(as, kind, check->hosts.fd, check->totals.fd);
	err = hp_asm_finish(as, &insns, &n);
	if (!err)
		err = hp_prog_load("socket", insns, n, NULL, &check->prog_fds[kind], NULL);
	free(insns);
	hp_asm_free(as);
	return err ? refused("can't load the filter", err) : 0;
}

static int open_wire(struct check *check)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = LOOPBACK };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET))
		return -errno;
	check->wire = socket(AF_PACKET, SOCK_RAW, 0);
	if (check->wire < 0 || ioctl(check->wire, SIOCSIFFLAGS, &lo) ||
	    bind(check->wire, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return sockets_open_packet(&check->sockets, check->prog_fds[PACKET_SOCKET], LOOPBACK);
}

static int open_check(struct check *check)
{
	int err = hp_map_create("hash", "hosts", sizeof(struct host), sizeof(struct host_count),
				HOSTS_MAX, NULL, &check->hosts);

	if (!err)
		err = hp_map_create("array", "totals", sizeof(__u32), sizeof(struct totals), 1,
				    NULL, &check->totals);
	if (err)
		return refused("can't make the maps", err);
	err = load(check, PACKET_SOCKET);
	if (!err)
		err = load(check, UDP_SOCKET);
	if (err)
		return err;
	err = open_wire(check);
	return err ? refused("can't open sockets on lo", err) : 0;
}

/* Takes the entry that is expected out of `hosts`. 1: it was there, and no other one. */
static int take_entry(struct check *check, const struct sighting *seen, __u64 packets)
{
	struct host host = { .version = seen->version, .hops = seen->hops }, next;
	struct host_count count;
	int err;

	memcpy(host.address, seen->address, sizeof(host.address));
	err = hp_map_take(&check->hosts, &host, sizeof(host), &count, sizeof(count));
	if (err && err != -ENOENT)
		return refused("can't take the entry", err);
	return !err && count.packets == packets && count.ttl == seen->ttl &&
	       bpf_map_get_next_key(check->hosts.fd, NULL, &next) == -ENOENT;
}

/* 1: as much more as expected; and follows what there is. */
static int compare_totals(struct check *check, bool counted, __u64 packets)
{
	const struct totals before = check->before;
	__u32 key = 0;
	int err;

	err = hp_map_get(&check->totals, &key, sizeof(key), &check->before, sizeof(check->before));
	if (err)
		return refused("can't read the totals", err);
	return check->before.counted - before.counted == (counted ? packets : 0) &&
	       check->before.unreadable - before.unreadable == (counted ? 0 : packets) &&
	       check->before.no_room == before.no_room;
}

static void report(const uint8_t *frame, size_t len, const struct sighting *seen, bool counted,
		   const struct hp_test_run *run)
{
	printf("MISMATCH: %s, %s %lu: to the oracle %s, version %u, ttl %u, %u hops; the filter "
	       "keeps %u bytes\n  ",
	       test.source, test.change, test.number, test.verdict_names[!counted], seen->version,
	       seen->ttl, seen->hops, run->retval);
	packet_print_hex(stdout, frame, len);
	test.mismatches++;
}

/* Sends a packet without a whole header, and waits for at most a second until it is counted. */
static int judge_stub(struct check *check, const uint8_t *frame, size_t len)
{
	const struct totals before = check->before;
	const struct hp_test_run none = {};
	const struct sighting nothing = {};
	int err = 0;

	if (send(check->wire, frame, len, 0) != (ssize_t)len)
		return refused("can't send over lo", -errno);
	for (int i = 0; i < 1000 && !err && check->before.unreadable == before.unreadable; i++) {
		if (i)
			usleep(1000);
		err = compare_totals(check, false, 1);
	}
	if (err < 0)
		return err;
	if (check->before.unreadable != before.unreadable + 1 ||
	    check->before.counted != before.counted)
		report(frame, len, &nothing, false, &none);
	test.seen[UNREADABLE]++;
	return test.mismatches >= MISMATCHES_MAX;
}

static int judge(struct check *check, const uint8_t *frame, size_t len)
{
	enum socket_kind kind = prng_below(&check->prng, UDP_SOCKET + 1);
	const struct __sk_buff context = { .gso_segs = prng_below(&check->prng, 4) };
	struct hp_test_run run = {
		.in = frame,
		.in_bytes = len,
		.ctx_in = &context,
		.ctx_in_bytes = sizeof(context),
		.repeat = 1 + prng_below(&check->prng, 2), /* the second time it is found */
	};
	__u64 packets = (context.gso_segs ? context.gso_segs : 1) * run.repeat;
	struct sighting seen = {};
	bool counted = oracle_see(frame, len, &seen);
	int err, right, entry = 1;

	err = hp_test_run(check->prog_fds[kind], &run);
	if (err == -EINVAL && !counted)
		return judge_stub(check, frame, len);
	if (err)
		return refused("the kernel does not run the filter", err);
	if (counted)
		entry = take_entry(check, &seen, packets);
	right = compare_totals(check, counted, packets);
	if (entry < 0 || right < 0)
		return entry < 0 ? entry : right;
	if (!entry || !right || run.retval != (kind == UDP_SOCKET ? len - PACKET_MIN : 0))
		report(frame, len, &seen, counted, &run);
	test.seen[!counted]++;
	return test.mismatches >= MISMATCHES_MAX;
}

static int judge_mutation(struct check *check, struct prng *prng, const struct packet *fixture)
{
	uint8_t frame[PACKET_MAX];

	return judge(check, frame, packet_mutate(prng, fixture, frame));
}

/* Each value that the byte can have, in both protocols. */
static int judge_every_ttl(struct check *check)
{
	uint8_t ipv4[34] = { [12] = 0x08, 0x00, 0x45, [26] = 192, 0, 2, 1 };
	uint8_t ipv6[54] = { [12] = 0x86, 0xdd, 0x60, [22] = 0x20, 1, 0x0d, 0xb8, [37] = 1 };
	int err = 0;

	test.source = "header";
	test.change = "ttl";
	for (test.number = 0; test.number < 256 && !err; test.number++) {
		ipv4[22] = ipv6[21] = test.number;
		err = judge(check, ipv4, sizeof(ipv4));
		if (!err)
			err = judge(check, ipv6, sizeof(ipv6));
	}
	return err;
}

static int run_all(struct check *check)
{
	int err = judge_every_ttl(check);

	if (!err)
		end_pass("headers, one for each TTL", 0);
	if (!err)
		err = run_truncations(check, judge);
	if (!err)
		end_pass("truncations", 1);
	if (!err)
		err = run_mutations(check, judge_mutation);
	if (!err)
		end_pass("mutations", test.mutations / 200);
	return err;
}

int main(int argc, char **argv)
{
	static struct check check = { .hosts.fd = -1,
				      .totals.fd = -1,
				      .prog_fds = { -1, -1 },
				      .sockets = NO_SOCKETS,
				      .wire = -1 };
	int err;

	begin_test(argc, argv);
	check.prng.state = test.seed;
	err = open_check(&check);
	if (!err)
		err = run_all(&check);
	sockets_close(&check.sockets);
	if (check.wire >= 0)
		close(check.wire);
	hp_map_close(&check.hosts);
	hp_map_close(&check.totals);
	return end_test(err);
}
