# SPDX-License-Identifier: BSD-3-Clause
"""The same facts whatever the number of workers, and in any order that a network may give.
usage: orders.py SLUICE CAPTURE...       SEEDS=3: orders tried of each capture"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = int(os.environ.get("SEEDS", "2"))


def run(sluice, path, *more):
    return subprocess.run([sluice, "replay", path, "-o", "-", "--summary", "/dev/null", "--seed", "1", *more], capture_output=True)


def facts(sluice, path):
    out = set()
    for line in run(sluice, path, "--format", "facts").stdout.splitlines():
        r = json.loads(line)
        t = r["tuple"]
        ends = tuple(sorted([(t[1], t[2]), (t[3], t[4])])) if t else ()
        if r["field"] != "community_id":
            out.add((t[0] if t else None, ends, r["field"], str(r["value"])))
    return out


def workers(sluice, path):
    """every format, byte for byte"""
    for form in ("facts", "eve"):
        one = run(sluice, path, "--format", form)
        for n in ("2", "4"):
            if run(sluice, path, "--format", form, "--workers", n).stdout != one.stdout:
                yield f"{path}: {form} with {n} workers differs"


def orders(sluice, path, scratch):
    want = None
    for seed in range(SEEDS):
        made = subprocess.run([sys.executable, HERE / "shuffle.py", path, scratch, str(seed)], capture_output=True)
        if made.returncode:
            return
        want = want or facts(sluice, path)
        have = facts(sluice, scratch)
        if have != want:
            yield f"{path}: seed {seed}: lost {sorted(want - have)[:3]}, new {sorted(have - want)[:3]}"


def main():
    sluice, paths, bad = sys.argv[1], sys.argv[2:], []
    with tempfile.NamedTemporaryFile(suffix=".pcap") as scratch:
        for path in paths:
            bad += workers(sluice, path)
            bad += orders(sluice, path, scratch.name)
    print(*bad, sep="\n")
    print(f"{len(paths)} captures: {len(bad)} differences")
    sys.exit(bool(bad))


main()
