# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_http: the TCP conversations of captures, and some that the project's captures do not show."""
import struct

import dns_messages

HTTP, SSH, PRELUDE, SOCKS, HTTP2 = 0, 1, 2, 3, 32
ONE_WAY, MIDSTREAM, BYTES = 4, 8, 16
GAP = 2  # added to a direction: bytes before the piece are missing

HELLO = bytes.fromhex("16030100300100002c0303") + bytes(41)


def get(path, *fields, method=b"GET", version=b" HTTP/1.1"):
    return b"\r\n".join([method + b" " + path + version, *fields, b"", b""])


HOST = b"Host: a.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nLocation: /b\r\nContent-Type: text/plain\r\n\r\nok"
CHUNKED = b"Transfer-Encoding: gzip, chunked"

ODD_HEADS = [
    get(b"/", b"Content-Length: 3", CHUNKED, HOST, method=b"POST") + b"5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
    get(b"/", b"Content-Length: 3", b"Content-Length: 4, 4", HOST) + b"abcd",
    get(b"/", b"Content-Length: x", b"Transfer-Encoding: ,", HOST),
    get(b"/%41/./../b//c;p?q#f", b"Host: u:p@[2001:DB8::1]:80", b"Host: b:x", b"Host : c.", b"X-Forwarded-For: 1.2.3.4"),
    get(b"http://u@H%2e:81/a/..", HOST, b"Referer: r", b" folded", b"User-Agent: u", b"no colon", b"b ad: x"),
    get(b"*", b" leading", b"X: a\rb\x00", method=b"OPTIONS", version=b" HTTP/1.7").replace(b"\r\n", b"\n"),
    get(b"/HTTP/1.1", HOST, version=b""),
    get(b"/ a ", HOST, version=b" HTTP/1."),
    get(b"/", CHUNKED, HOST, method=b"PUT") + b"1\nab\r\n" + get(b"/next", HOST),
    get(b"/", CHUNKED, HOST, method=b"PUT", version=b" HTTP/1.0") + b"zz\r\n" + get(b"/next", HOST),
    get(b"a:1", HOST, b"Content-Length: 1", method=b"CONNECT") + HELLO,
    get(b"/ws", HOST, b"Upgrade: websocket", CHUNKED, method=b"POST") + b"2\r\nab\r\n0\r\n\r\n\x81\x80abcd",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n" + get(b"/1", HOST) * 20,
    b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n" + HOST,
    get(b"/", b"X: " + b"a" * 66000, HOST) + get(b"/2", HOST),
    b"INVITE sip:a SIP/2.0\r\n\r\n",
]
ANSWERS = [
    OK * 20,
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n" + HELLO,
    b"HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + bytes(4096) + b"\r\n0\n\n" + OK,
    b"HTTP/1.0 200\r\n\r\nuntil the end " + OK,
    b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not\r\n\r\nnot a head\r\n",
]

