#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""replay -c: the records that a replay prints come to the sinks of a configuration, by way of its spool; what a sink could
not take comes later, once; what it is not to see it does not.
usage: ship_test.py SLUICE CAPTURES CONFIGS"""
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

SLUICE, CAPTURES, CONFIGS = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
from cases_dns import framed, head, name, question, rr, stream
from packets import pcap

OWN = ("node", "boot", "worker", "seq")
failed = 0


def expect(what, holds, why=""):
    global failed
    failed += not holds
    print(("ok    " if holds else "FAIL  ") + what + ("" if holds else ": %.600s" % (why,)))


def rows(path):
    text = path.read_bytes() if path.exists() else b""
    assert text == b"" or text.endswith(b"\n"), path
    return [json.loads(line) for line in text.splitlines()]


def plain(events):
    """what a record says but for who wrote it"""
    return [{k: v for k, v in e.items() if k not in OWN} for e in events]


def by_number(events):
    """of each start and worker: the numbers, in order"""
    of = {}
    for e in events:
        of.setdefault((e["node"], e["boot"], e["worker"]), []).append(e["seq"])
    return of


def config(work, *sinks, **more):
    path = work / "config.json"
    path.write_text(json.dumps({"node": "offline", "spool": {"path": str(work / "spool")}, "sinks": list(sinks),
                                "policy": {"file": str(CONFIGS / "tour.json")}, **more}))
    return path


def replay(*args, **more):
    return subprocess.run([SLUICE, "replay", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, **more)


def same(work, captures, *how):
    """the file has what standard output would have had"""
    direct = replay("-p", CONFIGS / "tour.json", "--format", "eve", *how, *captures)
    c = config(work, {"type": "file", "path": str(work / "eve.json")})
    (work / "eve.json").unlink(missing_ok=True)
    shipped = replay("-c", c, *how, *captures)
    want = [json.loads(line) for line in direct.stdout.splitlines()]
    got = rows(work / "eve.json")
    expect("the same records: %s" % " ".join(how), plain(got) == plain(want) and shipped.returncode == direct.returncode and shipped.stdout == "",
           (len(got), len(want), shipped.stderr[-300:]))
    expect("numbered without holes", all(n == list(range(len(n))) or sorted(n) == list(range(len(n))) for n in by_number(got).values()),
           {k: v[:9] for k, v in by_number(got).items()})
    expect("the segments have gone", not [s for s in (work / "spool").glob("*.seg") if s.stat().st_size > 65536])


def down_and_up(work, captures):
    """a sink that is down: a signal ends the waiting, the next replay brings the rest"""
    late = work / "late"
    c = config(work, {"type": "file", "path": str(work / "all.json")}, {"type": "file", "name": "late", "path": str(late / "eve.json")})
    p = subprocess.Popen([SLUICE, "replay", "-c", c, *captures], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not rows(work / "all.json") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    expect("it waits for a sink that is down", p.poll() is None)
    p.send_signal(signal.SIGTERM)
    said = p.communicate(timeout=60)[1]
    expect("a signal ends that, and says what is left", p.returncode == 3 and "sink=late has not taken all" in said and "stay in the spool" in said, (p.returncode, said))
    late.mkdir()
    again = replay("-c", c, captures[0])
    one, two = rows(work / "all.json"), rows(late / "eve.json")
    expect("the next one brings both", again.returncode == 0 and one == two and len({e["boot"] for e in two}) == 2, (len(one), len(two), again.stderr))


def crashed(work, captures):
    """a replay goes on with a spool whose last process crashed, and says where that ended"""
    c = config(work, {"type": "file", "path": str(work / "away" / "eve.json")})
    p = subprocess.Popen([SLUICE, "replay", "-c", c, captures[0]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    p.stderr.readline()  # it is down
    time.sleep(1)
    p.kill()
    p.communicate()
    (work / "away").mkdir()
    replay("-c", c, captures[0])
    got = rows(work / "away" / "eve.json")
    boots = sorted({e["boot"] for e in got})
    first = [e["seq"] for e in got if e["boot"] == boots[0]]
    told = [e for e in got if e["event_type"] == "state"]
    expect("a replay says where a crash ended", len(boots) == 2 and len(told) == 1 and told[0]["boot"] == boots[1] and
           told[0]["state"] == {"event": "recovered", "of_boot": boots[0], "of_worker": 0, "last_seq": max(first), "end": "crashed"}, told)
    expect("by a worker of its own", told[0]["worker"] > max(e["worker"] for e in got if e["event_type"] != "state"), told)


def full(work, captures):
    """the spool is full and its sink away: the replay waits, and a signal ends that"""
    c = config(work, {"type": "file", "path": str(work / "away" / "eve.json")},
               spool={"path": str(work / "spool"), "max_mb": 8, "segment_mb": 1, "memory_mb": 1})
    p = subprocess.Popen([SLUICE, "replay", "-c", c, *captures * 700], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    size, still, deadline = 0, 0, time.monotonic() + 60
    while still < 20 and p.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
        now = sum(s.stat().st_size for s in (work / "spool").glob("*.seg")) if (work / "spool").exists() else 0
        still = still + 1 if now == size > 4 << 20 else 0
        size = now
    expect("it waits", p.poll() is None and still == 20, size)
    p.send_signal(signal.SIGINT)
    try:
        said = p.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        p.kill()
        said = p.communicate()[1] + "did not end"
    expect("a signal ends it, and what is lost is said", p.returncode == 3 and "found no room in the spool" in said and "is down" in said, (p.returncode, said[-500:]))


def sight(work, captures):
    (work / "key").write_text("sixteen bytes, or more\n")
    c = config(work, {"type": "file", "path": str(work / "http.json"), "kinds": ["http"], "redact": ["http.uri.query", "http.user_agent"]},
               {"type": "file", "path": str(work / "hash.json"), "kinds": ["http"], "redact": ["http.user_agent"], "redact_key": str(work / "key")},
               {"type": "file", "path": str(work / "denied.json"), "kinds": ["verdict"]}, node="")
    r = replay("-c", c, *captures)
    http, hashed, denied = (rows(work / name) for name in ("http.json", "hash.json", "denied.json"))
    expect("the host's name signs", {e["node"] for e in http} == {socket.gethostname()}, http[:1])
    expect("kinds", http and all(e["event_type"] == "http" for e in http), r.stderr)
    expect("what was refused", denied and all(e["verdict"]["action"] == "deny" for e in denied), denied[:1])
    expect("a value goes", not any("http_user_agent" in e["http"] and e["http"]["http_user_agent"] != "redacted" for e in http), http[:1])
    agents = [e["http"]["http_user_agent"] for e in hashed if "http_user_agent" in e["http"]]
    expect("or its hash stands there", agents and all(a.startswith("redacted:") for a in agents) and len(set(agents)) < len(agents), agents)


def many_lines(work):
    """facts are as many lines as a record has: none is lost where they are more than a buffer"""
    deep = work.joinpath(*["d" * 250] * 15)
    deep.mkdir(parents=True)
    answers = [rr(b"\0", 5, name("a%d" % i)) for i in range(280)]
    (deep / "in.pcap").write_bytes(pcap(stream([framed(head(0x8180, 1, len(answers)) + question("many.example") + b"".join(answers))])))
    c = config(work, {"type": "file", "path": str(work / "facts.json"), "format": "facts"})
    r = replay("-c", c, deep / "in.pcap")
    printed = [json.loads(line) for line in replay(deep / "in.pcap", "--format", "facts", "-o", "-").stdout.splitlines()]
    shipped = [e for e in rows(work / "facts.json") if e["field"] != "verdict"]
    expect("many lines of one record", r.returncode == 0 and sum(e["field"] == "dns.answer" for e in printed) == 280 and shipped == printed, (len(printed), len(shipped), r.stderr))


def mistakes(work, captures):
    c = config(work)
    expect("no sinks", replay("-c", c, captures[0]).returncode == 1)
    c = config(work, {"type": "file", "path": str(work / "x"), "kinds": ["htpp"], "redact": ["http.hoost"], "tenants": ["7a"]})
    r = replay("-c", c, captures[0])
    expect("words that are none", r.returncode == 1 and 'did you mean "http"' in r.stderr and 'did you mean "http.host"' in r.stderr and '7a: a number is expected' in r.stderr, r.stderr)
    c = config(work, {"type": "file", "path": str(work / "x"), "redact": ["user"], "redact_key": str(work / "nothing")})
    expect("a key that is not there", replay("-c", c, captures[0]).returncode == 3)
    c = config(work, {"type": "file", "path": str(work / "nowhere/x")})
    p = subprocess.Popen([SLUICE, "replay", "-c", c, "--set", "spool.path=", captures[0]], stderr=subprocess.PIPE, text=True)
    said = next(line for line in p.stderr if "is down" in line)
    p.send_signal(signal.SIGTERM)
    try:
        said += p.communicate(timeout=10)[1]
    except subprocess.TimeoutExpired:  # it still read: that signal ended the reading, another ends the waiting
        p.send_signal(signal.SIGTERM)
        said += p.communicate(timeout=60)[1]
    expect("--set holds; of a spool in memory the rest is lost, and that is said", p.returncode == 3 and "are lost: the spool is in memory" in said, said)
    r = replay("-c", c, "--set", "spol.path=", captures[0])
    expect("a key of --set that is none", r.returncode == 1 and 'did you mean "spool"' in r.stderr, r.stderr)
    expect("--set without -c", replay("--set", "spool.path=", captures[0]).returncode == 2)


def main():
    captures = sorted(CAPTURES.glob("*.pcap"))
    stories = (lambda w: same(w, captures), lambda w: same(w, captures, "--workers", "3"), lambda w: same(w, captures[:5], "--join"),
               lambda w: down_and_up(w, captures), lambda w: crashed(w, captures), lambda w: full(w, [CAPTURES / n for n in ("tour.pcap", "dns.pcap", "browser.pcap")]), lambda w: sight(w, captures), many_lines, lambda w: mistakes(w, captures))
    for story in stories:
        with tempfile.TemporaryDirectory() as work:
            story(pathlib.Path(work))
    print("%d failed" % failed)
    sys.exit(failed > 0)


main()
