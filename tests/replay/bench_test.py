#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The modes of bench that have a load of their own: that they run, and that their counts add up. No figure of the clock
is judged: that takes a machine at rest.
usage: bench_test.py SLUICE CAPTURES"""
import json
import subprocess
import sys

sluice, captures = sys.argv[1:]


def bench(*args):
    run = [sluice, "bench", "-j", "--flows", "4096", "--seconds", "0.02", *args]
    return json.loads(subprocess.run(run, check=True, capture_output=True, timeout=100).stdout)


paths = [f"{captures}/{n}.pcap" for n in ("fragments", "dns")]
rows = bench("--flood", "--established", "200", *paths)
assert [r["flood"] for r in rows] == ["fragments.pcap", "dns.pcap"], rows
for r in rows:
    assert r["connections lost"] == 0, r
    assert 200 <= r["flows"] <= 4096 and r["frames inside"] <= 4096, r
    assert r["legit alone Mpps"] > 0 and 0 <= r["holds to"] < 1, r

rows = bench("--latency", f"{captures}/tour.pcap")
assert [r["loop"] for r in rows] == ["clock", "empty", "corridor", "empty", "corridor", "empty"], rows
for r in rows:
    assert 0 <= r["p50 us"] <= r["p99 us"] <= r["p99.9 us"] <= r["max us"] and r["packets"] > 0, r

(r,) = bench("--workers", f"{captures}/tour.pcap")
assert r["first's"] + r["second's"] == r["packets"] and r["first's"] and r["second's"], r
assert r["lower quartile"] <= r["ratio"] <= r["upper quartile"], r

bad = subprocess.run([sluice, "bench", "--workers", *paths], capture_output=True, timeout=100)
assert bad.returncode == 2, bad
