# SPDX-License-Identifier: BSD-3-Clause
"""Two workers in routed and gwlb paths, IPv4 and IPv6: many flows at once, fragments, and errors of ICMP that belong to a flow of
the other worker; sessions of ssh that a policy ends; each flow's record has what tcpdump saw at both ends.
usage: workers_test.py SLUICE [PLACE|PLACE~]...    ~: by a cable that loses, repeats and disorders (relay.py)"""
import collections
import json
import os
import re
import subprocess
import sys

import inline
from change_test import NO_SSH, Session, sshd
from world import ADDRESS, World, end, expect, until

POLICY = {"rules": [{"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"}]}
FLOWS = 40  # of a family and kind
SERVER = r'''
import socket, threading
def tcp(c):
    while d := c.recv(65536): c.sendall(d * 3)
def serve(s):
    while True: threading.Thread(target=tcp, args=(s.accept()[0],), daemon=True).start()
def echo(s):
    while True:
        d, a = s.recvfrom(65536)
        s.sendto(d, a)
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(("::", 7001))
t = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=200)
threading.Thread(target=serve, args=(t,), daemon=True).start()
echo(u)
'''
CLIENT = r'''
import socket, sys
ports = [20000]
done = {"tcp": 0, "udp": 0, "fragments": 0, "denied": 0, "errors": 0}
for to in sys.argv[2:]:
    family, n = socket.AF_INET6 if ":" in to else socket.AF_INET, int(sys.argv[1])
    open_, dgram = [], []
    for i in range(n):
        open_.append(socket.create_connection((to, 7000), timeout=20))
    for turn in range(3):
        for s in open_: s.sendall(b"x" * 2000)
        for s in open_:
            got = 0
            while got < 6000: got += len(s.recv(65536))
    for s in open_:
        s.shutdown(socket.SHUT_WR)
        done["tcp"] += s.recv(10) == b""
    def datagram(port, size):
        s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.5)
        ports[0] += 1  # a port of its own is a flow of its own
        s.bind(("", ports[0])); s.connect((to, port))
        for _ in range(20):
            try:
                s.send(b"y" * size)
                return len(s.recv(65536))
            except TimeoutError: pass
            except ConnectionRefusedError: return "refused"
    for i in range(n):
        done["udp"] += datagram(7001, 100) == 100
        done["errors"] += datagram(7009, 100) == "refused"
    for i in range(n // 4): done["fragments"] += datagram(7001, 4000) == 4000
    for i in range(n // 4):
        try: socket.create_connection((to, 8081), timeout=20)
        except ConnectionRefusedError: done["denied"] += 1
print(done)
'''


def dump(p, where):
    d = p.w.start(where, "tcpdump", "--immediate-mode", "-i", p.device[where], "-Q", "out", "-s", "96", "-B", "16384", "-U",
                  "-w", str(p.w.folder / (where + ".pcap")), "tcp", stderr=subprocess.PIPE)
    d.stderr.readline()
    return d


def frames(p):
    """(client, port, server, port) -> frames and bytes of IP from the client, and from the server"""
    seen = collections.defaultdict(lambda: [0, 0, 0, 0])
    bad = p.w.folder / "relay.json"
    if bad.exists():
        for k, c in json.loads(bad.read_text())["flows"].items():
            if k.startswith("tcp"):
                seen[tuple(k.split()[1:])][:2] = c
    for where, at in ((p.client, 0), (p.server, 2))[bad.exists():]:
        text = subprocess.run(["tcpdump", "-nner", str(p.w.folder / (where + ".pcap"))], capture_output=True, text=True).stdout
        for length, src, sport, dst, dport in re.findall(r"length (\d+): (\S+)\.(\d+) > (\S+)\.(\d+): ", text):
            c = seen[(src, sport, dst, dport) if at == 0 else (dst, dport, src, sport)]
            c[at] += 1
            c[at + 1] += int(length)
    return seen


