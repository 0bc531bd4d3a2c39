/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the kernel's own structures is read here (Linux 6.1 to 6.18). The offsets are not these
 * but the running kernel's: libbpf looks them up in its BTF.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/in6.h>
#include <linux/types.h>

#define AF_INET	 2
#define AF_INET6 10

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* the local port, in host byte order */
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct tcp_sock {
	__u32 rcv_nxt; /* the first byte that has not come yet */
	__u32 rcv_wup; /* what it was when an ACK went out last */
} __attribute__((preserve_access_index));

struct sk_buff {
	unsigned int len;
	char cb[48];
	unsigned char *head;
	unsigned int end;
} __attribute__((preserve_access_index));

struct skb_shared_info {
	unsigned short gso_segs;
} __attribute__((preserve_access_index));

/* What TCP notes in skb->cb. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;	 /* seq + SYN + FIN + bytes of data */
	__u16 tcp_flags; /* 8 bits wide before Linux 6.15 */
} __attribute__((preserve_access_index));

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#endif
