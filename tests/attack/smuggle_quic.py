# SPDX-License-Identifier: BSD-3-Clause
"""A name in a QUIC hello: scattered over frames and packets, behind decoys, after Retry, moved to other ports, of other
versions. Packets are shorter than RFC 9000 14.1 wants, so that they can be enciphered in Python for every case."""
import struct

from aead import crypto, initial
from book import Book
from payload import client_hello
from handshakes import extension
from scene import GONE, SAME

CASES = Book()
case = CASES.case
ID, OTHER_ID, THEIRS = b"\1\2\3\4\5\6\7\x08", b"\xa1\2\3\4\5\6\7\x08", b"\xee\2\3\4\5\6\7\x08"
V2, D29 = 0x6B3343CF, 0xFF00001D
QUIC = extension(43, b"\2\3\4") + extension(16, b"\0\3\2h3") + extension(57, b"\4\1\5")


def said(host):
    return client_hello(host, after=QUIC)


def cuts(data, size):
    return [crypto(data, i, min(i + size, len(data))) for i in range(0, len(data), size)]


def retry(dcid, scid):
    """a Retry packet; its tag is for the client to check"""
    return b"\xf0\0\0\0\1" + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid + b"token" + bytes(16)


def zero_rtt(dcid, n=60, version=1):
    kind = 0xD0 if version != V2 else 0xE0
    return bytes([kind]) + struct.pack("!IB", version, len(dcid)) + dcid + b"\0" + struct.pack("!H", 0x4000 | n) + bytes(n)


def short(dcid):
    return b"\x43" + dcid + bytes(range(40))


def whole(name, packet, port=443, **marks):
    @case(f"quic.{name}", **marks)
    def _(s):
        s.udp(packet(s), port)


whole("one_packet", lambda s: initial(crypto(said(s.host)), ID))
whole("padded", lambda s: initial(crypto(said(s.host)), ID, pad=1150))
whole("odd_port", lambda s: initial(crypto(said(s.host)), ID), port=8443)
whole("on_port_53", lambda s: initial(crypto(said(s.host)), ID), port=53)
whole("version_2", lambda s: initial(crypto(said(s.host)), ID, version=V2))
whole("draft_29", lambda s: initial(crypto(said(s.host)), ID, version=D29))
whole("id_of_twenty", lambda s: initial(crypto(said(s.host)), bytes(range(20))))
whole("with_token", lambda s: initial(crypto(said(s.host)), ID, token=b"t" * 40))
whole("frames_of_one", lambda s: initial(b"".join(cuts(said(s.host), 1)), ID))
whole("frames_reversed", lambda s: initial(b"".join(reversed(cuts(said(s.host), 7))), ID))
whole("frames_between", lambda s: initial(b"\1\0\0\1".join(cuts(said(s.host), 9)), ID))
whole("frames_overlapping", lambda s: initial(b"".join(crypto(said(s.host), i, i + 20) for i in range(0, len(said(s.host)), 10)), ID))
whole("frames_twice", lambda s: initial(b"".join(c + c for c in cuts(said(s.host), 11)), ID))
whole("ack_before", lambda s: initial(b"\2\0\0\0\0" + crypto(said(s.host)), ID))
whole("coalesced", lambda s: b"".join(initial(c, ID, number=n) for n, c in enumerate(cuts(said(s.host), 60))))
whole("coalesced_with_0rtt", lambda s: initial(crypto(said(s.host)), ID) + zero_rtt(ID))
whole("0rtt_first", lambda s: zero_rtt(ID) + initial(crypto(said(s.host)), ID))
whole("junk_behind", lambda s: initial(crypto(said(s.host)), ID) + b"\0" * 100)


@case("quic.frames_shuffled")
def _(s):
    frames = cuts(said(s.host), 5)
    s.random.shuffle(frames)
    s.udp(initial(b"".join(frames), ID))


