#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Truth under attack: plays every case of smuggle_*.py through replay, and judges what left.

usage: run.py SLUICE [--sample | --full | --no-policy] [--case GLOB] [--cell GLOB] [--table] [--keep DIR]

A case is told in cells, WRAP/IP/DEFAULT: plain, vlan, qinq or gwlb; 4 or 6; under a default of allow with a rule that denies the
name, or of deny with a rule that allows the twin's. What a cell can say:

    ok     the denied name is not readable by any model of a receiver, and the twin left as it should
    LEAK   a model reads it: which one is said
    part   the bytes of the name left, but not all of the message that they stand in: no server acts on it
    twin   the twin did not leave as the case's marks say, or was refused

Before that, each case is judged as it came: the name must be readable there, or the case tests nothing. Cases, wraps and versions
have addresses or tenants of their own and are played in one capture; those of smuggle_starve.py in one each. --full plays all
with two workers, too: the capture that is written must be the same. --sample: each case in one of the wraps and versions, in
turn.
known.json names the cells that are known to say otherwise, with the reason; one that comes to say ok fails, too.
--no-policy asks only that every name is readable in what comes in, and that the twins leave as they should.
Exit 0: all as known. 1: not. 2: usage."""
import argparse
import collections
import fnmatch
import importlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
import judge  # noqa: E402
import pcap_file  # noqa: E402
import wire  # noqa: E402
from scene import ALLOWED, DENIED, GONE, SAME, WRAPS, Scene  # noqa: E402
from packets import pcap  # noqa: E402

MODULES = ("tcp", "begin", "ip", "shape", "role", "spell", "hello", "http", "http2", "prelude", "dns", "quic")
DEFAULTS = ("allow", "deny")
SAMPLE = (("plain", 4), ("vlan", 6), ("gwlb", 4))
EPOCH = 1_700_000_000
PAUSE = 12_000_000  # microseconds between two stories: longer than anything is held

Told = collections.namedtuple("Told", "key frames expected")  # frames: (microseconds, bytes); expected: those that leave, of the twin


def all_cases():
    found = {}
    for m in MODULES:
        found.update(importlib.import_module("smuggle_" + m).CASES)
    return [(name, n + 1, story, marks) for n, (name, (story, marks)) in enumerate(found.items())]


def tell(cases, cells, names, judged, sample=False):
    """every story in every wrap, one after the other"""
    now, told = 0, []
    for name, number, story, marks in cases:
        here = [cells[number % len(cells)]] if sample else cells  # in turn: one is enough for a day
        for wrap, v in here:
            if v not in marks.get("versions", (4, 6)):
                continue
            scene = Scene(number, v, names)
            story(scene)
            around, frames, expected = WRAPS[wrap], [], []
            for at, l3, free, held in scene.frames:
                twin = held if judged else free
                at += now
                frames.append((at, around(l3, number)))
                if twin is not GONE:
                    expected.append((at, around(l3 if twin is SAME else twin, number)))
            told.append(Told((name, wrap, v), frames, expected))
            now = frames[-1][0] + PAUSE
    return told


def key_of(frame, names):
    """the case and the wrap that a frame is of"""
    kind, l3 = frame[12:14], wire.layer3(frame)
    p = wire.piece(l3) if l3 else None
    number = wire.number(frame)
    if p is None or number is None:
        return None
    wrap = {b"\x81\0": "vlan", b"\x88\xa8": "qinq"}.get(kind, "gwlb" if p.src.startswith("192.0.2.") else "plain")
    if wrap == "gwlb":
        l3 = wire.inner(wire.Datagram(p.src, p.dst, p.proto, p.data, 0, True))
    return names[number], wrap, l3[0] >> 4


def starve(story, names, judged):
    """-> frames of a case that is a capture of its own, and those of them that leave, of the twin"""
    scene, count = Scene(1, 4, names), [1]

    def others():
        count[0] += 1
        return Scene(count[0], 4, ALLOWED, scene)

    story(scene, others)
    around = WRAPS["plain"]
    frames = [(at, around(l3, 1)) for at, l3, _, _ in scene.frames]
    left = [(at, held if judged else free, l3) for at, l3, free, held in scene.frames]
    return Told(None, frames, [(at, around(l3 if twin is SAME else twin, 1)) for at, twin, l3 in left if twin is not GONE])


def replay(sluice, told, policy, workers, folder, options=()):
    """-> the capture that left"""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in.pcap").write_bytes(pcap([(data, Fraction(at, 1_000_000)) for t in told for at, data in t.frames]))
    args = [sluice, "replay", folder / "in.pcap", "-w", folder / "out.pcap", "-o", folder / "eve.json", "-f", "eve", "--seed", "1",
            "-n", str(workers), "--summary", folder / "summary.json", "--trace", folder / "trace", *options]
    if policy:
        args += ["-p", HERE / f"default_{policy}.json"]
    run = subprocess.run(args, capture_output=True, text=True, timeout=300)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, args))}\nexit code {run.returncode}: {run.stderr.strip()[-2000:]}")
    return (folder / "out.pcap").read_bytes()


def split(data):
    """(microseconds, bytes, length on the wire) of each frame"""
    for head, frame in pcap_file.records(data):
        seconds, micros, _, length = struct.unpack("<IIII", head)
        yield (seconds - EPOCH) * 1_000_000 + micros, frame, length


def shared(data, names):
    """for each key its frames"""
    left = collections.defaultdict(list)
    for f in split(data):
        left[key_of(f[1], names)].append(f)
    return left


def twin_wrong(told, left, marks):
    expected = told.expected
    got = [(at, frame) for at, frame, length in left if length == len(frame)]
    if marks.get("closes") or marks.get("loose"):
        return None if marks.get("loose") or all(f in told.frames or closing(f[1]) for f in got) else "frames that are not the case's"
    if len(expected) < len(told.frames):  # what is refused is answered
        got = [f for f in got if f in expected or not closing(f[1])]
    if marks.get("pieces"):  # the front of a frame may go ahead of it
        got = [f for f in got if f in expected or not any(front(f[1], e) for _, e in expected)]
    if got == expected:
        return None
    for n, (a, b) in enumerate(zip(got, expected)):
        if a != b:
            what = "time" if a[1] == b[1] else "bytes" if a[0] == b[0] else "frame"
            return f"frame {n + 1} of {len(expected)}: other {what} ({len(got)} left)"
    return f"{len(got)} frames left, {len(expected)} expected"


def front(frame, whole):
    """is it the front of that frame: fewer bytes of the same place?"""
    a, b = (wire.unwrapped([(0, wire.layer3(f))], "first")[-1] for f in (frame, whole))
    if a.proto != 6 or b.proto != 6 or a[:2] != b[:2] or a.data[:8] != b.data[:8]:
        return False
    mine, other = (d.data[(d.data[12] >> 4) * 4 :] for d in (a, b))
    return 0 < len(mine) < len(other) and other.startswith(mine)


def closing(frame):
    """may it be a frame of the box's own: TCP with RST or FIN, or to the client"""
    inmost = wire.unwrapped([(0, wire.layer3(frame))], "first")[-1]
    return not judge.to_server(inmost) or inmost.proto == 6 and bool(inmost.data[13] & 5)


