#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluice check on configurations. usage: config_test.py SLUICE ROOT [--write] [--without: a build that lacks parts]

tests/config/NAME.json with NAME.expect, which is what check prints. Then: the samples of configs/ load, one for each way
through; docs/config.md has the tables that --keys prints, its examples load, and the schema is what --config-schema prints and
refuses nothing that check takes; --set says what the file would; bad inputs that are better made than kept."""
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

SLUICE, ROOT = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
HERE = ROOT / "tests/config"
failed = []


def check(*args, cwd=HERE, text=None):
    done = subprocess.run([SLUICE, "check", *args], cwd=cwd, capture_output=True, timeout=60, input=text)
    out = done.stdout.decode(errors="backslashreplace") + done.stderr.decode(errors="backslashreplace")
    return done.returncode, re.sub(r" in \d+ ms", "", out)


def expect(what, good, seen=""):
    if not good:
        failed.append(what)
        print(f"FAIL {what}\n{seen}"[:2000])


def cases():
    for path in sorted(HERE.glob("*.json")):
        rc, out = check(path.name)
        if "built without Kafka" in out or ("--without" in sys.argv and "was built without" in out):
            continue
        want = path.with_suffix(".expect")
        if "--write" in sys.argv:
            want.write_text(out + f"exit {rc}\n")
        expect(path.name, want.exists() and want.read_text() == out + f"exit {rc}\n", out)
        got = json.loads(check("-j", path.name)[1])[0]
        expect(f"{path.name} -j", got["loaded"] == (rc == 0) and (got["errors"] > 0) == (rc == 1), got)
        expect(f"{path.name} --strict", check("-s", path.name)[0] == (1 if got["errors"] or got["warnings"] else 0))


def samples(validator):
    modes = set()
    for path in sorted((ROOT / "configs").glob("*.json")):
        rc, out = check(path.name, cwd=path.parent)
        if "built without Kafka" in out:
            continue
        config = json.loads(path.read_text())
        if "--without" in sys.argv and "this program was built without" in out:
            expect(f"configs/{path.name}: what this build lacks is refused", rc == 1, out)
            continue
        expect(f"configs/{path.name}", rc == 0 and " 0 errors" in out, out)
        if "paths" not in config:
            continue
        expect(f"configs/{path.name}: its policy is read, too", config["policy"].get("kafka") or "policy.json: loaded" in out, out)
        # only what another machine can lack
        left = [line for line in out.splitlines() if "warning:" in line and not re.search("there is no (user|group|core)", line)]
        expect(f"configs/{path.name} warns", not left, left)
        expect(f"configs/{path.name} by the schema", not validator or validator.is_valid(config))
        modes |= {f"{p['mode']}{len(p['ports'])}{p.get('transport', '')}" for p in config["paths"]}
    expect("a sample for each way through", modes >= {"bridge2", "routed2", "routed1", "mirror1vlan", "mirror1vxlan", "gwlb1"}, modes)


def docs():
    page = (ROOT / "docs/config.md").read_text()
    expect("docs/config.md holds what check --keys prints", check("--keys")[1].strip() in page)
    expect("docs/config.schema.json is what check --config-schema prints", (ROOT / "docs/config.schema.json").read_text() == check("--config-schema")[1])
    with tempfile.TemporaryDirectory() as work:
        (pathlib.Path(work) / "policy.json").write_text("{}")
        for i, text in enumerate(re.findall(r"```json\n(.*?)```", page, re.S)):
            (pathlib.Path(work) / "sluice.json").write_text(text)
            rc, out = check("sluice.json", cwd=work)
            expect(f"docs/config.md, example {i}", rc == 0, out)
            if i == 0:  # with the slips that the page shows
                (pathlib.Path(work) / "sluice.json").write_text(text.replace('"idle"', '"idel"').replace('"wan" ]', '"wna" ]'))
                out = check("sluice.json", "--set", "ports.lan.mtu=99999", cwd=work)[1]
                shown = [line for line in out.splitlines() if "warning" not in line and "refused" not in line]
                expect("docs/config.md shows what check says of slips", len(shown) == 3 and all(line in page for line in shown), out)


def schema():
    try:
        import jsonschema
    except ImportError:
        print("no python3-jsonschema: the schema is not tried")
        return None
    grammar = json.loads((ROOT / "docs/config.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(grammar)
    validator = jsonschema.Draft202012Validator(grammar)
    for path in sorted(HERE.glob("*.json")):
        try:
            config = json.loads(path.read_text())
        except ValueError:
            continue
        expect(f"{path.name}: check takes what the schema refuses", validator.is_valid(config) or check(path.name)[0] == 1)
    for bad in ({"prots": {}}, {"ports": {"a": {}}}, {"ports": {"a b": {"type": "null"}}}, {"paths": [{"mode": "bridge", "ports": []}]}, {"node": 1},
                {"workers": {"cores": ["0"]}}, {"_": 3}, {"fail": {"stalled": "maybe"}}, {"sinks": [{"type": "fiel"}]}, {"memory": {"flows": 0}}):
        expect(f"the schema takes {bad}", not validator.is_valid(bad))
        expect(f"check takes {bad}", check("-", text=json.dumps({"workers": {}, **bad}).encode())[0] == 1)
    return validator


def sets():
    """each key: --set takes what the file takes, and says of what it refuses what the file's complaint says"""
    base = {"ports": {"a": {"type": "null"}, "b": {"type": "null"}}, "paths": [{"mode": "bridge", "ports": ["a", "b"]}], "workers": {"cores": [0]}}
    for key, value in (("ports.a.mtu", "99999"), ("ports.a.mtu", '"x"'), ("ports.a.type", "pcj"), ("fail.stalled", "opne"), ("workers.idel", "busy"),
                       ("paths.0.ports", "a,c"), ("paths.0.fast_path", "yes"), ("policy.guard", "x"), ("control.http", "9180"), ("node", "\x01"),
                       ("ports.a.queues", "-1"), ("ports.a.queues", "1.5"), ("workers.cores", "0,0"), ("ports.a.device", "eth0")):
        config = json.loads(json.dumps(base))
        *way, last = key.split(".")
        into = config
        for word in way:
            into = into[int(word)] if isinstance(into, list) else into.setdefault(word, {})
        try:
            into[last] = value if key == "control.http" else json.loads(value)
        except ValueError:
            into[last] = value.split(",") if last in ("ports", "guard") else [0, 0] if last == "cores" else value
        said = [line.split(": ", 2) for line in check("-", text=json.dumps(config).encode())[1].splitlines() if line.startswith("stdin:")]
        rc, out = check("-", "--set", f"{key}={value}", text=json.dumps(base).encode())
        over = [line.split(": ", 1) for line in out.splitlines() if line.startswith("--set")]
        expect(f"--set {key}={value}", rc == 1 and len(over) == len(said) == 1 and over[0] == [f"--set {key}", said[0][2]], f"{said}\n{out}")
    for args, rc, says in ((["ports.c.type=tap", "ports.c.device=t0", "paths.0.ports=a,c"], 0, "loaded 3 ports"), (["paths.1.mode=mirror"], 1, 'a path needs "ports"'),
                           (["paths.7.mode=mirror"], 1, '"7" is no number of a path: 0 to 1 is expected'), (["x"], 1, "--set x: key=value is expected"),
                           (["prots.a.mtu=1"], 1, '(did you mean "ports"?)'), (["ports=1"], 1, "letters, digits"), (["workers=1"], 1, "unknown key of workers"),
                           (["ports.a.mtu.x=1"], 1, "nothing in it"), (["node="], 0, "0 errors"), (['node=a"b\\c'], 0, "0 errors"), (["workers.cores=[0]"], 0, "0 errors"),
                           (["workers.cores=[0"], 1, "--set workers.cores: "), (["workers.cores="], 1, "at least one core"), (["ports." + "x" * 99999 + ".mtu=1"], 1, "up to 31"),
                           (["policy.guard=" + "1.2.3.4," * 70], 1, "at most 64")):
        got, out = check("-", *[w for a in args for w in ("--set", a)], text=json.dumps(base).encode())
        expect(f"--set {args}"[:100], got == rc and says in out, out)


