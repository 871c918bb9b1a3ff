# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled by the shapes of packets: lengths that differ from what is there, headers that two readers end at other places,
versions and protocols that say one thing and are another, fragments at the edges."""
import struct

from book import Book
from packets import csum, icmp, icmp6, ip6, proto, sctp, tcp, udp
from payload import dns, get, tls
from scene import SAME
from smuggle_ip import fragment, opened, pad, raw, segment

CASES = Book("shape.")
case = CASES.case


def query(s, name, **more):
    return udp(40000, 53, dns(name), **more)


# ---- lengths ----------------------------------------------------------------------------------------------------------

@case("padding_behind_ip")
def _(s):
    # the frame is longer than the packet: another query behind it
    s.put(s.ip(query(s, s.host)) + dns(s.other))


@case("padding_hides", harmless=True)
def _(s):
    # the denied name only in what stands behind the packet
    s.put(s.ip(query(s, s.other)) + s.host)


@case("udp_shorter", default="allow", loose=True)
def _(s):
    # UDP's length is less than IP's: the rest is nobody's
    s.put(s.ip(udp(40000, 53, dns(s.host) + dns(s.other), length=8 + len(dns(s.host)))))


@case("udp_longer", loose=True, default="allow")
def _(s):
    s.put(s.ip(udp(40000, 53, dns(s.host), length=200)))


@case("udp_length_zero", loose=True, default="allow")
def _(s):
    s.put(s.ip(udp(40000, 53, dns(s.host), length=0)))


@case("udp_no_checksum", versions=(4,))
def _(s):
    s.put(s.ip(udp(40000, 53, dns(s.host), csum_is=0)))


@case("udp_no_checksum_6", versions=(6,), loose=True, default="allow")
def _(s):
    s.put(s.ip(udp(40000, 53, dns(s.host), csum_is=0)))


@case("udp_bad_checksum", loose=True, default="allow")
def _(s):
    s.udp(dns(s.other), 53)
    s.put(s.ip(udp(40000, 53, dns(s.host), csum_is=0x1234)))


@case("offset_beyond", loose=True, default="allow")
def _(s):
    # the data offset points behind the segment, then a good one
    opened(s)
    s.put(s.ip(segment(s, tls(s.other)[:8], doff=15)))
    s.put(s.ip(segment(s, tls(s.host))))


@case("offset_small", loose=True, default="allow")
def _(s):
    opened(s)
    s.put(s.ip(segment(s, tls(s.other), doff=4)))
    s.put(s.ip(segment(s, tls(s.host))))


@case("offset_hides", harmless=True, loose=True)
def _(s):
    # the name where options stand
    opened(s)
    s.put(s.ip(segment(s, b"", options=s.host + b"\0", doff=9)))


@case("total_shorter", versions=(4,), default="allow", loose=True)
def _(s):
    # IP's total length ends in the name
    opened(s)
    data = tls(s.host)
    n = 40 + data.find(s.host) + 4
    l3 = s.ip(segment(s, data))
    s.put(l3[:2] + struct.pack("!H", n) + l3[4:])
    s.put(s.ip(segment(s, data)))


@case("total_longer", loose=True, default="allow")
def _(s):
    # cut on its way, or a lie
    opened(s)
    l3 = s.ip(segment(s, tls(s.host)))
    if s.v == 4:
        l3 = s.ip(segment(s, tls(s.host)), total=len(l3) + 40)
    else:
        l3 = l3[:4] + struct.pack("!H", len(l3)) + l3[6:]
    s.put(l3)


# ---- what a packet says that it is --------------------------------------------------------------------------------------

@case("evil_bit", versions=(4,))
def _(s):
    # the reserved bit of the fragment field (RFC 3514)
    opened(s)
    l3 = bytearray(s.ip(segment(s, tls(s.host)), csum_is=0))
    l3[6] |= 0x80
    l3[10:12] = struct.pack("!H", csum(bytes(l3[:20])))
    s.put(bytes(l3))


@case("ttl_zero", loose=True, default="allow")
def _(s):
    opened(s)
    s.put(s.ip(segment(s, tls(s.host)), ttl=0))


@case("dscp_ecn")
def _(s):
    opened(s)
    for i, p in enumerate((tls(s.host)[:40], tls(s.host)[40:])):
        l3 = bytearray(s.ip(segment(s, p, 40 * i)))
        if s.v == 4:
            l3[1] = 0xBB
            l3[10:12] = b"\0\0"
            l3[10:12] = struct.pack("!H", csum(bytes(l3[:20])))
        else:
            l3[0], l3[1] = 0x6B, 0xB5
        s.put(bytes(l3))


@case("flow_label_changes", versions=(6,))
def _(s):
    opened(s)
    for i, p in enumerate((tls(s.host)[:40], tls(s.host)[40:])):
        l3 = s.ip(segment(s, p, 40 * i))
        s.put(bytes([0x60, 1, 2, 3 + i]) + l3[4:])


@case("icmp_quotes", default="allow", loose=True)
def _(s):
    # an error in the server's name, that the connection is gone
    opened(s)
    quoted = s.ip(segment(s, b""))[: 28 if s.v == 4 else 48]
    what = icmp(3, 3, b"\0\0\0\0" + quoted) if s.v == 4 else icmp6(1, 4, b"\0\0\0\0" + quoted)
    s.put(s.ip(what, 2))
    s.put(s.ip(segment(s, tls(s.host))))


@case("jumbo", versions=(6,), loose=True, default="allow")
def _(s):
    # a jumbo option on a packet that is none (RFC 2675 3)
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    hop = b"\6\0\xc2\4" + struct.pack("!I", 8 + len(body))
    s.put(ip6(s.client, s.server, hop + body, next_header=0, length=0))


OPTION_HEADERS = {"unknown_skip": (0x1E, SAME), "unknown_drop": (0x5E, SAME), "unknown_tell": (0x9E, SAME), "home_address": (0xC9, SAME)}
for header, (kind, twin) in OPTION_HEADERS.items():
    @case(f"destination.{header}", versions=(6,), loose=True)
    def _(s, kind=kind, twin=twin):
        opened(s)
        head = bytes([6, 0, kind, 4]) + bytes(4) if kind != 0xC9 else bytes([6, 2, kind, 16]) + bytes(16) + b"\1\2\0\0"
        s.put(ip6(s.client, s.server, head + raw(s, segment(s, tls(s.host))), next_header=60), twin)


@case("routing.left", versions=(6,), loose=True, default="allow")
def _(s):
    # type 0 with a segment left: not for this destination (RFC 5095)
    opened(s)
    head = bytes([6, 2, 0, 1]) + bytes(4) + bytes(16)
    s.put(ip6(s.client, s.server, head + raw(s, segment(s, tls(s.host))), next_header=43))


@case("routing.done", versions=(6,))
def _(s):
    opened(s)
    head = bytes([6, 2, 0, 0]) + bytes(4) + bytes(16)
    s.put(ip6(s.client, s.server, head + raw(s, segment(s, tls(s.host))), next_header=43))


@case("hop_by_hop.not_first", versions=(6,), loose=True, default="allow")
def _(s):
    opened(s)
    s.put(ip6(s.client, s.server, pad(0, 0) + pad(0, 6) + raw(s, segment(s, tls(s.host))), next_header=60))


for n in (8, 12, 30):
    @case(f"chain_of_{n}", versions=(6,), loose=True, default="allow")
    def _(s, n=n):
        opened(s)
        s.put(ip6(s.client, s.server, pad(0, 60) * (n - 1) + pad(0, 6) + raw(s, segment(s, tls(s.host))), next_header=60))


@case("options_full.nops", versions=(4,))
def _(s):
    for what in (tcp(40000, 80, "S", 1000), tcp(40000, 80, "A", 1001, 5001), tcp(40000, 80, "PA", 1001, 5001, get(s.host))):
        s.put(s.ip(what, options=b"\1" * 40))


# ---- fragments at the edges ------------------------------------------------------------------------------------------------

@case("fragments.empty_last", loose=True, default="allow")
def _(s):
    opened(s)
    body = raw(s, segment(s, tls(s.host), options=b""))
    body += bytes(-len(body) % 8)
    s.put(fragment(s, body, 0, True))
    s.put(fragment(s, b"", len(body), False))


@case("fragments.more_then_odd", loose=True, default="allow")
def _(s):
    # one that is not the last, of a length that is no multiple of eight
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:45], 0, True))
    s.put(fragment(s, body[48:], 48, False))
    s.put(fragment(s, body[40:48], 40, True))


@case("fragments.beyond_64k", versions=(4,), loose=True, default="allow")
def _(s):
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:48], 0, True))
    s.put(fragment(s, b"x" * 100, 65528, False))
    s.put(fragment(s, body[48:], 48, False))


@case("fragments.two_protocols", versions=(4,))
def _(s):
    # UDP and TCP under one identification: two datagrams (RFC 791 3.2)
    opened(s)
    a, b = s.cut(segment(s, tls(s.host)), [64]), s.cut(query(s, s.other), [16])
    for f in (a[0], b[0], a[1], b[1]):
        s.put(f)


@case("fragments.two_idents")
def _(s):
    # two datagrams, one in the other
    a, b = s.cut(query(s, s.other), [16], ident=8), s.cut(udp(40001, 53, dns(s.host)), [16], ident=9)
    for f in (a[0], b[1], a[1], b[0]):
        s.put(f)


@case("fragments.other_ttl", versions=(4,))
def _(s):
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:48], 0, True, ttl=64))
    s.put(fragment(s, body[48:], 48, False, ttl=9))


@case("fragments.other_next_header", versions=(6,), loose=True, default="allow")
def _(s):
    # the second one's next header says UDP: only the first one's counts (RFC 8200 4.5)
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:48], 0, True))
    s.put(fragment(s, body[48:], 48, False, number=17))


@case("fragments.atomic_decoy", versions=(6,), loose=True, default="allow")
def _(s):
    # an atomic one of the same identification stands alone (RFC 6946)
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:48], 0, True))
    s.put(fragment(s, raw(s, query(s, s.other)), 0, False, number=17))
    s.put(fragment(s, body[48:], 48, False))


@case("fragments.hop_by_hop_first", versions=(6,))
def _(s):
    # hop-by-hop in front of the fragment header
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    for x, y in ((0, 48), (48, len(body))):
        head = struct.pack("!BBHI", 6, 0, x | (y < len(body)), 7)
        s.put(ip6(s.client, s.server, pad(0, 44) + head + body[x:y], next_header=0))


@case("fragments.of_fragments", loose=True, default="allow", versions=(6,))
def _(s):
    # a fragment header inside of a fragment
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    inside = struct.pack("!BBHI", 6, 0, 0, 5) + body
    s.put(fragment(s, inside[:48], 0, True, number=44))
    s.put(fragment(s, inside[48:], 48, False, number=44))


@case("fragments.dont_fragment", versions=(4,))
def _(s):
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(s.ip(proto(6, body[:48]), off=0, more=True, ident=7, df=True))
    s.put(s.ip(proto(6, body[48:]), off=48, ident=7, df=True))


@case("fragments.of_syn_and_data")
def _(s):
    # every packet of a connection in fragments
    for n, what in enumerate((tcp(40000, 80, "S", 1000, options=b"\1" * 12), tcp(40000, 80, "A", 1001, 5001, options=b"\1" * 12),
                              tcp(40000, 80, "PA", 1001, 5001, get(s.host)))):
        for f in s.cut(what, [32] if n < 2 else [24, 40], ident=n + 1) if n == 2 else [s.ip(what)]:
            s.put(f)


@case("fragments.udp_eight")
def _(s):
    # the first has the UDP header and nothing else
    a, *rest = s.cut(query(s, s.host), [8])
    for f in (*rest, a):
        s.put(f)


@case("other_protocol.sctp", harmless=True, loose=True)
def _(s):
    s.put(s.ip(sctp(5000, 80)))


@case("udplite", harmless=True, loose=True)
def _(s):
    body = struct.pack("!HHHH", 40000, 53, 0, 0) + dns(s.other)
    s.put(s.ip(proto(136, body)))
