#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Live flows when another policy comes into force: judged again by what their last transaction said. Each case is a
conversation with a place in it where policies change, and says what becomes of the frames behind that place, what the ends hear,
and what records and summary say; over IPv4, every third one for another number of workers and another seed, too, and every fourth
one over IPv6; with SLUICE_FULL=1 all of them and every other one.
usage: live_flows_test.py SLUICE CAPTURES"""
import collections
import functools
import json
import os
import pathlib
import struct
import sys
import tempfile

import asked
from asked import expect, failures

HERE = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE), str(HERE / "golden")]
import pcap_file  # noqa: E402
from aead import crypto, initial  # noqa: E402
from cases_dns import framed, query  # noqa: E402
from cases_quic import hello as quic_hello  # noqa: E402
from handshakes import answer, extension, hello, message, records, sni  # noqa: E402
from packets import eth, ip4, ip6, pcap, tcp, udp  # noqa: E402

run = functools.partial(asked.run, timeout=120)
FULL = os.environ.get("SLUICE_FULL") == "1"
ALLOW, DENY = {"action": "allow"}, {"action": "deny"}


def policy(*rules, default=ALLOW, **more):
    return {"default": default, "rules": list(rules), **more}


def deny(id, **when):
    respond = {"respond": when.pop("respond")} if "respond" in when else {}
    return {"id": id, "action": "deny", "when": when, **respond}


class Talk:
    """A conversation, frame by frame, a millisecond each."""

    def __init__(self, v, dport, proto=6, sport=40000):
        self.v, self.dport, self.sport, self.proto, self.frames, self.swap = v, dport, sport, proto, [], None
        self.seq, self.clock = [1000, 5000], 0.0

    def put(self, side, what, ttl=64):
        ends = ("10.9.0.1", "10.9.0.2") if self.v == 4 else ("fd00::1", "fd00::2")
        ends = ends[::-1] if side else ends
        self.clock += 0.001
        l3 = ip4(*ends, what) if self.v == 4 else ip6(*ends, what)
        self.frames.append((eth(l3, dst=1 + (not side), src=1 + side), self.clock))
        return self

    def ports(self, side):
        return (self.dport, self.sport) if side else (self.sport, self.dport)

    def segment(self, side, flags, data=b""):
        self.put(side, tcp(*self.ports(side), flags, self.seq[side], self.seq[not side] if "A" in flags else 0, data, window=60000))
        self.seq[side] += len(data) + ("S" in flags) + ("F" in flags)
        return self

    def open(self):
        return self.segment(0, "S").segment(1, "SA").segment(0, "A")

    def client(self, data):
        return self.segment(0, "PA", data)

    def server(self, data):
        return self.segment(1, "PA", data)

    def both(self, asks, answers):
        return self.client(asks).server(answers).segment(0, "A")

    def close(self):
        return self.segment(0, "FA").segment(1, "FA").segment(0, "A")

    def again(self, data):
        """the client's bytes from here on were never heard"""
        self.seq[0] -= len(data)
        return self.segment(0, "PA", data)

    def datagram(self, side, data):
        return self.put(side, udp(*self.ports(side), data))

    def here(self):
        """the policies change"""
        self.swap, self.clock = len(self.frames), self.clock + 0.001
        return self


def tls_hello(name):
    return records(message(1, hello(sni(name), extension(16, b"\0\3\2h2"))))


SERVER_HELLO = records(message(2, answer()))
CIPHER = b"\x17\3\3\0\x20" + bytes(range(32))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(host, path=b"/", more=b""):
    return b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"


def tls(v, name=b"a.test"):
    return Talk(v, 443).open().both(tls_hello(name), SERVER_HELLO).both(CIPHER, CIPHER).here().both(CIPHER, CIPHER).both(CIPHER, CIPHER)


def http(v, *hosts, sport=40000, more=b""):
    t = Talk(v, 80, sport=sport).open()
    for h in hosts:
        t.both(get(h, b"/p-" + h, more), OK)
    return t


def ssh(v):
    return Talk(v, 22).open().server(b"SSH-2.0-Srv_1\r\n").both(b"SSH-2.0-Cli_9\r\n", bytes(40)).here().both(bytes(80), bytes(80))


