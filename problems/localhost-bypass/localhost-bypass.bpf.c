// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two processes on one host talk TCP, and what one sends is put into the other's receive queue
 * without passing through the TCP/IP stack.
 *
 * follow_connections is called when a connection is established, at either end, and puts the socket
 * into the map `sockets`; redirect_to_peer is called for everything that such a socket sends.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counts.bpf.h"
#include "framing.bpf.h"
#include "kernel.bpf.h"
#include "localhost-bypass.h"

/* asm/socket.h, linux/tcp.h and linux/socket.h can't be included here. */
#define AF_INET	    2
#define AF_INET6    10
#define SOL_SOCKET  1
#define SO_ZEROCOPY 60
#define SOL_TCP	    6
#define TCP_ULP	    31

/* How much of an option's value a program is given: a page, of which 4096 bytes is the least. */
#define OPTION_BYTES_MAX 4096

#define SOCKETS_MAX 65536

/*
 * Redirecting knows no flow control. So a direction leaves the bypass when the reader is too far
 * behind; TCP, which it then goes through, has it. Messages count besides bytes because the kernel
 * spends about 1 KiB on each, however short. What waits is looked at after so many more, or sooner
 * where there is little room.
 */
const volatile __u32 queue_limit_messages = QUEUE_LIMIT_MESSAGES;
#define CHECK_BYTES    65536
#define CHECK_MESSAGES 64

/* With it, sockets are only noted, for the programs of framing.bpf.h. */
const volatile bool framing;

struct settings settings SEC(".data.settings");

__u64 last_id; /* see struct meeting */

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, SOCKETS_MAX);
	__type(key, __u64); /* see struct meeting */
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SOCKETS_MAX);
	__type(key, struct connection);
	__type(value, struct meeting);
} connections SEC(".maps");

/* What a socket sends. */
struct direction {
	struct connection connection;
	__u64 self; /* keys of `sockets` */
	__u64 peer;
	__u64 peer_address;
	bool active;
	__u8 path;	 /* enum direction_path */
	__u32 write_seq; /* as the socket was put into the map: nothing sent yet */
	/* What was redirected, and what of it as the queue was last looked at. */
	__u64 bytes, messages;
	__u64 checked_messages;
	__u32 unchecked_bytes; /* so many more before it is looked at again */
	/* So many messages were certainly read; and once so many bytes are, so many messages are.
	 */
	__u64 read_messages;
	__u64 mark_bytes, mark_messages;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct direction);
} directions SEC(".maps");

/* ---- a connection is established ------------------------------------------------------------- */

static void read_connection(struct bpf_sock_ops *ctx, bool active, struct connection *c)
{
	/* Read whether they are there or not: a choice of context fields is beyond the verifier. */
	__u32 local_ip4 = ctx->local_ip4, remote_ip4 = ctx->remote_ip4;
	__u32 *local_ip = active ? c->client_ip : c->server_ip;
	__u32 *remote_ip = active ? c->server_ip : c->client_ip;
	__u32 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);
	__u32 sent = ctx->snd_nxt, received = ctx->rcv_nxt;

	c->netns_cookie = bpf_get_netns_cookie(ctx);
	if (ctx->family == AF_INET) {
		local_ip[2] = remote_ip[2] = bpf_htonl(0xffff);
		local_ip[3] = local_ip4;
		remote_ip[3] = remote_ip4;
	} else {
		for (int i = 0; i < 4; i++) {
			local_ip[i] = ctx->local_ip6[i];
			remote_ip[i] = ctx->remote_ip6[i];
		}
	}
	c->client_port = active ? local_port : remote_port;
	c->server_port = active ? remote_port : local_port;
	c->client_start = active ? sent : received;
	c->server_start = active ? received : sent;
}

/* 127.0.0.0/8 to itself, ::1, or any address to itself. */
static bool is_local(const struct connection *c)
{
	const __u32 *client = c->client_ip, *server = c->server_ip;
	bool ipv4 = !client[0] && !client[1] && client[2] == bpf_htonl(0xffff);

	if (client[0] != server[0] || client[1] != server[1] || client[2] != server[2])
		return false;
	if (ipv4 && (bpf_ntohl(client[3]) >> 24) == 127)
		return (bpf_ntohl(server[3]) >> 24) == 127;
	return client[3] == server[3];
}

