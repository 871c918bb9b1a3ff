# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled by how it is spelled, and by where in a message it stands: hosts and targets, heads at their edges, framings that
end at another place, records and extensions at their limits, labels and counts. What no server reads is not here."""
import struct

from book import Book
from handshakes import extension, hello, message, records, sni
from payload import APPLICATION, HTTP_OK, TLS13, client_hello, dns, dns_head, framed, get, labels, question, server_hello, tls

CASES = Book("spell.")
case, sent = CASES.case, CASES.sent
BODY = b"POST / HTTP/1.1\r\nHost: %s\r\n"


def asked(name, message_of, twin="same", **marks):
    @case(name, **marks)
    def _(s):
        s.udp(message_of(s), 53, twin=twin)


def head(target, *lines, method=b"GET", version=b"HTTP/1.1"):
    return method + b" " + target + b" " + version + b"\r\n" + b"".join(x + b"\r\n" for x in lines) + b"\r\n"


# ---- HTTP: hosts -------------------------------------------------------------------------------------------------------

HOSTS = {
    "space_behind": lambda h, o: [b"Host: " + h + b"   "],
    "spaces_before": lambda h, o: [b"Host:      " + h],
    "tabs": lambda h, o: [b"Host:\t\t" + h],
    "port_empty": lambda h, o: [b"Host: " + h + b":"],
    "port_80_twice": lambda h, o: [b"Host: " + h + b":80:80"],
    "dots_behind": lambda h, o: [b"Host: " + h + b".."],
    "userinfo_two": lambda h, o: [b"Host: " + o + b"@" + o + b"@" + h],
    "userinfo_port": lambda h, o: [b"Host: " + o + b":80@" + h],
    "slash_behind": lambda h, o: [b"Host: " + h + b"/x"],
    "scheme": lambda h, o: [b"Host: http://" + h + b"/"],
    "three": lambda h, o: [b"Host: " + o, b"Host: " + o, b"Host: " + h],
    "last_empty": lambda h, o: [b"Host: " + h, b"Host:"],
    "first_empty": lambda h, o: [b"Host:", b"Host: " + h],
    "behind_100_fields": lambda h, o: [b"X-%d: y" % n for n in range(100)] + [b"Host: " + h],
    "behind_connection": lambda h, o: [b"Connection: host", b"Host: " + h],
    "escaped_all": lambda h, o: [b"Host: " + b"".join(b"%%%02X" % c for c in h)],
    "in_quotes": lambda h, o: [b"Host: \"" + h + b"\""],
}
for name, lines in HOSTS.items():
    sent(f"host.{name}", lambda s, lines=lines: head(b"/", *lines(s.host, s.other)), loose=True, default="allow")

TARGETS = {
    "scheme_own": lambda h: b"foo://" + h + b"/",
    "scheme_ws": lambda h: b"ws://" + h + b"/",
    "authority_port_empty": lambda h: b"http://" + h + b":/",
    "authority_dot": lambda h: b"http://" + h + b"./",
    "authority_query": lambda h: b"http://" + h + b"?x",
    "authority_fragment": lambda h: b"http://" + h + b"#x",
    "authority_bare": lambda h: b"http://" + h,
    "authority_upper": lambda h: b"HtTp://" + h.upper(),
    "authority_backslash": lambda h: b"http://" + h + b"\\x",
    "userinfo_escaped": lambda h: b"http://a%40b@" + h + b"/",
    "userinfo_password": lambda h: b"http://a:b@" + h + b":80/",
}
for name, target in TARGETS.items():
    sent(f"target.{name}", lambda s, target=target: head(target(s.host), b"Host: " + s.other), loose=True, default="allow")

for method in (b"HEAD", b"POST", b"OPTIONS", b"TRACE", b"PROPFIND", b"PATCH", b"M-SEARCH", b"A"):
    sent(f"method.{method.decode().lower()}", lambda s, method=method: get(s.host, method=method, more=b"Content-Length: 0\r\n"))


# ---- HTTP: what stands before --------------------------------------------------------------------------------------------

BEFORE = {
    "body_of_zero": (b"Content-Length: 0\r\n\r\n", b""),
    "length_twice_same": (b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n", b"abcd"),
    "length_zeros": (b"Content-Length: 0004\r\n\r\n", b"abcd"),
    "chunks_two": (b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
    "chunks_upper": (b"Transfer-Encoding: Chunked\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n"),
    "chunks_zeros": (b"Transfer-Encoding: chunked\r\n\r\n", b"0004\r\nabcd\r\n000\r\n\r\n"),
    "chunks_extension": (b"Transfer-Encoding: chunked\r\n\r\n", b"4;a=\"b;c\"\r\nabcd\r\n0;x\r\n\r\n"),
    "chunks_trailer_host": (b"Transfer-Encoding: chunked\r\n\r\n", b"0\r\nX-Y: z\r\nHost: nothing.example\r\n\r\n"),
    "gzip_chunked": (b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"0\r\n\r\n"),
    "expect": (b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", b"abcd"),
    "close": (b"Connection: close\r\nContent-Length: 0\r\n\r\n", b""),
    "chunk_of_request": (b"Transfer-Encoding: chunked\r\n\r\n", b"1d\r\nGET / HTTP/1.1\r\nHost: x.y\r\n\r\n\r\n0\r\n\r\n"),
}
for name, (more, body) in BEFORE.items():
    loose = {"loose": True, "default": "allow"} if name in ("gzip_chunked",) else {}
    sent(f"before.{name}", lambda s, more=more, body=body: BODY % s.other + more + body + get(s.host), **loose)

    @case(f"before.{name}.late", **loose)
    def _(s, more=more, body=body):
        c = s.conn(80).open()
        c.client(BODY % s.other + more + body)
        c.answer(HTTP_OK)
        c.client(get(s.host))

    @case(f"before.{name}.one_byte", **loose)
    def _(s, more=more, body=body):
        c, data = s.conn(80).open(), BODY % s.other + more + body
        c.client(data)
        for b in get(s.host):
            c.client(bytes([b]))

ANSWERS = {
    "204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HTTP_OK, "100_twice": b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + HTTP_OK,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "1_0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "until_close": b"HTTP/1.1 200 OK\r\n\r\nhello", "two": HTTP_OK + HTTP_OK, "none": b"", "garbage": b"\0\1\2\3", "401": b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    "101_unasked": b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab",
    "te_and_length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
}
for name, answer in ANSWERS.items():
    for method in (b"GET", b"HEAD"):
        @case(f"answered.{name}.{method.decode().lower()}", **({"loose": True, "default": "allow"} if name in ("101_unasked", "until_close", "lf", "te_and_length") else {}))
        def _(s, answer=answer, method=method):
            c = s.conn(80).open()
            c.client(get(s.other, method=method))
            if answer:
                c.answer(answer)
            c.said(get(s.host)[:20], get(s.host)[20:])

for end in (1, 2, 3, 5):
    @case(f"head_cut.{end}")
    def _(s, end=end):
        # the head's last bytes come later
        c, data = s.conn(80).open(), get(s.host)
        c.said(data[:-end], data[-end:])

for n in (300, 8000, 30000):
    @case(f"head_of.{n}", default="allow")
    def _(s, n=n):
        c, data = s.conn(80).open(), b"GET / HTTP/1.1\r\nCookie: " + b"a" * n + b"\r\nHost: " + s.host + b"\r\n\r\n"
        c.said(*[data[i : i + 1400] for i in range(0, len(data), 1400)])

PATHS = {
    "twice_escaped": lambda p: b"/%25%36%36" + p[2:], "overlong": lambda p: b"/%c0%af" + p[1:], "nul_behind": lambda p: p + b"%00", "space_behind": lambda p: p + b"%20",
    "dot_behind": lambda p: p + b"/.", "dots_deep": lambda p: b"/a/b/c/../../.." + p, "dots_mixed": lambda p: b"/a/.%2e/./" + p[1:], "dots_slashed": lambda p: b"/a/%2e%2e%2f" + p[1:],
    "many_dots": lambda p: b"/a/././././.." + p, "slash_dots": lambda p: b"//a/../" + p[1:], "query_first": lambda p: p + b"?/../x", "empty_parameters": lambda p: p + b";",
    "half_escape": lambda p: p + b"%", "escaped_question": lambda p: p + b"/%3fx", "absolute_dots": lambda p: b"http://nothing.example/x/.." + p,
    "absolute_no_path": lambda p: b"http://nothing.example" + p + b"?y",
}
for spelling, spell in PATHS.items():
    # %25 is one %, %c0%af is no slash: decoded once (corridor.md 4) they are other paths; the models know no C strings
    marks = {"harmless": True} if spelling in ("twice_escaped", "overlong", "nul_behind", "space_behind", "half_escape") else {}
    sent(f"path.{spelling}", lambda s, spell=spell: get(s.other, spell(s.path)), loose=True, **marks)


# ---- TLS -----------------------------------------------------------------------------------------------------------------


sent("tls.records_empty_between", lambda s: b"".join(records(p) + b"\x16\3\1\0\0" for p in (client_hello(s.host)[:30], client_hello(s.host)[30:])), 443, loose=True)
sent("tls.alert_between", lambda s: records(client_hello(s.host)[:30]) + b"\x15\3\1\0\2\1\x5a" + records(client_hello(s.host)[30:]), 443, loose=True, default="allow")
sent("tls.change_between", lambda s: records(client_hello(s.host)[:30]) + b"\x14\3\3\0\1\1" + records(client_hello(s.host)[30:]), 443, loose=True, default="allow")
sent("tls.alerts_many_before", lambda s: b"\x15\3\1\0\2\1\0" * 20 + tls(s.host), 443)
sent("tls.changes_many_before", lambda s: b"\x14\3\3\0\1\1" * 20 + tls(s.host), 443, loose=True, default="allow")
sent("tls.records_of_16k", lambda s: records(client_hello(s.host, before=extension(21, bytes(20000))), 16384), 443, loose=True, default="allow")
sent("tls.name_behind_30k", lambda s: records(client_hello(s.host, before=extension(21, bytes(16000)) + extension(22, bytes(14000)))), 443, loose=True, default="allow")
sent("tls.header_alone", lambda s: records(client_hello(s.host), 4), 443)
sent("tls.header_in_two", lambda s: records(client_hello(s.host)[:2]) + records(client_hello(s.host)[2:]), 443)
sent("tls.session_of_32", lambda s: records(message(1, b"\3\3" + bytes(32) + b"\x20" + bytes(32) + b"\0\2\x13\1\1\0" + (lambda e: struct.pack("!H", len(e)) + e)(sni(s.host) + TLS13))), 443)
sent("tls.session_of_200", lambda s: records(message(1, b"\3\3" + bytes(32) + b"\xc8" + bytes(200) + b"\0\2\x13\1\1\0" + (lambda e: struct.pack("!H", len(e)) + e)(sni(s.host) + TLS13))), 443, loose=True, default="allow")
sent("tls.ciphers_many", lambda s: records(message(1, hello(sni(s.host), TLS13, ciphers=b"\x13\1" * 400))), 443)
sent("tls.empty_name_first", lambda s: records(message(1, hello(sni(b"", s.host), TLS13))), 443, loose=True)
sent("tls.dot_first", lambda s: tls(b"." + s.host), 443, loose=True, default="allow")
sent("tls.underscore", lambda s: tls(b"_x." + s.host), 443)
sent("tls.port_behind", lambda s: tls(s.host + b":443"), 443, loose=True, default="allow")
sent("tls.space_behind", lambda s: tls(s.host + b" "), 443, loose=True, default="allow")
sent("tls.list_length_short", lambda s: records(message(1, hello(extension(0, struct.pack("!HBH", 5, 0, len(s.host)) + s.host), TLS13))), 443, loose=True, default="allow")
sent("tls.list_length_long", lambda s: records(message(1, hello(extension(0, struct.pack("!HBH", len(s.host) + 90, 0, len(s.host)) + s.host), TLS13))), 443, loose=True, default="allow")
sent("tls.extension_behind_psk", lambda s: records(message(1, hello(TLS13, extension(41, bytes(20)), sni(s.host)))), 443)
sent("tls.extensions_200", lambda s: records(message(1, hello(*[extension(0x1000 + n, b"x") for n in range(200)], sni(s.host), TLS13))), 443)
sent("tls.length_beyond", lambda s: records(client_hello(s.host)[:-1]) + records(client_hello(s.host)[-1:] + bytes(30)), 443, loose=True, default="allow")
sent("tls.two_messages_one_record", lambda s: records(client_hello(s.other)[:40]) + records(client_hello(s.other)[40:] + client_hello(s.host)), 443, loose=True)
sent("tls.early_data", lambda s: tls(s.host, before=extension(42, b"")) + APPLICATION * 3, 443)
sent("tls.dtls_version_inside", lambda s: records(message(1, hello(sni(s.host), TLS13, version=b"\3\4"))), 443)
sent("tls.port_25", lambda s: tls(s.host), 25)
sent("tls.port_21", lambda s: tls(s.host), 21)
sent("tls.port_1080", lambda s: tls(s.host), 1080)
sent("tls.port_5432", lambda s: tls(s.host), 5432)
sent("tls.port_3306", lambda s: tls(s.host), 3306)


@case("tls.retry_twice", loose=True)
def _(s):
    c = s.conn(443).open()
    for name in (s.other, s.other, s.host):
        c.client(tls(name))
        c.answer(server_hello(retry=True))


@case("tls.retry_pieces")
def _(s):
    # the second hello byte by byte
    c = s.conn(443).open()
    c.client(tls(s.other))
    c.answer(server_hello(retry=True))
    for b in tls(s.host, size=40):
        c.client(bytes([b]))


@case("tls.after_fatal_alert", loose=True, default="allow")
def _(s):
    # the server refuses the first; the client says another on the same connection
    c = s.conn(443).open()
    c.client(tls(s.other))
    c.answer(b"\x15\3\3\0\2\2\x28")
    c.client(tls(s.host))


# ---- DNS -----------------------------------------------------------------------------------------------------------------

OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 12) + struct.pack("!HH", 10, 8) + bytes(8)
for kind in (0, 2, 5, 6, 12, 15, 16, 28, 33, 64, 250, 252, 65280):
    asked(f"dns.type_{kind}", lambda s, kind=kind: dns_head() + question(s.host, kind))
for klass in (0, 3, 254, 255, 0x8001):
    asked(f"dns.class_{klass}", lambda s, klass=klass: dns_head() + labels(s.host) + struct.pack("!HH", 1, klass), **({"loose": True} if klass == 0 else {}))
asked("dns.cookie", lambda s: dns(s.host, tail=OPT, ar=1))
asked("dns.upper", lambda s: dns(s.host.upper()))
asked("dns.id_zero", lambda s: b"\0\0" + dns(s.host)[2:])
asked("dns.all_flags", lambda s: dns(s.host, flags=0x07FF & ~0x8000))
asked("dns.update", lambda s: dns(s.host, flags=0x2800), loose=True, default="allow")
asked("dns.padded", lambda s: dns(s.host) + bytes(100))
asked("dns.deep", lambda s: dns(b"a." * 100 + s.host))
asked("dns.label_63", lambda s: dns(b"a" * 63 + b"." + s.host))
asked("dns.binary_label", lambda s: dns(b"\xff\x01." + s.host))
asked("dns.dot_in_label", lambda s: dns_head() + b"\x03a.b" + labels(s.host) + struct.pack("!HH", 1, 1))
asked("dns.counts_of_answers", lambda s: struct.pack("!HHHHHH", 7, 0x100, 1, 5, 5, 5) + question(s.host), loose=True)
asked("dns.question_65535", lambda s: struct.pack("!HHHHHH", 7, 0x100, 65535, 0, 0, 0) + question(s.host), loose=True)
asked("dns.two_compressed", lambda s: dns_head(2) + question(s.other) + b"\3www" + b"\xc0\x0c" + struct.pack("!HH", 1, 1) + labels(s.host)[:0], harmless=True, loose=True)
asked("dns.host_then_pointer", lambda s: dns_head(2) + question(s.host) + b"\3www\xc0\x0c" + struct.pack("!HH", 1, 1))
asked("dns.mdns_unicast", lambda s: dns_head(flags=0) + labels(s.host) + struct.pack("!HH", 255, 0x8001))


for size in (1, 2, 3, 11):
    @case(f"dns.tcp.size_{size}")
    def _(s, size=size):
        c, data = s.conn(53).open(), framed(dns(s.other)) + framed(dns(s.host))
        c.said(*[data[i : i + size] for i in range(0, len(data), size)])


@case("dns.tcp.high_port_second")
def _(s):
    c = s.conn(9953).open()
    c.client(framed(dns(s.other)))
    c.answer(framed(dns(s.other, flags=0x8180)))
    c.said(framed(dns(s.host))[:15], framed(dns(s.host))[15:])


@case("dns.udp_to_two_servers")
def _(s):
    for sport in range(40000, 40010):
        s.udp(dns(s.other), 53, sport)
    s.udp(dns(s.host), 53, 40003)
