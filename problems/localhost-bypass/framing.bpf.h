/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --framing length32: a proxy's sockets, and messages instead of bytes. Included by
 * localhost-bypass.bpf.c alone.
 *
 * A message is a length of four bytes, in network byte order, and so many bytes more. Whatever
 * arrives at a socket in `inputs` is cut into messages by find_message, and forward_message sends
 * each out through the socket that has the same key in `outputs`: the input's cookie. The proxy
 * puts the sockets there, the outputs first, and leaves them there until it closes them.
 */
#ifndef FRAMING_BPF_H
#define FRAMING_BPF_H

#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counts.bpf.h"
#include "kernel.bpf.h"
#include "localhost-bypass.h"

/* More than so many bytes behind the length are an error of the connection. */
const volatile __u32 message_limit_bytes = MESSAGE_LIMIT_BYTES;

/* How far behind an output may be before its input is held back. */
const volatile __u32 backlog_limit_bytes = BACKLOG_LIMIT_BYTES;

/* What a message costs the kernel besides its bytes, about. */
#define MESSAGE_OVERHEAD_BYTES 256

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
	__type(value, struct member);
} members SEC(".maps");

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

/* The sockmap's own part of a socket: its queue of what is to be sent. The low bits are flags. */
static const struct sk_psock *find_psock(const struct tcp_sock *tcp)
{
	return (const void *)((__u64)tcp->inet_conn.icsk_inet.sk.sk_user_data & ~7ULL);
}

/* How much was forwarded from MEMBER and waits until its output can send it. */
static __u64 count_waiting(struct member *member, struct bpf_sock *output)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(output);
	__u32 written, forwarded;
	__s32 bytes;

	if (!tcp)
		return 0;
	written = tcp->write_seq;
	barrier(); /* what another CPU forwards and sends in between makes it more, never less */
	forwarded = member->forwarded.bytes;
	bytes = forwarded - (written - member->output_start);
	if (bytes < 0) { /* others send through it too: count from here */
		member->output_start = written - forwarded;
		bytes = 0;
	}
	return bytes +
	       (__u64)BPF_CORE_READ(find_psock(tcp), ingress_skb.qlen) * MESSAGE_OVERHEAD_BYTES;
}

/* Notes where the output is, before anything has been forwarded to it. */
static bool find_output(struct member *member, __u64 cookie)
{
	struct bpf_sock *output;
	struct tcp_sock *tcp;

	if (member->forwarded.messages)
		return true;
	output = bpf_map_lookup_elem(&outputs, &cookie);
	if (!output)
		return false;
	tcp = bpf_skc_to_tcp_sock(output);
	if (tcp)
		member->output_start = tcp->write_seq;
	bpf_sk_release(output);
	return tcp;
}

/* One whole message. What can't be forwarded is for the proxy itself to read. */
SEC("sk_skb/stream_verdict")
int forward_message(struct __sk_buff *skb)
{
	__u32 bytes = BPF_CORE_READ(notes_in(skb), strp.strp.full_len);
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct member *member = bpf_map_lookup_elem(&members, &cookie);

	if (!member || !find_output(member, cookie) ||
	    bpf_sk_redirect_hash(skb, &outputs, &cookie, 0) != SK_PASS) {
		measure(WAY_PASSED, bytes);
		return SK_PASS;
	}
	__sync_fetch_and_add(&member->forwarded.messages, 1);
	__sync_fetch_and_add(&member->forwarded.bytes, bytes);
	measure(WAY_REDIRECTED, bytes);
	return SK_PASS;
}

static bool carries_data(struct __sk_buff *packet)
{
	__u8 ip = 0, tcp = 0;
	__u32 headers;

	bpf_skb_load_bytes(packet, 0, &ip, sizeof(ip));
	headers = ip >> 4 == 4 ? (ip & 15) * 4 : 40;
	bpf_skb_load_bytes(packet, headers + 12, &tcp, sizeof(tcp));
	return packet->len > headers + (tcp >> 4) * 4;
}

/*
 * A packet has come for a socket. Forwarding knows no flow control: its sender is told that all was
 * read, and would fill the memory with what the output can't send yet. So packets are lost here,
 * and TCP does what it does when they are: it sends them again, later and more slowly.
 */
SEC("cgroup_skb/ingress")
int hold_back(struct __sk_buff *packet)
{
	__u64 cookie = bpf_get_socket_cookie(packet);
	struct member *member = bpf_map_lookup_elem(&members, &cookie);
	struct bpf_sock *output;
	__u64 waiting;

	if (!member || !member->forwarded.messages || !carries_data(packet))
		return 1;
	output = bpf_map_lookup_elem(&outputs, &cookie);
	if (!output)
		return 1;
	waiting = count_waiting(member, output);
	bpf_sk_release(output);
	if (waiting <= backlog_limit_bytes)
		return 1;
	count(EVENT_PACKET_HELD_BACK);
	return 0;
}

/*
 * The process has closed it. TCP may have been done with it long before, and messages that came in
 * time still be on their way.
 */
SEC("cgroup/sock_release")
int release_member(struct bpf_sock *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);

	bpf_map_delete_elem(&members, &cookie);
	return 1;
}

#endif
