#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is said and done does not depend on how packets fall into bursts: each golden case with a policy, and random policies over
all captures, once as they are and once with frames of nobody between them, so that every burst ends behind each frame; trace,
facts and what left are the same but for the numbers of frames. usage: bursts_test.py SLUICE CAPTURES POLICIES"""
import concurrent.futures
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import any_policy

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
import pcap_file  # noqa: E402

GAP = 31  # frames of nobody behind each: a burst is 32
NOBODYS = bytes.fromhex("02000000000102000000000288b5") + bytes(46)  # IEEE's ethertype for experiments


def spread(before, after, gap):
    """with frames of nobody behind each, and behind the last, so that no flow's end has a frame's place"""
    data = before.read_bytes()
    size = struct.pack(pcap_file.order(data) + "II", len(NOBODYS), len(NOBODYS))
    with open(after, "wb") as out:
        out.write(data[: pcap_file.HEADER])
        for head, frame in pcap_file.records(data):
            nobodys = head[:8] + size + NOBODYS
            out.write(head + frame + nobodys * gap)
        out.write(nobodys)


def replay(sluice, captures, args, folder, gap):
    """(facts, doors, what left), by the numbers that frames have where nothing stands between them"""
    out = {k: folder / k for k in ("facts", "trace", "summary", "left")}
    run = subprocess.run([sluice, "replay", *captures, "--seed", "1", "-f", "facts", "-v", "-o", out["facts"], "--trace", out["trace"],
                          "--summary", out["summary"], "-w", out["left"], *args], capture_output=True, text=True, timeout=120)
    if run.returncode:
        return [run.stderr[-300:]], [], []
    facts = [json.loads(line) for line in out["facts"].read_text().splitlines()]
    for fact in facts:
        fact["pcap"] = pathlib.Path(fact.get("pcap", "")).name
        fact["frame"] = (fact["frame"] + gap) // (gap + 1)
    doors = [line.split() for line in out["trace"].read_text().splitlines() if line[0] != "#"]
    doors = [[(int(d[0]) + gap) // (gap + 1), *d[1:]] for d in doors if (int(d[0]) - 1) % (gap + 1) == 0]
    return facts, doors, [f for _, f in pcap_file.records(out["left"].read_bytes()) if f != NOBODYS]


def differ(job):
    sluice, name, captures, args = job
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        said = []
        for gap in (0, GAP):
            copies = [tmp / c.name for c in captures]
            for c, copy in zip(captures, copies):
                spread(c, copy, gap)
            said.append(replay(sluice, copies, args, tmp, gap))
        plain, apart = said
    for what, a, b in zip(("facts", "doors", "what left"), plain, apart):
        if a != b:
            i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            return f"{name}: {what}: {str(a[i : i + 1])[:300]}\n  apart: {str(b[i : i + 1])[:300]}"
    return None if plain[1] else f"{name}: {plain[0][:1]}"


def jobs(sluice, captures, policies, folder):
    for policy in sorted((TESTS / "golden").glob("*/policy.json")):
        case = policy.parent
        if pcap_file.link_type((case / "in.pcap").read_bytes()) == 1:  # only Ethernet has frames of nobody
            args = (case / "args").read_text().replace("{}", str(case)).split("\n")
            yield sluice, case.name, [case / "in.pcap"], [a for a in args if a]
    rng = random.Random(int(os.environ.get("SEED", "1")))
    for i in range(policies):
        policy = folder / f"{i}.json"
        policy.write_text(json.dumps(any_policy.policy(rng)))
        yield sluice, f"policy {i}", sorted(captures.glob("*.pcap")), ["-p", str(policy)]


def main():
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        all_jobs = list(jobs(sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), pathlib.Path(folder)))
        wrong = [w for w in pool.map(differ, all_jobs) if w]
    print(*wrong, sep="\n")
    print(f"{len(all_jobs)} replays, {len(wrong)} depend on bursts")
    sys.exit(bool(wrong))


main()
