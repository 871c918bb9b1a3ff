#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Requests over a real broker: what is answered, what is not, and what is said twice. usage: decide_test.py SLUICE"""
import collections
import json
import pathlib
import sys
import time

from servers import Kafka, expect, main, until
from gateway import TOPICS, Gateway

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs/examples"))
POLICY = {"rules": [
    {"id": "no-gambling", "action": "deny", "reason": "Closed at work", "when": {"host": "casino.example"}},
    {"id": "guests", "action": "deny", "when": {"group": "guests", "http.path": {"prefix": "/wiki"}}},
    {"id": "note", "action": "alert", "when": {"user": "eve"}}]}
KEYS = {"id", "verdict", "rule", "reason", "violations", "policy", "node", "elapsed_us"}


class Asker:
    def __init__(self, broker):
        from confluent_kafka import Producer
        self.broker = broker
        self.producer = Producer({**broker.client(), "linger.ms": 0, "log_level": 0, "message.max.bytes": 1040000})

    def ask(self, id=None, url="http://ok.example/", user="ann", headers=None, timestamp=0, text=None, **more):
        value = text if text is not None else json.dumps({"id": id, "user": user, "src": "10.0.0.7", "method": "GET", "url": url, **more})
        self.producer.produce("swg_requests", value, user, headers=headers, timestamp=timestamp)

    def decisions(self, n=0, seconds=60, topic="swg_decisions"):
        """all there are, when there are n"""
        found = []

        def enough():
            found[:] = self.broker.read(topic)
            return len(found) >= n
        self.producer.flush(30)
        until(enough, seconds, lambda: "%d messages in %s; there are %s" % (n, topic, [m.key for m in found]))
        return found

    def by_id(self, n):
        found = collections.defaultdict(list)
        for m in self.decisions(n):
            found[m.key.decode()].append(m)
        return found


