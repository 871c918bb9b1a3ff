# SPDX-License-Identifier: BSD-3-Clause
"""Records into a topic of a real broker, with faults on the way: the broker away, killed, slow, full; the topic missing,
closed to us, too small for a message; the way in by TLS, SCRAM, a certificate, OAUTHBEARER, MSK's tokens. Each story replays
a capture through the spool into two sinks, a file and the topic; at its end the topic has the file's records, by (node, boot,
worker, seq), each once. What only a mock can do on demand, a fatal error of an idempotent producer, is done by librdkafka's.

usage: kafka_test.py SLUICE MOCK_BROKER        SLUICE_FULL=1: all stories, and more records"""
import collections
import contextlib
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from mock_cluster import Mock
from servers import Kafka, Missing, expect, main, tool, until
import story
from story import identity

MOCK = os.path.abspath(sys.argv[2])
FULL = os.environ.get("SLUICE_FULL", "0") != "0"
RECORDS = 15000 if FULL else 5000  # queries; three records each
Story = functools.partial(story.Story, os.path.abspath(sys.argv[1]), records=RECORDS)
# 100 messages in 50 ms (linger_ms): seconds in which a fault finds them on their way, however quick the machine is
SLOW = {"queue.buffering.max.messages": 100, "reconnect.backoff.max.ms": 500}

def whole(s, what, messages, packed=False, twice=False):
    """the topic has what the file has, each once, under the headers that say who it is"""
    lines = [line for m in messages for line in m.value.split(b"\n")]
    have, want = collections.Counter(map(identity, lines)), set(map(identity, s.written()))
    expect("%s: %d records, none missing" % (what, len(want)), want and not want - set(have), sorted(want - set(have))[:3])
    expect("%s: none besides" % what, not set(have) - want, sorted(set(have) - want)[:3])
    if not twice:
        expect("%s: none twice" % what, len(lines) == len(have), [k for k, n in have.items() if n > 1][:3])
    headers = all(identity(m.value.split(b"\n")[0]) == (m.headers["node"].decode(), *(int(m.headers[k]) for k in ("boot", "worker", "seq")))
                  for m in messages)
    expect("%s: headers say which" % what, headers and (not packed or all(int(m.headers.get("records", 1)) == m.value.count(b"\n") + 1 for m in messages)))
    keys = all({m.key.decode()} == {json.loads(m.value.split(b"\n")[0])["src_ip"]} for m in messages if b'"src_ip"' in m.value)
    expect("%s: keys are the clients" % what, keys)
    places = {client(line): set() for line in lines}
    for m in messages:
        for line in m.value.split(b"\n"):
            places[client(line)].add(m.partition)
    expect("%s: a client's records in one partition" % what, all(len(p) == 1 for p in places.values()))
    if not twice:
        expect("%s: in the order of the spool" % what, by_client(lines) == by_client(s.written()))


def client(line):
    return json.loads(line).get("src_ip")


def by_client(lines):
    of = collections.defaultdict(list)
    for line in lines:
        of[client(line)].append(identity(line))
    return of


def some(k, topic="swg_logs", n=200):
    """waits until the topic has so many"""
    from confluent_kafka import Consumer, TopicPartition
    c = Consumer({**k.client(), "group.id": "look", "log_level": 0})
    try:
        parts = list(c.list_topics(topic, timeout=10).topics[topic].partitions)
        until(lambda: sum(c.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in parts) >= n, 60, "messages arrive")
    finally:
        c.close()


def fresh(k, partitions=3, **config):
    """topics as new"""
    from confluent_kafka import KafkaException
    for name in ("swg_logs", "swg_errors"):
        with contextlib.suppress(KafkaException):
            k.admin.delete_topics([name])[name].result(30)
            until(lambda: name not in k.admin.list_topics(timeout=5).topics, 30, "the topic goes")
    if partitions:
        k.topic("swg_logs", partitions, **config)
        k.topic("swg_errors")


# ---- stories


