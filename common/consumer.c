// SPDX-License-Identifier: BSD-2-Clause
/* One way to read records, whichever of the two kinds of buffer a kernel has. */
#include <errno.h>
#include <stdlib.h>
#include <linux/perf_event.h>
#include <bpf/bpf.h>

#include "map-internal.h"

/* Of a perf buffer, for each CPU; a ring buffer's size is that of its map. */
#define PERF_PAGES 64

struct hp_consumer {
	hp_each_record each;
	void *arg;
	struct ring_buffer *ring;
	struct perf_buffer *perf; /* one of the two */
	__u64 lost;
	int err; /* what EACH said last, of a perf buffer */
};

static int take_from_ring(void *arg, void *record, size_t size)
{
	struct hp_consumer *consumer = arg;

	return consumer->each(record, size, consumer->arg);
}

/* What the kernel puts into a perf buffer. */
union perf_record {
	struct perf_event_header header;
	struct {
		struct perf_event_header header;
		__u32 size;
		char data[];
	} sample;
	struct {
		struct perf_event_header header;
		__u64 id;
		__u64 lost;
	} gap;
};

/* libbpf's own callback can't end the poll: what came behind would be taken out, and be gone. */
static enum bpf_perf_event_ret take_from_perf(void *arg, int cpu, struct perf_event_header *event)
{
	const union perf_record *record = (const union perf_record *)event;
	struct hp_consumer *consumer = arg;

	(void)cpu;
	if (event->type == PERF_RECORD_SAMPLE)
		consumer->err =
			consumer->each(record->sample.data, record->sample.size, consumer->arg);
	else if (event->type == PERF_RECORD_LOST)
		consumer->lost += record->gap.lost;
	return consumer->err ? LIBBPF_PERF_EVENT_ERROR : LIBBPF_PERF_EVENT_CONT;
}

static int open_buffer(struct hp_consumer *consumer, int map_fd)
{
	struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(event),
					 .config = PERF_COUNT_SW_BPF_OUTPUT,
					 .sample_type = PERF_SAMPLE_RAW,
					 .sample_period = 1,
					 .wakeup_events = 1 };
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(map_fd, &info, &size);

	if (err)
		return hp_map_error(err);
	if (info.type == BPF_MAP_TYPE_RINGBUF)
		consumer->ring = ring_buffer__new(map_fd, take_from_ring, consumer, NULL);
	else if (info.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		consumer->perf = perf_buffer__new_raw(map_fd, PERF_PAGES, &event, take_from_perf,
						      consumer, NULL);
	else
		return -EINVAL;
	return consumer->ring || consumer->perf ? 0 : -errno;
}

int hp_consumer_open(int map_fd, hp_each_record each, void *arg, struct hp_consumer **consumer)
{
	struct hp_consumer *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->each = each;
	made->arg = arg;
	err = open_buffer(made, map_fd);
	if (err) {
		free(made);
		return err;
	}
	*consumer = made;
	return 0;
}

int hp_consumer_poll(struct hp_consumer *consumer, int timeout_ms)
{
	bool rest = consumer->err; /* nothing wakes us for what was there before */
	int n;

	consumer->err = 0;
	if (consumer->ring)
		n = ring_buffer__poll(consumer->ring, timeout_ms);
	else if (rest)
		n = perf_buffer__consume(consumer->perf);
	else
		n = perf_buffer__poll(consumer->perf, timeout_ms);
	if (consumer->err)
		return consumer->err;
	return n < 0 && n != -EINTR ? n : 0;
}

__u64 hp_consumer_lost(const struct hp_consumer *consumer)
{
	return consumer->lost;
}

void hp_consumer_close(struct hp_consumer *consumer)
{
	if (!consumer)
		return;
	ring_buffer__free(consumer->ring);
	perf_buffer__free(consumer->perf);
	free(consumer);
}
