# SPDX-License-Identifier: BSD-3-Clause
"""A decider without ports, for tests: `sluice run` with a configuration that has Kafka, a policy and a file for records."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from servers import until

# `run` may not be traced, which a search for leaks would need
QUIET = {"ASAN_OPTIONS": "detect_leaks=0"}
TOPICS = {"swg_requests": 4, "swg_decisions": 4, "swg_errors": 1}


class Gateway:
    def __init__(self, sluice, broker, node, policy, fail=None, kafka=None, decide=None):
        self.sluice, self.node, self.kept = sluice, node, tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.kept.name)
        self.policy(policy)
        config = {
            "node": node, "fail": fail or {}, "policy": {"file": str(self.folder / "policy.json"), "history": ""},
            "kafka": {"bootstrap.servers": broker, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **(kafka or {})},
            "decide": {"enabled": True, **(decide or {})},
            "sinks": [{"type": "file", "path": str(self.folder / "eve.json"), "format": "eve"}],
            "spool": {"path": str(self.folder / "spool"), "max_mb": 64},
            "memory": {"pages": "small", "flows": 1024, "streams": 256, "held_frames": 256},
            "control": {"socket": str(self.folder / "ctl.sock"), "http": ""},
        }
        if policy is None:
            config["policy"]["file"] = ""
        (self.folder / "config.json").write_text(json.dumps(config))
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([sluice, "run", "-c", str(self.folder / "config.json")], stderr=self.log, env={**os.environ, **QUIET})

    def policy(self, p):
        if p is not None:
            (self.folder / "policy.json").write_text(json.dumps(p))

    def ctl(self, *words):
        r = subprocess.run([self.sluice, "ctl", "-s", str(self.folder / "ctl.sock"), "-j", *words], capture_output=True, text=True)
        try:
            return json.loads(r.stdout).get("result") or {}
        except ValueError:
            return {}

    def look(self):
        return self.ctl("show", "decisions")

    def counts(self):
        return self.look().get("counts", {})

    def has(self, partitions, seconds=60):
        """waits until so many partitions are its own"""
        until(lambda: self.look().get("partitions") == partitions, seconds, lambda: "%s has %d partitions; it says %s" % (self.node, partitions, self.said()[-800:]))
        return self

    def said(self):
        return (self.folder / "log").read_text()

    def records(self):
        path = self.folder / "eve.json"
        return [json.loads(l) for l in path.read_text().splitlines() if l.endswith("}")] if path.exists() else []

    def end(self, kill=False):
        """its exit code"""
        self.process.kill() if kill else self.process.terminate()
        return self.process.wait(60)

    def close(self):
        if sys.exc_info()[0]:
            print(self.said()[-2000:], file=sys.stderr)
        if self.process.poll() is None:
            self.end(kill=True)
        self.log.close()
        self.kept.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
