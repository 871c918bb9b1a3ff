# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled past the way in which TCP connections begin and end: several SYNs, both ends opening at once, a handshake of four,
data in every segment of it, resets beside the window, data behind and before a FIN, the edges of timestamps and windows. After
Ptacek and Newsham (1998), INTANG (IMC 2017), lib-erate (IMC 2017), Geneva (CCS 2019), SymTCP (NDSS 2020)."""
from book import Book
from payload import HTTP_OK, server_hello
from scene import GONE, SERVER
from smuggle_tcp import MD5, at, cut, stamps

CASES = Book()
case = CASES.by_carrier


# ---- beginnings -------------------------------------------------------------------------------------------------------

@case("begin.two_syns.first_answered")
def _(s, port, says):
    # a SYN with another number goes ahead, and dies on its way
    c = s.conn(port)
    s.put(c.segment(1, "S", 0x00800000, ip={"ttl": 1}))
    c.open().client(says(s.host))


@case("begin.two_syns.decoy_behind")
def _(s, port, says):
    # the second SYN is out of the server's window: a challenge
    c = s.conn(port)
    s.put(c.segment(1, "S", 0))
    s.put(c.segment(1, "S", 0x00800000, ip={"ttl": 1}))
    c.synack()
    c.client(flags="A")
    c.client(says(s.host))


@case("begin.two_syns.decoy_talks", default="allow", loose=True)
def _(s, port, says):
    # INTANG: a whole false connection that only the box sees, before the true one on the same ports
    d = s.conn(port, isn=0x00800000)
    s.put(d.segment(1, "S", 0, ip={"ttl": 2}))
    s.put(d.segment(1, "PA", 0, says(s.other), ip={"ttl": 2}))
    c = s.conn(port).open()
    c.client(says(s.host))


@case("begin.syn_behind_handshake")
def _(s, port, says):
    # Geneva, TCB desync: a SYN with another number after the handshake
    c = s.conn(port).open()
    s.put(c.segment(1, "S", 0x00800000, ip={"ttl": 1}))
    c.client(says(s.host))


@case("begin.syn_data_behind_handshake", default="allow", loose=True)
def _(s, port, says):
    c = s.conn(port).open()
    s.put(c.segment(1, "S", 0x00800000, says(s.other), ip={"ttl": 1}))
    c.client(says(s.host))


@case("begin.synack_of_client")
def _(s, port, says):
    # Geneva 8: the client's SYN|ACK with a wrong acknowledgement
    c = s.conn(port).open()
    s.put(c.segment(1, "SA", 0, ip={"ttl": 1}))
    c.client(says(s.host))


@case("begin.synack_of_client_first", default="allow", loose=True)
def _(s, port, says):
    # who began? The client's SYN|ACK comes before its SYN
    c = s.conn(port)
    s.put(c.segment(1, "SA", 0x00800000, ip={"ttl": 1}))
    c.open().client(says(s.host))


@case("begin.synack_data")
def _(s, port, says):
    c = s.conn(port)
    s.put(c.segment(1, "S", 0))
    s.put(c.segment(SERVER, "SA", 0, b"hello"))
    c.client(flags="A")
    c.client(says(s.host))


@case("begin.both_open")
def _(s, port, says):
    # simultaneous open (RFC 9293 3.5): SYN, SYN, SYN|ACK, SYN|ACK
    c = s.conn(port)
    s.put(c.segment(1, "S", 0))
    s.put(c.segment(SERVER, "S", 0))
    s.put(c.segment(1, "SA", 0))
    s.put(c.segment(SERVER, "SA", 0))
    c.said(*cut(says(s.host), 30))


@case("begin.split")
def _(s, port, says):
    # split handshake: the server says ACK, then SYN; the client SYN|ACK
    c = s.conn(port)
    s.put(c.segment(1, "S", 0))
    s.put(c.segment(SERVER, "A", 0))
    s.put(c.segment(SERVER, "S", 0))
    s.put(c.segment(1, "SA", 0))
    s.put(c.segment(SERVER, "A", 0))
    c.said(*cut(says(s.host), 30))


@case("begin.data_before_ack")
def _(s, port, says):
    # the third segment of the handshake carries data
    c = s.conn(port)
    c.syn()
    c.synack()
    c.said(*cut(says(s.host), 40))


@case("begin.data_before_synack")
def _(s, port, says):
    # behind the SYN, the answer not awaited, as after a cookie (RFC 7413): ACKs nothing
    c, data = s.conn(port), says(s.host)
    c.syn(data[:10], options=b"\1\1\x22\x0aabcdefgh")
    c.synack(ack=10)
    c.client(data[10:])


@case("begin.other_isn_after_rst")
def _(s, port, says):
    c = s.conn(port).open()
    c.client(flags="R", ip={"ttl": 1})
    c.client(says(s.host))


@case("begin.server_first")
def _(s, port, says):
    # the capture has the server's part first
    c, data = s.conn(port), says(s.host)
    s.put(c.segment(SERVER, "SA", 0))
    s.put(c.segment(1, "S", 0))
    c.client(flags="A")
    c.client(data)


@case("begin.ack_only_then_data")
def _(s, port, says):
    # midstream, the server's side first
    c, data = s.conn(port), says(s.host)
    s.put(c.segment(SERVER, "A", 0))
    c.said(*cut(data, 16))


@case("begin.midstream_reversed")
def _(s, port, says):
    c, data = s.conn(port), says(s.host)
    for i, p in reversed(at(data, 30)):
        c.client(p, at=i)


@case("begin.midstream_message_before", carriers=("http", "dns"), default="allow", loose=True)
def _(s, port, says):
    # two messages, the second first: where it begins, a first one may have been
    c, before = s.conn(port), says(s.host)
    c.client(says(s.other), at=len(before))
    c.client(before, at=0)


@case("begin.midstream_after_answer", carriers=("tls", "http"), default="allow")
def _(s, port, says):
    c, data = s.conn(port), says(s.host)
    c.answer(HTTP_OK)
    c.said(*cut(data, 30))


@case("begin.syn_ece_cwr")
def _(s, port, says):
    # ECN's handshake (RFC 3168 6.1.1)
    c = s.conn(port)
    s.put(c.segment(1, "SEC", 0))
    s.put(c.segment(SERVER, "SAE", 0))
    c.client(flags="A")
    c.client(says(s.host))


@case("begin.syn_psh_urg")
def _(s, port, says):
    # a SYN with odd flags is one all the same
    c = s.conn(port)
    s.put(c.segment(1, "SP", 0))
    c.synack()
    c.client(flags="A")
    c.client(says(s.host))


@case("begin.syn_twice_data_differs", default="allow", loose=True)
def _(s, port, says):
    c, data = s.conn(port), says(s.host)
    c.syn(says(s.other)[:24])
    c.next[1] = 0
    s.put(c.segment(1, "S", 0))
    c.synack()
    c.client(data, at=0)


# ---- ends -------------------------------------------------------------------------------------------------------------

@case("finish.rst_in_window_then_data")
def _(s, port, says):
    # RFC 5961 3.2: in the window but not at its left edge, a challenge
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:10])
    c.answer(flags="A", ack=10)
    c.client(flags="R", at=11)
    c.answer(flags="A", ack=10)
    c.client(data[10:])


@case("finish.rst_ack_wrong_ack")
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:10])
    c.client(flags="RA", at=9, ack=-70000)
    c.client(data[10:])


@case("finish.rst_with_data", default="allow", loose=True)
def _(s, port, says):
    # bytes of a RST are a message to people
    c = s.conn(port).open()
    c.client(says(s.other), flags="RA", at=0, ip={"ttl": 1})
    c.client(says(s.host), at=0)


@case("finish.rst_many")
def _(s, port, says):
    # blind resets over the window
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:10])
    for k in range(1, 20):
        c.client(flags="R", at=10 + k * 400)
    c.client(data[10:], at=10)


@case("finish.fin_before_data", default="allow", loose=True)
def _(s, port, says):
    # the FIN overtakes what it ends
    c, data = s.conn(port).open(), says(s.host)
    c.client(flags="FA", at=len(data))
    for i, p in at(data, 20):
        c.client(p, at=i)


@case("finish.fin_twice_differs", default="allow", loose=True)
def _(s, port, says):
    # two ends, at two places
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:12], flags="FPA", at=0, ip={"ttl": 1})
    c.client(data, flags="FPA", at=0)


@case("finish.half_closed_by_server")
def _(s, port, says):
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:12])
    c.answer(flags="FA", ack=12)
    c.client(flags="A")
    c.said(*cut(data[12:], 20))


@case("finish.server_fin_then_all", carriers=("tls", "http"))
def _(s, port, says):
    # the server closes after the first exchange, and reads on
    c = s.conn(port).open()
    c.client(says(s.other))
    c.answer(server_hello() if port == 443 else HTTP_OK, flags="FPA", ack=c.next[1])
    c.client(flags="A")
    c.client(says(s.host))


@case("finish.server_rst_far")
def _(s, port, says):
    # a reset in the server's name whose number is beside
    c, data = s.conn(port).open(), says(s.host)
    c.client(data[:12])
    s.put(c.segment(SERVER, "RA", 0x10000000), GONE)
    c.said(*cut(data[12:], 20))


# ---- the edges of windows, timestamps and acknowledgements ----------------------------------------------------------

@case("edge.stamp_equal")
def _(s, port, says):
    c = s.conn(port, options=lambda: stamps(77)).open()
    c.said(*cut(says(s.host), 25))


@case("edge.stamp_wraps")
def _(s, port, says):
    value = [0xFFFFFFFD]

    def ticking():
        value[0] = value[0] + 1 & 0xFFFFFFFF
        return stamps(value[0])

    c = s.conn(port, options=ticking).open()
    c.said(*cut(says(s.host), 10))


@case("edge.stamp_one_older")
def _(s, port, says):
    # older by one than that of the SYN
    c = s.conn(port, options=lambda: stamps(1000)).open()
    c.client(says(s.other), options=stamps(999), twin=GONE, at=0)
    c.client(says(s.host), at=0)


@case("edge.stamp_half_round")
def _(s, port, says):
    # 2^31 ahead is behind
    c = s.conn(port, options=lambda: stamps(1000)).open()
    c.client(says(s.other), options=stamps(1000 + (1 << 31) + 5), twin=GONE, at=0)
    c.client(says(s.host), at=0)


@case("edge.stamp_only_here", default="allow", loose=True)
def _(s, port, says):
    # a stamp on a connection that agreed on none: ignored by its receiver
    c = s.conn(port).open()
    c.client(says(s.other), options=stamps(1), at=0, ip={"ttl": 1})
    c.client(says(s.host), at=0)


@case("edge.small_window", default="allow", loose=True)
def _(s, port, says):
    # the server takes 20 bytes; what goes beyond it throws away
    c, real, false = s.conn(port), says(s.host), says(s.other)
    s.put(c.segment(1, "S", 0))
    s.put(c.segment(SERVER, "SA", 0, window=20))
    c.client(flags="A")
    c.client(false[20:], at=20)
    c.client(real[:20], at=0)
    c.answer(flags="A", ack=20, window=8192)
    c.client(real[20:], at=20)


@case("edge.scale_of_one_side", default="allow", loose=True)
def _(s, port, says):
    # only the client offers a scale: none is in use
    c, real, false = s.conn(port), says(s.host), says(s.other)
    s.put(c.segment(1, "S", 0, options=b"\3\3\x0e\0"))
    s.put(c.segment(SERVER, "SA", 0, window=64))
    c.client(flags="A")
    c.client(false[64:] or false[-1:], at=64)
    c.client(real, at=0)


@case("edge.acknowledged_head", carriers=("tls", "http"), default="allow", loose=True)
def _(s, port, says):
    # acknowledged bytes come again, differing, in one segment with new ones
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    n = real.find(s.host) + 5
    c.client(real[:n], at=0)
    c.answer(flags="A", ack=n)
    c.client(false[:n] + real[n:], at=0)


@case("edge.acknowledged_part", carriers=("tls", "http"), default="allow", loose=True)
def _(s, port, says):
    # the server has half of it, and takes the rest of a copy that differs throughout
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    n = real.find(s.host)
    c.client(real[:n] + false[n:], at=0)
    c.answer(flags="A", ack=n)
    c.client(real, at=0)


@case("edge.ack_of_future", default="allow", loose=True)
def _(s, port, says):
    # an ACK in the server's name for what the client has not sent yet
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    c.client(false[:10], at=0, ip={"ttl": 1})
    s.put(c.segment(SERVER, "A", 0, ack=5000))
    c.client(real, at=0)


@case("edge.overlap_of_two_holes", default="allow", loose=True)
def _(s, port, says):
    # one segment over two holes and what lies between, differing there
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    n = real.find(s.host)
    c.client(false[n : n + 4], at=n)
    c.client(false[n + 8 : n + 12], at=n + 8)
    c.client(real, at=0)


@case("edge.bytes_one_by_one_twice", carriers=("tls", "http"), default="allow", loose=True)
def _(s, port, says):
    # every byte twice, false and true in turn, from the last to the first
    c, real, false = s.conn(port).open(), says(s.host), says(s.other)
    for i in reversed(range(len(real))):
        c.client(false[i : i + 1], at=i)
        c.client(real[i : i + 1], at=i)


@case("edge.long_silence")
def _(s, port, says):
    # within a message, 100 seconds; then the name
    c, data = s.conn(port).open(), says(s.host)
    s.wait(100)
    c.client(data)


@case("edge.silence_after_exchange", carriers=("tls", "http"))
def _(s, port, says):
    # an idle connection, and then another hello or request on it
    c = s.conn(port).open()
    c.client(says(s.other))
    c.answer(server_hello() if port == 443 else HTTP_OK)
    s.wait(4000)
    c.client(says(s.host))


for options, name in ((b"\2\4\5\xb4\1\3\3\7", "usual"), (b"\xfe\4\1\1", "experiment"), (b"\1\1\1\2", "cut"), (b"\5\x0a" + bytes(8) + b"\1\1", "sack"),
                      (b"\x08\1\0\0", "length_one"), (b"\x1e\4\0\0", "multipath"), (b"\0\1\2\3", "end_then_more")):
    @case(f"option.{name}")
    def _(s, port, says, options=options):
        c, data = s.conn(port).open(), says(s.host)
        for p in cut(data, 30):
            c.client(p, options=options)


@case("option.md5_of_all", carriers=("tls", "http"))
def _(s, port, says):
    c = s.conn(port, options=lambda: MD5).open()
    c.said(*cut(says(s.host), 30))


@case("option.reserved_bits", carriers=("tls", "http"))
def _(s, port, says):
    # the four bits between offset and flags
    c, data = s.conn(port).open(), says(s.host)
    n = len(data) // 2
    c.client(data[:n], doff=5)
    c.client(data[n:])
