# SPDX-License-Identifier: BSD-2-Clause
"""Small valid packets as Ethernet frames, from the sandbox's client to its server."""

import socket
import struct

SERVER_MAC = "02:00:00:00:00:01"
CLIENT_MAC = "02:00:00:00:00:02"
SERVER_IPV4, CLIENT_IPV4 = "10.0.0.1", "10.0.0.2"
SERVER_IPV6, CLIENT_IPV6 = "fd00::1", "fd00::2"


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _syn(port, pseudo_header):
    header = struct.pack("!HHIIHHHH", 40000, port, 1, 0, 0x5002, 64240, 0, 0)
    return header[:16] + _checksum(pseudo_header + header) + header[18:]


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _frame(ethertypes, packet):
    return (_mac(SERVER_MAC) + _mac(CLIENT_MAC) + ethertypes + packet).ljust(64, b"\0")


def _ipv4_syn(port, source):
    addresses = socket.inet_aton(source) + socket.inet_aton(SERVER_IPV4)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0)
    header = header[:10] + _checksum(header + addresses) + addresses
    return header + _syn(port, addresses + struct.pack("!HH", 6, 20))


def ipv4(port, source=CLIENT_IPV4):
    return _frame(b"\x08\x00", _ipv4_syn(port, source))


def ipv4_vlan(port):
    return _frame(b"\x81\x00\x00\x05\x08\x00", _ipv4_syn(port, CLIENT_IPV4))


def ipv6(port, source=CLIENT_IPV6):
    """74 bytes: the headers don't fit in 64."""
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (source, SERVER_IPV6))
    header = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + addresses
    return _frame(b"\x86\xdd", header + _syn(port, addresses + struct.pack("!II", 20, 6)))


def arp(source=CLIENT_IPV4):
    """A request: who has the server's address?"""
    header = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    sender = _mac(CLIENT_MAC) + socket.inet_aton(source)
    return _frame(b"\x08\x06", header + sender + bytes(6) + socket.inet_aton(SERVER_IPV4))
