# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_tls: streams of captures, the handshakes recorded in tests/unit/tls_handshakes.h, and hellos with what neither
shows: names that cannot be, lists of odd lengths, drafts, SSL 2, DTLS in fragments that come twice, differ, or never end."""
import pathlib
import re
import struct

STREAM, TALK, DATAGRAMS, BODY = range(4)
HOLES, LISTS = 4, 8
CLIENT_HELLO, SERVER_HELLO, VERIFY_REQUEST, OLD_RETRY = 1, 2, 3, 6


def vector(n, data):
    return len(data).to_bytes(n, "big") + data


def numbers(*values):
    return struct.pack("!%dH" % len(values), *values)


def ext(kind, data):
    return numbers(kind) + vector(2, data)


def sni(*names):
    return ext(0, vector(2, b"".join(b"\0" + vector(2, n) for n in names)))


def hello(extensions=(), version=0x0303, session=b"", ciphers=numbers(0x0A0A, 0x1301, 0xC02F), cookie=None, compression=b"\0", tail=b""):
    body = numbers(version) + bytes(range(32)) + vector(1, session) + (b"" if cookie is None else vector(1, cookie))
    body += vector(2, ciphers) + vector(1, compression)
    return body + (vector(2, b"".join(extensions)) if extensions is not None else b"") + tail


def answer(extensions=(), version=0x0303, random_=bytes(32), draft=False):
    body = numbers(version) + random_ + (b"" if draft else vector(1, b"s")) + numbers(0x1301) + (b"" if draft else b"\0")
    return body + vector(2, b"".join(extensions))


ALL = [sni(b"a.example"), ext(10, vector(2, numbers(0x2A2A, 29, 23))), ext(11, vector(1, b"\0")), ext(13, vector(2, numbers(0x0403, 0x0804))),
       ext(16, vector(2, b"\2h2\x08http/1.1\2\x3a\x3a")), ext(43, vector(1, numbers(0x1A1A, 0x0304, 0x0303))), ext(0xFE0D, b"\0" * 9), ext(51, b"\0\0")]


def bodies():
    yield hello(ALL)
    yield hello(ALL, version=0xFEFD, cookie=b"cookie")
    yield hello([ext(43, vector(1, numbers(0xFEFC, 0xFEFD)))], version=0xFEFD, cookie=b"")
    for names in ((b"1.2.3.4",), (b"[2001:db8::1]",), (b"2001:db8::1",), (b"UPPER.Example.",), (b"a\0b",), (b"",), (b"a..b",), (b"a" * 64,), (b"a." * 130,),
                  (b"a", b"b"), (b".",), (b"x" * 63 + b"." + b"y" * 63 + b"."), (b"caf\xc3\xa9",)):
        yield hello([sni(*(n if isinstance(n, bytes) else bytes([n]) for n in names))])
    yield hello([sni(b"a.example"), sni(b"b.example")])
    yield hello([ext(0, b"\0\7\0\0\x09ab")])
    yield hello([ext(0, vector(2, b"\1" + vector(2, b"other")))])
    for kind, data in ((10, vector(2, b"\0\1\2")), (10, b"\0\x09\0"), (11, b"\5\0"), (13, vector(2, bytes(2)) + b"x"), (16, vector(2, b"\0")),
                       (16, vector(2, b"\x09ab")), (16, vector(2, b"")), (43, vector(1, b"\3")), (16, vector(2, b"\2\xff\xfe"))):
        yield hello([ext(kind, data)])
    yield hello(ALL + ALL[1:2])
    yield hello([ext(n, b"") for n in (5, 5 ^ 1024, 1029)])
    yield hello([ext(64 * n + n, b"") for n in range(700)])
    yield hello(ciphers=numbers(*range(600)))
    yield hello([ext(10, vector(2, numbers(*range(600))))])
    yield hello(ciphers=b"")
    yield hello(ciphers=b"\0\1\2")
    yield hello(session=bytes(33))
    yield hello(compression=b"")
    yield hello(None)
    yield hello(ALL, tail=b"tail")
    yield hello(ALL)[:-5]
    yield hello(ALL, version=0x7F1C)
    yield hello(ciphers=numbers(0x1A1A))


def answers():
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    yield answer([ext(43, numbers(0x0304)), ext(41, bytes(2)), ext(16, vector(2, vector(1, b"h2")))])
    yield answer([ext(43, numbers(0x0304)), ext(51, bytes(2))], random_=retry)
    for version in (0x7F12, 0x7F1C, 0x0304):
        yield answer([ext(43, numbers(version))], version, draft=True)
    for version in (0x0300, 0x0301, 0x0302, 0x1234, 0xFEFF, 0xFEFD):
        yield answer(version=version)
    yield answer([ext(16, b"\0\5\2h2")])
    yield answer() + b"tail"
    for n in (1, 33, 34, 35, 37, 40, 43):
        yield answer([ext(43, numbers(0x0304))])[:n]
    yield answer([ext(43, numbers(0x0304))])[:-3] + bytes(1)


def message(kind, body):
    return bytes([kind]) + vector(3, body)


def record(body, kind=22, version=0x0301):
    return bytes([kind]) + numbers(version) + vector(2, body)


def turns(*parts):
    """pieces of fuzz_tls's mode 1: all but the last have a multiple of 8 bytes"""
    out = b""
    for direction, data in parts[:-1]:
        while data:
            n = min(len(data) // 8, 127)
            if n == 0:
                data, n = (data + bytes(8))[:8], 1
            out += bytes([direction | n << 1]) + data[: n * 8]
            data = data[n * 8 :]
    return out + bytes([parts[-1][0]]) + parts[-1][1]


def aligned(body, kind=CLIENT_HELLO):
    """a record whose length is a multiple of 8: a warning alert and a ChangeCipherSpec stand before it as filling"""
    data = record(message(kind, body))
    for fill in (b"", b"\x14\3\1\0\1\1", b"\x15\3\1\0\2\1\x5a"):
        for times in range(9):
            if (len(data) + len(fill) * times) % 8 == 0:
                return data + fill * times if kind != CLIENT_HELLO else fill * times + data
    return data


def tls():
    whole = record(message(CLIENT_HELLO, hello(ALL)))
    for body in bodies():
        data = record(message(CLIENT_HELLO, body))
        yield bytes([STREAM, 2, 7, 100]) + data
        yield bytes([TALK]) + turns((0, data))
    for body in answers():
        yield bytes([TALK]) + turns((0, aligned(hello(ALL))), (1, record(message(SERVER_HELLO, body))))
        yield bytes([STREAM, 1, 9]) + record(message(SERVER_HELLO, body))
        yield bytes([TALK]) + turns((0, aligned(hello(ALL))), (1, aligned(body, SERVER_HELLO)), (0, whole.replace(b"a.example", b"b.example")))
    yield bytes([TALK]) + turns((0, aligned(hello(ALL))), (1, record(message(OLD_RETRY, numbers(0x7F10, 29)))))
    yield bytes([STREAM, 0]) + record(message(0, b"")) + whole
    yield bytes([STREAM, 0]) + b"\x15\3\1\0\2\1\x5a\x14\3\1\0\1\1" + whole
    yield bytes([STREAM, 1, 3]) + b"\x15\3\1\0\2\2\x28"
    for odd in (whole[:4], whole[:5], whole[:9], whole[:60], b"\x16\3\1\xff\xff" + bytes(99), b"\x16\2\1\0\1", record(bytes(4), 23), b"\x15\3\1\0\3\1\1\1",
                record(message(11, bytes(9))), record(message(CLIENT_HELLO, bytes(90))), record(b"\1\xff\xff\xff\3\3" + bytes(50)), b"\x80", b"\x16\3\1\0\0" * 9 + whole,
                b"\x80\x2e\2\3\1", b"\x80\x2e\1\3\1\0\x15\0", b"\x80\x2e\1\7\1\0\x15\0\0\0\x10", b"\x80\x0f\4\0\1\0\2\0\4\0\3\0\x10" + bytes(23),
                whole + b"\x14\3\1\0\1\1" + record(bytes(40)), whole + record(bytes(4), 23) * 20, whole[:40] + record(bytes(9), 23)):
        yield bytes([STREAM, 1, 3]) + odd
    shreds = b"".join(record(bytes([c])) for c in whole[5:])
    for data in (whole, shreds):
        yield bytes([TALK | HOLES]) + turns((0, aligned(hello(ALL))), (0, data[:16]), (0, aligned(hello(ALL))), (0, data))
        yield bytes([TALK | HOLES]) + turns((0, data[:8]), (0, data))
        yield bytes([TALK | HOLES]) + turns((0, data[:8]), (0, data[:4]))
    for n, body in enumerate(bodies()):
        yield bytes([BODY, n % 3]) + body
        yield bytes([BODY, 4 | n % 3]) + body[: len(body) // 2]


def fragment(kind, seq, body, at=0, n=None, size=None):
    n = len(body) - at if n is None else n
    return bytes([kind]) + (len(body) if size is None else size).to_bytes(3, "big") + numbers(seq) + at.to_bytes(3, "big") + vector(3, body[at : at + n])


def dtls_record(body, epoch=0, kind=22):
    return bytes([kind]) + numbers(0xFEFD, epoch) + bytes(6) + vector(2, body)


def datagram(direction, body, flow=0, cut=False):
    return struct.pack("!BH", direction | cut << 1 | flow << 4, len(body)) + body


def dtls():
    first, second = hello(ALL, 0xFEFD, cookie=b""), hello(ALL, 0xFEFD, cookie=b"cookie")
    other = first.replace(b"a.example", b"b.example")
    say = lambda d, *bodies, **more: datagram(d, b"".join(map(dtls_record, bodies)), **more)
    server = answer(version=0xFEFD)
    parts = [fragment(1, 0, first, at, min(40, len(first) - at)) for at in range(0, len(first), 40)]
    yield [say(0, fragment(1, 0, first)), say(1, fragment(3, 0, numbers(0xFEFF) + vector(1, b"cookie"))), say(0, fragment(1, 1, second)), say(1, fragment(2, 1, server))]
    yield [say(0, fragment(1, 0, first)), say(0, fragment(1, 0, first)), say(0, fragment(1, 0, other)), say(1, fragment(2, 0, server)), say(0, fragment(1, 0, other))]
    yield [say(0, p) for p in parts]
    yield [say(0, *parts[::-1])]
    yield [say(0, p) for p in parts[1:] + parts]
    yield [say(0, parts[0]), say(0, fragment(1, 0, other, 0, 120)), say(0, *parts[1:])] + [say(0, p) for p in parts]
    yield [say(0, fragment(1, 0, first, at, 1)) for at in range(len(first))]
    yield [say(0, parts[0], flow=n) for n in range(12)] + [say(0, *parts[1:], flow=n) for n in range(12)]
    yield [say(0, parts[0], flow=n) for n in range(6)] + [say(1, fragment(2, 1, server, 0, 9), flow=n) for n in range(6)]
    yield [say(0, fragment(1, 0, first)), datagram(1, dtls_record(b"\2\x28", kind=21))]
    yield [say(0, fragment(1, 0, first, 0, 30, size=20)), say(0, fragment(1, 0, first)[:-9]), say(0, fragment(1, 0, first)[:-9], cut=True)]
    yield [say(0, fragment(1, 0, first, 0, 60)[:-9], cut=True), say(0, fragment(9, 0, first, 0, 30, size=20))]
    yield [say(0, fragment(1, 0, first)), datagram(0, b"\x2f" + bytes(30)), datagram(0, b"\x16\1\1"), datagram(1, dtls_record(bytes(30), 1)), datagram(0, dtls_record(b"\1", kind=20))]
    yield [say(0, fragment(1, 0, first)), say(1, fragment(2, 0, answer([ext(43, numbers(0xFEFC))], 0xFEFD))), say(0, fragment(1, 1, other))]


def recorded():
    """the recorded conversations of tests/unit/tls_handshakes.h: {name: [(direction, bytes)]}"""
    text = (pathlib.Path(__file__).parent / "../unit/tls_handshakes.h").read_text()
    arrays = {m[1]: bytes(map(int, re.findall(r"\d+", m[2]))) for m in re.finditer(r"uint8_t (\w+)\[\] = {(.*?)};", text, re.S)}
    return {
        m[1]: [(int(d), arrays[a]) for d, a in re.findall(r"{(\d), sizeof\((\w+)\)", m[2])]
        for m in re.finditer(r"said_bytes (\w+)\[\] = {(.*?)};", text)
    }


def of_recorded():
    for name, parts in recorded().items():
        if name.startswith("dtls"):
            yield b"\2" + b"".join(struct.pack("!BH", d, len(b)) + b for d, b in parts)
            yield from (b"\3\1" + b[25:] for d, b in parts if b[13] == 1)
            continue
        yield from (b"\0\2\7\x64" + b"".join(b for d, b in parts if d == side) for side in (0, 1))
        padded = [(d, b + bytes(-len(b) % 8)) for d, b in parts]
        yield b"\1" + b"".join(bytes([d | min(len(b) // 8, 127) << 1]) + b[:1016] for d, b in padded)
        yield b"\1" + bytes([0x80]) + parts[0][1][:512] + bytes([1]) + parts[1][1]
        yield from (bytes([3, t]) + parts[0][1][9:] for t in (0, 2, 4))
        shredded = b"".join(b"\x16\3\1\0\1" + bytes([c]) for c in parts[0][1][5:])
        yield b"\0\2\7\x64" + shredded
    v2 = b"\x80\x2e\1\3\1\0\x15\0\0\0\x10" + bytes(range(21)) + b"0123456789abcdef"
    yield from (b"\0\1\5" + v2, b"\0\1\5\x80\x1e\4\0\1\0\2\0\0\0\3\0\x10" + bytes(19))
    yield from (b"\0\1\5\x15\3\1\0\2\2\x28", b"\1\0" + parts[0][1] + b"\x15\3\1\0\2\2\x28")


def lists():
    """a hello's lists, packed as include/tls_hello.h has them (in the machine's order, which is little)"""
    def packed(transport=b"t", sni=1, version=0x303, ciphers=(), exts=(), groups=(), signatures=(), versions=(), points=b"", alpn=b"", more=0):
        parts = [numbers(*part) for part in (ciphers, exts, groups, signatures, versions)]
        counts = [len(p) // 2 + more for p in parts] + [len(points), len(alpn)]
        return struct.pack("<cBH7HH", transport, sni, version, *counts, 0) + b"".join(parts) + points + alpn

    usual = dict(ciphers=(0x1A1A, 0x1301, 0xC02F), exts=(0, 10, 11, 13, 16, 43), groups=(0x2A2A, 29), signatures=(0x403,), versions=(0x304, 0x303), points=b"\0", alpn=b"h2")
    kinds = [packed(**usual), packed(), packed(**usual | dict(transport=b"q", alpn=b"\xff\0")), packed(**usual | dict(alpn=b"x", versions=(0x7F17, 0xFEFD, 0x300)))]
    kinds += [packed(ciphers=[0xFFFF] * 1024, exts=range(1024), points=bytes(255)), packed(ciphers=[1] * 1025), packed(points=bytes(2000)), packed(**usual | dict(more=1)), packed()[:9]]
    for quic in b"\0\1":
        for k in kinds:
            yield bytes([LISTS, quic]) + vector(2, k)
        yield bytes([LISTS, quic]) + b"".join(vector(2, k) for k in kinds[:4] * 3)


def seeds(streams, first):
    """of one capture, each of its streams as bytes"""
    out = [b"\0\3\1\5\0" + s[:4000] for s in streams if s[:2] == b"\x16\3"]
    return out + (list(of_recorded()) + list(tls()) + [b"\2" + b"".join(d) for d in dtls()] + list(lists()) if first else [])
