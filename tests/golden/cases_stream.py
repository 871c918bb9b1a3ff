# SPDX-License-Identifier: BSD-3-Clause
"""TCP streams: any order, overlap, holes and ends; what a receiver can have is what was read."""
from packets import *

A, B = "10.0.0.1", "10.0.0.2"
TUPLE = ["tcp", A, 40000, B, 8080]
ISN = 0xFFFFFFE0  # sequence numbers wrap in the first request
GET = b"GET /first HTTP/1.1\r\nHost: one.example\r\n\r\n"
NEXT = b"GET /second HTTP/1.1\r\nHost: one.example\r\n\r\n"


def c(at, data=b"", flags="A", ack=0, **more):
    """a client's segment; at: offset from its first byte"""
    return ip4(A, B, tcp(40000, 8080, flags, ISN + at + ("S" not in flags), 1001 + ack, data, **more))


def s(at, data=b"", flags="A", ack=0):
    return ip4(B, A, tcp(8080, 40000, flags, 1000 + at + ("S" not in flags), ISN + 1 + ack, data))


OPEN = [eth(c(0, flags="S")), eth(s(0, flags="SA")), eth(c(0))]


def uri(value):
    return {"field": "http.uri", "value": value, "tuple": TUPLE}


def anomaly(value):
    return {"field": "anomaly", "value": value, "tuple": TUPLE}


def long_request(n):
    return (b"GET /%04d HTTP/1.1\r\nHost: one.example\r\nX: " % n).ljust(1396, b"x") + b"\r\n\r\n"


