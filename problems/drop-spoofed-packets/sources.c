// SPDX-License-Identifier: BSD-2-Clause
/* Sets of allowed sources in user space. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hookpoint.h"
#include "sources.h"

/* ---- sets ------------------------------------------------------------------------------------ */

int sources_add(struct sources *set, const struct source *source, __u64 value)
{
	struct entry *entries = set->entries;

	if (!(set->n & (set->n - 1))) { /* full: doubles at 1, 2, 4 ... */
		entries = reallocarray(entries, set->n ? set->n * 2 : 1, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		set->entries = entries;
	}
	entries[set->n++] = (struct entry){ *source, value };
	return 0;
}

void sources_free(struct sources *set)
{
	free(set->entries);
	memset(set, 0, sizeof(*set));
}

/* By family, then single addresses first and the widest prefixes last. */
static int compare(const void *a, const void *b)
{
	const struct source *one = a, *other = b;

	if (one->family != other->family)
		return one->family < other->family ? -1 : 1;
	if (one->bits != other->bits)
		return one->bits > other->bits ? -1 : 1;
	return memcmp(&one->address, &other->address, sizeof(one->address));
}

static void merge_doubles(struct sources *set)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (kept && !compare(&set->entries[kept - 1], &set->entries[i]))
			set->entries[kept - 1].value |= set->entries[i].value;
		else
			set->entries[kept++] = set->entries[i];
	}
	set->n = kept;
}

/* The fact that an entry's length belongs to, and its bit there. */
static void note_length(const struct source *source, __u64 facts[FACTS])
{
	if (source->family == 4 && source->bits < 32)
		facts[FACT_IPV4_LENGTHS] |= 1ULL << source->bits;
	else if (source->family == 6 && source->bits < 64)
		facts[FACT_IPV6_LENGTHS_LOW] |= 1ULL << source->bits;
	else if (source->family == 6 && source->bits < 128)
		facts[FACT_IPV6_LENGTHS_HIGH] |= 1ULL << (source->bits - 64);
}

int sources_complete(struct sources *set, bool log_only)
{
	__u64 facts[FACTS] = { [FACT_LOG_ONLY] = log_only };
	int err;

	for (size_t i = 0; i < set->n; i++)
		note_length(&set->entries[i].source, facts);
	for (__u32 fact = 0; fact < FACTS; fact++) {
		err = facts[fact] ? sources_add(set, &(struct source){ .bits = fact }, facts[fact])
				  : 0;
		if (err)
			return err;
	}
	if (set->n)
		qsort(set->entries, set->n, sizeof(*set->entries), compare);
	merge_doubles(set);
	return 0;
}

bool sources_equal(const struct sources *a, const struct sources *b)
{
	return a->n == b->n &&
	       (!a->n || !memcmp(a->entries, b->entries, a->n * sizeof(*a->entries)));
}

