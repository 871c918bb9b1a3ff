#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A broker that says nothing any more (stopped, not gone: connections stand). The appliance ends in time all the same, and what
it has written is safe; it starts with its last good policy, at once, and says what it stands on. A policy waits for no leader of
requests' partitions. usage: silent_test.py SLUICE MOCK_BROKER"""
import atexit
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from mock_cluster import Mock
from servers import Kafka, expect, main, port, until

SLUICE = str(pathlib.Path(sys.argv[1]).resolve())
POLICY = {"rules": [{"id": "no-gambling", "action": "deny", "when": {"host": "casino.example"}}]}
DRAIN_S = 5
ANSWER_MS = 4000 # of a leader: far beyond what a busy machine takes for a load, and what is waited for an answer (requests_share.c)


class Box:
    """answers requests by the policy of swg_rules; no ports"""

    def __init__(self, folder, kafka, sinks, policy=None):
        self.folder = folder
        folder.mkdir()
        self.http = "127.0.0.1:%d" % port()
        self.config = folder / "sluice.json"
        self.eve = folder / "eve.json"
        self.config.write_text(json.dumps({
            "node": folder.name, "policy": policy or {"kafka": True, "history": str(folder / "history")}, "decide": {"enabled": True},
            "kafka": {"bootstrap.servers": kafka.bootstrap, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
            "sinks": [{"type": "file", "path": str(self.eve), "format": "eve"}, *sinks],
            "spool": {"path": str(folder / "spool")}, "memory": {"flows": 1024, "pages": "small"}, "workers": {"drain_ms": DRAIN_S * 1000},
            "control": {"socket": str(folder / "ctl.sock"), "http": self.http}}))

    def start(self):
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen([SLUICE, "run", "-c", str(self.config)], stderr=log)
        atexit.register(self.process.kill)
        self.says("forwarding")
        return self

    def said(self):
        return (self.folder / "log").read_text()

    def says(self, text):
        """when: seconds since midnight"""
        until(lambda: text in self.said(), 60, lambda: "it says %s: %s" % (text, self.said()[-1500:]))
        h, m, s = next(line for line in self.said().splitlines() if text in line).split()[0].split("T")[1].rstrip("Z").split(":")
        return int(h) * 3600 + int(m) * 60 + float(s)

    def takes_part(self):
        self.says("swg_rules live")
        until(lambda: self.ctl("show", "decisions").get("partitions") == 4, 60, lambda: "it has its partitions: %s" % self.said()[-800:])

    def ends(self):
        at = time.monotonic()
        self.process.terminate()
        code, took = self.process.wait(60), time.monotonic() - at
        expect("it ends in time, in order: %.1f s" % took, code == 0 and took < DRAIN_S and "drain_ms is over" not in self.said(), (code, took, self.said()[-800:]))

    def ctl(self, *words):
        r = subprocess.run([SLUICE, "ctl", "-j", "-s", str(self.folder / "ctl.sock"), *words], capture_output=True, text=True, timeout=60)
        return json.loads(r.stdout).get("result") or {}

    def ready(self):
        try:
            with urllib.request.urlopen("http://%s/readyz" % self.http, timeout=30) as r:
                return json.loads(r.read())
        except urllib.error.HTTPError as e:
            return json.loads(e.read())

    def stands_on(self, ready, policy, seconds=60):
        until(lambda: (self.ready()["ready"], self.ready()["policy"]) == (ready, policy), seconds, lambda: "ready %s, policy %s: %s" % (ready, policy, self.ready()))

    def recovered(self):
        """how the start before ended, as the last start's records say"""
        found = [r["state"]["end"] for r in map(json.loads, self.eve.read_text().splitlines()) if r.get("state", {}).get("event") == "recovered"]
        return found[-1:]


def publish(box):
    file = box.folder / "policy.json"
    file.write_text(json.dumps(POLICY))
    subprocess.run([SLUICE, "ctl", "policy", "publish", str(file), "-c", str(box.config), "--why", "first"], check=True, timeout=180)


def silent(k, box, waits):
    box.start().takes_part()
    box.stands_on(True, "loaded")
    k.pause()
    time.sleep(2)
    box.stands_on(True, "loaded")
    expect("what judges is the topic's", not box.ctl("show", "policy")["last_good"])
    box.ends()
    expect("and says what waits", ("has not taken all" in box.said()) == waits, box.said()[-800:])
    late = -(box.start().says("forwarding") - box.says("the last good policy holds"))
    expect("the last good policy judges at once: %.3f s" % late, late < 1, box.said())
    until(lambda: box.recovered() == ["closed"], 30, lambda: "the start before was closed: %s" % box.recovered())
    box.stands_on(True, "last good")
    box.ends()
    k.resume()


def nothing_yet(box):
    box.start().says("swg_rules live")
    box.stands_on(False, "not loaded")
    expect("no policy is in force, and nobody says so", not box.ctl("show", "policy")["enforcing"])
    publish(box)
    box.stands_on(True, "loaded")
    box.ends()


def no_requests(k, box):
    box.start()
    until(lambda: box.ctl("show", "decisions").get("state") == "no topic", 60, lambda: "no topic: %s" % box.ctl("show", "decisions"))
    expect("and why", "swg_requests" in box.ctl("show", "decisions")["last_error"], box.ctl("show", "decisions"))
    k.topic("swg_requests", 4)
    until(lambda: box.ctl("show", "decisions").get("state") == "up", 90, lambda: "it is there: %s" % box.ctl("show", "decisions"))
    box.ends()


def slow_leader(box, m):
    """partitions come, and their leader takes its time to say where they begin and end"""
    file = box.folder / "policy.json"
    file.write_text(json.dumps(POLICY))
    box.start()
    until(lambda: box.ctl("show", "policy"), 30, "it can be asked")
    took, partitions = [], 0
    while partitions < 4 and sum(took) < 60:
        at = time.monotonic()
        r = subprocess.run([SLUICE, "ctl", "-s", str(box.folder / "ctl.sock"), "policy", "load", str(file)], capture_output=True, text=True, timeout=60)
        if r.returncode:
            raise RuntimeError(r.stdout + r.stderr + box.said()[-800:])
        took.append(time.monotonic() - at)
        partitions = box.ctl("show", "decisions").get("partitions", 0)
    expect("the partitions come", partitions == 4, box.said()[-800:])
    # by a call that waits for the answer it was four seconds and more
    expect("a policy waits for no leader: %d came, %.3f s at most" % (len(took), max(took)), max(took) < ANSWER_MS / 2e3, took)
    m.say("slow 2 0")
    box.ends()


def all_of_it():
    with Mock(sys.argv[2], 2) as m, tempfile.TemporaryDirectory() as folder:
        for name in ("swg_requests", "swg_decisions", "swg_errors"):
            m.say("topic %s 4" % name)
        for i in range(4):
            m.say("leader swg_requests %d 2" % i)
        m.say("coordinator sluice 1")
        m.say("slow 2 %d" % ANSWER_MS)
        slow_leader(Box(pathlib.Path(folder) / "slow", m, [], {"file": "policy.json"}), m)
    with Kafka() as k, tempfile.TemporaryDirectory() as folder:
        for name, n in (("swg_decisions", 4), ("swg_errors", 1), ("swg_rules_status", 1), ("swg_logs", 1)):
            k.topic(name, n)
        k.topic("swg_rules", **{"cleanup.policy": "compact"})
        box = Box(pathlib.Path(folder) / "file", k, [])
        no_requests(k, box)
        nothing_yet(box)
        silent(k, box, False)
        silent(k, Box(pathlib.Path(folder) / "kafka", k, [{"type": "kafka", "format": "eve"}]), True)


main(all_of_it)
