# SPDX-License-Identifier: BSD-3-Clause
"""A mirror, plain and in VXLAN: what comes is looked at, recorded and judged, and nothing is sent, no answer either.
usage: mirror_test.py SLUICE [PORT TYPE]

    client [eth0] ---- [lan] box, sluice run        [wan]: not used
"""
import json
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file
from world import World, end, expect, until

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "captures"
VNI = 0x4d5a17
MTU = 3200  # a mbuf of af_xdp lies within a page, and struct pkt is in it
SENDER = """import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
n = 0
data = sys.stdin.buffer.read()
while data:
    length = int.from_bytes(data[:4], "big")
    s.send(data[4:4 + length])
    data = data[4 + length:]
"""


def fold(data):
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def vxlan(frame):
    rest = struct.pack("!II", 0x08000000, VNI << 8) + frame
    udp = struct.pack("!HHHH", 49152, 4789, 8 + len(rest), 0)
    h = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(rest), 0, 0x4000, 255, 17, 0) + socket.inet_aton("10.78.0.1") + socket.inet_aton("10.78.0.9")
    h = h[:10] + struct.pack("!H", 0xffff ^ fold(h)) + h[12:]
    return bytes.fromhex("02000000789902000000780108" + "00") + h + udp + rest


def received(w):
    return json.loads(w.run("client", "ip", "-s", "-j", "link", "show", "eth0").stdout)[0]["stats64"]["rx"]["packets"]


def story(kind, transport):
    w = World(sys.argv[1], mtu=MTU)
    w.inside(w.ns["client"], "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    policy = {"rules": [{"id": "all-http", "when": {"app": "http"}, "action": "deny"}]}
    c = w.config(policy, kind)
    c["ports"] = {"lan": {"type": kind, "device": "lan", "mtu": MTU, "checksum": "good"}}
    c["paths"] = [{"mode": "mirror", "ports": ["lan"], "transport": transport, "tenant": "transport"}]
    w.up(c)
    frames = []
    for name in ("http.pcap", "http6.pcap", "tls13.pcap"):
        data = (CAPTURES / name).read_bytes()
        frames += [f for _, f in pcap_file.records(data)]
    if transport == "vxlan":
        frames = [vxlan(f) for f in frames]
    before = received(w)
    r = w.inside(w.ns["client"], sys.executable, "-c", SENDER, input=b"".join(struct.pack("!I", len(f)) + f for f in frames),
                 capture_output=True)
    expect(transport + ": frames are sent", r.returncode == 0, r.stderr)
    until(lambda: w.ctl("show", "ledger").get("result", {}).get("rx", 0) >= len(frames))
    ledger = w.ctl("show", "ledger").get("result", {})
    after = received(w)
    expect(transport + ": nothing comes back, though a rule denies", after == before, (before, after))
    text = json.dumps(ledger)
    expect(transport + ": what was looked at is in the ledger", ledger.get("mirrored", 0) > 0 and ledger.get("own", 1) == 0 and ledger.get("tx", 1) == 0, text)
    status = w.down()
    expect(transport + ": it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    kinds = {e["event_type"] for e in w.events()}
    expect(transport + ": requests and handshakes are recorded", {"http", "tls", "flow"} <= kinds, kinds)
    tenants = {e.get("tenant") for e in w.events("flow")}
    expect(transport + ": the VNI is the tenant" if transport == "vxlan" else "none: there is no tenant",
           tenants == {str(VNI)} if transport == "vxlan" else tenants == {None}, tenants)
    w.close()


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    story(kind, "none")
    story(kind, "vxlan")
    end()


main()
