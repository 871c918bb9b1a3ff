# SPDX-License-Identifier: BSD-3-Clause
"""A scene: one case with its addresses and its names, played as packets. The same story is told twice: with the name that the
policy denies, and, as its twin, with one that it allows. Every packet carries what must become of it in the twin:

    SAME   it leaves as it came
    GONE   its receiver discards it, or the contract drops it: it does not leave
    HELD   it leaves as it came where there is no policy; where there is one its bytes are not in order and judged, and it does not
    bytes  it leaves as these

A Conn knows which bytes of its client came first: a later segment that differs is expected with those (corridor.md 3); one that
brings no byte that is new, of a message that is not whole, is a copy of what is held, and goes (corridor.md 6).
Names that stand in for each other have the same length, so that both stories have the same shape."""
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
from packets import (eth, geneve, gwlb_options, ip4, ip4_fragments, ip6, ip6_fragments, tag, tcp, udp)  # noqa: E402

SAME, GONE, HELD = "same", "gone", "held"
DENIED = {"host": b"blocked.example", "other": b"allowed.example", "path": b"/forbidden", "address": b"192.0.2.66",
          "idn": b"xn--bcher-kva.example", "wide": "b\u00fccher.example".encode()}
ALLOWED = {"host": b"allowed.example", "other": b"nothing.example", "path": b"/permitted", "address": b"192.0.2.77",
           "idn": b"xn--bckle-kva.example", "wide": "b\u00fcckle.example".encode()}
CLIENT, SERVER = 1, 2


def packed(number, side, v):
    """Addresses tell the case: 10.N.N.side, tunnels 172.16-31.N.side; fd00::N:side and fd01::N:side."""
    hi, lo = number >> 8, number & 255
    return f"10.{hi}.{lo}.{side}" if v == 4 else f"fd00::{number:x}:{side}"


def tunnel_end(number, side, v):
    hi, lo = number >> 8, number & 255
    return f"172.{16 + hi}.{lo}.{side}" if v == 4 else f"fd01::{number:x}:{side}"


class Scene:
    def __init__(self, number, v, names, stage=None):
        """stage: another scene, whose clock and frames this one shares"""
        self.number, self.v = number, v
        self.clock, self.frames = (stage.clock, stage.frames) if stage else ([0], [])  # microseconds
        self.client, self.server = packed(number, CLIENT, v), packed(number, SERVER, v)
        self.random = random.Random(number)
        self.whole = 0  # bytes of the first message, as far as a story plays with them
        for key, value in names.items():
            setattr(self, key, value)
        self.denied = names is DENIED

    def put(self, l3, twin=SAME, copy=False):
        """copy: of what is held, where a policy holds"""
        self.clock[0] += 1000
        self.frames.append((self.clock[0], l3, (twin, SAME)[twin == HELD], GONE if copy or twin == HELD else twin))

    def wait(self, seconds):
        self.clock[0] += round(seconds * 1_000_000)

    def ip(self, what, side=CLIENT, **more):
        """An IP packet of that side; more: as of ip4 or ip6, hops being ttl."""
        ends = (self.client, self.server) if side == CLIENT else (self.server, self.client)
        if self.v == 4:
            return ip4(*ends, what, **more)
        if "ttl" in more:
            more["hops"] = more.pop("ttl")
        return ip6(*ends, what, **more)

    def cut(self, what, cuts, side=CLIENT, **more):
        ends = (self.client, self.server) if side == CLIENT else (self.server, self.client)
        return (ip4_fragments if self.v == 4 else ip6_fragments)(*ends, what, cuts, **more)

    def udp(self, data, port=443, sport=40000, side=CLIENT, twin=SAME, **more):
        ports = (sport, port) if side == CLIENT else (port, sport)
        self.put(self.ip(udp(*ports, data), side, **more), twin)

    def conn(self, port=443, **more):
        return Conn(self, port, **more)


class Conn:
    """A TCP connection; offsets count from the first byte of each side's data."""

    def __init__(self, scene, port, sport=40000, isn=1000, theirs=5000, options=None):
        self.scene, self.port, self.sport = scene, port, sport
        self.isn, self.theirs = isn, theirs
        self.next = {CLIENT: 0, SERVER: 0}
        self.first = {}  # the client's bytes that came first
        self.options = options or (lambda: b"")

    def segment(self, side, flags, at, data=b"", ack=None, options=None, ip=None, **more):
        mine, other = (self.isn, self.theirs) if side == CLIENT else (self.theirs, self.isn)
        ports = (self.sport, self.port) if side == CLIENT else (self.port, self.sport)
        seq = mine + at + ("S" not in flags)
        if ack is None:
            ack = self.next[SERVER if side == CLIENT else CLIENT]
        ack = other + 1 + ack if "A" in flags else 0
        what = tcp(*ports, flags, seq, ack, data, options=self.options() if options is None else options, **more)
        return self.scene.ip(what, side, **(ip or {}))

    def syn(self, data=b"", **more):
        self.client(data, "S", **more)

    def synack(self, **more):
        self.scene.put(self.segment(SERVER, "SA", 0, **more))

    def open(self, **more):
        self.scene.put(self.segment(CLIENT, "S", 0, **more))
        self.scene.put(self.segment(SERVER, "SA", 0, **more))
        self.scene.put(self.segment(CLIENT, "A", 0, **more))
        return self

    def client(self, data=b"", flags="PA", at=None, twin=None, gone=False, **more):
        """Client's data; twin None: as the contract says, the bytes that came first, and no urgent pointer. gone: not so where
        there is a policy."""
        begin = self.next[CLIENT] if at is None else at
        l3 = self.segment(CLIENT, flags, begin, data, **more)
        copy = twin is None and bool(data) and all(begin + i in self.first for i in range(len(data)))
        copy = copy and not all(i in self.first for i in range(self.scene.whole))
        if twin is None:
            merged = bytes(self.first.setdefault(begin + i, b) for i, b in enumerate(data))
            twin = SAME
            if merged != data or "U" in flags:
                calm = dict(more, urg=0) if "U" in flags else more
                twin = self.segment(CLIENT, flags.replace("U", ""), begin, merged, **calm)
        self.scene.put(l3, twin, copy or gone)
        if at is None:
            self.next[CLIENT] += len(data) + ("F" in flags)

    def said(self, *pieces):
        for p in pieces:
            self.client(p)

    def answer(self, data=b"", flags="PA", ack=None, at=None, **more):
        self.scene.put(self.segment(SERVER, flags, self.next[SERVER] if at is None else at, data, ack, **more))
        if at is None:
            self.next[SERVER] += len(data) + ("F" in flags)

    def close(self):
        self.client(flags="FA")
        self.answer(flags="FA", ack=self.next[CLIENT])


# ---- wraps: what the frame is around the packet --------------------------------------------------------------------

def gwlb(l3, number):
    kind = 0x0800 if l3[0] >> 4 == 4 else 0x86DD
    return eth(ip4("192.0.2.1", "192.0.2.2", udp(50000 + number % 1000, 6081, geneve(0, l3, gwlb_options(7), kind=kind))))


WRAPS = {
    "plain": lambda l3, n: eth(l3),
    "vlan": lambda l3, n: eth(tag(100, l3), kind=0x8100),
    "qinq": lambda l3, n: eth(tag(200, tag(7, l3), kind=0x88A8, inner=0x8100), kind=0x88A8),
    "gwlb": gwlb,
}
