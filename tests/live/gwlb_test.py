# SPDX-License-Identifier: BSD-3-Clause
"""A target of a Gateway Load Balancer, which balancer.py plays; real clients, IPv4 and IPv6.
usage: gwlb_test.py SLUICE [PORT TYPE]

    client [eth0] ---- [side-a] balancer [side-b] ---- [eth0] server
                                [side-t] 10.83.0.1
                                   |  GENEVE
                                 [eni] box, sluice run, 10.83.0.10
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from world import ADDRESS, World, end, expect, until

ENDPOINT = 0x0123456789abcdef
POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
        {"id": "no-dns", "when": {"dns.qname": "casino.example"}, "action": "deny"},
        {"id": "no-udp", "when": {"proto": "udp", "dport": 9999}, "action": "deny", "respond": "unreachable"},
    ],
}


def world(kind):
    w = World(sys.argv[1], mtu=8500)
    box, lb = w.ns["box"], "sl-lb-%d" % os.getpid()
    w.ns["lb"] = lb
    run = lambda *c: subprocess.run(c, check=True, capture_output=True)
    run("ip", "netns", "add", lb)
    run("ip", "-n", lb, "link", "set", "lo", "up")
    for port, name, end_ in (("lan", "side-a", "client"), ("wan", "side-b", "server")):
        run("ip", "-n", box, "link", "del", port)
        w.ns["box"] = lb
        w.cable(end_, name, 8500)
        w.ns["box"] = box
    run("ip", "-n", lb, "link", "add", "side-t", "mtu", "8568", "type", "veth", "peer", "name", "eni", "netns", box)
    run("ip", "-n", box, "link", "set", "eni", "mtu", "8568", "address", "02:00:00:00:83:10", "up")
    run("ip", "-n", lb, "link", "set", "side-t", "address", "02:00:00:00:83:01", "up")
    run("ip", "-n", lb, "addr", "add", "10.83.0.1/24", "dev", "side-t")
    w.inside(box, "sysctl", "-qw", "net.ipv6.conf.eni.disable_ipv6=1")
    for ns, dev in ((w.ns["client"], "eth0"), (w.ns["server"], "eth0")):
        w.inside(ns, "ethtool", "-K", dev, "tx", "off", "gro", "off", capture_output=True)
    return w


def appliance(w, kind):
    c = w.config(POLICY, kind)
    c["ports"] = {"eni": {"type": kind, "device": "eni", "addresses": ["10.83.0.10/24"], "mtu": 8568}}
    c["paths"] = [{"mode": "gwlb", "ports": ["eni"], "mss_clamp_bytes": 1300, "health_port": 80}]
    return c


def probe(w):
    r = w.run("lb", "curl", "-sS", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", "http://10.83.0.10/")
    return r.stdout


def clients(w):
    for family in (0, 1):
        to, name = ADDRESS["server"][family], "IPv%d" % (6 if family else 4)
        url = "http://%s/" % ("[%s]" % to if family else to)
        w.http("server", to)
        w.http("server", to, 8081)
        r = w.run("client", "ping", "-c", "2", "-i", "0.2", "-W", "2", to)
        expect(name + ": ping passes", "2 received" in r.stdout, r.stdout)
        r = w.run("client", "ping", "-c", "1", "-M", "do", "-s", str(8500 - (48 if family else 28)), "-W", "2", to)
        expect(name + ": a packet of 8,500 bytes passes", "1 received" in r.stdout, r.stdout)
        r = w.run("client", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", url + "100000")
        expect(name + ": an allowed request is answered", r.stdout == "200 100000", r.stdout + r.stderr)
        r = w.run("client", "curl", "-sS", "-m", "5", "-H", "Host: casino.example", url)
        expect(name + ": a denied one gets the page", "no-casino" in r.stdout, r.stdout + r.stderr)
        begun = time.time()
        r = w.run("client", "curl", "-sS", "-m", "5", url[:-1] + ":8081/")
        expect(name + ": a denied connection is reset at once", r.returncode == 7 and time.time() - begun < 1, (r.returncode, r.stderr))
        code = """import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((sys.argv[1], 9999))
s.send(b"x")
s.recv(1)"""
        r = w.run("client", sys.executable, "-c", code, to)
        expect(name + ": a denied datagram is answered as unreachable", "rror" in r.stderr and "timed out" not in r.stderr, r.stderr)


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    w = world(kind)
    config = appliance(w, kind)
    (w.folder / "policy.json").unlink()
    w.up(config, says="not loaded")
    until(lambda: probe(w) == "503")
    expect("the probe's port is open, and says 503 while there is no policy", probe(w) == "503", probe(w))
    w.policy(POLICY)
    w.box.send_signal(signal.SIGHUP)
    w.says("enforcing")
    expect("with a policy in force it says 200", probe(w) == "200", probe(w))
    r = w.run("lb", "ping", "-c", "2", "-i", "0.2", "-W", "2", "10.83.0.10")
    expect("the appliance answers a ping itself", "2 received" in r.stdout and "DUP" not in r.stdout, r.stdout)
    report = w.folder / "report.json"
    balancer = w.start("lb", sys.executable, str(pathlib.Path(__file__).with_name("balancer.py")), str(report), "02:00:00:00:83:10",
                       stdout=subprocess.PIPE)
    balancer.stdout.readline()
    clients(w)
    balancer.send_signal(signal.SIGUSR1)
    until(lambda: "RX_NOT_OURS" in json.dumps(w.ctl("show", "drops")))
    drops = json.dumps(w.ctl("show", "drops"))
    for reason, n in (("RX_GENEVE", 5), ("EGRESS_NO_SENDER", 1), ("RX_NOT_OURS", 1)):
        expect("what no balancer sends is dropped by name: " + reason, reason in drops, drops[:2000])
    balancer.terminate()
    balancer.wait()
    status = w.down()
    expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    said = json.loads(report.read_text())
    expect("every frame came back in the header of its flow", not said["wrong"] and said["back"] > 100, said)
    expect("SYNs ask for no more than the clamp", said["mss"] and max(said["mss"]) == 1300, said["mss"])
    tenants = {e.get("tenant") for e in w.events("flow")}
    expect("the endpoint is the tenant", str(ENDPOINT) in tenants, tenants)
    end()


main()