/* PORT: the one that the connection was made to. */
static bool is_port_of_ours(__u16 port)
{
	return !settings.some_ports || settings.ports[port / 64] >> port % 64 & 1;
}

/* Is there something about the socket that redirecting does not go with? Returns what, or EVENTS.
 */
static __u32 find_obstacle(struct bpf_sock_ops *ctx, const struct tcp_sock *tcp)
{
	const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;

	if (tcp->inet_conn.icsk_ulp_ops)
		return EVENT_SOCKET_ULP;
	if (ctx->data_segs_out)
		return EVENT_SOCKET_FAST_OPEN;
	if (sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY) & 1)
		return EVENT_SOCKET_ZEROCOPY;
	if (sk->sk_rcvlowat > 1)
		return EVENT_SOCKET_LOW_WATER;
	return EVENTS;
}

/*
 * Puts a socket into the map of sockets. First what redirect_to_peer() is to know of it: from then
 * on that may be called.
 */
static __u32 take(struct bpf_sock_ops *ctx, struct tcp_sock *tcp, const struct connection *c,
		  __u64 id, bool active, struct direction **taken)
{
	__u64 self = active ? id : id + 1;
	struct direction *direction;

	direction = bpf_sk_storage_get(&directions, tcp, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!direction)
		return EVENT_SOCKET_NO_ROOM;
	direction->connection = *c;
	direction->self = self;
	direction->peer = active ? id + 1 : id;
	direction->active = active;
	direction->write_seq = tcp->write_seq;
	if (bpf_sock_hash_update(ctx, &sockets, &self, BPF_NOEXIST))
		return EVENT_SOCKET_NO_ROOM;
	*taken = direction;
	return EVENT_SOCKET_TAKEN;
}

/* The end that called connect() is the first to be established. */
static __u32 take_client(struct bpf_sock_ops *ctx, struct tcp_sock *tcp, const struct connection *c)
{
	struct meeting meeting = { .client_address = (__u64)tcp };
	struct direction *direction;
	__u32 event;

	meeting.id = __sync_fetch_and_add(&last_id, 2);
	event = take(ctx, tcp, c, meeting.id, true, &direction);
	if (event != EVENT_SOCKET_TAKEN)
		return event;
	if (bpf_map_update_elem(&connections, c, &meeting, BPF_NOEXIST))
		return EVENT_SOCKET_NO_ROOM;
	/* Tell us when it ends. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return EVENT_SOCKET_TAKEN;
}

/* The end that was connected to. Where the client's isn't taken, it is left alone. */
static __u32 take_server(struct bpf_sock_ops *ctx, struct tcp_sock *tcp, const struct connection *c)
{
	struct meeting *meeting = bpf_map_lookup_elem(&connections, c);
	struct direction *direction;
	__u32 event;
	__u64 id;

	if (!meeting)
		return EVENT_SOCKET_NO_PEER;
	id = meeting->id;
	/* If the client has gone meanwhile, its entry, and so ID, may be another connection's. */
	if (!bpf_map_lookup_elem(&connections, c))
		return EVENT_SOCKET_NO_PEER;
	event = take(ctx, tcp, c, id, false, &direction);
	if (event != EVENT_SOCKET_TAKEN)
		return event;
	direction->peer_address = meeting->client_address;
	/* Last, and for other CPUs too: now it may be sent to. */
	__sync_lock_test_and_set(&meeting->server_address, (__u64)tcp);
	return EVENT_SOCKET_TAKEN;
}

/* See framing.bpf.h. */
static __u32 note_member(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct member nothing = {};

	if (bpf_map_update_elem(&members, &cookie, &nothing, BPF_NOEXIST))
		return EVENT_SOCKET_NO_ROOM;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return EVENT_SOCKET_FRAMED;
}

/*
 * connect(AF_UNSPEC) parts a socket from its peer, and then it may be connected to another one: of
 * the connection before, nothing may be left, not even bytes that were not read.
 */
static void forget_connection_before(struct bpf_sock *sk)
{
	struct direction *direction = bpf_sk_storage_get(&directions, sk, NULL, 0);

	if (!direction)
		return;
	bpf_map_delete_elem(&sockets, &direction->self);
	bpf_sk_storage_delete(&directions, sk);
}

static void established(struct bpf_sock_ops *ctx, bool active)
{
	struct connection connection = {};
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp;
	__u32 event;

	if (!sk)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	forget_connection_before(sk);
	read_connection(ctx, active, &connection);
	if (!framing && !is_local(&connection)) {
		count(EVENT_SOCKET_REMOTE);
		return;
	}
	if (!is_port_of_ours(connection.server_port)) {
		count(EVENT_SOCKET_OTHER_PORT);
		return;
	}
	if (framing) {
		count(note_member(ctx));
		return;
	}
	if (active)
		count(EVENT_CONNECTION);
	event = find_obstacle(ctx, tcp);
	if (event == EVENTS)
		event = active ? take_client(ctx, tcp, &connection)
			       : take_server(ctx, tcp, &connection);
	count(event);
}

/*
 * The connection is over. The map `sockets` keeps the socket until close(), for bytes that are
 * still to be read.
 */
static void closed(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct direction *direction;
	struct tcp_sock *tcp;

	if (!sk)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	/* Is it no process's? Else release_member() will come. */
	if (tcp && !tcp->inet_conn.icsk_inet.sk.sk_socket)
		bpf_map_delete_elem(&members, &cookie);
	direction = bpf_sk_storage_get(&directions, sk, NULL, 0);
	if (!direction)
		return;
	bpf_map_delete_elem(&connections, &direction->connection);
	direction->path = PATH_STACK;
}

SEC("sockops")
int follow_connections(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		established(ctx, true);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		established(ctx, false);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			closed(ctx);
		break;
	}
	return 1;
}

