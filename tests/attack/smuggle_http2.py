# SPDX-License-Identifier: BSD-3-Clause
"""A name or a path smuggled by HTTP/2 in the clear: later streams, blocks in pieces, two names, forms that one reader refuses and
another may take, ways into the protocol."""
from book import Book
from payload import HTTP_OK, get, tls
from scene import GONE

CASES = Book()
case = CASES.case
DATA, HEADERS, PRIORITY, SETTINGS, PUSH, PING, WINDOW, CONTINUATION = 0, 1, 2, 4, 5, 6, 8, 9
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 1, 4, 8, 32
WHOLE = END_STREAM | END_HEADERS
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def string(s):
    return bytes([len(s)]) + s


def field(name, value):
    """a literal, not to be kept, without Huffman (RFC 7541 6.2.2)"""
    return b"\0" + string(name) + string(value)


GET, SLASH, HTTP = b"\x82", b"\x84", b"\x86"


def name(host):
    return b"\x41" + string(host)


def asked(host, stream=1, more=b"", path=SLASH, flags=WHOLE):
    return frame(HEADERS, flags, stream, GET + path + HTTP + name(host) + more)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BEGIN = PREFACE + frame(SETTINGS, 0, 0)
ANSWER = frame(SETTINGS, 0, 0) + frame(HEADERS, WHOLE, 1, b"\x88")


def sent(title, says, **marks):
    """in one segment, and a byte a segment"""
    twin = marks.pop("twin", None)

    @case(f"http2.{title}", **marks)
    def _(s):
        s.conn(80).open().client(says(s), twin=twin)

    if twin:
        return

    @case(f"http2.{title}.one_byte", **marks)
    def _(s):
        s.conn(80).open().said(*(bytes([b]) for b in says(s)))


def refused(title, says, **marks):
    """malformed: its twin does not leave either"""
    sent(title, says, twin=GONE, **marks)


UNREAD = {"default": "allow"}  # the name is not read: with a default of deny that is a denial, behind what came before


sent("clear", lambda s: BEGIN + asked(s.host))
sent("path", lambda s: BEGIN + asked(s.other, path=b"\x04" + string(s.path)))
sent("host_field", lambda s: BEGIN + frame(HEADERS, WHOLE, 1, GET + SLASH + HTTP + field(b"host", s.host)))
sent("host_beside", lambda s: BEGIN + asked(s.other, more=field(b"host", s.host)))
sent("user", lambda s: BEGIN + asked(b"u:p@" + s.host + b":80"))
sent("upper", lambda s: BEGIN + asked(s.host.upper()))
sent("padded", lambda s: BEGIN + frame(HEADERS, WHOLE | PADDED | WITH_PRIORITY, 1,
                                       b"\x09" + b"\0\0\0\0\x10" + GET + SLASH + HTTP + name(s.host) + bytes(9)))
sent("continued", lambda s: BEGIN + frame(HEADERS, END_STREAM, 1, GET + SLASH) + frame(CONTINUATION, 0, 1) * 5
     + frame(CONTINUATION, END_HEADERS, 1, HTTP + name(s.host)))
sent("second", lambda s: BEGIN + asked(s.other) + asked(s.host, 3))
sent("hundredth", lambda s: BEGIN + b"".join(asked(s.other, 2 * i + 1) for i in range(120)) + asked(s.host, 241))
sent("skipped", lambda s: BEGIN + asked(s.host, 0x7ffffffd))
sent("reserved", lambda s: BEGIN + asked(s.host, 0x80000001))
sent("after_data", lambda s: BEGIN + asked(s.other, flags=END_HEADERS) + frame(DATA, 0, 1, b"x" * 700) + frame(DATA, END_STREAM, 1, b"y" * 9)
     + asked(s.host, 3))
sent("after_unknown", lambda s: BEGIN + frame(0xaa, 255, 7, b"z" * 300) + frame(PING, 0, 0, bytes(8)) + frame(WINDOW, 0, 0, b"\0\1\0\0")
     + frame(PRIORITY, 0, 5, bytes(5)) + asked(s.host))
sent("after_reset", lambda s: BEGIN + asked(s.other) + frame(3, 0, 1, b"\0\0\0\x08") + asked(s.host, 3))
sent("by_table", lambda s: BEGIN + frame(HEADERS, WHOLE, 1, GET + SLASH + HTTP + b"\x40" + string(b":authority") + string(s.other)
                                         + field(b"x", b"y")) + frame(HEADERS, WHOLE, 3, GET + SLASH + HTTP + b"\x7e" + string(s.host)))
sent("smaller_table", lambda s: BEGIN + asked(s.other) + frame(HEADERS, WHOLE, 3, b"\x20\x3f\x0a" + GET + SLASH + HTTP + name(s.host)))
sent("inside_connect", lambda s: BEGIN + frame(HEADERS, END_HEADERS, 1, b"\x02" + string(b"CONNECT") + name(s.host + b":443")))

