// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "compare.h"
#include "hookpoint.h"

/* BPF_PROG_TEST_RUN runs a program as if on the loopback interface. */
static const __u32 ifindex = 1;

/* So that the next report is the first of its second. */
static const struct report_limit fresh;

/* What one packet did, or should have done. Without padding: two are compared as bytes. */
struct outcome {
	__u32 action; /* TC_ACT_... */
	__u16 reports;
	__u16 packet_changed;
	struct counts counts; /* by how much they rose */
	struct report report; /* its time is 0 if it was that of the run */
};

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static int keep_report(void *arg, void *data, size_t size)
{
	struct check *check = arg;

	/* One of another size counts as two, which is never right. */
	check->reports += size == sizeof(check->report) ? 1 : 2;
	if (size == sizeof(check->report))
		memcpy(&check->report, data, size);
	return 0;
}

static int write_limit(struct check *check, const struct report_limit *limit)
{
	int err = bpf_map_update_elem(check->report_limits_fd, &ifindex, limit, BPF_ANY);

	return err ? refused("can't write report_limits", err) : 0;
}

static int load_programs(struct check *check)
{
	struct drop_spoofed_packets *skel = drop_spoofed_packets__open_and_load();

	check->skel = skel;
	if (!skel)
		return refused("can't load the programs", -errno);
	check->program_fds[HOOK_ETHERNET] = bpf_program__fd(skel->progs.guard_ethernet);
	check->program_fds[HOOK_IP] = bpf_program__fd(skel->progs.guard_ip);
	check->source_sets_fd = bpf_map__fd(skel->maps.source_sets);
	check->verdict_counts_fd = bpf_map__fd(skel->maps.verdict_counts);
	check->report_limits_fd = bpf_map__fd(skel->maps.report_limits);
	check->ring = ring_buffer__new(bpf_map__fd(skel->maps.reports), keep_report, check, NULL);
	if (!check->ring)
		return refused("can't read the reports", -errno);
	return 0;
}

int open_check(struct check *check)
{
	int err = stay_on_cpu();

	if (err)
		return err;
	check->count_slots = calloc(test.cpus, sizeof(*check->count_slots));
	if (!check->count_slots)
		return refused("no memory for the counters", -ENOMEM);
	err = load_programs(check);
	if (err)
		return err;
	/* The interface's rows, which its loader makes. */
	err = bpf_map_update_elem(check->verdict_counts_fd, &ifindex, check->count_slots,
				  BPF_NOEXIST);
	if (err)
		return refused("can't write verdict_counts", err);
	return write_limit(check, &fresh);
}

void close_check(struct check *check)
{
	ring_buffer__free(check->ring);
	drop_spoofed_packets__destroy(check->skel);
	free(check->count_slots);
}

/* A fact whose value is 0 is left out. */
static int write_facts(int set_fd, const struct source_list *allowed)
{
	__u64 facts[FACTS] = { [FACT_LOG_ONLY] = allowed->log_only };
	struct source key = { 0 };
	size_t i;
	int err = 0;

	for (i = 0; i < allowed->count; i++) {
		const struct source *source = &allowed->sources[i];

		if (source->family == 4 && source->bits < 32)
			facts[FACT_IPV4_LENGTHS] |= 1ull << source->bits;
		if (source->family == 6 && source->bits < 64)
			facts[FACT_IPV6_LENGTHS_LOW] |= 1ull << source->bits;
		else if (source->family == 6 && source->bits < 128)
			facts[FACT_IPV6_LENGTHS_HIGH] |= 1ull << (source->bits - 64);
	}
	for (; !err && key.bits < FACTS; key.bits++)
		if (facts[key.bits] != 0)
			err = bpf_map_update_elem(set_fd, &key, &facts[key.bits], BPF_NOEXIST);
	return err;
}

static int write_set(int set_fd, const struct source_list *allowed)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < allowed->count; i++) {
		__u64 origin = i % 2 ? ORIGIN_ALLOWED : ORIGIN_INTERFACE;

		err = bpf_map_update_elem(set_fd, &allowed->sources[i], &origin, BPF_NOEXIST);
	}
	return err ? err : write_facts(set_fd, allowed);
}

