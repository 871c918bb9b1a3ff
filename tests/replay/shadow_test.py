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
                expect(f"{name} {key}: said where it changes something, and only there", not would or would["action"] != v["action"], v)
                if would and key in alone and would["rule"] != "unknown":
                    compared += 1
                    expect(f"{name} {key}", (would["action"], would["rule"]) == (alone[key]["action"], alone[key]["rule"]), f"{v} {alone[key]}")
                elif not would and key in alone and key[1] != "flow":
                    compared += 1
                    expect(f"{name} {key}: nothing changes", v["action"] == alone[key]["action"], f"{v} {alone[key]}")
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
    quiet = [{"id": f"{n}-{where}", "action": n, "mode": "shadow", "when": when, **more} for n, more in (
                 ("alert", {}), ("tag", {"tag": "q"}), ("limit", {"rate": "1pps"}), ("mirror", {"sink": "x"}))
             for where, when in (("app", {"app": "http"}), ("port", {"dport": 80}))]
    a.write_text(json.dumps({"rules": quiet}))
    ids, ports = [r["id"] for r in quiet], [r["id"] for r in quiet if "port" in r["id"]]
    events = replay("-p", a, CAPTURES / "http.pcap")
    said = [v.get("shadow") for key, v in events.items() if key[1] == "http"]
    expect("rules in shadow that do not end the search are named", said and all(v == ids for v in said), said)
    said = [v["shadow"] for key, v in events.items() if key[1] == "flow" and "shadow" in v]
    expect("of a flow those of its first packet", said == [ports], said)
    expect("and they do nothing", not any("rules" in v or "tags" in v for v in events.values()), events)
    rc, out, err = run("replay", "-p", a, CAPTURES / "http.pcap", "--format", "facts")
    expect("no tag", '"tag"' not in out and '"alert"' not in out, out)
    hits = {line.split()[0]: int(line.split()[1]) for line in err.replace("rules  ", "").splitlines() if line.split()[0] in ids}
    expect("hits: once for a flow, or for each transaction", hits == {i: 1 if "port" in i else 3 for i in ids}, err)
    a.write_text(json.dumps({"rules": [{k: v for k, v in r.items() if k != "mode"} for r in quiet if r["action"] != "limit"]
                                      + [{"id": "tagged", "action": "alert", "when": {"tag": "q"}}]}))
    events = replay("-p", a, CAPTURES / "http.pcap")
    flow = [v for key, v in events.items() if key[1] == "flow" and "rules" in v]
    expect("rules in force are named in the flow's record", len(flow) == 1 and flow[0]["tags"] == ["q"] and set(flow[0]["rules"]) <= set(ids), flow)
    expect("and in its transactions'", all(set(v["rules"]) >= {i for i in ids if "limit" not in i} and "q" in v["tags"] for key, v in events.items() if key[1] == "http"), events)
    mark = {"id": "mark", "action": "tag", "tag": "web", "when": {"dport": 80}}
    see, bytes_ = {"id": "see", "action": "alert", "when": {"tag": "web"}}, {"id": "bytes", "action": "alert", "when": {"payload": {"contains": "GET"}}}
    a.write_text(json.dumps({"rules": [mark, bytes_, see]}))
    rc, out, err = run("replay", "-p", a, CAPTURES / "http.pcap", "--format", "eve")
    alerts = [e["alert"]["rule"] for e in map(json.loads, out.splitlines()) if e["event_type"] == "alert"]
    expect("an alert on a tag of the first packet speaks once for the flow", alerts.count("see") == 1, alerts)
    flow = next(e["flow_id"] for e in map(json.loads, out.splitlines()) if e["event_type"] == "http")
    rc, out, err = run("explain", "-p", a, CAPTURES / "http.pcap", "--record", f"{flow:x}.99")
    expect("no such transaction", rc == 1 and f"flow {flow:x} has no transaction 99" in err, f"{rc} {err}")
    rc, out, err = run("replay", "--shadow", b, CAPTURES / "tour.pcap")
    expect("the summary says it of a policy", f"decided otherwise by {b}" in err, err)
print(f"{compared} compared, {len(failures)} failures")
sys.exit(bool(failures))
