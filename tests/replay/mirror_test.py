#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Rules that mirror: their files hold the frames of the flow as they came, whatever became of them, each with its time and
a comment; the same for any number of workers and seeds; without the rule nothing else changes; `before` finds earlier
frames, no more than asked for; tshark reads it. Sinks of type `pcapng` (replay -c) hold the same.
usage: mirror_test.py SLUICE CAPTURES"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

from asked import CAPTURES, SLUICE, expect, failures, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


def came(capture):
    """[(ns, frame)] of a classic pcap"""
    data = capture.read_bytes()
    unit = 1 if pcap_file.nanoseconds(data) else 1000
    order = pcap_file.order(data)
    return [(s * 10**9 + u * unit, frame) for head, frame in pcap_file.records(data)
            for s, u in [struct.unpack(order + "II", head[:8])]]


def copies(path):
    """[(link type, ns, frame, [comment])] of a pcapng as it is written here, in our byte order"""
    data, at, links, out = path.read_bytes(), 0, [], []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + length - 4]
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length and length % 4 == 0
        if kind == 1:
            links.append(struct.unpack_from("<H", body)[0])
        elif kind == 6:
            interface, high, low, n, _ = struct.unpack_from("<IIIII", body)
            options, comments = 20 + (n + 3 & ~3), []
            while options < len(body):
                code, size = struct.unpack_from("<HH", body, options)
                if code == 1:
                    comments.append(body[options + 4 : options + 4 + size].decode())
                options += 4 + (size + 3 & ~3)
            out.append((links[interface], high << 32 | low, body[20 : 20 + n], comments))
        else:
            assert kind == 0x0A0D0D0A
            links = []
        at += length
    return out


def fields(comment):
    """key=value, the value perhaps in quotes"""
    return {k: re.sub(r"\\(.)", r"\1", q) if q or not v else v
            for k, v, q in re.findall(r'(\w+)=(?:([^\s"]+)|"((?:[^"\\]|\\.)*)")', comment)}


def policy(work, *rules, **more):
    path = work / "policy.json"
    path.write_text(json.dumps({"rules": list(rules), **more}))
    return path


def mirror(id_="m", sink="s", **more):
    return {"id": id_, "action": "mirror", "sink": sink, **more}


def replay(work, capture, rules, *options, mirrors=("all",), workers=1, seed=1):
    """(copies of each file, summary, what else was written); to: [SINK=]NAME of files"""
    args = []
    for m in mirrors:
        sink, _, name = m.rpartition("=")
        args += ["--mirror", f"{sink}={work / name}" if sink else work / name]
    rc, _, err = run("replay", capture, "-p", rules, "-f", "eve", "-o", work / "o", "-w", work / "w", "-t", work / "t", "-s", work / "s",
                     "--workers", workers, "--seed", seed, *args, *options)
    expect(f"{capture} {options} ends well", rc == 0, err)
    files = [copies(work / m.rpartition("=")[2]) for m in mirrors]
    return files, json.loads((work / "s").read_text()), [(work / n).read_bytes() for n in ("o", "w", "t")]


def as_they_came(work, capture, rules, name):
    """every copy is a frame of the capture; the same for any number of workers and seeds"""
    (got,), summary, first = replay(work, capture, rules)
    frames = came(capture)
    expect(f"{name}: copies are frames that came, at their time", all((ns, f) in frames for _, ns, f, _ in got), got[:2])
    expect(f"{name}: each once", len(got) == len({(ns, f) for _, ns, f, _ in got}) or len(set(frames)) < len(frames), len(got))
    expect(f"{name}: the summary counts them", summary["mirror"][0]["frames"] == len(got) <= summary["counters"]["mirror_copies"]
           and not summary["counters"]["mirror_lost"], summary["mirror"])
    for workers, seed in ((1, 7), (2, 1), (5, 2)):
        (more,), _, rest = replay(work, capture, rules, workers=workers, seed=seed)
        expect(f"{name}: {workers} workers, seed {seed}", more == got, (len(more), len(got)))
        expect(f"{name}: {workers} workers, seed {seed}: all else", rest == first, "")
    return got


