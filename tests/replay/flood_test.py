#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A flood in replay: half-open flows beyond what has records of its own are told as sums a second and source, counted
exactly, and the same for 1, 2 and 8 workers; what was answered, or came alone, has its record. And `log` and `sample`
of rules, with their weights. usage: flood_test.py SLUICE"""
import collections
import ipaddress
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

SLUICE = sys.argv[1]
rng = random.Random(6)
SERVER = bytes([203, 0, 113, 1])
SERVER6 = ipaddress.ip_address("2001:db8:ffff::1").packed


def tcp(sport, flags, ack=0, back=False):
    ports = (443, sport) if back else (sport, 443)
    return struct.pack("!HHIIBBHHH", *ports, 1 + (flags == 16), ack, 5 << 4, flags, 8192, 0, 0)


def packet(src, dst, payload, proto=6):
    if len(src) == 4:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0, src, dst) + payload
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), proto, 64, src, dst) + payload


def flood():
    """(time in us, packet); truth: flows by source prefix"""
    truth, frames = collections.Counter(), []

    def add(t, src, dst, payload, proto=6, begins=True):
        frames.append((t, packet(src, dst, payload, proto)))
        if begins:
            net = ipaddress.ip_network((src, 24 if len(src) == 4 else 48), strict=False)
            truth[str(net.network_address)] += 1

    add(0, bytes([192, 0, 2, 7]), SERVER, tcp(7, 2))  # alone in its second
    for second in (2,):
        for i in range(48000):
            t = second * 1000000 + i * 20
            if i % 6 == 5:
                src = ipaddress.ip_address("2001:db8:1::").packed[:8] + struct.pack("!HHI", second, 0, i)
                add(t, src, SERVER6, tcp(1024 + i, 2))
            elif i % 6 == 4:
                add(t, bytes([10, 7 + second, i % 4, i // 240]), SERVER, struct.pack("!HHHH", i, 53, 8, 0), 17)
            else:
                add(t, bytes([198, 51, 100, i % 250]), SERVER, tcp(1024 + i, 2))
            if i % 600 == 0:  # one that means it
                src, port = bytes([192, 0, 2, second]), 30000 + i // 600
                add(t + 1, src, SERVER, tcp(port, 2))
                add(t + 3, SERVER, src, tcp(port, 18, 2, True), begins=False)
                add(t + 5, src, SERVER, tcp(port, 16, 2), begins=False)
    frames.append((45000000, packet(bytes([192, 0, 2, 9]), SERVER, tcp(9, 2))))
    truth["192.0.2.0"] += 1
    frames.sort(key=lambda f: f[0])
    return frames, truth


def write(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for t, p in frames:
            f.write(struct.pack("<IIII", 1700000000 + t // 1000000, t % 1000000, len(p), len(p)) + p)


def replay(path, *args):
    out = subprocess.run([SLUICE, "replay", path, "-o", "-", "--format", "eve", "--summary", path + ".sum", "--seed", "1",
                          *args],
                         check=True, capture_output=True, timeout=300).stdout.decode()
    return out, json.load(open(path + ".sum"))


def check_schema(name, lines):
    try:
        import jsonschema
    except ImportError:
        return
    schema = json.load(open(pathlib.Path(__file__).parent.parent.parent / "docs" / f"{name}.schema.json"))
    check = jsonschema.Draft202012Validator(schema)
    for line in [x for x in lines if '"flood"' in x] + lines[:20]:
        check.validate(json.loads(line))


def test_flood(folder):
    path = folder + "/flood.pcap"
    frames, truth = flood()
    write(path, frames)
    outputs = {}
    for workers in "1", "2", "8":
        out, summary = replay(path, "--workers", workers, "--checksum", "ignore")
        outputs[workers] = out
        events = [json.loads(line) for line in out.splitlines()]
        sums = [e for e in events if e["event_type"] == "flood"]
        flows = [e for e in events if e["event_type"] == "flow"]
        counters = summary["counters"]
        assert sums and not [e for e in events if e["event_type"] not in ("flow", "flood")]
        assert sum(e["flood"]["flows"] for e in sums) == counters["flows_summed"] > 10000, counters
        assert counters["flows"] == len(flows) + counters["flows_summed"] == sum(truth.values()), (counters, len(flows))
        told = collections.Counter()
        for e in flows + sums:
            v4 = ":" not in e["src_ip"]
            net = ipaddress.ip_network((e["src_ip"], 24 if v4 else 48), strict=False)
            told[str(net.network_address)] += e.get("flood", {"flows": 1})["flows"]
        assert told == truth, (told - truth, truth - told)
        pkts = sum(e["flood"]["pkts"] for e in sums)
        pkts += sum(e["flow"]["pkts_toserver"] + e["flow"]["pkts_toclient"] for e in flows)
        assert pkts == len(frames), (pkts, len(frames))
        keys = [(e["timestamp"], e["src_ip"], e["flood"]["prefix"], e["proto"], e.get("dest_port")) for e in sums]
        assert len(keys) == len(set(keys)), "one record a second and source"
        assert len(sums) <= 40, len(sums)
        mine = [e for e in flows if e["src_ip"].startswith("192.0.2.")]
        assert sum(e["flow"]["pkts_toclient"] == 1 for e in mine) == 80 and len(mine) == 82, len(mine)
    for workers in "2", "8":
        assert outputs[workers] == outputs["1"], f"{workers} workers say otherwise"
    check_schema("eve", outputs["1"].splitlines())
    # the other faces name it
    table = subprocess.run([SLUICE, "replay", path, "-o", "-"], check=True, capture_output=True).stdout.decode()
    assert "half-open flows from /24" in table
    facts = subprocess.run([SLUICE, "replay", path, "-o", "-", "--format", "facts"], check=True, capture_output=True)
    check_schema("facts", facts.stdout.decode().splitlines())
    facts = [json.loads(line) for line in facts.stdout.splitlines()]
    assert sum(f["value"] for f in facts if f["field"] == "flood") > 10000
    # verdicts stand apart, and are counted: the flood of UDP is denied
    policy = folder + "/policy.json"
    rule = {"id": "no-udp", "action": "deny", "when": {"proto": "udp"}}
    json.dump({"default": {"action": "allow"}, "rules": [rule]}, open(policy, "w"))
    out, summary = replay(path, "--checksum", "ignore", "-p", policy)
    events = [json.loads(line) for line in out.splitlines()]
    denied = sum(e.get("flood", {"flows": 1})["flows"] for e in events
                 if e["event_type"] in ("flow", "flood") and e["verdict"]["action"] == "deny")
    assert denied == 8000 and summary["rules"]["no-udp"] == 8000, (denied, summary["rules"])


def test_everywhere(folder):
    """Sources beyond the table: shorter prefixes, then none, and still each flow is counted."""
    path, n = folder + "/everywhere.pcap", 60000
    sources = [bytes(rng.randrange(256) for _ in range(4)) if i % 2 else rng.randbytes(16) for i in range(n)]
    last = (45000000, packet(bytes([192, 0, 2, 9]), SERVER, tcp(9, 2)))
    write(path, [(i * 16, packet(s, SERVER if i % 2 else SERVER6, tcp(5000, 2))) for i, s in enumerate(sources)] + [last])
    for workers in 1, 2:
        out, summary = replay(path, "--checksum", "ignore", "--workers", str(workers))
        events = [json.loads(line) for line in out.splitlines()]
        sums = [e for e in events if e["event_type"] == "flood"]
        flows = sum(e["event_type"] == "flow" for e in events)
        assert flows + sum(e["flood"]["flows"] for e in sums) == len(set(sources)) + 1, (flows, len(sums))
        assert summary["counters"]["flows_summed"] > 20000 and len(sums) <= 1025 * workers
        prefixes = collections.Counter()
        for e in sums:
            prefixes[e["ip_v"] if "ip_v" in e else 0, e["flood"].get("prefix")] += e["flood"]["flows"]
        assert {p for v, p in prefixes} >= {24, 16, 8, 48, 32, None}, prefixes


def test_weights(folder):
    """Each kind of record that a rule's `sample` thins says so; what it leaves out is left out of nothing else."""
    path, policy = folder + "/few.pcap", folder + "/sample.json"
    frames = []
    for i in range(4000):
        frames.append((i * 1000, packet(bytes([10, 0, i >> 8, i & 255]), SERVER, struct.pack("!HHHH", 5000, 9, 8, 0), 17)))
    write(path, frames)
    for sample in 1, 10:
        rules = [{"id": "seen", "action": "alert", "sample": sample, "when": {"proto": "udp"}},
                 {"id": "slow", "action": "limit", "rate": "1pps", "sample": sample, "when": {"dport": 9}},
                 {"id": "all", "action": "allow", "sample": sample, "when": {"proto": "udp"}}]
        json.dump({"default": {"action": "deny"}, "rules": rules}, open(policy, "w"))
        out, summary = replay(path, "--checksum", "ignore", "-p", policy)
        again, _ = replay(path, "--checksum", "ignore", "-p", policy, "--workers", "2")
        assert out == again
        events = [json.loads(line) for line in out.splitlines()]
        n = collections.Counter(e["event_type"] for e in events)
        weight = collections.Counter()
        for e in events:
            weight[e["event_type"]] += e["verdict"].get("sample", 1)
            assert e["verdict"].get("sample", 1) == sample, e
        assert summary["counters"]["flows"] == 4000 and summary["rules"]["all"] == 4000, summary
        for kind in "flow", "alert", "anomaly":
            want = 4000 - 5 * (kind == "anomaly")  # the limit lets some pass
            assert abs(weight[kind] - want) <= (0 if sample == 1 and kind != "anomaly" else 200), (kind, weight)
            assert n[kind] * sample == weight[kind]
        print(f"sample {sample}: {dict(n)}, weights {dict(weight)}")
    rules = [{"id": "none", "action": "allow", "log": "none", "when": {"proto": "udp"}}]
    json.dump({"default": {"action": "deny"}, "rules": rules}, open(policy, "w"))
    out, summary = replay(path, "--checksum", "ignore", "-p", policy)
    assert not out and summary["rules"]["none"] == 4000, out[:500]


with tempfile.TemporaryDirectory() as folder:
    test_flood(folder)
    test_everywhere(folder)
    test_weights(folder)
