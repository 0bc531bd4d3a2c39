// SPDX-License-Identifier: BSD-2-Clause
/*
 * The filter: which host sent this packet, and over how many hops? Read it from top to bottom: the
 * instructions stand in the order in which write_filter(), at the end, puts them together.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>

#include "count-ttl.h"
#include "filter.h"

/*
 * r0 is what a call returns, r1 to r5 are its arguments and lost with it, r10 points to the end of
 * 512 bytes of stack. Of those that survive calls, these are in use.
 */
#define PACKET	BPF_REG_6 /* the context: what the kernel tells about the packet */
#define TTL	BPF_REG_7
#define PACKETS BPF_REG_8 /* how many it stands for */

/* Where things are on the stack, from r10. */
#define KEY    (-24) /* struct host, filled up to a multiple of 8 */
#define VALUE  (-40) /* struct host_count */
#define HEADER (-80) /* the IP header */

#define IN_KEY(member)	  (KEY + (int)offsetof(struct host, member))
#define IN_IPV4(member)	  (HEADER + (int)offsetof(struct iphdr, member))
#define IN_IPV6(member)	  (HEADER + (int)offsetof(struct ipv6hdr, member))
#define IN_CONTEXT(field) offsetof(struct __sk_buff, field)

static void begin(struct hp_asm *as)
{
	/* r1 is the context now, and something else after the first call. */
	hp_asm_add(as, BPF_MOV64_REG(PACKET, BPF_REG_1));

	/* The key is compared byte by byte: none of them may be left to chance. */
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, BPF_REG_10, KEY, 0));
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, BPF_REG_10, KEY + 8, 0));
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, BPF_REG_10, KEY + 16, 0));

	/*
	 * On their way up, segments of a connection are made into one large packet (GRO), which
	 * remembers of how many. 0: none of them was.
	 */
	hp_asm_add(as, BPF_LDX_MEM(BPF_W, PACKETS, PACKET, IN_CONTEXT(gso_segs)));
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JNE, PACKETS, 0, 0), "which protocol");
	hp_asm_add(as, BPF_MOV64_IMM(PACKETS, 1));

	/* The EtherType, in network byte order. */
	hp_asm_label(as, "which protocol");
	hp_asm_add(as, BPF_LDX_MEM(BPF_W, BPF_REG_1, PACKET, IN_CONTEXT(protocol)));
	hp_asm_add(as, BPF_ENDIAN(BPF_TO_BE, BPF_REG_1, 16));
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, ETH_P_IP, 0), "IPv4");
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, ETH_P_IPV6, 0), "IPv6");
	hp_asm_jump(as, BPF_JMP_A(0), "unreadable");
}

/*
 * Copies the first BYTES of the IP header to the stack. Where that is, seen from where the packet
 * begins for the socket, depends on its kind.
 */
static void copy_header(struct hp_asm *as, enum socket_kind kind, int bytes)
{
	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_1, PACKET));
	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_2, 0)); /* from its beginning */
	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_3, BPF_REG_10));
	hp_asm_add(as, BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, HEADER)); /* to here */
	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_4, bytes));
	if (kind == UDP_SOCKET) { /* the header lies before what the socket sees */
		hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_5, BPF_HDR_START_NET));
		hp_asm_add(as, BPF_EMIT_CALL(BPF_FUNC_skb_load_bytes_relative));
	} else { /* the header is where it begins, perhaps in another page of memory */
		hp_asm_add(as, BPF_EMIT_CALL(BPF_FUNC_skb_load_bytes));
	}
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 0), "unreadable"); /* it is shorter */
}

/*
 * The first four bits of either header must agree with the EtherType; the key gets them too. They
 * do not stand at the beginning of eight bytes of stack: there Linux 6.1 would remember the number,
 * and without CAP_PERFMON refuse to let hops be written beside it.
 */
static void check_version(struct hp_asm *as, int version)
{
	hp_asm_add(as, BPF_LDX_MEM(BPF_B, BPF_REG_1, BPF_REG_10, HEADER));
	hp_asm_add(as, BPF_ALU64_IMM(BPF_RSH, BPF_REG_1, 4));
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JNE, BPF_REG_1, version, 0), "unreadable");
	hp_asm_add(as, BPF_STX_MEM(BPF_B, BPF_REG_10, BPF_REG_1, IN_KEY(version)));
}

/* RFC 791, section 3.1 */
static void read_ipv4(struct hp_asm *as, enum socket_kind kind)
{
	hp_asm_label(as, "IPv4");
	copy_header(as, kind, sizeof(struct iphdr));
	check_version(as, 4);
	hp_asm_add(as, BPF_LDX_MEM(BPF_W, BPF_REG_1, BPF_REG_10, IN_IPV4(saddr)));
	hp_asm_add(as, BPF_STX_MEM(BPF_W, BPF_REG_10, BPF_REG_1, IN_KEY(address)));
	hp_asm_add(as, BPF_LDX_MEM(BPF_B, TTL, BPF_REG_10, IN_IPV4(ttl)));
	hp_asm_jump(as, BPF_JMP_A(0), "how many hops");
}