def everything(work):
    """a rule that is always true, over captures and encapsulations"""
    rules = policy(work, mirror(before=3), {"id": "no", "action": "deny", "when": {"host": {"suffix": "example.test"}}})
    for capture in (CAPTURES / "tour.pcap", CAPTURES / "fragments.pcap", GOLDEN / "gwlb/in.pcap", GOLDEN / "geneve/in.pcap",
                    GOLDEN / "fragments_of_tunnel/in.pcap", GOLDEN / "link_sll/in.pcap"):
        got = as_they_came(work, capture, rules, capture.parent.name + "/" + capture.name)
        expect(f"{capture}: something was copied", got, "")


def changed(work):
    """what stream rewrites is copied as it came"""
    for case in GOLDEN.iterdir():
        if not (case / "expect.json").exists() or "left" not in json.loads((case / "expect.json").read_text()) or (case / "policy.json").exists():
            continue
        (got,), _, (_, written, _) = replay(work, case / "in.pcap", policy(work, mirror()))
        frames = {f for _, f in came(case / "in.pcap")}
        left = [f for _, f in pcap_file.records(written)]
        expect(f"{case.name}: some frame left changed", any(f not in frames for f in left), "")
        expect(f"{case.name}: all were copied as they came", {f for _, _, f, _ in got} == frames, "")


def layers(work):
    """a rule that is true for a layer outside the innermost"""
    capture = GOLDEN / "gre/in.pcap"
    got = as_they_came(work, capture, policy(work, mirror(when={"proto": 47})), "gre")
    expect("gre: the tunnel's frames", [f for _, _, f, _ in got] == [f for _, f in came(capture)][: len(got)] and got, len(got))


def story(work):
    """a connection of two requests, the second of which is denied"""
    capture, frames = CAPTURES / "http.pcap", came(CAPTURES / "http.pcap")
    no = {"id": "no", "action": "deny", "reason": 'the "second"', "when": {"http.path": {"regex": "/[b-z]"}}}
    keep = mirror("keep", "evidence", reason="all HTTP", when={"app": "http"})
    (none,), _, twin = replay(work, capture, policy(work, mirror(when={"dport": 1}), no))
    (got,), summary, now = replay(work, capture, policy(work, keep, no))
    expect("the twin copies nothing", none == [], none[:1])
    expect("what leaves is the same with and without", now[1] == twin[1], "")
    said = [fields(c[0]) for _, _, _, c in got]
    flow = json.loads([line for line in now[0].splitlines() if b'"http"' in line][0])["flow_id"]
    expect("comments name rule, reason and flow", {(s["mirror"], s["why"], s["flow_id"], s["policy"]) for s in said} == {("keep", "all HTTP", str(flow), "1")}, said[:2])
    expect("allowed up to the second request, then denied", [s["verdict"] for s in said] == sorted(s["verdict"] for s in said)
           and {s["verdict"] for s in said} == {"allow", "deny"}, [s["verdict"] for s in said])
    expect("the denied have the rule and its reason", all((s["rule"], s["reason"]) == ("no", 'the "second"') for s in said if s["verdict"] == "deny"), said[-1])
    dropped = [ns for (_, ns, _, _), s in zip(got, said) if s.get("dropped") == "POLICY_DENY"]
    trace = [line.split() for line in now[2].decode().splitlines()]
    expect("dropped are those of the trace", dropped == [frames[int(t[0]) - 1][0] for t in trace if t[2] == "POLICY_DENY"], dropped)
    first = frames.index((got[0][1], got[0][2]))
    for before in (0, 1, 2, 100):
        (more,), s, _ = replay(work, capture, policy(work, {**keep, "before": before}, no))
        earlier = [m for m in more if "before" in fields(m[3][0])]
        expect(f"before {before}: no more than that, oldest first", len(earlier) == min(before, 3) and more == earlier + got, len(earlier))
        expect(f"before {before}: the frames just before", [(ns, f) for _, ns, f, _ in earlier] == frames[first - len(earlier) : first], "")
    (more,), s, _ = replay(work, capture, policy(work, {**keep, "before": 3}, no), "--before-frames", 2)
    expect("bounded by what is remembered, which is said", len(more) < len(got) + 3 and s["counters"]["mirror_short"] == 1, s["counters"])


