#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A settled flow has nothing more to say: random policies over captures, each replayed twice, with all frames through the corridor
and with those of settled directions past it (--fast-path, from the first frame on). Records, drops and the frames that leave have to
be the same, but that a denied flow to which all was said is answered no more. So they have to be where another policy comes into force under way. Corpora are read where there are some.
usage: settled_test.py SLUICE CAPTURES [POLICIES] [SEED]"""
import collections
import json
import os
import pathlib
import random
import struct
import sys
import tempfile

from any_policy import policy
from asked import CAPTURES, expect, failures, run

POLICIES, SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 6, int(sys.argv[4]) if len(sys.argv) > 4 else 1
CORPORA = pathlib.Path(os.environ.get("SLUICE_CORPORA", CAPTURES.parents[2] / "shared/corpora"))
NEVER = 1 << 20  # frames of a direction: nothing settles, but frames walk one by one, as they do beside others that settle
rng = random.Random(SEED)
MORE = [lambda: ("payload", {"contains": rng.choice(["HTTP", "SSH-", "e", "\u0016\u0003"])}),
        lambda: ("flow.seen", rng.choice(["both", "client", "server"])),
        lambda: ("tls.version", rng.choice(["1.2", "1.3"])),
        lambda: ("http.status", rng.choice([200, 404])),
        lambda: ("stream.ambiguous", True)]
NAMED = [{"rules": [{"id": "name", "action": "deny", "when": {"host": "denied.example"}}]},
         {"rules": [{"id": "port", "action": "deny", "when": {"dport": 81}}]},
         {"rules": [{"id": "words", "action": "alert", "when": {"dport": 9999, "payload": {"contains": "evil"}}}]},
         {"rules": [{"id": "no", "action": "deny", "respond": "drop", "when": {"dport": [80, 443]}}]},
         {"rules": [{"id": "slow", "action": "limit", "rate": "1Mbps", "by": "src", "when": {"dport": 443}}]}]


def frames(path):
    """-> how many times each frame is in a pcap file of this machine's"""
    data, at, found = path.read_bytes(), 24, collections.Counter()
    while at < len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        found[data[at:at + 16 + size]] += 1
        at += 16 + size
    return found


def halves(work, capture):
    """-> captures of what each side of one TCP connection said, as asymmetric routes show it"""
    data, at, sides = capture.read_bytes(), 24, {}
    while at < len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        sides.setdefault(frame[26:30], []).append(data[at:at + 16 + size])
        at += 16 + size
    for i, said in enumerate(sides.values()):
        path = work / f"{capture.stem}_{i}.pcap"
        path.write_bytes(data[:24] + b"".join(said))
        yield path


def replayed(work, captures, policies, *more):
    options = ["-p", policies[0]] + (["--policy-at", f"0.05={policies[1]}"] if len(policies) > 1 else [])
    rc, _, err = run("replay", *captures, *options, "--seed", 1, "--format", "facts", "-o", work / "records", "-w", work / "left",
                     "--summary", work / "summary", *more)
    if rc not in (0, 3):  # some captures are damaged, or of another link type than the file of frames
        sys.exit(f"FAIL exit {rc}: {err[-2000:]}")
    ledger = json.loads((work / "summary").read_text())["ledger"]
    settled = ledger.pop("settled", 0)
    ledger["tx"] -= ledger["own"]
    return (work / "records").read_bytes().splitlines(), frames(work / "left"), ledger, settled


def compare(work, what, captures, policies):
    records, left, ledger, _ = replayed(work, captures, policies, "--fast-path", NEVER)
    found, also, other, settled = replayed(work, captures, policies, "--fast-path", 1)
    text = "\n".join(pathlib.Path(p).read_text() for p in policies)
    differ = [f"{sign} {line[:300]!r}" for sign, a, b in (("-", records, found), ("+", found, records)) for line in sorted(set(a) - set(b))[:5]]
    expect(f"{what}: records", records == found, "\n".join([text, *differ]))
    own = ledger.pop("own")
    silent = own - other.pop("own")
    others = (also - left).total()  # where a flow is denied that was settled, its reset has the numbers of the packet at hand
    expect(f"{what}: frames that left", others <= (own if len(policies) > 1 else 0) and (left - also).total() == others + silent,
           f"{text}\n{silent} answers less, {others} others")
    expect(f"{what}: ledger", ledger == other, f"{text}\n{ledger}\n{other}")
    return settled, ledger["rx"]


def main():
    own = sorted(CAPTURES.glob("*.pcap"))
    corpora = [f for c in ("arkime", "zeek", "ipfixprobe") for f in sorted((CORPORA / c / "pcap").glob("*"))]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        paths = []
        for i, p in enumerate(NAMED + [policy(rng, MORE) for _ in range(POLICIES)]):
            paths.append(work / f"{i}.json")
            paths[-1].write_text(json.dumps(p))
        sums = [0, 0]
        for i, path in enumerate(paths):
            sums = [a + b for a, b in zip(sums, compare(work, f"policy {i}", own + corpora, [path]))]
        one_way = [half for name in ("tls12", "tls13") for half in halves(work, CAPTURES / f"{name}.pcap")]
        for i, path in enumerate(paths[:3]):
            settled = compare(work, f"policy {i}, one way", one_way, [path])[0]
            expect(f"policy {i}: some of it settles", settled > 0, f"{settled} frames")
        for i in range(0, len(paths), 3):
            compare(work, f"policy {i} and then another", own, [paths[i], rng.choice(paths)])
        expect("some of it settles", sums[0] > 1000 if corpora else sums[0] > 100, str(sums))
    print(f"{len(paths)} policies: {sums[0]} of {sums[1]} frames settled" + ("" if corpora else "; no corpora here"))
    sys.exit(bool(failures))


main()
