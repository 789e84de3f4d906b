"""The words that the scapy expressions of the cases may use, and how frames are written as hex.

The laboratory: the router with two ports, a client behind port 0, a server behind port 1.
Every expectation here follows from an RFC; nothing in this folder runs or imports the router's code.
"""

import ipaddress
import logging
import re
import struct

from scapy.all import *  # the expressions are plain scapy
from scapy.contrib.igmp import IGMP  # noqa: F401
from scapy.contrib.igmpv3 import IGMPv3  # noqa: F401

logging.getLogger("scapy").setLevel(logging.ERROR)

# Link-layer headers: what host N sends to the router's port N, and what the router sends back.
in0 = Ether(src="02:00:00:00:01:02", dst="02:00:00:00:01:01")
out0 = Ether(src="02:00:00:00:01:01", dst="02:00:00:00:01:02")
in1 = Ether(src="02:00:00:00:02:02", dst="02:00:00:00:02:01")
out1 = Ether(src="02:00:00:00:02:01", dst="02:00:00:00:02:02")

# Addresses: the client, the server, the router on each port; their link-local addresses.
C, S, R0, R1 = "10.0.1.2", "10.0.2.2", "10.0.1.1", "10.0.2.1"
C6, S6, R06, R16 = "fd00:1::2", "fd00:2::2", "fd00:1::1", "fd00:2::1"
LC6, LS6, LR06, LR16 = "fe80::ff:fe00:102", "fe80::ff:fe00:202", "fe80::ff:fe00:101", "fe80::ff:fe00:201"


class Frame:
    """Bytes, some of which may vary: a set of offsets."""

    def __init__(self, data, varies=()):
        self.data, self.varies = bytes(data), frozenset(varies)

    def __bytes__(self):
        return self.data

    def matches(self, data):
        """Is `data` this frame, but for what may vary?"""
        return len(data) == len(self.data) and all(
            a == b or i in self.varies for i, (a, b) in enumerate(zip(self.data, data))
        )


def vary(frame, *spans):
    """The same frame; the bytes of each (offset, length) may have any value."""
    old = frame.varies if isinstance(frame, Frame) else ()
    return Frame(frame, set(old) | {i for at, length in spans for i in range(at, at + length)})


def any_id(frame):
    """An IPv4 frame of the router's own: its identification and flags, and so its header checksum, may vary.

    Both are the sender's affair where nothing is fragmented (RFC 6864 §4.1, RFC 1191 §3).
    """
    return vary(frame, (18, 3), (24, 2))


def patch(frame, at, data):
    """The same frame with other bytes from `at` on; no checksum is mended."""
    whole = bytearray(bytes(frame))
    whole[at : at + len(data)] = data
    return Frame(whole, frame.varies if isinstance(frame, Frame) else ())


def cut(frame, length):
    """The first bytes of a frame."""
    return Frame(bytes(frame)[:length])


def checksum4(frame):
    """The frame with the checksum that its IPv4 header (at offset 14) ought to have, whatever the header says."""
    whole = bytearray(bytes(frame))
    header = 14 + max(5, whole[14] & 15) * 4
    whole[24:26] = b"\0\0"
    whole[24:26] = struct.pack("!H", checksum(bytes(whole[14:header])))
    return Frame(whole)


def with_checksum(frame, value):
    """The IPv4 frame with the identification that makes its header checksum this value."""
    whole = bytearray(bytes(frame))
    whole[18:20] = b"\0\0"
    whole[24:26] = struct.pack("!H", value)
    whole[18:20] = struct.pack("!H", checksum(bytes(whole[14 : 14 + (whole[14] & 15) * 4])))
    return Frame(whole)


def counted(frame, number):
    """The IPv4 frame with an identification higher by so much."""
    ident = struct.unpack("!H", bytes(frame)[18:20])[0] + number
    return checksum4(patch(frame, 18, struct.pack("!H", ident & 0xFFFF)))


def packet(frame):
    """The IP packet of an Ethernet II frame, without padding."""
    raw = bytes(frame)[14:]
    if raw[0] >> 4 == 4:
        length = struct.unpack("!H", raw[2:4])[0]
    else:
        length = 40 + struct.unpack("!H", raw[4:6])[0]
    return raw[: max(length, 20)]


def forwarded(frame, link):
    """What a router makes of a frame: one hop less (RFC 1812 §5.3.1, RFC 8200 §3), the link header `link`, no padding.

    The IPv4 header checksum is summed up from nothing, not updated.
    """
    raw = bytearray(packet(frame))
    if raw[0] >> 4 == 4:
        raw[8] -= 1
        raw[10:12] = b"\0\0"
        raw[10:12] = struct.pack("!H", checksum(bytes(raw[: (raw[0] & 15) * 4])))
        kind = 0x0800
    else:
        raw[7] -= 1
        kind = 0x86DD
    return Frame(bytes(link.__class__(src=link.src, dst=link.dst, type=kind)) + bytes(raw))


