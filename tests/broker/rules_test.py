# SPDX-License-Identifier: BSD-3-Clause
"""The policy from swg_rules on a real broker: publishing, edits and how soon they are in force, what is refused, machines' rules,
a broker that is away, what a hostile producer writes. The hash of each version is made here by Python's own json and hashlib.
SLUICE_FULL=1: more edits, and compaction. usage: rules_test.py SLUICE"""
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from gateway import QUIET
from servers import Kafka, expect, main, port, until

SLUICE = str(pathlib.Path(sys.argv[1]).resolve())
FULL = os.environ.get("SLUICE_FULL", "0") != "0"
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
        self.process = subprocess.Popen([SLUICE, "run", "-c", str(self.config)], stderr=self.log, env={**os.environ, **QUIET})
        until(lambda: "forwarding" in self.said(), 60, "%s forwards: %s" % (self.node, self.said()[-500:]))
        return self

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.log.close()
        (self.folder / "log").rename(self.folder / ("log.%d" % time.monotonic_ns()))
        return code

    def said(self):
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

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


class Tail:
    """what is in a topic, read once: `all` has it up to its end, `seen` when each offset came"""

    def __init__(self, kafka, topic):
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
        self.c = Consumer({**kafka.client(), "group.id": "tail", "enable.auto.commit": False, "reconnect.backoff.max.ms": 500,
                           "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
        self.c.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        self.messages, self.ends = [], False
        self.thread = threading.Thread(target=self.reads, daemon=True)
        self.thread.start()

    def reads(self):
        while not self.ends:
            m = self.c.poll(0.1)
            if m is not None and not m.error():
                self.messages.append((time.time(), m.key(), m.value()))
        self.c.close()

    def close(self):
        self.ends = True
        self.thread.join()


class Writer:
    """writes versions by itself, so that two programs agree on what they are"""

    def __init__(self, kafka):
        from confluent_kafka import Producer
        self.k = kafka
        self.plain = Producer({**kafka.client(), "linger.ms": 0})
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

    def raw(self, *records, headers=None):
        """keys and values as they are, without a version"""
        errors = []
        for key, value in records:
            self.plain.produce(TOPIC, value, key, partition=0, headers=headers, on_delivery=lambda e, m: e and errors.append(e))
            self.plain.poll(0)
        if self.plain.flush(30) or errors:
            raise RuntimeError("not produced: %s" % errors)

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
        self.keys, self.version, self.hash = keys, made["version"], made["hash"]
        return time.time()


def statuses(k, node):
    return [json.loads(value) for _, key, value in list(k.statuses.messages) if key.decode() == node]


def status(k, node, version, minor=0):
    """what became of the version, as the topic says"""
    found = []

    def told():
        found[:] = [s for s in statuses(k, node) if (s["version"], s["minor"] > 0) == (version, minor > 0) and s["ok"] is not None]
        return found
    until(told, 60, lambda: "%s tells of version %d.%d: %s" % (node, version, minor, statuses(k, node)[-2:]))
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
    expect("what it would change", out["changes"] == ["+ new"] and not out["published"] and out["version"] == 2, out)
    elsewhere(box)
    r = publish(box, {"rules": [{"id": "x", "action": "denny"}]})
    expect("one with errors is not published", r.returncode == 1 and "denny" in r.stderr, r.stderr)
    publish(box, more)
    box.stands("2.0")
    expect("rules in their order", [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]] == ["no-bad", "new", "web", "default"])


def elsewhere(box):
    """publishing on a machine that is not the appliance's"""
    theirs = box.folder / "theirs.json"
    theirs.write_text(json.dumps({**json.loads(box.config.read_text()), "user": "nobody-of-that-name", "workers": {"cores": [4000]},
                                  "control": {"group": "none-of-that-name"}}))
    file = str(box.folder / "policy.json")

    def ctl(*words):
        return subprocess.run([SLUICE, "ctl", "-s", str(box.folder / "nobody.sock"), "policy", *words], capture_output=True, text=True, timeout=180)
    r = ctl("publish", file, "-c", str(theirs), "--dry-run")
    expect("of the configuration the group kafka is read, and nothing else", r.returncode == 0 and "that would be version 2" in r.stdout, r.stdout + r.stderr)
    r = ctl("publish", str(box.folder / "none.json"), "-c", str(theirs))
    expect("a file that is not there is the environment's", r.returncode == 3 and "none.json" in r.stderr, (r.returncode, r.stderr))
    r = ctl("publish", file)
    expect("without an appliance: how to say where Kafka is", r.returncode == 3 and "-c CONFIG" in r.stderr, r.stderr)


def edits(k, box, w):
    """how soon what the broker has is in force, by the appliance's own word: after the writer's commit was answered, and after
    a bare reader of the same topic had it, which is what Kafka and the machine take by themselves"""
    late, took, behind, bare = [], [], [], Tail(k, TOPIC)
    for i in range(48 if FULL else 12):
        if i % 2:
            change = {"set:bad:n%d.example" % i: {}}
        else:
            change = {"rule:n%d" % i: {"order": 5000 + i, "action": "deny", "when": {"http.uri": {"regex": "/n%d/[a-z]+x" % i}}}}
        at = w.write(change)
        s = status(k, box.node, w.version)
        expect("edit %d is in force" % i, s["ok"], s)
        expect("milliseconds have three decimals", all(len(json.dumps(s[m]).partition(".")[2]) <= 3 for m in ("compile_ms", "apply_ms")), s)
        late.append(max(0.0, s["time_ms"] - at * 1000))
        took.append(s["apply_ms"])
        until(lambda: bare.messages and bare.messages[-1][1] == b"commit" and json.loads(bare.messages[-1][2])["version"] == w.version, 30, "a bare reader")
        behind.append(s["time_ms"] - bare.messages[-1][0] * 1000)
    bare.close()
    print("in force after the broker had it: median %.1f ms, most %.1f; of that applying %.1f, %.1f; after a bare reader had it: %.1f, %.1f" %
          (statistics.median(late), max(late), statistics.median(took), max(took), statistics.median(behind), max(behind)))
    expect("an edit is in force soon (the bound is for a busy machine; docs/performance.md has the figures)", statistics.median(late) < 1000, late)
    expect("what changed in sets counts", box.kafka()["set_items"] == 2 + len(late) // 2, box.kafka())
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
    w.raw((b"rule:junk", b"{"), (b"nonsense", b"{}"), (b"\xff", b"{}"), (b"commit", b"[1]"), (b"set:x:y", b"7"),
          (b"rule:long", b"[" * 200000), (b"rule:junk", None), (b"set:x:y", None), (b"rule:long", None))
    w.write({"rule:after": {"order": 9001, "action": "deny"}})
    s = status(k, box.node, w.version)
    expect("records that are none, and an aborted version, leave no trace", s["ok"] and box.kafka()["unread"] == 7, (s, box.kafka()))
    rules = [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]]
    expect("the aborted rule was never there", "after" in rules and "aborted" not in rules, rules)
    until(lambda: len(k.errors.messages) >= 7, 30, "swg_errors")
    errors = [json.loads(value) for _, _, value in list(k.errors.messages)]
    expect("each is named with its offset and why", all(e["topic"] == TOPIC and e["offset"] > 0 and e["why"] for e in errors), errors)


def machines(k, box, w):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    over = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 10))
    rule = {"order": 1000000000, "action": "deny", "expires": soon, "when": {"dst": "192.0.2.1"}}
    w.raw((b"rule:auto:feed:a", json.dumps(rule).encode()))
    s = status(k, box.node, w.version, 1)
    expect("a machine's rule is a version of its own", s["ok"] and s["machine_written"] == 1, s)
    expect("the hash stays its commit's", s["in_force"]["hash"] == w.hash == box.kafka()["hash"], (s, w.hash))
    w.raw((b"rule:auto:feed:b", json.dumps({**rule, "when": {"prot": 1}}).encode()),
          (b"rule:auto:feed:c", json.dumps({**rule, "expires": over}).encode()),
          (b"rule:auto:feed:d", json.dumps({"order": 1000000000, "action": "deny"}).encode()))
    until(lambda: "left out rule=auto:feed:b" in box.said(), 30, "the machine's rule with an error is left out")
    until(lambda: box.kafka()["unread"] == 8, 30, "one that never expires is none")
    expect("all has a commit", not box.ctl("policy", "diff", "kafka")["result"]["uncommitted"])
    w.raw((b"rule:loose", b'{"order": 9003, "action": "deny"}'))
    until(lambda: box.ctl("policy", "diff", "kafka")["result"]["uncommitted"], 30, "a difference without a commit is called so")
    expect("and shown", box.ctl("policy", "diff", "kafka")["result"]["rules"]["added"] == ["loose"], box.ctl("policy", "diff", "kafka"))
    w.raw((b"rule:loose", None))
    w.write({"rule:people": {"order": 9002, "action": "deny"}})
    s = status(k, box.node, w.version)
    expect("people's version does not wait for machines", s["ok"] and s["machine_written"] == 1, s)
    back(box, w, json.dumps(rule).encode())
    w.raw((b"rule:auto:feed:a", None), (b"rule:auto:feed:e", None), (b"rule:auto:feed:f", None))
    until(lambda: box.kafka()["machine_written"] == 0, 30, "removed")


