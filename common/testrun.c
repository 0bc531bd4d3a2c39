// SPDX-License-Identifier: BSD-2-Clause
/* BPF_PROG_TEST_RUN: a program, a packet, a verdict; no network. */
#include <errno.h>
#include <bpf/bpf.h>

#include "map-internal.h"

int hp_test_run(int prog_fd, struct hp_test_run *run)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err;

	options.data_in = run->in;
	options.data_size_in = run->in_bytes;
	options.ctx_in = run->ctx_in;
	options.ctx_size_in = run->ctx_in_bytes;
	/* To the kernel a size of 0 means "no limit", so then it must not see the buffer either. */
	options.data_out = run->out_bytes ? run->out : NULL;
	options.data_size_out = run->out ? run->out_bytes : 0;
	options.ctx_out = run->ctx_out_bytes ? run->ctx_out : NULL;
	options.ctx_size_out = run->ctx_out ? run->ctx_out_bytes : 0;
	options.repeat = run->repeat;

	err = bpf_prog_test_run_opts(prog_fd, &options);
	if (err && err != -ENOSPC)
		return hp_map_error(err);
	/* Without a buffer it can't be too small, to the kernel. */
	if ((run->out && options.data_size_out > run->out_bytes) ||
	    (run->ctx_out && options.ctx_size_out > run->ctx_out_bytes))
		err = -ENOSPC;
	if (run->out)
		run->out_bytes = options.data_size_out;
	if (run->ctx_out)
		run->ctx_out_bytes = options.ctx_size_out;
	if (err)
		return err;
	run->retval = options.retval;
	run->duration_ns = options.duration;
	return 0;
}