CASES = {
    "stream_order": {
        # pieces in reverse, one twice, over the wrap
        "frames": OPEN + [eth(c(n, GET[n : n + 10])) for n in (40, 30, 20, 20, 10, 0)],
        "drops": {},
        "facts": [uri("/first"), {"field": "http.host", "value": "one.example"}],
        "no_facts": [anomaly("stream.gap")],
        "counters": {"stream_gap": 0, "stream_rewritten": 0},
        "same": True,
    },
    "stream_rewritten": {
        # the second copy differs, within and beyond the first: what left first stays
        "frames": OPEN + [eth(c(0, GET[:20])), eth(c(10, b"EVIL/1.1EV" + GET[20:])), eth(c(0, GET[:4] + b"/other"))],
        "drops": {},
        "left": {5: (GET[10:]).decode(), 6: GET[:10].decode()},
        "facts": [uri("/first"), anomaly("stream.rewritten")],
        "counters": {"stream_rewritten": 2},
        "same": True,
    },
    "stream_rewritten_later": {
        # out of order: bytes behind a hole left first, the filler that overlaps them differs
        "frames": OPEN + [eth(c(10, GET[10:])), eth(c(0, GET[:10] + b" /evil"))],
        "drops": {},
        "left": {5: GET[:16].decode()},
        "facts": [uri("/first")],
        "counters": {"stream_rewritten": 1},
        "same": True,
    },
    "stream_acked": {
        # what the peer has acknowledged it discards: the difference passes as it came
        "frames": OPEN + [eth(c(0, GET)), eth(s(0, ack=len(GET))), eth(c(0, b"x" * len(GET))), eth(c(len(GET), NEXT))],
        "drops": {},
        "facts": [uri("/first"), uri("/second")],
        "counters": {"stream_rewritten": 0},
        "same": True,
    },
    "stream_keepalive": {
        # one octet of garbage before the next byte (RFC 9293 3.8.4)
        "frames": OPEN + [eth(c(0, GET)), eth(s(0, ack=len(GET))), eth(c(len(GET) - 1, b"\0")), eth(s(0, ack=len(GET))),
                          eth(c(len(GET), NEXT))],
        "drops": {},
        "facts": [uri("/first"), uri("/second")],
        "counters": {"stream_rewritten": 0},
        "same": True,
    },
    "stream_no_copy": {
        # 15 requests in flight without an ACK: of the first no copy is left; the ACK makes it old data
        "frames": OPEN + [eth(c(1400 * n, long_request(n))) for n in range(15)] + [eth(c(0, long_request(0)))]
        + [eth(c(1400 * 14, long_request(14))), eth(s(0, ack=21000)), eth(c(0, long_request(0)))],
        "most": 32768,
        "drops": {"STREAM_NO_COPY": [19]},
        "facts": [uri("/0000"), uri("/0014")],
        "same": True,
    },
    "stream_rewrite_fragments": {
        # a segment in fragments that would have to be rewritten
        "frames": OPEN + [eth(c(0, GET[:20]))]
        + [eth(f) for f in ip4_fragments(A, B, tcp(40000, 8080, "A", ISN + 1, 1001, b"GET /other" + GET[10:]), [32])]
        + [eth(c(20, GET[20:]))],
        "drops": {"DEFRAG_REWRITE": [5, 6]},
        "facts": [uri("/first"), anomaly("stream.ambiguous"), {"field": "stream.ambiguous", "value": 1}],
        "no_facts": [uri("/other")],
        "same": True,
    },
    "stream_fragments": {
        # a fact's bytes are those of the fragment that brought them
        "frames": OPEN + [eth(f) for f in ip4_fragments(A, B, tcp(40000, 8080, "A", ISN + 1, 1001, GET), [32])],
        "args": ["-v"],
        "drops": {},
        "facts": [dict(uri("/first"), frame=4, off=58), {"field": "http.host", "value": "one.example", "frame": 5, "off": 49}],
        "same": True,
    },
    "stream_gap": {
        # 30 bytes were never captured; the next head is whole
        "frames": OPEN + [eth(c(0, GET[:10])), eth(c(len(GET), NEXT)), eth(c(len(GET + NEXT), flags="FA"))],
        "drops": {},
        "facts": [uri("/second"), anomaly("stream.gap")],
        "counters": {"stream_gap": 1},
        "same": True,
    },
    "stream_cut": {
        # the snap length leaves 36 bytes of each segment's payload
        "frames": OPEN + [(eth(c(0, GET))[:90], None, 54 + len(GET)), (eth(c(len(GET), NEXT))[:90], None, 54 + len(NEXT))],
        "drops": {},
        "facts": [uri("/first"), uri("/second")],
        "same": True,
    },
    "stream_urgent": {
        # the pointer goes, so that every receiver reads what was judged: also where it comes ahead of its byte
        "frames": OPEN + [eth(c(0, b"", flags="AU", urg=9)), eth(c(0, GET[:8] + b"X" + GET[8:], flags="AU", urg=9)),
                          eth(c(len(GET) + 1, NEXT, flags="AU", urg=1))],
        "drops": {},
        "facts": [uri("/firXst"), uri("/second"), anomaly("stream.urgent")],
        "counters": {"stream_urgent": 3},
        "same": False,
    },
    "stream_syn_data": {
        # TCP Fast Open: what the SYN carries is the client's (RFC 7413)
        "frames": [eth(c(0, GET[:10], flags="S")), eth(s(0, flags="SA", ack=10)), eth(c(10, GET[10:]))],
        "drops": {},
        "facts": [uri("/first")],
        "same": True,
    },
    "stream_after_fin": {
        # no receiver reads on behind a FIN
        "frames": OPEN + [eth(c(0, GET, flags="FA")), eth(c(len(GET), NEXT))],
        "drops": {},
        "facts": [uri("/first")],
        "no_facts": [uri("/second")],
        "same": True,
    },
    "stream_midstream": {
        # no handshake, one direction only
        "frames": [eth(c(500, GET)), eth(c(500 + len(GET), NEXT))],
        "drops": {},
        "facts": [uri("/first"), uri("/second")],
        "same": True,
    },
    "stream_midstream_order": {
        # no handshake, and the first pieces are exchanged: until a parser reads it the stream may begin earlier
        "frames": [eth(c(500 + n, GET[n : n + 10])) for n in (10, 0, 30, 20, 40)] + [eth(c(500 + len(GET), NEXT))],
        "drops": {},
        "facts": [{"field": "http.uri", "value": "/first"}, {"field": "http.uri", "value": "/second"}],
        "no_facts": [anomaly("stream.gap")],
        "counters": {"stream_gap": 0},
        "same": True,
    },
    "stream_midstream_asked": {
        # no handshake: what the peer asks for is the beginning, whatever comes first; all before it is old
        "frames": [eth(s(0, b"hello", ack=500)), eth(c(510, GET[10:])), eth(c(490, b"x" * 10)), eth(c(500, GET[:10]))],
        "drops": {},
        "facts": [{"field": "http.uri", "value": "/first"}],
        "no_facts": [{"field": "anomaly", "value": "stream.gap"}],
        "counters": {"stream_gap": 0},
        "same": True,
    },
    "stream_midstream_late": {
        # HTTP is being read when bytes come that lie before it and that nobody acknowledged: they were not read
        "frames": [eth(c(500, GET)), eth(c(480, b"x" * 20)), eth(c(500 + len(GET), NEXT))],
        "drops": {},
        "facts": [uri("/first"), uri("/second"), anomaly("stream.gap")],
        "counters": {"stream_gap": 1},
        "same": True,
    },
    "stream_fin_first": {
        # the ends come before what they end
        "frames": OPEN + [eth(c(len(GET), flags="FA")), eth(s(0, flags="FA")), eth(c(10, GET[10:])), eth(c(0, GET[:10]))],
        "drops": {},
        "facts": [uri("/first")],
        "no_facts": [anomaly("stream.gap")],
        "same": True,
    },
    "stream_fin_first_midstream": {
        # the same without a handshake: an end without data is no place to begin at
        "frames": [eth(s(0, b"hello", ack=200)), eth(c(500 + len(GET), flags="FA")), eth(c(500, GET))],
        "drops": {},
        "facts": [{"field": "http.uri", "value": "/first"}],
        "no_facts": [{"field": "anomaly", "value": "stream.gap"}],
        "counters": {"stream_gap": 0},
        "same": True,
    },
}
