# SPDX-License-Identifier: BSD-3-Clause
"""A corpora folder with the Ethernet captures rewritten by the corpora's wrap tool in one mode ("plain", "trusting":
as they are, the latter read with no eye on checksums),
and what sluice says of each beside it (CAPTURE.facts), for the corpora's exam to grade. All captures go through one run,
for starting takes longer than most of them do. A capture that the mode leaves as it is is not asked: the plain exam has
it. usage: wrapped.py SLUICE CORPORA OUT MODE [PART N: captures PART, PART + N, ...]"""
import concurrent.futures
import contextlib
import csv
import io
import json
import os
import pathlib
import subprocess
import sys

sluice, corpora, out, mode = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4]
part, parts = (int(a) for a in sys.argv[5:7]) if len(sys.argv) > 6 else (0, 1)
sys.path.insert(0, str(corpora / "tools"))
sys.dont_write_bytecode = True
import wrap as tool  # noqa: E402

PLAIN = ("plain", "trusting")
LARGE = 4 << 20  # a capture that a mode would make larger than 100 MB: cut in bytes, each is a frame of 100


def applies(row):
    return mode in PLAIN or row["linktype"] == "1" and not ("seg:1" in mode.split(",") and int(row["size"]) > LARGE)


def wrap(row):
    source, target = corpora / row["corpus"] / row["pcap"], out / row["corpus"] / row["pcap"]
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode in PLAIN:
        target.symlink_to(source)
        return row
    sys.argv = ["wrap.py", str(source), str(target), mode]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            tool.main()
    except (SystemExit, Exception):  # not Ethernet after all, or cut in the middle of a header
        target.unlink(missing_ok=True)
        return None
    return row


def say(rows):
    """one run over all of them; its lines go to the capture that each names"""
    paths = [str(out / r["corpus"] / r["pcap"]) for r in rows]
    command = [sluice, "replay", *paths, "--format", "facts", "-o", "-", "--summary", "/dev/null"]
    made = subprocess.run(command + ["--checksum", "ignore"] * (mode == "trusting"), capture_output=True)
    if made.returncode not in (0, 3) or b"ERROR" in made.stderr or b"runtime error" in made.stderr:
        sys.exit(f"sluice ended with {made.returncode}: {made.stderr[-400:]}")
    files = {p: [] for p in paths}
    for line in made.stdout.splitlines(True):
        files[json.loads(line)["pcap"]].append(line)
    for path, lines in files.items():
        with open(path + ".facts", "wb") as f:
            f.writelines(lines)


def main():
    rows = list(csv.DictReader(open(corpora / "manifest.tsv"), delimiter="\t"))
    asked = [r for r in rows[part::parts] if applies(r)]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        kept = [r for r in pool.map(wrap, asked, chunksize=8) if r]
    say(kept)
    keep = {(r["corpus"], r["pcap"]) for r in kept}
    with open(out / "manifest.tsv", "w") as f:
        w = csv.DictWriter(f, rows[0].keys(), delimiter="\t")
        w.writeheader()
        w.writerows(kept)
    with open(out / "facts.jsonl", "w") as f:
        for line in open(corpora / "facts.jsonl"):
            r = json.loads(line)
            if (r["corpus"], r["pcap"]) in keep:
                f.write(line)
    os.symlink(corpora / "tshark", out / "tshark")


if __name__ == "__main__":
    main()
