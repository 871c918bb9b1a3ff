# SPDX-License-Identifier: BSD-3-Clause
"""A name asked for by DNS: in pieces, with odd counts, behind pointers, on odd ports."""
import struct

from book import Book
from payload import dns, dns_head, framed, labels, question
from scene import GONE

CASES = Book()
case = CASES.case
TAIL = b"\0\1\0\1"


def asked(name, message, port=53, twin="same", **marks):
    @case(f"dns.{name}", **marks)
    def _(s):
        s.udp(message(s), port, twin=twin)


def mixed(name):
    return bytes(c ^ 32 if chr(c).isalpha() and i % 2 else c for i, c in enumerate(name))


asked("udp", lambda s: dns(s.host))
asked("below", lambda s: dns(b"www.deep." + s.host))
asked("mixed_case", lambda s: dns(mixed(s.host)))
asked("any", lambda s: dns_head() + question(s.host, 255))
asked("edns", lambda s: dns(s.host, tail=b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0), ar=1))
asked("https_record", lambda s: dns_head() + question(s.host, 65))
asked("not_recursive", lambda s: dns(s.host, flags=0))
asked("opcode_status", lambda s: dns(s.host, flags=0x1100), default="allow")
asked("opcode_notify", lambda s: dns(s.host, flags=0x2000), default="allow")
asked("checking_disabled", lambda s: dns(s.host, flags=0x0110))
asked("as_answer", lambda s: dns(s.host, flags=0x8180), default="allow")
for port in (5353, 5355, 443, 1053, 33000):
    asked(f"port_{port}", lambda s: dns(s.host), port)
asked("two_questions", lambda s: dns(s.other, s.host))
asked("two_questions_swapped", lambda s: dns(s.host, s.other))
asked("hidden_question", lambda s: dns(s.host, qd=0), twin=GONE)
asked("second_hidden", lambda s: dns(s.other, s.host, qd=1), default="allow")
asked("five_questions", lambda s: dns(s.other, s.other, s.other, s.other, s.host))
# a pointer in the second question, to the first one's end: as RFC 1035 4.1.4 has it; then those that point ahead, to no prior name
asked("pointer_back", lambda s: dns_head(2) + question(s.other) + b"\7" + s.host[:7] + b"\xc0\x14" + TAIL)
asked("pointer_ahead", lambda s: dns_head() + b"\xc0\x12" + TAIL + labels(s.host), twin=GONE)
asked("pointer_to_second", lambda s: dns_head(2) + b"\3www\xc0\x16" + TAIL + labels(s.host) + TAIL, twin=GONE)
asked("pointer_in_labels", lambda s: dns_head() + labels(s.host).split(b"\x07example")[0] + b"\xc0\x1a" + TAIL + b"\x07example\0", twin=GONE)
asked("pointer_into_header", lambda s: b"\x07\0" + dns_head()[2:] + b"\xc0\x12" + TAIL + labels(s.host), twin=GONE)
asked("pointer_loop", lambda s: dns_head(2) + b"\xc0\x0c" + TAIL + question(s.host), twin=GONE)
asked("name_in_additional", lambda s: dns(s.other, tail=labels(s.host) + struct.pack("!HHIH", 1, 1, 0, 4) + b"\1\2\3\4", ar=1),
      default="allow")


@case("dns.twice_of_one_port")
def _(s):
    s.udp(dns(s.other), 53)
    s.udp(dns(s.host), 53)


@case("dns.after_answers")
def _(s):
    for _ in range(3):
        s.udp(dns(s.other), 53)
        s.udp(dns(s.other, flags=0x8180), 53, side=2)
    s.udp(dns(s.host), 53)


@case("dns.tcp.pieces_of_length")
def _(s):
    c, data = s.conn(53).open(), framed(dns(s.host))
    c.said(data[:1], data[1:2], data[2:])


@case("dns.tcp.second")
def _(s):
    s.conn(53).open().client(framed(dns(s.other)) + framed(dns(s.host)))


@case("dns.tcp.second_in_pieces")
def _(s):
    c, data = s.conn(53).open(), framed(dns(s.other)) + framed(dns(s.host))
    for i in range(0, len(data), 9):
        c.client(data[i : i + 9])


@case("dns.tcp.later")
def _(s):
    c = s.conn(53).open()
    for _ in range(4):
        c.client(framed(dns(s.other)))
        c.answer(framed(dns(s.other, flags=0x8180)))
    c.client(framed(dns(s.host)))


@case("dns.tcp.301")
def _(s):
    # one segment, as offloading joins them
    s.conn(53).open().client(framed(dns(s.other)) * 300 + framed(dns(s.host)))


@case("dns.tcp.odd_port")
def _(s):
    c, data = s.conn(5300).open(), framed(dns(s.host))
    c.said(data[:7], data[7:20], data[20:])


@case("dns.tcp.length_longer")
def _(s):
    # 40 bytes of padding behind the question, inside of the message
    s.conn(53).open().client(framed(dns(s.host) + bytes(40)), twin=None)


@case("dns.tcp.two_questions")
def _(s):
    s.conn(53).open().client(framed(dns(s.other, s.host)))


@case("dns.tcp.hidden_question")
def _(s):
    s.conn(53).open().client(framed(dns(s.host, qd=0)), twin=GONE)


@case("dns.tcp.empty_first")
def _(s):
    # a message of no bytes before it
    s.conn(53).open().client(b"\0\0" + framed(dns(s.host)))


@case("dns.tcp.empty_first_alone")
def _(s):
    s.conn(53).open().said(b"\0\0", framed(dns(s.host)))
