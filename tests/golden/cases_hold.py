# SPDX-License-Identifier: BSD-3-Clause
"""What a policy holds, and lets nobody have: copies of it, what lies ahead of it, what is too deep to be judged. The name is an
allowed one, so that what waited leaves."""
from cases_stream import GET, OPEN, c, uri
from packets import eth, ip4, udp

POLICY = {"rules": [{"id": "no", "action": "deny", "when": {"host": "denied.example"}}]}


def held(frames, **more):
    return {"frames": frames, "policy": POLICY, "args": ["-p", "{}/policy.json"], **more}


def deep(n):
    l3 = ip4("10.9.9.1", "10.9.9.2", udp(40000, 2000, b"inside"))
    for i in range(n):
        l3 = ip4(f"10.0.{i}.1", f"10.0.{i}.2", l3, number=4)
    return eth(l3)


CASES = {
    # sent again before the head is whole; what differs in the copy is never seen
    "hold_copy": held(OPEN + [eth(c(0, GET[:20])), eth(c(0, GET[:20])), eth(c(5, b"other")), eth(c(20, GET[20:]))],
                      drops={"STREAM_DUPLICATE": [5, 6]}, same=True, facts=[uri("/first")]),
    # beyond every window: judged by nobody
    "hold_ahead": held(OPEN + [eth(c(0, GET[:20])), eth(c(0x01000000, GET)), eth(c(20, GET[20:]))],
                       drops={"STREAM_UNJUDGED": [5]}, same=True, facts=[uri("/first")]),
    # more than may wait, where that is not absent but refused
    "hold_exceeded": {"frames": OPEN + [eth(c(0, GET[:20])), eth(c(30, GET[30:40]))], "policy": POLICY,
                      "args": ["-p", "{}/policy.json", "--hold-bytes", "24", "--hold-exceeded", "drop"],
                      "drops": {"POLICY_HOLD": [4, 5]}},
    "hold_depth": held([deep(3), deep(4)], drops={"DECAP_DEPTH": [2]}, same=True, facts=[]),
    # a policy that asks has its own word on it
    "hold_depth_asked": {"frames": [deep(3), deep(4)], "args": ["-p", "{}/policy.json"],
                         "policy": {"rules": [{"id": "deep", "action": "allow", "when": {"decap.deeper": True}}]},
                         "drops": {}, "same": True, "facts": [{"field": "decap.deeper", "value": 1}]},
}