def dns_tcp(v, name="a.test"):
    return Talk(v, 53).open().both(framed(query(name)), framed(query(name))).here().both(framed(query("b.test")), framed(query("b.test")))


def quic(v, name=b"a.test"):
    t = Talk(v, 443, 17).datagram(0, initial(crypto(quic_hello(name)), b"\1\2\3\4\5\6\7\x08", pad=1200))
    short = b"\x41\1\2\3\4\5\6\7\x08" + bytes(60)
    return t.datagram(1, short).datagram(0, short).here().datagram(0, short).datagram(1, short).datagram(0, short)


def opaque(v):
    return Talk(v, 9999).open().both(b"\xff\xfe\xfd nobody's words", b"\xff\xfe\xfd nor are these").here().both(b"more", b"more")


TX, DROP = "tx", "drop"
Case = collections.namedtuple("Case", "name talk a b after own rejudged rule more")
HOST_A = policy(deny("no-a", host="a.test"))
NOTHING = policy()
PORT = policy(deny("no-port", dport={"not": 1}))
SOFT = policy(deny("soft", host="a.test", respond="drop"))


def case(name, talk, a, b, after, own=0, rejudged=None, rule=None, **more):
    return Case(name, talk, a, b, after, own, rejudged or {}, rule, more)


def both_versions(v):
    """own: frames of ours that leave; rejudged: as the summary counts; rule: of the flow's record"""
    denied = dict(own=2, rejudged={"denied": 1})
    yield case("tls by name", tls(v), NOTHING, HOST_A, DROP, **denied, rule="no-a", transactions=[("allow", "default", 1)])
    yield case("tls by suffix, both ask names", tls(v), policy(deny("x", host="x.test")), policy(deny("y", **{"tls.sni": {"suffix": ".test"}})), DROP, **denied, rule="y")
    yield case("tls by another name", tls(v), policy(deny("x", host="x.test")), policy(deny("y", host="y.test")), TX, rejudged={"same": 1}, rule="default")
    yield case("tls by alpn", tls(v), NOTHING, policy(deny("h2", **{"tls.alpn": "h2"})), DROP, **denied, rule="h2")
    yield case("tls by ja4", tls(v), NOTHING, policy(deny("ja4", **{"tls.ja4": {"prefix": "t"}})), DROP, **denied, rule="ja4")
    yield case("tls by what the server said", tls(v), NOTHING, policy(deny("old", **{"tls.version": "1.2"})), DROP, **denied, rule="old")
    yield case("tls, alert too late", tls(v), NOTHING, policy(deny("no-a", host="a.test", respond="tls_alert")), DROP, **denied, rule="no-a")
    yield case("tls, in silence", tls(v), NOTHING, SOFT, DROP, 0, {"denied": 1}, "soft")
    yield case("tls, default deny", tls(v), NOTHING, policy({"id": "a", "action": "allow", "when": {"host": "a.test"}}, default=DENY), TX, 0, {"same": 1}, "a")
    yield case("tls, default deny, another name", tls(v), NOTHING, policy({"id": "b", "action": "allow", "when": {"host": "b.test"}}, default=DENY), DROP, **denied, rule="default")
    yield case("tls by port", tls(v), NOTHING, PORT, DROP, **denied, rule="no-port")
    t = http(v, b"b.test", b"a.test").here().both(get(b"b.test"), OK)
    yield case("http, its last request", t, NOTHING, policy(deny("no-a", host="a.test", respond="page")), DROP, **denied, rule="no-a", transactions=[("allow", "default", 1)] * 2)
    t = http(v, b"a.test", b"b.test").here().both(get(b"b.test"), OK)
    yield case("http, an earlier one", t, NOTHING, HOST_A, TX, 0, {"same": 1}, "default", transactions=[("allow", "default", 1)] * 2 + [("allow", "default", 2)])
    t = http(v, b"b.test").here().client(get(b"b.test")).server(OK).client(get(b"a.test")).server(OK)
    yield case("http, a later one", t, NOTHING, HOST_A, [TX, TX, DROP, DROP], None, {"same": 1}, "no-a", transactions=[("allow", "default", 1), ("allow", "default", 2), ("deny", "no-a", 2)])
    t = http(v, b"b.test").here().client(get(b"a.test")[:20]).client(get(b"a.test")[20:])
    yield case("http, held from here on", t, NOTHING, HOST_A, DROP, None, {"same": 1}, "no-a")
    t = http(v, b"b.test").client(get(b"b.test")).here().server(OK).client(get(b"b.test")).server(OK)
    yield case("http, its answer is under way", t, NOTHING, HOST_A, TX, 0, {"same": 1}, "default", transactions=[("allow", "default", 1)] * 2 + [("allow", "default", 2)])
    t = http(v, b"b.test", more=b"X-Who: me\r\n").here().both(get(b"b.test"), OK)
    who = deny("who", **{"http.header.X-Who": "me"})
    yield case("http, a header that nobody kept", t, NOTHING, policy(who), TX, 0, {"kept": 1}, "default")
    yield case("http, the same, dropped", t, NOTHING, policy(who, rejudge_unknown="drop"), DROP, 0, {"dropped": 1}, "rejudge_unknown")
    yield case("http, a header that was asked for", t, policy(dict(who, action="allow")), policy(who), DROP, **denied, rule="who")
    yield case("http by path", t, NOTHING, policy(deny("path", **{"http.path": {"prefix": "/p-b"}})), DROP, **denied, rule="path")
    yield case("http by url", t, NOTHING, policy(deny("url", url={"contains": "b.test/p-"})), DROP, **denied, rule="url")
    yield case("http by status", t, NOTHING, policy(deny("ok", **{"http.status": 200})), DROP, **denied, rule="ok")
    yield case("ssh", ssh(v), NOTHING, policy(deny("ssh", app="ssh")), DROP, **denied, rule="ssh")
    yield case("ssh by software", ssh(v), NOTHING, policy(deny("soft", **{"ssh.software": {"prefix": "Cli"}})), DROP, **denied, rule="soft")
    yield case("dns over tcp", dns_tcp(v), NOTHING, policy(deny("q", **{"dns.qname": "a.test"})), DROP, **denied, rule="q")
    yield case("dns over tcp, the next", dns_tcp(v), NOTHING, policy(deny("q", **{"dns.qname": "b.test"})), DROP, None, {"same": 1}, "q", transactions=[("allow", "default", 1)] * 2 + [("deny", "q", 2)])
    yield case("quic", quic(v), NOTHING, HOST_A, DROP, 2, {"denied": 1}, "no-a")
    yield case("quic by port", quic(v), NOTHING, PORT, DROP, 2, {"denied": 1}, "no-port")
    yield case("quic goes on", quic(v), NOTHING, policy(deny("x", host="x.test")), TX, 0, {"same": 1}, "default")
    yield case("quic, no version to come", quic(v), NOTHING, policy(deny("x", **{"tls.version": "1.2"})), TX, 0, {"same": 1}, "default")
    yield case("quic, allowed", quic(v), SOFT, NOTHING, TX, 0, {"allowed": 1}, "default", before=None)
    yield case("opaque", opaque(v), NOTHING, policy(deny("what", app="unknown")), DROP, **denied, rule="what")
    yield case("opaque has no name", opaque(v), NOTHING, HOST_A, TX, 0, {"same": 1}, "default")
    t = Talk(v, 53, 17).datagram(0, query("a.test")).here().datagram(0, query("b.test")).datagram(0, query("a.test"))
    yield case("dns, query by query", t, NOTHING, policy(deny("q", **{"dns.qname": "a.test"})), [TX, DROP], 1, {"same": 1}, "q")
    yield case("dns by port", t, NOTHING, PORT, DROP, 1, {"denied": 1}, "no-port")
    yield case("dns, denied before", t, policy(deny("q", **{"dns.qname": "a.test"})), NOTHING, TX, 1, {"same": 1}, "q", version=1)
    yield case("closed", Talk(v, 443).open().both(tls_hello(b"a.test"), SERVER_HELLO).close().here().segment(0, "A"), NOTHING, HOST_A, TX, 0, {}, "default", version=1)
    half = Talk(v, 443).open().both(tls_hello(b"a.test"), SERVER_HELLO).segment(1, "FA").here().client(CIPHER).client(CIPHER)
    yield case("half closed", half, NOTHING, HOST_A, DROP, **denied, rule="no-a")
    # ---- held when policies change
    first, rest = tls_hello(b"a.test")[:30], tls_hello(b"a.test")[30:]
    t = Talk(v, 443).open().client(first).here().client(rest).server(SERVER_HELLO)
    yield case("held, then nobody asks", t, HOST_A, NOTHING, TX, 0, {"same": 1}, "default", before=TX)
    yield case("held, then another asks", t, HOST_A, policy(deny("b", host="b.test")), TX, 0, {"same": 1}, "default", before=TX, transactions=[("allow", "default", 2)])
    yield case("held, then denied by port", t, policy(deny("b", host="b.test")), PORT, DROP, 2, {"denied": 1}, "no-port", last=DROP)
    yield case("held, denied by the second only", t, policy(deny("b", host="b.test")), HOST_A, DROP, 2, {"same": 1}, "no-a", last=DROP, transactions=[("deny", "no-a", 2)])
    # ---- allowed again
    whole = tls_hello(b"a.test")
    t = Talk(v, 443).open().client(whole).here().again(whole).server(SERVER_HELLO).both(CIPHER, CIPHER)
    yield case("tls, allowed and said again", t, SOFT, NOTHING, TX, 0, {"allowed": 1}, "default", last=DROP, transactions=[("deny", "soft", 1), ("allow", "default", 2)])
    t = Talk(v, 443).open().client(whole).here().again(tls_hello(b"b.test")).server(SERVER_HELLO)
    yield case("tls, allowed and another said", t, SOFT, policy(deny("b", host="b.test")), DROP, None, {"allowed": 1}, "b", last=DROP, transactions=[("deny", "soft", 1), ("deny", "b", 2)])
    yield case("tls, goes on where a capture does", Talk(v, 443).open().both(whole, SERVER_HELLO).here().both(CIPHER, CIPHER), SOFT,
               policy({"id": "a", "action": "allow", "when": {"host": "a.test"}}, default=DENY), TX, 0, {"allowed": 1}, "a", before=None)
    again = get(b"a.test")
    t = http(v, b"b.test").client(again).here().again(again).server(OK).client(get(b"b.test")).server(OK).client(get(b"c.test"))
    yield case("http, allowed and read on", t, SOFT, policy(deny("c", host="c.test")), [TX, TX, TX, TX, DROP], None, {"allowed": 1}, "c", last=DROP,
               transactions=[("allow", "default", 1), ("deny", "soft", 1), ("allow", "default", 2), ("allow", "default", 2), ("deny", "c", 2)])
    t = Talk(v, 22).segment(0, "S").here().segment(0, "S")
    t.seq = [1001, 5000]
    t.segment(1, "SA").segment(0, "A").both(tls_hello(b"b.test"), SERVER_HELLO)
    yield case("syn denied, then allowed", t, policy(deny("ssh", dport=22, respond="drop")), HOST_A, [TX] * 6, 0, {"allowed": 1}, "default", before=None, again=False)
    # ---- and back again: third, so many frames later, the first is in force once more
    t = Talk(v, 443).open().both(whole, SERVER_HELLO).both(CIPHER, CIPHER).here().client(CIPHER)
    t.again(CIPHER).server(CIPHER).both(CIPHER, CIPHER)
    yield case("tls, denied and allowed", t, NOTHING, SOFT, [DROP] + [TX] * 5, 0, {"denied": 1, "allowed": 1}, "default", version=3, third=(NOTHING, 1))
    t = Talk(v, 443).open().client(whole).segment(1, "A").here().server(SERVER_HELLO)
    t.seq[1] -= len(SERVER_HELLO)
    t.server(SERVER_HELLO).client(CIPHER).server(CIPHER)
    other = policy(deny("b", host="b.test"))
    yield case("tls, the same before its answer", t, other, SOFT, [DROP] + [TX] * 3, 0, {"denied": 1, "allowed": 1}, "default", version=3, third=(other, 1))
    request = get(b"a.test", b"/2")
    t = http(v, b"a.test").here().client(request).again(request).server(OK).client(get(b"b.test"))
    yield case("http, denied and allowed", t, other, SOFT, [DROP, TX, TX, DROP], None, {"denied": 1, "allowed": 1}, "b", version=3, third=(other, 1),
               transactions=[("allow", "default", 1), ("allow", "default", 3), ("deny", "b", 3)])
    # ---- eviction
    yield case("gave way", tls(v), NOTHING, HOST_A, TX, 0, {"kept": 1}, "default", version=1, options=["--kept-bytes", 64])
    yield case("gave way, dropped", tls(v), NOTHING, dict(HOST_A, rejudge_unknown="drop"), DROP, 0, {"dropped": 1}, "rejudge_unknown", options=["--kept-bytes", 64])
    yield case("gave way, by port all the same", tls(v), NOTHING, policy(deny("no-port", dport=443), deny("no-a", host="a.test")), DROP, **denied, rule="no-port", options=["--kept-bytes", 64])
    # ---- the first policy comes under way
    yield case("no policy before", tls(v), None, HOST_A, TX, 0, {"kept": 1}, None)
    yield case("no policy before, dropped", tls(v), None, dict(HOST_A, rejudge_unknown="drop"), DROP, 0, {"dropped": 1}, "rejudge_unknown")
    yield case("no policy before, by port", tls(v), None, PORT, DROP, **denied, rule="no-port")
    # ---- payload
    t = Talk(v, 9999).open().both(b"\xff\xfe evil", b"x").here().both(b"nothing", b"x").client(b"e").client(b"vil").both(b"evil", b"x")
    evil = policy(deny("evil", payload={"contains": "evil"}))
    yield case("payload from the next byte on", t, NOTHING, evil, [TX] * 4 + [DROP] * 4, None, {"same": 1}, "evil")
    # ---- limits
    t = Talk(v, 7, 17, sport=40007)
    for _ in range(6):
        t.datagram(0, b"x" * 20)
    t.here()
    for _ in range(6):
        t.datagram(0, b"x" * 20)
    slow = {"id": "slow", "action": "limit", "rate": "1pps", "burst": 8, "when": {"dport": 7}}
    yield case("a limit keeps its bucket", t, policy(slow), policy(deny("x", host="x.test"), slow), [TX] * 2 + [DROP] * 4, 0, {"same": 1}, "default")
    yield case("a limit begins", t, NOTHING, policy(dict(slow, burst=2)), [TX] * 2 + [DROP] * 4, 0, {"same": 1}, "default")