/* ---- an option is set ------------------------------------------------------------------------ */

/*
 * kTLS would take what was redirected for the plain text of what it has decrypted, and who sends
 * with MSG_ZEROCOPY would wait for an answer that only the stack gives. With EPERM, programs do
 * without. Before the connection is established both are allowed, and then it is left alone.
 */
SEC("cgroup/setsockopt")
int refuse_options(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	bool refused = (ctx->level == SOL_TCP && ctx->optname == TCP_ULP) ||
		       (ctx->level == SOL_SOCKET && ctx->optname == SO_ZEROCOPY);

	/* Of a longer value we are given the beginning; 0 says that we have changed none of it. */
	if (ctx->optlen > OPTION_BYTES_MAX)
		ctx->optlen = 0;
	if (!refused || !sk || !bpf_sk_storage_get(&directions, sk, NULL, 0))
		return 1;
	count(EVENT_OPTION_REFUSED);
	return 0;
}

/* ---- a socket sends -------------------------------------------------------------------------- */

/* The first send of a direction decides its path. */
static __u32 decide(struct direction *direction, const struct tcp_sock *tcp)
{
	struct meeting *meeting = bpf_map_lookup_elem(&connections, &direction->connection);

	if (tcp->write_seq != direction->write_seq) {
		count(EVENT_DIRECTION_SENT_BEFORE);
		return PATH_STACK;
	}
	if (!meeting || !meeting->server_address) {
		count(EVENT_DIRECTION_NO_PEER);
		return PATH_STACK;
	}
	if (direction->active)
		direction->peer_address = meeting->server_address;
	if (!__sync_lock_test_and_set(&meeting->bypassed, 1))
		count(EVENT_CONNECTION_BYPASSED);
	count(EVENT_DIRECTION_BYPASSED);
	return PATH_BYPASS;
}

/*
 * How many bytes the peer has not read yet, and how many it may leave unread. Beyond that TCP would
 * drop what comes through the stack: its own limit counts what was redirected, too. The peer's
 * address is good for this alone: where the socket has gone in the meantime, the numbers mean
 * nothing, and cost at most the bypass.
 */
static __u32 look_at_queue(const struct direction *direction, const struct tcp_sock *tcp,
			   __u32 *limit)
{
	const struct net *net = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	const struct sock *peer = (const void *)direction->peer_address;
	__u32 receive_buffer = BPF_CORE_READ(peer, sk_rcvbuf);

	*limit = (__u32)net->ipv4.sysctl_tcp_rmem[2] / 3 * 2;
	if (BPF_CORE_READ_BITFIELD_PROBED(peer, sk_userlocks) & SOCK_RCVBUF_LOCK)
		*limit = receive_buffer / 3 * 2;
	return BPF_CORE_READ(peer, sk_backlog.rmem_alloc.counter);
}

