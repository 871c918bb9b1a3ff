#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Live tests, and those of real servers, that failed beside others, each once more and alone: a machine that is busy or slow fails some of them now and then,
and a failure that a second run does not have is still to be found (CONTRIBUTING.md). At most three, else something is broken.
usage: again.py BUILD LOG; out: the names of those that passed now, one a line; LOG: what both runs said"""
import json
import pathlib
import re
import subprocess
import sys

MOST = 3
GOOD = ("OK", "SKIP", "EXPECTEDFAIL")
SAYS = re.compile(r"^ *(FAIL|NOT|Error|\w+Error|Timeout|Sanitizer)\b.*", re.M)


def ran(path):
    """{name: what meson's log has of that test}"""
    lines = path.read_text().splitlines() if path.exists() else []
    return {t["name"].split(" / ")[1]: t for t in map(json.loads, lines) if t["name"].startswith(("sluice:live / ", "sluice:broker / "))}


def main():
    build, log = pathlib.Path(sys.argv[1]), open(sys.argv[2], "w")
    logs = build / "meson-logs"
    first = {n: t for n, t in ran(logs / "testlog.json").items() if t["result"] not in GOOD}
    if not 0 < len(first) <= MOST:
        return
    (logs / "again.json").unlink(missing_ok=True)
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--num-processes", "1", "--logbase", "again", *first],
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
    second = ran(logs / "again.json")
    for name, test in first.items():
        said = test.get("stdout", "") + test.get("stderr", "")
        log.write("==== %s, the first run, beside others: %s\n%s\n==== the second, alone\n%s\n" % (
            name, test["result"], said, second.get(name, {}).get("stdout", "did not run")))
        if second.get(name, {}).get("result") == "OK":
            print(name)
            for line in [m.group(0) for m in SAYS.finditer(said)][:4] or said.splitlines()[-2:]:
                print("    " + line[:300])


main()