/* RFC 8200, section 3; on to "how many hops" */
static void read_ipv6(struct hp_asm *as, enum socket_kind kind)
{
	hp_asm_label(as, "IPv6");
	copy_header(as, kind, sizeof(struct ipv6hdr));
	check_version(as, 6);
	hp_asm_add(as, BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_10, IN_IPV6(saddr)));
	hp_asm_add(as, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1, IN_KEY(address)));
	hp_asm_add(as, BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_10, IN_IPV6(saddr) + 8));
	hp_asm_add(as, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1, IN_KEY(address) + 8));
	hp_asm_add(as, BPF_LDX_MEM(BPF_B, TTL, BPF_REG_10, IN_IPV6(hop_limit)));
}

/* Every router takes 1 off. The sender began, we guess, with the next of the usual values. */
static void guess_hops(struct hp_asm *as)
{
	static const int usual[] = { 32, 64, 128 };

	hp_asm_label(as, "how many hops");
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
		hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_1, usual[i]));
		hp_asm_jump(as, BPF_JMP_REG(BPF_JLE, TTL, BPF_REG_1, 0), "guessed");
	}
	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_1, 255));

	hp_asm_label(as, "guessed");
	hp_asm_add(as, BPF_ALU64_REG(BPF_SUB, BPF_REG_1, TTL));
	hp_asm_add(as, BPF_STX_MEM(BPF_B, BPF_REG_10, BPF_REG_1, IN_KEY(hops)));
}

/* r0 = the address of this host's count, or 0 */
static void look_up(struct hp_asm *as, int hosts_fd)
{
	hp_asm_add(as, BPF_LD_MAP_FD(BPF_REG_1, hosts_fd));
	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_2, BPF_REG_10));
	hp_asm_add(as, BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, KEY));
	hp_asm_add(as, BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem));
}

/* Makes an entry with nothing counted yet, unless another CPU has done so meanwhile. */
static void insert(struct hp_asm *as, int hosts_fd)
{
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, BPF_REG_10, VALUE, 0));
	hp_asm_add(as, BPF_ST_MEM(BPF_DW, BPF_REG_10, VALUE + 8, 0));
	hp_asm_add(as, BPF_LD_MAP_FD(BPF_REG_1, hosts_fd));
	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_2, BPF_REG_10));
	hp_asm_add(as, BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, KEY));
	hp_asm_add(as, BPF_MOV64_REG(BPF_REG_3, BPF_REG_10));
	hp_asm_add(as, BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, VALUE));
	hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_4, BPF_NOEXIST));
	hp_asm_add(as, BPF_EMIT_CALL(BPF_FUNC_map_update_elem));
}

/* Which of struct totals it goes to, is left in r1. */
static void count_host(struct hp_asm *as, int hosts_fd, int totals_fd)
{
	look_up(as, hosts_fd);
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 0), "found");
	insert(as, hosts_fd);
	look_up(as, hosts_fd);
	hp_asm_jump(as, BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 0), "no room");

	/* Other CPUs may be here with the same host: the sum must be right, any TTL will do. */
	hp_asm_label(as, "found");
	hp_asm_add(as, BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_0, PACKETS,
				     offsetof(struct host_count, packets)));
	hp_asm_add(as, BPF_STX_MEM(BPF_DW, BPF_REG_0, TTL, offsetof(struct host_count, ttl)));
	hp_asm_add(as, BPF_LD_MAP_VALUE(BPF_REG_1, totals_fd, offsetof(struct totals, counted)));
	hp_asm_jump(as, BPF_JMP_A(0), "total");

	hp_asm_label(as, "no room");
	hp_asm_add(as, BPF_LD_MAP_VALUE(BPF_REG_1, totals_fd, offsetof(struct totals, no_room)));
	hp_asm_jump(as, BPF_JMP_A(0), "total");

	hp_asm_label(as, "unreadable");
	hp_asm_add(as, BPF_LD_MAP_VALUE(BPF_REG_1, totals_fd, offsetof(struct totals, unreadable)));

	hp_asm_label(as, "total");
	hp_asm_add(as, BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_1, PACKETS, 0));
}

/* How many bytes of the packet the socket is to get. */
static void end(struct hp_asm *as, enum socket_kind kind)
{
	if (kind == UDP_SOCKET) /* all of them: somebody waits for this data */
		hp_asm_add(as, BPF_LDX_MEM(BPF_W, BPF_REG_0, PACKET, IN_CONTEXT(len)));
	else /* none: the packet goes its way, this was only a look at it */
		hp_asm_add(as, BPF_MOV64_IMM(BPF_REG_0, 0));
	hp_asm_add(as, BPF_EXIT_INSN());
}

void write_filter(struct hp_asm *as, enum socket_kind kind, int hosts_fd, int totals_fd)
{
	begin(as);
	read_ipv4(as, kind);
	read_ipv6(as, kind);
	guess_hops(as);
	count_host(as, hosts_fd, totals_fd);
	end(as, kind);
}
