# SPDX-License-Identifier: BSD-3-Clause
"""`sluice run` under load is killed with -9, by a seed's choice: as a segment of the spool rolls, as a cursor moves, as a
multipart upload is completed (before the server has the request, and before its answer comes back); the broker and the S3
server are killed too. Then: what is in the topic, in the objects and in the file has no hole in (boot, worker, seq) but
what gap records name and what the next boot says was not durable yet; nothing stands anywhere that was not durable; nothing
stands twice but what was on its way at a crash. usage: killed_test.py SLUICE [ROUNDS [SEED]]"""
import collections
import datetime
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import world
from load import enter
from servers import S3, Kafka, expect, failed, main, port, until
from world import World

FLUSH_MS = 50
LATE_S = 1  # of the traffic, the worker, the shipper, the flusher, on two processors for all of them and the servers


class Relay:
    """between sluice and the S3 server: calls `hit` when a multipart upload's completion was seen, before it is sent on
    (`complete`) or when its answer is there, before that is (`completed`)"""

    def __init__(self, to):
        self.to, self.aim, self.hit, self.gone = to, None, threading.Event(), threading.Event()
        self.port = port()
        listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self.connection, args=(client,), daemon=True).start()

    def connection(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.to))
        except OSError:
            client.close()
            return
        completing = threading.Event()

        def pump(a, b, asks):
            try:
                while data := a.recv(1 << 18):
                    if asks:
                        line = data.split(b"\r\n", 1)[0]
                        if line.startswith(b"POST ") and b"uploadId=" in line:
                            completing.set()
                            self.reached("complete")
                    elif completing.is_set():
                        completing.clear()
                        self.reached("completed")
                    b.sendall(data)
            except OSError:
                pass
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        other = threading.Thread(target=pump, args=(server, client, False), daemon=True)
        other.start()
        pump(client, server, True)
        other.join()
        client.close()
        server.close()

    def reached(self, aim):
        """who waits for this kills sluice now, and what was to be sent on goes nowhere"""
        if self.aim == aim:
            self.gone.clear()
            self.hit.set()
            self.gone.wait(60)
            raise OSError("killed")


def stamps(folder, pattern):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob(pattern) if p.exists()}


def wait_for(w, aim, relay):
    spool = w.folder / "spool"
    if aim in ("complete", "completed"):
        relay.hit.clear()
        relay.aim = aim
        reached = relay.hit.wait(60)
        relay.aim = None
        return reached
    pattern = "*.seg" if aim == "roll" else "*.cur"
    before = stamps(spool, pattern)

    def moved():
        now = stamps(spool, pattern)
        return set(now) - set(before) if aim == "roll" else now != before
    end = time.monotonic() + 60
    while not moved():
        if time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


def written(spool):
    """{(boot, worker): seq} of what the last boot had given to the disk, by a reading of our own: spool_disk.h has the layout.
    The last frame may be half of one."""
    files = [f.read_bytes() for f in sorted(spool.glob("*.seg"))]
    boot = max(struct.unpack_from("Q", f, 24)[0] for f in files)
    seen = []
    for f in files:
        at = 64
        while struct.unpack_from("Q", f, 24)[0] == boot and at + 16 <= len(f):
            length, class_ = struct.unpack_from("I", f, at)[0] >> 8, f[at]
            if not length or at + length > len(f):
                break
            if class_ < 5:  # losable, or STATE
                seq, worker = struct.unpack_from("IH", f, at + 16 + 32)
                seen.append(((boot, worker), seq))
            at += length
    last = {}
    for who, seq in seen[:-1]:
        last[who] = max(seq, last.get(who, 0))
    return last


def objects(s3):
    """the lines of each object"""
    for key in s3.keys("logs"):
        if "/error/" in "/" + key:
            raise AssertionError("an object of errors: %s" % key)
        data, _ = s3.get("logs", key)
        yield from subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout.splitlines()


