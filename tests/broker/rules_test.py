# SPDX-License-Identifier: BSD-3-Clause
"""The policy from swg_rules on a real broker: publishing, edits and how soon they are in force, what is refused, machines' rules,
a broker that is away. The hash of each version is made here by Python's own json and hashlib. usage: rules_test.py SLUICE"""
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from servers import Kafka, expect, main, port, until

SLUICE = str(pathlib.Path(sys.argv[1]).resolve())
TOPIC = "swg_rules"
POLICY = {"default": {"action": "deny"}, "sets": {"bad": {"type": "domain", "items": ["casino.example", "=one.example"]}},
          "rules": [{"id": "no-bad", "action": "deny", "when": {"host": {"in": "bad"}}}, {"id": "web", "action": "allow", "when": {"dport": 443}}]}


class Box:
    """an appliance between two ports that bring nothing"""

    def __init__(self, folder, kafka, node):
        self.folder, self.node = folder / node, node
        self.folder.mkdir()
        self.http = "127.0.0.1:%d" % port()
        self.config = self.folder / "sluice.json"
        self.config.write_text(json.dumps({
            "node": node, "ports": {"a": {"type": "null"}, "b": {"type": "null"}}, "paths": [{"mode": "bridge", "ports": ["a", "b"]}],
            "workers": {"idle": "interrupt"}, "memory": {"flows": 4096, "pages": "small"},
            "policy": {"kafka": True, "history": str(self.folder / "history")}, "spool": {"path": str(self.folder / "spool")},
            "kafka": {"bootstrap.servers": kafka.bootstrap, "reconnect.backoff.max.ms": 500},
            "control": {"socket": str(self.folder / "ctl.sock"), "http": self.http}}))

    def start(self):
        self.log = open(self.folder / "log", "a")
        self.process = subprocess.Popen([SLUICE, "run", "-c", str(self.config)], stderr=self.log)
        until(lambda: "forwarding" in self.said(), 60, "%s forwards: %s" % (self.node, self.said()[-500:]))
        return self

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.log.close()
        (self.folder / "log").rename(self.folder / ("log.%d" % time.monotonic_ns()))
        return code

    def said(self):
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""

    def ctl(self, *words):
        r = subprocess.run([SLUICE, "ctl", "-j", "-s", str(self.folder / "ctl.sock"), *words], capture_output=True, text=True, timeout=120)
        return json.loads(r.stdout) if r.stdout else {"error": r.stderr}

    def kafka(self):
        return self.ctl("show", "policy").get("result", {}).get("kafka", {})

    def stands(self, version, wait=60):
        seen = [None]

        def there():
            seen[0] = self.kafka()
            return seen[0].get("version") == version and not seen[0]["refused"]
        until(there, wait, "%s has version %s: %s" % (self.node, version, seen))
        return seen[0]

    def page(self, path):
        try:
            with urllib.request.urlopen("http://%s%s" % (self.http, path), timeout=30) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def metric(self, name):
        return float(next(line.split()[1] for line in self.page("/metrics")[1].splitlines() if line.startswith("sluice_%s " % name)))


def publish(box, policy, *more):
    file = box.folder / "policy.json"
    file.write_text(json.dumps(policy))
    return subprocess.run([SLUICE, "ctl", "-j", "policy", "publish", str(file), "-c", str(box.config), *more], capture_output=True, text=True, timeout=180)


