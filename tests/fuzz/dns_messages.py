# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_dns: the messages of captures, and messages with what these do not show: other records, names that cannot be,
counts that lie, streams whose framing is lost."""
import struct

PORT_53, MDNS, STREAM, CUT, ANSWERS = 1, 2, 4, 8, 16


def name(text):
    return b"".join(bytes([len(p)]) + p for p in text.split(b".") if p) + b"\0"


def message(questions=(), answers=(), authority=(), additional=(), flags=0x8180, counts=None):
    sections = [questions, answers, authority, additional]
    return struct.pack("!6H", 77, flags, *(counts or map(len, sections))) + b"".join(b for s in sections for b in s)


def question(n, kind=1, class_=1):
    return n + struct.pack("!HH", kind, class_)


def rr(owner, kind, data, class_=1, ttl=60, length=None):
    return owner + struct.pack("!HHIH", kind, class_, ttl, len(data) if length is None else length) + data


A, PTR = question(name(b"Host.example")), b"\xc0\x0c"
LONG = name(b".".join([b"a" * 63] * 3 + [b"b" * 61]))
SOA = name(b"ns.example") + name(b"root.example") + struct.pack("!5I", 1, 2, 3, 4, 5)


def messages():
    records = [
        rr(PTR, 5, name(b"alias.example")), rr(name(b"alias.example"), 1, bytes([192, 0, 2, 1])), rr(name(b"other.example"), 28, bytes(15) + b"\1"),
        rr(PTR, 28, bytes.fromhex("20010db8000000000001000000000001")), rr(PTR, 15, b"\0\x0a" + name(b"mx.example")),
        rr(PTR, 33, struct.pack("!3H", 1, 2, 443) + name(b"srv.example")), rr(PTR, 6, SOA), rr(PTR, 16, b"\4text"), rr(PTR, 12, PTR),
        rr(PTR, 1, bytes(5)), rr(PTR, 15, b"\0"), rr(PTR, 33, bytes(3)), rr(PTR, 6, SOA[:-1]), rr(PTR, 2, b"\xc0\xff"), rr(PTR, 39, name(b"d") + b"x"),
    ]
    for r in records:
        yield message([A], [r])
    yield message([A], records, [records[6]], [rr(b"\0", 41, b"\0\x0a\0\x08" + bytes(8), 1232, 0x01000000)])
    yield message([A], flags=0x0100)
    yield message([question(name(b"x\x01y"))], flags=0x0100)
    yield message([A, question(LONG, 255, 255)], flags=0x0100)
    yield message([question(name(b"%d.example" % n)) for n in range(9)], flags=0)
    for bad in (b"\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\x41abc\0", b"\x3f" * 400, name(b"a" * 63) * 1 + b"\xc0", b"\3ab", LONG[:-1] + LONG):
        yield message([question(bad)], flags=0x0100)
        yield message([A], [rr(bad, 1, bytes(4))])
    yield message([A], [rr(PTR, 1, bytes(4), length=40)])
    yield message([A], counts=(1, 3, 0, 0))
    yield message([A[:-2]], counts=(1, 0, 0, 0), flags=0x0100)
    yield message(flags=0x0100) + b"hidden"
    yield message(answers=records[:2])
    yield message(flags=0x0100, additional=[rr(b"\0", 41, b"", 1232, 0)])
    yield message([A], flags=0x3100)
    yield message([A], flags=0x0140)
    yield message([A], flags=0x0105)
    yield message([question(name(b"k"), 200)], flags=0x0100)
    yield message([question(name(b"k"), 1, 9)], flags=0x0100)
    yield message([A], [rr(b"\0", 16, bytes(7000))])
    yield message([A], [rr(b"\0", 16, bytes([n]) * 6000) for n in range(10)])
    yield message([A], flags=0x0100) + b"behind"
    yield message([A])[:-7]


def framed(*parts):
    return b"".join(struct.pack("!H", len(p)) + p for p in parts)


def streams_():
    sound, odd = message([A], flags=0x0100), list(messages())
    yield framed(sound, sound)
    yield framed(*odd[:16])
    yield framed(sound)[:20]
    yield framed(sound) + b"\0\x40" + sound[:18]
    yield b"x" * 7 + framed(sound, sound)
    yield framed(*[b"\0" * 5] * 12)
    yield framed(*[b"\xff" * 40] * 12)
    yield framed(sound[:-3])
    yield b"\0"
    yield b"\0\x05"
    yield b"\0\x40\0\1"
    for bad in odd[17:30]:
        yield framed(bad)
    yield b"\0\x50" + sound
    yield b"\xff\xff" + sound[:-2]


def seeds(datagrams, streams, first):
    """of one capture. datagrams: (_, sport, dport, _, payload, _); streams: {(_, sport, dport): bytes}"""
    out = [bytes([PORT_53]) + d[4] for d in datagrams if 53 in d[1:3]] + [bytes([STREAM | PORT_53]) + s for k, s in streams.items() if 53 in k[1:]]
    out += [bytes([0]) + s[1:] for s in out]
    if not first:
        return out
    for m in messages():
        out += [bytes([how]) + m for how in (0, PORT_53, MDNS | ANSWERS, PORT_53 | CUT | ANSWERS)] + [bytes([PORT_53 | CUT]) + m[: len(m) // 2]]
    for s in streams_():
        out += [bytes([STREAM]) + s + bytes(n) for n in range(4)]
    return out
