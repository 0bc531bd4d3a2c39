/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --framing length32: a proxy's sockets, and messages instead of bytes. Included by
 * localhost-bypass.bpf.c alone.
 *
 * A message is a length of four bytes, in network byte order, and so many bytes more. Whatever
 * arrives at a socket in `inputs` is cut into messages by find_message, and forward_message sends
 * each out through the socket that has the same key in `outputs`: the input's cookie. The proxy
 * puts the sockets there, the outputs first.
 */
#ifndef FRAMING_BPF_H
#define FRAMING_BPF_H

#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "localhost-bypass.h"

/* More than so many bytes behind the length are an error of the connection. */
const volatile __u32 message_limit_bytes = MESSAGE_LIMIT_BYTES;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, FRAMED_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} inputs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, FRAMED_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} outputs SEC(".maps");

/* Which sockets may take part, by their cookies: those of the cgroup, on the ports. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FRAMED_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, struct traffic);
} members SEC(".maps");

/*
 * What the kernel's strparser, which calls these programs, notes in an skb: which of its bytes are
 * the message. Several that came together share one skb, and skb->len is the length of them all.
 */
struct strp_msg {
	int full_len;
	int offset;
} __attribute__((preserve_access_index));

struct _strp_msg {
	struct strp_msg strp;
} __attribute__((preserve_access_index));

struct sk_skb_cb {
	struct _strp_msg strp;
} __attribute__((preserve_access_index));

struct sk_buff {
	char cb[1];
} __attribute__((preserve_access_index));

static const struct sk_skb_cb *notes_in(struct __sk_buff *skb)
{
	return (const void *)((struct sk_buff *)skb)->cb;
}

/* What arrived may be less than a message, or more: tells how long the first one is. 0: not yet. */
SEC("sk_skb/stream_parser")
int find_message(struct __sk_buff *skb)
{
	__u32 offset = BPF_CORE_READ(notes_in(skb), strp.strp.offset);
	__be32 length;

	if (bpf_skb_load_bytes(skb, offset, &length, sizeof(length)))
		return 0;
	if (bpf_ntohl(length) > message_limit_bytes)
		return -EMSGSIZE;
	return sizeof(length) + bpf_ntohl(length);
}

/* One whole message. What can't be forwarded is for the proxy itself to read. */
SEC("sk_skb/stream_verdict")
int forward_message(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct traffic *member = bpf_map_lookup_elem(&members, &cookie);

	if (!member || bpf_sk_redirect_hash(skb, &outputs, &cookie, 0) != SK_PASS)
		return SK_PASS;
	__sync_fetch_and_add(&member->messages, 1);
	__sync_fetch_and_add(&member->bytes, BPF_CORE_READ(notes_in(skb), strp.strp.full_len));
	return SK_PASS;
}

#endif
