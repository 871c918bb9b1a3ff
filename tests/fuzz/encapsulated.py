# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_decap: frames of captures (the project's own, and tests/golden's), and real packets wrapped into what no
capture has around them."""
import pathlib
import random
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE / ".."), str(HERE / "../golden")]
import pcap_file  # noqa: E402
from packets import eth, gwlb_options, icmp, icmp6, ip4, ip6, proto, tag, tcp, udp, vxlan  # noqa: E402

LINKS = [1, 0, 9, 12, 14, 101, 104, 108, 113, 228, 229, 276]  # as in fuzz_decap.c
OFFLOAD, ENFORCE, IGNORE = (n << 3 for n in range(3))
TRANSPORTS, LIVE, FIRST_PASS, FEW = 7, 32, 64, 128
MORE, LATER, ENDS, CUT = 1, 2, 4, 8
A, B, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"


def step(frame, how=0, more=0, later=0, cut=0):
    out = struct.pack("!BH", how, len(frame))
    out += bytes([more]) if how & MORE else b""
    out += bytes([later]) if how & LATER else b""
    return out + (struct.pack("!H", cut) if how & CUT else b"") + frame


def seed(frames, link=1, settings=OFFLOAD, rnd=None, how=0):
    """frames: bytes, or (bytes, length on the wire, seconds since the one before)"""
    out = bytes([LINKS.index(link), settings])
    for f in frames:
        data, wire, later = f if isinstance(f, tuple) else (f, len(f), 0)
        data = data[:9000]
        bits = how | (MORE if wire > len(data) else 0) | (LATER if later else 0)
        if rnd and data:
            bits |= CUT if rnd.random() < 0.3 else ENDS if rnd.random() < 0.2 else 0
        out += step(data, bits, min((wire - len(data) + 7) // 8, 255), min(later, 255), rnd.randrange(len(data)) if rnd and data else 0)
    return out


def read(path):
    """-> (link type, [(bytes, length on the wire, seconds since the one before)])"""
    data, before, out = pathlib.Path(path).read_bytes(), None, []
    for head, frame in pcap_file.records(data):
        sec, _, _, wire = struct.unpack("<IIII", head)
        out.append((frame, wire, max(sec - before, 0) if before is not None else 0))
        before = sec
    return pcap_file.link_type(data), out


def options4():
    yield b"\x01\x01\x94\x04\0\0\0\0"  # no-operation, router alert, end
    yield b"\x07\x07\x04\0\0\0\0\0"
    yield b"\x07\x09\x04\0"  # longer than the header
    yield b"\x01\x01\x01\x07"  # without its length


def chains(body):
    """IPv6 extension headers in front of a protocol -> (first, bytes)"""
    pad = b"\x01\x04\0\0\0\0"
    yield 0, b"\x3c\0" + pad + b"\x2b\0" + pad + b"\x06\0" + b"\0" * 6
    yield 43, b"\x06\x02\x03\x01" + bytes(20)  # routing, one segment left
    yield 51, b"\x06\x04" + bytes(22)  # AH
    yield 60, b"\0\0" + pad + b"\x06\0" + pad  # hop-by-hop not first
    yield 60, b"\x06\0\x01\xf0\0\0\0\0"  # option beyond the header
    yield 135, b"\x3b\0" + bytes(6)  # mobility, last
    yield 60, (b"\x3c\0" + pad) * 17 + b"\x06\0" + pad
    yield 60, b"\x06\xff" + pad
    yield 44, b"\x06\0\0\0" + bytes(4)  # atomic fragment


def l3s():
    """IP packets with each L4, sound and not"""
    talk = tcp(40000, 80, "PA", 1, 1, b"GET / HTTP/1.1\r\n\r\n")
    for what in (talk, udp(4000, 53, bytes(40)), udp(4000, 9, bytes(9), csum_is=0), icmp(), icmp(3, 1, bytes(40)), proto(50, bytes(40)),
                 proto(132, bytes(12) + bytes(9)), proto(50, b""), proto(132, bytes(4)), icmp(payload=b"")):
        yield ip4(A, B, what)
    for what in (talk, udp(4000, 53, bytes(40)), icmp6(), icmp6(1, 0, bytes(40)), proto(59, b""), proto(132, bytes(32))):
        yield ip6(A6, B6, what)
    for options in options4():
        yield ip4(A, B, talk, options=options)
    for first, chain in chains(talk):
        yield ip6(A6, B6, talk, next_header=first, chain=chain)
    for bad in (dict(total=19), dict(total=2000), dict(total=0), dict(ihl=4), dict(ihl=15), dict(version=5), dict(csum_is=1)):
        yield ip4(A, B, talk, **bad)
    yield ip4(A, B, proto(51, b"\x06\x01" + bytes(10) + bytes(20)))
    yield ip4(A, B, proto(51, b"\x06\xff" + bytes(10)))
    yield ip4(A, B, proto(51, b"\x06\x01"))
    for bad in (dict(length=0), dict(length=2000), dict(version=5), dict(length=3)):
        yield ip6(A6, B6, talk, **bad)
    for bad in (tcp(1, 2, doff=4), tcp(1, 2, doff=15), tcp(1, 2, csum_is=5), tcp(1, 2, "PAU", urg=1, payload=b"x"), udp(1, 2, length=4),
                udp(1, 2, length=400), udp(1, 2, b"abc", length=9), udp(1, 2, length=0), udp(1, 2, b"x", csum_is=7)):
        yield ip4(A, B, bad)


def ppp(ip):
    return b"\xff\x03\x00" + (b"\x21" if ip[0] >> 4 == 4 else b"\x57") + ip


def on_udp(port, body, sport=4000):
    return ip4(A, B, udp(sport, port, body))


def greh(kind, body, flags=0, optional=b""):
    return ip4(A, B, proto(47, struct.pack("!HH", flags, kind) + optional + body))


def wraps(ip):
    """an IP packet in everything that leads to IP -> whole frames"""
    kind = 0x0800 if ip[0] >> 4 == 4 else 0x86DD
    frame = eth(ip)
    for tpid in (0x8100, 0x88A8, 0x9100, 0x9200):
        yield eth(tag(5, tag(6, ip), inner=0x8100), tpid)
    yield eth(tag(1, tag(2, tag(3, tag(4, tag(5, ip), inner=0x8100), inner=0x8100), inner=0x8100), inner=0x8100), 0x8100)
    yield eth(bytes(4) + frame, 0x88E7)
    yield eth(bytes(2) + frame, 0x8903)
    yield eth(bytes(4) + struct.pack("!H", kind) + ip, 0x8926)
    yield eth(bytes(6) + struct.pack("!H", kind) + ip, 0x893F)
    snap = b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", kind) + ip
    yield eth(snap, len(snap)) + bytes(6)
    yield eth(b"\x06\x06\x03" + ip, len(ip) + 3)
    yield eth(b"\x42\x42\x03" + bytes(40), 43)
    yield eth(b"\xaa\xaa\x03\0\0\x0c\x20\0", 8)
    yield eth(b"\xaa", 1)
    labels = struct.pack("!II", 16 << 12 | 64, 17 << 12 | 1 << 8 | 64)
    for body in (ip, bytes(4) + frame, frame, b"\x50" * 30, b"\x45"):
        yield eth(labels + body, 0x8847)
    yield eth(bytes(4) * 20, 0x8848)
    for body in (ppp(ip), ppp(ip)[2:], ppp(ip)[3:], b"\xff\x03\x02\x81" + labels + ip, b"\xc0\x21\1\1\0\4"):
        yield eth(struct.pack("!BBHH", 0x11, 0, 1, len(body)) + body, 0x8864)
    yield eth(struct.pack("!BBHH", 0x12, 0, 1, 9), 0x8864)
    yield eth(struct.pack("!BBHH", 0x11, 0xA7, 1, 9), 0x8864)
    yield eth(struct.pack("!BBHH", 0x11, 0, 1, 900) + b"\0\x21", 0x8864)
    number = 4 if kind == 0x0800 else 41
    yield eth(ip4(A, B, proto(number, ip)))
    yield eth(ip6(A6, B6, proto(number, ip)))
    deep = ip
    for _ in range(5):
        deep = ip4(A, B, proto(4 if deep[0] >> 4 == 4 else 41, deep))
    yield eth(deep)
    yield eth(ip4(A, B, proto(97, b"\x30\0" + frame)))
    yield eth(ip4(A, B, proto(97, b"\x20\0" + frame)))
    yield eth(ip4(A, B, proto(137, labels + ip)))
    yield eth(greh(kind, ip))
    yield eth(greh(kind, ip, 0xB000, bytes(12)))
    yield eth(greh(kind, ip, 0x4000, bytes(4) + b"\0\0\0\x04" + bytes(4) + bytes(4)))
    yield eth(greh(kind, ip, 0x4000, bytes(4) + b"\0\0\0\x04\0\0\0\0" * 9))
    yield eth(greh(0x6558, frame, 0x2000, bytes(4)))
    yield eth(greh(kind, ip, 2))
    yield eth(greh(kind, b""))
    yield eth(greh(0x880B, ppp(ip), 0x3001, struct.pack("!HHI", len(ppp(ip)), 1, 1)))
    yield eth(greh(0x880B, ppp(ip), 0x3081, struct.pack("!HHII", len(ppp(ip)), 1, 1, 1)))
    yield eth(greh(0x880B, b"", 0x2081, bytes(8)))
    yield eth(greh(0x880B, b"", 0x0001))
    yield eth(greh(0x88BE, frame))
    yield eth(greh(0x88BE, b"\x10\0\x04\0" + bytes(4) + frame, 0x1000, bytes(4)))
    yield eth(greh(0x88BE, b"\x30\0\0\0" + bytes(4) + frame, 0x1000, bytes(4)))
    for h in (b"\0\0", b"\0\x01" + bytes(8), b"\x08\0", b"\x0c\0"):
        yield eth(greh(0x22EB, b"\x20\0\0\0" + bytes(6) + h + (ip if h[0] == 8 else frame), 0x1000, bytes(4)))
    yield eth(greh(0x883E, ip))
    yield eth(greh(0x883E, bytes(4) + ip))
    yield eth(on_udp(4789, vxlan(77, frame)))
    yield eth(on_udp(8472, vxlan(77, eth(on_udp(4789, vxlan(78, frame))))))
    yield eth(on_udp(4790, b"\x0c\0\0" + bytes([1 if kind == 0x0800 else 2]) + b"\0\0\x09\0" + ip))
    for options in (b"", gwlb_options(9), b"\1\2\3\1" + bytes(4), b"\1\2\3\x1f", b"\1\2"):
        pad = options + bytes(-len(options) % 4)
        yield eth(on_udp(6081, struct.pack("!BBHI", len(pad) // 4, 0, kind, 5 << 8) + pad + ip))
        yield eth(on_udp(6081, struct.pack("!BBHI", len(pad) // 4, 0, 0x6558, 5 << 8) + pad + frame))
    for flags, more in ((0x30, b""), (0x32, bytes(4)), (0x34, b"\0\0\0\x85\1\0\0\x85\1\0\0\0"), (0x34, b"\0\0\0\x85\0\0\0\0"), (0x36, b"\0")):
        yield eth(on_udp(2152, struct.pack("!BBHI", flags, 255, len(more + ip), 9) + more + ip))
    for port, sport in ((3544, 4000), (4000, 3544)):
        for indications in (b"", b"\0\0" + bytes(6), b"\0\1\1\1" + bytes(11) + b"\0\0" + bytes(6), b"\0\7" + bytes(6)):
            yield eth(on_udp(port, indications + ip, sport))
    for h in (b"\x44\x50\x01", b"\x44\x50\x00"):
        for n in (4, 41, 59):
            yield eth(on_udp(5072, h + bytes([n]) + bytes(4) + bytes(16) + bytes(20) + ip))
    for flags, more in ((0x0002, b""), (0x4002, b"\0\x40"), (0x4A02, b"\0\x40" + bytes(4) + b"\0\1\0"), (0x0202, b"\0"), (0x8002, bytes(9))):
        yield eth(on_udp(1701, struct.pack("!H", flags) + more[: 2 if flags & 0x4000 else 0] + bytes(4) + more[2 if flags & 0x4000 else 0 :]
                         + ppp(ip), 1701))
        yield eth(on_udp(1701, struct.pack("!H", flags) + bytes(4) + ppp(ip)[2:], 4000))


def links(ip):
    """the same packet under each link type -> (link type, frame)"""
    v4 = ip[0] >> 4 == 4
    kind = struct.pack("!H", 0x0800 if v4 else 0x86DD)
    for order in "<>":
        for family in (2, 30, 24, 0x0800, 7):
            yield 0, struct.pack(order + "I", family) + ip
    yield 108, struct.pack(">I", 2 if v4 else 28) + ip
    for head in (b"\xff\x03\0" + (b"\x21" if v4 else b"\x57"), b"\x21" if v4 else b"\x57", b"\x0f\0" + kind, b"\xff\x03", b""):
        yield 9, head + ip
    for link in (12, 14, 101, 228 if v4 else 229):
        yield link, ip
    yield 104, b"\x0f\0" + kind + ip
    yield 113, bytes(14) + kind + ip
    yield 113, bytes(14) + b"\0\x04\xaa\xaa\x03\0\0\0" + kind + ip
    yield 113, bytes(14) + b"\0\x01" + ip
    yield 276, kind + bytes(18) + ip


def fragments(rnd):
    """datagrams in pieces: in any order, again, overlapping, without an end, of both versions, inside tunnels"""
    body = udp(4000, 53, bytes(range(240)))
    for n in range(12):
        cuts = sorted(rnd.sample(range(8, 248, 8), rnd.choice([1, 2, 4])))
        whole = body.done(bytes(4), bytes(4), 17)
        pieces = []
        for x, y in zip([0] + cuts, cuts + [len(whole)]):
            more = y < len(whole)
            pieces.append(ip4(A, B, whole[x:y], ident=n, off=x, more=more, number=17) if n % 2 else ip6(
                A6, B6, struct.pack("!BBHI", 17, 0, x | more, n) + whole[x:y], next_header=44))
        if n % 3 == 0:
            rnd.shuffle(pieces)
        if n % 4 == 1:
            pieces.insert(1, pieces[0])
        if n == 6:
            pieces[1] = ip6(A6, B6, struct.pack("!BBHI", 17, 0, cuts[0] - 8 | 1, n) + bytes(16), next_header=44)
        if n == 7:
            pieces.append(ip4(A, B, bytes(9), ident=n, off=9000, more=True, number=17))
        if n == 8:
            pieces = pieces[:-1]
        wrap = [lambda p: eth(p), lambda p: eth(on_udp(4789, vxlan(7, eth(p)))), lambda p: eth(tag(4, p), 0x8100),
                lambda p: eth(greh(0x0800 if p[0] >> 4 == 4 else 0x86DD, p))][n % 4 if n > 3 else 0]
        yield [wrap(p) for p in pieces]
    chain = b"\x2c\0" + b"\x01\x04\0\0\0\0"  # headers in front of the fragment's, and behind it
    inner = b"\x11\0\x01\x04\0\0\0\0" + whole
    yield [eth(ip6(A6, B6, struct.pack("!BBHI", 60, 0, x | (x < 200), 9) + inner[x : x + 200], next_header=60, chain=chain))
           for x in range(0, len(inner), 200)]
    yield [eth(ip6(A6, B6, struct.pack("!BBHI", 60, 0, 1, 10) + inner[:8], next_header=44))]
    yield [eth(ip4(A, B, bytes(8), ident=11, off=65520, number=17)), eth(ip4(A, B, b"", ident=11, more=True, number=17)),
           eth(ip4(A, B, bytes(8), ident=11, more=True, number=6))]
    yield [eth(ip4(A, B, bytes(8), ident=12, off=8 * n, more=True, number=17)) for n in range(1, 70)]
    yield [eth(ip4(A, B, whole[x : x + 128], ident=i, off=x, more=x == 0, number=17)) for x in (0, 128) for i in range(30)]
    outer = greh(0x0800, ip4(A, B, whole[:128], ident=13, more=True, number=17)), greh(0x0800, ip4(A, B, whole[128:], ident=13, off=128, number=17))
    yield [eth(ip4(A, B, o[20:][x : x + 80], ident=20 + i, off=x, more=x + 80 < len(o) - 20, number=47)) for i, o in enumerate(outer)
           for x in range(0, len(o) - 20, 80)]


def made():
    rnd = random.Random(1)
    packets = list(l3s())
    for n in range(0, len(packets), 8):
        for settings in (OFFLOAD, ENFORCE | LIVE, FIRST_PASS):
            yield seed([eth(p) for p in packets[n : n + 8]], settings=settings, rnd=rnd if settings == OFFLOAD else None)
        yield seed([(eth(p)[:-9], len(p) + 14, 0) for p in packets[n : n + 8]])
        yield seed([(eth(p)[: rnd.randrange(len(p) + 14)], len(p) + 14, 0) for p in packets[n : n + 8]])
    for ip in (packets[0], packets[10]):
        frames = list(wraps(ip))
        for n in range(0, len(frames), 6):
            for settings in (0, TRANSPORTS, ENFORCE | LIVE | TRANSPORTS):
                yield seed(frames[n : n + 6], settings=settings, rnd=rnd)
            yield seed([f[: rnd.randrange(14, len(f))] for f in frames[n : n + 6]], settings=IGNORE)
        for link, frame in links(ip):
            yield seed([frame, frame[: len(frame) // 8]], link, rnd=rnd)
    for pieces in fragments(rnd):
        for settings in (0, FEW, TRANSPORTS):
            yield seed(pieces, settings=settings)
        yield seed([(p, len(p), 16) for p in pieces], how=ENDS)
        yield seed([(p[:-3], len(p), 0) for p in pieces])


def seeds(path, first):
    """of one capture; with the first, all that is made and what tests/golden has"""
    link, frames = read(path)
    rnd = random.Random(str(pathlib.Path(path).name))
    out = [seed([(f[:1514], w, t) for f, w, t in frames[n : n + 12]], link, settings, rnd)
           for n, settings in zip(range(0, min(len(frames), 72), 12), (0, ENFORCE | TRANSPORTS, FIRST_PASS, LIVE, IGNORE | FEW, 0))]
    if first:
        out += list(made())
        for golden in sorted((HERE / "../golden").glob("*/in.pcap")):
            link, frames = read(golden)
            if link in LINKS:
                out += [seed(frames, link, settings) for settings in (0, TRANSPORTS | ENFORCE)]
    return out
