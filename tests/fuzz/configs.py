# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_config: the samples, the configurations of the tests, each part of a sample alone, and --set of all kinds, each
behind a zero byte."""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = b'{"ports":{"a":{"type":"null"},"b":{"type":"pcap","rx_file":"x"}},"paths":[{"mode":"bridge","ports":["a","b"]}],"workers":{"cores":[0]}}'
SETS = [
    "ports.a.mtu=9000", "ports.c.type=tap", "ports.c.device=t0", "paths.1.mode=mirror", "paths.1.ports=c", "paths.0.ports=b,a", "workers.cores=[0,1]", "workers.idle=busy",
    "ports.c.addresses=10.0.0.1/24,2001:db8::1/64", "ports.c.next_hop=10.0.0.2,fe80::1", "policy.guard=192.0.2.1", "control.http=[::1]:80", "control.http=", "node=a\"b\\c", "node=\x01",
    "paths.0.other_l2_except=2048,35020", "ports.a.devargs=secret=x,y=1", "fail.hold_exceeded=drop", "memory.pages=huge", "sinks.0.path=-", "sinks.0.format=facts", "sinks.1.type=pcapng", "sinks.1.others=true", "mirrors.0.path=x", "prots.a=1", "x", "=", ".=", "paths..=", "paths.99.mode=x", "a.b.c.d=e", "workers=1", "ports=", "node",
]


def seeds():
    texts = [path.read_bytes() for folder in ("configs", "tests/config") for path in sorted((ROOT / folder).glob("*.json"))]
    parts = [json.dumps({key: value}).encode() for path in (ROOT / "configs").glob("*.json") for key, value in json.loads(path.read_text()).items()]
    return texts + parts + [BASE, b'{"node":"a\\"b\\\\c"}'] + [BASE + b"\0" + s.encode() for s in SETS] + [BASE + b"".join(b"\0" + s.encode() for s in SETS[:i]) for i in (3, 5, 9, 15)]
