# SPDX-License-Identifier: BSD-2-Clause
"""What the problems' make-fixtures build frames from, and how they print them.

Import this before scapy, whose warnings about this machine's network it turns off.
"""

import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.compat import raw  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}

ETH_IPV4, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
TCP_PROTO, UDP_PROTO, IPV6_IN_IP = 6, 17, 41
HOP_BY_HOP, ROUTING, FRAGMENT, ESP, AUTH, ICMPV6 = 0, 43, 44, 50, 51, 58
NO_NEXT, DESTINATION, MOBILITY, EXPERIMENT = 59, 60, 135, 253
MORE_FRAGMENTS, DONT_FRAGMENT, RESERVED_FLAG = 1, 2, 4
MIN_FRAME = 60


def ether(ethertype, payload, tags=()):
    """A frame, with TAGS, classes Dot1Q and Dot1AD, outermost first."""
    frame = Ether(type=ethertype, **MACS)
    if tags:
        frame = Ether(**MACS)
        for number, tag in enumerate(tags):
            frame /= tag(vlan=100 + number)
        frame.lastlayer().type = ethertype
    return raw(frame / Raw(payload))


def pad(frame, fill=b""):
    """What a sender puts behind a short packet: zeros, or FILL and zeros."""
    return (frame + fill).ljust(MIN_FRAME, b"\0")


# IPv6 extension headers: (number, bytes behind the first one), as the first names what follows.


def options(kind, size=8):
    """Hop-by-hop or destination options: options to be skipped (RFC 4727), SIZE bytes in all."""
    body, room = b"", size - 2
    while room:
        length = min(room - 2, 250)
        body += struct.pack("BB", 0x1E, length) + bytes(length)
        room -= 2 + length
    return kind, struct.pack("B", size // 8 - 1) + body


def routing():
    """Segment routing, type 4, one segment, none left."""
    return ROUTING, struct.pack("!BBBBBH", 2, 4, 0, 0, 0, 0) + bytes.fromhex(
        "20010db8000000000000000000000002"
    )


def mobility():
    return MOBILITY, struct.pack("!BBBHH", 0, 0, 0, 0, 0)


def auth(size=24):
    """12 fixed bytes and a check value. SIZE 8 cuts into the former, and can still be walked."""
    fixed_and_value = struct.pack("!HII", 0, 256, 1) + b"\xa5" * 1020
    return AUTH, struct.pack("B", size // 4 - 2) + fixed_and_value[: size - 2]


def fragment(offset=0, more=0, reserved=0):
    """OFFSET counts units of eight bytes; RESERVED is what all reserved bits are."""
    return FRAGMENT, struct.pack("!BHI", reserved * 255, offset << 3 | reserved * 6 | more, 7)


def chained(headers, proto, payload):
    """Extension headers in front of PAYLOAD, protocol PROTO: the first one's number, all bytes."""
    kinds = [kind for kind, _ in headers] + [proto]
    body = b"".join(bytes([after]) + rest for (_, rest), after in zip(headers, kinds[1:]))
    return kinds[0], body + payload


def write(groups, verdicts):
    """Prints what GROUPS, generator functions, yield: (name, verdict, frame), each only once."""
    names, frames = set(), set()
    for group in groups:
        for name, verdict, frame in group():
            assert name not in names, f"two fixtures are called {name}"
            assert frame not in frames, f"{name} repeats another fixture's frame"
            assert verdict in verdicts, f"{name}: {verdict}"
            names.add(name)
            frames.add(frame)
            sys.stdout.write(f"{name} {verdict} {frame.hex()}\n")
