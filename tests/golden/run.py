#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Replays golden cases and compares. usage: run.py SLUICE [CASE...]

A case is a folder beside this file: in.pcap, expect.json, and args (optional: options of replay, one a line; {} is the
folder). policy.json is its policy, if it has one. expect.json:
  drops      {"REASON": [frame numbers]}: exactly these frames leave so; all others by tx
  rules      {"rule": [frame numbers]}: exactly these dropped frames have this rule in the trace
  counters   {"name": value}: of the summary, those named
  facts      [{"field", "value", "tuple"?}]: each is said
  no_facts   [the same]: none of them is said
  left       {"frame": "text"}: these frames left changed; they end with these bytes, and their TCP checksum is right
  offloading ["address protocol"]: who is said to offload, no more and no less
  same       true: -w writes the frames that were not dropped, byte for byte as they came (but those of `left`), in their order
Every case obeys the ledger: rx + own = tx + kernel + mirrored + sum of drops + held, held 0, no mbuf in use."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pcap_file  # noqa: E402


def frames(path):
    return [head + frame for head, frame in pcap_file.records(path.read_bytes())]


def tcp_sum_right(frame):
    """of Ethernet, IPv4 without options, TCP"""
    ip = frame[14:]
    segment = ip[20 : int.from_bytes(ip[2:4], "big")]
    b = ip[12:20] + struct.pack("!HH", 6, len(segment)) + segment
    total = sum(struct.unpack("!%dH" % (len(b) // 2 + len(b) % 2), b + b"\0" * (len(b) % 2)))
    return total % 0xFFFF == 0


def said(fact, facts):
    return any(all(f.get(k) == v for k, v in fact.items()) for f in facts)


def check(sluice, case):
    expect = json.loads((case / "expect.json").read_text())
    args = (case / "args").read_text().split("\n") if (case / "args").exists() else []
    args = [a.replace("{}", str(case)) for a in args if a]
    wrong = []
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        run = subprocess.run([sluice, "replay", str(case / "in.pcap"), "--seed", "1", "-f", "facts", "-o", tmp / "facts",
                              "--trace", tmp / "trace", "--summary", tmp / "summary", "-w", tmp / "out.pcap"] + args,
                             capture_output=True, text=True, timeout=60)
        if run.returncode != 0:
            return [f"exit code {run.returncode}: {run.stderr.strip()[-500:]}"]
        trace = [line.split() for line in (tmp / "trace").read_text().splitlines()]
        summary = json.loads((tmp / "summary").read_text())
        facts = [json.loads(line) for line in (tmp / "facts").read_text().splitlines()]
        before, after = frames(case / "in.pcap"), frames(tmp / "out.pcap")

    want = {n: r for r, ns in expect.get("drops", {}).items() for n in ns}
    got = {int(t[0]): t[2] for t in trace if t[1] == "drop"}
    for n in sorted(want.keys() | got.keys()):
        if want.get(n) != got.get(n):
            wrong.append(f"frame {n}: {got.get(n, 'passes')}, expected {want.get(n, 'to pass')}")
    if [int(t[0]) for t in trace] != list(range(1, len(before) + 1)):
        wrong.append("the trace has not one line for each frame")
    ledger = summary["ledger"]
    doors = ledger["tx"] + ledger["kernel"] + ledger["mirrored"] + sum(ledger["drops"].values()) + ledger["held"]
    if ledger["rx"] + ledger["own"] != doors or ledger["held"] or summary["mbufs_in_use"]:
        wrong.append(f"ledger: {ledger}, mbufs in use {summary['mbufs_in_use']}")
    if expect.get("own", ledger["own"]) != ledger["own"]:
        wrong.append(f"{ledger['own']} frames of our own, not {expect['own']}")
    if sum(ledger["drops"].values()) != len(got) or ledger["rx"] != len(before):
        wrong.append("ledger and trace differ")
    by = {}
    for t in trace:
        if t[3] != "-":
            by.setdefault(t[3], []).append(int(t[0]))
    if expect.get("rules", by) != by:
        wrong.append(f"rules: {by}, expected {expect['rules']}")
    for name, value in expect.get("counters", {}).items():
        if summary["counters"].get(name) != value:
            wrong.append(f"counter {name}: {summary['counters'].get(name)}, expected {value}")
    # what was dropped is explained by a record, or counted as unsaid; a parser says its own
    own = {"TLS_BAD_NAME", "HTTP_AMBIGUOUS", "QUIC_CHANGED"}
    events = [f for f in facts if f["field"] == "anomaly"]
    policy = {"POLICY_DENY", "POLICY_UNDECIDED", "POLICY_HOLD", "POLICY_MEMORY", "LIMIT_EXCEEDED"}  # a verdict's record says it
    for reason in ledger["drops"].keys() - policy:
        event = reason.lower().replace("_", ".", 1)
        if not any(f["value"] == event and (reason in own or f.get("reason") == reason) for f in events):
            wrong.append(f"no record says that frames were dropped by {reason}")
    limited = sum(f["frames"] for f in events if f.get("reason") == "LIMIT_EXCEEDED")
    if limited != ledger["drops"].get("LIMIT_EXCEEDED", 0):
        wrong.append(f"{ledger['drops']}, but records tell of {limited} frames dropped by limits")
    said_so = sum(f.get("reason", "LIMIT_EXCEEDED") not in policy for f in events) + summary["counters"]["drops_unsaid"]
    if not own & ledger["drops"].keys() and said_so != sum(r not in policy for r in got.values()):
        wrong.append(f"{len(got)} frames dropped, {said_so} said or counted")
    offloading = [f"{o['ip']} {o['proto']}" for o in summary["offloading"]]
    if expect.get("offloading", offloading) != offloading:
        wrong.append(f"offloading: {offloading}, expected {expect['offloading']}")
    wrong += [f"not said: {f}" for f in expect.get("facts", []) if not said(f, facts)]
    wrong += [f"said: {f}" for f in expect.get("no_facts", []) if said(f, facts)]
    passed = [i for i in range(1, len(before) + 1) if i not in want]
    if expect.get("same") and len(after) != len(passed):
        wrong.append("-w has not the frames that passed")
    for n, frame in zip(passed, after):
        text = expect.get("left", {}).get(str(n))
        if text is not None and not (frame[16:].endswith(text.encode("latin-1")) and frame[:16] == before[n - 1][:16]
                                     and frame != before[n - 1] and tcp_sum_right(frame[16:])):
            wrong.append(f"frame {n} left as {frame[16:]!r}")
        if text is None and expect.get("same") and frame != before[n - 1]:
            wrong.append(f"frame {n} did not leave as it came")
    return wrong


def main():
    sluice = sys.argv[1]
    names = sys.argv[2:] or sorted(p.parent.name for p in HERE.glob("*/expect.json"))
    failed = 0
    for name in names:
        wrong = check(sluice, HERE / name)
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name}")
        for w in wrong:
            print(f"       {w}")
    print(f"{len(names) - failed} of {len(names)} golden cases")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
