# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_quic: the QUIC datagrams of captures, frames around real ClientHellos (the target seals them), and Google's
packets, which no program speaks any more."""
import random
import struct

PLAIN, CLIENT, SERVER, GOOGLE = range(4)
ENDS = 4  # the flow ends behind the last piece
ZERO_ID = bytes(8)  # of what fuzz_quic.c seals


def pieces(how, parts):
    return bytes([how]) + b"".join(struct.pack("!H", len(b)) + b for b in parts)


def talk(turns):
    """[(direction, datagram)] -> pieces; the target takes each second piece as the server's, so that others go between"""
    out = []
    for direction, data in turns:
        if len(out) % 2 != direction:
            out.append(b"")
        out.append(data)
    return out


def varint(n):
    return bytes([n]) if n < 64 else struct.pack("!H", n | 0x4000) if n < 16384 else struct.pack("!I", n | 0x80000000)


def crypto(data, begin, end):
    return b"\x06" + varint(begin) + varint(end - begin) + data[begin:end]


def hello_of(stream):
    """the ClientHello in a TLS stream's first record, as QUIC carries it, with transport parameters added; or None"""
    if stream[:2] != b"\x16\3" or stream[5:6] != b"\1":
        return None
    body = bytearray(stream[9 : 9 + int.from_bytes(stream[6:9], "big")])
    at = 34 + 1 + body[34]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    extensions = bytes(body[at + 2 :]) + struct.pack("!HH", 0x39, 8) + bytes.fromhex("0408ffffffffffff")
    body = bytes(body[:at]) + struct.pack("!H", len(extensions)) + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body


