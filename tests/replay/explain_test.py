#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What explain says of a packet or a record is what happened to it: random policies, with what records do not keep (TTL, TCP
flags, payload), over captures. Of packets that were dropped by a rule the verdict is that rule's, by --trace; of records it is
the record's; where they differ explain says why, and it is no bug. Then stories: held frames, a guard, a shadow, a tunnel, a
search. usage: explain_test.py SLUICE CAPTURES [POLICIES] [SEED]"""
import json
import pathlib
import random
import sys
import tempfile

from asked import CAPTURES, expect, failures, run

POLICIES, SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 20, int(sys.argv[4]) if len(sys.argv) > 4 else 1
NAMES = ("tour", "http", "dns", "browser_quic", "ssh", "connect", "tls13", "starttls", "http6", "socks", "fragments")
KINDS = {"tls", "quic", "http", "dns", "ssh"}
rng = random.Random(SEED)


def condition():
    pick = rng.choice
    return pick([
        lambda: ("ttl", pick([64, 63, 255, {"range": [0, 63]}])),
        lambda: ("tcp.flags", pick(["syn", "ack", {"not": "syn"}])),
        lambda: ("payload", pick([{"contains": "curl"}, {"contains": "HTTP/1.1 200"}, {"regex": "[a-z]{4}\\.test"}, {"contains": "SSH-2"}, {"present": False}])),
        lambda: ("payload", {"contains": pick(["example", "GET", "\x16\x03", "alias"])}),
        lambda: ("http.status", pick([200, 404, {"range": [300, 399]}])),
        lambda: ("dns.answer", {"contains": pick(["192.", "example", "alias"])}),
        lambda: ("tls.version", pick(["1.3", "1.2"])),
        lambda: ("flow.seen", pick(["both", "client"])),
        lambda: ("host", pick([{"suffix": ".test"}, "www.example.test", "other.test", {"present": False}])),
        lambda: ("dport", pick([80, 443, 53, 22, {"range": "1-1023"}])),
        lambda: ("proto", pick(["tcp", "udp"])),
        lambda: ("app", pick(["tls", "http", "dns", "quic", "ssh"])),
        lambda: ("http.path", {"regex": "^/[a-z]+$"}),
    ])()


def policy():
    rules = []
    for i in range(rng.randint(2, 6)):
        action = rng.choice(["allow", "deny", "deny", "deny", "tag"])
        rules.append({"id": f"r{i}", "action": action, "when": dict(condition() for _ in range(rng.choice([1, 1, 2])))})
        if action == "tag":
            rules[-1]["tag"] = "t"
        if rng.random() < 0.15:
            rules[-1]["log"] = "none"
    return {"default": {"action": rng.choice(["allow", "allow", "deny"])}, "rules": rules}


def explained(what, *args):
    rc, out, err = run("explain", *args, "-j")
    expect(f"{what}: explain", rc == 0, f"{rc} {err}")
    e = json.loads(out) if rc == 0 else {}
    expect(f"{what}: no bug", "bug" not in (e.get("differs") or ""), e.get("differs"))
    return e


def packets(path, capture, case):
    rc, out, err = run("replay", "-p", path, "--trace", "-", capture)
    ends = [line.split() for line in out.splitlines()]
    dropped = [e for e in ends if e[2] == "POLICY_DENY"]
    n = 0
    for number, door, reason, rule in rng.sample(dropped, min(2, len(dropped))) + rng.sample(ends, min(1, len(ends))):
        e = explained(f"packet {number} of {case}", "-p", path, capture, "--packet", number)
        expect(f"packet {number}: how it left: {case}", e.get("packet", {}).get("door") == door and (e["packet"]["reason"] or "-") == reason, e.get("packet"))
        if reason == "POLICY_DENY":
            n += 1
            v = e.get("verdict", {})
            expect(f"packet {number} was dropped by {rule}: {case}", (v.get("action"), v.get("rule"), v.get("open")) == ("deny", rule, False),
                   f'{v} {e.get("judged")}')
    return n


def records(path, capture, case):
    rc, out, err = run("replay", "-p", path, "--format", "eve", capture)
    events = [e for e in map(json.loads, out.splitlines()) if e["event_type"] in KINDS and "verdict" in e]
    n = 0
    for e in rng.sample(events, min(2, len(events))):
        said = explained(f"record {e['flow_id']:x}.{e['tx_id']} of {case}", "-p", path, capture, "--record", f"{e['flow_id']:x}.{e['tx_id']}")
        if said and said["transaction"]["kind"] == e["event_type"]:
            n += 1
            v = said.get("verdict", {"rule": None, "action": None})
            expect(f"record {e['flow_id']:x}.{e['tx_id']} of {case}", said["differs"] or (v["rule"], v["action"]) == (e["verdict"]["rule"], e["verdict"]["action"]),
                   f"{v} {e['verdict']}")
    return n


def at_random(work):
    path, n = work / "p.json", [0, 0]
    for _ in range(POLICIES):
        p, capture = policy(), CAPTURES / f"{rng.choice(NAMES)}.pcap"
        path.write_text(json.dumps(p))
        if run("check", path)[0]:
            continue
        case = f"{capture.name} {json.dumps(p)}"
        n[0] += packets(path, capture, case)
        n[1] += records(path, capture, case)
    expect("something was denied, and recorded", n[0] >= POLICIES // 4 and n[1] >= POLICIES // 4, n)
    return n


def stories(work):
    path, shadow = work / "s.json", work / "t.json"
    rule = lambda id, action, **when: {"id": id, "action": action, "when": when}

    def explain(rules, capture, *args):
        path.write_text(json.dumps({"rules": rules}))
        return explained(f"{rules} {args}", "-p", path, CAPTURES / f"{capture}.pcap", *args)

    e = explain([rule("first", "deny", ttl=64, dport=80)], "http", "--packet", 6)
    expect("TTL of the first packet", e["verdict"]["rule"] == "first" and e["facts"][6]["values"][0]["value"] == "64" and e["settled"], e["verdict"])
    e = explain([rule("first", "deny", **{"tcp.flags": "syn"})], "http", "--src", "10.99.0.1", "--dport", 80)
    expect("a search finds a flow that has no transaction", e["verdict"]["rule"] == "first" and not e["transaction"], e["verdict"])
    bytes_ = rule("bytes", "deny", payload={"contains": "curl"})
    e = explain([rule("name", "deny", host="nobody.test"), bytes_], "http", "--packet", 9)
    value = next(f for f in e["facts"] if f["field"] == "payload")["values"][0]
    expect("payload, of the first request", e["verdict"]["rule"] == "bytes" and e["transaction"]["id"] == "30.0" and e["settled"] and value["frame"] == 9, e["verdict"])
    e = explain([rule("name", "deny", host="nobody.test"), bytes_], "dns", "--flow", "28")
    expect("payload that may still come", not e["settled"] and "bytes" in e["settled_why"], e["settled_why"])
    e = explain([rule("name", "deny", host="nobody.test"), dict(rule("names", "deny", payload={"contains": "alias"}))], "dns", "--packet", 5)
    expect("payload below names, over UDP", e["verdict"]["rule"] == "names" and e["packet"]["reason"] == "POLICY_DENY", e["verdict"])
    e = explain([dict(rule("quiet", "deny", host={"suffix": ".test"}), log="none", sample=1000)], "http", "--packet", 9)
    expect("what is not logged", e["verdict"]["rule"] == "quiet" and e["transaction"]["rule"] == "quiet", e["verdict"])
    e = explain([rule("a", "deny", dst="10.99.0.0/16")], "http", "--packet", 6, "--guard", "10.99.0.2")
    expect("a guard", e["verdict"]["rule"] == "guard" and e["packet"]["door"] == "tx", e["verdict"])
    e = explain([rule("a", "deny", host="nobody.test")], "../golden/fail_midstream_drop/in", "--packet", 1, "--fail", "midstream=drop")
    expect("a fail mode", e["packet"]["reason"] == "FLOW_TCP_MIDSTREAM", e["packet"])
    expect("and of no capture", "needs a capture" in run("explain", "-p", path, "--dport", 22, "--fail", "midstream=drop")[2])
    shadow.write_text(json.dumps({"rules": [rule("other", "deny", host={"suffix": ".test"})]}))
    e = explain([rule("one", "allow", dport=80)], "http", "--record", "30.0", "--shadow", shadow)
    expect("a shadow", e["shadow"]["verdict"]["rule"] == "other" and e["transaction"]["would"] == {"action": "deny", "rule": "other"}, e["shadow"]["verdict"])
    e = json.loads(run("explain", "-p", path, "--dport", 443, "--host", "a.test", "--shadow", shadow, "-j")[1])
    expect("a shadow, without a capture", e["shadow"]["verdict"]["rule"] == "other" and e["verdict"]["rule"] == "default", e)
    e = explain([dict(rule("slow", "limit", dport=80), rate="1pps", burst=2)], "http", "--packet", 19)
    expect("a limit", e["packet"]["reason"] == "LIMIT_EXCEEDED" and e["packet"]["rule"] == "slow" and e["verdict"]["action"] == "allow", e["packet"])
    e = explain([rule("name", "deny", host="nobody.test")], "browser_quic", "--app", "quic")
    held = e["held"]
    expect("frames that were held", held and all(h["ms"] >= 0 and h["reason"] is None for h in held), held)
    e = explain([rule("name", "deny", host="nobody.test")], "browser_quic", "--packet", held[0]["frame"])
    expect("a frame that was held", e["packet"]["held"] and e["packet"]["door"] == "tx", e["packet"])
    out = run("explain", "-p", path, CAPTURES / "browser_quic.pcap", "--packet", held[0]["frame"])[1]
    expect("held, in words", "\nheld           frame " in out and "\033" not in out, out)
    shadow.write_text(json.dumps({"rules": [rule("no-ssh", "deny", dport=22)]}))
    swap = ("--policy-at", f"0.1={shadow}")
    e = explain([rule("name", "deny", host="nobody.test")], "ssh", *swap, "--packet", 25)
    expect("a packet after another policy came", e["packet"]["rule"] == e["verdict"]["rule"] == e["flow"]["rule"] == "no-ssh" and e["policy"] == str(shadow)
           and e["flow"]["version"] == 2 and e["differs"] is None, e["packet"])
    e = explain([rule("name", "deny", host="nobody.test")], "ssh", *swap, "--record", "8.0")
    expect("a transaction from before it", e["verdict"]["rule"] == e["transaction"]["rule"] == "default" and e["policy"] == str(path) and e["transaction"]["version"] == 1
           and [j["version"] for j in e["judged"]] == [1, 1, 2], e["judged"])
    e = explained("only a later one", *swap, CAPTURES / "ssh.pcap", "--flow", "8")
    expect("nothing before it", e["verdict"]["rule"] == "no-ssh" and [j["by"] for j in e["judged"]] == ["another policy"], e["judged"])
    for args, says in ((swap, "needs a capture"), (("--policy-at", f"x={path}", CAPTURES / "ssh.pcap"), "T=FILE")):
        got, out, err = run("explain", "-p", path, *args, "--dport", 22)
        expect(f"explain {args}", got == 2 and says in err, f"{got} {err}")
    path.write_text(json.dumps({"undecided": {"handshake": "drop"}, "rules": [rule("name", "deny", host="nobody.test")]}))
    out = run("explain", "-p", path, CAPTURES / "http.pcap", "--packet", 6)[1]
    expect("a handshake that may not pass, by which setting", "dropped by POLICY_UNDECIDED\n" in out and "undecided      handshake: drop\n" in out, out)
    e = json.loads(run("explain", "-p", path, CAPTURES / "http.pcap", "--packet", 6, "-j")[1])
    expect("the same as JSON", e["packet"]["rule"] == "undecided.handshake", e["packet"])
    for args, rc, says in ((("--ttl", 3), 1, "known only where"), (("--packet", 100000), 1, "no packet 100000"), (("--record", "ffff.1"), 1, "fits"),
                           (("--fail", "midstraem=drop", "--packet", 1), 2, "did you mean"), (("--fail", "x", "--packet", 1), 2, "KEY=VALUE"),
                           (("--guard", "10.0.0.0/8", "--packet", 1), 2, "--guard is an address"), (("-p", path), 2, "given twice")):
        got, out, err = run("explain", "-p", path, CAPTURES / "http.pcap", *args)
        expect(f"explain {args}", got == rc and says in err, f"{got} {err}")


with tempfile.TemporaryDirectory() as tmp:
    n = at_random(pathlib.Path(tmp))
    stories(pathlib.Path(tmp))
print(f"{POLICIES} policies: {n[0]} denied packets and {n[1]} records explained, {len(failures)} failures")
sys.exit(bool(failures))