refused("two_names", lambda s: BEGIN + asked(s.other, more=field(b":authority", s.host)))
refused("behind_field", lambda s: BEGIN + frame(HEADERS, WHOLE, 1, GET + SLASH + HTTP + field(b"x", b"y") + name(s.host)))
refused("no_scheme", lambda s: BEGIN + frame(HEADERS, WHOLE, 1, GET + SLASH + name(s.host)))
refused("absolute_path", lambda s: BEGIN + asked(s.other, path=b"\x04" + string(b"http://" + s.host + b"/")))
refused("line_in_value", lambda s: BEGIN + asked(s.other, more=field(b"x", b"y\r\nhost: " + s.host)))
refused("line_in_name", lambda s: BEGIN + asked(s.other, more=field(b"x: y\r\nhost", s.host)))
refused("line_in_path", lambda s: BEGIN + asked(s.other, path=b"\x04" + string(b"/ HTTP/1.1\r\nhost: " + s.host + b"\r\n\r\n")))
refused("host_upper", lambda s: BEGIN + asked(s.other, more=field(b"Host", s.host)))
refused("chunked", lambda s: BEGIN + asked(s.other, more=field(b"transfer-encoding", b"chunked"), flags=END_HEADERS)
        + frame(DATA, END_STREAM, 1, b"0\r\n\r\n" + get(s.host)))
refused("trailers", lambda s: BEGIN + asked(s.other, flags=END_HEADERS) + asked(s.host))
refused("even", lambda s: BEGIN + asked(s.host, 2))
refused("stream_0", lambda s: BEGIN + asked(s.host, 0), **UNREAD)
refused("promised", lambda s: BEGIN + frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + GET + SLASH + HTTP + name(s.host)))
refused("between", lambda s: BEGIN + frame(HEADERS, END_STREAM, 1, GET + SLASH + HTTP) + frame(PING, 0, 0, bytes(8))
        + frame(CONTINUATION, END_HEADERS, 1, name(s.host)), **UNREAD)
refused("many_pieces", lambda s: BEGIN + frame(HEADERS, END_STREAM, 1, GET + SLASH + HTTP) + frame(CONTINUATION, 0, 1) * 40
        + frame(CONTINUATION, END_HEADERS, 1, name(s.host)), **UNREAD)
refused("larger_table", lambda s: BEGIN + frame(HEADERS, WHOLE, 1, b"\x3f\xe1\x7f" + GET + SLASH + HTTP + name(s.host)), **UNREAD)
refused("no_such_entry", lambda s: BEGIN + asked(s.other, more=b"\xff\x10") + asked(s.host, 3))


@case("http2.late")
def _(s):
    c = s.conn(80).open()
    c.client(BEGIN)
    c.answer(frame(SETTINGS, 0, 0))
    c.client(frame(SETTINGS, 1, 0) + asked(s.other))
    c.answer(frame(HEADERS, WHOLE, 1, b"\x88"))
    s.wait(3)
    c.client(asked(s.host, 3))


@case("http2.long_data")
def _(s):
    c = s.conn(80).open()
    c.client(BEGIN + asked(s.other, flags=END_HEADERS))
    body = frame(DATA, END_STREAM, 1, b"x" * 16000) + asked(s.host, 3)
    for i in range(0, len(body), 1400):
        c.client(body[i : i + 1400])


@case("http2.upgraded")
def _(s):
    c = s.conn(80).open()
    c.client(get(s.other, more=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"))
    c.answer(SWITCHED)
    c.client(BEGIN + asked(s.host, 3))


@case("http2.upgraded.server_first")
def _(s):
    c = s.conn(80).open()
    c.client(get(s.other, more=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"))
    c.answer(SWITCHED + ANSWER + frame(DATA, 0, 1, b"x" * 6000))
    c.client(BEGIN)
    c.client(asked(s.host, 3))


@case("http2.upgraded.not_at_all")
def _(s):
    # the server says SETTINGS, the client a request
    c = s.conn(80).open()
    c.client(get(s.other, more=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"))
    c.answer(SWITCHED + ANSWER)
    c.client(tls(s.host))


@case("http2.behind_http1")
def _(s):
    c = s.conn(80).open()
    c.client(get(s.other))
    c.answer(HTTP_OK)
    c.client(BEGIN + asked(s.host))


@case("http2.in_tunnel")
def _(s):
    c = s.conn(3128).open()
    c.client(b"CONNECT %s:80 HTTP/1.1\r\nHost: %s:80\r\n\r\n" % (s.other, s.other))
    c.answer(b"HTTP/1.1 200 OK\r\n\r\n")
    c.client(BEGIN + asked(s.other) + asked(s.host, 3))


@case("http2.disordered")
def _(s):
    c = s.conn(80).open()
    c.client(BEGIN + asked(s.other))
    block = asked(s.host, 3)
    at = c.next[1]
    c.client(block[20:], at=at + 20)
    c.client(block[:20], at=at)
    c.next[1] = at + len(block)
