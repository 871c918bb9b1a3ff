#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What sinks that are stopped cost the workers (measure.md, target 12: at least 0.98 of the packet rate): one worker takes a
capture again and again as fast as it can; packets a second with a sink that takes all, and with one that takes nothing while
the spool fills beyond its bound. Rounds by turns; the ratio is of the medians.
usage: sinks.py SLUICE CAPTURE [ROUNDS [SECONDS]]"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SLUICE, CAPTURE = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
ROUNDS, SECONDS = int((sys.argv[3:4] or [5])[0]), float((sys.argv[4:5] or [4])[0])


def ctl(work, *words):
    out = subprocess.run([SLUICE, "ctl", "-s", work / "ctl", "-j", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return json.loads(out)["result"] if out else None


def one(stopped):
    """(packets a second, records a second, spool's lost)"""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        if not stopped:
            (work / "there").mkdir()
        (work / "c.json").write_text(json.dumps({
            "workers": {"cores": [1], "idle": "busy"}, "memory": {"pages": "small", "frames": 1 << 17},
            "ports": {"a": {"type": "pcap", "rx_file": str(CAPTURE), "pcap_rewind": True, "queues": 1}, "b": {"type": "null"}},
            "paths": [{"mode": "bridge", "ports": ["a", "b"]}], "policy": {"history": ""},
            "spool": {"path": str(work / "spool"), "max_mb": 64, "segment_mb": 8},
            "sinks": [{"type": "file", "name": "bench", "path": str(work / "there" / "eve.json"), "rotate_mb": 64, "keep": 1}],
            "control": {"socket": str(work / "ctl"), "http": ""}}))
        p = subprocess.Popen([SLUICE, "run", "-c", work / "c.json"], stderr=open(work / "log", "w"))
        try:
            for _ in range(200):
                if ctl(work, "show", "ledger"):
                    break
                time.sleep(0.1)
            time.sleep(2)
            assert p.poll() is None, (work / "log").read_text()[-1500:]
            begin, first, at = ctl(work, "show", "ledger"), ctl(work, "show", "sinks"), time.monotonic()
            time.sleep(SECONDS)
            end, took = ctl(work, "show", "ledger"), time.monotonic() - at
            sink = ctl(work, "show", "sinks")
        finally:
            p.terminate()
            p.wait(30)
        assert sink, (work / "log").read_text()[-1500:]
        assert (sink["sinks"][0]["state"] == "down") == stopped, sink
        records = (sink["records"] - first["records"]) / took
        return (end["rx"] - begin["rx"]) / took, records, sum(sink["spool"]["lost"].values())


def main():
    runs = {False: [], True: []}
    for i in range(ROUNDS):
        for stopped in (False, True) if i % 2 else (True, False):
            runs[stopped].append(one(stopped))
            print("%-8s %10.0f packets/s %9.0f records/s  lost %d" % ("stopped" if stopped else "taking", *runs[stopped][-1]), flush=True)
    rate = {k: statistics.median(r[0] for r in v) for k, v in runs.items()}
    print("stopped / taking: %.3f" % (rate[True] / rate[False]))


main()