__u64 sources_find(const struct sources *set, const struct source *source)
{
	const struct entry *found = NULL;

	if (set->n)
		found = bsearch(source, set->entries, set->n, sizeof(*set->entries), compare);
	return found ? found->value : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

const char *address_text(__u32 family, const union address *address, char *text)
{
	return inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static __u32 address_bits(const struct source *source)
{
	return source->family == 4 ? 32 : 128;
}

void source_print(const struct source *source, source_text text)
{
	address_text(source->family, &source->address, text);
	if (source->bits < address_bits(source))
		snprintf(text + strlen(text), sizeof(source_text) - strlen(text), "/%u",
			 source->bits);
}

/* Is there a bit set behind the prefix? */
static bool has_more_bits(const struct source *source)
{
	for (__u32 bit = source->bits; bit < address_bits(source); bit++)
		if (source->address.bytes[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

error_t source_parse(const char *arg, struct source *source)
{
	size_t length = strcspn(arg, "/");
	struct source parsed = {};
	char address[INET6_ADDRSTRLEN], *end;
	unsigned long bits;

	snprintf(address, sizeof(address), "%.*s", (int)length, arg);
	if (length < sizeof(address) && inet_pton(AF_INET, address, &parsed.address) == 1)
		parsed.family = 4;
	else if (length < sizeof(address) && inet_pton(AF_INET6, address, &parsed.address) == 1)
		parsed.family = 6;
	else
		return hp_usage("bad prefix '%s': '%.*s' is neither an IPv4 nor an IPv6 address",
				arg, (int)length, arg);

	parsed.bits = address_bits(&parsed);
	if (arg[length]) {
		bits = strtoul(arg + length + 1, &end, 10);
		if (arg[length + 1] < '0' || arg[length + 1] > '9' || *end || bits > parsed.bits)
			return hp_usage("bad prefix '%s': the length of an IPv%u prefix is 0 to %u",
					arg, parsed.family, parsed.bits);
		parsed.bits = bits;
	}
	if (has_more_bits(&parsed))
		return hp_usage("bad prefix '%s': there are bits set behind the first %u; for the "
				"one address, leave out the '/%u'",
				arg, parsed.bits, parsed.bits);
	*source = parsed;
	return 0;
}

/* ---- what the kernel says -------------------------------------------------------------------- */

struct gathering {
	struct sources *set;
	__u32 ifindex;
};

static int add_from(const struct gathering *g, unsigned char family, unsigned char bits,
		    const struct nlattr *attribute)
{
	struct source source = { .bits = bits };

	source.family = family == AF_INET ? 4 : 6;
	memcpy(&source.address, mnl_attr_get_payload(attribute), family == AF_INET ? 4 : 16);
	return sources_add(g->set, &source, ORIGIN_INTERFACE);
}

static bool is_ip(unsigned char family)
{
	return family == AF_INET || family == AF_INET6;
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *local = NULL;
	const struct gathering *g = arg;

	if (!is_ip(address->ifa_family) || address->ifa_index != g->ifindex)
		return 0;
	/* On a point-to-point link IFA_ADDRESS is the peer's, and IFA_LOCAL ours. */
	mnl_attr_for_each(attribute, message, sizeof(*address))
	{
		if (mnl_attr_get_type(attribute) == IFA_LOCAL ||
		    (mnl_attr_get_type(attribute) == IFA_ADDRESS && !local))
			local = attribute;
	}
	return local ? add_from(g, address->ifa_family, address->ifa_family == AF_INET ? 32 : 128,
				local)
		     : 0;
}

static int take_local_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct gathering *g = arg;
	const struct nlattr *attribute;

	if (!is_ip(route->rtm_family) || route->rtm_type != RTN_LOCAL)
		return 0;
	mnl_attr_for_each(attribute, message,
			  sizeof(*route)) if (mnl_attr_get_type(attribute) ==
					      RTA_DST) return add_from(g, route->rtm_family,
								       route->rtm_dst_len,
								       attribute);
	return 0;
}

static int dump_addresses(struct mnl_socket *socket, struct gathering *g)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(request, sizeof(*address));

	request->nlmsg_type = RTM_GETADDR;
	/* Of all interfaces: of one alone the kernel (6.18) doesn't say when it left something out.
	 */
	address->ifa_family = AF_UNSPEC;
	return hp_netlink_dump(socket, request, take_address, g);
}

static int dump_local_routes(struct mnl_socket *socket, struct gathering *g, unsigned char family)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	request->nlmsg_type = RTM_GETROUTE;
	route->rtm_family = family;
	return hp_netlink_dump(socket, request, take_local_route, g);
}

static int is_loopback(int ifindex, bool *loopback)
{
	int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {};

	if (fd < 0)
		return -errno;
	if (!if_indextoname(ifindex, request.ifr_name) || ioctl(fd, SIOCGIFFLAGS, &request))
		err = -errno;
	else
		*loopback = request.ifr_flags & IFF_LOOPBACK;
	close(fd);
	return err;
}

static int dump_all(struct mnl_socket *socket, struct gathering *g, bool loopback)
{
	int err;

	if (!loopback)
		return dump_addresses(socket, g);
	err = dump_local_routes(socket, g, AF_INET);
	return err ? err : dump_local_routes(socket, g, AF_INET6);
}

/*
 * The kernel dumps in pieces. Where an address goes away between two of them, another one may be
 * left out; then it says EINTR, and we ask again. To drop an honest packet is worse than to honour
 * for some more milliseconds an address that has just gone: what any of the dumps shows is there.
 */
int sources_gather(struct sources *set, int ifindex)
{
	struct gathering g = { .set = set, .ifindex = ifindex };
	struct mnl_socket *socket;
	bool loopback = false;
	int err;

	err = is_loopback(ifindex, &loopback);
	if (!err)
		err = hp_netlink_open(0, &socket);
	if (err)
		return err;
	err = -EINTR;
	for (int dumps = 0; err == -EINTR && dumps < 8; dumps++)
		err = dump_all(socket, &g, loopback);
	mnl_socket_close(socket);
	return err == -EINTR ? 0 : err;
}

int sources_want(struct sources *set, int ifindex, const struct sources *allowed, bool log_only)
{
	int err = 0;

	for (size_t i = 0; i < allowed->n && !err; i++) {
		const struct entry *entry = &allowed->entries[i];

		if (entry->source.family && entry->value & ORIGIN_ALLOWED)
			err = sources_add(set, &entry->source, ORIGIN_ALLOWED);
	}
	if (!err && ifindex)
		err = sources_gather(set, ifindex);
	return err ? err : sources_complete(set, log_only);
}
