// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Two programs: one calls what the kernel keeps for the GPL. docs/faq/gpl.rst says LICENCE. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int reports(struct xdp_md *ctx)
{
	bpf_printk("a frame of %u bytes", ctx->data_end - ctx->data);
	return XDP_PASS;
}

/* The same without a word. */
SEC("xdp")
int is_silent(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = LICENCE;
