# SPDX-License-Identifier: BSD-3-Clause
"""Rewrites a capture in another order that a network may give: flows and directions interleaved anyhow, TCP data
segments of a direction moved by up to 64 places, the handshake first. Times stay in order.
usage: shuffle.py IN.pcap OUT.pcap SEED"""
import collections
import random
import struct
import sys


def read(path):
    data = open(path, "rb").read()
    end = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(data[:4])
    if not end:
        return None
    at, frames = 24, []
    while at + 16 <= len(data):
        head = data[at : at + 16]
        n = struct.unpack(end + "IIII", head)[2]
        if at + 16 + n > len(data):
            break
        frames.append((head, data[at + 16 : at + 16 + n]))
        at += 16 + n
    return data[:24], struct.unpack(end + "I", data[20:24])[0] & 0xFFFF, frames


def describe(frame):
    """-> (flow, direction, kind): kind is handshake, data, other. Innermost plain IP of an Ethernet frame."""
    at, kind = 12, None
    if len(frame) < 34:
        return (), 0, "other"
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
            return (), 0, "other"
    elif ethertype == 0x86DD and len(frame) >= at + 40:
        proto, src, dst = frame[at + 6], frame[at + 8 : at + 24], frame[at + 24 : at + 40]
        l4, end = at + 40, at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    else:
        return (), 0, "other"
    if proto not in (6, 17) or len(frame) < l4 + 8:
        return (), 0, "other"
    a, b = (src, frame[l4 : l4 + 2]), (dst, frame[l4 + 2 : l4 + 4])
    flow = (proto, min(a, b), max(a, b))
    if proto == 6 and len(frame) >= l4 + 14:
        flags = frame[l4 + 13]
        kind = "handshake" if flags & 2 else "close" if flags & 5 else "data" if end > l4 + (frame[l4 + 12] >> 4) * 4 else "other"
    return flow, int(a > b), kind or "other"


def move(frames, dice):
    """data segments of one direction, each moved by up to 64 places"""
    data = [i for i, f in enumerate(frames) if f[1] == "data"]
    order = sorted(range(len(data)), key=lambda k: k + dice.uniform(0, 64))
    moved = list(frames)
    for place, k in zip(data, order):
        moved[place] = frames[data[k]]
    return moved


def shuffle(frames, dice):
    queues = collections.OrderedDict()
    seen_handshake = collections.Counter()
    for head, frame in frames:
        flow, direction, kind = describe(frame)
        key = (flow, direction)
        if kind == "handshake":  # a later connection on the same tuple: its own world, in order
            seen_handshake[key] += 1
            if seen_handshake[key] > 1:
                return None
        queues.setdefault(key, []).append((frame, kind, head))
    ready = {k: move(q, dice) for k, q in queues.items()}
    out, pending = [], collections.Counter()
    for (flow, d), q in ready.items():
        hs = [f for f in q if f[1] == "handshake"]
        ready[(flow, d)] = [f for f in q if f[1] != "handshake"]
        pending[flow] += len(hs)
        queues[(flow, d)] = hs
    steps = []
    for flow in dict.fromkeys(k[0] for k in ready):
        first = [f for d in (0, 1) for f in queues.get((flow, d), [])]
        first.sort(key=lambda f: frames.index((f[2], f[0])))
        tail, rest = [], [ready.get((flow, d), []) for d in (0, 1)]
        while any(rest):
            side = dice.choice([r for r in rest if r])
            tail.append(side.pop(0))
        steps.append(first + tail)
    while any(steps):
        one = dice.choice([s for s in steps if s])
        for _ in range(dice.randint(1, 4)):
            if one:
                out.append(one.pop(0))
    return out


def main():
    source, target, seed = sys.argv[1:]
    got = read(source)
    if not got or got[1] != 1:
        sys.exit("not a classic Ethernet pcap")
    header, _, frames = got
    moved = shuffle(frames, random.Random(int(seed)))
    if moved is None:
        sys.exit("a tuple is used again: its order has a meaning")
    with open(target, "wb") as f:
        f.write(header)
        for (head, _), (frame, _, own) in zip(frames, moved):
            f.write(head[:8] + own[8:] + frame)


if __name__ == "__main__":
    main()