def bad_inputs():
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        head = b'{"ports":{},"x":'
        for name, text, says in (("large", head + b" " * (200 << 20) + b"1}", "longer than 262144 bytes: no configuration is"),
                                 ("nested", head + b"[" * 100000 + b"]" * 100000 + b"}", "nested deeper than 64 levels"),
                                 ("objects", b'{"ports":' * 20000, "nested deeper than 64 levels"), ("utf8", b'{"ports": {"\xff": {}}}', "not UTF-8"),
                                 ("zero", b'{"ports": {"a": {"device": "\\u0000"}}}', "\\u0000 cannot be"), ("open", b'{"ports": "', "ends inside a string"),
                                 ("many", b'{"ports": {' + b",".join(b'"p%d":{"type":"null"}' % i for i in range(99)) + b"}}", "at most 16 ports"),
                                 ("paths", b'{"paths": [' + b",".join([b"{}"] * 99) + b"]}", "at most 8 paths"),
                                 ("control", b'{"ports": {"a": {"type": "tap", "device": "\\u001b[31m"}}}', "control characters")):
            (work / name).write_bytes(text)
            rc, out = check(name, cwd=work)
            expect(name, rc == 1 and says in out, out)
        os.mkfifo(work / "fifo")
        for path, says in (("fifo", "a pipe that nobody writes to"), (".", "it is a directory"), ("/dev/zero", "it is a device"), ("nowhere", "No such file")):
            rc, out = check(path, cwd=work)
            expect(path, rc == 3 and says in out, out)


