# SPDX-License-Identifier: BSD-3-Clause
"""Records a second from a full spool into a topic of a real broker: one a message, and packed. A first replay, without a
broker, fills the spool; a second one, of nothing, ships it, and is timed; its processor time tells what a record costs where
others share the machine. Before that the same lines without spool and rendering (tests/bench/produce.c). usage: kafka.py SLUICE [QUERIES [ROUNDS]]"""
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "broker"))
from servers import Kafka, main, until
from story import Story, capture

SLUICE, QUERIES, ROUNDS = os.path.abspath(sys.argv[1]), int((sys.argv[2:] or [50000])[0]), int((sys.argv[3:] or [3])[0])


def spent():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def ship(k, pack):
    topic = "t%d" % time.monotonic_ns()
    k.topic(topic, 3)
    with Story(SLUICE, {"bootstrap.servers": "127.0.0.1:1"}, {"pack_kb": pack, "topic": topic}, QUERIES) as s:
        s.config["sinks"] = s.config["sinks"][1:]
        s.config["log"] = {"level": "error"}
        capture(s.folder / "nothing.pcap", 0)
        size = lambda: sum(f.stat().st_size for f in (s.folder / "spool").glob("*.seg"))
        s.start()
        last = [0]

        def still():
            time.sleep(1)
            was, last[0] = last[0], size()
            return was == last[0] and was
        until(still, 300, s.log)
        s.process.send_signal(signal.SIGTERM)
        s.ends()
        s.config["kafka"] = k.client()
        began, used = time.monotonic(), spent()
        if s.start("nothing.pcap").ends(600):
            raise RuntimeError(s.log())
        took, used = time.monotonic() - began, spent() - used
    messages = k.read(topic)
    records = sum(m.value.count(b"\n") + 1 for m in messages)
    print("pack_kb %3d: %d records, %.0f a message, %.0f k records/s, %.2f us of processor a record" %
          (pack, records, records / len(messages), records / took / 1e3, used / records * 1e6), flush=True)


def produce(k, pack, program, lines):
    """without spool and rendering: what one produce a record costs, and a pack"""
    topic = "p%d" % time.monotonic_ns()
    k.topic(topic, 3)
    subprocess.run([program, k.bootstrap, topic, lines, str(QUERIES), str(pack)], check=True)


def bench():
    program = pathlib.Path(SLUICE).parent / "tests/bench_produce"
    with Kafka(big=True) as k, Story(SLUICE, k.client(), records=1000) as s:
        s.config["sinks"] = s.config["sinks"][:1]
        s.start().ends()
        for _ in range(ROUNDS):
            for pack in (0, 64, 512):
                produce(k, pack, program, s.folder / "records.json")
        for _ in range(ROUNDS):
            for pack in (0, 64, 512):
                ship(k, pack)


main(bench)