def of_client(hello, rnd):
    n = len(hello)
    whole, other = crypto(hello, 0, n), hello.replace(b".", b"x", 1)
    noise = bytes.fromhex("030500010001010707070205000000") + b"\x01\0\0\0"
    cuts = [0] + sorted(rnd.sample(range(1, n), 12)) + [n]
    shreds = [crypto(hello, a, b) for a, b in zip(cuts, cuts[1:])]
    rnd.shuffle(shreds)
    yield [whole + bytes(200)]
    yield [noise + whole, b"\x1c\x0a\6\2no" + whole, b"\x1c\x0a\6\x3f", b"\2\5\0\x3f", b"\6\0\x50", b"\x30", b"\6"]
    yield [b"\0\1".join(shreds)]
    yield shreds
    yield [crypto(hello, 0, n // 2)]
    yield [crypto(hello, n // 3, n), whole, crypto(other, 0, n)]
    two = hello + other
    yield [whole, crypto(two, n, len(two))]
    yield [crypto(b"\2" + hello[1:], 0, n)]
    yield [crypto(hello[:3], 0, 3)]
    big = b"\1\0\xff\xff" + hello[4:] + bytes(70000)
    yield [crypto(big, a, a + 4000) for a in range(0, 24000, 4000)]
    yield [b"\x06" + varint(20000) + varint(9) + bytes(9), b"\x06" + varint(16300) + varint(3000) + bytes(3000)]


def tagged(tags):
    """CHLO out of tags"""
    heads, values = b"", b""
    for name, value in tags:
        values += value
        heads += name.ljust(4, b"\0") + struct.pack("<I", len(values))
    return b"CHLO" + struct.pack("<HH", len(tags), 0) + heads + values


def fnv(data):
    h = 0x6C62272E07BB014262B821756295C58D
    for b in data:
        h = (h ^ b) * ((1 << 88) + 0x13B) & (1 << 128) - 1
    return h.to_bytes(16, "little")[:12]


def clear(version, frames, nibbles=False, ids=0x50, side=b"Client", private=b""):
    """a packet of Google's in the clear, its hash made right (side None: wrong)"""
    name = b"Q%03d" % version
    if nibbles:
        head = b"\xc0" + name + bytes([ids]) + bytes(8 if ids >> 4 else 0) + bytes(8 if ids & 15 else 0)
        head += b"\0\0\0\1" if version < 46 else b"\1"
    else:
        head = b"\x09" + b"8bytesID" + name + b"\1"
    rest = private + frames
    return head + (fnv(head + rest + side) if side is not None else bytes(12)) + rest


def stream(data, offset=0, order=">", sized=True):
    head = struct.pack(order + "H", offset) if offset else b""
    return bytes([0x80 | 0x20 * sized | (4 if offset else 0)]) + b"\1" + head + (struct.pack(order + "H", len(data)) if sized else b"") + data


def google():
    """-> (how, pieces)"""
    def chlo(version, name=b"WWW.Example.com.", **more):
        return tagged([(b"SNI", name), (b"VER", version), (b"UAID", b"test 1.0")] + [(k.encode(), v) for k, v in more.items()])

    for version, order in ((25, "<"), (33, "<"), (36, "<"), (39, ">"), (43, ">")):
        private = b"\0" if version < 34 else b""
        name = b"Q%03d" % version
        for side in (b"", b"Client", None):
            for offset in (0, 1024):
                yield PLAIN, [clear(version, stream(chlo(name), offset, order) + bytes(50), side=side, private=private)]
        acks = b"\x40\1\0\0\1\0" + b"\x65\0\1\0\0\1\0\1\1\0\2\1\2\0\0\0\0\0\0\0" + b"\x06\1\x07"
        yield PLAIN, [clear(version, acks + stream(chlo(name), 0, order, False), private=private)]
    for version in (44, 46):
        name = b"Q%03d" % version
        for ids in (0x50, 0x55, 0x05):
            yield PLAIN, [clear(version, stream(chlo(name)), True, ids)]
            yield PLAIN, [clear(version, stream(chlo(name)), True, ids, None)]
    first, second = chlo(b"Q043"), chlo(b"Q043", b"other.example")
    yield PLAIN, talk([(0, clear(43, stream(first))), (0, clear(43, stream(first))), (0, clear(43, stream(second)))])
    yield PLAIN, talk([(0, clear(43, stream(first))), (0, clear(43, stream(second, len(first))))])
    yield PLAIN, [clear(43, stream(first[:40])), b"", clear(43, stream(first[40:], 40))]
    yield PLAIN, [clear(43, stream(chlo(b"Q043", b"a\0b")))]
    yield PLAIN, [clear(43, stream(b"REJ\0" + first[4:])), b"", clear(43, stream(first), side=None)]
    yield PLAIN, [clear(43, stream(first[:8] + b"SNI\0\xff\xff\0\0" + first[16:]))]
    yield GOOGLE, [b"\x08\0" + varint(len(first)) + chlo(b"Q050") + bytes(50)]
    yield GOOGLE, [b"\x08\0\x20" + chlo(b"Q050")[:32], b"\x08\x20" + varint(len(first) - 32) + chlo(b"Q050")[32:]]
    yield GOOGLE, [stream(chlo(b"Q050"), 1024), b"\x40\1\0\0\1\0", b"\x08", b"\x42"]


def odd():
    """datagrams that no capture of ours has"""
    big = lambda head: head + bytes(1200 - len(head))
    long = lambda first, version, dcid, scid: bytes([first]) + struct.pack("!IB", version, len(dcid)) + dcid + bytes([len(scid)]) + scid
    yield [long(0xC0, 0, b"", b"12345678") + struct.pack("!II", 1, 0x6B3343CF)]
    yield [long(0xC0, 0, b"", b"12345678") + struct.pack("!I", 0x1A2A3A4A)]
    yield [big(long(0xC0, 0x1A2A3A4A, b"12345678", b"") + b"\0" + varint(1100))] * 3
    yield [big(long(0xC0, 0x51303939, b"12345678", b"") + b"\0" + varint(1100))]
    yield [big(long(0xC0, 1, b"12345678", b"") + b"\0" + varint(1100)), b"", big(long(0xC0, 1, b"12345678", b"") + b"\0" + varint(1100))]
    yield [long(0xF0, 1, b"12345678", b"abc") + b"token" + bytes(16)]
    yield [long(0xD0, 1, b"12345678", b"abc") + varint(30) + bytes(30) + long(0xE0, 1, b"12345678", b"abc") + varint(21) + bytes(21)]
    yield [bytes([0x40 + i]) + bytes(60) for i in range(12)]
    yield [b"\x48" + bytes(60)] * 8 + [b"\x10" + bytes(60)]


def seeds(streams, datagrams, first):
    """of one capture. streams: bytes; datagrams: (proto, sport, dport, _, payload, src)"""
    out, flows, rnd = [], {}, random.Random(1)
    for d in datagrams:
        if 443 in d[1:3]:
            flows.setdefault(max(d[1:3]), []).append((int(d[1] == 443), d[4]))
    for turns in flows.values():
        for part in (turns[:6], turns[:1], turns[1:4], [(1 - d, b) for d, b in turns[:4]], turns[:2] + turns[:1]):
            out.append(pieces(PLAIN | ENDS, talk(part)))
        out.append(pieces(PLAIN, talk([(0, turns[0][1][:700]), (0, turns[0][1][:-1] + b"x"), (0, turns[0][1])])))
        retry = b"\xf0\0\0\0\1" + bytes([turns[0][1][5 + 1 + turns[0][1][5]]]) + turns[0][1][7 + turns[0][1][5] :][:turns[0][1][6 + turns[0][1][5]]]
        out.append(pieces(PLAIN, talk([turns[0], (1, retry + b"\x06theirstoken" + bytes(16)), turns[0]])))
    hellos = [h for h in map(hello_of, streams) if h][:2]
    for hello in hellos:
        for parts in of_client(hello, rnd):
            out += [pieces(CLIENT, parts), pieces(CLIENT | ENDS, parts)]
        for s in streams:
            if s[5:6] == b"\2":
                n = 4 + int.from_bytes(s[6:9], "big")
                out.append(pieces(SERVER, [crypto(s[5:], 0, n), crypto(s[5:], 0, n) + b"\2\0\0\0\0", b"\6\4\2\1\1"]))
    if first:
        out += [pieces(how, parts) for how, parts in google()] + [pieces(PLAIN, parts) for parts in odd()]
    return out