def back(box, w, rule):
    """what machines wrote over a version is in the history, once, and a rollback undoes it and holds"""
    def history():
        return box.ctl("policy", "history")["result"]["history"]

    def rules():
        return [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]]
    people = "%d.0" % w.version
    for name in (b"e", b"f"):
        w.raw((b"rule:auto:feed:" + name, rule))
        until(lambda: "auto:feed:%s" % name.decode() in rules(), 30, "in force")
    version = box.kafka()["version"]
    rows = history()
    expect("what is in force is in the history, machines' version or not", [(r["version"], r["machine_written"]) for r in rows if r["in_force"]] ==
           [(version, 3)] and version.partition(".")[0] + ".0" == people, rows[:3])
    until(lambda: history()[0]["number"], 30, "it is kept, some seconds later")
    rows = [r for r in history() if r["version"].startswith(people[:-1])]
    expect("of machines' versions the newest alone", [(r["version"], r["author"]) for r in rows] == [(version, "machines"), (people, "python")], rows)
    r = box.ctl("policy", "rollback")
    expect("a rollback from there leads to people's version", r["ok"] and "auto:feed:e" not in rules() and "people" in rules(), (r, rules()))
    w.raw((b"rule:auto:feed:g", rule))
    until(lambda: "wait for people's next version" in box.said(), 30, "what machines write then waits")
    expect("and does not undo it", "auto:feed:g" not in rules() and box.kafka()["rolled_back"], rules())
    expect("the history says where it stands", [r["version"] for r in history() if r["in_force"]] == [people], history()[:3])
    r = box.ctl("policy", "rollback")
    expect("once more: people's version before", r["ok"] and "people" not in rules(), (r, rules()))
    w.write({"rule:people": {"order": 9002, "action": "alert"}})
    box.stands("%d.0" % w.version)
    expect("until people's next version, with all that machines wrote", {"people", "auto:feed:e", "auto:feed:g"} <= set(rules()), rules())
    w.raw((b"rule:auto:feed:g", None))


