# SPDX-License-Identifier: BSD-3-Clause
"""QUIC: hellos in pieces, changed under the judge's hands, after Retry, in each version; Google's CHLO."""
import struct

from aead import crypto, initial
from packets import eth, ip4, udp

A, B = "10.0.0.1", "10.0.0.2"
ID, OTHER = b"\1\2\3\4\5\6\7\x08", b"\xa1\2\3\4\5\6\7\x08"


def extension(kind, data):
    return struct.pack("!HH", kind, len(data)) + data


def hello(name):
    """A ClientHello as it stands in CRYPTO frames."""
    exts = (extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name) + extension(16, b"\0\3\2h3")
            + extension(43, b"\2\3\4") + extension(57, b"\4\1\5"))
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\4\x13\1\x13\2" + b"\1\0" + struct.pack("!H", len(exts)) + exts
    return b"\1" + len(body).to_bytes(3, "big") + body


def to_server(data, sport=40000):
    return eth(ip4(A, B, udp(sport, 443, data)))


def to_client(data, sport=40000):
    return eth(ip4(B, A, udp(443, sport, data)))


def sni(value, sport=40000):
    return {"field": "quic.sni", "value": value, "tuple": ["udp", A, sport, B, 443]}


def version(value, sport=40000):
    return {"field": "quic.version", "value": value, "tuple": ["udp", A, sport, B, 443]}


def fnv(*parts):
    h = 0x6C62272E07BB014262B821756295C58D
    for b in b"".join(parts):
        h = (h ^ b) * ((1 << 88) + 0x13B) % (1 << 128)
    return h.to_bytes(16, "little")[:12]


def chlo(**tags):
    at, table, values = 0, b"", b""
    for tag, value in tags.items():
        values += value
        table += tag.encode().ljust(4, b"\0") + struct.pack("<I", len(values))
    return b"CHLO" + struct.pack("<HH", len(tags), 0) + table + values


def q043(message):
    head = b"\x09" + ID + b"Q043" + b"\1"
    body = b"\xa0\1" + struct.pack("!H", len(message)) + message
    return head + fnv(head, body, b"Client") + body


H, EVIL = hello(b"www.example.com"), hello(b"evil.example.com"[:15])
N = len(H)
NAMES = [sni("www.example.com")]
NOT_EVIL = [{"field": "quic.sni", "value": "evil.example.co"}]
RETRY = b"\xf0\0\0\0\1\4mine\6theirs" + b"token" + bytes(16)

