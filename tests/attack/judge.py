# SPDX-License-Identifier: BSD-3-Clause
"""The judge: given the frames of one case that left, can any receiver read the denied name? It knows nothing of Sluice but the
capture that -w writes. Frames to the client are not asked: what a server or the box tells a client reveals what it asked for."""
import functools
import struct

import initials
import names
import receivers
import wire
from scene import DENIED


PART = "of a message that is not whole: "


def to_server(d):
    return d.dst.endswith((".2", ":2"))


def by_talk(datagrams, proto):
    """datagrams of each pair of ends, both directions, in order"""
    talks = {}
    for d in datagrams:
        if d.proto == proto and len(d.data) >= 8:
            ports = struct.unpack("!HH", d.data[:4])
            ends = (d.src, ports[0], d.dst, ports[1]) if to_server(d) else (d.dst, ports[1], d.src, ports[0])
            talks.setdefault(ends, []).append(d)
    return talks.values()


def tcp_readable(talk, denied):
    segments = [s for d in talk for s in [receivers.segment(d, to_server(d))] if s]
    if not any(s.client and s.data for s in segments):
        return None
    seen, part = set(), None
    for model in receivers.MODELS:
        for stream in receivers.receive(segments, model):
            if stream in seen:
                continue
            seen.add(stream)
            why = names.in_stream(stream, denied)
            if why and not names.whole(stream, denied):
                part = PART + why
                continue
            if why:
                checks = "all checks" if len(model.checks) > 5 else "no checks" if not model.checks else "few checks"
                return f"{model.overlap}, {checks}, urgent {model.urgent}, ttl {model.ttl}: {why}"
    for places in receivers.anything(segments):
        for word in names.needles(denied):
            if receivers.spelled(places, word):
                return part or f"of all bytes that came: {word!r}"
    return part


def udp_readable(talk, denied):
    mine = [d.data[8:] for d in talk if to_server(d)]
    why = names.in_datagrams(mine, denied)
    return f"datagram: {why}" if why else None


def quic_readable(datagrams, denied):
    """of all datagrams together: connections outlive their addresses"""
    flow = [(to_server(d), d.data[8:]) for d in datagrams if d.proto == 17]
    for places in initials.hellos(flow):
        for pick in (0, -1):
            stream, at = b"", 0
            while at in places:
                stream, at = stream + bytes([places[at][pick]]), at + 1
            if names.found(stream, denied):
                return "in a QUIC hello"
        sets = {i: set(bs) for i, bs in places.items()}
        if any(receivers.spelled(sets, word) for word in names.needles(denied)):
            return "of all CRYPTO bytes that came"
    return None


@functools.lru_cache(maxsize=None)
def packets_readable(packets):
    """packets: (time, l3) of one case; -> why the denied name is readable, or None"""
    seen = set()
    for policy in wire.FRAGMENTS:
        found = tuple(wire.unwrapped(packets, policy))
        if found in seen:
            continue
        seen.add(found)
        for talk in by_talk(found, 6):
            why = tcp_readable(talk, DENIED)
            if why:
                return f"fragments {policy}; {why}"
        for talk in by_talk(found, 17):
            why = udp_readable(talk, DENIED)
            if why:
                return f"fragments {policy}; {why}"
        why = quic_readable(found, DENIED)
        if why:
            return f"fragments {policy}; {why}"
        rest = [d.data for d in found if d.proto not in (6, 17) and to_server(d) and wire.inner(d) is None]
        if any(names.found(data, DENIED) for data in rest):
            return f"fragments {policy}; in another protocol"
    return None


def readable(frames):
    """frames: bytes as they left, in order"""
    packets = []
    for frame in frames:
        l3 = wire.layer3(frame)
        p = wire.piece(l3) if l3 else None
        if p and p.src.startswith("192.0.2.") and p.proto == 17:  # the load balancer's wrap
            l3 = wire.inner(wire.Datagram(p.src, p.dst, p.proto, p.data, 0, True))
        if l3:
            packets.append((len(packets), l3))
    return packets_readable(tuple(packets))
