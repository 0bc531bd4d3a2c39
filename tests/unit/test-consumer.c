// SPDX-License-Identifier: BSD-2-Clause
/* The consumer of ring and perf buffers, with records that a program sends. Needs root. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "hookpoint.h"
#include "insn.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define RECORDS	     10

/* A buffer, and what sends the numbers from 1 on to it, one with each run. */
struct source {
	struct hp_map buffer;
	struct hp_map counter;
	int prog;
};

/* Writes the next number to the stack, at r10 - 8. */
#define NEXT_NUMBER(counter)                                                                   \
	BPF_LD_MAP_VALUE(BPF_REG_2, counter, 0), BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_2, 0), \
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, 1),                                          \
		BPF_STX_MEM(BPF_DW, BPF_REG_2, BPF_REG_3, 0),                                  \
		BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_3, -8)

static void load(struct source *source, const struct bpf_insn *insns, size_t n)
{
	struct hp_prog_options options = { .licence = "GPL" };

	assert_int_equal(hp_prog_load("xdp", insns, n, &options, &source->prog, NULL), 0);
}

static void begin_ring(struct source *source)
{
	assert_int_equal(hp_map_create("array", "numbers", 4, 8, 1, NULL, &source->counter), 0);
	assert_int_equal(hp_map_create("ringbuf", "ring", 0, 0, 1 << 16, NULL, &source->buffer), 0);
	const struct bpf_insn insns[] = {
		NEXT_NUMBER(source->counter.fd),
		BPF_LD_MAP_FD(BPF_REG_1, source->buffer.fd),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -8),
		BPF_MOV64_IMM(BPF_REG_3, 8),
		BPF_MOV64_IMM(BPF_REG_4, 0),
		BPF_EMIT_CALL(BPF_FUNC_ringbuf_output),
		BPF_MOV64_IMM(BPF_REG_0, XDP_PASS),
		BPF_EXIT_INSN(),
	};
	load(source, insns, COUNT(insns));
}

static void begin_perf(struct source *source)
{
	__u32 cpus = libbpf_num_possible_cpus();

	assert_int_equal(hp_map_create("array", "numbers", 4, 8, 1, NULL, &source->counter), 0);
	assert_int_equal(
		hp_map_create("perf_event_array", "perf", 4, 4, cpus, NULL, &source->buffer), 0);
	const struct bpf_insn insns[] = {
		NEXT_NUMBER(source->counter.fd),
		BPF_LD_MAP_FD(BPF_REG_2, source->buffer.fd),
		BPF_LD_IMM64(BPF_REG_3, BPF_F_CURRENT_CPU),
		BPF_MOV64_REG(BPF_REG_4, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, -8),
		BPF_MOV64_IMM(BPF_REG_5, 8),
		BPF_EMIT_CALL(BPF_FUNC_perf_event_output),
		BPF_MOV64_IMM(BPF_REG_0, XDP_PASS),
		BPF_EXIT_INSN(),
	};
	load(source, insns, COUNT(insns));
}

static void emit(const struct source *source, __u32 records)
{
	char packet[64] = "";
	struct hp_test_run run = { .in = packet, .in_bytes = sizeof(packet), .repeat = records };

	assert_int_equal(hp_test_run(source->prog, &run), 0);
}

static void end(struct source *source)
{
	close(source->prog);
	hp_map_close(&source->buffer);
	hp_map_close(&source->counter);
}

/* What came. */
struct seen {
	__u64 last;
	__u64 refuse; /* this number */
};

static int see(const void *record, size_t size, void *arg)
{
	struct seen *seen = arg;

	assert_true(size >= sizeof(__u64)); /* of a perf buffer, up to 7 bytes more */
	assert_int_equal(*(const __u64 *)record, seen->last + 1);
	seen->last++;
	return seen->last == seen->refuse ? -ECANCELED : 0;
}

typedef void (*begin_source)(struct source *source);

static void what_follows_a_refused_record_is_not_lost(void **state)
{
	begin_source begin = (begin_source)*state;
	struct hp_consumer *consumer;
	struct seen seen = { .refuse = 3 };
	struct source source;

	begin(&source);
	assert_int_equal(hp_consumer_open(source.buffer.fd, see, &seen, &consumer), 0);
	emit(&source, RECORDS);
	assert_int_equal(hp_consumer_poll(consumer, 1000), -ECANCELED);
	assert_int_equal(seen.last, 3);
	assert_int_equal(hp_consumer_poll(consumer, 1000), 0);
	assert_int_equal(seen.last, RECORDS);
	/* And it goes on as before. */
	assert_int_equal(hp_consumer_poll(consumer, 0), 0);
	emit(&source, 1);
	assert_int_equal(hp_consumer_poll(consumer, 1000), 0);
	assert_int_equal(seen.last, RECORDS + 1);
	assert_int_equal(hp_consumer_lost(consumer), 0);
	hp_consumer_close(consumer);
	end(&source);
}

static int ignore(const void *record, size_t size, void *arg)
{
	(void)record;
	(void)size;
	++*(__u64 *)arg;
	return 0;
}

/* Each record takes 24 bytes of the 256 KiB that a CPU has. */
static void counts_what_found_no_room(void **state)
{
	struct hp_consumer *consumer;
	struct source source;
	cpu_set_t before, one;
	__u64 came = 0;

	(void)state;
	/* Each CPU has a buffer of its own; the records of two may all find room. */
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	begin_perf(&source);
	assert_int_equal(hp_consumer_open(source.buffer.fd, ignore, &came, &consumer), 0);
	emit(&source, 20000);
	assert_int_equal(hp_consumer_poll(consumer, 1000), 0);
	assert_in_range(came, 1000, 19999);
	/* How many were lost, the kernel says in front of the next one. */
	emit(&source, 1);
	assert_int_equal(hp_consumer_poll(consumer, 1000), 0);
	assert_int_equal(came + hp_consumer_lost(consumer), 20001);
	hp_consumer_close(consumer);
	end(&source);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void takes_buffers_only(void **state)
{
	struct hp_consumer *consumer = NULL;
	struct hp_map hash;

	(void)state;
	assert_int_equal(hp_map_create("hash", "hash", 4, 8, 1, NULL, &hash), 0);
	assert_int_equal(hp_consumer_open(hash.fd, ignore, NULL, &consumer), -EINVAL);
	assert_int_equal(hp_consumer_open(-1, ignore, NULL, &consumer), -EBADF);
	assert_null(consumer);
	hp_consumer_close(NULL);
	hp_map_close(&hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "what_follows_a_refused_record_is_not_lost, in a ring buffer",
		  what_follows_a_refused_record_is_not_lost, NULL, NULL, begin_ring },
		{ "what_follows_a_refused_record_is_not_lost, in a perf buffer",
		  what_follows_a_refused_record_is_not_lost, NULL, NULL, begin_perf },
		cmocka_unit_test(counts_what_found_no_room),
		cmocka_unit_test(takes_buffers_only),
	};

	hp_log_libbpf();
	return cmocka_run_group_tests_name("consumer", tests, NULL, NULL);
}
