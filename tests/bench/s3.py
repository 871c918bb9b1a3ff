#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How fast the s3 sink empties a spool into a real S3 server on this machine: the spool is filled while the server is away,
then one sluice drains it. MB are 10^6 bytes of JSON lines before packing, and of what arrived.
usage: s3.py SLUICE [QUERIES]      two records a query"""
import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "broker"))
import servers

queries = int(sys.argv[2]) if len(sys.argv) > 2 else 300000
source = pathlib.Path(servers.__file__).with_name("s3_test.py").read_text().replace("servers.main(test)\n", "")
sys.argv = sys.argv[:2]
exec(compile(source, "s3_test.py", "exec"))


def bench():
    big, one = capture("big", queries, 30), capture("one", 1)
    with servers.S3() as s:
        for packing in ("zstd", "gzip", "none"):
            ship = Ship(s, bucket(s), compression=packing, endpoint="http://127.0.0.1:9")
            p = ship.start(big)
            size = lambda: sum(f.stat().st_size for f in (ship.folder / "spool").glob("*.seg"))
            was = -1
            while not was or was != size():
                was = size() if (ship.folder / "spool").exists() else 0
                time.sleep(2)
            while p.poll() is None:
                p.terminate()
                time.sleep(0.3)
            sink = json.loads((ship.folder / "c.json").read_text())["sinks"][0]
            ship.config({**sink, "endpoint": s.url})
            before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            rc = ship.run(one, timeout=600)
            took, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            stored = raw = n = 0
            for key in s.keys(ship.bucket):
                body = s.get(ship.bucket, key)[0]
                stored += len(body)
                plain = text(key, body)
                raw += len(plain)
                n += plain.count(b"\n")
            print("%-5s exit %s, %d records: %.0f MB in %.2f s (CPU %.2f s): %.0f MB/s, %.0f MB/s a core, %.0f records/s; stored %.1f MB, %.1f MB/s" %
                  (packing, rc, n, raw / 1e6, took, cpu, raw / took / 1e6, raw / cpu / 1e6, n / took, stored / 1e6, stored / took / 1e6), flush=True)


servers.main(bench)
