/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bypass as it is usually written: every IPv4 connection of the cgroup goes into a map by its
 * addresses and ports, and every message that finds its peer there goes to it. What is wrong with
 * it is what problems/localhost-bypass is about; what it costs is what that is measured against.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

struct end {
	__u32 local_ip4;
	__u32 remote_ip4;
	__u32 local_port; /* both in host byte order */
	__u32 remote_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct end);
	__type(value, int);
} naive_sockets SEC(".maps");

SEC("sockops")
int naive_insert(struct bpf_sock_ops *ctx)
{
	struct end self = {
		.local_ip4 = ctx->local_ip4,
		.remote_ip4 = ctx->remote_ip4,
		.local_port = ctx->local_port,
		.remote_port = bpf_ntohl(ctx->remote_port),
	};

	if (ctx->family == AF_INET && (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
				       ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB))
		bpf_sock_hash_update(ctx, &naive_sockets, &self, BPF_ANY);
	return 1;
}

static __always_inline int send_to_peer(struct sk_msg_md *msg)
{
	struct end peer = {
		.local_ip4 = msg->remote_ip4,
		.remote_ip4 = msg->local_ip4,
		.local_port = bpf_ntohl(msg->remote_port),
		.remote_port = msg->local_port,
	};

	return bpf_msg_redirect_hash(msg, &naive_sockets, &peer, BPF_F_INGRESS);
}

/* A message whose peer is not in the map goes through the stack. */
SEC("sk_msg")
int naive_pass(struct sk_msg_md *msg)
{
	send_to_peer(msg);
	return SK_PASS;
}

/* Here its sender gets an error. */
SEC("sk_msg")
int naive_verdict(struct sk_msg_md *msg)
{
	return send_to_peer(msg);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
