# SPDX-License-Identifier: BSD-3-Clause
"""Like judge.py for a wrapped corpora: nothing more may be missed or false than without the wrapping, but what
expect.json's "wrap" names for the mode. usage: judge_wrap.py OUT_DIR EXPECT.json MODE"""
import json
import sys

result = json.load(open(sys.argv[1] + "/summary.json"))
expect = json.load(open(sys.argv[2]))
more = expect.get("wrap", {}).get(sys.argv[3], {})
bad = []
missed = {f: r[1] - r[0] for f, r in result["recall"].items() if f not in expect["not_asked"]}
false = {f: r.get("false", 0) for f, r in result["precision"].items()}
for what, have in (("missed", missed), ("false", false)):
    for field, n in sorted(have.items()):
        allow = max(expect[what].get(field, 0), more.get(what, {}).get(field, 0))
        if n > allow:
            bad.append(f"{what}: {n} of {field}, at most {allow}")
if result["runs"].get("crash") or result["runs"].get("timeout"):
    bad.append(f'runs: {result["runs"]}')
total = sum(r[1] for f, r in result["recall"].items() if f not in expect["not_asked"])
print(*bad, f'{result["captures"]} captures, {total - sum(missed.values())} of {total} facts, {sum(false.values())} false', sep="\n")
sys.exit(bool(bad))
