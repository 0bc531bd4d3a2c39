// SPDX-License-Identifier: BSD-2-Clause
/* events: what programs have put into ring buffers, printed as it comes. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "internal.h"

#define TELL_MISSED_MS 1000

/* An attachment whose events are read. */
struct source {
	struct hp_attachment attachment;
	__u64 missed; /* of which a line has been printed */
};

struct reader {
	const struct hp_tool *tool;
	bool json, only_named;
	const struct hp_arguments *arguments;
	struct source *sources;
	size_t n;
	struct ring_buffer *rings; /* NULL: none yet */
	__u32 last_map_id;
	int status;
};

__s64 hp_real_time(__u64 monotonic_ns)
{
	struct timespec monotonic, real;

	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &real);
	return monotonic_ns + (real.tv_sec - monotonic.tv_sec) * 1000000000LL + real.tv_nsec -
	       monotonic.tv_nsec;
}

void hp_time_of(__u64 monotonic_ns, hp_time_text text)
{
	__s64 ns = hp_real_time(monotonic_ns);
	time_t seconds = ns / 1000000000;
	struct tm utc;

	strftime(text, sizeof(hp_time_text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
	snprintf(text + strlen(text), sizeof(hp_time_text) - strlen(text), ".%06lldZ",
		 ns % 1000000000 / 1000);
}

static bool is_wanted(const struct reader *reader, __u32 ifindex)
{
	if (!reader->only_named)
		return true;
	for (size_t i = 0; i < reader->n; i++)
		if (reader->sources[i].attachment.ifindex == ifindex)
			return true;
	return false;
}

static int take_record(void *arg, void *record, size_t size)
{
	struct reader *reader = arg;

	if (is_wanted(reader, reader->tool->events->ifindex(record)))
		reader->tool->events->print(record, size, reader->json);
	return 0;
}

/*
 * A ring buffer has one reader: two would take each other's records. The kernel gives a name to one
 * process only, and takes it back when that ends.
 */
static int claim_ring(__u32 map_id)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int length, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "hookpoint-events-%u",
			  map_id);
	length += offsetof(struct sockaddr_un, sun_path) + 1;
	if (!bind(fd, (void *)&name, length))
		return 0; /* open as long as we live */
	length = -errno;
	close(fd);
	return length;
}

static int open_ring(struct reader *reader, int map_fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err;

	err = bpf_obj_get_info_by_fd(map_fd, &info, &size);
	if (err || info.id == reader->last_map_id)
		return err;
	err = claim_ring(info.id);
	if (err)
		return err;
	reader->last_map_id = info.id;
	if (reader->rings)
		return ring_buffer__add(reader->rings, map_fd, take_record, reader);
	reader->rings = ring_buffer__new(map_fd, take_record, reader, NULL);
	return reader->rings ? 0 : -errno;
}

static bool is_named(const struct hp_arguments *a, const struct hp_attachment *attachment)
{
	for (size_t i = 0; i < a->n_names; i++) /* by whatever name */
		if (if_nametoindex(a->names[i]) == attachment->ifindex)
			return true;
	return false;
}

static int add_source(const struct hp_attachment *a, void *arg)
{
	struct reader *reader = arg;
	struct source *sources;
	int map_fd, err;

	if (a->condition != HP_ATTACHED || (reader->only_named && !is_named(reader->arguments, a)))
		return 0;
	sources = realloc(reader->sources, (reader->n + 1) * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	reader->sources = sources;
	sources[reader->n++] = (struct source){ .attachment = *a };

	err = hp_pin_open(a->dir, reader->tool->events->map, &map_fd);
	if (err)
		return err;
	err = open_ring(reader, map_fd);
	close(map_fd);
	if (err != -EADDRINUSE)
		return err;
	hp_error("another `%s events` reads those of %s: end it first", reader->tool->name,
		 a->place);
	reader->status = HP_EXIT_REFUSED;
	return 1;
}

/* Says how many events did not get into the buffer since it was last said. */
static void tell_missed(struct reader *reader)
{
	for (size_t i = 0; i < reader->n; i++) {
		struct source *s = &reader->sources[i];
		char name[IF_NAMESIZE];
		__u64 missed;

		if (reader->tool->events->missed(&s->attachment, &missed) || missed <= s->missed)
			continue;
		hp_interface_name(s->attachment.ifindex, name);
		printf(reader->json ? "{\"schema\":1,\"interface\":\"%s\",\"missed\":%llu}\n"
				    : "%s: %llu more, which were not reported\n",
		       name, missed - s->missed);
		s->missed = missed;
	}
}

static int read_on(struct reader *reader, int signals)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = ring_buffer__epoll_fd(reader->rings), .events = POLLIN } };
	struct timespec now;
	__u64 now_ms, told_ms = 0;

	while (!ferror(stdout)) {
		if (poll(fds, 2, TELL_MISSED_MS) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		ring_buffer__consume(reader->rings);
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
		if (now_ms - told_ms >= TELL_MISSED_MS) {
			tell_missed(reader);
			told_ms = now_ms;
		}
		fflush(stdout);
	}
	return 0;
}

static int read_until_signal(struct reader *reader)
{
	int signals, err;
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (signals < 0)
		return hp_fail(-errno, "wait for signals");
	err = read_on(reader, signals);
	close(signals);
	return err ? hp_fail(err, "read events") : HP_EXIT_DONE;
}

static int open_all(struct reader *reader)
{
	const struct hp_tool *tool = reader->tool;
	const struct hp_arguments *a = reader->arguments;
	int lock, err;

	for (size_t i = 0; reader->only_named && i < a->n_names; i++)
		if (!hp_interface_index(a->names[i]))
			return HP_EXIT_USAGE;
	err = hp_pin_lock(tool->name, &lock);
	if (err)
		return hp_fail_pins(err);
	err = hp_attachment_each(tool->name, add_source, reader);
	close(lock);
	if (err < 0)
		return hp_fail(err, "open the events in " HP_PIN_ROOT "/%s", tool->name);
	if (reader->status || reader->n)
		return reader->status;
	if (!reader->only_named)
		return hp_say_nothing(tool, NULL);
	return hp_say_nothing(tool, a->names[0]);
}

int hp_events(const struct hp_tool *tool, const struct hp_arguments *a)
{
	struct reader reader = { .tool = tool,
				 .arguments = a,
				 .json = a->json,
				 .only_named = a->n_names && !hp_means_all(a) };
	int status = open_all(&reader);

	if (!status)
		status = read_until_signal(&reader);
	ring_buffer__free(reader.rings);
	free(reader.sources);
	return status;
}