int configure(struct check *check, const struct configuration *configuration)
{
	int err, set_fd;

	check->configuration = configuration;
	if (!configuration->allowed.sources) {
		err = bpf_map_delete_elem(check->source_sets_fd, &ifindex);
		return err && err != -ENOENT ? refused("can't remove the set", err) : 0;
	}
	set_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "set", sizeof(struct source), sizeof(__u64),
				configuration->allowed.count + FACTS, NULL);
	if (set_fd < 0)
		return refused("can't make a set", set_fd);
	err = write_set(set_fd, &configuration->allowed);
	if (!err)
		err = bpf_map_update_elem(check->source_sets_fd, &ifindex, &set_fd, BPF_ANY);
	close(set_fd);
	return err ? refused("can't fill the set", err) : 0;
}

/* Reads all reports there are. */
static int count_reports(struct check *check)
{
	int got;

	check->reports = 0;
	got = ring_buffer__consume(check->ring);
	return got < 0 ? refused("can't read the reports", got) : 0;
}

static int run_hook(struct check *check, enum hook hook, const uint8_t *packet, size_t len,
		    struct outcome *got)
{
	__u64 before = now_ns();
	int err = run_program(check->program_fds[hook], packet, len, &got->action);

	if (err < 0)
		return err;
	got->packet_changed = err;
	err = count_reports(check);
	if (err)
		return err;
	got->reports = check->reports;
	if (check->reports == 0)
		return 0;
	got->report = check->report;
	if (got->report.time_ns >= before && got->report.time_ns <= now_ns())
		got->report.time_ns = 0;
	return 0;
}

/* Also follows the kernel's counters, right or wrong, so that a mismatch is reported once. */
static int read_counts(struct check *check, struct outcome *got)
{
	const struct counts *now = &check->count_slots[test.cpu];
	int err, i;

	err = bpf_map_lookup_elem(check->verdict_counts_fd, &ifindex, check->count_slots);
	if (err)
		return refused("can't read verdict_counts", err);
	for (i = 0; i < VERDICTS; i++) {
		const struct packet_count *before = &check->counts.verdicts[i];

		got->counts.verdicts[i].packets = now->verdicts[i].packets - before->packets;
		got->counts.verdicts[i].bytes = now->verdicts[i].bytes - before->bytes;
	}
	check->counts = *now;
	return 0;
}

static void print_outcome(const char *title, const struct outcome *outcome)
{
	int verdict;

	printf("  %-9s action %d (%d drops)", title, (int)outcome->action, TC_ACT_SHOT);
	for (verdict = 0; verdict < VERDICTS; verdict++)
		if (outcome->counts.verdicts[verdict].packets != 0 ||
		    outcome->counts.verdicts[verdict].bytes != 0)
			printf(", %s +%llu/%llu", test.verdict_names[verdict],
			       (unsigned long long)outcome->counts.verdicts[verdict].packets,
			       (unsigned long long)outcome->counts.verdicts[verdict].bytes);
	printf(", %u reports%s\n", outcome->reports,
	       outcome->packet_changed ? ", packet changed" : "");
	if (outcome->reports == 0)
		return;
	printf("  %-9s ", "report");
	packet_print_hex(stdout, (const uint8_t *)&outcome->report, sizeof(outcome->report));
}

/* What the oracle expects, with a report if there is any to be made. */
static void ask_oracle(struct check *check, enum hook hook, const uint8_t *packet, size_t len,
		       struct outcome *expected)
{
	const struct source_list *allowed = &check->configuration->allowed;
	enum verdict verdict;

	verdict = oracle_judge(allowed, hook == HOOK_ETHERNET, packet, len, &expected->report);
	test.seen[verdict]++;
	expected->counts.verdicts[verdict] = (struct packet_count){ 1, len };
	expected->action = (__u32)TC_ACT_UNSPEC;
	if (verdict != VERDICT_ALLOWED && verdict != VERDICT_NOT_JUDGED && !allowed->log_only)
		expected->action = TC_ACT_SHOT;
	if (expected->report.verdict != 0) {
		expected->reports = 1;
		expected->report.ifindex = ifindex;
	}
}

