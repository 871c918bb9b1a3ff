# SPDX-License-Identifier: BSD-3-Clause
"""A name smuggled below TCP and UDP: in fragments, behind header chains, in tunnels that users build."""
import struct

from book import Book
from packets import eth, geneve, ip4, ip6, proto, tcp, udp, vxlan
from payload import dns, get, tls
from scene import CLIENT, GONE, SAME, tunnel_end

CASES = Book()
case = CASES.case


def segment(s, data, at=0, **more):
    """a client's TCP segment with this data, on a connection that was opened"""
    return tcp(40000, 443, "PA", 1001 + at, 5001, data, **more)


def opened(s):
    s.conn(443).open()


def raw(s, what):
    """the bytes of a transport packet, sums made"""
    l3 = s.ip(what)
    return l3[20 if s.v == 4 else 40 :]


def fragment(s, body, begin, more, ident=7, number=6, **other):
    """one fragment by hand"""
    if s.v == 4:
        return s.ip(proto(number, body), off=begin, more=more, ident=ident, **other)
    if "ttl" in other:
        other["hops"] = other.pop("ttl")
    head = struct.pack("!BBHI", number, 0, begin | more, ident)
    return ip6(s.client, s.server, head + body, next_header=44, **other)


# ---- fragments --------------------------------------------------------------------------------------------------------

LAYOUTS = {"in_order": lambda f: f, "reversed": lambda f: f[::-1], "last_first": lambda f: f[-1:] + f[:-1],
           "odd_then_even": lambda f: f[1::2] + f[::2]}
for layout, ordered in LAYOUTS.items():
    @case(f"fragments.tcp.{layout}")
    def _(s, ordered=ordered):
        opened(s)
        for f in ordered(s.cut(segment(s, tls(s.host)), [24, 64, 80, 88])):
            s.put(f)

    @case(f"fragments.dns.{layout}")
    def _(s, ordered=ordered):
        for f in ordered(s.cut(udp(40000, 53, dns(s.host)), [8, 16, 24, 32])):
            s.put(f)


@case("fragments.tiny.tcp_ports")
def _(s):
    # 8 bytes of TCP in the first: ports and a number, no flags (RFC 1858)
    opened(s)
    for f in s.cut(segment(s, tls(s.host)), [8, 24]):
        s.put(f, GONE)


@case("fragments.tiny.tcp_flags")
def _(s):
    opened(s)
    for f in s.cut(segment(s, tls(s.host)), [16]):
        s.put(f, GONE)


@case("fragments.tiny.eight_bytes")
def _(s):
    # a whole TCP header, then pieces of eight
    opened(s)
    body = segment(s, tls(s.host))
    for f in s.cut(body, range(24, len(raw(s, body)), 8)):
        s.put(f)


@case("fragments.tiny.options_cut")
def _(s):
    # the header is 40 bytes, the first fragment 24
    opened(s)
    for f in s.cut(segment(s, tls(s.host), options=b"\1" * 20), [24]):
        s.put(f, GONE)


def overlapping(kind, real_first, number):
    def story(s):
        what = (segment(s, tls(s.host)), segment(s, tls(s.other))) if number == 6 else (
            udp(40000, 53, dns(s.host)), udp(40000, 53, dns(s.other)))
        real, false = raw(s, what[0]), raw(s, what[1])
        place = next(i for i in range(24 if number == 6 else 9, len(real)) if real[i] != false[i]) & ~7
        # the sum must fit the real bytes, whichever piece brings it
        false = real[:20] + false[20:] if number == 6 else real[:8] + false[8:]
        a, b = place, min(place + 16, len(real) - 1 & ~7)
        second = {"same": (a, b), "before": (a - 8, b - 8), "behind": (a + 8, b + 8), "around": (a - 8, b + 8),
                  "inside": (a, b - 8)}[kind]
        spoiled = real[: second[0]] + false[slice(*second)] + real[second[1] :]
        x, y = (real, false) if real_first else (spoiled, real)
        pieces = [(x, a, b), (y, *second), (real, 0, a), (real, b, len(real))]
        if number == 6:
            opened(s)
        for bytes_, begin, end in pieces:
            end = min(end, len(real))
            s.put(fragment(s, bytes_[begin:end], begin, end < len(real), number=number), GONE)

    return story


for number, l4 in ((6, "tcp"), (17, "dns")):
    for kind in ("same", "before", "behind", "around", "inside"):
        for real_first in (True, False):
            case("fragments.overlap.%s.%s.%s" % (l4, kind, "real_first" if real_first else "real_last"))(
                overlapping(kind, real_first, number))


@case("fragments.copy")
def _(s):
    # an exact copy of one that is held is dropped alone (RFC 8200 4.5)
    opened(s)
    a, b, c = s.cut(segment(s, tls(s.host)), [64, 96])
    s.put(a)
    s.put(b)
    s.put(b, GONE)
    s.put(c)


