#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Target 13: what a decision over Kafka costs, beside a bare echo consumer on the same broker in the same run.
usage: decisions.py SLUICE DECIDE_LOAD [RATE [SECONDS [FLOOD]]]      as in docs/performance.md"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "broker"))
from gateway import TOPICS, Gateway  # noqa: E402
from servers import Kafka, main  # noqa: E402

POLICY = {"sets": {"bad": {"type": "domain", "items": ["bad%d.example" % i for i in range(10000)]}}, "rules": [
    {"id": "bad", "action": "deny", "when": {"host": {"in": "bad"}}},
    {"id": "guests", "action": "deny", "when": {"group": "guests", "http.path": {"prefix": "/admin"}}},
    *[{"id": "r%d" % i, "action": "deny", "when": {"host": "host%d.example" % (i * 7)}} for i in range(1000)]]}


def ran(pid):
    """seconds that the decider's thread ran, and all threads"""
    ticks = {"decide": 0, "all": 0}
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        n = sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")
        ticks["all"] += n
        ticks["decide"] += n * (name == "decide")
    return ticks["decide"], ticks["all"]


def measure(sluice, load, rate="1000", seconds="30", flood="400000"):
    with Kafka(big=True) as k:
        for name, partitions in {**TOPICS, "echo_requests": 4, "echo_decisions": 4}.items():
            k.topic(name, partitions)
        echo = subprocess.Popen([load, k.bootstrap, "echo"], stdout=subprocess.PIPE, text=True)
        try:
            echo.stdout.readline()
            with Gateway(sluice, k.bootstrap, "bench", POLICY).has(4) as g:
                for _ in range(3):
                    out = subprocess.run([load, k.bootstrap, "both", rate, seconds], stdout=subprocess.PIPE, text=True, check=True).stdout
                    print(out, end="")
                    got = [dict(w.split("=") for w in line.split()[1:]) for line in out.splitlines()]
                    print("ratio p50=%.2f p99=%.2f" % tuple(float(got[0][p]) / float(got[1][p]) for p in ("p50_ms", "p99_ms")), flush=True)
                if int(flood):
                    before = ran(g.process.pid)
                    print(subprocess.run([load, k.bootstrap, "flood", flood], stdout=subprocess.PIPE, text=True, check=True).stdout, end="")
                    after = ran(g.process.pid)
                    print("processor time of a decision: %.1f us in the decider's thread, %.1f us in all of the process" % tuple(
                        (b - a) / int(flood) * 1e6 for a, b in zip(before, after)))
                look = g.look()
                print("half within %.3f ms, p99 within %.3f ms, from coming to delivered; %s" % (
                    look["half_within_ns"] / 1e6, look["p99_within_ns"] / 1e6, look["counts"]))
        finally:
            echo.kill()
            echo.wait()


if __name__ == "__main__":
    main(measure, *sys.argv[1:])
