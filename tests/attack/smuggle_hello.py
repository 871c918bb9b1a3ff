# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled by TLS and DTLS: records and fragments cut small, second hellos, names that are odd."""
import struct

from book import Book
from handshakes import extension, fragment, hello, message, records, sni
from payload import APPLICATION, TLS13, client_hello, get, server_hello, tls
from scene import GONE

CASES = Book()
case = CASES.case


def sent(name, says, port=443, twin=None, **marks):
    """one connection that says these bytes in one segment"""

    @case(name, **marks)
    def _(s):
        s.conn(port).open().client(says(s), twin=twin)


sent("tls.records_of_one", lambda s: tls(s.host, size=1))
sent("tls.records_of_seven", lambda s: tls(s.host, size=7))
sent("tls.odd_port", lambda s: tls(s.host), port=8443)
sent("tls.on_port_80", lambda s: tls(s.host), port=80)
sent("tls.on_port_53", lambda s: tls(s.host), port=53)
sent("tls.after_alert", lambda s: b"\x15\3\1\0\2\1\0" + tls(s.host))
sent("tls.after_change_cipher", lambda s: b"\x14\3\3\0\1\1" + tls(s.host))
sent("tls.after_empty_records", lambda s: b"\x16\3\1\0\0" * 3 + tls(s.host))
sent("tls.record_version_ssl3", lambda s: records(client_hello(s.host), minor=0))
sent("tls.record_version_odd", lambda s: records(client_hello(s.host), minor=99))
sent("tls.name_behind_4k", lambda s: tls(s.host, before=extension(21, bytes(4000))))
sent("tls.name_behind_20k", lambda s: records(client_hello(s.host, before=extension(21, bytes(20000)))))
sent("tls.name_last", lambda s: records(message(1, hello(TLS13, sni(s.host)))))
sent("tls.old_hello", lambda s: records(message(1, hello(sni(s.host), version=b"\3\1"))))
sent("tls.grease", lambda s: tls(s.host, before=extension(0x0A0A, b"") + extension(0x1A1A, b"\0")))
sent("tls.ech_outer", lambda s: tls(s.host, before=extension(0xFE0D, b"\0\0\1\0\1\7\0\0\0\0")))
sent("tls.upper_case", lambda s: tls(s.host.upper()))
sent("tls.trailing_dot", lambda s: tls(s.host + b"."))
sent("tls.below", lambda s: tls(b"a.b." + s.host))
sent("tls.two_extensions", lambda s: tls(s.other, s.host), twin=GONE)
sent("tls.two_extensions_swapped", lambda s: tls(s.host, s.other), twin=GONE)
sent("tls.two_names", lambda s: records(message(1, hello(sni(s.other, s.host), TLS13))), twin=GONE)
sent("tls.two_names_swapped", lambda s: records(message(1, hello(sni(s.host, s.other), TLS13))), twin=GONE)
sent("tls.other_type_first", lambda s: records(message(1, hello(extension(0, (lambda e: struct.pack("!H", len(e)) + e)(
    struct.pack("!BH", 7, 4) + b"name" + struct.pack("!BH", 0, len(s.host)) + s.host)), TLS13))), twin=None)
sent("tls.nul_behind", lambda s: tls(s.host + b"\0." + s.other), twin=GONE)
sent("tls.nul_before", lambda s: tls(s.other + b"\0." + s.host), twin=GONE)
sent("tls.nul_last", lambda s: tls(s.host + b"\0"), twin=GONE)
sent("tls.over_long", lambda s: tls(b".".join([b"a" * 60] * 5) + b"." + s.host), twin=GONE)
sent("tls.label_over_long", lambda s: tls(b"a" * 64 + b"." + s.host), twin=GONE)
sent("tls.long_as_allowed", lambda s: tls((b"a" * 50 + b".") * 4 + s.host))
sent("tls.address", lambda s: tls(s.address))
sent("tls.idn", lambda s: tls(s.idn))
sent("tls.idn_upper", lambda s: tls(s.idn.upper()))
sent("tls.two_hellos_in_one", lambda s: records(client_hello(s.other) + client_hello(s.host)))
sent("tls.junk_behind", lambda s: tls(s.host) + APPLICATION * 4)


