#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The fast path between real kernels: flows settle and every byte is in their count, denied ones stop at the door, and
what a kill -9 leaves is the fail mode, until the next start takes over.

    namespace client [c] --veth-- [p0]  namespace box  [p1] --veth-- [s] namespace server
                                     fastpath_bridge

usage: fastpath_test.py FASTPATH_BRIDGE. Exit 77: not root, or no namespaces, veth or BPF."""
import atexit
import json
import os
import re
import signal
import subprocess
import sys
import time

import mounts  # noqa: F401  (before anything is mounted or made)

NS = {end: "sluice-%s%d" % (end, os.getpid()) for end in ("client", "box", "server")}
failed = 0


def sh(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def at(end, *command):
    """`ip netns exec` would hide /sys/fs/bpf"""
    return ["nsenter", "--net=/run/netns/" + NS[end], *command]


def build():
    for end in NS:
        sh("ip", "netns", "add", NS[end])
        atexit.register(subprocess.run, ["ip", "netns", "del", NS[end]], stderr=subprocess.DEVNULL)
    for end, name, port, n in (("client", "c", "p0", 1), ("server", "s", "p1", 2)):
        sh("ip", "-n", NS["box"], "link", "add", port, "type", "veth", "peer", "name", name, "netns", NS[end])
        inside = ["ip", "-n", NS[end]]
        sh(*inside, "addr", "add", "10.78.0.%d/24" % n, "dev", name)
        sh(*inside, "addr", "add", "fd78::%d/64" % n, "dev", name, "nodad")
        sh(*inside, "link", "set", name, "up")
        sh("ip", "-n", NS["box"], "link", "set", port, "up")
        # frames as on a wire: whole checksums, no giants. GRO: a veth takes what XDP redirects only with NAPI on
        sh(*at(end, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "on"))


class Bridge:
    def __init__(self, fail, carrier="metadata", denied=9):
        self.process = subprocess.Popen(at("box", sys.argv[1], "p0", "p1", fail, "20", str(denied), carrier),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("bridge: " + self.process.stderr.read())

    def ends(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=20)
        return json.loads(out) if sig == signal.SIGTERM else None


def check(what, ok, *more):
    global failed
    failed += not ok
    print("%s %s" % ("ok  " if ok else "FAIL", what), *("" if ok else more), flush=True)


def ping(count=1, wait=1, version=4):
    return subprocess.run(at("client", "ping", "-%d" % version, "-q", "-c", str(count), "-i", "0.05", "-W", str(wait),
                             "10.78.0.2" if version == 4 else "fd78::2"), capture_output=True).returncode == 0


SINK = """
import socket, sys
s = socket.create_server((sys.argv[1], 5001), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c = s.accept()[0]; n = 0
while True:
    d = c.recv(1 << 20)
    if not d: break
    n += len(d)
c.sendall(b"%d" % n)
"""
SOURCE = """
import socket, sys, time
c = socket.create_connection((sys.argv[1], 5001)); left = int(sys.argv[2]); gap = 0; last = time.monotonic()
while left > 0:
    n = c.send(b"x" * min(left, 16384)); left -= n
    now = time.monotonic(); gap = max(gap, now - last); last = now
c.shutdown(socket.SHUT_WR)
print(c.recv(100).decode(), "%.3f" % gap)
"""


class Transfer:
    def __init__(self, to, size):
        self.size = size
        self.sink = subprocess.Popen(at("server", sys.executable, "-c", SINK, to), stdout=subprocess.PIPE, text=True)
        self.sink.stdout.readline()
        self.source = subprocess.Popen(at("client", sys.executable, "-c", SOURCE, to, str(size)), stdout=subprocess.PIPE,
                                       text=True)

    def ends(self, seconds=60):
        """whether all arrived; the longest that a write took"""
        try:
            out = self.source.communicate(timeout=seconds)[0].split()
        except subprocess.TimeoutExpired:
            self.source.kill()
            out = []
        self.sink.kill()
        self.sink.wait()
        self.sink.stdout.close()
        return (out[:1] == [str(self.size)], float(out[1]) if out else seconds)


def interface(end, name):
    out = json.loads(sh("ip", "-n", NS[end], "-s", "-j", "link", "show", name))[0]["stats64"]
    return {d: (out[d]["packets"], out[d]["bytes"]) for d in ("rx", "tx")}


def settles(carrier):
    bridge = Bridge("closed", carrier)
    check("ping, %s" % carrier, ping() and ping(version=6))
    before = interface("client", "c"), interface("server", "s")
    done = [Transfer(to, 20000000).ends() for to in ("10.78.0.2", "fd78::2")]
    time.sleep(0.3)
    after = interface("client", "c"), interface("server", "s")
    said = bridge.ends()
    check("20 MB over IPv4 and IPv6", all(d[0] for d in done), done)
    for p in said["ports"]:
        rx = p.pop("rx")
        check("the doors add up to %d" % rx, rx == sum(p.values()), p)
    check("each frame that came up had its tag", said["untagged"] == 0, said["untagged"])
    forwarded, up = (sum(p[k] for p in said["ports"]) for k in ("forwarded", "up_new"))
    check("%d forwarded, %d came up" % (forwarded, up), forwarded > 9 * up)
    check("what came up reached the worker", said["came"] == sum(v for p in said["ports"] for k, v in p.items()
                                                                 if k.startswith("up_")), said)
    # all frames of the interfaces but those few that are no TCP (ND)
    for side, (a, b), direction in ((0, (before[0], after[0]), "tx"), (1, (before[1], after[1]), "tx")):
        flows = [x for x in said["flows"] if x["port"] == side and x["proto"] == 6]
        frames = sum(x["frames"] + x["fast_frames"] for x in flows)
        octets = sum(x["bytes"] + x["fast_bytes"] for x in flows)
        sent, sent_bytes = (b[direction][i] - a[direction][i] for i in (0, 1))
        sent_bytes += 14 * sent  # a veth counts no Ethernet header
        check("port %d: %d frames, %d bytes in the flows' counts" % (side, frames, octets),
              0 <= sent - frames <= 8 and 0 <= sent_bytes - octets <= 800, sent, sent_bytes)


def denies():
    bridge = Bridge("closed")
    s = subprocess.run(at("client", sys.executable, "-c", """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5000):
    s.sendto(b"x" * 100, ("10.78.0.2", 9))
    if i % 50 == 0: time.sleep(0.005)
