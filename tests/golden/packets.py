# SPDX-License-Identifier: BSD-3-Clause
"""Packets out of nothing: builders for golden captures. Bytes only, no clock, no randomness: what they make is the same
everywhere. Every builder takes the payload last, so that headers read from the outside in: eth(ip4("a", "b", udp(1, 2, b"x")))."""
import ipaddress
import struct

ETH, RAW = 1, 101


def csum(b):
    if len(b) & 1:
        b += b"\0"
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


class L4:
    """A transport header whose checksum waits for the addresses."""

    def __init__(self, proto, head, payload, at, csum_is=None):
        self.proto, self.bytes, self.at, self.csum_is = proto, head + payload, at, csum_is

    def done(self, src, dst, proto):
        if self.at is None:
            return self.bytes
        pseudo = src + dst + struct.pack("!IHBB", len(self.bytes), 0, 0, proto) if self.proto != 1 else b""
        value = csum(pseudo + self.bytes) if self.csum_is is None else self.csum_is
        if self.proto == 17 and value == 0 and self.csum_is is None:
            value = 0xFFFF
        return self.bytes[: self.at] + struct.pack("!H", value) + self.bytes[self.at + 2 :]


def tcp(sport, dport, flags="S", seq=1, ack=0, payload=b"", doff=None, options=b"", csum_is=None, window=8192, urg=0):
    bits = sum(1 << "FSRPAUEC".index(c) for c in flags)
    n = 5 + len(options) // 4 if doff is None else doff
    return L4(6, struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, n << 4, bits, window, 0, urg)
              + options, payload, 16, csum_is)


def udp(sport, dport, payload=b"", length=None, csum_is=None):
    return L4(17, struct.pack("!HHHH", sport, dport, 8 + len(payload) if length is None else length, 0), payload, 6, csum_is)


def icmp(kind=8, code=0, payload=b"\0\1\0\1ping", csum_is=None):
    return L4(1, struct.pack("!BBH", kind, code, 0), payload, 2, csum_is)


def icmp6(kind=128, code=0, payload=b"\0\1\0\1ping", csum_is=None):
    return L4(58, struct.pack("!BBH", kind, code, 0), payload, 2, csum_is)


def crc32c(b):
    crc = 0xFFFFFFFF
    for byte in b:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp(sport, dport, chunks=b"\x0b\0\0\x04", csum_is=None):
    b = struct.pack("!HHII", sport, dport, 1, 0) + chunks
    crc = crc32c(b) if csum_is is None else csum_is
    return L4(132, b[:8] + struct.pack("<I", crc) + b[12:], b"", None)


def proto(number, payload):
    return L4(number, payload, b"", None)


def ip4(src, dst, what, ident=0, off=0, more=False, df=False, ttl=64, options=b"", total=None, csum_is=None, version=4,
        ihl=None, number=None):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    body = what.done(a, b, what.proto) if isinstance(what, L4) else what
    n = 20 + len(options)
    h = struct.pack("!BBHHHBBH4s4s", version << 4 | (n // 4 if ihl is None else ihl), 0, n + len(body) if total is None else total,
                    ident, off // 8 | more << 13 | df << 14, ttl, what.proto if number is None else number, 0, a, b) + options
    return h[:10] + struct.pack("!H", csum(h) if csum_is is None else csum_is) + h[12:] + body


def ip6(src, dst, what, next_header=None, length=None, hops=64, chain=b"", version=6):
    """chain: extension headers as bytes, the last of which names what.proto; next_header then names the first."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    body = chain + (what.done(a, b, what.proto) if isinstance(what, L4) else what)
    return struct.pack("!IHBB", version << 28, len(body) if length is None else length,
                       what.proto if next_header is None else next_header, hops) + a + b + body


def ip4_fragments(src, dst, what, cuts, ident=7, **more):
    """The datagram cut at the offsets given."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    body = what.done(a, b, what.proto)
    ends = list(cuts) + [len(body)]
    begins = [0] + list(cuts)
    return [ip4(src, dst, body[x:y], ident=ident, off=x, more=y < len(body), number=what.proto, **more)
            for x, y in zip(begins, ends)]


def ip6_fragments(src, dst, what, cuts, ident=7):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    body = what.done(a, b, what.proto)
    ends, begins = list(cuts) + [len(body)], [0] + list(cuts)
    return [ip6(src, dst, struct.pack("!BBHI", what.proto, 0, x | (y < len(body)), ident) + body[x:y], next_header=44)
            for x, y in zip(begins, ends)]


def ethertype(l3):
    return 0x0800 if l3[0] >> 4 == 4 else 0x86DD


def eth(l3, kind=None, dst=2, src=1):
    return struct.pack("!HIHIH", 0x0200, dst, 0x0200, src, ethertype(l3) if kind is None else kind) + l3


def tag(tci, l3, kind=0x8100, inner=None):
    """A VLAN tag as an Ethernet payload; use with eth(..., kind=0x8100)."""
    return struct.pack("!HH", tci, ethertype(l3) if inner is None else inner) + l3


def vxlan(vni, frame):
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def geneve(vni, inner, options=b"", kind=0x6558):
    return struct.pack("!BBHI", len(options) // 4, 0, kind, vni << 8) + options + inner


def gwlb_options(endpoint, cookie=1):
    return (struct.pack("!HBBQ", 0x0108, 1, 2, endpoint) + struct.pack("!HBBQ", 0x0108, 2, 2, 0)
            + struct.pack("!HBBI", 0x0108, 3, 1, cookie))


def pcap(frames, link=ETH):
    """frames: bytes, or (bytes, seconds), or (bytes, seconds, length on the wire). One millisecond apart by default."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    micros = 1_700_000_000_000_000
    for f in frames:
        data, at, wire = (f + (None,) * 2)[:3] if isinstance(f, tuple) else (f, None, None)
        micros = micros + 1000 if at is None else 1_700_000_000_000_000 + int(at * 1_000_000)
        out.append(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(data), wire or len(data)) + data)
    return b"".join(out)