class Place:
    """what one sink's place holds"""

    def __init__(self, name, lines):
        self.name, self.left, self.newest = name, {}, {}
        self.seen = collections.defaultdict(bytearray)  # (boot, worker): how often each seq is there, at most 2
        self.named = collections.defaultdict(set)       # those that gaps name
        for l in lines:
            e = json.loads(l)
            boot, who, seq = e["boot"], (e["boot"], e["worker"]), e["seq"]
            count = self.seen[who]
            count.extend(bytes(max(0, seq + 1 - len(count))))
            count[seq] = min(count[seq] + 1, 2)
            self.newest[boot] = max(e["timestamp"], self.newest.get(boot, ""))
            if e["event_type"] == "gap":
                self.named[who].update(range(e["gap"]["first_seq"], e["gap"]["last_seq"] + 1))
            if e["event_type"] == "state" and e["state"]["event"] == "recovered":
                s = e["state"]
                self.left[s["of_boot"], s["of_worker"]] = s["last_seq"]
        self.boots = sorted({b for b, _ in self.seen})

    def newest_s(self, boot):
        return datetime.datetime.strptime(self.newest[boot], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()

    def check(self, disk):
        """disk: what was written when each boot was killed"""
        self.expect("each boot says what was left by the one before", [k for k in self.seen if k[0] != self.boots[-1] and k not in self.left])
        self.expect("nothing came that was not durable",
                    [(k, len(c) - 1, self.left[k]) for k, c in self.seen.items() if k in self.left and len(c) - 1 > self.left[k]])
        holes = [(*k, n) for k in set(self.seen) | set(self.left) for n in range(self.left.get(k, len(self.seen[k]) - 1) + 1)
                 if (n >= len(self.seen[k]) or not self.seen[k][n]) and n not in self.named[k]]
        records = sum(len(c) - c.count(0) for c in self.seen.values())
        self.expect("no hole (%d records of %d boots, %d more are named by gaps)" %
                    (records, len(self.boots), sum(map(len, self.named.values()))), holes)
        self.expect("twice only what a crash cut short (%d)" % sum(c.count(2) for c in self.seen.values()),
                    [k for k, c in self.seen.items() if k[0] == self.boots[-1] and 2 in c])
        self.expect("all that was written before a kill counts", [(k, n, self.left.get(k)) for k, n in disk.items() if self.left.get(k, -1) < n])

    def expect(self, what, not_so):
        expect("%s: %s" % (self.name, what), not not_so, "%d: %s" % (len(not_so), not_so[:5]))


def config(w, kafka, relay):
    sinks = [
        {"type": "kafka", "name": "kafka", "topic": "swg_logs"},
        {"type": "s3", "name": "s3", "bucket": "logs", "endpoint": "http://127.0.0.1:%d" % relay.port, "region": S3.region,
         "object_mb": 8, "object_s": 5},
        {"type": "file", "name": "file", "path": str(w.folder / "eve.json"), "format": "eve"}]
    return w.config(sinks=sinks, kafka={"bootstrap.servers": kafka.bootstrap},
                    spool={"path": str(w.folder / "spool"), "segment_mb": 1, "flush_ms": FLUSH_MS},
                    control={"socket": str(w.folder / "ctl.sock"), "http": ""})


def ended(boots, kills):
    """(boot, when it was killed); a boot is named by when it began, in ms, and one that was killed at once may have left nothing"""
    return [(b, min(k for k in kills if k > b / 1000)) for b in boots if any(k > b / 1000 for k in kills)]


def behind(w):
    """sinks that have not handed on all yet"""
    return [s["name"] for s in w.ctl("show", "sinks")["result"]["sinks"] if s["behind_bytes"] or s.get("oldest_s")]


def killed(sluice, rounds, seed):
    print("seed %d" % seed, flush=True)
    choice = random.Random(seed)
    w = World(sluice)
    enter(w.ns["box"])  # this thread, and so the servers, are where sluice is
    with Kafka(w.folder / "kafka") as kafka, S3(w.folder / "s3") as s3:
        os.environ.update(s3.credentials())
        kafka.topic("swg_logs", partitions=3)
        kafka.topic("swg_errors")
        s3.bucket("logs")
        relay = Relay(s3.port)
        settings = config(w, kafka, relay)
        w.start("client", sys.executable, str(pathlib.Path(__file__).with_name("load.py")), w.ns["client"], w.ns["server"], "3000", "1400")
        kills, disk = [], {}
        order = [a for _ in range(rounds) for a in choice.sample(("roll", "cursor", choice.choice(("complete", "completed"))), 3)][:rounds]
        for n, aim in enumerate(order):
            w.up(settings, says="forwarding")
            fault = ("none", "kafka", "s3")[n if n < 3 else choice.randrange(3)]
            if fault != "none":
                {"kafka": kafka, "s3": s3}[fault].kill()
                time.sleep(choice.random())
                {"kafka": kafka, "s3": s3}[fault].start()
            reached = wait_for(w, aim, relay)
            time.sleep(choice.random() * 0.003 if aim in ("roll", "cursor") else 0)
            kills.append(time.time())
            w.box.kill()
            w.box.wait()
            relay.gone.set()
            disk.update(written(w.folder / "spool"))
            print("      round %d: killed at %s, %s killed before" % (n, aim, fault), flush=True)
            expect("round %d: %s was seen" % (n, aim), reached, w.log.read_text()[-1500:])
        w.up(settings, says="forwarding")
        w.processes[0].kill()
        until(lambda: not behind(w), 120, lambda: "sinks are behind: %s" % w.ctl("show", "sinks"))
        expect("it ends in order", w.down() == 0, w.log.read_text()[-1500:])
        file = Place("file", open(w.folder / "eve.json"))
        tails = [at - file.newest_s(boot) for boot, at in ended(file.boots, kills)]
        print("      between the newest record that is there and the kill, ms: %s" % [round(t * 1000) for t in tails])
        expect("what is missing is no older than the flush interval, and what this machine is late", max(tails) < FLUSH_MS / 1000 + LATE_S, max(tails))
        for place in (file, Place("topic", (l for m in kafka.each("swg_logs") for l in m.value.splitlines())), Place("objects", objects(s3))):
            place.check(disk)
        expect("nothing was refused", not kafka.read("swg_errors"))
        expect("uploads that crashes left are aborted", not s3.uploads("logs"), s3.uploads("logs"))
    world.failed += failed  # whose folder stays then


if __name__ == "__main__":
    full = os.environ.get("SLUICE_FULL") == "1"
    main(killed, os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50 if full else 3,
         int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30))