def beside_spool():
    """a sink that would write over the spool's own files, by whatever name its folder goes"""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "spool").mkdir()
        (work / "other").symlink_to("spool")
        base = {"ports": {p: {"type": "null"} for p in "ab"}, "paths": [{"mode": "bridge", "ports": ["a", "b"]}]}
        for spool, path, rc in (("spool", "other/pid", 1), ("other", "./spool/pid", 1), ("spool", "pid", 0), ("spool/", "spool.json", 0), (".", "pid", 1), ("", "pid", 0)):
            (work / "c.json").write_text(json.dumps({**base, "spool": {"path": spool}, "sinks": [{"path": path}]}))
            got, out = check("c.json", cwd=work)
            expect(f"spool {spool}, sink {path}", got == rc and ("in the spool's folder" in out) == (rc == 1), out)


def copies():
    rule = lambda sink: {"id": sink, "when": {"proto": "udp"}, "action": "mirror", "sink": sink}
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "p.json").write_text(json.dumps({"rules": [rule("one"), rule("two")]}))
        pathlib.Path(work, "c.json").write_text(json.dumps(
            {"ports": {p: {"type": "null"} for p in "ab"}, "paths": [{"mode": "bridge", "ports": ["a", "b"]}],
             "policy": {"file": "p.json", "history": ""}, "sinks": [{"type": "pcapng", "name": "one", "path": "m.pcapng"}, {"name": "two", "path": "e.json"}]}))
        rc, out = check("c.json", cwd=work)
        expect("check warns of copies that nobody takes", rc == 0 and "rule two: nobody takes" in out and "rule one" not in out, out)
        for more, says in ((["sinks.0.format=ocsf"], "format"), (["sinks.1.others=true"], "others"), (["sinks.0.kinds=flow"], "kinds"),
                           (["sinks.1.type=pcapng", "sinks.1.path=m.pcapng"], "sinks/0 writes there already"),
                           (["sinks.0.name="], 'needs "name", which rules mirror to, or "others"'),
                           (["sinks.0.path="], 'a pcapng sink needs "path"'), (["sinks.0.tenants=x"], 'x: a number is expected'),
                           (["sinks.0.others=true", "sinks.2.type=pcapng", "sinks.2.others=true", "sinks.2.path=o"], "sinks/0 takes these already"),
                           (["mirrors.0.path=m"], 'there is no "mirrors" any more: copies of frames go to "sinks": {"type": "pcapng"')):
            rc, out = check("c.json", *[w for m in more for w in ("--set", m)], cwd=work)
            expect(more, rc == 1 and says in out, out)
        rc, out = check("c.json", "--set", "sinks.0.others=true", cwd=work)
        expect("one that takes the others takes all", rc == 0 and "nobody takes" not in out, out)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
cases()
docs()
samples(schema())
sets()
bad_inputs()
beside_spool()
copies()
print(f"configurations: {len(failed)} failures")
sys.exit(bool(failed))
