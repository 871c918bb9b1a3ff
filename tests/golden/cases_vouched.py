# SPDX-License-Identifier: BSD-3-Clause
"""Wrong TCP checksums of senders whose others are right. Where the other side acknowledged the segment and its bytes
never came otherwise, the capture was edited and the segment counts; else it is an insertion: the receiver discarded it."""
from packets import *
from cases_flow import A, B, CI, NO_DECOY, SI, c, get, s

REQUEST = get("decoy.example")
ALL = 1 + len(REQUEST)


def opened(port):
    return [c("S", 0, sport=port), s("SA", 0, 1, dport=port), c("A", 1, 1, sport=port)]


def wrong(port, seq=1, payload=REQUEST):
    return c("PA", seq, 1, payload, sport=port, csum_is=0x1234)


def right(port, seq=1, payload=get("real2.example")):
    return c("PA", seq, 1, payload, sport=port)


def acked(port, upto=ALL):
    return s("A", 1, upto, dport=port)


def fragments(port, payload):
    return [eth(f) for f in ip4_fragments(A, B, tcp(port, 80, "PA", CI + 1, SI + 1, payload), [24])]


def numbered(*flows):
    """-> frames, numbers of those marked: a flow is a list in which a marked frame is in a tuple"""
    frames, marked = [], []
    for frame in (f for flow in flows for f in flow):
        frames.append(frame[0] if isinstance(frame, tuple) else frame)
        if isinstance(frame, tuple):
            marked.append(len(frames))
    return frames, marked


EDITED = get("edited.example")
TOLD, _ = numbered(
    opened(1) + [wrong(1, payload=EDITED), acked(1, 1 + len(EDITED))],
    # the rest of it is right; and it was sent, and edited, twice
    opened(2) + [wrong(2, payload=EDITED[:9]), right(2, 10, EDITED[9:]), wrong(2, payload=EDITED[:9]), acked(2, 1 + len(EDITED))],
    # the other side's own segment is the ACK
    opened(3) + [wrong(3, payload=EDITED), s("PA", 1, 1 + len(EDITED), b"HTTP/1.1 204 No Content\r\n\r\n", dport=3)])
INSERTED, DROPPED = numbered(
    opened(1) + [(wrong(1),), right(1), acked(1)],  # the real one follows
    opened(2) + [right(2), (wrong(2),), acked(2)],  # or came before
    opened(3) + [(wrong(3),), right(3, ALL - 1, b"\n"), acked(3)],  # shares one byte
    opened(4) + [(wrong(4),), acked(4, ALL - 1)],  # not all of it acknowledged
    opened(5) + [acked(5), (wrong(5),)],  # acknowledged before it was there
    opened(6) + [(wrong(6),)] + fragments(6, get("real2.example")) + [acked(6)],  # the real one came in fragments
    opened(7) + [(wrong(7),), (wrong(7, payload=get("other.example")),), acked(7)],  # which of the two?
    opened(8) + [(wrong(8),), c("R", 1, sport=8), eth(ip4(B, A, tcp(80, 8, "RA", SI + 1, CI + ALL)))],  # an RST is no ACK
    opened(9) + [(wrong(9),), (eth(ip4(B, A, tcp(80, 9, "A", SI + 1, CI + ALL, csum_is=0x4321))),)])  # nor is a wrong one

CASES = {
    "csum_acknowledged": {
        "frames": TOLD,
        "drops": {},
        "counters": {"csum_acknowledged": 4, "csum_offloaded": 0},
        "facts": [{"field": "http.host", "value": "edited.example", "tuple": ["tcp", A, n, B, 80]} for n in (1, 2, 3)],
        "same": True,
    },
    "csum_inserted": {
        "frames": INSERTED,
        "drops": {"PARSE_L4_CSUM": DROPPED},
        "counters": {"csum_acknowledged": 0},
        "facts": [{"field": "http.host", "value": "real2.example", "tuple": ["tcp", A, n, B, 80]} for n in (1, 2, 6)],
        "no_facts": NO_DECOY + [{"field": "http.host", "value": "other.example"}],
        "same": True,
        "most": 8192,
    },
}
