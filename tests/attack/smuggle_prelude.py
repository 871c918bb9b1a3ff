# SPDX-License-Identifier: BSD-3-Clause
"""A name behind a prelude: CONNECT, SOCKS, STARTTLS, the PROXY protocol. The outer name is allowed, or there is none."""
import struct

from book import Book
from payload import get, tls

CASES = Book()
case = CASES.case
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def connect(host, port=443):
    return b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host, port, host, port)


@case("connect.denied")
def _(s):
    s.conn(3128).open().client(connect(s.host))


@case("connect.inner_tls")
def _(s):
    c = s.conn(3128).open()
    c.client(connect(s.other))
    c.answer(CONNECTED)
    c.client(tls(s.host))


@case("connect.inner_tls_pieces")
def _(s):
    c = s.conn(3128).open()
    c.client(connect(s.other))
    c.answer(CONNECTED)
    for b in tls(s.host, size=5):
        c.client(bytes([b]))


@case("connect.inner_http")
def _(s):
    c = s.conn(3128).open()
    c.client(connect(s.other, 80))
    c.answer(CONNECTED)
    c.client(get(s.host))


@case("connect.eager_tls")
def _(s):
    # the hello does not wait for the answer
    c = s.conn(3128).open()
    c.client(connect(s.other) + tls(s.host))
    c.answer(CONNECTED)


@case("connect.refused")
def _(s):
    # the proxy refuses; the next request on the same connection
    c = s.conn(3128).open()
    c.client(connect(s.other))
    c.answer(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    c.client(connect(s.host))


@case("connect.twice")
def _(s):
    # a proxy behind a proxy
    c = s.conn(3128).open()
    c.client(connect(s.other))
    c.answer(CONNECTED)
    c.client(connect(s.other))
    c.answer(CONNECTED)
    c.client(tls(s.host))


@case("connect.host_differs")
def _(s):
    s.conn(3128).open().client(b"CONNECT " + s.host + b":443 HTTP/1.1\r\nHost: " + s.other + b"\r\n\r\n")


def socks(version, name, target, inner):
    """target: the name that is asked for; inner: what is said through it"""

    @case(f"socks{version}.{name}", **({} if target else {"default": "allow"}))
    def _(s):
        c, asked = s.conn(1080).open(), getattr(s, target) if target else None
        if version == 5:
            c.client(b"\5\1\0")
            c.answer(b"\5\0")
            c.client(b"\5\1\0\3" + bytes([len(asked)]) + asked + b"\1\xbb" if asked else b"\5\1\0\1\x0a\1\1\1\1\xbb")
            c.answer(b"\5\0\0\1" + bytes(6))
        else:
            c.client(b"\4\1\1\xbb\0\0\0\1user\0" + asked + b"\0" if asked else b"\4\1\1\xbb\x0a\1\1\1user\0")
            c.answer(b"\0\x5a" + bytes(6))
        if inner:
            c.client(inner(s))


socks(5, "denied", "host", None)
socks(4, "a_denied", "host", None)
for version in (4, 5):
    socks(version, "inner_tls", None, lambda s: tls(s.host))
    socks(version, "inner_http", None, lambda s: get(s.host))
    socks(version, "name_then_tls", "other", lambda s: tls(s.host))


@case("socks5.at_once", pieces=True)
def _(s):
    # greeting, request and hello in one segment
    c = s.conn(1080).open()
    c.client(b"\5\1\0" + b"\5\1\0\3" + bytes([len(s.other)]) + s.other + b"\1\xbb" + tls(s.host))


@case("socks5.one_byte")
def _(s):
    c = s.conn(1080).open()
    for b in b"\5\1\0":
        c.client(bytes([b]))
    c.answer(b"\5\0")
    for b in b"\5\1\0\3" + bytes([len(s.host)]) + s.host + b"\1\xbb":
        c.client(bytes([b]))


# port, what the server says first, then (client, server) turns
STARTTLS = {
    "smtp": (25, b"220 mail ESMTP\r\n", [(b"EHLO me\r\n", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]),
    "smtp_lower": (587, b"220 mail ESMTP\r\n", [(b"ehlo me\r\n", b"250-mail\r\n250 STARTTLS\r\n"), (b"starttls\r\n", b"220 go\r\n")]),
    "imap": (143, b"* OK ready\r\n", [(b"a1 CAPABILITY\r\n", b"* CAPABILITY STARTTLS\r\na1 OK\r\n"), (b"a2 STARTTLS\r\n", b"a2 OK go\r\n")]),
    "pop3": (110, b"+OK ready\r\n", [(b"CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n"), (b"STLS\r\n", b"+OK go\r\n")]),
    "ftp": (21, b"220 ftp\r\n", [(b"AUTH TLS\r\n", b"234 go\r\n")]),
}
for proto, (port, greeting, turns) in STARTTLS.items():
    @case(f"starttls.{proto}")
    def _(s, port=port, greeting=greeting, turns=turns):
        c = s.conn(port).open()
        c.answer(greeting)
        for mine, theirs in turns:
            c.client(mine)
            c.answer(theirs)
        c.client(tls(s.host))

    @case(f"starttls.{proto}.eager", pieces=True)
    def _(s, port=port, greeting=greeting, turns=turns):
        # the hello together with the last command
        c = s.conn(port).open()
        c.answer(greeting)
        for mine, theirs in turns[:-1]:
            c.client(mine)
            c.answer(theirs)
        c.client(turns[-1][0] + tls(s.host))

    @case(f"starttls.{proto}.eager_cut", pieces=True)
    def _(s, port=port, greeting=greeting, turns=turns):
        # two bytes of the hello with the last command, then it goes on
        c, data = s.conn(port).open(), tls(s.host)
        c.answer(greeting)
        for mine, theirs in turns[:-1]:
            c.client(mine)
            c.answer(theirs)
        c.client(turns[-1][0] + data[:2])
        c.client(data[2:])

    @case(f"starttls.{proto}.eager_late", default="allow", pieces=True)
    def _(s, port=port, greeting=greeting, turns=turns):
        # the same, and it goes on when no frame waits any more
        c, data = s.conn(port).open(), tls(s.host)
        c.answer(greeting)
        for mine, theirs in turns[:-1]:
            c.client(mine)
            c.answer(theirs)
        c.client(turns[-1][0] + data[:2])
        s.wait(11)
        c.client(data[2:])

    @case(f"starttls.{proto}.odd_port")
    def _(s, greeting=greeting, turns=turns):
        c = s.conn(2000).open()
        c.answer(greeting)
        for mine, theirs in turns:
            c.client(mine)
            c.answer(theirs)
        data = tls(s.host, size=9)
        for i in range(0, len(data), 13):
            c.client(data[i : i + 13])


@case("proxy.v1")
def _(s):
    s.conn(443).open().client(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n" + tls(s.host))


@case("proxy.v2")
def _(s):
    c = s.conn(443).open()
    c.client(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12))
    c.client(tls(s.host))


@case("proxy.v2_name")
def _(s):
    # PP2_TYPE_AUTHORITY names another host than the hello
    tlv = struct.pack("!BH", 2, len(s.other)) + s.other
    s.conn(443).open().client(b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12 + len(tlv)) + bytes(12) + tlv + tls(s.host))


@case("proxy.then_http")
def _(s):
    s.conn(80).open().client(b"PROXY UNKNOWN\r\n" + get(s.host))
