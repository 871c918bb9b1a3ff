# SPDX-License-Identifier: BSD-3-Clause
"""What replay changes: what -w writes beside what was in the capture. What differs must be in written.json.
usage: written.py SLUICE EXPECT FOLDER [CAPTURE...]     without captures: all of FOLDER/*/pcap
       UPDATE=1: writes EXPECT anew; REPORT=1: one line for each capture and reason

For each capture: the frames that --trace says left by tx must be, in their order, the records of -w, byte for byte with
their record headers (time, both lengths); a record that is not as it was counts as `rewritten`. The others are counted
under their reason. EXPECT: {"CAPTURE": {"REASON": frames}}; more than that is a failure, less is said. A capture of
which nothing is dropped or rewritten must give the same file, header included (pcap; of pcapng the frames).
Left out, and counted: files that are no captures and link types that are not supported."""
import collections
import concurrent.futures
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file  # noqa: E402


def pcapng_records(data):
    order, at, snaps = "<", 0, []
    while at + 12 <= len(data):
        kind = struct.unpack(order + "I", data[at : at + 4])[0]
        if kind == 0x0A0D0D0A:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            snaps = []
        n = struct.unpack(order + "I", data[at + 4 : at + 8])[0]
        if n < 12 or at + n > len(data):
            return
        body = data[at + 8 : at + n - 4]
        if kind == 1:
            snaps.append(struct.unpack(order + "I", body[4:8])[0])
        elif kind == 6:
            length, wire = struct.unpack(order + "II", body[12:20])
            yield wire, body[20 : 20 + length]
        elif kind == 3:
            wire = struct.unpack(order + "I", body[:4])[0]
            length = min(wire, snaps[0] or wire, len(body) - 4)
            yield wire, body[4 : 4 + length]
        at += n


def records(path):
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return None, list(pcapng_records(data))
    return data[: pcap_file.HEADER], list(pcap_file.records(data)) if pcap_file.order(data) else []


def compare(sluice, path, tmp):
    """-> ({reason: frames}, [faults]), or None where it is not for us"""
    run = subprocess.run([sluice, "replay", path, "-o", tmp / "facts", "-f", "facts", "--seed", "1", "-w", tmp / "out", "--trace",
                          tmp / "trace", "--summary", tmp / "summary"], capture_output=True, text=True, timeout=300)
    if run.returncode == 3 and "damaged" not in run.stderr:
        return None
    if run.returncode not in (0, 3):
        return {}, [f"exit code {run.returncode}: {run.stderr.strip()[-200:]}"]
    header, before = records(path)
    out_header, after = records(tmp / "out")
    trace = [line.split() for line in (tmp / "trace").read_text().splitlines()]
    changes, faults = collections.Counter(), []
    frames_of = collections.defaultdict(list)
    if len(trace) > len(before) or (run.returncode == 0 and len(trace) < len(before)):
        faults.append(f"{len(trace)} frames in the trace, {len(before)} in the capture")
    passed = [int(t[0]) for t in trace if t[1] == "tx"]
    for t in trace:
        if t[1] != "tx":
            changes[t[2]] += 1
            frames_of[t[2]].append(int(t[0]))
    if len(passed) != len(after):
        faults.append(f"{len(passed)} frames left by tx, {len(after)} were written")
    for number, written in zip(passed, after):
        was = before[number - 1]
        if written == was:
            continue
        changes["rewritten"] += 1
        frames_of["rewritten"].append(number)
        if written[0] != was[0] or len(written[1]) != len(was[1]):
            faults.append(f"frame {number} has another record header")
    if header is not None and header != out_header:
        faults.append("the file header differs")
    if os.environ.get("REPORT"):
        for reason, frames in sorted(frames_of.items()):
            print(f"{path}\t{reason}\t{len(frames)} of {len(trace)}\t{','.join(map(str, frames[:12]))}", flush=True)
    return dict(sorted(changes.items())), faults


def compare_apart(sluice, path):
    with tempfile.TemporaryDirectory() as tmp:
        return compare(sluice, path, pathlib.Path(tmp))


def main():
    sluice, expect_path, root = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    paths = [pathlib.Path(p) for p in sys.argv[4:]] or sorted(root.glob("*/pcap/**/*"))
    expect = json.loads(expect_path.read_text()) if expect_path.exists() else {}
    got, bad, left_out, done, reasons = {}, 0, 0, 0, collections.defaultdict(lambda: [0, 0])
    paths = [p for p in paths if p.is_file()]
    with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count()) as pool:
        for path, result in zip(paths, pool.map(lambda p: compare_apart(sluice, p), paths)):
            if result is None:
                left_out += 1
                continue
            done += 1
            changes, faults = result
            name = str(path.relative_to(root))
            allowed = expect.get(name, {})
            for reason, n in changes.items():
                reasons[reason][0] += 1
                reasons[reason][1] += n
                if n > allowed.get(reason, 0) and not os.environ.get("UPDATE"):
                    faults.append(f"{reason}: {n} frames, {allowed.get(reason, 0)} in {expect_path.name}")
            for reason in allowed:
                if changes.get(reason, 0) < allowed[reason]:
                    print(f"less than before: {name}: {reason}: {changes.get(reason, 0)} frames, not {allowed[reason]}")
            if changes:
                got[name] = changes
            for fault in faults:
                print(f"{name}: {fault}")
            bad += bool(faults)
    if os.environ.get("UPDATE"):
        expect_path.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(got.items())) + "\n}\n")
    for reason, (captures, frames) in sorted(reasons.items()):
        print(f"{reason:22} {captures:4} captures {frames:7} frames")
    print(f"{done} captures: {done - len(got)} written as they were, {len(got)} differ, {bad} not as expected; {left_out} left out")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
