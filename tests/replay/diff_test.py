#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluice diff against two replays compared here: for each capture and pair of policies the same flows and transactions
change, from what to what, as often. Then its arguments. usage: diff_test.py SLUICE CAPTURES"""
import collections
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


def verdicts(policy, capture):
    """(flow, transaction, kind) -> verdict, out of EVE"""
    rc, out, err = run("replay", "-p", policy, "--format", "eve", capture)
    expect(f"replay of {capture.name}", rc == 0, err)
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


def side(v):
    return v and (v["verdict"], v.get("rule"), v.get("respond"))


def compare(old, new, capture):
    was, now = verdicts(old, capture), verdicts(new, capture)
    changes = collections.Counter()
    for key in was.keys() | now.keys():
        a, b = was.get(key, "none"), now.get(key, "none")
        if a != b:
            changes[(key[1], a, b)] += 1
    rc, out, err = run("diff", old, new, capture, "--format", "json")
    said = json.loads(out)
    have = collections.Counter()
    for c in said["changes"]:
        a, b = (side(c[k]) if c[k] else "none" for k in ("from", "to"))
        have[(c["what"], a, b)] += c["n"]
    expect(f"diff of {capture.name}", have == changes, f"diff: {have}\nreplays: {changes}\n{err}")
    expect(f"exit code of {capture.name}", rc == (1 if changes else 0), f"{rc} {changes}")
    total = said["flows"]["changed"] + said["transactions"]["changed"]
    expect(f"sum of {capture.name}", total == sum(changes.values()), out)
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
    print(f"{changed} changes, {len(failures)} failures")
    sys.exit(bool(failures))


main()