def read(why):
    return "ok" if not why else "part" if judge.PART in why else "LEAK"


class Report:
    def __init__(self):
        self.cells, self.why = collections.defaultdict(dict), {}

    def say(self, key, default, result, why=""):
        name, wrap, v = key
        cell = f"{wrap}/{v}/{default}"
        if self.cells[name].get(cell, "ok") == "ok":
            self.cells[name][cell] = result
            self.why[name, cell] = why


def known_result(known, name, cell):
    for k in known:
        if k["says"] != "workers" and fnmatch.fnmatch(name, k["case"]) and any(fnmatch.fnmatch(cell, c) for c in k.get("cells", ["*"])):
            return k["says"]
    return "ok"


def inputs_readable(told, marks, report_to):
    """each case, judged as it came: the denied name must be there to be read"""
    dull = sorted({t.key[0] for t in told if t.key[1] == "plain" and not marks[t.key[0]].get("harmless") and not judge.readable([f for _, f in t.frames])})
    for name in dull:
        report_to(f"{name}: nobody reads the denied name in what comes in: the case tests nothing")
    return dull


def by_workers(one, two, names):
    """names of cases of which two workers let other frames leave than one"""
    a, b = shared(one, names), shared(two, names)
    return {key[0] for key in set(a) | set(b) if a[key] != b[key]}


