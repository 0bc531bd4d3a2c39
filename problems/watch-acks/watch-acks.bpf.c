/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts the data that TCP gets and the ACKs that it sends, and measures how long it handles the
 * ACKs that it gets: by fentry and fexit, or by kprobes and a kretprobe. The loader loads one half.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.bpf.h"
#include "watch-acks.h"

/* Only connections with this port at either end. 0: all. */
const volatile __u16 only_port = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct connection);
	__type(value, struct traffic);
} connections SEC(".maps");

/* Of connections that found no room there, all together. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic);
} others SEC(".maps");

/* Written by one program only, which is not started on a CPU on which it runs: no atomics. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timings);
} timings SEC(".maps");

/* When the calls of tcp_ack() that have not returned began, in ns. See call_of_socket(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} calls SEC(".maps");

static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

/* ---- whose is it ----------------------------------------------------------------------------- */

static __always_inline bool is_watched(struct sock *sk)
{
	if (!only_port)
		return true;
	return BPF_CORE_READ(sk, __sk_common.skc_num) == only_port ||
	       BPF_CORE_READ(sk, __sk_common.skc_dport) == bpf_htons(only_port);
}

static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, sizeof(address));
}

static __always_inline void read_connection(struct sock *sk, struct connection *c)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&c->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&c->peer, sk, __sk_common.skc_v6_daddr);
	} else {
		map_ipv4(c->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_ipv4(c->peer, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
	c->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	c->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline struct traffic *traffic_of(struct sock *sk)
{
	struct connection connection = {};
	struct traffic nothing = {}, *traffic;
	__u32 zero = 0;

	read_connection(sk, &connection);
	traffic = bpf_map_lookup_elem(&connections, &connection);
	if (traffic)
		return traffic;
	bpf_map_update_elem(&connections, &connection, &nothing, BPF_NOEXIST);
	traffic = bpf_map_lookup_elem(&connections, &connection);
	return traffic ? traffic : bpf_map_lookup_elem(&others, &zero);
}

/* ---- what is it ------------------------------------------------------------------------------ */

static __always_inline struct tcp_skb_cb *control_of(struct sk_buff *skb)
{
	return (struct tcp_skb_cb *)__builtin_preserve_access_index(&skb->cb);
}

static __always_inline __u8 flags_of(struct tcp_skb_cb *control)
{
	return BPF_CORE_READ_BITFIELD_PROBED(control, tcp_flags);
}

/* RFC 9293, section 3.4: SYN and FIN take a sequence number each, like a byte of data. */
static __always_inline __u32 data_bytes(struct sk_buff *skb)
{
	struct tcp_skb_cb *control = control_of(skb);
	__u8 flags = flags_of(control);

	return BPF_CORE_READ(control, end_seq) - BPF_CORE_READ(control, seq) - !!(flags & TCP_SYN) -
	       !!(flags & TCP_FIN);
}

static __always_inline bool is_nothing_but_ack(struct sk_buff *skb)
{
	struct tcp_skb_cb *control = control_of(skb);
	__u8 flags = flags_of(control) & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK);

	return flags == TCP_ACK && BPF_CORE_READ(control, end_seq) == BPF_CORE_READ(control, seq);
}

/* What is one packet here was so many on the wire, or would have been if there were one. */
static __always_inline __u64 segments_of(struct sk_buff *skb)
{
	struct skb_shared_info *shared = (void *)BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);
	__u64 segments = BPF_CORE_READ(shared, gso_segs);

	return segments ? segments : 1;
}

/* ---- counting -------------------------------------------------------------------------------- */

static __always_inline int packet_arrived(struct sock *sk, struct sk_buff *skb)
{
	__u32 bytes = data_bytes(skb);
	struct traffic *traffic;

	if (!bytes || !is_watched(sk))
		return 0;
	traffic = traffic_of(sk);
	if (!traffic)
		return 0;
	add(&traffic->packets_in, 1);
	add(&traffic->segments_in, segments_of(skb));
	add(&traffic->bytes_in, bytes);
	return 0;
}

/* Before tcp_transmit_skb() has put a header in front of the data. */
static __always_inline int packet_leaves(struct sock *sk, struct sk_buff *skb)
{
	bool data = BPF_CORE_READ(skb, len);
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct traffic *traffic;

	if (!is_watched(sk))
		return 0;
	if (data ? BPF_CORE_READ(tcp, rcv_nxt) == BPF_CORE_READ(tcp, rcv_wup)
		 : !is_nothing_but_ack(skb))
		return 0;
	traffic = traffic_of(sk);
	if (traffic)
		add(data ? &traffic->on_data : &traffic->acks_out, 1);
	return 0;
}

static __always_inline int handling_starts(struct sock *sk, struct sk_buff *skb, __u64 call)
{
	struct traffic *traffic;
	__u64 now_ns;

	if (!is_nothing_but_ack(skb) || !is_watched(sk)) {
		bpf_map_delete_elem(&calls, &call); /* of a call whose return was missed */
		return 0;
	}
	traffic = traffic_of(sk);
	if (traffic) {
		add(&traffic->acks_in, segments_of(skb));
		add(&traffic->handled, 1);
	}
	now_ns = bpf_ktime_get_ns(); /* late, so that what we do is not measured */
	bpf_map_update_elem(&calls, &call, &now_ns, BPF_ANY);
	return 0;
}

static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 bucket = 0;

	for (__u32 step = 32; step; step /= 2) {
		if (ns >> step) {
			ns >>= step;
			bucket += step;
		}
	}
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static __always_inline int handling_ends(__u64 call)
{
	__u64 now_ns = bpf_ktime_get_ns(), *start_ns;
	struct timings *taken;
	__u32 zero = 0, bucket;

	start_ns = bpf_map_lookup_elem(&calls, &call);
	taken = bpf_map_lookup_elem(&timings, &zero);
	if (!start_ns || !taken)
		return 0;
	bucket = bucket_of(now_ns - *start_ns);
	if (bucket < BUCKETS) /* the verifier has not followed the shifting */
		taken->times[bucket]++;
	taken->total_ns += now_ns - *start_ns;
	bpf_map_delete_elem(&calls, &call);
	return 0;
}

/* ---- fentry and fexit: arguments, at the end too -------------------------------------------- */

/*
 * Which call of tcp_ack() is it that returns? Not "the one of this thread": a softirq may handle
 * another connection's ACK in the middle of it. Nor "the one on this CPU": a thread that handles
 * its backlog may move. But the socket is locked, so that there is never more than one for each.
 */
static __always_inline __u64 call_of_socket(struct sock *sk)
{
	return (__u64)sk;
}

SEC("fentry/tcp_rcv_established")
int BPF_PROG(fentry_data, struct sock *sk, struct sk_buff *skb)
{
	return packet_arrived(sk, skb);
}

/* In other states: a socket that has said that it sends no more still gets data. */
SEC("fentry/tcp_rcv_state_process")
int BPF_PROG(fentry_late_data, struct sock *sk, struct sk_buff *skb)
{
	return packet_arrived(sk, skb);
}

SEC("fentry/__tcp_transmit_skb")
int BPF_PROG(fentry_sent, struct sock *sk, struct sk_buff *skb)
{
	return packet_leaves(sk, skb);
}

SEC("fentry/tcp_ack")
int BPF_PROG(fentry_ack, struct sock *sk, struct sk_buff *skb)
{
	return handling_starts(sk, skb, call_of_socket(sk));
}

SEC("fexit/tcp_ack")
int BPF_PROG(fexit_ack, struct sock *sk)
{
	return handling_ends(call_of_socket(sk));
}

/* ---- kprobes and a kretprobe: registers ------------------------------------------------------ */

/*
 * When a function has returned, the registers that held its arguments hold something else. What is
 * as it was is the stack: each call that is in progress has a place of its own there, whichever
 * thread, softirq or CPU it is. x86 keeps the return address in that place, and takes it off to
 * return.
 */
#ifdef bpf_target_x86
#define RETURN_ADDRESS_BYTES 8
#else
#define RETURN_ADDRESS_BYTES 0
#endif

SEC("kprobe/tcp_rcv_established")
int BPF_KPROBE(kprobe_data, struct sock *sk, struct sk_buff *skb)
{
	return packet_arrived(sk, skb);
}

SEC("kprobe/tcp_rcv_state_process")
int BPF_KPROBE(kprobe_late_data, struct sock *sk, struct sk_buff *skb)
{
	return packet_arrived(sk, skb);
}

SEC("kprobe/__tcp_transmit_skb")
int BPF_KPROBE(kprobe_sent, struct sock *sk, struct sk_buff *skb)
{
	return packet_leaves(sk, skb);
}

SEC("kprobe/tcp_ack")
int BPF_KPROBE(kprobe_ack, struct sock *sk, struct sk_buff *skb)
{
	return handling_starts(sk, skb, PT_REGS_SP(ctx) + RETURN_ADDRESS_BYTES);
}

SEC("kretprobe/tcp_ack")
int BPF_KRETPROBE(kretprobe_ack)
{
	return handling_ends(PT_REGS_SP(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
