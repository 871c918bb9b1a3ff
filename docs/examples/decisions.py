#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Asks Sluice for decisions over Kafka: copy this file into your proxy, or run it to try one request.

    from decisions import Decisions
    sluice = Decisions({"bootstrap.servers": "127.0.0.1:9092"}, timeout=0.5)
    d = sluice.ask(src="10.0.0.7", user="ann", method="GET", url="http://casino.example/")
    if d["verdict"] == "deny": refuse(d["reason"])

Whoever asks waits for its own decision, by its id, and no longer than `timeout`: then the default is the answer, whatever
is wrong (no broker, no gateway, a queue). A decision that comes later than that is thrown away. Needs confluent-kafka
(PyPI), which is librdkafka; any other client of Kafka does as well, the messages are plain JSON.

usage: decisions.py [-b BROKERS] [-X KEY=VALUE]... [-t SECONDS] [--default allow|deny] KEY=VALUE... (user=ann url=...)"""
import argparse
import json
import sys
import threading
import time
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


class Decisions:
    """kafka: librdkafka's own settings, of both clients. Any thread may ask, and any number at a time."""

    def __init__(self, kafka, timeout=1.0, default="deny", requests="swg_requests", decisions="swg_decisions"):
        self.timeout, self.default = timeout, default
        self.requests, self.decisions = requests, decisions
        self.kafka = {"socket.keepalive.enable": True, "reconnect.backoff.max.ms": 1000, "log_level": 0, **kafka}
        # linger 0: a request waits for no other. What is not delivered in time nobody wants any more.
        self.producer = Producer({**self.kafka, "linger.ms": 0, "message.timeout.ms": max(1, int(timeout * 1000))})
        self.name = uuid.uuid4().hex[:12]  # ids of two proxies never meet
        # No group: each proxy reads all decisions and takes its own. A group is named since librdkafka wants one.
        self.consumer = Consumer({**self.kafka, "group.id": "proxy-" + self.name, "enable.auto.commit": False})
        self.count, self.look_again = 0, 0
        self.waiting = {}  # id -> (until, callback)
        self.lock = threading.Lock()
        self.ready, self.ended = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._find, self._read)]
        for t in self.threads:
            t.start()

    def ask(self, **request):
        """the decision, or the default after `timeout` seconds"""
        got, answer = threading.Event(), []
        self.ask_later(lambda d: (answer.append(d), got.set()), **request)
        got.wait(self.timeout * 2 + 1)  # the reader calls in time; this is for the day it has died
        return answer[0] if answer else self._default("no answer")

    def ask_later(self, callback, headers_of_message=None, **request):
        """callback(decision) is called once, on the reader's thread; it must not block"""
        with self.lock:
            self.count += 1
            own = "%s-%d" % (self.name, self.count)
            self.waiting[own] = (time.monotonic() + self.timeout, callback)
        request = {"deadline_ms": int(self.timeout * 1000), **{k: v for k, v in request.items() if v is not None}, "id": own}
        try:
            # The key keeps a user's requests in one partition, so that one instance counts them.
            self.producer.produce(self.requests, json.dumps(request), request.get("user") or request.get("src") or own,
                                  headers=headers_of_message)
            self.producer.poll(0)
        except BufferError:  # the broker takes nothing: the default, at once
            self._answer(own, self._default("the queue is full"))

    def close(self):
        self.ended.set()
        for t in self.threads:
            t.join()
        self.consumer.close()

    def _default(self, why):
        return {"verdict": self.default, "rule": "default of the proxy", "reason": why, "violations": []}

    def _answer(self, own, decision):
        with self.lock:
            _, callback = self.waiting.pop(own, (0, None))
        if callback:
            callback(decision)

    def _find(self):
        """Where the topic of decisions ends now: nothing older is ours, and nothing newer is missed. Until a broker is
        there to say it, the default is what is answered."""
        while not self.ended.is_set() and not self.ready.is_set():
            try:
                topic = self.consumer.list_topics(self.decisions, timeout=5).topics[self.decisions]
                ends = [TopicPartition(self.decisions, p) for p in topic.partitions]
                for p in ends:
                    p.offset = self.consumer.get_watermark_offsets(p, timeout=5)[1]
                if ends:
                    self.consumer.assign(ends)
                    self.ready.set()
            except KafkaException:
                pass
            self.ended.wait(0 if self.ready.is_set() else 0.1)

    def _read(self):
        while not self.ended.is_set():
            m = self.consumer.poll(0.01)
            # the key of a decision is its id: what is others' need not be read
            if m is not None and not m.error() and (m.key() or b"").startswith(self.name.encode()):
                self._answer(m.key().decode(), json.loads(m.value()))
            now = time.monotonic()
            if now < self.look_again:
                continue
            self.look_again = now + 0.01
            with self.lock:
                late = [i for i, (until, _) in self.waiting.items() if until < now]
            for i in late:
                self._answer(i, self._default("no decision in time"))
            self.producer.poll(0)


def main():
    p = argparse.ArgumentParser(description="asks Sluice for one decision over Kafka")
    p.add_argument("-b", "--brokers", default="127.0.0.1:9092")
    p.add_argument("-X", action="append", default=[], metavar="KEY=VALUE", help="more settings of librdkafka")
    p.add_argument("-t", "--timeout", type=float, default=2)
    p.add_argument("--default", choices=["allow", "deny"], default="deny")
    p.add_argument("request", nargs="+", metavar="KEY=VALUE", help="user=ann src=10.0.0.7 method=GET url=http://...")
    a = p.parse_args()
    if not all("=" in x for x in a.X + a.request):
        p.error("KEY=VALUE is expected")
    d = Decisions({"bootstrap.servers": a.brokers, **dict(x.split("=", 1) for x in a.X)}, a.timeout, a.default)
    d.ready.wait(5)
    got = d.ask(**{"method": "GET", **dict(x.split("=", 1) for x in a.request)})
    d.close()
    print(json.dumps(got))
    sys.exit(got["verdict"] != "allow")


if __name__ == "__main__":
    main()
