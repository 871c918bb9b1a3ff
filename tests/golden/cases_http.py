# SPDX-License-Identifier: BSD-3-Clause
"""HTTP whose end two readers may see differently leaves by HTTP_AMBIGUOUS; what is merely odd passes and is named. What comes after
CONNECT and STARTTLS is read as itself."""
from handshakes import hello, message, records, sni
from packets import *

A, B = "10.0.0.1", "10.0.0.2"


def talk(*turns, port=80, sport=40000):
    """A connection: handshake, then (direction, bytes) in order, one segment each."""
    seq, out = [1000, 5000], []

    def segment(d, flags, payload=b""):
        ends = (A, B) if d == 0 else (B, A)
        ports = (sport, port) if d == 0 else (port, sport)
        out.append(eth(ip4(*ends, tcp(*ports, flags, seq[d], seq[1 - d] if flags != "S" else 0, payload))))
        seq[d] += len(payload) + ("S" in flags or "F" in flags)

    segment(0, "S")
    segment(1, "SA")
    segment(0, "A")
    for d, payload in turns:
        segment(d, "PA", payload)
    segment(0, "FA")
    segment(1, "FA")
    segment(0, "A")
    return out


def fact(field, value):
    return {"field": field, "value": value}


def placed(field, value, frame, payload, line):
    """said of this line of a frame's payload"""
    return fact(field, value) | {"frame": frame, "off": 54 + payload.index(line), "len": len(line)}


HOST = b"Host: www.example.test\r\n"
UPGRADE = b"GET /up HTTP/1.1\r\n" + HOST + b"Upgrade: %s\r\nConnection: Upgrade\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

