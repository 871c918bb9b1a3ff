# SPDX-License-Identifier: BSD-3-Clause
"""Every link type and every encapsulation that decap reads: the same inner datagram, each time from another address, must
be found as a flow, with what was around it. What only looks like a tunnel stays what it is."""
from packets import *

B, OA, OB, OA6, OB6 = "10.0.0.2", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"


def inner(n):
    return ip4(f"10.0.1.{n}", B, udp(40000, 2000, b"inside"))


def inner6(n):
    return ip6(f"2001:db8:1::{n}", OB6, udp(40000, 2000, b"inside"))


def flow(n, v=4):
    return {"field": "flow", "value": 1,
            "tuple": ["udp", f"10.0.1.{n}", 40000, B, 2000] if v == 4 else ["udp", f"2001:db8:1::{n}", 40000, OB6, 2000]}


def found(n, v=4, **facts):
    tuple_ = flow(n, v)["tuple"]
    return [flow(n, v)] + [{"field": k.replace("_", "."), "value": x, "tuple": tuple_}
                           for k, xs in facts.items() for x in (xs if isinstance(xs, list) else [xs])]


def outer(what, number=None):
    return eth(ip4(OA, OB, what, number=number))


def gre(kind, payload, flags=0, optional=b""):
    return proto(47, struct.pack("!HH", flags, kind) + optional + payload)


def mpls(*labels):
    return b"".join(struct.pack("!I", label << 12 | (n == len(labels) - 1) << 8 | 64) for n, label in enumerate(labels))


def gtp(payload, flags=0x30, optional=b""):
    return struct.pack("!BBHI", flags, 255, len(optional) + len(payload), 99) + optional + payload


def l2tp(ppp, flags=0x0002, optional=b""):
    return struct.pack("!H", flags) + optional + ppp


def wlan(kind, flags, more=b""):
    return struct.pack("!BB2s18s2s", kind, flags, bytes(2), bytes(18), b"\x10\x00") + more


def frame(n):
    return eth(inner(n))


SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"
PPP4 = b"\xff\x03\x00\x21"
VPN = {"outer_ip": [OA, OB]}


def case(frames, facts, **more):
    return {"frames": frames, "drops": {}, "facts": facts, "same": True, **more}


def one_link(link, frames, facts, **more):
    return case(frames, facts, link=link, **more)