def answers(k, sluice):
    a = Asker(k)
    with Gateway(sluice, k.bootstrap, "one", POLICY).has(4) as g:
        a.ask("deny", "http://casino.example/x", headers=[("trace", b"\x00\xff"), ("trace", b"2")])
        a.ask("allow")
        a.ask("alert", user="eve")
        a.ask("group", "https://x.example/wiki/a", groups=["staff", "guests"])
        a.ask("twice", "http://casino.example/")
        a.ask("twice", "http://casino.example/", deadline_ms=60000)
        a.ask("bad", text='{"id":"bad","method":"GET","url":"http://a b/"}')
        a.ask("whole", deadline_ms=1e300)
        a.ask(text='{"id":"cut')
        a.ask(text=b"\xff\xfe")
        a.ask("late", timestamp=int(time.time() * 1000) - 5000, deadline_ms=1000)
        a.ask("in time", timestamp=int(time.time() * 1000) - 5000, deadline_ms=600000)
        a.ask("large", headers=[("h", "x" * 1020000)])  # more than the gateway's producer may send
        got = a.by_id(10)
        one = {i: json.loads(m[0].value) for i, m in got.items()}
        d = one["deny"]
        expect("a decision has these keys and no other", set(d) == KEYS, d)
        expect("denied by its rule, with the reason", (d["id"], d["verdict"], d["rule"], d["reason"], d["violations"], d["node"]) == (
            "deny", "deny", "no-gambling", "Closed at work", [{"rule": "no-gambling", "reason": "Closed at work"}], "one"), d)
        expect("headers come through", got["deny"][0].headers, got["deny"][0])
        expect("headers beyond what a decision can carry are left out, and the decision comes", json.loads(got["large"][0].value)["verdict"] == "allow" and
               not got["large"][0].headers and g.counts()["bare"] == 1, got["large"][0].value)
        expect("allowed by the default", (one["allow"]["verdict"], one["allow"]["rule"], one["allow"]["violations"]) == ("allow", "default", []), one["allow"])
        expect("an alert is a violation, and no denial", (one["alert"]["verdict"], one["alert"]["violations"]) == ("allow", [{"rule": "note", "reason": None}]), one["alert"])
        expect("groups, and a path inside TLS", one["group"]["rule"] == "guests", one["group"])
        expect("asked twice, the same answer twice", len(got["twice"]) == 2 and got["twice"][0].value == got["twice"][1].value, got["twice"])
        expect("malformed, with an id: denied by the fail mode, with the reason",
               (one["bad"]["verdict"], one["bad"]["rule"], one["bad"]["reason"]) == ("deny", "fail.bad_request", "url: a space in it"), one["bad"])
        expect("a deadline that is no number of milliseconds is malformed, too", one["whole"]["rule"] == "fail.bad_request" and
               "deadline_ms" in one["whole"]["reason"], one["whole"])
        expect("past its deadline: no answer", "late" not in got and "in time" in got, list(got))
        bad = [json.loads(m.value) for m in a.decisions(2, topic="swg_errors")]
        shown = {(e["topic"], e.get("message"), e.get("message_base64")) for e in bad}
        expect("what has no id is in swg_errors, whole", shown == {("swg_requests", '{"id":"cut', None), ("swg_requests", None, "//4=")}, bad)
        asked = {(m.partition, m.offset): m.value for m in k.read("swg_requests")}
        expect("and says where it stood, and why", all(asked[(e["partition"], e["offset"])] in (b'{"id":"cut', b"\xff\xfe") and e["why"] for e in bad), bad)
        c = g.counts()
        expect("counted once each", {n: c[n] for n in ("allow", "deny", "malformed", "repeated", "late", "unreadable", "again")} ==
               {"allow": 4, "deny": 3, "malformed": 2, "repeated": 1, "late": 1, "unreadable": 2, "again": 0}, c)
        hits = {r["rule"] if "rule" in r else r.get("id"): r["hits"] for r in g.ctl("show", "rules").get("rules", [])}
        expect("and in the rules' hits", hits.get("no-gambling") == 2, hits)

        g.policy({"default": {"action": "deny"}, "rules": []})
        g.ctl("policy", "load", str(g.folder / "policy.json"))
        a.ask("allow")
        a.ask("new")
        got = a.by_id(12)
        expect("another policy decides what comes then", json.loads(got["new"][0].value)["verdict"] == "deny", got["new"])
        expect("and what was answered stays so", len(got["allow"]) == 2 and got["allow"][0].value == got["allow"][1].value, got["allow"])
        expect("it ends when it is told to", g.end() == 0, g.said()[-500:])
        recorded = [r["request"]["id"] for r in g.records() if r["event_type"] == "http"]
        recorded += [r["state"]["id"] for r in g.records() if r.get("state", {}).get("event") == "bad_request"]
        expect("a record for each decision that was made", sorted(recorded) == sorted(set(got)), recorded)


def fail_modes(k, sluice):
    a, n = Asker(k), len(k.read("swg_decisions"))
    with Gateway(sluice, k.bootstrap, "modes", None, fail={"no_policy": "closed", "bad_request": "open"}).has(4) as g:
        a.ask("nothing")
        a.ask("bad2", text='{"id":"bad2"}')
        got = a.by_id(n + 2)
        one = {i: json.loads(m[0].value) for i, m in got.items()}
        expect("no policy: by fail.no_policy", (one["nothing"]["verdict"], one["nothing"]["rule"], one["nothing"]["policy"]) == ("deny", "fail.no_policy", None), one["nothing"])
        expect("bad_request open: allowed, with the reason", (one["bad2"]["verdict"], one["bad2"]["reason"]) == ("allow", "method: it is missing"), one["bad2"])
        expect("ends", g.end() == 0, g.said()[-500:])


