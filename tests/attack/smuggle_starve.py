# SPDX-License-Identifier: BSD-3-Clause
"""Starvation: each budget of the box is used up, by the flow itself or by others before it, and then a name is smuggled. Each case
is a capture of its own, with options that make the budget small where there are such. CASES: story, options of replay, marks. A
story gets the scene of the one who smuggles, and a function that makes scenes of others (whose names are allowed)."""
from aead import initial
from handshakes import extension, fragment, hello, sni
from payload import CARRIERS, client_hello, dns, get, records, tls
from packets import udp
from scene import GONE, SAME
from smuggle_http2 import BEGIN, asked, field
from smuggle_quic import cuts, said

CASES = {}
ABSENT = dict(default="allow")  # what is not seen in time is absent: under a default of deny the twin does not pass


def case(name, *options, **marks):
    def register(story):
        CASES[f"starve.{name}"] = (story, list(options), marks)
        return story

    return register


def pieces(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


def long_hello(host, n):
    return records(client_hello(host, before=extension(21, bytes(n))))


def long_head(host, n):
    return b"GET / HTTP/1.1\r\n" + b"X-Filler: 0123456789abcdef\r\n" * (n // 28) + b"Host: " + host + b"\r\n\r\n"


for option, size, n in (("--hold-bytes=2048", "2k", 4000), ("--hold-bytes=65536", "64k", 70000)):
    @case(f"bytes.{size}.http", option, **ABSENT, **({"loose": True} if n > 65536 else {}))  # HTTP_AMBIGUOUS: head-long
    def _(s, others, n=n):
        s.conn(80).open().said(*pieces(long_head(s.host, n), 1000))

    if n < 65000:
        @case(f"bytes.{size}.tls", option, **ABSENT)
        def _(s, others, n=n):
            s.conn(443).open().said(*pieces(long_hello(s.host, n), 1000))


@case("bytes.0.tls", "--hold-bytes=0", **ABSENT)
def _(s, others):
    s.conn(443).open().said(*pieces(tls(s.host), 30))


@case("bytes.records_of_one", loose=True)
def _(s, others):
    # a hello of 14,000 bytes, each in a record of its own: 84 KiB, which is more than may wait to be read, and is refused
    s.conn(443).open().said(*pieces(records(client_hello(s.host, before=extension(21, bytes(14000))), 1), 1400))


@case("bytes.reversed", "--hold-bytes=1500", **ABSENT)
def _(s, others):
    c, data = s.conn(443).open(), long_hello(s.host, 3000)
    for i in reversed(range(0, len(data), 500)):
        c.client(data[i : i + 500], at=i)


for port, name, says in ((443, "tls", tls), (80, "http", get), (53, "dns", CARRIERS["dns"][1])):
    @case(f"time.before_name.{name}", "--hold-time=2", **ABSENT)
    def _(s, others, port=port, says=says):
        c, data = s.conn(port).open(), says(s.host)
        c.client(data[:12])
        s.wait(5)
        c.client(data[12:])

    @case(f"time.within_name.{name}", "--hold-time=2", **ABSENT)
    def _(s, others, port=port, says=says):
        c, data = s.conn(port).open(), says(s.host)
        at = data.find(s.host) + 6
        c.client(data[:at])
        s.wait(5)
        c.client(data[at:])

    @case(f"time.last_byte.{name}", "--hold-time=2", **ABSENT)
    def _(s, others, port=port, says=says):
        # all but one byte is there: the name, too
        c, data = s.conn(port).open(), says(s.host)
        c.client(data[:-1])
        s.wait(5)
        c.client(data[-1:])

    @case(f"time.trickle.{name}", "--hold-time=2", **ABSENT)
    def _(s, others, port=port, says=says):
        c = s.conn(port).open()
        for b in pieces(says(s.host), 4):
            c.client(b)
            s.wait(0.5)

    @case(f"time.reversed.{name}", "--hold-time=2", **ABSENT)
    def _(s, others, port=port, says=says):
        c, data = s.conn(port).open(), says(s.host)
        for i in reversed(range(0, len(data), 20)):
            c.client(data[i : i + 20], at=i)
            s.wait(1)

    @case(f"frames_of_all.{name}", "--held-frames=64", **ABSENT)
    def _(s, others, port=port, says=says):
        for _ in range(100):
            o = others()
            o.conn(port).open().client(says(o.other)[:20])
        c, data = s.conn(port).open(), says(s.host)
        for i in reversed(range(0, len(data), 15)):
            c.client(data[i : i + 15], at=i)

    @case(f"frames_none.{name}", "--held-frames=0", **ABSENT)
    def _(s, others, port=port, says=says):
        c, data = s.conn(port).open(), says(s.host)
        for i in reversed(range(0, len(data), 15)):
            c.client(data[i : i + 15], at=i)

    @case(f"chunks.{name}", full=True, loose=True)
    def _(s, others, port=port, says=says):
        # the memory of streams is full of beginnings
        for _ in range(17000):
            o = others()
            o.conn(port).open().client(says(o.other)[:20])
        s.conn(port).open().said(*pieces(says(s.host), 15))


@case("frames_of_flow", **ABSENT)
def _(s, others):
    # more frames than one flow may have waiting, from the last byte to the first
    c, data = s.conn(80).open(), get(s.host, more=b"X: " + b"y" * 2600 + b"\r\n")
    for i in reversed(range(len(data))):
        c.client(data[i : i + 1], at=i)


@case("flow_table", "--flows=8", loose=True)
def _(s, others):
    for n in range(12):
        o = others()
        o.udp(b"x", 2000, 3000 + n)
        o.udp(b"y", 2000, 3000 + n, side=2)
    s.udp(dns(s.host), 53)
    s.conn(443).open().client(tls(s.host))


@case("quic_hellos", **ABSENT)
def _(s, others):
    # more hellos in pieces than are put together at a time
    half = None
    for n in range(1100):
        o = others()
        half = half or initial(cuts(said(o.other), 50)[0], b"\xfa\2\3\4\5\6\7\x08")
        o.udp(half)
    for n, c in enumerate(cuts(said(s.host), 50)):
        s.udp(initial(c, b"\1\2\3\4\5\6\7\x08", number=n))


@case("quic_packets", "--held-frames=16", **ABSENT)
def _(s, others):
    for n, c in enumerate(reversed(cuts(said(s.host), 4))):
        s.udp(initial(c, b"\1\2\3\4\5\6\7\x08", number=n))


@case("quic_time", "--hold-time=2", **ABSENT)
def _(s, others):
    for n, c in enumerate(cuts(said(s.host), 50)):
        s.udp(initial(c, b"\1\2\3\4\5\6\7\x08", number=n))
        s.wait(5)


@case("quic_last_byte", "--hold-time=2", **ABSENT)
def _(s, others):
    for n, c in enumerate(cuts(said(s.host), len(said(s.host)) - 1)):
        s.udp(initial(c, b"\1\2\3\4\5\6\7\x08", number=n))
        s.wait(5)


@case("quic_trickle", "--hold-time=2", **ABSENT)
def _(s, others):
    for n, c in enumerate(cuts(said(s.host), 4)):
        s.udp(initial(c, b"\1\2\3\4\5\6\7\x08", number=n))
        s.wait(0.5)


@case("http2_last_byte", "--hold-time=2", pieces=True, **ABSENT)
def _(s, others):
    c, data = s.conn(80).open(), BEGIN + asked(s.host, more=field(b"x", b"y"))
    c.client(data[:-1])
    s.wait(5)
    c.client(data[-1:])


@case("dtls_last_byte", "--hold-time=2", **ABSENT)
def _(s, others):
    body = hello(sni(s.host), extension(21, bytes(30)), dtls=True)
    for at, n in ((0, len(body) - 1), (len(body) - 1, 1)):
        s.udp(fragment(body, at, n))
        s.wait(5)


@case("fragments", loose=True)
def _(s, others):
    for _ in range(1100):
        o = others()
        o.put(o.cut(udp(1, 2, bytes(64)), [24])[0], GONE)
    for f in s.cut(udp(40000, 53, dns(s.host)), [8]):
        s.put(f, SAME)


@case("arena", **ABSENT)
def _(s, others):
    # requests that nobody answers, with long targets, until none of their facts has room
    for _ in range(3000):
        o = others()
        o.conn(80).open().client(get(o.other, b"/" + b"a" * 4000))
    s.conn(80).open().said(*pieces(get(s.host), 20))


@case("connection.requests")
def _(s, others):
    # the 400th request of a connection whose server never answers
    c = s.conn(80).open()
    for n in range(400):
        c.client(get(s.other, b"/%d" % n))
    c.client(get(s.host))


# What cannot be read for want of memory does not leave; it goes on where out_of_memory is open.
for name in ("chunks.tls", "chunks.http"):
    story, options, marks = CASES[f"starve.{name}"]
    CASES[f"starve.{name}.open"] = (story, options + ["--out-of-memory=open"], marks)

# What leaks by the default, absent, does not where the bound is a refusal.
for name in ("bytes.0.tls", "bytes.64k.http", "bytes.records_of_one", "time.last_byte.tls", "time.last_byte.http", "time.trickle.tls",
             "time.trickle.http"):
    story, options, _ = CASES[f"starve.{name}"]
    CASES[f"starve.{name}.drop"] = (story, options + ["--hold-exceeded=drop"], dict(loose=True))
