# SPDX-License-Identifier: BSD-2-Clause
"""Small valid TCP segments as Ethernet frames, from the sandbox's client to its server."""

import struct

SERVER_MAC = "02:00:00:00:00:01"
CLIENT_MAC = "02:00:00:00:00:02"


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _syn(port, pseudo_header):
    header = struct.pack("!HHIIHHHH", 40000, port, 1, 0, 0x5002, 64240, 0, 0)
    return header[:16] + _checksum(pseudo_header + header) + header[18:]


def _frame(ethertypes, packet):
    addresses = bytes.fromhex((SERVER_MAC + CLIENT_MAC).replace(":", ""))
    return (addresses + ethertypes + packet).ljust(64, b"\0")


def _ipv4_syn(port):
    addresses = bytes([10, 0, 0, 2, 10, 0, 0, 1])
    header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0)
    header = header[:10] + _checksum(header + addresses) + addresses
    return header + _syn(port, addresses + struct.pack("!HH", 6, 20))


def ipv4(port):
    return _frame(b"\x08\x00", _ipv4_syn(port))


def ipv4_vlan(port):
    return _frame(b"\x81\x00\x00\x05\x08\x00", _ipv4_syn(port))


def ipv6(port):
    """74 bytes: the headers don't fit in 64."""
    addresses = b"".join(b"\xfd" + bytes(14) + bytes([host]) for host in (2, 1))
    header = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + addresses
    return _frame(b"\x86\xdd", header + _syn(port, addresses + struct.pack("!II", 20, 6)))