# UTF-8 in place of an A-label is no host name: a rule that denies it is true of it, one that allows it is not
sent("tls.wide", lambda s: tls(s.wide), default="allow")
sent("tls.wide_capital", lambda s: tls(s.wide.decode().upper().encode()), default="allow")
sent("tls.wide_below", lambda s: tls("\u65e5\u672c\u3002".encode() + s.wide), default="allow")


@case("tls.empty_then_named", default="allow")
def _(s):
    # a hello without a name, and one with it behind
    s.conn().open().client(tls() + tls(s.host))


@case("tls.records_and_segments_of_one")
def _(s):
    c = s.conn().open()
    for b in tls(s.host, size=1):
        c.client(bytes([b]))


@case("tls.records_of_three_reversed")
def _(s):
    c, data = s.conn().open(), tls(s.host, size=3)
    for i in reversed(range(0, len(data), 11)):
        c.client(data[i : i + 11], at=i)


@case("tls.records_shuffled")
def _(s):
    c, data = s.conn().open(), tls(s.host, size=2)
    pieces = [(i, data[i : i + 5]) for i in range(0, len(data), 5)]
    s.random.shuffle(pieces)
    for i, p in pieces:
        c.client(p, at=i)


def second(name, middle, server):
    @case(f"tls.second_hello.{name}")
    def _(s):
        c = s.conn().open()
        c.client(tls(s.other))
        if server:
            c.answer(server)
        c.client(middle + tls(s.host))


second("after_retry", b"", server_hello(retry=True))
second("after_retry_with_change", b"\x14\3\3\0\1\1", server_hello(retry=True))
second("at_once", b"", None)
second("after_alert", b"\x15\3\1\0\2\1\0", None)
second("after_answer", b"", server_hello())


@case("tls.second_hello.after_retry_denied_first")
def _(s):
    c = s.conn().open()
    c.client(tls(s.host))
    c.answer(server_hello(retry=True))
    c.client(tls(s.other))


for name, alerts in (("then_http", (b"\x15\3\1\0\2\2\x28",)), ("warned_then_http", (b"\x15\3\1\0\2\1\0" * 2, b"\x15\3\1\0\2\1\0"))):
    @case(f"tls.{name}", default="allow")
    def _(s, alerts=alerts):
        # no hello, but alerts, and then a request in the clear on the same connection
        c = s.conn(80).open()
        for a in alerts:
            c.client(a)
        c.client(get(s.host))


sent("tls.alert_and_http", lambda s: b"\x15\3\1\0\2\2\x28" + get(s.host), default="allow")


# ---- DTLS ---------------------------------------------------------------------------------------------------------------

def datagram_hello(s, name):
    return hello(sni(name), dtls=True)


@case("dtls.whole")
def _(s):
    body = datagram_hello(s, s.host)
    s.udp(fragment(body, 0, len(body)))


for order, arranged in (("in_order", list), ("reversed", lambda x: list(reversed(x)))):
    @case(f"dtls.fragments.{order}")
    def _(s, arranged=arranged):
        body = datagram_hello(s, s.host)
        for i in arranged(range(0, len(body), 16)):
            s.udp(fragment(body, i, min(16, len(body) - i)))


@case("dtls.fragments.in_one_datagram")
def _(s):
    body = datagram_hello(s, s.host)
    s.udp(b"".join(fragment(body, i, min(9, len(body) - i)) for i in range(0, len(body), 9)))


@case("dtls.fragments.overlapping")
def _(s):
    body = datagram_hello(s, s.host)
    for i in range(0, len(body), 8):
        s.udp(fragment(body, i, min(24, len(body) - i)))


@case("dtls.decoy")
def _(s):
    # the same place with another name first, which its receiver may have lost: each is judged
    real, false = datagram_hello(s, s.host), datagram_hello(s, s.other)
    s.udp(fragment(false, 0, len(false)))
    s.udp(fragment(real, 0, len(real)))


@case("dtls.after_verify")
def _(s):
    # HelloVerifyRequest, then the hello that counts
    false, real = datagram_hello(s, s.other), datagram_hello(s, s.host)
    s.udp(fragment(false, 0, len(false)))
    s.udp(fragment(b"\xfe\xfd\4abcd", 0, 7, kind=3), side=2)
    s.udp(fragment(real, 0, len(real), seq=1))