def plain(k):
    fresh(k)
    with Story(k.client()) as s:
        expect("plain: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        whole(s, "plain", k.read("swg_logs"))


def packed(k):
    fresh(k)
    with Story(k.client(), {"pack_kb": 32}) as s:
        expect("packed: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        messages = k.read("swg_logs")
        whole(s, "packed", messages, packed=True)
        expect("packed: many in one", len(messages) * 4 < len(s.written()), (len(messages), len(s.written())))
    fresh(k)
    with Story({**k.client(), "message.max.bytes": 1172}, {"pack_kb": 32}, records=500) as s:
        expect("some too long for a pack: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        sizes = collections.Counter(len(line) for line in s.written())
        expect("some too long for a pack: they are", min(sizes) < 586 <= max(sizes), sizes)
        whole(s, "some too long for a pack", k.read("swg_logs"), packed=True)


def killed(k, pack=0):
    fresh(k)
    with Story({**k.client(), **SLOW}, {"pack_kb": pack}) as s:
        s.start()
        some(k, n=20 if pack else 200)
        k.kill()
        expect("killed: it is said", s.says("is down: no broker answers"), s.log()[-1000:])
        k.start()
        expect("killed: replay ends well", s.ends() == 0, s.log()[-1000:])
        expect("killed: and that it is up again, once", s.log().count("is up again") == 1, s.log()[-1000:])
        whole(s, "killed", k.read("swg_logs"), packed=bool(pack))


def away(k):
    fresh(k)
    k.stop()
    with Story(k.client(), records=500) as s:
        s.start()
        expect("away at the start: it is said", s.says("is down: no broker answers"), s.log()[-1000:])
        k.start()
        expect("away at the start: replay ends well", s.ends() == 0, s.log()[-1000:])
        whole(s, "away at the start", k.read("swg_logs"))


def slow(k):
    fresh(k)
    with Story({**k.client(), **SLOW, "socket.timeout.ms": 2000}) as s:
        s.start()
        some(k)
        for _ in range(3 if FULL else 1):
            k.pause()
            time.sleep(5 if FULL else 3)  # for so long it answers nothing; that is the fault, nothing is waited for
            k.resume()
        expect("slow: replay ends well", s.ends() == 0, s.log()[-1000:])
        whole(s, "slow", k.read("swg_logs"))


def given_up(k):
    """message.timeout.ms is the user's: what is given up goes again, in order; what had arrived unheard may stand twice"""
    fresh(k)
    with Story({**k.client(), **SLOW, "message.timeout.ms": 2000, "socket.timeout.ms": 1500}) as s:
        s.start()
        some(k)
        k.pause()
        expect("given up: it is said", s.says("message.timeout.ms"), s.log()[-1000:])
        k.resume()
        expect("given up: replay ends well", s.ends() == 0, s.log()[-1000:])
        lines = [identity(m.value) for m in k.read("swg_logs")]
        missing = set(map(identity, s.written())) - set(lines)
        expect("given up: none missing", not missing, sorted(missing)[:3])


def missing(k):
    fresh(k, partitions=0)
    with Story(k.client(), records=500) as s:
        s.start()
        expect("no topic: what to do is said", s.says("topic swg_logs is not there: create it"), s.log()[-1000:])
        fresh(k, 2)
        expect("no topic: replay ends well", s.ends() == 0, s.log()[-1000:])
        whole(s, "no topic", k.read("swg_logs"))
    fresh(k, partitions=0)
    with Story(k.client(), {"create_topics": True}, records=500) as s:
        expect("create_topics: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        whole(s, "create_topics", k.read("swg_logs"))
        expect("create_topics: errors_topic, too", "swg_errors" in k.admin.list_topics(timeout=5).topics)


def deleted(k):
    """the topic goes while records are on their way"""
    fresh(k)
    with Story({**k.client(), **SLOW, "topic.metadata.propagation.max.ms": 1000, "topic.metadata.refresh.interval.ms": 1000}) as s:
        s.start()
        some(k)
        fresh(k, partitions=0)
        expect("topic deleted: it is said", s.says("is down: topic swg_logs"), s.log()[-1000:])
        fresh(k, 2)
        expect("topic deleted: replay ends well", s.ends() == 0, s.log()[-1000:])
        have = collections.Counter(identity(m.value) for m in k.read("swg_logs"))
        written = [identity(line) for line in s.written()]
        expect("topic deleted: the rest is there, once", set(written[-100:]) <= set(have) and set(have.values()) == {1}, len(have))


def too_large(k):
    fresh(k, 1, max_message_bytes=2000)
    with Story({**k.client(), "compression.codec": "none"}, records=300) as s:
        expect("too large: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        messages, errors = k.read("swg_logs"), [json.loads(m.value) for m in k.read("swg_errors")]
        have = collections.Counter(identity(m.value) for m in messages)
        have.update((e["node"], int(e["boot"]), e["worker"], e["seq"]) for e in errors)
        expect("batches too large: smaller ones go", not errors, errors[:1])
        expect("batches too large: all are there, once", have == collections.Counter(map(identity, s.written())), len(have))
    fresh(k, 1, max_message_bytes=700)
    with Story({**k.client(), "compression.codec": "none"}, records=20) as s:
        expect("records too large: replay ends well", s.start().ends() == 0, s.log()[-1000:])
        messages, errors = k.read("swg_logs"), [json.loads(m.value) for m in k.read("swg_errors")]
        have = collections.Counter(identity(m.value) for m in messages)
        have.update((e["node"], int(e["boot"]), e["worker"], e["seq"]) for e in errors)
        expect("records too large: some go, others to swg_errors, with why", messages and errors and all("large" in e["why"] for e in errors),
               (len(messages), errors[:1]))
        expect("records too large: each is in one of them, once", have == collections.Counter(map(identity, s.written())), len(have))


def full(k):
    """the broker's disk is full: it stops; with room again, and started again, all goes on"""
    if os.geteuid() != 0:
        raise Missing("root, to mount a small tmpfs")
    where = pathlib.Path(tempfile.mkdtemp(prefix="sluice-full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", where], check=True)
    try:
        with Kafka(where, config={"log.segment.bytes": 1 << 20, "log.index.size.max.bytes": 4096}) as small:
            fresh(small)
            with Story({**small.client(), "compression.codec": "none"}, records=40000) as s:
                s.start()
                expect("full: it is said", s.says("is down: ", 120), s.log()[-1000:])
                subprocess.run(["mount", "-o", "remount,size=400m", where], check=True)
                small.kill()
                small.start()
                expect("full: replay ends well", s.ends() == 0, s.log()[-1000:])
                whole(s, "full", small.read("swg_logs"))
    finally:
        subprocess.run(["umount", "-l", where], check=False)
        where.rmdir()


def decider(k):
    """one whose producer may not begin asks again after pauses that grow, and says what mends it"""
    with tempfile.TemporaryDirectory() as work:
        c = pathlib.Path(work) / "c.json"
        c.write_text(json.dumps({"kafka": k.client("SCRAM", user="app"), "decide": {"enabled": True}, "memory": {"pages": "small", "flows": 1024},
                                 "control": {"socket": work + "/ctl.sock", "http": ""}}))
        p = subprocess.Popen([os.path.abspath(sys.argv[1]), "run", "-c", c], stderr=subprocess.PIPE, text=True)
        time.sleep(6)
        p.terminate()
        said = p.communicate(timeout=60)[1]
        tries = said.count("cannot go on")
        expect("not authorised to decide: it is said, and asked again with pauses", 1 <= tries <= 7 and "an ACL has to allow Describe and Write" in said, (tries, said[-1500:]))


def unauthorised(k):
    fresh(k)
    decider(k)
    with Story(k.client("SCRAM", user="app"), records=500) as s:
        s.start()
        expect("not authorised: what to do is said", s.says("not authorised for topic swg_logs: an ACL"), s.log()[-1000:])
        k.allow("DESCRIBE", "swg_logs")
        time.sleep(1)  # it may look and not write yet: no other story than the one before
        expect("not authorised: the sink stays down", "is up again" not in s.log(), s.log()[-1000:])
        k.allow("WRITE", "swg_logs")
        expect("not authorised: said once, by what mends it", s.log().count("is down") == 1, s.log()[-1000:])
        expect("not authorised: replay ends well", s.ends() == 0, s.log()[-1000:])
        whole(s, "authorised, SCRAM over TLS", k.read("swg_logs"))


def ways_in(k):
    for listener, user in (("MTLS", "User:CN=client"), ("OAUTH", "User:app")):
        fresh(k)
        k.allow("WRITE", "swg_logs", user)
        with Story(k.client(listener), records=500) as s:
            expect("%s: replay ends well" % listener, s.start().ends() == 0, s.log()[-1000:])
            whole(s, listener, k.read("swg_logs"))
    fresh(k)
    with Story(k.client("SCRAM", password="wrong"), records=100) as s:
        s.start()
        expect("wrong password: it is said", s.says("is down: no broker answers") and s.says("credentials"), s.log()[-1000:])
        expect("wrong password: it is not shown", "wrong" not in s.log().replace("wrong password", ""), s.log()[-1000:])


class Msk(Kafka):
    """its OAUTH listener takes the tokens of MSK's IAM, and no others (MskTokens.java)"""
    key, secret, region = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"

    def __init__(self):
        super().__init__(secure=True, config={"listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": "MskTokens"})
        tool("javac", "the broker's side of MSK")
        subprocess.run(["javac", "-cp", "%s/libs/*" % self.libs, "-d", self.folder, pathlib.Path(__file__).parent / "MskTokens.java"], check=True)

    def command(self):
        command = super().command()
        at = command.index("-cp")
        return [*command[:at], *("-Dmsk.%s=%s" % (n, getattr(self, n)) for n in ("key", "secret", "region")), "-cp",
                "%s:%s" % (command[at + 1], self.folder), *command[at + 2:]]


def msk():
    with Msk() as k:
        fresh(k)
        way = {"bootstrap.servers": k.address("OAUTH"), "ssl.ca.location": str(k.folder / "ca.pem"), "msk_iam": {"region": k.region}}
        with Story(way, records=500) as s:
            s.environment = {"AWS_ACCESS_KEY_ID": k.key, "AWS_SECRET_ACCESS_KEY": "another"}
            s.start()
            expect("MSK: a wrong secret is refused", s.says("is down: no broker answers"), s.log()[-1000:])
            s.process.terminate()
            s.process.wait(60)
            s.environment = {"AWS_ACCESS_KEY_ID": k.key, "AWS_SECRET_ACCESS_KEY": k.secret}
            expect("MSK: replay ends well", s.start().ends() == 0, s.log()[-1000:])
            whole(s, "MSK, a token of our signer", k.read("swg_logs"))


OUT_OF_ORDER = 45


def fatal():
    with Mock(MOCK) as m:
        m.say("topic swg_logs 3")
        m.say("topic swg_errors 1")
        m.say("produce 10 %d" % OUT_OF_ORDER)
        with Story({**m.client(), **SLOW}, records=1000) as s:
            s.start()
            expect("fatal: it is said", s.says("made anew after a fatal error"), s.log()[-1000:])
            expect("fatal: replay ends well", s.ends() == 0, s.log()[-1000:])
            # a broker refuses what is behind the one that is out of order, too; the mock takes it, and it comes again
            whole(s, "fatal", m.read("swg_logs"), twice=True)


def leaderless():
    with Mock(MOCK) as m:
        m.say("topic swg_logs 3")
        m.say("topic swg_errors 1")
        m.say("leader swg_logs 1 -1")
        with Story(m.client(), records=500) as s:
            s.start()
            expect("no leader: it is said", s.says("1 of 3 partitions have no leader"), s.log()[-1000:])
            m.say("leader swg_logs 1 1")
            expect("no leader: replay ends well", s.ends() == 0, s.log()[-1000:])
            whole(s, "no leader", m.read("swg_logs"))


def all_stories():
    with Kafka(acl=True) as k:
        for tale in [globals()[n] for n in os.environ.get("STORIES", "").split()] or [plain, packed, killed, missing, unauthorised, ways_in, too_large] + ([away, slow, given_up, deleted] if FULL else []):
            began = time.monotonic()
            tale(k)
            print("      %s: %.1f s" % (tale.__name__, time.monotonic() - began), flush=True)
        if FULL:
            killed(k, pack=32)
    fatal()
    leaderless()
    msk()
    if FULL:
        full(None)


main(all_stories)