@case("fragments.copy_after_whole")
def _(s):
    # the whole is through, and then its last fragment comes again, with other bytes before it: a datagram never whole
    opened(s)
    parts = s.cut(segment(s, tls(s.host)), [64])
    for f in parts:
        s.put(f)
    s.put(parts[1], GONE)


@case("fragments.ttl_decoy")
def _(s):
    # the same place twice, the false one does not get there: an overlap
    opened(s)
    real, false = (s.cut(segment(s, tls(n)), [24, 96]) for n in (s.host, s.other))
    s.put(real[0], GONE)
    s.put(s.cut(segment(s, tls(s.other)), [24, 96], **({"ttl": 1} if s.v == 4 else {}))[1], GONE)
    s.put(real[1], GONE)
    s.put(real[2], GONE)
    assert false


@case("fragments.timed_out_decoy")
def _(s):
    # half of another datagram of the same identification, long ago
    opened(s)
    s.put(s.cut(segment(s, tls(s.other)), [64])[0], GONE)
    s.wait(70)
    for f in s.cut(segment(s, tls(s.host)), [64]):
        s.put(f)


@case("fragments.other_ident")
def _(s):
    opened(s)
    s.put(s.cut(segment(s, tls(s.other)), [64], ident=8)[1], GONE)
    for f in s.cut(segment(s, tls(s.host)), [64]):
        s.put(f)


@case("fragments.of_rewritten")
def _(s):
    # the segment was sent before with another name, which does not get there; now in fragments, which cannot be rewritten
    c = s.conn(443).open()
    c.client(tls(s.other), ip={"ttl": 1})
    for f in s.cut(segment(s, tls(s.host)), [64]):
        s.put(f, GONE)


@case("fragments.checksum_decoy")
def _(s):
    opened(s)
    for f in s.cut(segment(s, tls(s.other), csum_is=0x1234), [64], ident=9):
        s.put(f, GONE)
    for f in s.cut(segment(s, tls(s.host)), [64]):
        s.put(f)


@case("fragments.segments")
def _(s):
    # every segment of 24 bytes in two fragments
    opened(s)
    data = tls(s.host)
    for n, i in enumerate(range(0, len(data), 24)):
        for f in s.cut(segment(s, data[i : i + 24], i), [24], ident=n + 1):
            s.put(f)


@case("fragments.atomic", versions=(6,))
def _(s):
    # a fragment header around a whole packet (RFC 6946)
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body, 0, False))


@case("fragments.header_behind", versions=(6,))
def _(s):
    # destination options behind the fragment header
    opened(s)
    body = b"\6\0\1\4\0\0\0\0" + raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:64], 0, True, number=60))
    s.put(fragment(s, body[64:], 64, False, number=60))


@case("fragments.chain_in_second", versions=(6,))
def _(s):
    # the first fragment ends in the header chain (RFC 7112)
    opened(s)
    body = b"\6\1\1\x0c" + bytes(12) + raw(s, segment(s, tls(s.host)))
    s.put(fragment(s, body[:16], 0, True, number=60), GONE)
    s.put(fragment(s, body[16:], 16, False, number=60), GONE)


# ---- header chains ----------------------------------------------------------------------------------------------------

def pad(n, following):
    """an options header of 8 (n + 1) bytes, padded with PadN"""
    return bytes([following, n, 1, 4 + 8 * n]) + bytes(4 + 8 * n)


def routing(following):
    """type 4 without segments left"""
    return bytes([following, 0, 4, 0]) + bytes(4)


CHAINS = {
    "hop_by_hop": (0, lambda: pad(0, 6)),
    "destination": (60, lambda: pad(0, 6)),
    "long": (60, lambda: pad(20, 6)),
    "three": (0, lambda: pad(0, 60) + pad(1, 43) + routing(6)),
    "twice": (60, lambda: pad(0, 60) + pad(2, 6)),
    "six": (0, lambda: pad(0, 60) + pad(0, 43) + routing(60) + pad(0, 60) + pad(0, 60) + pad(0, 6)),
}
for chain, (first, headers) in CHAINS.items():
    @case(f"chain.{chain}.tcp", versions=(6,))
    def _(s, first=first, headers=headers):
        opened(s)
        s.put(ip6(s.client, s.server, segment(s, tls(s.host)), next_header=first, chain=headers()))

    @case(f"chain.{chain}.syn_too", versions=(6,))
    def _(s, first=first, headers=headers):
        # every packet of the connection
        for what in (tcp(40000, 80, "S", 1000), tcp(40000, 80, "A", 1001, 5001), tcp(40000, 80, "PA", 1001, 5001, get(s.host))):
            s.put(ip6(s.client, s.server, what, next_header=first, chain=headers()))


