# SPDX-License-Identifier: BSD-3-Clause
"""Every drop reason of include/verdict.h is reached by a golden case.
usage: reasons.py SLUICE"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

table = (ROOT / "include/verdict.h").read_text().split("#define DROP_REASONS(X)")[1].split("\n\n")[0]
reasons = set(re.findall(r"X\(([A-Z0-9_]+),", table))
reached = set()
for expect in sorted((ROOT / "tests/golden").glob("*/expect.json")):
    reached |= set(json.loads(expect.read_text()).get("drops", {}))
unknown = reached - reasons
live = {r for r in reasons if r.startswith(("RX_", "EGRESS_", "STEER_", "SHED_"))}  # a capture has no ports: tests/live names them
missing = reasons - reached - live
for r in sorted(live):
    if not any(r in f.read_text() for f in (ROOT / "tests/live").glob("*_test.py")) and not any(r in f.read_text() for f in (ROOT / "tests/unit").glob("*.c")):
        missing.add(r)
for r in sorted(missing):
    print(f"no golden case reaches {r}")
for r in sorted(unknown):
    print(f"a golden case expects {r}, which is no reason")
print(f"{len(reached)} of {len(reasons)} reasons reached by golden cases")
sys.exit(bool(missing or unknown))
