#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What explain calls the runner-up decides where the winner is taken out: random policies over captures. Of each rule that
decides, one transaction is explained (--record); the rule is removed, the capture replayed, and the transaction must be decided
by the rule that explain named. usage: counterfactual_test.py SLUICE CAPTURES [POLICIES] [SEED]"""
import json
import pathlib
import random
import sys
import tempfile

from any_policy import policy
from asked import CAPTURES, run

POLICIES, SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 25, int(sys.argv[4]) if len(sys.argv) > 4 else 1
KINDS = {"tls", "quic", "http", "dns", "ssh"}
NAMES = ("tour", "http", "dns", "browser_quic", "ssh", "connect", "tls13", "starttls", "http6")
rng = random.Random(SEED)


def transactions(path, capture):
    rc, out, err = run("replay", "-p", path, "--format", "eve", capture)
    if rc:
        sys.exit(f"FAIL replay {path.read_text()}\n{err}")
    found = {}
    for line in out.splitlines():
        e = json.loads(line)
        if e["event_type"] in KINDS and "verdict" in e:
            shown = e.get("http", {}).get("url"), "http_method" in e.get("http", {})
            found[(e["flow_id"], e.get("tx_id", 0), e["event_type"], shown)] = e["verdict"]
    return found


def settled(v):
    return not (v.get("open") or v.get("early") or v.get("revised"))


def main():
    counts = {"explained": 0, "not there": 0, "not settled": 0}
    with tempfile.TemporaryDirectory() as tmp:
        full, less = pathlib.Path(tmp) / "p.json", pathlib.Path(tmp) / "q.json"
        for n in range(POLICIES):
            p, capture = policy(rng), CAPTURES / f"{rng.choice(NAMES)}.pcap"
            full.write_text(json.dumps(p))
            if run("check", full)[0]:
                continue
            of_rule = {}
            for key, v in transactions(full, capture).items():
                if v["rule"] != "default" and settled(v):
                    of_rule.setdefault(v["rule"], (key, v))
            for winner, (key, v) in of_rule.items():
                rc, out, err = run("explain", "-p", full, capture, "--record", f"{key[0]:x}.{key[1]}", "-j")
                if rc:
                    sys.exit(f"FAIL explain --record {key}: {rc} {err}\n{json.dumps(p)}")
                e = json.loads(out)
                case = f"{capture.name} {key} {json.dumps(p)}"
                if e["transaction"]["kind"] != key[2]:
                    continue
                if e["verdict"]["rule"] != winner:
                    sys.exit(f"FAIL explain says {e['verdict']}, the record {v}: {case}")
                less.write_text(json.dumps(dict(p, rules=[r for r in p["rules"] if r["id"] != winner])))
                if run("check", less)[0]:
                    continue
                now = transactions(less, capture).get(key)
                if now is None:
                    counts["not there"] += 1
                elif not settled(now):
                    counts["not settled"] += 1
                elif now["rule"] != e["without"]:
                    sys.exit(f"FAIL without {winner} it is {now['rule']}, explain named {e['without']}: {case}")
                else:
                    counts["explained"] += 1
    print(f"{POLICIES} policies: {counts['explained']} times the runner-up decided; {counts['not there']} times the transaction "
          f"was not there without the rule, {counts['not settled']} times not settled")
    sys.exit(counts["explained"] < POLICIES // 4)  # else nothing was tested


main()