class Writer:
    """writes versions by itself, so that two programs agree on what they are"""

    def __init__(self, kafka):
        from confluent_kafka import Producer
        self.k = kafka
        self.p = Producer({**kafka.client(), "transactional.id": "somebody", "linger.ms": 0})
        self.p.init_transactions(30)
        self.keys, self.version = {}, 0
        for m in kafka.read(TOPIC, **{"isolation.level": "read_committed"}):
            try:
                key, value = m.key.decode(), json.loads(m.value) if m.value else None
            except (ValueError, RecursionError):
                continue  # what this test wrote to be refused, and removed
            if key == "commit" and isinstance(value, dict):
                self.version = value["version"]
            elif value is None:
                self.keys.pop(key, None)
            elif key.startswith(("rule:", "set:")) or key == "default":
                self.keys[key] = value

    def write(self, changes, abort=False, **commit):
        """one transaction: None removes; commit: what it says over what is right. When it was committed"""
        keys = {**self.keys, **changes}
        keys = {k: v for k, v in keys.items() if v is not None}
        people = {k: v for k, v in keys.items() if not k.startswith("rule:auto:")}
        text = json.dumps(people, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        made = {"version": self.version + 1, "rules": sum(k.startswith("rule:") for k in people),
                "sets": sum(k.startswith("set:") and k.count(":") == 1 for k in people),
                "hash": hashlib.sha256(text.encode()).hexdigest(), "author": "python", "why": "test", **commit}
        self.p.begin_transaction()
        for k, v in changes.items():
            self.p.produce(TOPIC, None if v is None else json.dumps(v).encode(), k.encode(), partition=0)
        self.p.produce(TOPIC, json.dumps(made).encode(), b"commit", partition=0)
        if abort:
            self.p.flush(30)
            self.p.abort_transaction(30)
            return 0
        self.p.commit_transaction(30)
        self.keys, self.version = keys, made["version"]
        return time.time()


def statuses(kafka, node):
    return [json.loads(m.value) for m in kafka.read("swg_rules_status") if m.key.decode() == node]


def status(kafka, node, version, minor=0):
    """what became of the version, as the topic says"""
    found = []

    def told():
        found[:] = [s for s in statuses(kafka, node) if (s["version"], s["minor"] > 0) == (version, minor > 0)]
        return found
    until(told, 60, "%s tells of version %d.%d: %s" % (node, version, minor, statuses(kafka, node)[-2:]))
    return found[-1]


def first(k, box):
    code, body = box.page("/readyz")
    expect("not ready before the topic is read", code == 503 and "not read" in body, body)
    expect("a policy file is not loaded beside it", "publish" in box.ctl("policy", "load", "/dev/null")["error"])
    r = publish(box, POLICY, "--author", "alice", "--why", "the first")
    out = json.loads(r.stdout)["result"]
    expect("the first version, and its topic", r.returncode == 0 and out["version"] == 1 and out["topic_created"], r.stdout + r.stderr)
    seen = box.stands("1.0")
    expect("who published it, and why", (seen["author"], seen["why"]) == ("alice", "the first"), seen)
    until(lambda: box.page("/readyz")[0] == 200, 30, "ready")
    r = publish(box, POLICY)
    expect("the same again is no version", not json.loads(r.stdout)["result"]["published"], r.stdout)
    more = json.loads(json.dumps(POLICY))
    more["rules"].insert(1, {"id": "new", "action": "deny", "when": {"http.path": {"regex": "/[0-9]+x$"}}})
    out = json.loads(publish(box, more, "--dry-run").stdout)["result"]
    expect("what it would change", out["changes"] == ["+ new"] and not out["published"], out)
    r = publish(box, {"rules": [{"id": "x", "action": "denny"}]})
    expect("one with errors is not published", r.returncode == 1 and "denny" in r.stderr, r.stderr)
    publish(box, more)
    box.stands("2.0")
    expect("rules in their order", [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]] == ["no-bad", "new", "web", "default"])


def edits(k, box, w):
    """how soon what the broker has is in force, by the appliance's own word"""
    late, took = [], []
    for i in range(12):
        if i % 2:
            change = {"set:bad:n%d.example" % i: {}}
        else:
            change = {"rule:n%d" % i: {"order": 5000 + i, "action": "deny", "when": {"http.uri": {"regex": "/n%d/[a-z]+x" % i}}}}
        at = w.write(change)
        s = status(k, box.node, w.version)
        expect("edit %d is in force" % i, s["ok"], s)
        late.append(max(0.0, s["time_ms"] - at * 1000))
        took.append(s["apply_ms"])
    print("in force after the broker had it: median %.1f ms, most %.1f; of that applying %.1f, %.1f" %
          (statistics.median(late), max(late), statistics.median(took), max(took)))
    expect("an edit is in force soon (the bound is for a busy machine; docs/performance.md has the figures)", statistics.median(late) < 5000, late)
    expect("what changed in sets counts", box.kafka()["set_items"] == 8, box.kafka())
    expect("nothing differs from the topic", not any(box.ctl("policy", "diff", "kafka")["result"]["rules"].values()), box.ctl("policy", "diff", "kafka"))