def shares(k, sluice):
    """two instances: shared, handed over, and taken from one that was killed"""
    a, before = Asker(k), len(k.read("swg_decisions"))
    with Gateway(sluice, k.bootstrap, "a", POLICY) as one, Gateway(sluice, k.bootstrap, "b", POLICY) as two:
        one.has(2)
        two.has(2)
        for i in range(200):
            a.ask("s%d" % i, user="user%d" % (i % 20))
        got = {i: [json.loads(x.value) for x in m] for i, m in a.by_id(before + 200).items() if i[0] == "s"}
        expect("each is answered once", len(got) == 200 and all(len(m) == 1 for m in got.values()), len(got))
        nodes = collections.defaultdict(set)
        for i, m in got.items():
            nodes[int(i[1:]) % 20].add(m[0]["node"])
        expect("by both, and each user's by one", {len(n) for n in nodes.values()} == {1} and len(set.union(*nodes.values())) == 2, nodes)

        expect("one leaves", two.end() == 0, two.said()[-500:])
        one.has(4)
        for i in range(200):
            a.ask("s%d" % i, user="user%d" % (i % 20))  # all of them again
        got = {i: [json.loads(x.value) for x in m] for i, m in a.by_id(before + 400).items() if i[0] == "s"}
        expect("answered again", all(len(m) == 2 for m in got.values()), [i for i, m in got.items() if len(m) != 2])
        same = [i for i, m in got.items() if m[0] == m[1]]
        marked = [i for i, m in got.items() if m[1].get("again")]
        expect("those of who left are marked, its own are the same", set(same) | set(marked) == set(got) and not set(same) & set(marked) and
               all(got[i][0]["node"] == "b" for i in marked), (len(same), len(marked)))
        c = one.counts()
        expect("a clean leave makes nobody answer anew what was answered", c["again"] == len(marked), c)

    with Gateway(sluice, k.bootstrap, "c", POLICY).has(4, 90) as victim:
        for i in range(2000):  # under load, between two commits
            a.ask("k%d" % i, user="user%d" % (i % 20))
            if i == 1500:
                victim.end(kill=True)
            time.sleep(0.001)
        a.producer.flush(30)
    with Gateway(sluice, k.bootstrap, "d", POLICY) as heir:
        heir.has(4, 90)
        until(lambda: len({m.key for m in k.read("swg_decisions") if m.key.startswith(b"k")}) == 2000, 90, lambda: "all are answered by the heir: %s" % heir.look())
        got = {i: [json.loads(x.value) for x in m] for i, m in a.by_id(0).items() if i[0] == "k"}
        twice = [m for m in got.values() if len(m) > 1]
        expect("after kill -9 each is answered, at most twice", max(len(m) for m in got.values()) <= 2, max(len(m) for m in got.values()))
        expect("and the second time it says so", all(m[-1].get("again") and m[-1]["node"] == "d" for m in twice), twice[:2])
        print("     %d of 2000 were answered twice" % len(twice))
        expect("ends", heir.end() == 0, heir.said()[-500:])


def outage(k, sluice):
    from decisions import Decisions
    a = Asker(k)
    with Gateway(sluice, k.bootstrap, "away", POLICY).has(4, 90) as g:
        client = Decisions(k.client(), timeout=20, default="deny")
        client.ready.wait(30)
        d = client.ask(user="ann", method="GET", url="http://ok.example/")
        expect("the reference client has its own decision", d["verdict"] == "allow" and d["node"] == "away", d)
        d = client.ask(user="ann", method="GET", url="http://casino.example/")
        expect("and a denial with its reason", (d["verdict"], d["reason"]) == ("deny", "Closed at work"), d)
        k.kill()
        client.timeout = 0.5
        at = time.monotonic()
        d = client.ask(user="ann", method="GET", url="http://ok.example/")
        expect("broker away: the default, after the time-out", d["rule"] == "default of the proxy" and time.monotonic() - at < 15, d)
        until(lambda: g.look().get("state") == "down", 60, lambda: "the state says down: %s" % g.look())
        k.start()
        client.timeout = 60
        d = client.ask(user="ann", method="GET", url="http://ok.example/")
        expect("back again", d["verdict"] == "allow" and d["rule"] == "default", d)
        client.close()
        expect("ends", g.end() == 0, g.said()[-500:])


def documented():
    docs = pathlib.Path(__file__).resolve().parents[2] / "docs"
    page = (docs / "decisions.md").read_text()
    expect("docs/decisions.md shows the client whole", (docs / "examples/decisions.py").read_text() in page)


def decide(sluice):
    documented()
    with Kafka() as k:
        for name, partitions in TOPICS.items():
            k.topic(name, partitions)
        answers(k, sluice)
        fail_modes(k, sluice)
        shares(k, sluice)
        outage(k, sluice)


if __name__ == "__main__":
    main(decide, sys.argv[1])
