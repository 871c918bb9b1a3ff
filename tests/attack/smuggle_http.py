# SPDX-License-Identifier: BSD-3-Clause
"""A name or a path smuggled by HTTP/1: later requests, several names, framings that two readers see differently, spellings."""
from book import Book
from payload import HTTP_OK, get, tls


CASES = Book()
case, sent = CASES.case, CASES.sent
BODY = b"POST / HTTP/1.1\r\nHost: %s\r\n"


# ---- later requests ---------------------------------------------------------------------------------------------------

def allowed(s, n):
    return get(s.other, b"/%d" % n)


for k in (2, 5):
    sent(f"http.pipelined.{k}", lambda s, k=k: b"".join(allowed(s, n) for n in range(k - 1)) + get(s.host))

    @case(f"http.pipelined.{k}.segments")
    def _(s, k=k):
        c = s.conn(80).open()
        for n in range(k - 1):
            c.client(allowed(s, n))
        c.client(get(s.host))

    @case(f"http.late.{k}")
    def _(s, k=k):
        c = s.conn(80).open()
        for n in range(k - 1):
            c.client(allowed(s, n))
            c.answer(HTTP_OK)
            s.wait(3)
        c.client(get(s.host))

    @case(f"http.late.{k}.one_byte")
    def _(s, k=k):
        c = s.conn(80).open()
        for n in range(k - 1):
            c.client(allowed(s, n))
            c.answer(HTTP_OK)
        for b in get(s.host):
            c.client(bytes([b]))

    @case(f"http.path.late.{k}")
    def _(s, k=k):
        c = s.conn(80).open()
        for n in range(k - 1):
            c.client(allowed(s, n))
            c.answer(HTTP_OK)
        c.client(get(s.other, s.path))


sent("http.pipelined.21", lambda s: allowed(s, 1) * 20 + get(s.host))
sent("http.pipelined.301", lambda s: get(s.other) * 300 + get(s.host))  # one segment, as offloading joins them
sent("http.after_body", lambda s: BODY % s.other + b"Content-Length: 10\r\n\r\n0123456789" + get(s.host))
sent("http.after_chunks", lambda s: BODY % s.other + b"Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nabcd\r\n0\r\nT: v\r\n\r\n"
     + get(s.host))
sent("http.after_crlf", lambda s: allowed(s, 1) + b"\r\n\r\n" + get(s.host))
sent("http.first_crlf", lambda s: b"\r\n\r\n" + get(s.host))


@case("http.after_long_body")
def _(s):
    c = s.conn(80).open()
    c.client(BODY % s.other + b"Content-Length: 30000\r\n\r\n")
    for _ in range(30):
        c.client(b"y" * 1000)
    c.answer(HTTP_OK)
    c.client(get(s.host))