def refused(k, box, w):
    before = box.kafka()["version"]
    for what, change, commit, word in (
            ("another hash", {"rule:h": {"order": 9000, "action": "deny"}}, {"hash": "0" * 64}, "hash"),
            ("another count", {}, {"rules": 99}, "99 rules"),
            ("no order", {"rule:h": {"action": "deny"}}, {}, "order"),
            ("an error of check", {"rule:h": {"order": 9000, "action": "deny", "when": {"prot": "tcp"}}}, {}, "prot")):
        w.write(change, **commit)
        s = status(k, box.node, w.version)
        expect("refused for %s, and why" % what, not s["ok"] and word in json.dumps(s["errors"]), s)
        expect("what was in force stays", "%d.%d" % (s["in_force"]["version"], s["in_force"]["minor"]) == before and box.kafka()["refused"], s)
    error = s["errors"][0]
    expect("of which rule, and where", (error["rule"], error["path"]) == ("h", "/when/prot") or error["rule"] == "h", error)
    expect("a metric tells", box.metric("rules_refused") == 1)
    w.write({"rule:h": None})
    expect("the next good one is in force", status(k, box.node, w.version)["ok"])
    w.write({"rule:aborted": {"order": 1, "action": "deny"}}, abort=True)
    for key, value in ((b"rule:junk", b"{"), (b"nonsense", b"{}"), (b"\xff", b"{}"), (b"commit", b"[1]"), (b"set:x:y", b"7"),
                       (b"rule:long", b"[" * 200000), (b"rule:junk", None), (b"set:x:y", None), (b"rule:long", None)):
        k.produce(TOPIC, value, key)
    w.write({"rule:after": {"order": 9001, "action": "deny"}})
    s = status(k, box.node, w.version)
    expect("records that are none, and an aborted version, leave no trace", s["ok"] and box.kafka()["unread"] == 7, (s, box.kafka()))
    rules = [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]]
    expect("the aborted rule was never there", "after" in rules and "aborted" not in rules, rules)
    errors = []
    until(lambda: errors.__setitem__(slice(None), [json.loads(m.value) for m in k.read("swg_errors")]) or len(errors) >= 7, 30, "swg_errors")
    expect("each is named with its offset and why", all(e["topic"] == TOPIC and e["offset"] > 0 and e["why"] for e in errors), errors)


def machines(k, box, w):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    over = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 10))
    rule = {"order": 1000000000, "action": "deny", "expires": soon, "when": {"dst": "192.0.2.1"}}
    k.produce(TOPIC, json.dumps(rule).encode(), b"rule:auto:feed:a")
    s = status(k, box.node, w.version, 1)
    expect("a machine's rule is a version of its own", s["ok"] and s["machine_written"] == 1, s)
    k.produce(TOPIC, json.dumps({**rule, "when": {"prot": 1}}).encode(), b"rule:auto:feed:b")
    k.produce(TOPIC, json.dumps({**rule, "expires": over}).encode(), b"rule:auto:feed:c")
    k.produce(TOPIC, json.dumps({"order": 1000000000, "action": "deny"}).encode(), b"rule:auto:feed:d")
    until(lambda: "left out rule=auto:feed:b" in box.said(), 30, "the machine's rule with an error is left out")
    until(lambda: box.kafka()["unread"] == 8, 30, "one that never expires is none")
    w.write({"rule:people": {"order": 9002, "action": "deny"}})
    s = status(k, box.node, w.version)
    expect("people's version does not wait for machines", s["ok"] and s["machine_written"] == 1, s)
    k.produce(TOPIC, None, b"rule:auto:feed:a")
    until(lambda: box.kafka()["machine_written"] == 0, 30, "removed")


