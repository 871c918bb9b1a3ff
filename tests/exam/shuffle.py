# SPDX-License-Identifier: BSD-3-Clause
"""Rewrites a capture in another order that a network may give: flows and directions interleaved anyhow, TCP data
segments of a direction moved by up to 64 places, the handshake first. Times stay in order.

What has a meaning stays: a FIN comes after the data that its sender sent before it, and a RST after everything, for a
receiver that has one takes no data any more (a network could do that, and then the facts are truly not there). Where a
SYN was not captured, each direction's first segment stands for the handshake: what begins in its middle says nothing of
how much was before it, nor of which question an answer has. Pauses are cut to PAUSE, for no network holds a frame until
its flow is forgotten.
usage: shuffle.py IN.pcap OUT.pcap SEED"""
import collections
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file  # noqa: E402

PAUSE = 10_000  # microseconds
TUNNELS = {2152, 2123, 4789, 4790, 6081, 3544, 5072, 1701}  # what is in them has a handshake too: they stay in order
WINDOW = 1 << 30  # bytes, the widest that a receiver can open (RFC 7323 2.3): segments further apart do not pass each other


class Kept(Exception):
    """A capture that is left in its order, and why"""


def read(path):
    data = open(path, "rb").read()
    return (data[: pcap_file.HEADER], pcap_file.link_type(data), list(pcap_file.records(data))) if pcap_file.order(data) else None


def describe(frame):
    """-> (flow, direction, kind, is it a RST, sequence number): kind is handshake, data, close, other. Plain IP of an Ethernet frame."""
    at, kind, reset, seq = 12, None, False, 0
    if len(frame) < 34:
        return (), 0, "other", False, 0
    ethertype = int.from_bytes(frame[at : at + 2], "big")
    at += 2
    while ethertype in (0x8100, 0x88A8) and len(frame) >= at + 4:
        ethertype = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if ethertype == 0x0800:
        proto, src, dst = frame[at + 9], frame[at + 12 : at + 16], frame[at + 16 : at + 20]
        fragment = int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF
        l4, end = at + (frame[at] & 15) * 4, at + int.from_bytes(frame[at + 2 : at + 4], "big")
        if fragment:
            return (), 0, "other", False, 0
    elif ethertype == 0x86DD and len(frame) >= at + 40:
        proto, src, dst = frame[at + 6], frame[at + 8 : at + 24], frame[at + 24 : at + 40]
        l4, end = at + 40, at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    else:
        return (), 0, "other", False, 0
    if proto not in (6, 17) or len(frame) < l4 + 8:
        return (), 0, "other", False, 0
    ports = {int.from_bytes(frame[l4 + i : l4 + i + 2], "big") for i in (0, 2)}
    if proto == 17 and ports & TUNNELS:
        return (), 0, "other", False, 0
    a, b = (src, frame[l4 : l4 + 2]), (dst, frame[l4 + 2 : l4 + 4])
    flow = (proto, min(a, b), max(a, b))
    if proto == 6 and len(frame) >= l4 + 14:
        flags, seq = frame[l4 + 13], int.from_bytes(frame[l4 + 4 : l4 + 8], "big")
        reset = bool(flags & 4)
        kind = "handshake" if flags & 7 == 2 else "close" if flags & 5 else "data" if end > l4 + (frame[l4 + 12] >> 4) * 4 else "other"
    return flow, int(a > b), kind or "other", reset, seq


def move(frames, dice):
    """data segments of one direction, each moved by up to 64 places, none over an end of the direction"""
    moved, begin = list(frames), 0
    for end in [i for i, f in enumerate(frames) if f[1] == "close"] + [len(frames)]:
        data = [i for i in range(begin, end) if frames[i][1] == "data"]
        order = sorted(range(len(data)), key=lambda k: k + dice.uniform(0, 64))
        for place, k in zip(data, order):
            moved[place] = frames[data[k]]
        begin = end + 1
    return moved


def interleave(sides, dice):
    out = []
    while any(sides):
        out.append(dice.choice([s for s in sides if s]).pop(0))
    return out


def reorder(frames, dice):
    """one flow: the handshake, then the directions interleaved; a RST parts it"""
    have = {f[3] for f in frames if f[1] == "handshake"}
    have = have if len(have) == 2 else set()
    out, rest = [], []
    for f in frames:
        stands = f[1] == "data" and f[3] not in have
        have |= {f[3]} if stands else set()
        (out if stands or f[1] == "handshake" else rest).append(f)
    begin = 0
    for end in [i for i, f in enumerate(rest) if f[1] == "close" and f[4]] + [len(rest)]:
        between = rest[begin:end]
        out += interleave([move([f for f in between if f[3] == d], dice) for d in (0, 1)], dice)
        out += rest[end : end + 1]
        begin = end + 1
    return out


def shuffle(frames, dice):
    flows = collections.OrderedDict()
    handshakes = collections.Counter()
    last = {}
    for head, frame in frames:
        flow, direction, kind, reset, seq = describe(frame)
        if kind == "data":
            if WINDOW < (seq - last.get((flow, direction), seq) & 0xFFFFFFFF) < (1 << 32) - WINDOW:
                raise Kept("its segments are further apart than a window")
            last[flow, direction] = seq
        if kind == "handshake":  # a later connection on the same tuple: its own world, in order
            handshakes[flow, direction] += 1
            if handshakes[flow, direction] > 1:
                raise Kept("a tuple is used again: its order has a meaning")
        flows.setdefault(flow, []).append((frame, kind, head, direction, reset))
    queues = [collections.deque(reorder(f, dice)) for f in flows.values()]
    out = []
    while queues:
        at = dice.randrange(len(queues))
        for _ in range(min(dice.randint(1, 4), len(queues[at]))):
            out.append(queues[at].popleft())
        if not queues[at]:
            queues[at] = queues[-1]
            queues.pop()
    return out


def clock(head, end, unit):
    seconds, fraction = struct.unpack(end + "II", head[:8])
    return seconds * 1_000_000 + fraction // unit


def rewrite(source, target, seed):
    """-> why not, or None"""
    got = read(source)
    if not got or got[1] != 1:
        return "not a classic Ethernet pcap"
    header, _, frames = got
    end = pcap_file.order(header)
    unit = 1000 if pcap_file.nanoseconds(header) else 1
    try:
        moved = shuffle(frames, random.Random(seed))
    except Kept as why:
        return str(why)
    with open(target, "wb") as f:
        f.write(header)
        last = now = None
        for (head, _), (frame, _, own, *_) in zip(frames, moved):
            stamp = clock(head, end, unit)
            now = stamp if last is None else now + max(0, min(stamp - last, PAUSE))
            last = stamp
            f.write(struct.pack(end + "II", now // 1_000_000, now % 1_000_000 * unit) + own[8:] + frame)
    return None


if __name__ == "__main__":
    sys.exit(rewrite(sys.argv[1], sys.argv[2], int(sys.argv[3])))
