# SPDX-License-Identifier: BSD-3-Clause
"""TLS and DTLS: names that cannot be, second hellos, records and fragments cut small, what was answered."""
from handshakes import answer, extension, fragment, hello, message, records, sni
from packets import eth, ip4, tcp, udp

A, B = "10.0.0.1", "10.0.0.2"
TUPLE = ["tcp", A, 40000, B, 443]
DTUPLE = ["udp", A, 40000, B, 443]
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def talk(*parts, sport=40000):
    """A connection: (0 or 1, bytes) one segment each, after a handshake; -1 in place of bytes: the last segment of that
    side once more."""
    seq, last, frames = [1, 1], [None, None], []

    def say(side, flags, payload=b"", at=None):
        ends = ((A, B), (B, A))[side]
        ports = ((sport, 443), (443, sport))[side]
        frames.append(eth(ip4(*ends, tcp(*ports, flags, seq=seq[side] if at is None else at, ack=seq[1 - side] if "A" in flags else 0,
                                         payload=payload))))

    say(0, "S")
    seq[0] += 1
    say(1, "SA")
    seq[1] += 1
    say(0, "A")
    for side, data in parts:
        if data == -1:
            say(side, "PA", last[side][1], last[side][0])
            continue
        last[side] = (seq[side], data)
        say(side, "PA", data)
        seq[side] += len(data)
    return frames


def datagram(side, data):
    return eth(ip4(*((A, B), (B, A))[side], udp(*((40000, 443), (443, 40000))[side], data)))


def fact(field, value, where=TUPLE):
    return {"field": field, "value": value, "tuple": where}


def client(*extensions, **more):
    return records(message(1, hello(*extensions, **more)))


ONE, TWO = client(sni(b"one.example")), client(sni(b"two.example"))
LONG = b".".join([b"a" * 63] * 4)
VOICE = hello(sni(b"voice.example"), dtls=True)
OTHER = hello(sni(b"other.example"), dtls=True)
TWICE = hello(sni(b"a.example"), sni(b"b.example"), dtls=True)
RETRIED = records(message(2, answer(random=RETRY, cipher=0x1301, extensions=extension(43, b"\3\4"))))
AGREED = records(message(2, answer(cipher=0x1301, extensions=extension(43, b"\3\4"))))

