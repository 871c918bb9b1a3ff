# SPDX-License-Identifier: BSD-3-Clause
"""What a receiver's lower layers make of frames: link headers, IP with every header chain, fragments put together as one of
several systems does, tunnels taken off to any depth. Lenient: what can be read is read. Nothing here is Sluice's.

Whose bytes win where fragments overlap is a function of where both begin (Shankar and Paxson, Active Mapping, 2003;
Novak, Target-Based Fragmentation Reassembly, 2005)."""
import collections
import ipaddress
import struct

FRAGMENTS = {
    "first": lambda new, old: False,
    "last": lambda new, old: True,
    "bsd": lambda new, old: new < old,
    "bsd-right": lambda new, old: new >= old,
    "linux": lambda new, old: new <= old,
}
CHAIN = {0, 43, 60, 135, 139, 140}  # IPv6 headers of the common shape
Datagram = collections.namedtuple("Datagram", "src dst proto data ttl sound at", defaults=(0,))
Piece = collections.namedtuple("Piece", "key begin more data proto src dst ttl sound")


def total(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b[: len(b) & ~1])) + (b[-1] << 8 if len(b) & 1 else 0)
    return s % 0xFFFF


def layer3(frame):
    """the IP packet of an Ethernet frame, or None"""
    at, kind = 14, int.from_bytes(frame[12:14], "big")
    while kind in (0x8100, 0x88A8, 0x9100, 0x9200):
        at, kind = at + 4, int.from_bytes(frame[at + 2 : at + 4], "big")
    return frame[at:] if kind in (0x0800, 0x86DD) else None


def text(address):
    return str(ipaddress.ip_address(address))


def piece(l3):
    """an IP packet as the piece of a datagram that it is (all of it, mostly), or None"""
    if len(l3) >= 20 and l3[0] >> 4 == 4:
        n, size, ident, off = (l3[0] & 15) * 4, *struct.unpack("!HHH", l3[2:8])
        src, dst = text(l3[12:16]), text(l3[16:20])
        body, proto, sound = l3[n : size or len(l3)], l3[9], total(l3[:n]) == 0
        begin, more, ttl = (off & 0x1FFF) * 8, bool(off & 0x2000), l3[8]
        key = (src, dst, ident, proto) if begin or more else None
    elif len(l3) >= 40 and l3[0] >> 4 == 6:
        size, proto, ttl = struct.unpack("!HBB", l3[4:8])
        src, dst, sound = text(l3[8:24]), text(l3[24:40]), True
        body, begin, more, key = l3[40 : 40 + size if size else len(l3)], 0, False, None
        while True:
            if proto in CHAIN and len(body) >= 8:
                proto, body = body[0], body[8 * body[1] + 8 :]
            elif proto == 44 and len(body) >= 8:
                off, ident = struct.unpack("!HI", body[2:8])
                begin, more = off & 0xFFF8, bool(off & 1)
                proto, body = body[0], body[8:]
                key = (src, dst, ident) if begin or more else None
                if key:
                    break
            else:
                break
    else:
        return None
    while proto == 51 and not begin and len(body) >= 8:
        proto, body = body[0], body[4 * body[1] + 8 :]
    return Piece(key, begin, more, body, proto, src, dst, ttl, sound)


class Puzzle:
    """Fragments of one datagram."""

    def __init__(self):
        self.data, self.owner, self.end, self.head = {}, {}, None, None

    def add(self, p, wins):
        if not p.more:
            self.end = p.begin + len(p.data)
        if not p.begin:
            self.head = p
        for i, b in enumerate(p.data, p.begin):
            if i not in self.owner or wins(p.begin, self.owner[i]):
                self.data[i], self.owner[i] = b, p.begin
        if self.end is not None and self.head and all(i in self.data for i in range(self.end)):
            return bytes(self.data[i] for i in range(self.end))
        return None


def datagrams(packets, policy):
    """packets: (time, l3); -> Datagrams, each where its last piece came"""
    puzzles, wins, done = {}, FRAGMENTS[policy], []
    for at, l3 in packets:
        p = piece(l3)
        if p is None:
            continue
        if p.key is None:
            done.append(Datagram(p.src, p.dst, p.proto, p.data, p.ttl, p.sound, at))
            continue
        puzzle = puzzles.setdefault(p.key, Puzzle())
        whole = puzzle.add(p, wins)
        if whole is not None:
            del puzzles[p.key]
            head, proto = puzzle.head, puzzle.head.proto
            while proto in CHAIN and len(whole) >= 8:  # headers behind the fragment header
                proto, whole = whole[0], whole[8 * whole[1] + 8 :]
            done.append(Datagram(p.src, p.dst, proto, whole, head.ttl, head.sound, at))
    return done


def gre(b):
    flags, kind = struct.unpack("!HH", b[:4])
    at = 4 + 4 * bool(flags & 0xC000) + 4 * bool(flags & 0x2000) + 4 * bool(flags & 0x1000)
    return layer3(b[at:]) if kind == 0x6558 else b[at:]


def vxlan(b):
    return layer3(b[8:])


def geneve(b):
    body = b[8 + 4 * (b[0] & 63) :]
    return layer3(body) if b[2:4] == b"\x65\x58" else body


def gtp(b):
    at = 8
    if b[0] & 7:
        at, following = 12, b[11]
        while b[0] & 4 and following and at < len(b):
            step = 4 * b[at]
            following, at = b[at + step - 1], at + max(step, 4)
    return b[at:]


PORTS = {4789: vxlan, 8472: vxlan, 6081: geneve, 2152: gtp}


def inner(d):
    """the packet inside of a tunnel's datagram, or None"""
    try:
        if d.proto in (4, 41):
            return d.data
        if d.proto == 47:
            return gre(d.data)
        if d.proto == 17:
            opened = PORTS.get(int.from_bytes(d.data[2:4], "big"))
            return opened(d.data[8:]) if opened else None
    except (IndexError, struct.error):
        pass
    return None


def unwrapped(packets, policy, depth=12):
    """all datagrams, of the outermost layer and of everything inside"""
    found = datagrams(packets, policy)
    inside = [(d.at, i) for d in found for i in [inner(d)] if i]
    return found + (unwrapped(inside, policy, depth - 1) if inside and depth else [])


def number(frame):
    """which case a frame is of, by the addresses of scene.py; None: of none"""
    l3 = layer3(frame)
    while l3:
        p = piece(l3)
        if p is None:
            return None
        a, b, *_ = p.src.split(".") if "." in p.src else (p.src, "")
        if a == "10":
            return int(b) << 8 | int(p.src.split(".")[2])
        if a == "172":
            return int(b) - 16 << 8 | int(p.src.split(".")[2])
        if p.src.startswith(("fd00::", "fd01::")):
            return int(p.src.split(":")[2], 16)
        l3 = inner(Datagram(p.src, p.dst, p.proto, p.data, 0, True))
    return None