def play(args, cases, cells, folder, report, known):
    names = {number: name for name, number, _, _ in cases}
    marks = {name: m for name, _, _, m in cases}
    bad, good = (tell(cases, cells, n, j, args.sample) for n, j in ((DENIED, True), (ALLOWED, not args.no_policy)))
    trouble = inputs_readable(bad, marks, print) if not args.no_input else []
    for default in (None,) if args.no_policy else DEFAULTS:
        outputs = {}
        for kind, told in (("denied", bad), ("twin", good)):
            outputs[kind] = replay(args.sluice, told, default, 1, folder / f"{kind}-{default}")
            if args.full:
                odd = by_workers(outputs[kind], replay(args.sluice, told, default, 2, folder / f"{kind}-{default}-2"), names)
                for name in sorted(odd - {k["case"] for k in known if k["says"] == "workers"}):
                    print(f"{kind}, default {default}, {name}: two workers write other frames than one")
                    trouble.append("workers")
        left = shared(outputs["denied"], names)
        for t in bad:
            why = judge.readable([f for _, f, _ in left[t.key]])
            report.say(t.key, default, read(why) if default else "ok", why)
        left = shared(outputs["twin"], names)
        for t in good:
            mark = marks[t.key[0]]
            if default == "deny" and mark.get("default") == "allow" or not default and mark.get("policy"):
                continue
            why = twin_wrong(t, left[t.key], marks[t.key[0]])
            report.say(t.key, default, "twin" if why else "ok", why)
    return trouble


def play_starved(args, folder, report):
    """each a capture of its own; only the frames of scene 1 are asked"""
    stories = [x for x in importlib.import_module("smuggle_starve").CASES.items() if fnmatch.fnmatch(x[0], args.case)]
    for name, (story, options, marks) in stories:
        if marks.get("full") and not args.full:
            continue
        key = (name, "plain", 4)
        bad, good = starve(story, DENIED, True), starve(story, ALLOWED, True)
        for default in DEFAULTS[: 1 if args.sample else None]:
            out = replay(args.sluice, [bad], default, 1, folder / f"{name}-denied-{default}", options)
            frames = [f for _, f in pcap_file.records(out) if wire.number(f) == 1]
            why = judge.readable(frames)
            report.say(key, default, read(why), why)
            if default == "deny" and marks.get("default") == "allow":
                continue
            out = replay(args.sluice, [good], default, 1, folder / f"{name}-twin-{default}", options)
            mine = good._replace(expected=[f for f in good.expected if wire.number(f[1]) == 1])
            why = twin_wrong(mine, [f for f in split(out) if wire.number(f[1]) == 1], marks)
            report.say(key, default, "twin" if why else "ok", why)
    return len(stories)


def show(report, known, table):
    """-> number of cells that are not as known"""
    wrong = 0
    for name, cells in report.cells.items():
        odd = {c: r for c, r in cells.items() if r != known_result(known, name, c)}
        wrong += len(odd)
        if table:
            print(f"{name:44} " + " ".join(f"{c}={r}" for c, r in cells.items()))
        by_why = collections.defaultdict(list)
        for c, r in odd.items():
            by_why[r, report.why[name, c] if r != "ok" else "known to be otherwise: known.json"].append(c)
        for (r, why), where in by_why.items():
            print(f"{r:5} {name}: {why}\n        in {len(where)} of {len(cells)} cells: {' '.join(where[:8])}")
    return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("sluice")
    p.add_argument("--sample", action="store_true")
    p.add_argument("--full", action="store_true")
    p.add_argument("--case", default="*")
    p.add_argument("--cell", default="*/*")
    p.add_argument("--table", action="store_true")
    p.add_argument("--keep")
    p.add_argument("--no-policy", action="store_true")
    p.add_argument("--no-input", action="store_true")
    args = p.parse_args()
    begin = time.time()
    cases = [c for c in all_cases() if fnmatch.fnmatch(c[0], args.case)]
    cells = SAMPLE if args.sample else [(w, v) for w in WRAPS for v in (4, 6)]
    cells = [(w, v) for w, v in cells if fnmatch.fnmatch(f"{w}/{v}", args.cell)]
    known = json.loads((HERE / "known.json").read_text())
    report = Report()
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(args.keep or tmp)
        # at once no more flows than replay has connections of HTTP/2 for, 256: who comes later would find no memory
        at_once = 240 // len(cells) if args.full and cells else len(cases) or 1
        trouble = [t for i in range(0, len(cases), at_once) for t in play(args, cases[i:i + at_once], cells, folder / str(i), report, known)] if cells else []
        starved = 0 if args.no_policy else play_starved(args, folder, report)
    wrong = show(report, known, args.table)
    said = collections.Counter(r for c in report.cells.values() for r in c.values())
    print(f"{len(cases) + starved} cases, {sum(said.values())} cells: " + ", ".join(f"{n} {r}" for r, n in said.most_common())
          + f"; {wrong} not as known; {time.time() - begin:.0f} s")
    return bool(wrong or trouble)


if __name__ == "__main__":
    sys.exit(main())