def doors(path):
    return [line.split()[1] for line in path.read_text().splitlines()]


def resets(frames):
    """source port of each"""
    ports = []
    for f in frames:
        at, proto = (34, f[23]) if f[12:14] == b"\x08\0" else (54, f[20])
        if proto == 6 and f[at + 13] & 4:
            ports += struct.unpack_from("!H", f, at)
    return ports


def told(c, work, capture, again):
    options = ["--policy-at", f"{c.talk.frames[c.talk.swap - 1][1] + 0.0005 - c.talk.frames[0][1]:.6f}={work / 'b.json'}", "--flows", 1024, *c.more.get("options", [])]
    if c.a is not None:
        (work / "a.json").write_text(json.dumps(c.a))
        options += ["-p", work / "a.json"]
    (work / "b.json").write_text(json.dumps(c.b))
    if "third" in c.more:
        p, later = c.more["third"]
        (work / "third.json").write_text(json.dumps(p))
        options += ["--policy-at", f"{c.talk.frames[c.talk.swap + later][1] - 0.0005 - c.talk.frames[0][1]:.6f}={work / 'third.json'}"]
    args = ["replay", *options, "--format", "eve", "-t", work / "t", "-s", work / "s", "-w", work / "w", capture]
    rc, out, err = run(*args, "--workers", 3, "--seed", 7)
    expect(f"{c.name}: runs", rc == 0, err)
    if again:
        seen = (out, (work / "t").read_text(), (work / "w").read_bytes())
        rc, other, err = run(*args)
        expect(f"{c.name}: any workers, any seed", rc == 0 and (other, (work / "t").read_text(), (work / "w").read_bytes()) == seen, err)
    return [json.loads(line) for line in out.splitlines()]


