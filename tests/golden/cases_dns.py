# SPDX-License-Identifier: BSD-3-Clause
"""DNS: names that cannot be, questions that are hidden, every framing, and what only looks like it."""
import struct

from packets import eth, ip4, tcp, udp

A, B = "10.0.0.1", "10.0.0.2"


def head(flags=0x0100, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!HHHHHH", 0x1234, flags, qd, an, ns, ar)


def name(text):
    return b"".join(bytes([len(x)]) + x for x in text.encode("latin1").split(b".") if x) + b"\0"


def question(text, kind=1, klass=1):
    return name(text) + struct.pack("!HH", kind, klass)


def rr(owner, kind, data, klass=1, ttl=60):
    return owner + struct.pack("!HHIH", kind, klass, ttl, len(data)) + data


def query(text, **more):
    return head(**more) + question(text)


def datagram(message, port=53, sport=40000):
    return eth(ip4(A, B, udp(sport, port, message)))


def framed(message):
    return struct.pack("!H", len(message)) + message


def stream(pieces, port=53, sport=41000):
    """A connection whose client sends these segments."""
    out = [eth(ip4(A, B, tcp(sport, port, "S", 100))), eth(ip4(B, A, tcp(port, sport, "SA", 500, 101))),
           eth(ip4(A, B, tcp(sport, port, "A", 101, 501)))]
    seq = 101
    for p in pieces:
        out.append(eth(ip4(A, B, tcp(sport, port, "PA", seq, 501, p))))
        seq += len(p)
    return out


def qname(value, sport=40000, port=53, l4="udp"):
    return {"field": "dns.qname", "value": value, "tuple": [l4, A, sport, B, port]}


TAIL = b"\0\1\0\1"
LOOP = head() + b"\xc0\x0c" + TAIL
CHAIN = b"\3cdn\xc0\x10"  # cdn, then what follows "www" of the question
ANSWER = (head(0x8180, 1, 3, 0, 1) + question("www.example.com") + rr(b"\xc0\x0c", 5, CHAIN) + rr(b"\xc0\x2d", 1, b"\xc0\0\2\1")
          + rr(b"\xc0\x2d", 28, bytes.fromhex("20010db8000000000000000000000001")) + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0))
NS, MAIL = b"\2ns\xc0\x0c", b"\4mail\xc0\x0c"
SOA = NS + b"\4root\xc0\x0c" + struct.pack("!IIIII", 1, 2, 3, 4, 5)
RDATA = [(1, b"\xc0\0\2\7"), (28, bytes(15) + b"\1"), (2, NS), (15, b"\0\n" + MAIL), (33, b"\0\1\0\2\1\xbb\7service\xc0\x0c"), (6, SOA),
         (12, NS), (39, NS), (16, b"\4text\3two"), (64, b"\0\1\0")]
RECORDS = [rr(b"\xc0\x0c", k, d) for k, d in RDATA] + [rr(name("other.example"), 1, b"\xc0\0\2\7")]
SPLIT = framed(query("one.example")) + framed(query("two.example")) + framed(query("three.example"))

def h2(kind, payload, flags=0, stream_id=1):
    return len(payload).to_bytes(3, "big") + struct.pack("!BBI", kind, flags, stream_id) + payload


def doh(*messages):
    """HTTP/2 as a client would speak it: the preface, SETTINGS, HEADERS, DATA."""
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2(4, b"\0\3\0\0\0d", 0, 0) + h2(1, b"\x83\x86\x44\x06/query", 4, 9)
            + b"".join(h2(0, b"\5" + m + bytes(5), 9) for m in messages) + h2(0, b"not DNS at all, but long enough to be looked at"))


DOH = doh(query("one.example"), query("two.example"))