def hostile(k, box, w):
    """each is told, nothing ends the appliance or holds up people's next version"""
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    rule = {"order": 1000000000, "action": "deny", "expires": soon, "when": {"dst": "192.0.2.1"}}
    good, bad = json.dumps(rule).encode(), json.dumps({**rule, "when": {"prot": 1}}).encode()
    before, told = box.kafka()["unread"], len(k.errors.messages)
    w.raw((b"rule:auto:feed:" + b"n" * 300, good), (b"rule:auto:feed:nul", good[:-1] + b',"reason":"\\u0000"}'), (b"rule:auto:x\0:y", good),
          (b"rule:auto:feed:twice", good[:-1] + b',"order":1000000001}'), (b"rule:auto:feed:latin", good.replace(b"deny", b"d\xe9ny")),
          (b"rule:auto:feed:never", good.replace(soon.encode(), b"9999-12-31T23:59:59Z")), (b"rule:auto:feed:deep", b"[" * 100000),
          (b"k" * 20000, b"{}"))
    w.raw((b"rule:auto:feed:good", good), headers=[("h%d" % i, b"x" * 10000) for i in range(50)])
    until(lambda: box.kafka()["unread"] == before + 8, 30, lambda: "8 cannot be read: %s" % box.kafka())
    until(lambda: "auto:feed:good" in [r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]], 30, "large headers harm nobody")
    until(lambda: len(k.errors.messages) == told + 8, 30, "swg_errors has each")
    w.raw(*((b"rule:auto:feed:bad%d" % i, bad) for i in range(700)), (b"rule:auto:feed:good", None))
    at = w.write({"rule:calm": {"order": 9003, "action": "alert"}})
    s = status(k, box.node, w.version)
    expect("people's version does not wait for 700 machine-written ones with errors", s["ok"] and s["time_ms"] - at * 1000 < 5000, s)
    expect("of which none is in force, and removals are", not any("auto:feed:bad" in r["rule"] or "good" in r["rule"] for r in box.ctl("show", "rules")["result"]["rules"]), s)
    w.write({"rule:" + "\u00e9" * 60: {"action": "deny"}})
    s = status(k, box.node, w.version)
    expect("a refusal names a key of letters of two bytes", not s["ok"] and "order" in json.dumps(s) and s["why"], s)
    expect("here, too", "order" in box.kafka().get("refused_because", ""), box.kafka())
    w.write({"rule:" + "\u00e9" * 60: None}, author="a" * 126 + "\u20ac" * 50, why="\x1b[2J\n" + "\U0001f600" * 200)
    seen = box.stands("%d.0" % w.version)
    expect("an author and a why beyond their room end with a whole letter", seen["author"].startswith("aaa") and "\U0001f600" in seen["why"], seen)
    until(lambda: any(r["version"] == "%d.0" % w.version for r in box.ctl("policy", "history")["result"]["history"]), 30, "kept with them")
    expect("and no line of the log is theirs", "\x1b" not in box.said())
    top, w.version = w.version, w.version - 5
    w.write({"rule:calm": {"order": 9003, "action": "deny"}})
    expect("a version with a lower number is what the topic says, and in force", box.stands("%d.0" % w.version, 30)["hash"] != seen["hash"], seen)
    w.version = top


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


