// SPDX-License-Identifier: BSD-2-Clause
/* From the RFCs that are named; see tests/packets/octets.h for the cursor. */
#include <string.h>

#include "octets.h"
#include "oracle.h"

/* RFC 1700, "IP TIME TO LIVE PARAMETER", has 64; the others are what systems use besides. */
static uint8_t distance(uint8_t ttl)
{
	static const int first_values[] = { 255, 128, 64, 32 };
	int least = 255 - ttl;

	for (size_t i = 0; i < sizeof(first_values) / sizeof(*first_values); i++) {
		int hops = first_values[i] - ttl;

		if (hops >= 0 && hops < least)
			least = hops;
	}
	return least;
}

bool oracle_see(const uint8_t *frame, size_t len, struct sighting *seen)
{
	struct cursor rest = { frame, len };
	const uint8_t *ethernet = take(&rest, 14), *ip;
	unsigned int ethertype = be16(ethernet + 12);
	bool ipv4 = ethertype == 0x0800;

	if (!ipv4 && ethertype != 0x86dd)
		return false;
	/* RFC 791, section 3.1: 20 bytes without options; RFC 8200, section 3: 40 bytes. */
	ip = take(&rest, ipv4 ? 20 : 40);
	if (!ip || ip[0] / 16 != (ipv4 ? 4 : 6))
		return false;
	memset(seen, 0, sizeof(*seen));
	seen->version = ip[0] / 16;
	seen->ttl = ipv4 ? ip[8] : ip[7];
	seen->hops = distance(seen->ttl);
	memcpy(seen->address, ipv4 ? ip + 12 : ip + 8, ipv4 ? 4 : 16);
	return true;
}
