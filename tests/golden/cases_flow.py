# SPDX-License-Identifier: BSD-3-Clause
"""What a TCP receiver does not believe, and a table that is full. In each a decoy asks for another host: where the
receiver would discard it, it is dropped by name and nothing of it is said; the request that the receiver takes is."""
import struct

from packets import *

A, B = "10.0.0.1", "10.0.0.2"
CI, SI = 0xFFFFFFE0, 5000  # the client's numbers wrap


def get(host):
    return b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode()


def ts(value):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value & 0xFFFFFFFF, 0)


MD5 = bytes([19, 18]) + bytes(16) + b"\1\1"
NO_DECOY = [{"field": "http.host", "value": "decoy.example"}]
REAL = [{"field": "http.host", "value": "real.example"}]


def c(flags, seq, ack=None, payload=b"", sport=40000, **more):
    return eth(ip4(A, B, tcp(sport, 80, flags, CI + seq, 0 if ack is None else SI + ack, payload, **more)))


def s(flags, seq, ack, payload=b"", dport=40000, **more):
    return eth(ip4(B, A, tcp(80, dport, flags, SI + seq, CI + ack, payload, **more)))


def open_(**more):
    return [c("S", 0, **more), s("SA", 0, 1, **more), c("A", 1, 1, **more)]


def ask(host, seq=1, ack=1, **more):
    return c("PA", seq, ack, get(host), **more)


def answer(host, seq=1, **more):
    return s("PA", seq, 1 + len(get(host)), b"HTTP/1.1 204 No Content\r\n\r\n", **more)