CASES = {
    "dns_over_http2": {
        "frames": stream([DOH], 80, 41001) + stream([DOH[i : i + 13] for i in range(0, len(DOH), 13)], 80, 41002)
        + stream([DOH[:10], DOH[10:20], DOH[20:]], 8080, 41003),
        "drops": {},
        "facts": [qname(v, s, p, "tcp") for s, p in ((41001, 80), (41002, 80), (41003, 8080)) for v in ("one.example", "two.example")]
        + [{"field": "app", "value": "http2", "tuple": ["tcp", A, 41002, B, 80]}],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "dns_bad_name": {
        "frames": [
            datagram(query("good.example")),
            datagram(LOOP),
            datagram(head() + b"\3www\xc0\x14" + TAIL + name("evil.example")),  # forwards
            datagram(head() + b"\xc0\x04" + TAIL),  # into the header
            datagram(head() + b"\x40" + b"x" * 64 + b"\0" + TAIL),  # a label of 64
            datagram(head() + (b"\x3f" + b"x" * 63) * 4 + b"\0" + TAIL),  # a name of 257
            datagram(head(qd=0) + question("hidden.example")),
            datagram(head(0x8180, 1, 1) + question("good.example") + rr(b"\xc0\x0c", 5, b"\xc0\x2a")),  # CNAME: itself
            datagram(query("after.example")),
        ] + stream([framed(LOOP), framed(query("tcp.example"))]),
        "drops": {"DNS_BAD_NAME": [2, 3, 4, 5, 6, 7, 8, 13, 14]},  # 14: behind the hole that 13 leaves
        "facts": [qname("good.example"), qname("after.example"),
                  {"field": "anomaly", "value": "dns.malformed"}],
        "no_facts": [{"field": "dns.qname", "value": v} for v in ("www", "hidden.example", "evil.example", "", "tcp.example")],
        "same": True,
    },
    "dns_tcp_hidden": {
        # the first message of a stream has no question and yet bytes behind it; then an opcode that nobody knows
        "frames": stream([framed(head(qd=0) + question("hidden.example"))[:20], framed(head(qd=0) + question("hidden.example"))[20:]],
                         sport=41001)
        + stream([framed(query("odd.example", flags=0x7900))], sport=41002) + stream([framed(query("odd.example", flags=0x7900))], 8053),
        "drops": {"DNS_BAD_NAME": [5]},
        "facts": [qname("odd.example", 41002, l4="tcp")],
        "no_facts": [qname("hidden.example", 41001, l4="tcp"), qname("odd.example", 41000, 8053, "tcp")],
        "same": True,
    },
    "dns_no_question": {
        # RFC 7873 5.4, RFC 6762 6, a header alone: nothing is hidden, nothing dropped
        "frames": [
            datagram(head(0x0100, 0, 0, 0, 1) + b"\0" + struct.pack("!HHIHHH8s", 41, 4096, 0, 12, 10, 8, b"12345678")),
            datagram(head(0x8180, 0)),
            eth(ip4(A, "224.0.0.251", udp(5353, 5353, head(0x8400, 0, 1) + rr(name("host.local"), 1, b"\n\0\0\1", 0x8001)))),
        ],
        "drops": {},
        "facts": [{"field": "anomaly", "value": "dns.qdcount"}, {"field": "dns.answer", "value": "10.0.0.1"}],
        "same": True,
    },
    "dns_questions": {
        "frames": [
            datagram(head(qd=2) + question("one.example") + question("two.example"), sport=40001),
            datagram(query("odd.example"), 4444, 40002),
            datagram(query("."), sport=40003),
            datagram(query("UPPER.Example"), sport=40004),
            datagram(query("a b\xff.example"), sport=40005),
            datagram(query("wpad"), 5355, 40006),
            datagram(query("netbios"), 137, 137),
            datagram(query("a b\xff.example"), 4444, 40007),  # not beyond doubt
            datagram(query("odd.example") + b"!", 4444, 40008),
            (datagram(ANSWER, sport=40009)[:80], None, len(datagram(ANSWER))),
        ],
        "drops": {},
        "facts": [qname("one.example", 40001), qname("two.example", 40001), qname("odd.example", 40002, 4444), qname("<root>", 40003),
                  qname("upper.example", 40004), {"field": "host", "value": "upper.example"}, qname("wpad", 40006, 5355), qname("a b\\xff.example", 40005),
                  qname("www.example.com", 40009), {"field": "anomaly", "value": "dns.qdcount"}],
        "no_facts": [{"field": "dns.qname", "value": "netbios"}, {"field": "app", "tuple": ["udp", A, 40007, B, 4444], "value": "dns"},
                     {"field": "app", "tuple": ["udp", A, 40008, B, 4444], "value": "dns"}],
        "same": True,
    },
    "dns_answer": {
        "frames": [datagram(query("www.example.com")), eth(ip4(B, A, udp(53, 40000, ANSWER)))],
        "drops": {},
        "facts": [{"field": "dns.answer", "value": v} for v in ("cdn.example.com", "192.0.2.1", "2001:db8::1")]
        + [{"field": "dns.rcode", "value": 0}],
        "same": True,
    },
    "dns_records": {
        # each form of rdata; then each with a length that does not fit, given raw
        "frames": [eth(ip4(B, A, udp(53, 40000, head(0x8180, 1, len(rrs), 1, 1) + question("example.com", 255) + b"".join(rrs)
                                     + rr(b"\xc0\x0c", 6, SOA) + rr(b"\xc0\x0c", 16, b"\4text"))))
                   for rrs in (RECORDS, [rr(b"\xc0\x0c", k, d + b"!") for k, d in RDATA])],
        "drops": {},
        "facts": [{"field": "dns.answer", "value": v} for v in ("mail.example.com", "ns.example.com", "service.example.com", "192.0.2.7",
                                                                "other.example")],
        "same": True,
    },
    "dns_tcp": {
        # three messages, cut one way in each connection; the third begins before the cut of the snap length
        "frames": stream([SPLIT[i : i + 1] for i in range(5)] + [SPLIT[5:]], sport=41001)
        + stream([SPLIT[:40], SPLIT[40:]], 8053, 41002) + stream([SPLIT], sport=41003),
        "drops": {},
        "facts": [qname(v, s, p, "tcp") for s, p in ((41001, 53), (41002, 8053), (41003, 53))
                  for v in ("one.example", "two.example", "three.example")],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
}