def held(work):
    capture = GOLDEN / "policy_undecided/in.pcap"
    rules = policy(work, mirror(), {"id": "n", "action": "deny", "when": {"host": "two.example"}}, undecided={"handshake": "drop"})
    (got,), _, _ = replay(work, capture, rules)
    said = [fields(c[0]) for _, _, _, c in got]
    expect("frames before the verdict are open", [s["verdict"] for s in said] == ["open"] * 3 + ["allow"] * 2, said)
    expect("and say why they did not leave", [s.get("dropped") for s in said] == ["POLICY_UNDECIDED"] * 3 + [None] * 2, said)
    limits = policy(work, mirror(), {"id": "slow", "action": "limit", "rate": "1pps", "burst": 2})
    (got,), _, _ = replay(work, GOLDEN / "policy_limit/in.pcap", limits)
    expect("what a limit drops is copied", [fields(c[0]).get("dropped") for _, _, _, c in got].count("LIMIT_EXCEEDED") == 6, got)


def sinks(work):
    capture = CAPTURES / "tour.pcap"
    rules = policy(work, mirror("a", "one", when={"dport": 53}), mirror("b", "two", when={"proto": "udp"}), mirror("c", "two", when={"dport": 53}),
                   mirror("off", "three", enabled=False), mirror("shade", "two", mode="shadow"))
    (one, rest), summary, _ = replay(work, capture, rules, mirrors=("one=f1", "f2"))
    expect("a sink of its own", one and {fields(c[0])["mirror"] for _, _, _, c in one} == {"a"}, "")
    expect("one copy for two rules, a comment for each", {tuple(fields(c)["mirror"] for c in cs) for _, _, _, cs in rest} == {("b",), ("c",), ("b", "c")}
           or {tuple(fields(c)["mirror"] for c in cs) for _, _, _, cs in rest} == {("c",), ("b", "c")}, {tuple(fields(c)["mirror"] for c in cs) for _, _, _, cs in rest})
    (all_,), _, _ = replay(work, capture, rules)
    expect("one file for all", {(ns, f) for _, ns, f, _ in all_} == {(ns, f) for x in (one, rest) for _, ns, f, _ in x}, "")
    expect("each sink is counted", {m["sink"]: m["frames"] for m in summary["mirror"]} == {"one": len(one), "two": len(rest)}, summary["mirror"])
    rc, out, err = run("replay", capture, "-p", rules, "-o", "/dev/null")
    expect("without a file that is said", rc == 0 and "one" in err and "nothing is copied" in err, err)
    done = subprocess.run([SLUICE, "replay", capture, "-p", rules, "-s", "/dev/null", "--mirror", "-"], capture_output=True)
    (work / "dash").write_bytes(done.stdout)
    expect("standard output takes it", done.returncode == 0 and copies(work / "dash") == all_, done.stderr)