CASES = {
    "quic_changed": {
        # the first copy was judged; another under the same offsets is dropped before and after the verdict, from either
        # side and in another version; the same bytes again pass
        "frames": [
            to_server(initial(crypto(H, 0, 80), ID)),
            to_server(initial(crypto(EVIL, 40), ID, number=1)),
            to_server(initial(crypto(H, 60), ID, number=2)),
            to_server(initial(crypto(EVIL), ID, number=3)),
            to_server(initial(crypto(H), ID, number=4)),
            to_client(initial(crypto(b"\2\0\0\x56server's"), b"", b"theirs", ID, server=True)),
            to_client(initial(crypto(b"\2\0\0\x57"), b"", b"theirs", ID, number=1, server=True)),
            to_server(initial(crypto(EVIL), ID, number=5, version=0x6B3343CF)),
        ],
        "drops": {"QUIC_CHANGED": [2, 4, 7, 8]},
        "facts": NAMES + [{"field": "anomaly", "value": "quic.changed"}],
        "no_facts": NOT_EVIL,
        "same": True,
    },
    "quic_pieces": {
        # backwards, with padding and pings between; two packets in one datagram; ACK first
        "frames": [
            to_server(initial(crypto(H, 90) + b"\0\0\1" + crypto(H, 50, 90), ID), 40001),
            to_server(initial(b"\1" + crypto(H, 0, 50), ID, number=1), 40001),
            to_server(initial(crypto(H, 0, 60), ID) + initial(b"\2\0\0\0\0" + crypto(H, 60), ID, number=1), 40002),
        ],
        "drops": {},
        "facts": [sni("www.example.com", s) for s in (40001, 40002)] + [version("1", 40001)],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "quic_versions": {
        "frames": [
            to_server(initial(crypto(H), ID, version=0x6B3343CF), 40001),
            to_server(initial(crypto(H), ID, version=0xFF00001D), 40002),
            to_server(initial(b"\x08\0" + struct.pack("!H", 0x4000 | len(c)) + c, ID, version=0x51303530), 40003),
            to_server(q043(c), 40004),
            to_server(b"\xc0\x1a\x2a\x3a\x4a\x08" + ID + b"\0\0\x44\x9e" + bytes(1182), 40005),
        ] if (c := chlo(SNI=b"www.example.com", VER=b"Q050", UAID=b"test")) else [],
        "drops": {},
        "facts": [version(*v) for v in (("2", 40001), ("draft-29", 40002), ("Q050", 40003), ("Q043", 40004), ("1a2a3a4a", 40005))]
        + [sni("www.example.com", s) for s in range(40001, 40005)] + [{"field": "quic.user_agent", "value": "test"}],
        "no_facts": [sni("www.example.com", 40005)],
        "same": True,
    },
    "quic_retry": {
        # the same hello under new keys; then a second connection, and one that was told another hello
        "frames": [
            to_server(initial(crypto(H), ID, b"mine")),
            to_client(RETRY),
            to_server(initial(crypto(H), b"theirs", b"mine", token=b"token", number=1)),
            to_server(initial(crypto(EVIL), b"theirs", b"mine", token=b"token", number=2)),
            to_server(initial(crypto(hello(b"second.example")), OTHER)),
        ],
        "drops": {"QUIC_CHANGED": [4]},
        "facts": NAMES + [sni("second.example")],
        "no_facts": NOT_EVIL,
        "same": True,
    },
    "quic_server_first": {
        # the capture begins with the server; then a wrong tag, which says nothing
        "frames": [
            to_client(initial(b"\1", b"", b"theirs", ID, server=True)),
            to_server(initial(crypto(H), ID)),
            to_server(initial(crypto(EVIL), OTHER)[:-1] + b"!", 40001),
        ],
        "drops": {},
        "facts": [{"field": "quic.sni", "value": "www.example.com"}],
        "no_facts": NOT_EVIL,
        "same": True,
    },
    "quic_midstream": {
        # a connection whose beginning was not seen, on any port; then what begins as it does, and is text or counts upwards
        "frames": [f for i, b in enumerate(b"\x76\x4b\x7f\x78\x5f\x70") for f in (
            eth(ip4("10.0.0.1", "10.0.0.2", udp(40001, 4433, bytes([b]) + b"\x5f\xd7\x8d\x9f\x80\x9e\x10\xdf" + bytes(range(i, i + 40)))))
            if i % 2 == 0 else
            eth(ip4("10.0.0.2", "10.0.0.1", udp(4433, 40001, bytes([b]) + b"\xf0\xee\x65\x9a\x6e\x7b\x50\x4c" + bytes(range(i, i + 40))))),
            eth(ip4("10.0.0.1", "10.0.0.2", udp(40002, 4433, bytes([b]) + b"sensor kitchen temperature=21.%d" % i))),
            eth(ip4("10.0.0.1", "10.0.0.2", udp(40003, 4433, bytes([0x50 + i]) + b"\x5f\xd7\x8d\x9f\x80\x9e\x10\xdf" + bytes(40)))))],
        "drops": {},
        "facts": [{"field": "quic.midstream", "value": 1, "tuple": ["udp", "10.0.0.1", 40001, "10.0.0.2", 4433]}],
        "no_facts": [{"field": "quic.midstream", "tuple": ["udp", "10.0.0.1", s, "10.0.0.2", 4433]} for s in (40002, 40003)],
        "same": True,
    },
}