PRELUDES = [
    [(1, b"220-mx\r\n220 ESMTP\r\n"), (0, b"EHLO a\r\n"), (1, b"250 OK\r\n"), (0, b"STARTTLS\r\n"), (1, b"454 no\r\n"),
     (0, b"STARTTLS\r\n"), (1, b"220 go\r\n"), (0, HELLO)],
    [(1, b"220 FTP\r\n"), (0, b"USER a\r\nAUTH TLS\r\n"), (1, b"234 go\r\n"), (0, HELLO)],
    [(0, b"EHLO a\r\nDATA\r\n"), (1, b"354 go\r\n")],
    [(1, b"* OK ready\r\n"), (0, b"a STARTTLS\r\n"), (1, b"* x\r\na NO\r\n"), (0, b"b STARTTLS\r\n"), (1, b"b OK\r\n"), (0, HELLO)],
    [(0, b"a1 CAPABILITY\r\na2 SELECT x\r\n"), (1, b"a1 OK\r\n")],
    [(1, b"+OK ready\r\n"), (0, b"CAPA\r\n"), (1, b"+OK\r\nSTLS\r\n.\r\n"), (0, b"STLS\r\n"), (1, b"-ERR\r\n"), (0, b"STLS\r\n"),
     (1, b"+OK\r\n"), (0, HELLO)],
    [(0, b"STLS\r\nRETR 1\r\n")],
    [(0, b"<?xml version='1.0'?><stream:stream to='a'>"), (1, b"<stream:stream id='a'><stream:features>"),
     (0, b"<starttls xmlns='a'></starttls>"), (1, b"<proceed xmlns='a'/>"), (0, HELLO)],
    [(0, bytes.fromhex("0000000804d21630")), (1, b"N"), (0, bytes.fromhex("0000000804d2162f")), (1, b"S"), (0, HELLO)],
    [(1, b"S\x16\x03\x03"), (0, bytes.fromhex("0000000804d2162f") + HELLO)],
    [(1, b"\x2d\0\0\0\x0a5.7.1-log\0" + bytes(34)), (0, b"\x20\0\0\x01\x85\xae" + bytes(30)), (0, HELLO)],
    [(0, b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"), (1, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"),
     (0, HELLO)],
    [(0, b"\x30\x84\0\0\x10\0\x02\x01\x01\x63" + bytes(5000)), (1, b"\x30\x82\x01\0\x02\x01\x01\x64" + bytes(252)),
     (1, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0")],
    [(0, b"EHLO a\r\n"), (0, HELLO)],
    [(0, b"EHLO a\r\n" + b"x" * 9000)],
]
SOCKS_TALKS = [
    [(0, b"\x05\x02\0\x02"), (1, b"\x05\x02"), (0, b"\x01\x01a\x01b"), (1, b"\x01\0"), (0, b"\x05\x01\0\x03\x01a\0\x50"),
     (1, b"\x05\0\0\x04" + bytes(18)), (0, HELLO)],
    [(0, b"\x05\x01\x02\x01\x01a\x01b"), (1, b"\x05\x02\x01\0\x05\0\0\x01" + bytes(6)), (0, b"\x05\x01\0\x01" + bytes(6))],
    [(1, b"\x05\0\x05\0\0\x01" + bytes(6)), (0, b"\x05\x01\0\x05\x01\0\x01" + bytes(6)), (0, HELLO)],
    [(0, b"\x04\x01\0\x50\x01\x02\x03\x04u\0"), (1, b"\0\x5b" + bytes(6))],
    [(0, b"\x04\x01\0\x50\0\0\0\x01u\0name\0" + HELLO), (1, b"\0\x5a" + bytes(6) + HELLO)],
    [(0, b"\x05\x01\0"), (1, b"\x05\xff")],
]
SSH_TALKS = [
    [(1, b"hello\r\nSSH-2.0-x y\n"), (0, b"SSH-2.0-y\r\n")],
    [(0, b"SSH-2.0\r\n")],
    [(0, b"SSH-2.0-" + b"x" * 300)],
    [(1, b"line\n" * 70)],
]


def http2_talks():
    frame = lambda kind, body, flags=0: len(body).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", 1) + body
    query, answers = dns_messages.message([dns_messages.A], flags=0x0100), list(dns_messages.messages())[:3]
    begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, bytes(6)) + frame(1, b"\x83\x86")
    yield [(0, begin + frame(0, query)), (1, frame(4, b"") + b"".join(frame(0, a) for a in answers))]
    yield [(0, begin + frame(0, b"\4" + query + bytes(4), 8) + frame(0, b"\xff" + query, 8) + frame(0, b"", 8)), (1, frame(0, bytes(17000)))]
    # blocks: kept fields and their use, Huffman, pieces, padding, trailers, a table's new size; their answers
    ask = b"\x82\x84\x86\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x40\1x\1y"
    two = lambda kind, body, flags=0, on=3: frame(kind, body, flags)[:5] + struct.pack("!I", on) + body
    asks = frame(1, ask, 4) + frame(0, b"body") + two(1, b"\2\0\0\0\0\x10" + b"\x83\x86\xbe" + bytes(2), 40) + two(9, b"\x04\2/a\xbf", 4)
    yield [(0, begin + asks + two(1, b"\0\1t\1u", 5)), (1, frame(4, b"\0\1\0\0\x10\0") + frame(1, b"\x48\x82\x64\x02\xbe", 4) + two(5, b"\0\0\0\2\x82", 4)
                                                             + two(1, b"\x88\x5f\1z", 5) + two(3, b"\0\0\0\x08", 0, 5))]
    yield [(0, begin + frame(1, b"\x20\x3f\xe1\x1f" + ask, 5) + two(1, b"\xff\0", 5)), (1, frame(1, b"\x89", 4) + frame(1, b"\x88", 5))]
    yield [(0, begin + frame(1, ask, 5) + two(1, b"\0\4Host\1\n\0\2te\1x\x2e", 5) + two(1, b":", 5, 2))]
    yield [(0, begin[:20]), (1, frame(0, bytes(9)) + b"\xff\xff\xff\0\0" + bytes(40))]
    yield [(0, begin + frame(0, query)[:-4]), (0 + GAP, frame(0, query))]


def spoken():
    """-> (parser, flags, [(direction, bytes)])"""
    for head in ODD_HEADS:
        for answer in ANSWERS[: 1 if len(head) > 9000 else None]:
            yield HTTP, 0, [(0, head), (1, answer)]
        yield HTTP, BYTES, [(1, ANSWERS[1]), (0, head)]
        yield HTTP, ONE_WAY, [(0, head)]
        yield HTTP, MIDSTREAM, [(1, OK), (0, head), (1 + GAP, b"x" + OK), (0 + GAP, b"cut\r\n"), (0, get(b"/", HOST)), (1, OK)]
    for parser, talks in ((PRELUDE, PRELUDES), (SOCKS, SOCKS_TALKS), (SSH, SSH_TALKS), (HTTP2, list(http2_talks()))):
        for talk in talks:
            for flags in (0, BYTES, ONE_WAY, MIDSTREAM):
                yield parser, flags, talk
            yield parser, 0, sorted(talk, key=lambda t: -t[0])


def pieces(turns):
    """turns as fuzz_http.c reads them; long ones in several pieces"""
    out = b""
    for d, b in turns:
        for at in range(0, len(b), 16000):
            part = b[at : at + 16000]
            out += struct.pack("!H", (d & 1) << 15 | (d >> 1 if at == 0 else 0) << 14 | len(part)) + part
    return out


def seeds(packets, first):
    """packets: (proto, sport, dport, seq, payload, src) or None, in capture order; first: the spoken ones too"""
    out = [bytes([which | flags]) + pieces(turns) for which, flags, turns in spoken()] if first else []
    flows = {}
    for x in packets:
        if x and x[0] == 6 and x[4]:
            flows.setdefault(frozenset((x[1], x[2])), []).append(((x[5], x[1]), x[4]))
    for turns in flows.values():
        begins = turns[0][1]
        which = SSH if begins[:4] == b"SSH-" else SOCKS if begins[:1] in b"\4\5" else PRELUDE
        which = which if begins[:3] in (b"220", b"* O", b"+OK") or which != PRELUDE else HTTP
        if which == HTTP and b"HTTP/1" not in begins:
            continue
        talk = pieces([(int(who != turns[0][0]), b[:2000]) for who, b in turns[:24]])
        out += [bytes([which]) + talk] + ([bytes([which | BYTES]) + talk] if len(talk) < 3000 else [])
    return out