def together(k, box, w):
    """two publish at once: each version was written by one who had seen the one before it"""
    def begin(n):
        file = box.folder / ("p%d.json" % n)
        file.write_text(json.dumps({**POLICY, "default": {"action": "allow"}, "rules": POLICY["rules"] + [{"id": "by-%d" % n, "action": "deny"}]}))
        return subprocess.Popen([SLUICE, "ctl", "-j", "policy", "publish", str(file), "-c", str(box.config)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
    said = [(p.wait(120), *p.communicate()) for p in [begin(n) for n in range(3)]]
    done = [json.loads(out)["result"]["version"] for rc, out, _ in said if rc == 0]
    expect("one at least, and no version twice", done and len(set(done)) == len(done), said)
    expect("the others were told", all("meanwhile" in err for rc, _, err in said if rc), said)
    last = w.version + len(done)
    s = status(k, box.node, max(done))
    expect("all of them are in force, one after the other", max(done) == last and s["ok"], (done, last, s))


def away(k, box, folder):
    version = box.kafka()["version"]
    k.kill()
    until(lambda: box.kafka()["state"] == "away", 60, "the broker is known to be away: %s" % box.kafka())
    expect("what was in force stays", box.kafka()["version"] == version)
    expect("and its age grows", box.metric("rules_age_seconds") > 1 and box.metric("rules_live") == 0)
    expect("drained", box.stop() == 0)
    box.start()
    until(lambda: box.page("/readyz")[0] == 200, 60, "ready with the last good policy: %s" % (box.page("/readyz"),))
    expect("which is the same version", box.kafka()["version"] == version and "last good" in box.page("/readyz")[1], box.kafka())
    k.start()
    w = Writer(k)
    w.write({"rule:back": {"order": 9100, "action": "deny"}})
    box.stands("%d.0" % w.version, 120)
    until(lambda: box.kafka()["state"] == "live", 60, "live again")
    second = Box(folder, k, "second").start()
    seen = second.stands("%d.0" % w.version)
    expect("a second appliance says the same", seen["hash"] == box.kafka()["hash"], seen)
    r = box.ctl("policy", "rollback")
    expect("back at one, by hand", r["ok"] and box.kafka()["rolled_back"], r)
    w.write({"rule:on": {"order": 9101, "action": "deny"}})
    for b in (box, second):
        b.stands("%d.0" % w.version)
    expect("until the next version", not box.kafka()["rolled_back"])
    expect("the second ends", second.stop() == 0)


def compacted(k, box):
    """keys that were written often stand once; who reads them then has the same"""
    w = Writer(k)
    from confluent_kafka.admin import ConfigResource
    wish = {"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
    for f in k.admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, TOPIC, set_config=wish)]).values():
        f.result(30)
    for i in range(5):
        w.write({"rule:again": {"order": 9200 + i, "action": "deny"}})
    n = len(k.read(TOPIC))

    def less():
        w.write({"rule:again": {"order": 9300 + w.version, "action": "deny"}})
        return len(k.read(TOPIC)) < n
    until(less, 90, "compacted")
    box.stands("%d.0" % w.version)
    was = box.kafka()["hash"]
    expect("drained again", box.stop() == 0)
    box.start()
    until(lambda: box.kafka().get("read_to_its_end") and box.kafka()["state"] == "live", 60, "read again")
    expect("after compaction the same", box.kafka()["hash"] == was and not box.kafka()["refused"], box.kafka())


def partitions(k, box):
    k.admin.delete_topics([TOPIC])[TOPIC].result(30)
    until(lambda: TOPIC not in k.admin.list_topics(timeout=5).topics, 60, "the topic is gone")
    k.topic(TOPIC, 3)
    until(lambda: box.kafka()["state"] == "more than one partition", 90, "a topic of three partitions is refused: %s" % box.kafka())
    r = publish(box, POLICY)
    expect("for publishing, too", r.returncode and "more than one partition" in r.stderr, r.stderr)


def rules():
    with tempfile.TemporaryDirectory() as work, Kafka() as k:
        folder = pathlib.Path(work)
        k.topic("swg_rules_status", **{"cleanup.policy": "compact"})
        k.topic("swg_errors")
        box = Box(folder, k, "first").start()
        try:
            first(k, box)
            w = Writer(k)
            edits(k, box, w)
            refused(k, box, w)
            machines(k, box, w)
            together(k, box, w)
            away(k, box, folder)
            if os.environ.get("SLUICE_FULL", "0") != "0":
                compacted(k, box)
            partitions(k, box)
        except Exception:
            print("%s, its exit code so far %s" % (box.said()[-4000:], box.process.poll()), flush=True)
            raise
        finally:
            box.process.kill()
            box.process.wait()


main(rules)
