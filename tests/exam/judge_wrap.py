# SPDX-License-Identifier: BSD-3-Clause
"""Exams of the same captures, plain and wrapped: each fact found plainly must be found wrapped, and nothing may be said
wrapped that is not said plainly, or is not said there only because of wrong checksums, which the tool makes right.
expect.json's "wrap" names, by mode ("*": all), the captures where that cannot be, with what in the bytes shows it; what
the mode itself takes away is listed here. usage: judge_wrap.py PLAIN_OUT PLAIN_IGNORING_CHECKSUMS_OUT WRAPPED_OUT EXPECT.json MODE"""
import ipaddress
import json
import sys

plain, trusting, wrapped, expect, mode = sys.argv[1:]
expect = json.load(open(expect))
excused = {**expect["wrap"].get("*", {}), **expect["wrap"].get(mode, {})}
# what the wrapping itself adds: tags, outer addresses, and flows that carry the others
OWN = {"vlan", "vni", "outer.ip", "flow", "tunnel.type", "community_id"}
# statements about the segments that came, not about what they carry
SEGMENTS = {"anomaly", "stream.gap"}
# the tool keeps nothing of layer 2 in these, hence no tag
NO_L2 = {"mpls", "gre", "ipip", "gwlb"}


OUTER = {"198.18.0.1", "198.18.0.2"}  # the tool's


def ends(t):
    if not t or not t[0]:
        return None
    return (t[0], *sorted((str(ipaddress.ip_address(a)), int(p or 0)) for a, p in (t[1:3], t[3:5])))


def said(out):
    facts = {}
    for line in open(out + "/facts.jsonl"):
        r = json.loads(line)
        if r["tuple"] and {r["tuple"][1], r["tuple"][3]} == OUTER:
            continue
        if not r["tuple"][1]:  # of a frame that no flow took: what was dropped is another step's affair
            continue
        facts.setdefault((r["corpus"] + "/" + r["pcap"], r["field"], str(r["value"]).lower()), set()).add(ends(r["tuple"]))
    return facts


result = json.load(open(wrapped + "/summary.json"))
captures = {line.strip() for line in open(wrapped + "/captures")}
was, trusted, now = said(plain), said(trusting), said(wrapped)
lost, fewer, new = [], [], []
gold = set()
for line in open(wrapped + "/gold.jsonl"):
    r = json.loads(line)
    if r.get("trust") == "gold":
        gold.add((r["corpus"] + "/" + r["pcap"], r["field"], str(r["value"]).lower()))
for fact, where in was.items():
    if fact[0] not in captures or fact[1] in SEGMENTS or (fact[1] in OWN and fact not in gold):
        continue
    if fact[1] == "vlan" and mode.split(":")[0] in NO_L2:
        continue
    gone = where - now.get(fact, set())
    if gone and fact[0] not in excused:
        (lost if fact in gold else fewer).append((fact, sorted(map(str, gone))[:1]))
for fact, where in now.items():
    extra = where - was.get(fact, set()) - trusted.get(fact, set())
    if fact[1] not in OWN | SEGMENTS and extra and fact[0] not in excused:
        new.append((fact, sorted(map(str, extra))[:1]))
for what, some in (("lost", lost), ("lost, not gold", fewer), ("new", new)):
    for fact, where in some[:12]:
        print(f"{what}: {fact[0]} {fact[1]} {fact[2][:60]} {where}")
    if len(some) > 12:
        print(f"{what}: {len(some) - 12} more")
not_asked = set(expect["not_asked"])
found = [r for f, r in result["recall"].items() if f not in not_asked]
print(
    f'{result["captures"]} captures: {sum(r[0] for r in found)} of {sum(r[1] for r in found)} gold facts; against the same '
    f"captures plain: {len(lost)} lost, {len(fewer)} others lost, {len(new)} new; {len(excused)} captures left out"
)
sys.exit(bool(lost or fewer or new or result["runs"].get("crash") or result["runs"].get("timeout")))