OPTIONS = {"nop": b"\1\1\1\1", "router_alert": b"\x94\4\0\0", "timestamp": b"\x44\4\5\0", "record_route": b"\7\7\4\0\0\0\0\0",
           "source_route": b"\x83\7\x08\x0a\0\0\1\0", "forty": b"\1" * 40}
for option, content in OPTIONS.items():
    @case(f"chain.option.{option}", versions=(4,))
    def _(s, content=content):
        opened(s)
        s.put(s.ip(segment(s, tls(s.host)), options=content))


@case("chain.authentication")
def _(s):
    # AH without a check of it
    opened(s)
    body = raw(s, segment(s, tls(s.host)))
    ah = struct.pack("!BBHII", 6, 4, 0, 1, 1) + bytes(12)
    s.put(s.ip(proto(51, ah + body)))


# ---- tunnels that users build -----------------------------------------------------------------------------------------

def outer(s, what, number=None, side=CLIENT):
    ends = [tunnel_end(s.number, x, s.v) for x in ((1, 2) if side == CLIENT else (2, 1))]
    if s.v == 4:
        return ip4(*ends, what, number=number)
    return ip6(*ends, what, next_header=number)


def gtp(l3):
    return struct.pack("!BBHI", 0x30, 255, len(l3), 99) + l3


def of_ip(l3):
    return 0x0800 if l3[0] >> 4 == 4 else 0x86DD


TUNNELS = {
    "gre": lambda s, l3: outer(s, proto(47, struct.pack("!HH", 0, of_ip(l3)) + l3)),
    "gre_key": lambda s, l3: outer(s, proto(47, struct.pack("!HHII", 0x3000, of_ip(l3), 5, 1) + l3)),
    "gre_ethernet": lambda s, l3: outer(s, proto(47, b"\0\0\x65\x58" + eth(l3))),
    "ip_in_ip": lambda s, l3: outer(s, l3, number=4 if l3[0] >> 4 == 4 else 41),
    "vxlan": lambda s, l3: outer(s, udp(5000, 4789, vxlan(9, eth(l3)))),
    "vxlan_no_sum": lambda s, l3: outer(s, udp(5000, 4789, vxlan(9, eth(l3)), csum_is=0)),
    "geneve": lambda s, l3: outer(s, udp(5000, 6081, geneve(9, eth(l3)))),
    "geneve_options": lambda s, l3: outer(s, udp(5000, 6081, geneve(9, l3, struct.pack("!HBBI", 0x0101, 0, 1, 5), of_ip(l3)))),
    "gtp": lambda s, l3: outer(s, udp(2152, 2152, gtp(l3))),
}


def talk(s, data, port=443):
    return [s.ip(tcp(40000, port, "S", 1000)), s.ip(tcp(port, 40000, "SA", 5000, 1001), 2), s.ip(tcp(40000, port, "A", 1001, 5001)),
            s.ip(tcp(40000, port, "PA", 1001, 5001, data[:50])), s.ip(tcp(40000, port, "PA", 1051, 5001, data[50:]))]


for tunnel, through in TUNNELS.items():
    @case(f"tunnel.{tunnel}.tls")
    def _(s, through=through):
        for l3 in talk(s, tls(s.host)):
            s.put(through(s, l3))

    @case(f"tunnel.{tunnel}.dns")
    def _(s, through=through):
        s.put(through(s, s.ip(udp(40000, 53, dns(s.host)))))

    @case(f"tunnel.{tunnel}.fragments_inside")
    def _(s, through=through):
        for f in s.cut(udp(40000, 53, dns(s.host)), [8, 24]):
            s.put(through(s, f))


@case("tunnel.fragments_outside")
def _(s):
    # the tunnel's packets in fragments, two inside each other
    from packets import ip4_fragments, ip6_fragments
    cut = ip4_fragments if s.v == 4 else ip6_fragments
    ends = [tunnel_end(s.number, x, s.v) for x in (1, 2)]
    for n, l3 in enumerate(talk(s, tls(s.host))):
        for f in cut(*ends, udp(5000, 4789, vxlan(9, eth(l3))), [32, 64], n + 1):
            s.put(f)


def deep(s, l3, layers):
    for n in range(layers - 1):
        l3 = (TUNNELS["gre"], TUNNELS["ip_in_ip"])[n % 2](s, l3)
    return l3


for layers in (2, 3, 4, 5, 6, 9):
    @case(f"tunnel.depth.{layers}", policy=layers > 4)
    def _(s, layers=layers):
        # beyond four layers of IP the fail mode decap_depth is closed (corridor.md 9)
        for l3 in talk(s, tls(s.host)):
            s.put(deep(s, l3, layers), SAME if layers <= 4 else GONE)


@case("tunnel.half")
def _(s):
    # the hello's halves: one in a tunnel, one beside it
    frames = talk(s, tls(s.host))
    for l3 in frames[:4]:
        s.put(l3)
    s.put(TUNNELS["gre"](s, frames[4]))