def check(c, work, v, again):
    name, talk = f"IPv{v} {c.name}", c.talk
    c = c._replace(name=name)
    capture = work / "c.pcap"
    capture.write_bytes(pcap(talk.frames))
    events = told(c, work, capture, again)
    d, n = doors(work / "t"), talk.swap
    behind = [c.after] * (len(d) - n) if isinstance(c.after, str) else c.after
    expect(f"{name}: what follows", d[n:] == behind, f"{d[:n]} | {d[n:]}, expected {behind}")
    if c.more.get("before", TX):
        before = [TX] * n
        before[-1] = c.more.get("last", TX)
        if c.a is not None and not any(e["event_type"] == "x" for e in events):
            expect(f"{name}: what came before", d[:n] == before or c.more.get("version") == 1 or "limit" in name, f"{d[:n]}, expected {before}")
    s = json.loads((work / "s").read_text())
    ledger = s["ledger"]
    left = ledger["tx"] + ledger["kernel"] + ledger["mirrored"] + sum(ledger["drops"].values()) + ledger["held"]
    expect(f"{name}: the ledger", ledger["rx"] + ledger["own"] == left and not ledger["held"] and not s["mbufs_in_use"], ledger)
    if c.own is not None:
        told_again = c.own == 2 and talk.proto == 6  # an end that goes on is told again
        expect(f"{name}: what the ends hear", 2 <= ledger["own"] <= 4 if told_again else ledger["own"] == c.own, ledger)
        if told_again:
            frames = [f for _, f in pcap_file.records((work / "w").read_bytes())]
            ends = resets(frames)[:2]
            expect(f"{name}: a reset each", set(ends) == {talk.sport, talk.dport}, ends)
    have = {k: x for k, x in s["verdicts"]["rejudged"].items() if x}
    expect(f"{name}: counted", have == c.rejudged, f"{have}, expected {c.rejudged}")
    said = [e for e in events if e["event_type"] == "anomaly" and e["anomaly"]["event"] == "policy.rejudged"]
    changed = sum(c.rejudged.get(k, 0) for k in ("denied", "allowed", "dropped"))
    expect(f"{name}: said", len(said) == changed, said)
    stood = [e["verdict"].get("before", {}).get("version") for e in said]  # none: it came before any policy
    expect(f"{name}: what stood before", "third" in c.more or set(stood) <= {1, None}, said)
    flow = [e for e in events if e["event_type"] == "flow"][-1].get("verdict", {})
    expect(f"{name}: the flow's rule", flow.get("rule") == c.rule, flow)
    if c.rule:
        expect(f"{name}: the version that decided", flow["version"] == c.more.get("version", 2), flow)
    if c.rejudged and c.rule and c.more.get("again", True):
        expect(f"{name}: it was judged again", flow.get("rejudged") is True, flow)
    if c.rejudged.get("denied") and "third" not in c.more:
        expect(f"{name}: the rule's hit", s["rules"].get(c.rule, 0) >= 1, s["rules"])
    want = c.more.get("transactions")
    have = [(e["verdict"]["action"], e["verdict"]["rule"], e["verdict"]["version"]) for e in events if e["event_type"] in ("tls", "http", "dns", "ssh", "quic") and "verdict" in e]
    expect(f"{name}: transactions", want is None or have == want, f"{have}, expected {want}")
    evicted = s["counters"]["kept_evicted"]
    expect(f"{name}: evicted", bool(evicted) == ("--kept-bytes" in c.more.get("options", [])), evicted)


def main():
    n = 0
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    with tempfile.TemporaryDirectory() as tmp:
        for v in (4, 6):
            for i, c in enumerate(both_versions(v)):
                if only in c.name and (v == 4 or i % (2 if FULL else 4) == 1 or only):
                    check(c, pathlib.Path(tmp), v, v == 4 and (FULL or i % 3 == 0))
                    n += 1
    print(f"{n} cases, {len(failures)} failures")
    sys.exit(bool(failures))


main()