for order in ("in_order", "reversed", "shuffled"):
    @case(f"quic.packets_{order}")
    def _(s, order=order):
        packets = [initial(c, ID, number=n) for n, c in enumerate(cuts(said(s.host), 25))]
        if order == "reversed":
            packets.reverse()
        if order == "shuffled":
            s.random.shuffle(packets)
        for p in packets:
            s.udp(p)


@case("quic.packets_again")
def _(s):
    packets = [initial(c, ID, number=n) for n, c in enumerate(cuts(said(s.host), 70))]
    for p in packets + packets:
        s.udp(p)


@case("quic.packets_late")
def _(s):
    for n, c in enumerate(cuts(said(s.host), 70)):
        s.udp(initial(c, ID, number=n))
        s.wait(2.5)


@case("quic.0rtt_before_and_behind")
def _(s):
    # 0-RTT of a connection whose hello is not whole yet goes with it
    a, *rest = cuts(said(s.host), 80)
    s.udp(zero_rtt(ID))
    s.udp(initial(a, ID) + zero_rtt(ID))
    for n, c in enumerate(rest):
        s.udp(initial(c, ID, number=n + 1))
        s.udp(zero_rtt(ID))


@case("quic.decoy.before")
def _(s):
    # another hello under the same id; its receiver may have lost it
    s.udp(initial(crypto(said(s.other)), ID))
    s.udp(initial(crypto(said(s.host)), ID, number=1), twin=GONE)


@case("quic.decoy.behind")
def _(s):
    s.udp(initial(crypto(said(s.host)), ID))
    s.udp(initial(crypto(said(s.other)), ID, number=1), twin=GONE)


@case("quic.decoy.in_one_packet", default="allow", loose=True)
def _(s):
    s.udp(initial(crypto(said(s.other)) + crypto(said(s.host)), ID))


@case("quic.decoy.in_one_datagram", default="allow", loose=True)
def _(s):
    s.udp(initial(crypto(said(s.other)), ID) + initial(crypto(said(s.host)), ID, number=1))


@case("quic.decoy.only_the_name", default="allow", loose=True)
def _(s):
    # the first two thirds truly, then falsely, then the rest: pieces that overlap where the name stands
    real, false = said(s.host), said(s.other)
    at = real.find(s.host)
    s.udp(initial(crypto(real, 0, at), ID))
    s.udp(initial(crypto(false, at, at + 15), ID, number=1), ttl=1)
    s.udp(initial(crypto(real, at, at + 15), ID, number=2))
    s.udp(initial(crypto(real, at + 15), ID, number=3))


@case("quic.decoy.wrong_tag", default="allow")
def _(s):
    # its receiver cannot open it
    s.udp(initial(crypto(said(s.other)), ID)[:-1] + b"!")
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.decoy.other_id")
def _(s):
    s.udp(initial(crypto(said(s.other)), OTHER_ID))
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.decoy.unknown_version", default="allow")
def _(s):
    # the server answers it with a list of versions
    false = initial(crypto(said(s.other)), ID)
    s.udp(false[:1] + b"\x1a\x2a\x3a\x4a" + false[5:])
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.retry")
def _(s):
    # the hello is repeated, under new keys
    s.udp(initial(crypto(said(s.host)), ID, b"mine"))
    s.udp(retry(b"mine", THEIRS), side=2)
    for n, c in enumerate(reversed(cuts(said(s.host), 40))):
        s.udp(initial(c, THEIRS, b"mine", token=b"token", number=n + 1))


@case("quic.retry.other_hello")
def _(s):
    # what differs from the hello that was judged does not leave
    s.udp(initial(crypto(said(s.other)), ID, b"mine"))
    s.udp(retry(b"mine", THEIRS), side=2)
    s.udp(initial(crypto(said(s.host)), THEIRS, b"mine", token=b"token", number=1), twin=GONE)


@case("quic.retry.other_hello_in_pieces")
def _(s):
    s.udp(initial(crypto(said(s.other)), ID, b"mine"))
    s.udp(retry(b"mine", THEIRS), side=2)
    for n, (c, old) in enumerate(reversed(list(zip(cuts(said(s.host), 40), cuts(said(s.other), 40))))):
        s.udp(initial(c, THEIRS, b"mine", token=b"token", number=n + 1), twin=SAME if c == old else GONE)


