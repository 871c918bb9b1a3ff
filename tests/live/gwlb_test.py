# SPDX-License-Identifier: BSD-3-Clause
"""A target of a Gateway Load Balancer, which balancer.py plays; real clients, IPv4 and IPv6.
usage: gwlb_test.py SLUICE [PORT TYPE]

    client [eth0] ---- [side-a] balancer [side-b] ---- [eth0] server
                                [side-t] 10.83.0.1
                                   |  GENEVE
                                 [eni] box, sluice run, 10.83.0.10
"""
import json
import signal
import sys
import time

import inline
from world import ADDRESS, end, expect, until

ENDPOINT = 0x0123456789abcdef
POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
        {"id": "no-dns", "when": {"dns.qname": "casino.example"}, "action": "deny"},
        {"id": "no-udp", "when": {"proto": "udp", "dport": 9999}, "action": "deny", "respond": "unreachable"},
    ],
}


UNHEARD = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect(("10.83.0.10", 6081))
try:
    s.send(bytes(8))
    s.recv(100)
except TimeoutError:
    print("silence")"""


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
    p = inline.gwlb(sys.argv[1], POLICY, kind)
    w = p.w
    (w.folder / "policy.json").unlink()
    w.up(p.config, says="not loaded")
    until(lambda: probe(w) == "503")
    expect("the probe's port is open, and says 503 while there is no policy", probe(w) == "503", probe(w))
    w.policy(POLICY)
    w.box.send_signal(signal.SIGHUP)
    w.says("enforcing")
    expect("with a policy in force it says 200", probe(w) == "200", probe(w))
    r = w.run("lb", "ping", "-c", "2", "-i", "0.2", "-W", "2", "10.83.0.10")
    expect("the appliance answers a ping itself", "2 received" in r.stdout and "DUP" not in r.stdout, r.stdout)
    r = w.run("lb", sys.executable, "-c", UNHEARD)
    expect("GENEVE is not answered as unreachable by the box's kernel", r.stdout.strip() == "silence", r.stdout + r.stderr)
    p.ready()
    clients(w)
    p.balancer.send_signal(signal.SIGUSR1)
    until(lambda: "RX_NOT_OURS" in json.dumps(w.ctl("show", "drops")))
    drops = json.dumps(w.ctl("show", "drops"))
    for reason, n in (("RX_GENEVE", 5), ("EGRESS_NO_SENDER", 1), ("RX_NOT_OURS", 1)):
        expect("what no balancer sends is dropped by name: " + reason, reason in drops, drops[:2000])
    status, said = p.down()
    expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    expect("every frame came back in the header of its flow", not said["wrong"] and said["back"] > 100, said)
    expect("SYNs ask for no more than the clamp", said["mss"] and max(said["mss"]) == 1300, said["mss"])
    tenants = {e.get("tenant") for e in w.events("flow")}
    expect("the endpoint is the tenant", str(ENDPOINT) in tenants, tenants)
    end()


main()
