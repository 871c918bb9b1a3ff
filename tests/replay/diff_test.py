#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluice diff against two replays compared here: for each capture and pair of policies the same flows and transactions
change, from what to what, as often. Then its arguments. usage: diff_test.py SLUICE CAPTURES"""
import collections
import functools
import json
import pathlib
import sys
import tempfile

from asked import CAPTURES, expect, failures, run



RULES = [
    {"id": "a", "action": "deny", "when": {"host": {"suffix": ".test"}}},
    {"id": "b", "action": "deny", "when": {"dns.qname": {"contains": "example"}}, "respond": "drop"},
    {"id": "c", "action": "allow", "when": {"dport": [80, 53]}},
    {"id": "d", "action": "deny", "when": {"app": "ssh"}},
    {"id": "e", "action": "deny", "when": {"proto": "udp"}},
    {"id": "f", "action": "deny", "when": {"http.path": {"regex": "/[a-z]"}}},
]
TRANSACTIONS = {"tls", "quic", "http", "dns", "ssh"}


@functools.cache
def replayed(policy, capture):
    """(flow, transaction, kind) -> verdict, out of EVE; frame -> why it did not leave, by which rule; None: it did"""
    trace = policy.with_suffix(".trace")
    rc, out, err = run("replay", "-p", policy, "--format", "eve", "--trace", trace, capture)
    expect(f"replay of {capture.name}", rc == 0, err)
    return verdicts(out), left(trace.read_text())


def verdicts(out):
    found, nth = {}, collections.Counter()
    for line in out.splitlines():
        e = json.loads(line)
        kind = e["event_type"]
        v = e.get("verdict")
        if kind not in TRANSACTIONS | {"flow"}:
            continue
        key = (e["flow_id"], kind, e.get("tx_id"), 0)
        key = key[:3] + (nth[key],)
        nth[key[:3] + (0,)] += 1
        found[key] = v and (v["action"] if not v.get("open") else "open", v["rule"], v.get("respond"))
    return found


def left(trace):
    ends = [line.split() for line in trace.splitlines()]
    return {int(number): (reason, rule) if door == "drop" else None for number, door, reason, rule in ends}


def effect(v):
    """what is open was not refused, and by which rule it would stand is nobody's change"""
    return v if v == "none" or not v or v[0] != "open" else ("allow", None, None)


def changed(a, b):
    opened = any(v and v != "none" and v[0] == "open" for v in (a, b))
    a, b = effect(a), effect(b)
    return a[0] != b[0] if opened and "none" not in (a, b) else a != b


def side(v):
    return v and (v["verdict"], v.get("rule"), v.get("respond"))


def compare(old, new, capture):
    (was, a), (now, b) = replayed(old, capture), replayed(new, capture)
    changes = collections.Counter()
    for key in was.keys() | now.keys():
        x, y = was.get(key, "none"), now.get(key, "none")
        if changed(x, y):
            changes[(key[1], x, y)] += 1
    rc, out, err = run("diff", old, new, capture, "--format", "json")
    said = json.loads(out)
    have = collections.Counter()
    for c in said["changes"]:
        if c["what"] == "frame":
            continue
        have[(c["what"], *(side(c[k]) if c[k] else "none" for k in ("from", "to")))] += c["n"]
    expect(f"diff of {capture.name}", have == changes, f"diff: {have}\nreplays: {changes}\n{err}")
    frames = collections.Counter((a[n], b[n]) for n in a if (a[n] is None) != (b[n] is None))
    side_of = lambda v: (v["dropped_by"], v["rule"]) if "dropped_by" in v else None
    listed = collections.Counter()
    for c in said["changes"]:
        if c["what"] == "frame":
            listed[(side_of(c["from"]), side_of(c["to"]))] += c["n"]
    expect(f"frames of {capture.name}", listed == frames and said["frames"] == {"compared": len(a), "changed": sum(frames.values())}, f"diff: {listed}\ntrace: {frames}\n{out[-600:]}")
    expect(f"exit code of {capture.name}", rc == (1 if changes or frames else 0), f"{rc} {changes}")
    total = said["flows"]["changed"] + said["transactions"]["changed"]
    expect(f"sum of {capture.name}", total == sum(changes.values()) and not said["frames_not_compared"], out)
    return sum(changes.values())


