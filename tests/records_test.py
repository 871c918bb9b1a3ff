#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the records look like, against the schemas in docs/: each line of --format eve, ocsf and facts -v over the
captures given (files or folders) is one JSON object that its schema takes, and no line holds a control byte. Events of
ocsf are also what the published schema of OCSF 1.8.0 allows (SLUICE_OCSF, its folder of class schemas), and over real
captures (SLUICE_CORPORA: each tenth; all with SLUICE_FULL=1) fill at least 40 attributes. What is not there is said.
usage: records_test.py SLUICE DOCS CAPTURES...      exit 77: python3-jsonschema is not there"""
import json, os, re, subprocess, sys, tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

CHECKER = jsonschema.FormatChecker(["ipv4", "ipv6"])


def captures(paths):
    for p in paths:
        if not os.path.isdir(p):
            yield p
        for root, _, files in os.walk(p):
            yield from (os.path.join(root, f) for f in sorted(files) if ".pcap" in f or f.endswith(".cap"))


def strict(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("a name twice: %s" % keys)
    return dict(pairs)


def by_policy(paths):
    """captures that one start can replay: those of a policy, those of none"""
    groups = {}
    for path in paths:
        policy = os.path.join(os.path.dirname(path), "policy.json")
        there = os.path.exists(policy)
        groups.setdefault(open(policy).read() if there else None, (["-p", policy] if there else [], []))[1].append(path)
    return groups.values()


class Ocsf:
    """our schema and the published one, and which attributes were seen filled"""

    def __init__(self, schema, folder):
        self.ours = jsonschema.Draft202012Validator(schema, format_checker=CHECKER)
        self.classes, self.filled = {}, set()
        for root, _, files in os.walk(folder):
            for f in files:
                published = json.load(open(os.path.join(root, f)))
                uid = published["properties"].get("class_uid", {}).get("const")
                self.classes[uid] = jsonschema.Draft7Validator(published)
        if not self.classes:
            print("no schema of OCSF at %s: events are checked against ours alone" % folder)

    def fill(self, value, path):
        for key, inner in value.items() if isinstance(value, dict) else ():
            if key != "unmapped":
                self.fill(inner, path + (key,))
        for inner in value if isinstance(value, list) else ():
            self.fill(inner, path)
        if not isinstance(value, (dict, list)):
            self.filled.add(".".join(path))

    def iter_errors(self, row):
        self.fill(row, ())
        yield from self.ours.iter_errors(row)
        if row["type_uid"] != row["class_uid"] * 100 + row["activity_id"]:
            yield jsonschema.ValidationError("type_uid is not class_uid * 100 + activity_id")
        if self.classes:
            yield from self.classes[row["class_uid"]].iter_errors(row)


def check(sluice, paths, judged, face, validator, codes=(0, 1)):
    """Returns (lines, faults). Several captures in one start: what a start costs is most of it."""
    run = subprocess.run([sluice, "replay", *paths, *judged, "--format", *face, "-o", "-"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, timeout=120)
    faults, seq = [], -1
    if run.returncode not in codes:
        faults.append("%s: exit code %d" % (" ".join(paths), run.returncode))
    lines = run.stdout.split(b"\n")[:-1]
    for n, line in enumerate(lines, 1):
        try:
            if any(b < 0x20 or b == 0x7f for b in line):
                raise ValueError("a control byte")
            row = json.loads(line.decode("utf-8"), object_pairs_hook=strict)
            error = next(validator.iter_errors(row), None)
            if error:
                raise ValueError("%s: %s" % ("/".join(map(str, error.absolute_path)) or ".", error.message[:300]))
            number = row.get("seq", row.get("metadata", {}).get("sequence"))
            if number is not None:
                if number != seq + 1:
                    raise ValueError("a hole in seq")
                seq = number
        except (ValueError, UnicodeDecodeError) as e:
            faults.append("%s %s line %d: %s: %s" % (paths[0], face[0], n, e, line[:200]))
    return len(lines), faults


def decided(sluice, capture):
    """ocsf says which way a flow goes as the policy's set does, and marks what a rule refused, once; a finding is an alert's"""
    rules = [{"id": "tell", "action": "alert", "severity": 1}, {"id": "no", "action": "deny"}]
    want, faults = {("10.99.0.1",): 2, ("10.99.0.2",): 1, ("10.99.0.0/24",): 3, ("192.0.2.1",): 99, (): 0}, []
    for inside, direction in want.items():
        sets = {"internal": {"type": "net", "items": list(inside)}} if inside else {}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as policy:
            json.dump({"sets": sets, "rules": [{**r, "when": {"http.host": "www.example.test"}} for r in rules]}, policy)
            policy.flush()
            out = subprocess.run([sluice, "replay", capture, "-p", policy.name, "--format", "ocsf", "-o", "-"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, timeout=120).stdout
        rows = [r for r in map(json.loads, out.splitlines()) if r.get("src_endpoint", {}).get("ip") == "10.99.0.1" or r["class_uid"] == 2004]
        places = [r.get("connection_info") or r["evidences"][0]["connection_info"] for r in rows]
        if not rows or any((p["direction_id"], p.get("direction")) != (direction, WAYS[direction]) for p in places):
            faults.append("%s: direction_id %d is expected of %s" % (inside, direction, places[:1]))
        marked = [(r["class_uid"], r["action_id"], r["severity_id"]) for r in rows if r.get("is_alert")]
        if sorted(set(marked)) != [(2004, 2, 4), (4001, 2, 1), (4002, 2, 1)] or any(r["action_id"] == 2 and "is_alert" not in r for r in rows):
            faults.append("is_alert is of the alert, the request and the flow: %s" % marked)
        faults += ["a denied request does not say %s" % what for what in unsaid([r for r in rows if r["class_uid"] in (4002, 2004)])]
    return faults


def unsaid(rows):
    """what the event of a denied transaction has to say by itself, since no finding stands beside it, and does not"""
    denied = next(r for r in rows if r["class_uid"] == 4002 and r["action_id"] == 2)
    incident = "%x.%d" % (int(denied["connection_info"]["uid"]), denied["unmapped"]["tx_id"])
    rule, policy = denied.get("firewall_rule", {}), denied.get("policy", {})
    says = {"action": denied.get("action") == "Denied", "disposition": (denied.get("disposition_id"), denied.get("disposition")) == (2, "Blocked"),
            "profile": "security_control" in denied["metadata"]["profiles"], "rule": (rule.get("uid"), rule.get("type")) == ("no", "deny"),
            "policy": len(policy.get("uid", "")) == 64 and policy.get("version") == "1" and policy.get("is_applied") is True,
            "status": denied.get("status") == "Failure",
            "incident, as the alert does": {r["metadata"].get("correlation_uid") for r in rows if r["action_id"] == 2} == {incident}}
    return [what for what, true in says.items() if not true]


WAYS = {0: None, 1: "Inbound", 2: "Outbound", 3: "Lateral", 99: "Outside"}


def listed(docs):
    """what include/verdict.h has and docs/records.md does not list"""
    header = open(os.path.join(docs, "..", "include", "verdict.h")).read()
    drops, anomalies = (header.split("#define %s(X)" % t)[1].split("\n\n")[0] for t in ("DROP_REASONS", "ANOMALIES"))
    page = open(os.path.join(docs, "records.md")).read()
    events = re.findall(r'X\(\w+, "([a-z0-9_.]+)"', anomalies)
    events += [r.lower().replace("_", ".", 1) for r in re.findall(r"X\((\w+),", drops)]
    return ["docs/records.md does not list " + e for e in events if "| `%s` |" % e not in page]


def real_captures(docs):
    folder = os.environ.get("SLUICE_CORPORA", os.path.join(docs, "../../shared/corpora"))
    found = sorted(c for c in captures([folder]) if "/pcap/" in c)
    return found if os.environ.get("SLUICE_FULL") == "1" else found[::10]


def main(sluice, docs, *paths):
    validators = {}
    for name in "eve", "ocsf", "facts":
        schema = json.load(open(os.path.join(docs, name + ".schema.json")))
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema, format_checker=CHECKER)
    ocsf = Ocsf(schema=json.load(open(os.path.join(docs, "ocsf.schema.json"))),
                folder=os.environ.get("SLUICE_OCSF", os.path.join(docs, "../../shared/ocsf")))
    validators["ocsf"] = ocsf
    total, faults, files = {"eve": 0, "ocsf": 0, "facts": 0}, listed(docs), 0
    real = real_captures(docs)
    if real:
        n, bad = check(sluice, real, [], ["ocsf"], ocsf, codes=(0, 1, 3))  # 3: some have links that are not read
        print("%d real captures, %d ocsf events, %d attributes filled" % (len(real), n, len(ocsf.filled)))
        faults += bad + (["only %d attributes of OCSF are filled" % len(ocsf.filled)] if len(ocsf.filled) < 40 else [])
    for judged, group in by_policy(captures(paths)):
        files += len(group)
        for face in ["eve"], ["ocsf"], ["facts", "-v"]:
            n, bad = check(sluice, group, judged, face, validators[face[0]])
            total[face[0]] += n
            faults += bad
    faults += decided(sluice, os.path.join(docs, "../tests/captures/tour.pcap"))
    for f in faults[:20]:
        print(f)
    print("%d captures, %d eve and %d ocsf events, %d facts, %d faults" %
          (files, total["eve"], total["ocsf"], total["facts"], len(faults)))
    return 1 if faults or not files or not all(total.values()) or total["eve"] != total["ocsf"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