CASES = {
    # the packet that completes the hello leaves by TLS_BAD_NAME, as often as it is sent; what is said is as sent
    "tls_two_names": {
        "frames": talk((0, client(sni(b"good.example"), sni(b"evil.example"))), (0, -1)),
        "drops": {"TLS_BAD_NAME": [4, 5]},
        "facts": [fact("tls.sni", "good.example"), fact("tls.sni", "evil.example"), fact("host", "evil.example"),
                  fact("anomaly", "tls.bad_name")],
    },
    "tls_two_names_in_one": {
        "frames": talk((0, client(sni(b"good.example", b"evil.example"))[:60]),
                       (0, client(sni(b"good.example", b"evil.example"))[60:])),
        "drops": {"TLS_BAD_NAME": [5]},
        "facts": [fact("tls.sni", "good.example"), fact("tls.sni", "evil.example")],
    },
    "tls_name_nul": {
        "frames": talk((0, client(sni(b"good.example\0.evil.example"))), (0, -1), (0, b"\x17\3\3\0\1x")),
        "drops": {"TLS_BAD_NAME": [4, 5, 6]},
        "facts": [fact("anomaly", "tls.bad_name")],
        "no_facts": [{"field": "host"}, {"field": "tls.sni", "value": "good.example"}],
    },
    "tls_name_long": {
        "frames": talk((0, client(sni(LONG)))),
        "drops": {"TLS_BAD_NAME": [4]},
        "facts": [fact("anomaly", "tls.bad_name"), fact("tls.sni", LONG.decode())],
    },
    "tls_name_of_253": {
        "frames": talk((0, client(sni(LONG[2:])))),
        "drops": {},
        "facts": [fact("host", LONG[2:].decode())],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "tls_name_empty": {
        # the same for every reader, so it passes: no name, and a list with none of the type that is defined
        "frames": talk((0, client(sni(b"")))) + talk((0, client(extension(0, b"\0\7\1\0\4name"))), sport=40001),
        "drops": {},
        "facts": [fact("anomaly", "tls.bad_name"), fact("anomaly", "tls.bad_name", TUPLE[:2] + [40001] + TUPLE[3:])],
        "no_facts": [{"field": "host"}],
        "same": True,
    },
    "tls_name_odd": {
        # no host names, and the same for every reader: said, with an anomaly each
        "frames": [f for i, name in enumerate((b"A b.example.", "b\u00fccher.example".encode(), b"a\xffb.example", b"a..example"))
                   for f in talk((0, client(sni(name))), sport=40000 + i)],
        "drops": {},
        "facts": [x for i, name in enumerate(("a b.example", "b\u00fccher.example", "a\\xffb.example", "a..example"))
                  for x in (fact("host", name, TUPLE[:2] + [40000 + i] + TUPLE[3:]),
                            fact("anomaly", "tls.bad_name", TUPLE[:2] + [40000 + i] + TUPLE[3:]))],
        "same": True,
    },
    "tls_label_long": {
        "frames": talk((0, client(sni(b"a" * 64 + b".example")))),
        "drops": {"TLS_BAD_NAME": [4]},
        "facts": [fact("anomaly", "tls.bad_name")],
        "no_facts": [{"field": "host"}],
    },
    "tls_ip_name": {
        "frames": talk((0, client(sni(b"192.0.2.1")))),
        "drops": {},
        "facts": [fact("host", "192.0.2.1"), fact("anomaly", "tls.ip_name")],
        "same": True,
    },
    "tls_malformed": {
        # a list of groups that is longer than its extension: the name is whole, the fingerprint is not
        "frames": talk((0, client(sni(b"one.example"), extension(10, b"\0\x08\0\x17")))),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("anomaly", "tls.malformed")],
        "no_facts": [{"field": "tls.ja3"}, {"field": "tls.ja4"}],
        "same": True,
    },
    "tls_retry": {
        "frames": talk((0, ONE), (1, RETRIED), (0, records(b"\1", kind=20) + ONE), (1, AGREED)),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("tls.version", "TLS 1.3"), fact("app", "tls")],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "tls_sni_differs": {
        "frames": talk((0, ONE), (1, RETRIED), (0, records(b"\1", kind=20) + TWO), (1, AGREED)),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("host", "two.example"), fact("anomaly", "tls.sni_differs")],
        "same": True,
    },
    "tls_future": {
        # a record's minor version is to be ignored (RFC 8446 5.1); servers answer a client that offers what is yet to come
        "frames": [f for i, version in enumerate((b"\3\3", b"\3\x99", b"\4\4"))
                   for f in talk((0, records(message(1, hello(sni(b"v%d.example" % i), version=version)), minor=9)), sport=40000 + i)],
        "drops": {},
        "facts": [fact("host", "v%d.example" % i, TUPLE[:2] + [40000 + i] + TUPLE[3:]) for i in range(3)],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    # a hello in clear after the answer is a hello: at once, and behind the client's key exchange in the same record
    "tls_hello_again": {
        "frames": talk((0, ONE), (1, AGREED), (0, TWO)),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("host", "two.example"), fact("anomaly", "tls.sni_differs")],
        "same": True,
    },
    "tls_hello_behind_key": {
        "frames": talk((0, ONE), (1, records(message(2, answer()) + message(14, b""))),
                       (0, records(message(16, bytes(66)) + message(1, hello(sni(b"two.example"))), 90))),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("host", "two.example"), fact("anomaly", "tls.sni_differs")],
        "same": True,
    },
    "tls_server_first": {
        # all of the server before the client: the same hellos
        "frames": (lambda f: f[:3] + f[5:6] + f[3:5] + f[6:])(talk((0, ONE), (0, TWO), (1, records(message(2, answer()))))),
        "drops": {},
        "facts": [fact("host", "one.example"), fact("host", "two.example"), fact("anomaly", "tls.sni_differs")],
        "same": True,
    },
    "tls_records_of_one": {
        # every byte of the handshake in a record of its own, 40 bytes a segment
        "frames": (lambda d: talk(*[(0, d[i : i + 40]) for i in range(0, len(d), 40)]))(
            records(message(1, hello(sni(b"tiny.example"))), 1)),
        "drops": {},
        "facts": [fact("host", "tiny.example"), fact("tls.ja4", "t12d010100_f06271c2b022_000000000000")],
        "same": True,
    },
    "tls_ech": {
        "frames": talk((0, client(sni(b"outer.example"), extension(0xFE0D, b"\0\0\1\0\1\7\0\0\0\0"))),
                       (1, records(message(2, answer(version=b"\3\1", cipher=47))))),
        "drops": {},
        "facts": [fact("tls.ech", 1), fact("host", "outer.example"), fact("tls.version", "TLSv1")],
        "same": True,
    },
    "tls_one_way": {
        "frames": talk((1, records(message(2, answer(cipher=47, extensions=extension(16, b"\0\3\2h2")))))),
        "drops": {},
        "facts": [fact("tls.version", "TLS 1.2"), fact("app", "tls")],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "dtls_bad_name": {
        # whole, again, and in pieces of which the last one completes it, again
        "frames": [datagram(0, fragment(TWICE, 0, len(TWICE)))] * 2
        + [datagram(0, fragment(TWICE, 60, len(TWICE) - 60, 1)), datagram(0, fragment(TWICE, 0, 60, 1))]
        + [datagram(0, fragment(TWICE, 60, len(TWICE) - 60, 1))],
        "drops": {"TLS_BAD_NAME": [1, 2, 4, 5]},
        "facts": [fact("tls.sni", "a.example", DTUPLE), fact("tls.sni", "b.example", DTUPLE), fact("anomaly", "tls.bad_name", DTUPLE)],
    },
    "dtls_fragments": {
        "frames": [datagram(0, fragment(VOICE, i, min(20, len(VOICE) - i))) for i in reversed(range(0, len(VOICE), 20))]
        + [datagram(1, fragment(answer(version=b"\xfe\xfd"), 0, len(answer()), kind=2))],
        "drops": {},
        "facts": [fact("host", "voice.example", DTUPLE), fact("tls.version", "DTLS 1.2", DTUPLE), fact("app", "dtls", DTUPLE)],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "dtls_among_others": {
        # WebRTC: connectivity checks come first, and in one burst with all that follows
        "frames": [datagram(0, b"\0\1\0\x14\x21\x12\xa4\x42" + bytes(32))] * 2 + [datagram(0, fragment(VOICE, 0, len(VOICE)))]
        + [datagram(n % 2, b"\x80\x6f" + bytes([n] * 30)) for n in range(20)],
        "drops": {},
        "facts": [fact("host", "voice.example", DTUPLE), fact("app", "dtls", DTUPLE)],
        "same": True,
    },
    "dtls_changed": {
        "frames": [datagram(0, fragment(VOICE, 0, 60)), datagram(0, fragment(OTHER, 40, len(OTHER) - 40))],
        "drops": {},
        "facts": [fact("anomaly", "tls.changed", DTUPLE), fact("tls.sni", "voice.example", DTUPLE)],
        "no_facts": [{"field": "tls.sni", "value": "other.example"}],
        "same": True,
    },
}
