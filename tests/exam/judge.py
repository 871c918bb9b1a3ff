# SPDX-License-Identifier: BSD-3-Clause
"""Holds an exam's results against expect.json. usage: judge.py OUT_DIR EXPECT.json"""
import json
import sys

result = json.load(open(sys.argv[1] + "/summary.json"))
expect = json.load(open(sys.argv[2]))
bad = []
missed = {f: r[1] - r[0] for f, r in result["recall"].items() if f not in expect["not_asked"]}
false = {f: r.get("false", 0) for f, r in result["precision"].items()}
for what, have, allow in (("missed", missed, expect["missed"]), ("false", false, expect["false"])):
    for field, n in sorted(have.items()):
        if n > allow.get(field, 0):
            bad.append(f"{what}: {n} of {field}, at most {allow.get(field, 0)}")
for how in ("crash", "timeout"):
    if result["runs"].get(how):
        bad.append(f'{result["runs"][how]} runs ended by {how}')
if result["bad_lines"]:
    bad.append(f'{result["bad_lines"]} unreadable lines')
print(*bad, sep="\n")
total = sum(r[1] for f, r in result["recall"].items() if f not in expect["not_asked"])
print(f'{result["captures"]} captures, {total - sum(missed.values())} of {total} facts, {sum(false.values())} false')
sys.exit(bool(bad))
