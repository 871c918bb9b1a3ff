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

from asked import CAPTURES, run

POLICIES, SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 25, int(sys.argv[4]) if len(sys.argv) > 4 else 1
KINDS = {"tls", "quic", "http", "dns", "ssh"}
NAMES = ("tour", "http", "dns", "browser_quic", "ssh", "connect", "tls13", "starttls", "http6")
rng = random.Random(SEED)


def condition():
    pick = rng.choice
    return pick([
        lambda: ("host", {"suffix": pick([".test", "example.test", "est", "fd99::2"])}),
        lambda: ("host", pick(["www.example.test", "www.example.test", "other.test"])),
        lambda: ("host", {"present": pick([True, False])}),
        lambda: ("host", {"in": "names"}),
        lambda: ("src", pick(["10.99.0.1", "10.0.0.0/8", "fd99::/64", "192.0.2.1"])),
        lambda: ("dst", {"in": "nets"}),
        lambda: ("dport", pick([80, 443, 53, 22, 25, [80, 443], {"range": "1-1023"}, {"not": 53}])),
        lambda: ("proto", pick(["tcp", "udp"])),
        lambda: ("app", pick(["tls", "http", "dns", "quic", "ssh", ["http", "tls"]])),
        lambda: ("http.path", pick([{"regex": "^/[a-z]*$"}, {"prefix": "/"}, {"contains": "old"}, "/"])),
        lambda: ("http.method", pick(["GET", "POST", {"not": "GET"}])),
        lambda: ("tls.alpn", pick(["h2", "http/1.1", {"present": False}])),
        lambda: ("dns.qname", {"contains": pick(["e", "www", "x"])}),
        lambda: ("dns.qtype", pick(["A", "AAAA", ["A", "HTTPS"]])),
        lambda: ("ip.version", pick([4, 6])),
    ])()


def rule(i):
    action = rng.choice(["allow", "deny", "deny", "tag", "alert"])
    made = {"id": f"r{i}", "action": action, "when": dict(condition() for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])))}
    if rng.random() < 0.15:
        made["when"]["any"] = [dict([condition()]) for _ in range(2)]
    if action == "tag":
        made["tag"] = rng.choice("ab")
    elif rng.random() < 0.1:
        made["when"]["tag"] = rng.choice("ab")
    if action == "deny" and rng.random() < 0.3:
        made["respond"] = "drop"
    if rng.random() < 0.1:
        made["mode"] = "shadow"
    return made


def policy():
    return {"default": {"action": rng.choice(["allow", "deny"])},
            "sets": {"names": {"type": "domain", "items": ["example.test", "=other.test"]}, "nets": {"type": "net", "items": ["10.99.0.0/24", "fd99::/16"]}},
            "rules": [rule(i) for i in range(rng.randint(2, 9))]}


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
            p, capture = policy(), CAPTURES / f"{rng.choice(NAMES)}.pcap"
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