CASES = {
    "flow_tcp_flags": {
        "frames": [c("", 0), *open_(), c("", 1, payload=get("decoy.example")), c("SF", 1, payload=get("decoy.example")),
                   c("SR", 1, payload=get("decoy.example")), ask("real.example"), answer("real.example")],
        "drops": {"FLOW_TCP_FLAGS": [1, 5, 6, 7]},
        "facts": REAL + [{"field": "flow"}],
        "no_facts": NO_DECOY,
        "same": True,
    },
    "flow_tcp_no_ack": {
        "frames": [*open_(), c("P", 1, payload=get("decoy.example")), c("F", 1), ask("real.example"), answer("real.example")],
        "drops": {"FLOW_TCP_NO_ACK": [4, 5]},
        "facts": REAL,
        "no_facts": NO_DECOY,
        "counters": {"flows": 1},
        "same": True,
    },
    "flow_tcp_bad_ack": {
        "frames": [*open_(), ask("decoy.example", ack=0x10000000), ask("decoy.example", ack=-0x10000000),
                   ask("real.example"), answer("real.example")],
        "drops": {"FLOW_TCP_BAD_ACK": [4, 5]},
        "facts": REAL,
        "no_facts": NO_DECOY,
        "same": True,
    },
    "flow_tcp_paws": {
        # the timestamp of the decoy is older than the handshake's; the clock wraps
        "frames": [*open_(options=ts(0xFFFFFFFE)), ask("decoy.example", options=ts(0xFFFFFFFD)),
                   ask("real.example", options=ts(3)), answer("real.example", options=ts(0xFFFFFFFE))],
        "drops": {"FLOW_TCP_PAWS": [4]},
        "facts": REAL,
        "no_facts": NO_DECOY,
        "same": True,
    },
    "flow_tcp_signature": {
        # a signature in a flow without, then a flow with, that lacks one
        "frames": [*open_(), ask("decoy.example", options=MD5), c("R", 1, options=MD5), ask("real.example"),
                   c("S", 0, sport=40001, options=MD5), s("SA", 0, 1, dport=40001, options=MD5),
                   c("A", 1, 1, sport=40001, options=MD5), ask("decoy.example", sport=40001),
                   ask("real.example", sport=40001, options=MD5)],
        "drops": {"FLOW_TCP_SIGNATURE": [4, 5, 10]},
        "facts": [dict(f, tuple=["tcp", A, sport, B, 80]) for f in REAL for sport in (40000, 40001)],
        "no_facts": NO_DECOY,
        "same": True,
    },
    "flow_tcp_bad_rst": {
        # resets from nowhere: their receiver takes no notice of them, so they do not leave
        "frames": [*open_(), c("R", 0x10000000), s("R", -0x10000000, 0), ask("real.example"), answer("real.example")],
        "drops": {"FLOW_TCP_BAD_RST": [4, 5]},
        "facts": REAL,
        "counters": {"flows": 1},
        "same": True,
    },
    "parse_l4_csum_udp6": {
        # no checksum is none on IPv4 alone; a tunnel's port may do without (RFC 6935)
        "frames": [eth(ip6("fd00::1", "fd00::2", udp(4000, port, b"no sum", csum_is=0))) for port in (5353, 4789)],
        "args": ["--checksum", "enforce"],
        "drops": {"PARSE_L4_CSUM": [1]},
        "same": True,
    },
    "flow_challenge": {
        # what earns a challenge ACK passes and ends nothing: RST and SYN beside the next number, bytes far outside,
        # before the first, and the byte of a keep-alive
        "frames": [*open_(), c("R", 9), s("R", 9, 0), c("S", 700), c("PA", 0x1000001, 1, get("decoy.example")),
                   c("PA", 1 - len(get("decoy.example")), 1, get("decoy.example")), ask("real.example"),
                   answer("real.example"), c("A", len(get("real.example")), 27, b"\0")],
        "drops": {},
        "facts": REAL,
        "no_facts": NO_DECOY,
        "counters": {"flows": 1},
        "same": True,
    },
    "flow_after_reset": {
        # after a RST the key lingers: what the client sends then is judged anew
        "frames": [*open_(), ask("first.example"), s("RA", 1, 1 + len(get("first.example"))),
                   c("PA", 1 + len(get("first.example")), 1, get("second.example"))],
        "drops": {},
        "facts": [{"field": "http.host", "value": "first.example"}, {"field": "http.host", "value": "second.example"}],
        "counters": {"flows": 2},
        "same": True,
    },
    "flow_reused": {
        # the client came back after a crash: challenge, RST, new connection; and once more after an orderly end
        "frames": [*open_(), ask("first.example"), c("S", 70000), s("A", 1, 1 + len(get("first.example"))),
                   c("R", 1 + len(get("first.example"))), c("S", 70000), s("SA", 90000, 70001), c("A", 70001, 90001),
                   c("PA", 70001, 90001, get("second.example")),
                   c("FA", 70001 + len(get("second.example")), 90001),
                   s("FA", 90001, 70002 + len(get("second.example"))),
                   c("A", 70002 + len(get("second.example")), 90002), c("S", 150000), s("SA", 190000, 150001),
                   c("PA", 150001, 190001, get("third.example"))],
        "drops": {},
        "facts": [{"field": "http.host", "value": f"{n}.example"} for n in ("first", "second", "third")],
        "counters": {"flows": 3},
        "same": True,
    },
    "flow_table_full": {
        # answered flows fill the table; half-open ones give way to one another, an answered one to nobody
        "frames": [f for p in range(7) for f in (eth(ip4(A, B, udp(3000 + p, 2000, b"x"))),
                                                 eth(ip4(B, A, udp(2000, 3000 + p, b"y"))))]
                  + [eth(ip4(A, B, udp(4000 + p, 2000, b"x"))) for p in range(3)]
                  + [eth(ip4(B, A, udp(2000, 4002, b"y"))), eth(ip4(A, B, udp(5000, 2000, b"x"))),
                     eth(ip4(A, B, udp(3000, 2000, b"z")))],
        "args": ["--flows", "8"],
        "drops": {"FLOW_TABLE_FULL": [19]},
        "counters": {"flows": 10, "flows_evicted": 2},
        "same": True,
    },
}
