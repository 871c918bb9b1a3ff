#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A whole policy in shadow (--shadow): nothing changes but `would`, and that is what the policy alone decides, for every
transaction that the one in force lets come. usage: shadow_test.py SLUICE CAPTURES"""
import json
import pathlib
import sys
import tempfile

from asked import CAPTURES, expect, failures, run

A = {"rules": [{"id": "a", "action": "deny", "when": {"dns.qname": {"contains": "e"}}}]}
B = {"sets": {"s": {"type": "domain", "items": ["example.test"]}},
     "rules": [{"id": "b-path", "action": "deny", "when": {"http.path": {"prefix": "/"}}}, {"id": "b-set", "action": "deny", "when": {"host": {"in": "s"}}},
               {"id": "b-header", "action": "allow", "when": {"http.header.accept": "*/*"}}, {"id": "b-ssh", "action": "deny", "when": {"app": "ssh"}}]}


def replay(*args):
    rc, out, err = run("replay", *args, "--format", "eve")
    if rc:
        sys.exit(f"FAIL {args}: {rc} {err}")
    events = {}
    for line in out.splitlines():
        e = json.loads(line)
        if e["event_type"] in ("tls", "http", "dns", "quic", "ssh", "flow"):
            events[(e["flow_id"], e["event_type"], e.get("tx_id"), "http_method" in e.get("http", {}), len(events) if e.get("tx_id") is None else 0)] = e.get("verdict")
    return events


with tempfile.TemporaryDirectory() as tmp:
    a, b, compared = pathlib.Path(tmp) / "a.json", pathlib.Path(tmp) / "b.json", 0
    a.write_text(json.dumps(A))
    b.write_text(json.dumps(B))
    for name in ("tour", "http", "dns", "browser_quic", "ssh", "connect", "tls13"):
        capture = CAPTURES / f"{name}.pcap"
        plain, alone, both, only = replay("-p", a, capture), replay("-p", b, capture), replay("-p", a, "--shadow", b, capture), replay("--shadow", b, capture)
        expect(f"{name}: what is decided stays", [dict(v, would=None) for v in both.values()] == [dict(v, would=None) for v in plain.values()])
        for case in (both, only):
            for key, v in case.items():
                would = v.get("would")
                expect(f"{name} {key}: a transaction has it, and a flow without any", would or key[1] == "flow", v)
                if would and key in alone and would["rule"] != "unknown":
                    compared += 1
                    expect(f"{name} {key}", (would["action"], would["rule"]) == (alone[key]["action"], alone[key]["rule"]), f"{v} {alone[key]}")
        expect(f"{name}: alone nothing is denied", all(v["action"] == "allow" for v in only.values()))
        expect(f"{name}: four workers", replay("-p", a, "--shadow", b, "--workers", 4, capture) == both)
    expect("something was compared", compared > 40, compared)
    rule = {"id": "s", "action": "deny", "mode": "shadow", "when": {"proto": "icmp"}}
    a.write_text(json.dumps({"rules": [rule, dict(rule, id="t", when={"payload": {"contains": "curl"}})]}))
    events = replay("-p", a, CAPTURES / "tour.pcap")
    said = [(key[1], v["would"]["rule"]) for key, v in events.items() if "would" in v]
    expect("rules in shadow, of a flow without transactions and of bytes", {("flow", "s"), ("http", "t")} <= set(said), said)
    rc, out, err = run("replay", "-p", a, CAPTURES / "tour.pcap")
    expect("the summary says it", "transactions, and 1 flows without any, decided otherwise by shadow rules" in err, err)
    rc, out, err = run("replay", "--shadow", b, CAPTURES / "tour.pcap")
    expect("the summary says it of a policy", f"decided otherwise by {b}" in err, err)
print(f"{compared} compared, {len(failures)} failures")
sys.exit(bool(failures))
