# SPDX-License-Identifier: BSD-3-Clause
"""Fragments: whole datagrams, and each way in which they are none."""
from packets import *

A, B, A6, B6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
BODY = udp(40000, 2000, bytes(range(64)))
FLOW = {"field": "flow", "value": 1, "tuple": ["udp", A, 40000, B, 2000]}
F = ip4_fragments(A, B, BODY, [24, 48])
F6 = ip6_fragments(A6, B6, BODY, [24, 48])
SYN = ip4(A, B, tcp(1000, 80))


def many(n):
    return ip4_fragments(A, B, udp(40000, 2000, bytes(8 * n)), range(8, 8 * n, 8))


CASES = {
    "fragments": {
        # any order, other frames in between; the fragments leave as they came
        "frames": [eth(F[2]), eth(SYN), eth(F[0]), eth(F[1])] + [eth(f) for f in F6],
        "drops": {},
        "counters": {"fragments": 6, "datagrams": 2},
        "facts": [FLOW, {"field": "flow", "value": 1, "tuple": ["udp", A6, 40000, B6, 2000]}],
        "same": True,
    },
    "fragments_atomic": {
        # RFC 6946: whole in itself, beside a datagram of the same identification that is not complete
        "frames": [eth(F6[0]), eth(ip6(A6, B6, struct.pack("!BBHI", 17, 0, 0, 7) + BODY.done(
            ipaddress.ip_address(A6).packed, ipaddress.ip_address(B6).packed, 17), next_header=44)), eth(F6[1]), eth(F6[2])],
        "drops": {},
        "counters": {"fragments": 3, "datagrams": 1},
        "same": True,
    },
    "fragments_of_tunnel": {
        # a VXLAN packet in fragments, with a fragmented datagram inside
        "frames": [eth(o) for n, f in enumerate(F)
                   for o in ip4_fragments("192.0.2.1", "192.0.2.2", udp(5000, 4789, vxlan(77, eth(f))), [32], ident=n)],
        "drops": {},
        "counters": {"fragments": 9, "datagrams": 4},
        "facts": [FLOW, {"field": "vni", "value": 77}, {"field": "outer.ip", "value": "192.0.2.1"}],
        "same": True,
    },
    "fragments_csum": {
        "frames": [eth(SYN), eth(ip4(A, B, udp(7, 7, b"right")))] +
                  [eth(f) for f in ip4_fragments(A, B, udp(40000, 2000, bytes(range(64)), csum_is=0x1234), [24])],
        "drops": {"PARSE_L4_CSUM": [3, 4]},
        "same": True,
    },
    "fragments_csum_edited": {
        # datagrams in one piece have right sums, and all eight in fragments wrong ones: a tool mended the first alone
        "frames": [eth(ip4(a, b, udp(7, 7, b"right"))) for a, b in ((A, B), (B, A))]
        + [eth(f) for n, (a, b) in enumerate([(A, B)] * 7 + [(B, A)])
           for f in ip4_fragments(a, b, udp(40000, 2000, bytes(range(64)), csum_is=0x1234), [24], ident=n)],
        "drops": {},
        "counters": {"csum_offloaded": 8},
        "offloading": ["0.0.0.0 udp/frag"],
        "same": True,
    },
    "fragments_cut": {
        # the snap length cut both: the datagram is read as far as the first goes
        "frames": [(eth(F[0])[:50], None, 58), (eth(F[1])[:50], None, 58), (eth(F[2])[:50], None, 58)],
        "drops": {},
        "facts": [FLOW],
        "counters": {"datagrams": 1},
        "same": True,
    },
    "defrag_overlap": {
        # RFC 5722: none passes, not even what comes after
        "frames": [eth(F[0]), eth(ip4(A, B, bytes(24), ident=7, off=16, more=True, number=17)), eth(F[1]), eth(F[2]), eth(SYN)],
        "drops": {"DEFRAG_OVERLAP": [1, 2, 3, 4]},
        "no_facts": [FLOW],
        "same": True,
    },
    "defrag_duplicate": {
        "frames": [eth(F[0]), eth(F[0]), eth(F[1]), eth(F[2])],
        "drops": {"DEFRAG_DUPLICATE": [2]},
        "facts": [FLOW],
        "same": True,
    },
    "defrag_tiny": {
        # RFC 1858: 16 bytes of TCP in the first, the flags in the second
        "frames": [eth(f) for f in ip4_fragments(A, B, tcp(1000, 80, payload=b"x" * 20), [16])] + [eth(SYN)],
        "drops": {"DEFRAG_TINY": [1, 2]},
        "same": True,
    },
    "defrag_tiny_udp": {
        # 8 bytes are a whole UDP header
        "frames": [eth(f) for f in ip4_fragments(A, B, BODY, [8])],
        "drops": {},
        "facts": [FLOW],
        "same": True,
    },
    "defrag_malformed": {
        # not a multiple of 8; beyond 64 KiB; no bytes; a second end dooms what is held
        "frames": [eth(ip4(A, B, bytes(20), ident=1, more=True, number=17)),
                   eth(ip4(A, B, bytes(64), ident=2, off=65480, number=17)),
                   eth(ip4(A, B, b"", ident=3, off=8, number=17)),
                   eth(F[0]), eth(F[2]), eth(ip4(A, B, bytes(8), ident=7, off=80, number=17)), eth(SYN)],
        "drops": {"DEFRAG_MALFORMED": [1, 2, 3, 4, 5, 6]},
        "same": True,
    },
    "defrag_timeout": {
        # 31 s later the rest does not help; at the end nothing is left inside
        "frames": [(eth(F[0]), 0), (eth(F[1]), 1), (eth(SYN), 31), (eth(F[2]), 32)],
        "drops": {"DEFRAG_TIMEOUT": [1, 2, 4]},
        "same": True,
    },
    "defrag_full": {
        # 64 pieces are the most
        "frames": many(64)[:-1] + [SYN],
        "link": RAW,
        "drops": {"DEFRAG_FULL": list(range(1, 65))},
        "same": True,
    },
}
CASES["defrag_full"]["frames"] = many(66)[:65] + [SYN]
CASES["defrag_full"]["drops"] = {"DEFRAG_FULL": list(range(1, 66))}