int judge_packet(struct check *check, enum hook hook, const uint8_t *packet, size_t len)
{
	struct outcome expected = { 0 }, got = { 0 };
	int err = 0;

	ask_oracle(check, hook, packet, len, &expected);
	if (expected.reports != 0)
		err = write_limit(check, &fresh);
	if (!err)
		err = run_hook(check, hook, packet, len, &got);
	if (!err)
		err = read_counts(check, &got);
	if (err)
		return err;
	if (memcmp(&expected, &got, sizeof(got)) == 0)
		return 0;

	printf("MISMATCH: %s, %s %lu, %s, %s\n", test.source, test.change, test.number,
	       check->configuration->name, hook == HOOK_IP ? "guard_ip" : "guard_ethernet");
	print_outcome("expected", &expected);
	print_outcome("got", &got);
	printf("  packet    ");
	packet_print_hex(stdout, packet, len);
	return ++test.mismatches >= MISMATCHES_MAX;
}

static void expect(const char *limit, const char *what, __u64 expected, __u64 got)
{
	if (expected == got)
		return;
	printf("MISMATCH: limit on reports, %s: %llu %s expected, got %llu\n", limit,
	       (unsigned long long)expected, what, (unsigned long long)got);
	test.mismatches++;
}

/* Runs on FORGED so often, starting from *LIMIT; afterwards that is what the row holds. */
static int spend_limit(struct check *check, const struct packet *forged, unsigned int times,
		       struct report_limit *limit)
{
	struct hp_test_run run = { .in = forged->bytes, .in_bytes = forged->len };
	int err = write_limit(check, limit);

	while (!err && times-- > 0)
		err = hp_test_run(check->program_fds[HOOK_ETHERNET], &run);
	if (!err)
		err = bpf_map_lookup_elem(check->report_limits_fd, &ifindex, limit);
	/* Whatever becomes of its report, a forged packet is dropped. */
	expect("reached or not", "as action", TC_ACT_SHOT, run.retval);
	return err ? refused("can't try the limit on reports", err) : 0;
}

/* Without a reader the ring buffer fills up; what finds no room is lost, and counted. */
static int check_full_ring(struct check *check, const struct packet *forged)
{
	__u32 size = bpf_map__max_entries(check->skel->maps.reports);
	__u32 i, all = size / sizeof(struct report) + 10;
	struct report_limit limit = fresh;
	int err = 0;

	for (i = 0; !err && i < all; i++) {
		limit.reported = 0;
		limit.since_ns = 0;
		err = spend_limit(check, forged, 1, &limit);
	}
	if (!err)
		err = count_reports(check);
	expect("full ring buffer", "reports and losses", all, check->reports + limit.lost);
	expect("full ring buffer", "losses (0 no, 1 yes)", 1, limit.lost >= 10);
	expect("full ring buffer", "suppressed", 0, limit.suppressed);
	return err;
}

int check_limits(struct check *check, const struct packet *forged)
{
	static const struct {
		const char *name;
		__u32 age_ms, reported, times, reports;
	} cases[] = {
		{ "in a new second", 1500, REPORTS_PER_SECOND, 150, REPORTS_PER_SECOND },
		{ "in a second with one left", 400, REPORTS_PER_SECOND - 1, 3, 1 },
		{ "in a second with none left", 400, REPORTS_PER_SECOND, 3, 0 },
	};
	struct outcome rise = { 0 };
	__u64 all = 0, counted = 0;
	int i, err = 0;

	for (i = 0; !err && i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
		const __u32 suppressed = cases[i].times - cases[i].reports;
		struct report_limit limit = { .suppressed = 7, .lost = 5 };

		limit.reported = cases[i].reported;
		limit.since_ns = now_ns() - cases[i].age_ms * 1000000ull;
		all += cases[i].times;
		err = spend_limit(check, forged, cases[i].times, &limit);
		if (!err)
			err = count_reports(check);
		expect(cases[i].name, "reports", cases[i].reports, check->reports);
		expect(cases[i].name, "suppressed", 7 + suppressed, limit.suppressed);
		expect(cases[i].name, "lost", 5, limit.lost);
	}
	if (!err)
		err = read_counts(check, &rise);
	for (i = 0; i < VERDICTS; i++)
		counted += rise.counts.verdicts[i].packets;
	expect("reached or not", "packets counted", all, counted);
	if (!err)
		err = check_full_ring(check, forged);
	return err ? err : read_counts(check, &rise);
}