def swap(work):
    """two policies: what the second mirrors begins with it, and what was copied by the first is not copied again"""
    capture = CAPTURES / "http.pcap"
    frames = came(capture)
    (work / "none.json").write_text('{"rules": []}')
    (work / "late.json").write_text(json.dumps({"rules": [mirror("late", before=50, when={"dport": 80})]}))
    at = (frames[len(frames) // 2][0] - frames[0][0]) / 1e9
    (got,), _, _ = replay(work, capture, work / "none.json", "--policy-at", f"{at:.9f}={work / 'late.json'}")
    expect("a policy that comes under way mirrors", got and {fields(c[0])["mirror"] for *_, c in got} == {"late"} and {fields(c[0])["policy"] for *_, c in got} == {"2"}, got[:1])
    (work / "early.json").write_text(json.dumps({"rules": [mirror("early", before=50, when={"dport": 80})]}))
    options = "--policy-at", f"{at:.9f}={work / 'late.json'}"
    (got,), _, _ = replay(work, capture, work / "early.json", *options)
    expect("no frame twice", len(got) == len({(ns, f) for _, ns, f, _ in got}) and {fields(c[0])["mirror"] for *_, c in got} == {"early", "late"}, len(got))
    (more,), _, _ = replay(work, capture, work / "early.json", *options, workers=4)
    expect("the same by four workers", got == more, "")


def shipped(work, captures, rules, *sinks, workers=1):
    """(exit code, what was said, summary) of a replay to sinks of type pcapng"""
    (work / "config.json").write_text(json.dumps({"sinks": [{"type": "pcapng", **s} for s in sinks], "policy": {"file": rules.name, "history": ""}}))
    rc, _, err = run("replay", *captures, "-c", work / "config.json", "-s", work / "s", "--workers", workers)
    return rc, err, json.loads((work / "s").read_text())


def by_config(work):
    """a configuration's sinks hold what --mirror's files do; frames of several captures, link types and tenants; rotated; put away"""
    captures = [CAPTURES / "tour.pcap", GOLDEN / "link_sll/in.pcap", GOLDEN / "gwlb/in.pcap"]
    rules = policy(work, mirror("a", "one", when={"dport": 53}, before=2), mirror("b", "two", when={"proto": "udp"}), mirror("c", "three"))
    run("replay", *captures, "-p", rules, "-o", "/dev/null", "-s", "/dev/null", "--mirror", f"one={work / 'f1'}", "--mirror", work / "f2")
    want = [copies(work / "f1"), copies(work / "f2")]
    expect("there is something of several link types", want[0] and len({c[0] for c in want[1]}) > 1, {c[0] for c in want[1]})
    for workers in (1, 3):
        for name in ("one.pcapng", "rest.pcapng"):
            (work / name).write_bytes(b"of an earlier start")
        rc, err, summary = shipped(work, captures, rules, {"name": "one", "path": str(work / "one.pcapng"), "keep": 1},
                                   {"others": True, "path": str(work / "rest.pcapng"), "keep": 1}, workers=workers)
        got = [copies(work / "one.pcapng"), copies(work / "rest.pcapng")]
        expect(f"sinks hold the same, {workers} workers", rc == 0 and got == want, (rc, err, [len(g) for g in got + want]))
        expect("each name of rules is counted", {m["sink"]: m["path"] for m in summary["mirror"]} ==
               {"one": str(work / "one.pcapng"), "two": str(work / "rest.pcapng"), "three": str(work / "rest.pcapng")}, summary["mirror"])
        away = [p.read_bytes() for n in ("one", "rest") for p in work.glob(n + ".pcapng.2*")]
        expect("what was there is put away, one of each stays", away == [b"of an earlier start"] * 2, away)
    _, _, again = run("replay", work / "rest.pcapng", "-o", "/dev/null")
    expect("replay reads it", f"{len(want[1])} frames" in again, again)
    tenant = {p["tenant"] for p in events(work, captures[2]) if "tenant" in p}
    rc, err, _ = shipped(work, captures, rules, {"others": True, "path": str(work / "tenant.pcapng"), "tenants": sorted(tenant)[:1]})
    some = copies(work / "tenant.pcapng")
    expect("a sink of one tenant", rc == 0 and some and len(some) < len(want[0]) + len(want[1]) and all(c[0] == 1 for c in some), (rc, err, tenant, len(some)))
    rotated(work, rules)


def events(work, capture):
    run("replay", capture, "-f", "eve", "-o", work / "events")
    return [json.loads(line) for line in (work / "events").read_text().splitlines()]


def rotated(work, rules):
    capture = CAPTURES / "tour.pcap"
    rc, err, summary = shipped(work, [capture] * 40, rules, {"others": True, "path": str(work / "turns.pcapng"), "rotate_mb": 1})
    files = sorted(work.glob("turns.pcapng.2*")) + [work / "turns.pcapng"]
    sizes = [p.stat().st_size for p in files]
    expect("rotated by size, none is larger", rc == 0 and len(files) > 1 and max(sizes) <= 1 << 20, (rc, err, sizes))
    frames = [c for p in files for c in copies(p)]  # each stands alone
    rc, err, _ = shipped(work, [capture] * 40, rules, {"others": True, "path": str(work / "whole.pcapng")})
    expect("together they have all", rc == 0 and frames == copies(work / "whole.pcapng"), (rc, err, len(frames)))


def places(work):
    """a sink's path that takes nothing, or is a pipe"""
    rules, capture = policy(work, mirror()), CAPTURES / "tour.pcap"
    for path, why in (("/dev/full", "No space left on device"), (str(work / "no/m.pcapng"), "No such file")):
        rc, err, _ = shipped(work, [capture], rules, {"name": "s", "path": path})
        expect(f"{path}: said, and the rest is done", rc == 3 and f"sink=s is down: {path}: {why}" in err and f"{path}: cannot write" in err, (rc, err))
    shutil.copy(capture, work / "kept.pcap")
    rc, _, err = run("replay", work / "kept.pcap", "-c", work / "config.json", "-o", "/dev/null")
    expect("a capture that is none of its files", rc == 3, (rc, err))
    (work / "config.json").write_text(json.dumps({"sinks": [{"type": "pcapng", "name": "s", "path": str(work / "kept.pcap")}]}))
    rc, _, err = run("replay", work / "kept.pcap", "-c", work / "config.json", "-p", rules)
    expect("a sink does not put away the capture", rc == 2 and "would put away the capture" in err and (work / "kept.pcap").exists(), (rc, err))
    (want,), _, _ = replay(work, capture, rules)
    os.mkfifo(work / "fifo")
    read = threading.Thread(target=lambda: (work / "read").write_bytes((work / "fifo").read_bytes()))
    read.start()
    rc, err, _ = shipped(work, [capture], rules, {"name": "s", "path": str(work / "fifo")})
    read.join()
    expect("a pipe has all, whole", rc == 0 and copies(work / "read") == want, (rc, err))


def mistakes(work):
    rules, capture = policy(work, mirror()), CAPTURES / "http.pcap"
    for args, rc, says in [(("-p", rules, "--mirror", f"x={work / 'f'}"), 2, "no rule"), (("--mirror", work / "f"), 2, "needs a policy"),
                           (("-p", rules, "--mirror", work / "f", "-w", work / "f"), 2, "overwrite"), (("-p", rules, "--mirror", capture), 2, "overwrite"),
                           (("-p", rules, "--mirror", work / "f", "--mirror", work / "g"), 2, "a sink once"),
                           (("-p", rules, "--mirror", work / "no/f"), 3, "cannot write"), (("-p", rules, "--mirror", "/dev/full"), 3, "cannot write")]:
        got, _, err = run("replay", capture, "-o", "/dev/null", *args)
        expect(f"{args}", got == rc and says in err, f"{got} {err}")


def tshark(work):
    tool = shutil.which("tshark")
    if not tool:
        return
    (got,), _, _ = replay(work, GOLDEN / "gwlb/in.pcap", policy(work, mirror(reason="to look at")))
    shown = subprocess.run([tool, "-r", work / "all", "-T", "fields", "-e", "frame.comment", "-e", "frame.protocols"], capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in shown.splitlines()]
    shipped(work, [CAPTURES / "tour.pcap", GOLDEN / "link_sll/in.pcap"], policy(work, mirror()), {"name": "s", "path": str(work / "sections")})
    told = subprocess.run([tool, "-r", work / "sections", "-T", "fields", "-e", "frame.comment"], capture_output=True, text=True)
    expect("it reads a sink's sections, too", told.returncode == 0 and not told.stderr.count("error") and told.stdout.splitlines() ==
           [",".join(c) for *_, c in copies(work / "sections")], told.stderr)
    expect("tshark shows frames and comments", [line[0] for line in lines] == [",".join(c) for *_, c in got] and lines and all("geneve" in line[1] for line in lines), shown)


with tempfile.TemporaryDirectory() as tmp:
    work = pathlib.Path(tmp)
    for part in (everything, changed, layers, story, held, sinks, swap, by_config, places, mistakes, tshark):
        part(work)
print(f"{len(failures)} failures")
sys.exit(bool(failures))