def away(k, box, w, folder):
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


def compacted(k, box, w):
    """keys that were written often stand once; who reads them then has the same"""
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


def anew(k, box):
    """a topic that is read again and says nothing newer does not undo a rollback"""
    w = Writer(k)
    w.write({"rule:held": {"order": 9400, "action": "deny"}})
    box.stands("%d.0" % w.version)
    r = box.ctl("policy", "rollback")
    expect("rolled back", r["ok"] and box.kafka()["rolled_back"], r)
    k.admin.delete_topics([TOPIC])[TOPIC].result(30)
    until(lambda: box.kafka()["state"] == "no topic", 90, "the topic is gone: %s" % box.kafka())
    k.topic(TOPIC, **{"cleanup.policy": "compact"})
    keys, version = w.keys, w.version
    w = Writer(k)
    w.write(keys, version=version)
    until(lambda: "was rolled back by hand" in box.said() or not box.kafka()["rolled_back"], 90, "read again")
    expect("it holds", box.kafka()["rolled_back"] and box.kafka()["state"] == "live", box.kafka())
    w.write({"rule:held": None})
    box.stands("%d.0" % w.version)
    expect("until people's next version", not box.kafka()["rolled_back"])


def partitions(k, box):
    def gone(*topics):
        for f in k.admin.delete_topics(list(topics)).values():
            f.result(30)
        until(lambda: not set(topics) & set(k.admin.list_topics(timeout=5).topics), 60, "the topics are gone")
    gone(TOPIC, TOPIC + "_status")
    until(lambda: "swg_rules no topic: `sluice ctl policy publish FILE` makes it" in box.said(), 60, "what makes the topic is said")
    r, topics = publish(box, POLICY), k.admin.list_topics(timeout=5).topics
    expect("publishing makes the topic, and the one of statuses", r.returncode == 0 and len(topics[TOPIC].partitions) == len(topics[TOPIC + "_status"].partitions) == 1,
           r.stdout + r.stderr)
    gone(TOPIC)
    k.topic(TOPIC, 3)
    found = json.loads(subprocess.run([SLUICE, "doctor", "-j", "-c", str(box.config)], capture_output=True, text=True, timeout=120).stdout)
    expect("the doctor says which topics of the policy are right", {c["text"]: c["level"] for c in found["checks"] if c["check"] == "kafka" and "policy:" in c["text"]} == {
        "policy: topic swg_rules has 3 partitions: its records have no order, make one with one": "bad",
        "policy: topic swg_rules_status has 1 partition": "ok"}, found)
    until(lambda: box.kafka()["state"] == "more than one partition", 90, "a topic of three partitions is refused: %s" % box.kafka())
    r = publish(box, POLICY)
    expect("for publishing, too", r.returncode and "more than one partition" in r.stderr, r.stderr)


def rules():
    with tempfile.TemporaryDirectory() as work, Kafka() as k:
        folder = pathlib.Path(work)
        k.topic("swg_rules_status", **{"cleanup.policy": "compact"})
        k.topic("swg_errors")
        k.statuses, k.errors = Tail(k, "swg_rules_status"), Tail(k, "swg_errors")
        box = Box(folder, k, "first").start()
        try:
            first(k, box)
            w = Writer(k)
            edits(k, box, w)
            refused(k, box, w)
            machines(k, box, w)
            hostile(k, box, w)
            together(k, box, w)
            w = Writer(k)
            away(k, box, w, folder)
            if FULL:
                compacted(k, box, Writer(k))
            anew(k, box)
            partitions(k, box)
        except Exception:
            print("%s, its exit code so far %s" % (box.said()[-4000:], box.process.poll()), flush=True)
            raise
        finally:
            box.process.kill()
            box.process.wait()


main(rules)