def story(place, more):
    p = inline.PLACES[place.rstrip("~")](sys.argv[1], POLICY)
    w = p.w
    for where in (p.client, p.server):  # a wire's frames: tcpdump sees what TSO left to a card in one piece
        w.run(where, "ethtool", "-K", p.device[where], "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    w.run(p.server, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    relay = inline.spoil(p, 7) if place.endswith("~") else None
    p.config["workers"] = {"cores": [0, 1], "idle": "adaptive"}
    p.up()
    w.start(p.server, sys.executable, "-c", SERVER)
    w.listens(p.server, 7000)
    sshd(w, p.server)
    dumps = [dump(p, p.client), dump(p, p.server)]
    sessions = [Session(w, to, p.client) for to in p.servers]
    r = w.run(p.client, sys.executable, "-c", CLIENT, str(FLOWS), *p.servers, timeout=100)
    want = {"tcp": 2 * FLOWS, "udp": 2 * FLOWS, "fragments": FLOWS // 2, "denied": FLOWS // 2, "errors": 2 * FLOWS}
    expect(place + ": each flow is answered, whole, refused, or told of its closed port", r.stdout.strip() == str(want), (r.stdout, r.stderr[-700:]))
    workers = w.ctl("show", "workers").get("result", {}).get("workers", [])
    expect(place + ": both workers work", len(workers) == 2 and all(any(isinstance(v, int) and v > 50 for k, v in x.items() if k in ("rx", "frames", "came"))
                                                                   for x in workers), workers)
    expect(place + ": sessions of ssh stand meanwhile", all(s.goes_on() for s in sessions), [s.err.read_text()[-300:] for s in sessions])
    w.policy({"rules": POLICY["rules"] + NO_SSH["rules"]})
    w.ctl("policy", "load", str(w.folder / "policy.json"))
    expect(place + ": a policy that forbids them resets them", all([s.cut() for s in sessions]) and
           until(lambda: not w.run(p.server, "ss", "-Htn", "state", "established", "sport = :22").stdout), [s.err.read_text()[-300:] for s in sessions])
    quiet = ("ss", "-Htn", "state", "connected", "exclude", "time-wait")
    until(lambda: not any(w.run(where, *quiet).stdout for where in (p.client, p.server)), 60)
    if relay:
        w.run(p.client, "sleep", "0.5")  # what is late
        relay.terminate()
        relay.wait()
    status, said = p.down()
    expect(place + ": it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    expect(place + ": the balancer finds nothing wrong", not said["wrong"], said["wrong"])
    records, icmp = {}, collections.Counter()
    for e in w.events("flow"):
        key = (e.get("src_ip"), str(e.get("src_port")), e.get("dest_ip"), str(e.get("dest_port")))
        f = e["flow"]
        if e["proto"] == "TCP":
            records[key] = [f["pkts_toserver"], f["bytes_toserver"], f["pkts_toclient"], f["bytes_toclient"]]
        icmp[(e["proto"], e.get("dest_port"))] += 1

    def differ():
        cables = frames(p)
        return [(k, r, cables.get(k)) for k, r in records.items() if [r[i] - (more * r[i - 1] if i % 2 else 0) for i in range(4)] != cables.get(k)]

    until(lambda: not differ(), 10)  # tcpdump writes when it is given a core
    for d in dumps:
        d.terminate()
        d.wait()
    expect("%s: %d flows' records have what tcpdump saw at both ends" % (place, len(records)),
           len(records) == 2 * FLOWS + FLOWS // 2 + len(sessions) and not differ(), (len(records), len(differ()), differ()[:3]))
    expect(place + ": an error belongs to its flow, and makes none", icmp[("UDP", 7009)] == 2 * FLOWS and icmp[("UDP", 7001)] == 2 * FLOWS + FLOWS // 2, icmp)
    w.close()


def ends_in_the_midst(stopped):
    """frames come to the last: none is handed to a worker that has ended"""
    w = World(sys.argv[1])
    w.up(w.config({"rules": []}, workers={"cores": [0, 1], "idle": "adaptive"}))
    for _ in range(3):
        w.start("client", "ping", "-fq", ADDRESS["server"][0], stdout=subprocess.DEVNULL)
    expect("frames come", until(lambda: w.ctl("show", "drops").get("result", {}).get("came", 0) > 1000))
    if stopped:
        w.ctl("stop")
    expect("it ends in their midst%s" % (", stopped" if stopped else ""), w.down() == 0, w.log.read_text()[-500:])
    w.close()


def main():
    for place in sys.argv[2:] or ["routed", "balancer"] + (["af_packet", "one-arm", "routed~", "balancer~"] if os.environ.get("SLUICE_FULL") == "1" else []):
        story(place, 68 if place.startswith("balancer") else 0)  # what is around each packet
    for stopped in (False, True):
        ends_in_the_midst(stopped)
    end()


if __name__ == "__main__":
    main()