def error4(link, about, type, code, source=None, destination=None, **fields):
    """The ICMP error about `about`, out by `link`: RFC 1812 §4.3.2.

    The router's address on that link (§4.3.2.4), precedence 6 and the TOS bits of the original (§4.3.2.5), the
    original as received, as much of it as fits 576 bytes (§4.3.2.3). The identification is the router's affair.
    """
    quoted = packet(about)
    net = bytes.fromhex(link.src.replace(":", ""))[4]
    ip = IP(
        src=source or f"10.0.{net}.1",
        dst=destination or inet_ntoa(quoted[12:16]),
        tos=0xC0 | quoted[1] & 0x1C,
        ttl=64,
    )
    return any_id(link / ip / ICMP(type=type, code=code, **fields) / Raw(quoted[: 576 - 28]))


def error6(link, about, type, code, word=0, source=None, destination=None):
    """The ICMPv6 error about `about`, out by `link`: RFC 4443 §2.4, §3; the original, as much as fits 1280 bytes.

    `word` is the message's second word: MTU or pointer.
    """
    quoted = packet(about)
    net = bytes.fromhex(link.src.replace(":", ""))[4]
    message = struct.pack("!BBHI", type, code, 0, word) + quoted[: 1280 - 48]
    ip = IPv6(src=source or f"fd00:{net}::1", dst=destination or str(ipaddress.IPv6Address(quoted[8:24])), hlim=64, nh=58)
    total = in6_chksum(58, ip, message)
    message = message[:2] + struct.pack("!H", total) + message[4:]
    return Frame(bytes(link / ip / Raw(message)))


def icmp6(ip, message):
    """An ICMPv6 message under an IPv6 header, with its checksum."""
    ip = IPv6(bytes(ip / Raw(message)))
    ip.nh = 58
    del ip.plen
    message = message[:2] + struct.pack("!H", in6_chksum(58, ip, message[:2] + b"\0\0" + message[4:])) + message[4:]
    return IPv6(src=ip.src, dst=ip.dst, hlim=ip.hlim, nh=58) / Raw(message)


def tcp_options(options, source=C, destination=R0):
    """A SYN to port 81 with these option bytes, which may be malformed; all else is right."""
    segment = struct.pack("!HHIIBBHHH", 4000, 81, 100, 0, (20 + len(options)) // 4 << 4, 2, 8192, 0, 0) + options
    ip = IP(src=source, dst=destination, proto=6)
    segment = segment[:16] + struct.pack("!H", in4_chksum(6, IP(raw(ip / Raw(segment))), segment)) + segment[18:]
    return ip / Raw(segment)


def solicited(address):
    """The solicited-node group of an IPv6 address (RFC 4291 §2.7.1)."""
    last = ipaddress.IPv6Address(address).packed[13:]
    return str(ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + last))


def group_mac(address):
    """The Ethernet group of an IPv6 group (RFC 2464 §7)."""
    return "33:33:" + ":".join(f"{b:02x}" for b in ipaddress.IPv6Address(address).packed[12:])


def build(expression, steps=(), sent=None):
    """The frame that an expression stands for. `sent`: the step's own stimulus; `steps[n]`: that of step n, from 0."""
    names = dict(globals(), sent=sent, steps=list(steps))
    made = eval(expression, names)  # the cases are part of the project
    if isinstance(made, Frame):
        return made
    return Frame(bytes(made))


def show(frame):
    """Hex for people: link header, network header, the rest; `61*9` is nine times 61; `..` may be anything."""
    data = bytes(frame)
    cuts = [6, 12, 14]
    if data[12:14] == b"\x08\x00" and len(data) > 34:
        cuts.append(14 + (data[14] & 15) * 4)
    elif data[12:14] == b"\x86\xdd":
        cuts += [54]
    tokens = [".." if i in frame.varies else f"{byte:02x}" for i, byte in enumerate(data)]
    text, at = [], 0
    while at < len(tokens):
        run = 1
        while at + run < len(tokens) and tokens[at + run] == tokens[at]:
            run += 1
        if run >= 8:
            text.append(f" {tokens[at]}*{run} ")
        else:
            run = 1
            text.append((" " if at in cuts else "") + tokens[at])
        at += run
    return re.sub(" +", " ", "".join(text)).strip()


def parse(text):
    """The frame that `show` wrote."""
    data, varies = bytearray(), set()
    for word in text.split():
        token, _, times = word.partition("*")
        for _ in range(int(times or 1)):
            for i in range(0, len(token), 2):
                if token[i : i + 2] == "..":
                    varies.add(len(data))
                    data.append(0)
                else:
                    data.append(int(token[i : i + 2], 16))
    return Frame(data, varies)
