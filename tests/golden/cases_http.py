# SPDX-License-Identifier: BSD-3-Clause
"""HTTP whose framing is contradictory leaves by HTTP_AMBIGUOUS; what is merely odd passes and is named. What comes after
CONNECT and STARTTLS is read as itself."""
from packets import *

A, B = "10.0.0.1", "10.0.0.2"


def talk(*turns, port=80):
    """A connection: handshake, then (direction, bytes) in order, one segment each."""
    seq, out = [1000, 5000], []

    def segment(d, flags, payload=b""):
        ends = (A, B) if d == 0 else (B, A)
        ports = (40000, port) if d == 0 else (port, 40000)
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


HOST = b"Host: www.example.test\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

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
    "http_odd": {
        # bare LF, a folded line, space before the colon, two Hosts: named, and all of it passes unchanged
        "frames": talk((0, b"GET /a//b/../%63?q HTTP/1.1\nHost : u:p@One.Example.:81\nX: a\n b\nHost: two.example\n\n"), (1, OK)),
        "facts": [fact("http.ambiguous", c) for c in ("bare-lf", "obs-fold", "space-colon", "host-two")]
        + [fact("host", "one.example"), fact("host", "two.example"), fact("http.status", 200)],
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
    "http_one_way": {
        # the server is never seen
        "frames": [f for f in talk((0, b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n"), (0, b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n"))
                   if f[26:30] == bytes([10, 0, 0, 1])],
        "facts": [fact("http.uri", "/1"), fact("http.uri", "/2")],
        "same": True,
    },
}
