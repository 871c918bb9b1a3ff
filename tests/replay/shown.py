# SPDX-License-Identifier: BSD-3-Clause
"""What the documents show is what comes: each `$ COMMAND` in a block of theirs is run where the captures are, and says what
stands below it. Times and rates of the summary are masked. Shown is standard output, or that and standard error.
usage: shown.py SLUICE CAPTURES DOCUMENT..."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOOLS = {"tshark", "jq", "fold", "tcpdump"}


def shown(text):
    """(command, lines) of all blocks"""
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def masked(text):
    text = re.sub(r"in [\d.]+ s \([\d.]+ .?frames/s\)", "in T", re.sub(r"k frames/s|M frames/s", "frames/s", text))
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def main():
    sluice, captures, documents = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    bad = ran = left = 0
    with tempfile.TemporaryDirectory() as tmp:
        here = pathlib.Path(tmp) / "tests/captures"
        here.mkdir(parents=True)
        (pathlib.Path(tmp) / "configs").symlink_to(captures.parent.parent / "configs")
        (here.parent / "bin").mkdir()
        (here.parent / "golden").symlink_to(captures.parent / "golden")
        (here.parent / "bin/sluice").symlink_to(sluice)
        for capture in captures.glob("*.pcap"):
            (here / capture.name).symlink_to(capture)
        env = dict(os.environ, PATH=f"{here.parent}/bin:{os.environ['PATH']}", LC_ALL="C.UTF-8")
        for document in documents:
            for command, output in shown(pathlib.Path(document).read_text()):
                if any(not shutil.which(t) for t in TOOLS & set(re.findall(r"\w+", command))):
                    left += 1
                    continue
                made = subprocess.run(["bash", "-c", command], cwd=here, env=env, capture_output=True, text=True, timeout=60)
                ran += 1
                want = masked(output)
                have = [masked(x) for x in (made.stdout, made.stderr + made.stdout, made.stdout + made.stderr)]
                if want not in have:
                    bad += 1
                    print(f"{document}: $ {command}\n  shown:", *want, "  but it is:", *have[1], sep="\n  ")
    print(f"{ran} commands shown, {bad} say something else, {left} left out: their tools are missing")
    sys.exit(bool(bad) or not ran)


main()