POST = b"POST /2 HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSES = [
    ("cl-bad", POST + b"Content-Length: +3\r\n\r\nabc"),
    ("te-bad", POST + b"Transfer-Encoding: xchunked\r\n\r\n"),
    ("te-http10", b"POST /2 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bare-lf", POST + b"X: y\nContent-Length: 0\r\n\r\n"),
    ("bare-cr", POST + b"X: y\rContent-Length: 3\r\n\r\n"),
    ("nul", POST + b"X: y\0z\r\n\r\n"),
    ("obs-fold", POST + b"X: y\r\n Content-Length: 3\r\n\r\n"),
    ("leading-space", b"POST /2 HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n"),
    ("space-colon", POST + b"Content-Length : 0\r\n\r\n"),
    ("chunk-size", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("chunk-size", CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("chunk-end", CHUNKED + b"3\r\nabcde\r\n0\r\n\r\n"),
]

PLACED = (b"POST /1 HTTP/1.1\r\n" + HOST + b"X : y\r\nF: y\r\n z\r\nN: \0\r\nB: lf\nHost: two.example\r\nContent-Length: 2\r\n"
          b"Transfer-Encoding: chunked\r\n\r\n0x1\r\n")
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"

LENIENT = [b"GET\t/0\tHTTP/1.1\r\n" + HOST + b"\r\n", b"GET\x0b/1\x0bHTTP/1.1\r\n" + HOST + b"\r\n",
           b"GET\x0c/2\x0cHTTP/1.0\r\n\r\n", b" GET /3 HTTP/1.1\r\n" + HOST + b"\r\n", b"get /4 http/1.1\r\n" + HOST + b"\r\n"]

CASES = {
    "http_ambiguous": {
        # the first request passes, the second states two framings
        "frames": talk((0, b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n"), (1, OK),
                       (0, b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        "drops": {"HTTP_AMBIGUOUS": [6]},
        "facts": [fact("http.uri", "/1"), fact("http.uri", "/2"), fact("http.ambiguous", "cl-te")],
    },
    "http_ambiguous_cut": {
        # two lengths; the head comes in two segments, and it is the one that completes it that does not leave
        "frames": talk((0, b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n"), (0, b"Content-Length: 5\r\n\r\nabcd")),
        "drops": {"HTTP_AMBIGUOUS": [5]},
        "facts": [fact("http.ambiguous", "cl-differ")],
    },
    "http_places": {
        # each cause points at its line, the anomaly at that of the gravest, the length at the field that it is of; then a
        # hello that is too short, and bytes behind a question
        "frames": talk((0, PLACED), (1, ANSWERED)) + talk((0, records(message(1, b"\3\3" + bytes(10)))), port=443, sport=40001)
        + [eth(ip4(A, B, udp(40002, 53, b"\0\1\1\0\0\1" + bytes(6) + b"\1a\4test\0\0\1\0\1junk!")))],
        "args": ["-v"],
        "drops": {"HTTP_AMBIGUOUS": [4, 5]},
        "facts": [placed("http.ambiguous", c, 4, PLACED, line) for c, line in (
            ("space-colon", b"X : y\r\n"), ("obs-fold", b" z\r\n"), ("nul", b"N: \0\r\n"), ("bare-lf", b"B: lf\n"),
            ("host-two", b"Host: two.example\r\n"), ("cl-te", b"Transfer-Encoding: chunked\r\n"), ("chunk-size", b"0x1\r\n"))]
        + [placed("anomaly", "http.ambiguous", 4, PLACED, b"Transfer-Encoding: chunked\r\n"),
           fact("anomaly", "tls.malformed") | {"frame": 12, "off": 63, "len": 12},
           fact("anomaly", "dns.malformed") | {"frame": 16, "off": 66, "len": 5},
           placed("http.length", 3, 5, ANSWERED, b"3"),
           placed("http.ambiguous", "cl-differ", 5, ANSWERED, b"Content-Length: 4\r\n")],
        "same": True,
    },
    "http_odd": {
        # user information, two Hosts, and a response as old servers write it: named, and all of it passes unchanged
        "frames": talk((0, b"GET /a//b/../%63?q HTTP/1.1\r\nHost: u:p@One.Example.:81\r\nX: a\r\nHost: two.example\r\n\r\n"),
                       (1, b"HTTP/1.1 200 OK\nX : a\n b\nContent-Length: 0\n\n")),
        "facts": [fact("http.ambiguous", c) for c in ("bare-lf", "obs-fold", "space-colon", "host-two")]
        + [fact("host", "one.example"), fact("host", "two.example"), fact("http.status", 200)],
        "same": True,
    },
    "http_lenient": {
        # what only lenient servers answer (RFC 9112 3; RFC 1945 4.1): said as they read it
        "frames": [f for i, request in enumerate(LENIENT) for f in talk((0, request), (1, OK), sport=40000 + i)]
        + talk((0, b"GET /5\r\n"), (1, b"<html>"), sport=40005),
        "facts": [{"field": "http.uri", "value": "/%d" % i, "tuple": ["tcp", A, 40000 + i, B, 80]} for i in range(6)]
        + [{"field": "anomaly", "value": "http.ambiguous", "tuple": ["tcp", A, 40000 + i, B, 80]} for i in range(6)],
        "same": True,
        "most": 6000,
    },
    "http_closes": {
        # a request each, whose end depends on who reads it: the frame that shows it does not leave
        "frames": [f for i, (_, request) in enumerate(CLOSES) for f in talk((0, request), sport=40000 + i)],
        "drops": {"HTTP_AMBIGUOUS": [4 + 7 * i for i in range(len(CLOSES))]},
        "facts": [{"field": "http.ambiguous", "value": cause, "tuple": ["tcp", A, 40000 + i, B, 80]}
                  for i, (cause, _) in enumerate(CLOSES)],
        "most": 12000,
    },
    "http_closes_answer": {
        # two lengths in a response: it does not leave
        "frames": talk((0, b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n"),
                       (1, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")),
        "drops": {"HTTP_AMBIGUOUS": [5]},
        "facts": [fact("http.uri", "/1"), fact("http.status", 200), fact("http.ambiguous", "cl-differ")],
    },
    "http_upgraded": {
        # what follows 101 is what was agreed upon, though it looks like requests: WebSocket, HTTP/2 in the clear, TLS
        "frames": talk((0, UPGRADE % b"websocket"), (1, SWITCHED), (0, b"GET /fake HTTP/1.1\r\nHost: fake.example\r\n\r\n"),
                       (1, OK))
        + talk((0, UPGRADE % b"h2c"), (0, b"GET /fake HTTP/1.1\r\nHost: fake.example\r\n\r\n"), (1, SWITCHED + OK), sport=40001)
        + talk((0, UPGRADE % b"TLS/1.2"), (1, SWITCHED), (0, records(message(1, hello(sni(b"inner.example"))))), sport=40002)
        # nobody asked: requests go on
        + talk((0, b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n"), (1, SWITCHED), (0, b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n"), (1, OK),
               sport=40003),
        "drops": {},
        "facts": [fact("http.uri", "/up"), fact("http.status", 101), fact("tls.sni", "inner.example"), fact("http.uri", "/2")],
        "no_facts": [fact("http.uri", "/fake"), fact("http.host", "fake.example"), fact("host", "fake.example")],
        "same": True,
    },
    "http_connect": {
        # the inner request is the tunnel's, not the proxy's; the proxy's answer comes late
        "frames": talk((0, b"CONNECT inner.example:80 HTTP/1.1\r\nHost: inner.example:80\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n"),
                       (0, b"SSH-2.0-client\r\n"), (1, b"SSH-2.0-server\r\n"), port=3128),
        "facts": [fact("http.method", "CONNECT"), fact("host", "inner.example"), fact("ssh.software", "client"),
                  fact("ssh.server_software", "server")],
        "same": True,
    },
    "preludes": {
        # TLS behind RDP's negotiation, with its cookie, and the PROXY protocol in front of TLS and of requests
        "frames": talk((0, b"\x03\0\0\x2c\x27\xe0\0\0\0\0\0Cookie: mstshash=eltons\r\n\1\0\x08\0\x0b\0\0\0"),
                       (1, b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\2\x1f\x08\0\2\0\0\0"),
                       (0, records(message(1, hello(sni(b"rdp.example"))))), port=3389)
        + talk((0, b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n" + records(message(1, hello(sni(b"one.example"))))), port=443, sport=40001)
        + talk((0, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)), (0, records(message(1, hello(sni(b"two.example"))))), port=443,
               sport=40002)
        + talk((0, b"PROXY UNKNOWN\r\nGET /1 HTTP/1.1\r\n" + HOST + b"\r\n"), (1, OK), sport=40003),
        "drops": {},
        "facts": [fact("tls.sni", n + ".example") for n in ("rdp", "one", "two")] + [fact("http.uri", "/1"), fact("http.status", 200)],
        "same": True,
    },
    "http_one_way": {
        # the server is never seen
        "frames": [f for f in talk((0, b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n"), (0, b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n"))
                   if f[26:30] == bytes([10, 0, 0, 1])],
        "facts": [fact("http.uri", "/1"), fact("http.uri", "/2")],
        "same": True,
    },
}
