#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluice check, exactly. usage: policy_test.py SLUICE DOCS [--write]

tests/policy/NAME.json with NAME.expect, which is what check prints, without the milliseconds, and its exit code. Then: docs
hold what the tables print; the schema takes what check takes, and what the schema refuses check refuses; bad inputs that are
better made than kept. --write writes the .expect files: read what changed."""
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

SLUICE, DOCS = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
HERE = pathlib.Path(__file__).resolve().parent / "policy"
failed = []


def check(*args, cwd=HERE, timeout=60):
    done = subprocess.run([SLUICE, "check", *args], cwd=cwd, capture_output=True, timeout=timeout)
    return done.returncode, done.stdout.decode(errors="backslashreplace"), done.stderr.decode(errors="backslashreplace")


def expect(what, good, seen=""):
    if not good:
        failed.append(what)
        print(f"FAIL {what}\n{seen}"[:2000])


def cases():
    for path in sorted(HERE.glob("*.json")):
        rc, out, err = check(path.name)
        said = re.sub(r" in \d+ ms", "", out) + err + f"exit {rc}\n"
        want = path.with_suffix(".expect")
        if "--write" in sys.argv:
            want.write_text(said)
        expect(path.name, want.exists() and want.read_text() == said, said)
        rc, out, _ = check("-j", path.name)
        got = json.loads(out)[0]
        listed = [c["level"] for c in got["complaints"]]
        expect(f"{path.name} -j", (got["errors"] > 0) == (rc == 1) and got["loaded"] == (rc == 0) and listed.count("error") == min(50, got["errors"]), out)
        strict, _, _ = check("--strict", path.name)
        expect(f"{path.name} --strict", strict == (1 if got["errors"] or got["warnings"] else 0))


def docs():
    page = (DOCS / "policy.md").read_text()
    for option in ("--fields", "--actions"):
        table = check(option)[1]
        expect(f"docs/policy.md holds what check {option} prints", table in page, table[:300])
    shown = subprocess.run([SLUICE, "replay", "--help"], capture_output=True, text=True).stdout.split("fail modes")[1].split("\n\n")[0]
    for mode in re.findall(r"^  (\w+)=(\S+)$", shown, re.M):
        first, *others = mode[1].split("|")
        row = f"| `{mode[0]}` | `{first}` | {' '.join(f'`{o}`' for o in others)} |"
        expect(f"docs/policy.md has the fail mode {mode[0]}", row in page, row)
    expect("docs/policy.schema.json is what check --schema prints", (DOCS / "policy.schema.json").read_text() == check("--schema")[1])
    with tempfile.TemporaryDirectory() as work:  # examples of the page load
        for i, text in enumerate(re.findall(r"```json\n(.*?)```", page, re.S)):
            path = pathlib.Path(work) / f"example{i}.json"
            path.write_text(text)
            (pathlib.Path(work) / "gambling.txt").write_text("bet.example\n")
            rc, out, _ = check(path, cwd=work)
            expect(f"docs/policy.md, example {i}", rc == 0 and " 0 errors, 0 warnings" in out, out)
            if i == 0:  # with the slips that the page shows
                (pathlib.Path(work) / "policy.json").write_text(text.replace('"proto"', '"prot"').replace('"/\\\\.(env', '"(?=/)\\\\.(env'))
                out = re.sub(r"in \d+ ms", "in 1 ms", check("policy.json", cwd=work)[1])
                expect("docs/policy.md shows what check says of slips", out.count("policy.json:") == 2 and out in page, out)


def schema():
    try:
        import jsonschema
    except ImportError:
        print("no python3-jsonschema: the schema is not tried")
        return
    grammar = json.loads((DOCS / "policy.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(grammar)
    validator = jsonschema.Draft202012Validator(grammar)
    for path in sorted(HERE.glob("*.json")):
        try:
            policy = json.loads(path.read_text())
        except ValueError:
            continue
        takes, rc = validator.is_valid(policy), check(path.name)[0]
        expect(f"{path.name}: check takes what the schema refuses", takes or rc == 1, "\n".join(e.message for e in validator.iter_errors(policy)))
    # one rule at a time: bad values of every field must not pass the schema where they are of another kind
    for when in ({"prot": 1}, {"host": 1}, {"host": {"range": [1, 2]}}, {"ttl": {"regex": "x"}}, {"any": []}, {"payload": "x"}):
        policy = {"rules": [{"id": "a", "action": "deny", "when": when}]}
        expect(f"the schema takes {when}", not validator.is_valid(policy))


def made():
    rule = lambda i, when: {"id": f"r{i}", "action": "alert", "when": when}
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)

        def bad(name, text, *says, rc=1, timeout=60):
            pathlib.Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
            got, out, err = check(name, cwd=work, timeout=timeout)
            expect(name, got == rc and all(s in out + err for s in says) and "Sanitizer" not in err, out[-500:] + err[-500:])

        bad("errors.json", json.dumps({"rules": [rule(i, {"prot": 1}) for i in range(10000)]}, indent=1),
            "and 9950 more errors", "refused: 10000 errors", 'errors.json:7:5: /rules/0/when: unknown field "prot" (did you mean "proto"?)')
        for name, text in (("arrays", "[" * 1000000), ("objects", '{"a":' * 1000000), ("rules", '{"rules":' + "[" * 100000 + "]" * 100000 + "}")):
            bad(f"{name}.json", text, "nested deeper than 64 levels")
        when = {"host": "a.example"}
        for _ in range(8):
            when = {"any": [when]}
        bad("any8.json", json.dumps({"rules": [rule(0, when)]}), "0 errors", rc=0)
        bad("any9.json", json.dumps({"rules": [rule(0, {"any": [when]})]}), '"any" is nested deeper than 8')
        deep = "a.example"
        for _ in range(9):
            deep = {"not": deep}
        bad("not9.json", json.dumps({"rules": [rule(0, {"host": deep})]}), "nested deeper than 8")
        bad("large.json", b" " * (256 << 20) + b"{}", "a policy may have 268435456")
        bad("many.json", '{"sets":{"a":{"type":"port","items":[' + "1," * 300000 + '"x"]}}}', '/sets/a/items/300000: "x"')
        bad("regex.json", json.dumps({"rules": [rule(0, {"url": {"regex": "a|" * 3000 + "b"}})]}), "longer than 4096 bytes")
        bad("keys.json", '{"sets":{' + ",".join(f'"s{i % 5000}":{{"type":"net","items":["10.0.0.1"]}}' for i in range(5010)) + "}}",
            'duplicate key "s9" (first at keys.json:1:', "refused: 10 errors")
        bad("escape.json", json.dumps({"rules": [{"id": "\x1b[31mred", "action": "deny"}]}), "control characters")
        rules = [rule(i, {"http.path": {"regex": f"/x{i}[0-9]{{2,6}}\\.(php|asp)$"}}) for i in range(2000)]
        bad("regexes.json", json.dumps({"rules": rules}), "loaded 2000 rules", rc=0)
        pathlib.Path("names.txt").write_text("".join(f"n{i}.example{i % 99}.com\n" for i in range(200000)))
        bad("names.json", '{"sets":{"n":{"type":"domain","file":"names.txt"}}}', "1 set, 0 errors, 0 warnings", rc=0)
        got, _, err = check("nowhere.json", cwd=work)
        expect("a file that is not there", got == 3 and "nowhere.json: cannot read it: No such file" in err, err)
        no_files(pathlib.Path(work))
        bad("terminal.json", '{"sets": {"\\u009b31m\\u001b[0m\\u007f": 1}}', "\\xc2\\x9b31m\\x1b[0m\\x7f")
        expect("usage", check()[0] == 2 and check("--nonsense")[0] == 2 and check("--help")[0] == 0)
        os.chdir("/")


def no_files(work):
    """what is no file: refused, or read, in bounded time, by whichever verb loads it"""
    capture = DOCS.parent / "tests/captures/http.pcap"
    os.mkfifo(work / "fifo")
    (work / "set.json").write_text('{"sets": {"s": {"type": "net", "file": "fifo"}}}')
    for path, says in ((work, "it is a directory"), ("/dev/zero", "it is a device"), (work / "fifo", "a pipe that nobody writes to")):
        for args in (("check", path), ("replay", "-p", path, capture), ("explain", "-p", path, "--src", "10.0.0.1"), ("diff", path, path, capture)):
            done = subprocess.run([SLUICE, *args], capture_output=True, text=True, timeout=20)
            expect(f"{args[0]} {path}", done.returncode == 3 and f"cannot read it: {says}" in done.stderr, done.stderr)
    rc, out, _ = check("set.json", cwd=work, timeout=20)
    expect("a set in a pipe that nobody writes to", rc == 1 and "nobody writes" in out, out)
    good = '{"rules": [{"id": "a", "action": "deny", "when": {"http.path": {"prefix": "/"}}}]}'
    for args, says in ((("check", "-"), "loaded 1 rule"), (("replay", "-p", "-", capture), "deny"), (("diff", "-", work / "errors2.json", capture), "deny by a"),
                       (("explain", "-p", "-", "--app", "ssh"), "by default")):
        (work / "errors2.json").write_text('{}')
        done = subprocess.run([SLUICE, *args], input=good, capture_output=True, text=True, timeout=60)
        expect(f"{args[0]} -", done.returncode in (0, 1) and says in done.stdout + done.stderr, done.stdout + done.stderr)
    slow = subprocess.Popen(f"(sleep 3; echo '{good}') > {work}/fifo", shell=True)
    rc, out, err = check("fifo", cwd=work, timeout=20)
    slow.wait()
    expect("a pipe whose writer is slow", rc == 0 and "loaded 1 rule" in out, out + err)
    done = subprocess.run([SLUICE, "diff", "-", "-", capture], input="{}", capture_output=True, text=True, timeout=20)
    expect("standard input twice", done.returncode == 2 and "twice" in done.stderr, done.stderr)


def guards():
    with tempfile.TemporaryDirectory() as work:
        path = pathlib.Path(work) / "p.json"

        def said(policy, *args):
            path.write_text(json.dumps(policy))
            rc, out, err = check("p.json", *args, cwd=work)
            return rc, out + err
        rule = lambda when: {"rules": [{"id": "a", "action": "deny", "when": when}]}
        named = dict(rule({"dst": {"in": "s"}}), sets={"s": {"type": "net", "items": ["10.0.0.0/8", "192.0.2.1"]}})
        for policy, rc, says in [(rule({"src": "192.0.2.1"}), 1, "this address is guarded"), (named, 1, "in a set that a rule looks into, is guarded"),
                                 (rule({"any": [{"dst": {"not": ["192.0.2.1"]}}]}), 1, "is guarded"), (rule({"src": "0.0.0.0/0"}), 0, "loaded 2 rules"),
                                 (rule({"dport": 22}), 0, "0 errors"), ({"rules": [{"id": "guard", "action": "deny"}]}, 1, 'the id "guard"')]:
            got = said(policy, "--guard", "192.0.2.1", "--guard", "2001:db8::1")
            expect(f"guard: {policy}", got[0] == rc and says in got[1], got)
            replay = subprocess.run([SLUICE, "replay", "-p", path, "--guard", "192.0.2.1", "--guard", "2001:db8::1", DOCS.parent / "tests/captures/http.pcap"],
                                    capture_output=True, text=True, timeout=60)
            complaints = [line.split(": ", 1)[1] for line in got[1].splitlines() if ": /" in line]
            expect(f"guard: replay says it too: {policy}", replay.returncode == rc and all(c in replay.stderr for c in complaints), replay.stderr)
        expect("guard: an address", said(rule({"dport": 22}), "--guard", "10.0.0.0/8")[0] == 2)
        cases = [{"given": {"src": a, "dst": "198.51.100.1", "dport": 22}, "expect": {"verdict": v, "rule": r}} for a, v, r in
                 (("192.0.2.1", "allow", "guard"), ("192.0.2.2", "deny", "a"), ("2001:db8::1", "allow", "guard"))]
        (pathlib.Path(work) / "c.json").write_text(json.dumps(cases))
        got = said(rule({"dport": 22}), "--guard", "192.0.2.1", "--guard", "2001:db8::1", "--tests", "c.json")
        expect("guard: decides above all", got[0] == 0, got)


def trials():
    rc, out, err = check("policy.json", "--tests", "good.json", cwd=HERE / "cases")
    expect("cases that hold", rc == 0 and out.endswith("good.json: 10 cases, 0 failed\n"), out + err)
    rc, out, err = check("policy.json", "--tests", "bad.json", cwd=HERE / "cases")
    said = out.split("\n", 1)[1]
    expect("cases that do not", rc == 1 and said == (HERE / "cases/bad.expect").read_text(), said)
    expect("cases that are not there", check("policy.json", "--tests", "nowhere", cwd=HERE / "cases")[0] == 3)


def meanings():
    """each operator on each type, from the text to the corridor's evaluator: facts that satisfy it, facts that do not"""
    all_of = json.loads((HERE / "cases/meanings.json").read_text())
    verdict = lambda given, deny: {"given": given, "expect": {"verdict": "deny" if deny else "allow", "rule": "r" if deny else "default"}}
    with tempfile.TemporaryDirectory() as work:
        for case in all_of["cases"]:
            policy = {"sets": all_of["sets"], "rules": [{"id": "r", "action": "deny", "when": case["when"]}]}
            (pathlib.Path(work) / "p.json").write_text(json.dumps(policy))
            given = [verdict(g, True) for g in case["yes"]] + [verdict(g, False) for g in case["no"]]
            (pathlib.Path(work) / "c.json").write_text(json.dumps(given))
            rc, out, err = check("p.json", "--tests", "c.json", cwd=work)
            expect(json.dumps(case["when"]), rc == 0, out + err)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
cases()
docs()
schema()
guards()
trials()
meanings()
made()
print(f"{len(list(HERE.glob('*.json')))} policies, docs, schema and bad inputs: {len(failed)} failures")
sys.exit(bool(failed))
