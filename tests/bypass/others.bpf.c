// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Somebody else's program at the hook that localhost-bypass uses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("sockops")
int others(struct bpf_sock_ops *ctx)
{
	(void)ctx;
	return 1;
}