/* Does TCP have to save memory, on the whole machine? Then redirecting is about to fail. */
static bool is_memory_short(const struct tcp_sock *tcp)
{
	const struct proto *proto = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_prot;
	unsigned long since = 0;

	bpf_probe_read_kernel(&since, sizeof(since), proto->memory_pressure);
	return since;
}

/*
 * How many messages of so many bytes, at most. The kernel tells bytes only; but once it has fewer
 * than were sent since a mark, all messages up to the mark are read.
 */
static __u64 messages_queued(struct direction *direction, __u32 bytes)
{
	if (direction->bytes - direction->mark_bytes >= bytes) {
		direction->read_messages = direction->mark_messages;
		direction->mark_bytes = direction->bytes;
		direction->mark_messages = direction->messages;
	}
	return direction->messages - direction->read_messages;
}

/* Is the reader too far behind for so many bytes more? */
static bool is_queue_full(struct direction *direction, const struct tcp_sock *tcp, __u32 size)
{
	__u32 queued, limit;

	if (size <= direction->unchecked_bytes &&
	    direction->messages - direction->checked_messages < CHECK_MESSAGES) {
		direction->unchecked_bytes -= size;
		return false;
	}
	queued = look_at_queue(direction, tcp, &limit);
	if ((__u64)queued + size > limit)
		return true;
	direction->unchecked_bytes = (limit - queued - size) / 2;
	if (direction->unchecked_bytes > CHECK_BYTES)
		direction->unchecked_bytes = CHECK_BYTES;
	direction->checked_messages = direction->messages;
	return messages_queued(direction, queued) > queue_limit_messages;
}

/* Must the direction leave the bypass, with a message of so many bytes? Returns why, or EVENTS. */
static __u32 find_reason_to_leave(struct direction *direction, const struct tcp_sock *tcp,
				  __u32 size)
{
	if (settings.closing)
		return EVENT_LEFT_CLOSING;
	/* A send() that began while the connection didn't exist yet knows nothing of us. */
	if (tcp->write_seq != direction->write_seq)
		return EVENT_LEFT_STACK_USED;
	if (is_memory_short(tcp))
		return EVENT_LEFT_NO_MEMORY;
	if (is_queue_full(direction, tcp, size))
		return EVENT_LEFT_QUEUE_FULL;
	return EVENTS;
}

/*
 * Whether the message is now the peer's. It may not be: then it goes through the stack, and the
 * direction with it from now on. That is in order, because who reads from a socket is given first
 * what was redirected to it, and then what came through the stack. For the same reason there is no
 * way back: what was redirected would overtake what is still in the stack.
 */
static bool redirect(struct sk_msg_md *msg, struct direction *direction, const struct tcp_sock *tcp)
{
	__u32 reason = find_reason_to_leave(direction, tcp, msg->size);

	if (reason == EVENTS) {
		if (bpf_msg_redirect_hash(msg, &sockets, &direction->peer, BPF_F_INGRESS) ==
		    SK_PASS) {
			direction->bytes += msg->size;
			direction->messages++;
			return true;
		}
		reason = EVENT_LEFT_PEER_GONE;
	}
	count(reason);
	direction->path = PATH_STACK;
	return false;
}

SEC("sk_msg")
int redirect_to_peer(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct direction *direction;
	struct tcp_sock *tcp;

	if (!sk)
		return SK_PASS;
	tcp = bpf_skc_to_tcp_sock(sk);
	direction = bpf_sk_storage_get(&directions, sk, NULL, 0);
	if (!tcp || !direction)
		return SK_PASS;
	if (direction->path == PATH_UNDECIDED)
		direction->path = decide(direction, tcp);

	/* After shutdown() or a reset it is the stack that knows what to answer. */
	if (direction->path == PATH_BYPASS &&
	    (sk->state == BPF_TCP_ESTABLISHED || sk->state == BPF_TCP_CLOSE_WAIT) &&
	    redirect(msg, direction, tcp))
		measure(WAY_REDIRECTED, msg->size);
	else
		measure(WAY_PASSED, msg->size);
	return SK_PASS; /* redirected, too, where redirect() has said so */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
