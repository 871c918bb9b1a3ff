# SPDX-License-Identifier: BSD-3-Clause
"""Faults of link, IP and L4 headers: each beside a sound frame that must pass."""
import ipaddress

from packets import *

A, B, A6, B6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
SYN = eth(ip4(A, B, tcp(1000, 80)))
SOUND_UDP = eth(ip4(A, B, udp(1000, 2000, b"hello")))


def hop_by_hop(options, n=0, then=17):
    return bytes([then, n]) + options


def routed(kind, pointer, l4, summed=None):
    """To 192.0.2.77 next, then by a route to B; its L4 sum made for `summed`, or B."""
    route = b"\1" + bytes([kind, 11, pointer]) + ipaddress.ip_address("198.51.100.9").packed + ipaddress.ip_address(B).packed
    whole = ip4(A, summed or B, l4)
    return ip4(A, "192.0.2.77", whole[20:], options=route, number=l4.proto)


CASES = {
    "decap_truncated": {
        "frames": [SYN, eth(b"\x00\x05\x08", kind=0x8100), eth(b"\x11\x00\x00\x01\x00\x40\x00\x21" + SYN[14:], kind=0x8864)],
        "drops": {"DECAP_TRUNCATED": [2, 3]},
    },
    "decap_malformed": {
        # GRE version 5; PPPoE version 2; MPLS without a bottom in 17 labels
        "frames": [SYN, eth(ip4(A, B, proto(47, b"\x00\x05\x08\x00" + SYN[14:]))),
                   eth(b"\x21\x00\x00\x01\x00\x2a\x00\x21" + SYN[14:], kind=0x8864),
                   eth(b"\x00\x01\x00\x40" * 17 + b"\x00\x01\x01\x40" + SYN[14:], kind=0x8847)],
        "drops": {"DECAP_MALFORMED": [2, 3, 4]},
    },
    "parse_ip_truncated": {
        "frames": [SYN, SYN[:14 + 12], eth(ip6(A6, B6, udp(1, 2, b"x"))[:30], kind=0x86DD)],
        "drops": {"PARSE_IP_TRUNCATED": [2, 3]},
    },
    "parse_ip_malformed": {
        "frames": [SYN, eth(ip4(A, B, tcp(1000, 80), version=5), kind=0x0800), eth(ip4(A, B, tcp(1000, 80), ihl=4)),
                   eth(ip4(A, B, tcp(1000, 80), total=19)), eth(ip6(A6, B6, udp(1, 2, b"x"), version=7), kind=0x86DD)],
        "drops": {"PARSE_IP_MALFORMED": [2, 3, 4, 5]},
    },
    "parse_ip_csum": {
        "frames": [SYN, eth(ip4(A, B, tcp(1000, 80), csum_is=0x1234))],
        "drops": {"PARSE_IP_CSUM": [2]},
    },
    "parse_ip_options": {
        # an option longer than the header; IPv6: hop-by-hop in second place, a padding option that reaches out
        "frames": [SYN, eth(ip4(A, B, udp(1, 2, b"x"), options=b"\x07\x27\x04\x00")),
                   eth(ip4(A, B, udp(1, 2, b"x"), options=b"\x94\x04\x00\x00")),
                   eth(ip6(A6, B6, udp(1, 2, b"x"), next_header=60,
                           chain=hop_by_hop(b"\x01\x04\0\0\0\0", then=0) + hop_by_hop(b"\x01\x04\0\0\0\0"))),
                   eth(ip6(A6, B6, udp(1, 2, b"x"), next_header=0, chain=hop_by_hop(b"\x01\x09\0\0\0\0"))),
                   eth(ip6(A6, B6, udp(1, 2, b"x"), next_header=0, chain=hop_by_hop(b"\x01\x04\0\0\0\0")))],
        "drops": {"PARSE_IP_OPTIONS": [2, 4, 5]},
    },
    "parse_l4_truncated": {
        "frames": [SYN, eth(ip4(A, B, proto(6, b"\x03\xe8\x00\x50\0\0\0\1"))), eth(ip4(A, B, tcp(1000, 80, doff=9))),
                   eth(ip4(A, B, udp(1, 2, b"xy", length=99))), eth(ip4(A, B, proto(1, b"\x08\x00"))),
                   eth(ip4(A, B, proto(132, b"\0\1\0\2\0\0")))],
        "drops": {"PARSE_L4_TRUNCATED": [2, 3, 4, 5, 6]},
    },
    "parse_l4_malformed": {
        "frames": [SYN, eth(ip4(A, B, tcp(1000, 80, doff=4))), eth(ip4(A, B, udp(1, 2, b"xy", length=7)))],
        "drops": {"PARSE_L4_MALFORMED": [2, 3]},
    },
    "parse_l4_csum": {
        # both senders have right sums, too: they do not offload
        "frames": [SYN, eth(ip4(A, B, tcp(1001, 80, csum_is=0x1234))), SOUND_UDP,
                   eth(ip4(A, B, udp(1000, 2000, b"hello", csum_is=0x1234))), eth(ip4(A, B, icmp())),
                   eth(ip4(A, B, icmp(csum_is=0x1234))), eth(ip4(A, B, udp(1000, 2000, b"hello", csum_is=0))),
                   eth(ip6(A6, B6, icmp6())), eth(ip6(A6, B6, icmp6(csum_is=0x1234)))],
        "drops": {"PARSE_L4_CSUM": [2, 4, 6, 9]},
    },
    "source_route": {
        # the L4 sum is made over where the route ends (the sound frames), else it is wrong; and at the end of the route
        # over the address in the header
        "frames": [SYN, SOUND_UDP]
        + [eth(routed(kind, p, l4)) for kind, p in ((131, 4), (137, 8)) for l4 in (tcp(1002, 80), udp(1002, 53, b"x" * 20))]
        + [eth(routed(131, 4, tcp(1003, 80), "192.0.2.99")), eth(routed(131, 12, tcp(1003, 80))),
           eth(routed(137, 12, tcp(1004, 80), "192.0.2.77"))],
        "drops": {"PARSE_L4_CSUM": [7, 8]},
        "same": True,
    },
    "ip6_headers": {
        # every extension header that is skipped, and AH in IPv4
        "frames": [eth(ip6(A6, B6, udp(40000, n, b"x"), next_header=kind, chain=chain)) for n, (kind, chain) in enumerate([
            (0, b"\x3c\0\1\4\0\0\0\0" + b"\x11\0\0\0\0\0\0\0"),  # hop-by-hop, destination options of Pad1
            (43, b"\x11\0\0\0\0\0\0\0"), (135, b"\x11\0\0\0\0\0\0\0"), (139, b"\x11\0\0\0\0\0\0\0"),
            (140, b"\x11\0\0\0\0\0\0\0"), (51, b"\x11\4\0\0\0\0\0\1\0\0\0\1" + bytes(12)),
            (44, b"\x11\0\0\0\0\0\0\7")], 1)]
        + [eth(ip6(A6, B6, proto(59, b""), next_header=135, chain=b"\x3b\0\0\0\0\0\0\0")),
           # a routing header with segments left: the sum is over an address that is not in the IP header
           eth(ip6(A6, B6, udp(40000, 9, b"x", csum_is=0x7777), next_header=43, chain=b"\x11\2\0\1" + bytes(20))),
           eth(ip4(A, B, proto(51, b"\x11\4\0\0\0\0\0\1\0\0\0\1" + bytes(12) + udp(40000, 8, b"x", csum_is=0).bytes)))],
        "drops": {},
        "facts": [{"field": "flow", "value": 1, "tuple": ["udp", A6, 40000, B6, n]} for n in range(1, 8)]
        + [{"field": "flow", "value": 1, "tuple": ["udp", A6, 40000, B6, 9]},
           {"field": "flow", "value": 1, "tuple": ["udp", A, 40000, B, 8]}],
        "same": True,
    },
    "ip6_headers_bad": {
        # a chain without end; headers longer than what holds them
        "frames": [eth(ip6(A6, B6, udp(40000, 1, b"x"), next_header=60, chain=b"\x3c\0\0\0\0\0\0\0" * 16 + b"\x11" + bytes(7))),
                   eth(ip6(A6, B6, proto(59, b""), next_header=43, chain=b"\x11\9\0\0\0\0\0\0")),
                   eth(ip6(A6, B6, proto(59, b""), next_header=43, chain=b"\x11\0\0")),
                   eth(ip4(A, B, proto(51, b"\x11\x20" + bytes(20)))), eth(ip4(A, B, proto(51, b"\x11\4\0\0")))],
        "drops": {"PARSE_IP_OPTIONS": [1, 2, 3, 4, 5]},
    },
    "sctp": {
        "frames": [eth(ip4(A, B, sctp(40000, 36412))), eth(ip6(A6, B6, sctp(40000, 36412))),
                   eth(ip4(A, B, sctp(40000, 36412, csum_is=5)))],
        "drops": {"PARSE_L4_CSUM": [3]},
        "facts": [{"field": "flow", "value": 1, "tuple": ["sctp", A, 40000, B, 36412]},
                  {"field": "flow", "value": 1, "tuple": ["sctp", A6, 40000, B6, 36412]}],
        "same": True,
    },
    "csum_offload": {
        # all sums of one sender are wrong: it offloads; of the other one is left unfinished beside a right one
        "frames": [eth(ip4(A, B, tcp(1000, 80, csum_is=0x1111))), eth(ip4(B, A, tcp(80, 1000, "SA", seq=9, ack=2))),
                   eth(ip4(A, B, tcp(1000, 80, "A", seq=2, ack=10, csum_is=0x2222))),
                   eth(ip4(B, A, tcp(80, 1000, "PA", seq=10, ack=2, payload=b"abc", csum_is=0x1420)))],
        "drops": {},
        "counters": {"csum_offloaded": 3},
        "offloading": [A + " tcp"],
    },
    "csum_offload_ip": {
        # the IP header's sum is left to the card, too
        "frames": [eth(ip4(A, B, udp(7, 9, b"hi"), csum_is=0)), eth(ip4(A, B, udp(7, 9, b"ho"), csum_is=0)),
                   eth(ip4(B, A, udp(9, 7, b"hi")))],
        "drops": {},
        "counters": {"csum_offloaded": 2},
        "offloading": [A + " ip"],
    },
    "csum_enforce": {
        "frames": [eth(ip4(A, B, tcp(1000, 80, csum_is=0x1111))), SYN],
        "args": ["--checksum", "enforce"],
        "drops": {"PARSE_L4_CSUM": [1]},
    },
    "csum_ignore": {
        "frames": [eth(ip4(A, B, tcp(1000, 80, csum_is=0x1111), csum_is=7)), SYN],
        "args": ["--checksum", "ignore"],
        "drops": {},
    },
    "cut": {
        # the snap length took the end of a segment, half of a TCP header, half of an IP header: nothing is a fault
        "frames": [SYN, (SYN[:40], None, 400), (SYN[:20], None, 60),
                   (eth(ip6(A6, B6, udp(1, 2, b"z" * 90), next_header=60, chain=b"\x11\1" + bytes(14)))[:60], None, 150),
                   (eth(ip4(A, B, proto(51, b"\x11\4" + bytes(90))))[:40], None, 130),
                   (eth(tag(1, SYN[14:]), kind=0x8100)[:16], None, 58),
                   (eth(ip4(A, B, udp(53, 5353, b"z" * 200)))[:60], None, 242),
                   # of TCP's options half: a flow all the same
                   (eth(ip4(A, B, tcp(1009, 80, options=b"\x02\x04\x05\xb4\x01\x03\x03\x07")))[:57], None, 62)],
        "drops": {},
        "counters": {"frames_cut": 7},
        "facts": [{"field": "flow", "value": 1, "tuple": ["tcp", A, 1009, B, 80]}],
        "same": True,
    },
    "padding": {
        "frames": [SYN + b"\0" * 6, eth(ip4(A, B, udp(7, 9, b"hi"))) + b"\xff" * 16],
        "drops": {},
        "facts": [{"field": "flow", "value": 1, "tuple": ["udp", A, 7, B, 9]}],
        "same": True,
    },
    "other_l2": {
        "frames": [eth(b"\0\1\x08\0\6\4\0\1" + b"\0" * 20, kind=0x0806), eth(b"\x02\x07" + b"\0" * 40, kind=0x88CC),
                   eth(b"\x42\x42\x03" + b"\0" * 35, kind=38)],
        "drops": {},
        "counters": {"other_l2": 3, "flows": 0},
        "same": True,
    },
}