CASES = {
    "link_null": one_link(0, [struct.pack("<I", 2) + inner(1), struct.pack(">I", 2) + inner(2), struct.pack("<I", 30) + inner6(3),
                              struct.pack("<I", 24) + inner6(4)], found(1) + found(2) + found(3, 6) + found(4, 6)),
    "link_loop": one_link(108, [struct.pack(">I", 2) + inner(1), struct.pack(">I", 28) + inner6(2)], found(1) + found(2, 6)),
    "link_ppp": one_link(9, [PPP4 + inner(1), b"\x00\x21" + inner(2), b"\x21" + inner(3), b"\x00\x57" + inner6(4),
                             b"\x0f\x00\x08\x00" + inner(5), b"\x02\x81" + mpls(16) + inner(6),
                             b"\xff\x03\xc0\x21\x01\x01\x00\x04"],
                         found(1) + found(2) + found(3) + found(4, 6) + found(5) + found(6), counters={"other_l2": 1}),
    "link_chdlc": one_link(104, [b"\x0f\x00\x08\x00" + inner(1), b"\x8f\x00\x80\x35" + bytes(18)], found(1),
                           counters={"other_l2": 1}),
    "link_raw": one_link(101, [inner(1), inner6(2)], found(1) + found(2, 6)),
    "link_sll": one_link(113, [struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x0800) + inner(1),
                               struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x8100) + tag(5, inner6(2))],
                         found(1) + found(2, 6, vlan=5)),
    "link_sll2": one_link(276, [struct.pack("!HHIHBB8s", 0x86DD, 0, 1, 1, 0, 6, bytes(8)) + inner6(1)], found(1, 6)),
    "link_ipv4": one_link(228, [inner(1)], found(1)),
    "link_ipv6": one_link(229, [inner6(1)], found(1, 6)),

    "tags": case(
        [eth(tag(100, inner(1)), kind=0x8100), eth(tag(200, tag(0xA000 | 7, inner(2)), kind=0x88A8, inner=0x8100), kind=0x88A8),
         eth(tag(1, tag(2, tag(3, inner6(3)), inner=0x9200), inner=0x9100), kind=0x9100),
         # LLC and SNAP with padding behind, also under a tag
         eth(b"\xaa\xaa\x03\0\0\0\x08\0" + inner(4) + bytes(6), kind=8 + len(inner(4))),
         eth(tag(9, b"\xaa\xaa\x03\0\0\0\x08\0" + inner(5), inner=8 + len(inner(5))), kind=0x8100),
         # 802.1ah, FabricPath, VNTag
         eth(struct.pack("!HHI", 77, 0x88E7, 0x00012345) + frame(6), kind=0x88A8),
         eth(b"\x0c\x40" + frame(7), kind=0x8903), eth(bytes(4) + b"\x08\x00" + inner(8), kind=0x8926),
         eth(bytes(6) + b"\x08\x00" + inner(9), kind=0x893F), eth(b"\x06\x06\x03" + inner(10), kind=3 + len(inner(10))),
         # a security group; NSH with its fixed metadata, and with a length but none
         eth(struct.pack("!BBHHH", 1, 1, 1, 77, 0x0800) + inner(11), kind=0x8909),
         eth(struct.pack("!BBBBI", 0x0F, 0xC6, 1, 1, 0x00002AFF) + bytes(16) + inner(12), kind=0x894F),
         eth(struct.pack("!BBBBI", 0x0F, 0xC2, 2, 3, 0x00002AFF) + frame(13), kind=0x894F)],
        found(1, vlan=100) + found(2, vlan=[200, 7]) + found(3, 6, vlan=[1, 2, 3]) + found(4) + found(5, vlan=9)
        + found(6, vlan=77) + found(7) + found(8) + found(9) + found(10) + found(11) + found(12) + found(13)),
    "tags_of_one_flow": case(
        # under the tenant's tag a flow has two stacks in turn; a third is not said
        [eth(tag(7, tag(vlan, l3), inner=0x8100), kind=0x8100) for vlan in (300, 50, 300, 51)
         for l3 in (inner(1), ip4("10.0.1.2", B, tcp(40000, 2000)))],
        found(1, vlan=[7, 300, 50]) + [{"field": "vlan", "value": v, "tuple": ["tcp", "10.0.1.2", 40000, B, 2000]}
                                       for v in (7, 300, 50)], no_facts=[{"field": "vlan", "value": 51}]),
    "mpls": case(
        [eth(mpls(16) + inner(1), kind=0x8847), eth(mpls(16, 17, 18) + inner6(2), kind=0x8848),
         # pseudowires with and without control word; a control channel is not IP
         eth(mpls(16, 17) + bytes(4) + frame(3), kind=0x8847), eth(mpls(16) + frame(4), kind=0x8847),
         eth(mpls(16) + b"\x10\x00\x00\x07" + bytes(8), kind=0x8847), outer(proto(137, mpls(16) + inner(5)))],
        found(1) + found(2, 6) + found(3) + found(4) + found(5, **VPN), counters={"other_l2": 1}),
    "pppoe": case(
        [eth(struct.pack("!BBHH", 0x11, 0, 1, 2 + len(inner(1))) + b"\x00\x21" + inner(1) + bytes(4), kind=0x8864),
         eth(struct.pack("!BBHH", 0x11, 0, 1, 2 + len(inner6(2))) + b"\x00\x57" + inner6(2), kind=0x8864),
         eth(struct.pack("!BBHH", 0x11, 9, 0, 4) + bytes(4), kind=0x8863)],
        found(1) + found(2, 6), counters={"other_l2": 1}),

    "gre": case(
        [outer(gre(0x0800, inner(1))), outer(gre(0x86DD, inner6(2), 0x2000, b"\0\0\0\5")),
         outer(gre(0x0800, inner(3), 0xB000, bytes(4) + b"\0\0\0\5" + b"\0\0\0\1")), outer(gre(0x6558, frame(4))),
         outer(gre(0x0800, inner(5), 0x4000, bytes(4) + b"\x08\x00\x00\x04" + bytes(4) + bytes(4))),
         outer(gre(0x880B, PPP4 + inner(6), 0x3081, struct.pack("!HHII", 4 + len(inner(6)), 1, 1, 1))),
         outer(gre(0x883E, bytes(4) + inner(7))), outer(gre(0x8847, mpls(99) + inner(8))),
         outer(gre(0x880B, b"", 0x2081, struct.pack("!HHI", 0, 1, 1))), outer(gre(0, b"")),
         eth(ip6(OA6, OB6, gre(0x0800, inner(9))))],
        found(1, **VPN) + found(2, 6, **VPN) + found(3, **VPN) + found(4, **VPN) + found(5, **VPN) + found(6, **VPN)
        + found(7, **VPN) + found(8, **VPN) + found(9, outer_ip=[OA6, OB6])),
    "gre_wlan": case(
        # what access points tunnel to their controller: plain, QoS with HT control, between two of a network; encrypted and
        # empty data are nobody's; of several in one the first is read
        [outer(gre(0x8200, wlan(0x08, 0x01) + SNAP + inner(1))), outer(gre(0x8210, wlan(0x88, 0x82, bytes(6)) + SNAP + inner(2))),
         outer(gre(0x9000, wlan(0x08, 0x03, bytes(6)) + SNAP + inner(3))), outer(gre(0x8200, wlan(0x08, 0x41) + SNAP + inner(4))),
         outer(gre(0x8200, wlan(0x48, 0x01))),
         outer(gre(0x8200, wlan(0x88, 0x01, b"\x80\0") + b"".join(
             bytes(12) + struct.pack("!H", 8 + len(inner(n))) + SNAP + inner(n) + bytes(-(22 + len(inner(n))) % 4) for n in (5, 6)))),
         eth(ip4(OA, OB, udp(50000, 4754, struct.pack("!HHI", 0x2000, 0x0800, 7) + inner(7)))),
         eth(ip4(OA, "192.0.2.9", udp(50000, 4754, b"no tunnel at all, just bytes")))],
        found(1, **VPN) + found(2, **VPN) + found(3, **VPN) + found(5, **VPN) + found(7, **VPN)
        + [{"field": "decap.deeper", "value": 1}, {"field": "flow", "value": 1, "tuple": ["udp", OA, 50000, "192.0.2.9", 4754]}],
        no_facts=[flow(4), flow(6)], counters={"decap_depth": 1}),
    "erspan": case(
        [outer(gre(0x88BE, frame(1))), outer(gre(0x88BE, struct.pack("!HHI", 0x1000, 1, 0) + frame(2), 0x1000, bytes(4))),
         outer(gre(0x22EB, struct.pack("!HHIHH", 0x2000, 1, 0, 0, 0) + frame(3), 0x1000, bytes(4))),
         outer(gre(0x22EB, struct.pack("!HHIHH", 0x2000, 1, 0, 0, 1) + bytes(8) + frame(4), 0x1000, bytes(4))),
         # the mirror shortened the frame and says so
         outer(gre(0x88BE, struct.pack("!HHI", 0x1000, 0x0401, 0) + frame(5)[:-4], 0x1000, bytes(4)))],
        found(1, **VPN) + found(2, **VPN) + found(3, **VPN) + found(4, **VPN) + found(5, **VPN), counters={"frames_cut": 1}),
    "ip_in_ip": case(
        [outer(inner(1), 4), outer(inner6(2), 41), eth(ip6(OA6, OB6, inner(3), next_header=4)),
         eth(ip6(OA6, OB6, inner6(4), next_header=41)), outer(b"\x30\x00" + frame(5), 97)],
        found(1, **VPN) + found(2, 6, **VPN) + found(3, outer_ip=[OA6, OB6]) + found(4, 6, outer_ip=[OA6, OB6])
        + found(5, **VPN)),
    "ip_in_ip_deep": case(
        # four layers are looked at, the fifth passes unread
        [eth(ip4("1.1.1.1", "1.1.1.2", ip4("2.2.2.1", "2.2.2.2", ip4("3.3.3.1", "3.3.3.2", inner(1), number=4), number=4), number=4)),
         eth(ip4("1.1.1.1", "1.1.1.2", ip4("2.2.2.1", "2.2.2.2", ip4("3.3.3.1", "3.3.3.2", ip4("4.4.4.1", "4.4.4.2", inner(2),
             number=4), number=4), number=4), number=4))],
        found(1, outer_ip=["1.1.1.1", "2.2.2.2", "3.3.3.1"]), no_facts=[flow(2)], counters={"decap_depth": 1}),
    "vxlan": case(
        [outer(udp(5000, 4789, vxlan(77, frame(1)))), outer(udp(5000, 8472, vxlan(78, eth(inner6(2))))),
         outer(udp(5000, 4790, struct.pack("!II", 0x0C000001, 79 << 8) + inner(3))),
         outer(udp(5000, 4790, struct.pack("!II", 0x08000001, 84 << 8) + inner(7))),
         outer(udp(5000, 4789, vxlan(80, eth(tag(6, inner(4)), kind=0x8100)), csum_is=0)),
         # VXLAN in VXLAN; a length that is left to the network card; bytes that are none
         outer(udp(5000, 4789, vxlan(81, outer(udp(5001, 4789, vxlan(82, frame(5))))))),
         outer(udp(5000, 4789, vxlan(83, eth(ip4("10.0.1.6", B, udp(40000, 2000, b"inside"), total=0))))),
         eth(ip4(OA, "192.0.2.9", udp(50000, 4789, b"no tunnel at all, just bytes")))],
        found(1, vni=77, **VPN) + found(2, 6, vni=78, **VPN) + found(3, vni=79) + found(4, vni=80, vlan=6)
        + found(5, vni=[81, 82]) + found(6, vni=83) + found(7, vni=84) + [{"field": "flow", "value": 1, "tuple": ["udp", OA, 50000, "192.0.2.9", 4789]}]),
    "vxlan_transport": case(
        [outer(udp(5000, 4789, vxlan(77, frame(1)))), outer(udp(5000, 4789, vxlan(78, eth(tag(6, inner(2)), kind=0x8100))))],
        found(1) + found(2, vlan=6), no_facts=[{"field": "vni", "value": 77}], args=["--transport", "vxlan"]),
    "geneve": case(
        [outer(udp(5000, 6081, geneve(90, frame(1)))), outer(udp(5000, 6081, geneve(91, inner(2), kind=0x0800))),
         outer(udp(5000, 6081, geneve(92, frame(3), options=struct.pack("!HBBI", 0x0101, 0x85, 1, 5) + struct.pack("!HBB", 9, 9, 0)))),
         # an option that does not fit, and version 1: UDP
         outer(udp(50000, 6081, geneve(93, frame(4), options=struct.pack("!HBBI", 0x0101, 5, 9, 5)))),
         outer(udp(50001, 6081, b"\x40" + geneve(94, frame(5))[1:]))],
        found(1, vni=90, **VPN) + found(2, vni=91) + found(3, vni=92), no_facts=[flow(4), flow(5)]),
    "gwlb": case(
        # two endpoints with the same addresses: two flows; an option of the three is missing: no transport; inside another
        # tunnel: traffic
        [outer(udp(5000, 6081, geneve(0, inner(1), gwlb_options(0x0ABBCCDD11223344), kind=0x0800))),
         outer(udp(5000, 6081, geneve(0, inner(1), gwlb_options(0x0ABBCCDD11223355), kind=0x0800))),
         outer(udp(5000, 6081, geneve(0, inner6(2), gwlb_options(7), kind=0x86DD))),
         outer(udp(5000, 6081, geneve(5, inner(3), gwlb_options(7)[:-8], kind=0x0800))),
         outer(ip4("1.1.1.1", "1.1.1.2", udp(5000, 6081, geneve(6, inner(4), gwlb_options(7), kind=0x0800))), 4)],
        found(1, **VPN) + found(2, 6) + found(3, vni=5) + found(4, vni=6),
        # outer flows: of frames 4, and 5 twice
        counters={"flows": 5 + 3}),
    "gtp": case(
        [outer(udp(2152, 2152, gtp(inner(1)))), outer(udp(2152, 2152, gtp(inner6(2), 0x32, b"\0\1\0\0"))),
         outer(udp(2152, 2152, gtp(inner(3), 0x34, b"\0\0\0\x85" + b"\x01\x10\x09\x00"))),
         # an echo request; a length that does not fit
         eth(ip4(OA, "192.0.2.9", udp(52152, 2152, b"\x32\x01\x00\x04" + bytes(8)))),
         eth(ip4(OA, "192.0.2.9", udp(52153, 2152, b"\x30\xff\xff\x00" + bytes(4) + inner(4))))],
        found(1, **VPN) + found(2, 6, **VPN) + found(3, **VPN), no_facts=[flow(4)]),
    "teredo": case(
        [outer(udp(50000, 3544, inner6(1))), outer(udp(3544, 50000, b"\0\0" + bytes(6) + inner6(2))),
         outer(udp(3544, 50000, b"\0\1\x04\x02" + bytes(4 + 2 + 9) + b"\0\0" + bytes(6) + inner6(3))),
         outer(udp(50000, 3544, b"\x60 is not enough"))],
        found(1, 6, **VPN) + found(2, 6, **VPN) + found(3, 6, **VPN)),
    "ayiya": case([outer(udp(50000, 5072, b"\x41\x52\x11\x29" + bytes(4 + 16 + 20) + inner6(1)))], found(1, 6, **VPN)),
    "l2tp": case(
        [outer(udp(1701, 1701, l2tp(PPP4 + inner(1), optional=b"\0\1\0\2"))),
         outer(udp(1701, 1701, l2tp(b"\x00\x57" + inner6(2), 0x4A02, struct.pack("!HHHHHHH", 68, 1, 2, 3, 4, 2, 0)))),
         outer(udp(1701, 1701, l2tp(PPP4 + b"\xc0\x21\x01\x01\x00\x04", optional=b"\0\1\0\3")))],
        found(1, **VPN) + found(2, 6, **VPN)),
}
