# SPDX-License-Identifier: BSD-3-Clause
"""The tour of the folders in README.md: prints it, or with --write puts it between its marks there.
usage: scripts/tour.py [--write]"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOUR = [
    ("include/", r"include/", "the treaty shelf: the packet, the record, every reason, anomaly and counter"),
    ("src/main.c, src/cmd/", r"src/(main\.c|cmd/)", "the verbs: `replay`, `check`, `explain`, `diff`, `run`, `ctl`, `doctor`, `bench`"),
    ("src/path/", r"src/path/[^/]*$", "where a packet walks: one file (or a few) a room; `path.c` is the list"),
    ("src/path/app/", r"src/path/app/", "what inspect reads: one protocol a file"),
    ("src/policy/", r"src/policy/", "from text to a rule set: the language, what is wrong with a policy, compilation"),
    ("src/live/", r"src/live/", "a worker's loop; the policy that stands, and those before it"),
    ("src/ctl/", r"src/ctl/", "where people speak to it: configuration, socket, prompt, metrics; the fast path's thread"),
    ("bpf/", r"bpf/", "the XDP program"),
    ("src/remote/", r"src/remote/", "what speaks with others' servers: a client of Kafka, signing, credentials, HTTP, S3"),
    ("src/decide/", r"src/decide/", "policy in by `swg_rules`; requests in, decisions out"),
    ("src/ship/", r"src/ship/", "what leaves as words: faces (table, EVE, OCSF, facts), the spool, sinks (file, Kafka, S3, syslog)"),
    ("src/base/", r"src/base/", "foundations: EAL, ports, captures, log, names"),
    ("tests/unit/", r"tests/unit/", "cmocka, on the real code"),
    ("tests/golden/", r"tests/golden/", "small captures made byte by byte, and what must come of them"),
    ("tests/policy/", r"tests/policy", "policies with what check says of them; the naive interpreter that the engine must agree with"),
    ("tests/fuzz/", r"tests/fuzz/", "libFuzzer targets, seeds, planted bugs"),
    ("tests/replay/, tests/live/", r"tests/(replay|live)/", "stories told to the program; real clients and servers with it between them"),
    ("tests/broker/", r"tests/broker/", "a real broker, a real S3 server, real proxies; killed, cut, full, slow"),
    ("tests/attack/", r"tests/attack/", "how a denied name may get past; models of receivers that must not read it"),
    ("tests/exam/, tests/gates/", r"tests/(exam|gates)/", "captures of others with independent expectations; what a machine checks"),
    ("tests/record/, tests/captures/", r"tests/record/", "our own captures, and the script that recorded them from real programs"),
]


def lines(pattern):
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    mine = [f for f in files if re.match(pattern, f) and f.endswith((".c", ".h", ".py", ".sh"))]
    return sum(len((ROOT / f).read_text().splitlines()) for f in mine)


table = "| folder | lines | what |\n|---|---:|---|\n" + "".join(
    f"| `{name}` | {lines(pattern):,} | {what} |\n" for name, pattern, what in TOUR)
if sys.argv[1:] == ["--write"]:
    readme = ROOT / "README.md"
    text = readme.read_text()
    readme.write_text(re.sub(r"(<!-- tour -->\n).*?(<!-- /tour -->)", lambda m: m[1] + table + m[2], text, flags=re.S))
else:
    print(table, end="")
