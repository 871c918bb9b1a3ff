#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Policies that come into force under way (--policy-at): what a record says is what the policy of its version alone says of the
same transaction; nothing is lost; the same for two or four workers (SLUICE_FULL=1: both, each time); live flows are judged
again; 1,000 swaps need the memory of ten. usage: swap_test.py SLUICE CAPTURES"""
import collections
import ctypes
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import asked
from asked import CAPTURES, SLUICE, expect, failures

run = functools.partial(asked.run, timeout=300)

FULL = os.environ.get("SLUICE_FULL") == "1"
ALLOW = {"action": "allow"}
A = {"default": ALLOW, "rules": [{"id": "a-test", "action": "deny", "when": {"host": {"suffix": ".test"}}},
                                 {"id": "a-dns", "action": "allow", "when": {"dport": 53}},
                                 {"id": "a-udp", "action": "deny", "when": {"proto": "udp", "dport": 443}}]}
B = {"default": ALLOW, "rules": [{"id": "b-ssh", "action": "deny", "when": {"app": "ssh"}},
                                 {"id": "b-query", "action": "deny", "when": {"dns.qname": {"contains": "e"}}},
                                 {"id": "b-path", "action": "deny", "when": {"http.path": {"regex": "/[a-z]+"}}},
                                 {"id": "b-all", "action": "allow"}]}


def events(out):
    """(flow, kind, n-th of it) -> its verdict; flows apart"""
    found, flows, nth = {}, {}, collections.Counter()
    for line in out.splitlines():
        e = json.loads(line)
        v = e.get("verdict")
        if not v or e["event_type"] == "anomaly":
            continue
        if e["event_type"] == "flow":
            flows[e["flow_id"]] = v
            continue
        # an answer without its request, which was refused, is another transaction
        key = (e["flow_id"], e["event_type"], e.get("tx_id"), "http_method" in e.get("http", {}))
        found[key + (nth[key],)] = v
        nth[key] += 1
    return found, flows


def short(v):
    return v["action"], v["rule"], v.get("respond"), v.get("open", False)


def duration(capture):
    import struct
    data, at, times = capture.read_bytes(), 24, []
    nano = data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
    while at < len(data):
        s, u, n = struct.unpack_from("<III", data, at)
        times.append(s + u / (1e9 if nano else 1e6))
        at += 16 + n
    return max(times) - times[0]


def swaps(work, capture, n):
    """n swaps, spread over the capture: options, and the file of each version"""
    span, files, options = duration(capture), [work / "a.json"], ["-p", work / "a.json"]
    for i in range(n):
        files.append(work / ("b.json" if i % 2 == 0 else "a.json"))
        options += ["--policy-at", f"{span * (i + 1) / (n + 1):.9f}={files[-1]}"]
    return options, files


@functools.cache
def alone(policy, capture):
    return events(run("replay", "-p", policy, "--format", "eve", capture)[1])[0]


def unmixed(work, capture, n, counts):
    options, files = swaps(work, capture, n)
    rc, out, err = run("replay", *options, "--format", "eve", "-s", work / "s.json", capture)
    expect(f"{capture.name}: {n} swaps", rc == 0, err)
    have, flows = events(out)
    for key, v in have.items():
        want = alone(files[v["version"] - 1], capture).get(key)
        counts["transactions"] += 1
        counts["versions"].add(v["version"])
        if want is None:  # by that policy alone its flow was refused before
            counts["not there"] += 1
        else:
            expect(f"{capture.name}: {key} by version {v['version']}", short(v) == short(want), f"{v}\nalone: {want}")
    for key, v in flows.items():
        ids = {r["id"] for r in (A if files[v["version"] - 1].name == "a.json" else B)["rules"]} | {"default"}
        expect(f"{capture.name}: flow {key} names a rule of its version", v["rule"] in ids, v)
    s = json.loads((work / "s.json").read_text())
    ledger = s["ledger"]
    left = ledger["tx"] + ledger["kernel"] + ledger["mirrored"] + sum(ledger["drops"].values()) + ledger["held"]
    expect(f"{capture.name}: the ledger", ledger["rx"] + ledger["own"] == left and ledger["held"] == 0, ledger)
    for workers in (2, 4) if FULL else (4 if n == 2 else 2,):
        rc, other, err = run("replay", *options, "--format", "eve", "--workers", workers, capture)
        expect(f"{capture.name}: {workers} workers", rc == 0 and other == out, err)


def small_pages():
    """a page of 2 MiB is as much as is looked for"""
    ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE


def memory(work):
    # with a sanitizer what is freed is kept for a while, which is no leak
    environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}

    def peak(n):
        options, _ = swaps(work, CAPTURES / "tour.pcap", n)
        child = subprocess.Popen([SLUICE, "replay", *map(str, options), "-o", "/dev/null", "-s", "/dev/null", CAPTURES / "tour.pcap"],
                                 preexec_fn=small_pages, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = status
        expect(f"{n} swaps", status == 0, status)
        return used.ru_maxrss
    # how many policies wait to be freed at once hangs on who runs when: what is never freed is there each time
    tries = []
    while len(tries) < 3 and not any(many - few < 2048 for few, many in tries):
        tries.append((peak(20), peak(1000)))
    expect("1,000 swaps need the memory of few", any(many - few < 2048 for few, many in tries), f"kB: {tries}")
    print("peak with 20 swaps %d kB, with 1,000 %d kB" % tries[-1])


def again(work):
    """live flows: judged again by what is known of them"""
    capture = CAPTURES / "ssh.pcap"
    (work / "none.json").write_text(json.dumps({"default": ALLOW, "rules": []}))
    (work / "port.json").write_text(json.dumps({"default": ALLOW, "rules": [{"id": "no-ssh", "action": "deny", "when": {"dport": 22}}]}))
    (work / "soft.json").write_text(json.dumps({"default": ALLOW, "rules": [{"id": "no-soft", "action": "deny", "when": {"tls.sni": "x.test"}}]}))
    half = duration(capture) / 2
    rc, out, err = run("replay", "-p", work / "none.json", "--policy-at", f"{half}={work / 'port.json'}", "--format", "eve", "-t", work / "t", "-o", work / "o", capture)
    trace = [line.split() for line in (work / "t").read_text().splitlines()]
    doors = [t[1] for t in trace]
    expect("allowed before, denied after", "tx" in doors and "drop" in doors and doors == sorted(doors, key="tx drop".split().index), doors)
    lines = [json.loads(line) for line in (work / "o").read_text().splitlines()]
    said = [e for e in lines if e["event_type"] == "anomaly" and e["anomaly"]["event"] == "policy.rejudged"]
    expect("which flows changed is said", len(said) == 1 and said[0]["verdict"]["rule"] == "no-ssh", lines)
    expect("and by which rule they stood", said[0]["verdict"]["before"] == {"rule": "default", "version": 1}, said)
    flow = [e for e in lines if e["event_type"] == "flow"][0]
    expect("the flow's own word is the new one", flow["verdict"]["rule"] == "no-ssh" and flow["verdict"]["version"] == 2, flow)
    rc, out, err = run("replay", "-p", work / "port.json", "--policy-at", f"{half}={work / 'none.json'}", "-t", work / "t", "-o", work / "o", "--format", "eve", capture)
    doors = [line.split()[1] for line in (work / "t").read_text().splitlines()]
    expect("denied before, allowed after", doors[0] == "drop" and doors[-1] == "tx", doors)


def arguments(work):
    p, capture = work / "a.json", CAPTURES / "http.pcap"
    (work / "bad.json").write_text('{"rulse": []}')
    for args, rc, says in [((f"--policy-at=1={p}",), 0, ""), ((f"--policy-at=1.5s={p}",), 0, ""),
                           ((f"--policy-at=2020-01-01T00:00:00Z={p}",), 0, ""), (("--policy-at=1",), 2, "T=FILE"),
                           ((f"--policy-at=-1={p}",), 2, "T=FILE"), ((f"--policy-at=x={p}",), 2, "T=FILE"),
                           ((f"--policy-at=1={work / 'none'}",), 3, "cannot read"), ((f"--policy-at=1={work / 'bad.json'}",), 1, "unknown key")]:
        got, _, err = run("replay", "-p", p, *args, "-o", "/dev/null", capture)
        expect(f"{args}", got == rc and says in err, f"{got} {err}")


def main():
    counts = collections.Counter()
    counts["versions"] = set()
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        (work / "a.json").write_text(json.dumps(A))
        (work / "b.json").write_text(json.dumps(B))
        for name in ("tour", "http", "dns", "browser_quic", "ssh", "connect"):
            for n in (1, 2, 7):
                unmixed(work, CAPTURES / f"{name}.pcap", n, counts)
        for name in ("tls13", "http6"):
            unmixed(work, CAPTURES / f"{name}.pcap", 3, counts)
        again(work)
        arguments(work)
        memory(work)
    expect("transactions of several versions", counts["transactions"] > 50 and len(counts["versions"]) > 4, counts)
    print(f"{counts['transactions']} transactions, of {len(counts['versions'])} versions, {counts['not there']} not there alone, {len(failures)} failures")
    sys.exit(bool(failures))


main()