@case("http.after_continue")
def _(s):
    c = s.conn(80).open()
    c.client(BODY % s.other + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    c.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
    c.client(b"abcd")
    c.answer(HTTP_OK)
    c.client(get(s.host))


@case("http.after_expectation_failed")
def _(s):
    # the server refuses the body, the client sends a request in its place; its length says that it is the body
    c = s.conn(80).open()
    c.client(BODY % s.other + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    c.answer(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
    c.client(b"abcd" + get(s.host))


# ---- two names --------------------------------------------------------------------------------------------------------

def heads(*hosts, target=b"/", more=b""):
    return b"GET " + target + b" HTTP/1.1\r\n" + b"".join(b"Host: " + h + b"\r\n" for h in hosts) + more + b"\r\n"


sent("http.two_hosts", lambda s: heads(s.other, s.host))
sent("http.two_hosts_swapped", lambda s: heads(s.host, s.other))
sent("http.absolute_denied", lambda s: heads(s.other, target=b"http://" + s.host + b"/"))
sent("http.absolute_allowed", lambda s: heads(s.host, target=b"http://" + s.other + b"/"))
sent("http.absolute_no_host", lambda s: heads(target=b"http://" + s.host + b"/"))
sent("http.absolute_port", lambda s: heads(s.other, target=b"http://" + s.host + b":8080/x"))
sent("http.absolute_upper", lambda s: heads(s.other, target=b"HTTP://" + s.host.upper() + b"/"))
sent("http.absolute_userinfo", lambda s: heads(s.other, target=b"http://" + s.other + b"@" + s.host + b"/"))
sent("http.absolute_https", lambda s: heads(s.other, target=b"https://" + s.host + b"/"))
sent("http.absolute_escaped", lambda s: heads(s.other, target=b"http://%%%02x" % s.host[0] + s.host[1:] + b"/"))
sent("http.host_upper", lambda s: heads(s.host.upper()))
sent("http.host_port", lambda s: heads(s.host + b":8080"))
sent("http.host_dot", lambda s: heads(s.host + b"."))
sent("http.host_dot_port", lambda s: heads(s.host + b".:80"))
sent("http.host_userinfo", lambda s: heads(s.other + b"@" + s.host))
sent("http.host_escaped", lambda s: heads(b"%%%02x" % s.host[0] + s.host[1:]))
sent("http.host_address", lambda s: heads(s.address))
sent("http.host_tab", lambda s: b"GET / HTTP/1.1\r\nHost:\t" + s.host + b"\t\r\n\r\n")
sent("http.host_no_space", lambda s: b"GET / HTTP/1.1\r\nHost:" + s.host + b"\r\n\r\n")
sent("http.host_case", lambda s: b"GET / HTTP/1.1\r\nhOsT: " + s.host + b"\r\n\r\n")
sent("http.host_late", lambda s: b"GET / HTTP/1.1\r\n" + b"X-Filler: abcdefghij\r\n" * 300 + b"Host: " + s.host + b"\r\n\r\n")
sent("http.host_last_of_100k", lambda s: b"GET / HTTP/1.1\r\nX: " + b"a" * 1200 + b"\r\nHost: " + s.host + b"\r\n\r\n")
sent("http.host_folded", lambda s: b"GET / HTTP/1.1\r\nHost:\r\n " + s.host + b"\r\n\r\n", closes=True)
sent("http.host_folded_behind", lambda s: b"GET / HTTP/1.1\r\nHost: " + s.other + b"\r\n " + s.host + b"\r\n\r\n", closes=True)
sent("http.host_space_colon", lambda s: b"GET / HTTP/1.1\r\nHost: " + s.other + b"\r\nHost : " + s.host + b"\r\n\r\n", closes=True)
sent("http.host_space_first", lambda s: b"GET / HTTP/1.1\r\n Host: " + s.host + b"\r\nHost: " + s.other + b"\r\n\r\n", closes=True)
sent("http.host_nul", lambda s: heads(s.host + b"\0." + s.other), closes=True)
sent("http.host_nul_first", lambda s: heads(s.other + b"\0" + s.host), closes=True)
sent("http.host_bare_cr", lambda s: b"GET / HTTP/1.1\r\nHost: " + s.other + b"\rHost: " + s.host + b"\r\n\r\n", closes=True)
sent("http.host_bare_lf", lambda s: b"GET / HTTP/1.1\nHost: " + s.host + b"\n\n", closes=True)
sent("http.host_comma", lambda s: heads(s.other + b", " + s.host), default="allow")
sent("http.host_in_line", lambda s: b"GET / HTTP/1.1 Host: " + s.host + b"\r\nHost: " + s.other + b"\r\n\r\n", default="allow")
sent("http.version_1_0", lambda s: get(s.host, version=b"HTTP/1.0"))
sent("http.version_1_9", lambda s: get(s.host, version=b"HTTP/1.9"))
sent("http.method_own", lambda s: get(s.host, method=b"FROBNICATE"))
sent("http.method_lower", lambda s: get(s.host, method=b"get"))
sent("http.line_tabs", lambda s: b"GET\t/\tHTTP/1.1\r\nHost: " + s.host + b"\r\n\r\n")
sent("http.line_spaces", lambda s: b"GET   /   HTTP/1.1\r\nHost: " + s.host + b"\r\n\r\n")
sent("http.version_0_9", lambda s: b"GET http://" + s.host + b"/\r\n")
sent("http.version_0_9_path", lambda s: b"GET " + s.path + b"\r\n", default="allow")
sent("http.version_0_9_scheme", lambda s: b"GET HTTP://" + s.host + b"\n")
sent("http.host_wide", lambda s: get(s.wide), default="allow")
sent("http.host_wide_percent", lambda s: get("".join(f"%{b:02x}" for b in s.wide).encode()), default="allow")
sent("http.port_443", lambda s: get(s.host), port=443)
sent("http.port_22", lambda s: get(s.host), port=22)
sent("http.port_53", lambda s: get(s.host), port=53)


# ---- requests inside of requests: the first is allowed, what follows is its body or not, by who reads -------------------

SMUGGLED = {
    "cl_te": b"Content-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te_cl": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two_lengths": b"Content-Length: 0\r\nContent-Length: 300\r\n\r\n",
    "two_lengths_swapped": b"Content-Length: 300\r\nContent-Length: 0\r\n\r\n",
    "length_list": b"Content-Length: 0, 300\r\n\r\n",
    "length_plus": b"Content-Length: +0\r\n\r\n",
    "length_hex": b"Content-Length: 0x0\r\n\r\n",
    "length_negative": b"Content-Length: -1\r\n\r\n",
    "length_space": b"Content-Length: 3 00\r\n\r\n",
    "length_huge": b"Content-Length: 18446744073709551616\r\n\r\n",
    "length_bare_lf": b"X: y\nContent-Length: 300\r\n\r\n",
    "length_folded": b"X: y\r\n Content-Length: 300\r\n\r\n",
    "length_space_colon": b"Content-Length : 300\r\n\r\n",
    "length_bare_cr": b"X: y\rContent-Length: 300\r\n\r\n",
    "length_nul": b"Content-Length: 300\0\r\n\r\n",
    "length_underscore": b"X: y\r\n\tContent-Length: 300\r\n\r\n",
    "coding_spelled": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding_tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "coding_twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding_quoted": b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "coding_folded": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "chunk_hex": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk_huge": b"Transfer-Encoding: chunked\r\n\r\n100000000000000000\r\n\r\n",
    "chunk_lf": b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "chunk_extension_lf": b"Transfer-Encoding: chunked\r\n\r\n2;x\nab\r\n0\r\n\r\n",
    "chunk_no_crlf": b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    "chunk_negative": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk_space": b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
}
for trick, framing in SMUGGLED.items():
    sent(f"http.smuggled.{trick}", lambda s, framing=framing: BODY % s.other + framing + get(s.host), closes=True)

    @case(f"http.smuggled.{trick}.later", closes=True)
    def _(s, framing=framing):
        c = s.conn(80).open()
        c.client(allowed(s, 1))
        c.answer(HTTP_OK)
        c.client(BODY % s.other + framing)
        c.client(get(s.host))


# RFC 9112 6.3: by its version or its method a message has no body that the other reader sees
sent("http.smuggled.get_with_body", lambda s: get(s.other, more=b"Content-Length: 0\r\n") + get(s.host))
sent("http.smuggled.te_1_0", lambda s: b"POST / HTTP/1.0\r\nHost: " + s.other + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
     + get(s.host), closes=True)


# ---- spellings of a path ------------------------------------------------------------------------------------------------

PATHS = {
    "plain": lambda p: p,
    "query": lambda p: p + b"?x=/a",
    "fragment": lambda p: p + b"#x",
    "below": lambda p: p + b"/deeper",
    "slash": lambda p: p + b"/",
    "escaped": lambda p: b"/%%%02x" % p[1] + p[2:],
    "escaped_upper": lambda p: b"/%%%02X" % p[1] + p[2:],
    "escaped_all": lambda p: b"/" + b"".join(b"%%%02x" % c for c in p[1:]),
    "escaped_slash": lambda p: b"/%2f" + p[1:],
    "double_slash": lambda p: b"/" + p,
    "many_slashes": lambda p: b"///" + p,
    "dot": lambda p: b"/." + p,
    "dots": lambda p: b"/x/.." + p,
    "dots_first": lambda p: b"/../.." + p,
    "dots_escaped": lambda p: b"/x/%2e%2e" + p,
    "dot_inside": lambda p: p + b"/../" + p[1:],
    "parameters": lambda p: p + b";v=1",
    "parameters_before": lambda p: b"/x;v=1/.." + p,
    "parameters_on_dots": lambda p: b"/x/..;" + p,
    "backslash": lambda p: b"\\" + p[1:],
    "absolute": lambda p: b"http://nothing.example" + p,
    "absolute_slash": lambda p: b"http://nothing.example/" + p,
    "userinfo": lambda p: b"http://nothing.example/b@c/.." + p,
}
for spelling, spell in PATHS.items():
    sent(f"http.path.{spelling}", lambda s, spell=spell: get(s.other, spell(s.path)))


# ---- what follows Upgrade -----------------------------------------------------------------------------------------------

def upgrade(to, host):
    return get(host, more=b"Upgrade: " + to + b"\r\nConnection: Upgrade\r\n")


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"


@case("http.upgrade.tls")
def _(s):
    c = s.conn(80).open()
    c.client(upgrade(b"TLS/1.2", s.other))
    c.answer(SWITCHED)
    c.client(tls(s.host))


@case("http.upgrade.h2c_then_hello")
def _(s):
    c = s.conn(80).open()
    c.client(upgrade(b"h2c", s.other))
    c.answer(SWITCHED)
    c.client(tls(s.host))


for to in (b"h2c", b"websocket", b"TLS/1.2"):
    @case(f"http.upgrade.refused.{to.decode().lower().replace('/', '_')}")
    def _(s, to=to):
        # the server goes on with HTTP
        c = s.conn(80).open()
        c.client(upgrade(to, s.other))
        c.answer(HTTP_OK)
        c.client(get(s.host))

    @case(f"http.upgrade.unanswered.{to.decode().lower().replace('/', '_')}")
    def _(s, to=to):
        # the next request is there before the server refuses
        c = s.conn(80).open()
        c.client(upgrade(to, s.other))
        c.client(get(s.host))
        c.answer(HTTP_OK, ack=c.next[1])
        c.answer(HTTP_OK, ack=c.next[1])
