// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sends TCP SYN segments through a packet socket, in turn to each of the PORTs, as fast as it goes:
 *
 *	send-segments IF SOURCE DESTINATION MAC COUNT PORT...
 *
 * SOURCE and DESTINATION are IPv4 addresses, MAC is the destination's. Prints how many were sent.
 *Exit status: 0; 1 usage; 2 the kernel refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* RFC 1071, over whole 16-bit words. */
static __u16 checksum(const void *data, size_t size, __u32 sum)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void fill(struct frame *f, char **argv)
{
	struct ether_addr *mac = ether_aton(argv[4]);

	memset(f, 0, sizeof(*f));
	if (mac)
		memcpy(f->eth.h_dest, mac, ETH_ALEN);
	f->eth.h_source[0] = 2;
	f->eth.h_proto = htons(ETH_P_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	f->ip.tot_len = htons(sizeof(f->ip) + sizeof(f->tcp));
	f->ip.saddr = inet_addr(argv[2]);
	f->ip.daddr = inet_addr(argv[3]);
	f->ip.check = checksum(&f->ip, sizeof(f->ip), 0);
	f->tcp.source = htons(40000);
	f->tcp.doff = 5;
	f->tcp.syn = 1;
}

/*
 * Another port, and the checksum over the pseudo header (RFC 9293, section 3.1) that goes with it.
 */
static void aim(struct frame *f, __u16 port)
{
	__u32 sum = IPPROTO_TCP + sizeof(f->tcp);

	sum += ntohl(f->ip.saddr) >> 16;
	sum += ntohl(f->ip.saddr) & 0xffff;
	sum += ntohl(f->ip.daddr) >> 16;
	sum += ntohl(f->ip.daddr) & 0xffff;
	f->tcp.dest = htons(port);
	f->tcp.check = 0;
	f->tcp.check = checksum(&f->tcp, sizeof(f->tcp), sum);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	struct frame frame;
	long count, sent;
	int fd;

	if (argc < 7) {
		fprintf(stderr, "send-segments: IF SOURCE DESTINATION MAC COUNT PORT...\n");
		return 1;
	}
	count = atol(argv[5]);
	fill(&frame, argv);
	to.sll_ifindex = if_nametoindex(argv[1]);
	memcpy(to.sll_addr, frame.eth.h_dest, ETH_ALEN);
	fd = socket(AF_PACKET, SOCK_RAW, 0);

	for (sent = 0; sent < count; sent++) {
		aim(&frame, atoi(argv[6 + sent % (argc - 6)]));
		while (sendto(fd, &frame, sizeof(frame), 0, (void *)&to, sizeof(to)) < 0) {
			if (errno != ENOBUFS) { /* that one was dropped on the way: again */
				fprintf(stderr, "send-segments: %s: %s\n", argv[1],
					strerror(errno));
				return 2;
			}
			usleep(100);
		}
	}
	printf("%ld\n", sent);
	close(fd);
	return 0;
}