@case("quic.retry.unseen")
def _(s):
    # the Retry came another way: keys of an id that nobody has seen, and the client's own is the same
    s.udp(initial(crypto(said(s.other)), ID, b"mine"))
    s.udp(initial(crypto(said(s.host)), THEIRS, b"mine", token=b"token", number=1), twin=GONE)


@case("quic.server_chose_id")
def _(s):
    # the server's first answer gives a new id; the hello's second half goes to it, under the old keys
    a, b = cuts(said(s.host), (len(said(s.host)) + 1) // 2)
    s.udp(initial(a, ID, b"mine"))
    s.udp(initial(b"\2\0\0\0\0", b"mine", THEIRS, key_id=ID, server=True), side=2)
    s.udp(initial(b, THEIRS, b"mine", key_id=ID, number=1))


@case("quic.second_connection")
def _(s):
    # the same ports, another connection
    s.udp(initial(crypto(said(s.other)), ID))
    s.udp(initial(crypto(b"\2\0\0\0"), b"", THEIRS, key_id=ID, server=True), side=2)
    s.udp(short(THEIRS))
    s.udp(initial(crypto(said(s.host)), OTHER_ID))


@case("quic.after_many_connections")
def _(s):
    for n in range(12):
        s.udp(initial(crypto(said(s.other)), bytes([n]) * 8))
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.moved")
def _(s):
    # half of the hello from another port
    a, b = cuts(said(s.host), (len(said(s.host)) + 1) // 2)
    s.udp(initial(a, ID), sport=40000)
    s.udp(initial(b, ID, number=1), sport=40001)


@case("quic.version_changed", default="allow")
def _(s):
    # a version that the server does not know, its list, then one that it knows
    false = initial(crypto(said(s.other)), ID, b"mine")
    s.udp(false[:1] + b"\x1a\x2a\x3a\x4a" + false[5:])
    s.udp(b"\xc0\0\0\0\0\4mine\x08" + ID + struct.pack("!II", 1, V2), side=2)
    s.udp(initial(crypto(said(s.host)), ID, b"mine", version=V2))


@case("quic.fragments")
def _(s):
    from packets import udp
    packet = initial(crypto(said(s.host)), ID)
    for f in reversed(s.cut(udp(40000, 443, packet), [24, 48, 96])):
        s.put(f)



# ---- what a lenient server reads, and what lies before it ----------------------------------------------------------------

def wide(frame_kind, rest):
    """a frame whose type takes more bytes than it needs (RFC 9000 12.4: a receiver may refuse it, or not)"""
    return struct.pack("!H", 0x4000 | frame_kind) + rest


whole("type_of_two_bytes", lambda s: initial(wide(6, crypto(said(s.host))[1:]), ID))
whole("ping_of_two_bytes", lambda s: initial(wide(1, b"") * 3 + crypto(said(s.host)), ID))
whole("padding_first", lambda s: initial(bytes(900) + crypto(said(s.host)), ID))
whole("pings_600", lambda s: initial(b"\1" * 600 + crypto(said(s.host)), ID))
whole("acks_many", lambda s: initial(b"\2\0\0\0\0" * 80 + crypto(said(s.host)), ID))
whole("ack_of_ranges", lambda s: initial(b"\2\x40\x64\0\x05\0" + b"\1\1" * 5 + crypto(said(s.host)), ID))
whole("crypto_empty_first", lambda s: initial(b"\6\0\0" * 30 + crypto(said(s.host)), ID))
whole("close_behind", lambda s: initial(crypto(said(s.host)) + b"\x1c\0\0\0", ID))
whole("long_varints", lambda s: initial(b"\6\x80\0\0\0\x80" + len(said(s.host)).to_bytes(3, "big") + said(s.host), ID))
whole("coalesced_decoys_20", lambda s: b"".join(initial(b"\1" * 4, bytes([9, n]) * 4) for n in range(20)) + initial(crypto(said(s.host)), ID),
      default="allow")
whole("coalesced_undecipherable_20", lambda s: b"".join(initial(b"\1" * 4, ID)[:-1] + bytes([n]) for n in range(20))
      + initial(crypto(said(s.host)), ID), default="allow")
whole("coalesced_handshake_first", lambda s: b"\xe0\0\0\0\1\x08" + ID + b"\0\x40\x30" + bytes(48) + initial(crypto(said(s.host)), ID))
whole("no_source_id", lambda s: initial(crypto(said(s.host)), ID, b""))
whole("id_of_one", lambda s: initial(crypto(said(s.host)), b"\5"), default="allow")
whole("id_of_none", lambda s: initial(crypto(said(s.host)), b""), default="allow")
whole("dns_port", lambda s: initial(crypto(said(s.host)), ID), port=5353)
whole("port_0", lambda s: initial(crypto(said(s.host)), ID), port=0)


@case("quic.pings_5000", versions=(4,))
def _(s):
    # more frames than one would count, in a datagram of several fragments
    from packets import udp
    packet = initial(b"\1" * 5000 + crypto(said(s.host)), ID)
    for f in s.cut(udp(40000, 443, packet), [1400, 2800, 4200]):
        s.put(f)


@case("quic.half_then_other")
def _(s):
    # all but the last bytes of a hello, a whole one of another connection, then the rest
    data = said(s.host)
    s.udp(initial(crypto(data, 0, len(data) - 8), ID))
    s.udp(initial(crypto(said(s.other)), OTHER_ID))
    s.udp(initial(crypto(data, len(data) - 8), ID, number=1))


@case("quic.halves_of_many", loose=True)
def _(s):
    # halves of more connections than one five-tuple has
    data, false = said(s.host), said(s.other)
    s.udp(initial(crypto(data, 0, len(data) - 8), ID))
    for n in range(20):
        s.udp(initial(crypto(false, 0, len(false) - 8), bytes([n + 16]) * 8))
    s.udp(initial(crypto(data, len(data) - 8), ID, number=1))
    for n in range(20):
        s.udp(initial(crypto(false, len(false) - 8), bytes([n + 16]) * 8, number=1))


@case("quic.after_ack_only")
def _(s):
    # a decoy that carries no hello
    s.udp(initial(b"\2\0\0\0\0" + bytes(40), ID))
    s.udp(initial(crypto(said(s.host)), ID, number=1))


@case("quic.after_ping_other_port", default="allow")
def _(s):
    s.udp(initial(b"\1" + bytes(60), ID), sport=40001)
    s.udp(initial(crypto(said(s.host)), ID, number=1))


@case("quic.server_first")
def _(s):
    # the server's datagram is what the capture has first
    s.udp(initial(b"\2\0\0\0\0", b"mine", THEIRS, key_id=ID, server=True), side=2)
    s.udp(initial(crypto(said(s.host)), ID, b"mine"))


@case("quic.behind_other_protocol", default="allow")
def _(s):
    # the same ports, and it was DNS before
    from payload import dns
    s.udp(dns(s.other), 443)
    s.udp(dns(s.other, flags=0x8180), 443, side=2)
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.behind_junk", default="allow")
def _(s):
    for n in range(30):
        s.udp(bytes([n]) * 30)
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.behind_short_headers", default="allow")
def _(s):
    for n in range(30):
        s.udp(bytes([0x40 | n]) + ID + bytes(range(n, n + 30)))
    s.udp(initial(crypto(said(s.host)), ID))


@case("quic.second_hello_behind")
def _(s):
    # a HelloRetryRequest's second hello with another name, in the same CRYPTO stream
    first, second = said(s.other), said(s.host)
    s.udp(initial(crypto(first), ID))
    s.udp(initial(b"\6" + struct.pack("!HH", 0x4000 | len(first), 0x4000 | len(second)) + second, ID, number=1))