"""))
    time.sleep(0.2)
    said = bridge.ends()
    flow = [x for x in said["flows"] if x["dport"] == 9 and x["port"] == 0]
    n = sum(x["frames"] + x["fast_frames"] for x in flow)
    check("5000 denied datagrams: %d in XDP, %d in the worker" % (said["ports"][0]["denied"], flow[0]["frames"]),
          n == 5000 and said["ports"][0]["denied"] > 4000, flow)


def killed():
    bridge = Bridge("peer")
    transfer = Transfer("10.78.0.2", 400000000)
    time.sleep(0.7)
    bridge.ends(signal.SIGKILL)
    ok, gap = transfer.ends()
    check("kill -9, fail mode open: the transfer goes on, its longest pause %.2f s" % gap, ok and gap < 1.0)
    check("ping without anybody", ping(5))
    begin = time.monotonic()
    bridge = Bridge("closed")
    check("a restart takes over in %.1f s" % (time.monotonic() - begin), ping(3))
    second = None
    try:
        second = Bridge("closed")
    except RuntimeError as e:
        check("a second process is told", re.search("held by another process, pid [1-9]", str(e)), e)
    check("only one at a time", second is None)
    check("ping through the first", ping(3))
    bridge.ends(signal.SIGKILL)
    check("kill -9, fail mode closed: nothing passes", not ping(3))
    bridge = Bridge("kernel")
    check("and again", ping(3))
    bridge.ends()
    check("an orderly end leaves no program and no pin", "xdp" not in sh("ip", "-n", NS["box"], "link") and
          not [n for n in os.listdir("/sys/fs/bpf") if n.startswith("sluice_")], os.listdir("/sys/fs/bpf"))


def main():
    try:
        build()
    except (subprocess.CalledProcessError, FileNotFoundError) as e:
        print("no namespaces or veth:", e)
        sys.exit(77)
    settles("metadata")
    settles("prefix")
    denies()
    killed()
    sys.exit(failed > 0)


main()
