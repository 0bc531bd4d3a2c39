/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the kernel's own structures is read here (Linux 6.1 to 6.18). The offsets are not these
 * but the running kernel's: libbpf looks them up in its BTF.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/types.h>

struct proto {
	unsigned long *memory_pressure;
} __attribute__((preserve_access_index));

struct netns_ipv4 {
	int sysctl_tcp_rmem[3];
} __attribute__((preserve_access_index));

struct net {
	struct netns_ipv4 ipv4;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

/* What SO_RCVBUF sets in sk_userlocks (include/uapi/linux/socket.h). */
#define SOCK_RCVBUF_LOCK 2

struct sock_common {
	possible_net_t skc_net;
	struct proto *skc_prot;
	unsigned long skc_flags;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	const void *sk_socket;
	const void *sk_user_data;
	int sk_rcvlowat;
	int sk_rcvbuf;
	__u8 sk_userlocks : 4;
	struct {
		struct {
			int counter;
		} rmem_alloc;
	} sk_backlog;
} __attribute__((preserve_access_index));

struct inet_sock {
	struct sock sk;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const void *icsk_ulp_ops;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 write_seq;
} __attribute__((preserve_access_index));

enum sock_flags {
	SOCK_ZEROCOPY = 1, /* the kernel's number is looked up too */
};

/*
 * What the kernel's strparser, which calls find_message(), notes in an skb: which of its bytes are
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

struct sk_psock {
	struct {
		__u32 qlen;
	} ingress_skb;
} __attribute__((preserve_access_index));

#endif