def arguments(work):
    p, capture = work / "p0.json", CAPTURES / "http.pcap"
    for args, rc, says in [((p, p, capture), 0, ""), ((p, p), 2, "two policies"), ((p, p, "-"), 2, "twice"),
                           ((p, p, capture, "--fromat", "json"), 2, "unknown option"),
                           ((p, p, capture, "--format", "xml"), 2, "xml"), ((p, work / "none", capture), 3, "cannot read"),
                           ((p, work / "bad.json", capture), 1, "unknown key"), ((p, p, work / "none.pcap"), 3, "none.pcap")]:
        got, out, err = run("diff", *args)
        expect(f"diff {args}", got == rc and says in err, f"{got} {out} {err}")
    rc, out, err = run("diff", p, p, *sorted(CAPTURES.glob("*.pcap")))
    expect("nothing changes between a policy and itself", rc == 0 and "0 of " in out, out)


def stories(work):
    capture = CAPTURES / "http.pcap"
    for name, rules in (("fast", [{"id": "slow", "action": "limit", "rate": "1000pps", "when": {"dport": 80}}]),
                        ("slow", [{"id": "slow", "action": "limit", "rate": "1pps", "burst": 2, "when": {"dport": 80}}]),
                        ("none", []), ("early", [{"id": "e", "action": "deny", "when": {"host": "nobody.test"}}])):
        (work / f"{name}.json").write_text(json.dumps({"rules": rules}))
    rc, out, err = run("diff", work / "fast.json", work / "slow.json", capture)
    expect("a rate: frames, and no verdict", rc == 1 and "passes -> dropped by LIMIT_EXCEEDED, rule slow" in out and "0 of 4 flows" in out, out)
    rc, out, err = run("diff", work / "none.json", work / "early.json", CAPTURES / "ssh.pcap", CAPTURES / "tour.pcap")
    expect("flows that end open have changed nothing", rc == 0 and "end undecided (open)" in out, out)
    (work / "all.json").write_text(json.dumps({"default": {"action": "deny"}}))
    rc, out, err = run("diff", work / "none.json", work / "all.json", capture)
    expect("without a guard", rc == 1 and "10.99.0.2" in out, out)
    rc, out, err = run("diff", work / "none.json", work / "all.json", capture, "--guard", "10.99.0.2")
    expect("a guard", rc == 1 and "10.99.0.2" not in out and "0 of 3 transactions" in out, out)
    (work / "one.json").write_text(json.dumps({"rules": [{"id": "x", "action": "deny", "when": {"dst": "10.99.0.2"}}]}))
    rc, out, err = run("diff", work / "none.json", work / "one.json", capture, "--guard", "10.99.0.2")
    expect("a rule about a guarded address", rc == 1 and "guarded" in err and not out, f"{rc} {err} {out}")
    expect("a guard that is none", run("diff", work / "none.json", work / "one.json", capture, "--guard", "10.0.0.0/8")[0] == 2)
    midstream = CAPTURES.parent / "golden/fail_midstream_drop/in.pcap"
    rc, out, err = run("diff", work / "none.json", work / "all.json", midstream)
    expect("without a fail mode", rc == 1 and "decoy.example" in out and "10.0.0.1 41000" in out, out)
    rc, out, err = run("diff", work / "none.json", work / "all.json", midstream, "--fail", "midstream=drop")
    expect("a fail mode", rc == 1 and "real.example" in out and "10.0.0.1 41000" not in out, out)
    for fail, says in (("midstraem=drop", "did you mean"), ("midstream", "KEY=VALUE"), ("midstream=no", "pick_up|drop")):
        rc, out, err = run("diff", work / "none.json", work / "all.json", midstream, "--fail", fail)
        expect(f"--fail {fail}", rc == 2 and says in err, f"{rc} {err}")
    many = [p for p in sorted(CAPTURES.glob("*.pcap"))] * 3
    rc, out, err = run("diff", work / "fast.json", work / "slow.json", *many)
    expect("many captures", rc == 1 and "could not be compared" not in out, out)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        work, changed = pathlib.Path(tmp), 0
        sets = [[], RULES, RULES[::-1], [RULES[0], RULES[3]], [RULES[1], RULES[2], RULES[5]]]
        for i, rules in enumerate(sets):
            (work / f"p{i}.json").write_text(json.dumps({"default": {"action": "allow"}, "rules": rules}))
        (work / "bad.json").write_text('{"rulse": []}')
        for capture in ("tour", "http", "dns", "browser_quic", "ssh", "fragments", "connect"):
            for old, new in ((0, 1), (1, 2), (3, 4), (2, 0)):
                changed += compare(work / f"p{old}.json", work / f"p{new}.json", CAPTURES / f"{capture}.pcap")
        expect("something changes", changed > 50, changed)
        arguments(work)
        stories(work)
    print(f"{changed} changes, {len(failures)} failures")
    sys.exit(bool(failures))


main()
