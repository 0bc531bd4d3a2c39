// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How long are frames, as XDP sees them? See docs/faq/native-or-generic.rst. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 longest;	     /* of all frames */
__u64 longest_piece; /* of what could be read with a pointer */

static int measure(struct xdp_md *ctx)
{
	__u64 length = bpf_xdp_get_buff_len(ctx), piece = ctx->data_end - ctx->data;

	if (length > longest)
		longest = length;
	if (piece > longest_piece)
		longest_piece = piece;
	return XDP_PASS;
}

SEC("xdp")
int whole(struct xdp_md *ctx)
{
	return measure(ctx);
}

/* The same for a driver that may hand over a frame in pieces. */
SEC("xdp.frags")
int in_pieces(struct xdp_md *ctx)
{
	return measure(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
