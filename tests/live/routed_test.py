# SPDX-License-Identifier: BSD-3-Clause
"""A router between two networks, with real clients, over IPv4 and IPv6; two arms, then one.
usage: routed_test.py SLUICE [PORT TYPE]

    client [eth0] -------- [lan] box [wan] -------- [eth0] server
    10.81.0.2/24        .1  sluice run  .1          10.82.0.2/24     two arms
    fd81::2/64          ::1              ::1        fd82::2/64

af_packet: the box's own interfaces have the addresses, and its kernel answers ARP and pings. Other types: TAPs that the
appliance makes have them (lan-own, wan-own)."""
import os
import subprocess
import sys
import time

from world import World, end, expect, until

CLIENT = ("10.81.0.2", "fd81::2")
SERVER = ("10.82.0.2", "fd82::2")
BOX = {"lan": ("10.81.0.1", "fd81::1"), "wan": ("10.82.0.1", "fd82::1")}
POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
        {"id": "no-ping", "when": {"proto": "icmp", "dst": "10.82.0.99"}, "action": "deny"},
    ],
}


def readdress(w, where, dev, addresses, gateways):
    ns = w.ns[where]
    run = lambda *c: subprocess.run(["ip", "-n", ns, *c], check=True, capture_output=True)
    run("addr", "flush", "dev", dev, "scope", "global")
    for a in addresses:
        run("addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []))
    for g in gateways:
        run("-6" if ":" in g else "-4", "route", "replace", "default", "via", g)


def router(w, kind):
    c = w.config(POLICY, kind)
    for port, side in (("lan", 81), ("wan", 82)):
        c["ports"][port]["addresses"] = ["10.%d.0.1/24" % side, "fd%d::1/64" % side]
        if kind == "af_packet":  # the interface itself has the addresses
            w.inside(w.ns["box"], "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=0" % port)
    c["paths"] = [{"mode": "routed", "ports": ["lan", "wan"], "tenant": "none"}]
    c["memory"]["frames"] = 32768
    return c


def serve(w):
    for family in (0, 1):
        for port in (80, 8081):
            w.http("server", SERVER[family], port)


def clients(w, box):
    for family in (0, 1):
        name = "IPv%d" % (6 if family else 4)
        to = SERVER[family]
        url = "http://%s/" % ("[%s]" % to if family else to)
        w.run("client", "ping", "-c", "1", "-W", "1", to)  # neighbours become known
        r = w.run("client", "ping", "-c", "3", "-i", "0.2", "-W", "2", to)
        expect(name + ": ping passes, one hop less", "0% packet loss" in r.stdout and "ttl=63" in r.stdout, r.stdout)
        r = w.run("client", "ping", "-c", "2", "-i", "0.2", "-W", "2", box[family])
        expect(name + ": the appliance itself answers a ping, once", "2 received, 0% packet loss" in r.stdout and "DUP" not in r.stdout, r.stdout)
        r = w.run("client", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        expect(name + ": an allowed request is answered", r.stdout == "200", r.stdout + r.stderr)
        r = w.run("client", "curl", "-sS", "-m", "5", "-H", "Host: casino.example", url)
        expect(name + ": a denied one gets the page", "no-casino" in r.stdout, r.stdout + r.stderr)
        begun = time.time()
        r = w.run("client", "curl", "-sS", "-m", "5", url[:-1] + ":8081/")
        expect(name + ": a denied connection is reset at once", r.returncode == 7 and time.time() - begun < 1, (r.returncode, r.stderr))
        r = w.run("client", "ping", "-c", "1", "-t", "1", "-W", "2", to)
        said = "Time to live exceeded" in r.stdout or "Hop limit" in r.stdout
        expect(name + ": time exceeded is said, by the port's own address", said and box[family] in r.stdout, r.stdout)


def two_arms(kind):
    w = World(sys.argv[1])
    readdress(w, "client", "eth0", ["10.81.0.2/24", "fd81::2/64"], BOX["lan"])
    readdress(w, "server", "eth0", ["10.82.0.2/24", "fd82::2/64"], BOX["wan"])
    w.up(router(w, kind))
    serve(w)
    clients(w, BOX["lan"])
    w.run("client", "ping", "-c", "1", "-W", "1", "10.99.0.1")
    w.run("client", "ping", "-c", "1", "-W", "1", "10.82.0.77")
    text = str(w.ctl("show", "drops"))
    for reason in ("EGRESS_NO_ROUTE", "EGRESS_NO_NEIGHBOUR", "EGRESS_TTL"):
        expect("it is counted: " + reason, reason in text, text[:1500])
    status = w.down()
    expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    w.close()


def one_arm(kind):
    """as a VPC's route tables have it: the router sends what comes from either side to the box, and brings home what
    comes from the box

        near [eth1 10.90.0.2] --- [v0] router (client's namespace) [v1] --- [eth1 10.91.0.2] far
                                         [eth0] --- [lan] box
    """
    w = World(sys.argv[1])
    readdress(w, "client", "eth0", ["10.81.0.2/24", "fd81::2/64"], [])
    router_ns = w.ns["client"]
    run = lambda *c: subprocess.run(["ip", *c], check=True, capture_output=True)
    w.inside(router_ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
             "net.ipv4.conf.eth0.rp_filter=0", "net.ipv4.conf.eth0.send_redirects=0", "net.ipv4.conf.all.send_redirects=0")
    for i, end_ in enumerate(("near", "far")):
        ns = w.ns[end_] = "sl-%s-%d" % (end_, os.getpid())
        dev, net = "v%d" % i, 90 + i
        run("netns", "add", ns)
        run("-n", router_ns, "link", "add", dev, "type", "veth", "peer", "name", "eth1", "netns", ns)
        run("-n", router_ns, "link", "set", dev, "up")
        run("-n", ns, "link", "set", "eth1", "up")
        run("-n", router_ns, "addr", "add", "10.%d.0.1/24" % net, "dev", dev)
        run("-n", router_ns, "addr", "add", "fd%d::1/64" % net, "dev", dev, "nodad")
        readdress(w, end_, "eth1", ["10.%d.0.2/24" % net, "fd%d::2/64" % net], ["10.%d.0.1" % net, "fd%d::1" % net])
        for family in ("-4", "-6"):
            run("-n", router_ns, family, "rule", "add", "iif", dev, "lookup", "100")
    for family, box in (("-4", "10.81.0.1"), ("-6", "fd81::1")):
        run("-n", router_ns, family, "route", "add", "default", "via", box, "dev", "eth0", "table", "100")
    c = router(w, kind)
    del c["ports"]["wan"]
    c["ports"]["lan"]["next_hop"] = ["10.81.0.2", "fd81::2"]
    c["paths"] = [{"mode": "routed", "ports": ["lan"], "tenant": "none"}]
    w.up(c)
    until(lambda: w.run("near", "ping", "-c", "1", "-W", "1", "fd91::2").returncode == 0)  # next hops are asked for
    for family, to in ((0, "10.91.0.2"), (1, "fd91::2")):
        name = "one arm, IPv%d" % (6 if family else 4)
        w.http("far", to)
        url = "http://%s/" % ("[%s]" % to if family else to)
        r = w.run("near", "ping", "-c", "2", "-i", "0.2", "-W", "2", to)
        expect(name + ": ping passes, through router, box and router", "0% packet loss" in r.stdout and "ttl=61" in r.stdout, r.stdout)
        r = w.run("near", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        expect(name + ": an allowed request is answered", r.stdout == "200", r.stdout + r.stderr)
        r = w.run("near", "curl", "-sS", "-m", "5", "-H", "Host: casino.example", url)
        expect(name + ": a denied one gets the page", "no-casino" in r.stdout, r.stdout + r.stderr)
    status = w.down()
    expect("one arm: it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    two_arms(kind)
    one_arm(kind)
    end()


main()
