// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sends COUNT copies of FRAME (hexadecimal digits) out of INTERFACE, and prints how many
 * nanoseconds that took. All that the kernel does at the other end of a veth pair happens in that
 * time and on this CPU, in the softirq that ends each batch: bind this program to one CPU.
 *
 * BPF_PROG_TEST_RUN with live frames is the kernel's own generator (first kernel: 5.18): it makes
 * frames as a driver would, and none of the sender's stack is in the figure.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "hex.h"
#include "redirect.skel.h"

/* A veth's ring has 256 places: a batch of more could overflow it before the softirq empties it. */
#define BATCH 64

static struct redirect *load_redirect(unsigned int ifindex)
{
	struct redirect *skel = redirect__open();

	if (!skel)
		return NULL;
	skel->rodata->ifindex = ifindex;
	if (redirect__load(skel) == 0)
		return skel;
	redirect__destroy(skel);
	return NULL;
}

static int send_frames(int prog_fd, int count, const void *frame, int frame_bytes)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct timespec start, end;
	int err;

	options.data_in = frame;
	options.data_size_in = frame_bytes;
	options.repeat = count;
	options.batch_size = BATCH;
	options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;

	clock_gettime(CLOCK_MONOTONIC, &start);
	err = bpf_prog_test_run_opts(prog_fd, &options);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (err) {
		fprintf(stderr, "flood: cannot send live frames: %s\n", strerror(-err));
		return 2;
	}
	printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned char frame[PACKET_SIZE];
	struct redirect *skel;
	unsigned int ifindex;
	int frame_bytes, status;

	if (argc != 4 || (frame_bytes = read_packet(frame, argv[3])) < 0) {
		fprintf(stderr, "usage: flood INTERFACE COUNT FRAME\n");
		return 1;
	}
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex) {
		fprintf(stderr, "flood: no interface %s here\n", argv[1]);
		return 1;
	}
	skel = load_redirect(ifindex);
	if (!skel)
		return 2;
	status = send_frames(bpf_program__fd(skel->progs.redirect), atoi(argv[2]), frame,
			     frame_bytes);
	redirect__destroy(skel);
	return status;
}
