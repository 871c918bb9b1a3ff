# SPDX-License-Identifier: BSD-3-Clause
"""A router between two networks, with real clients, over IPv4 and IPv6; two arms, then one.
usage: routed_test.py SLUICE [PORT TYPE]

    client [eth0] -------- [lan] box [wan] -------- [eth0] server
    10.81.0.2/24        .1  sluice run  .1          10.82.0.2/24     two arms
    fd81::2/64          ::1              ::1        fd82::2/64

af_packet: the box's own interfaces have the addresses, and its kernel answers ARP and pings. Other types: TAPs that the
appliance makes have them (lan-own, wan-own)."""
import sys
import time

import inline
from world import end, expect, sh, until

SERVER = ("10.82.0.2", "fd82::2")
BOX = {"lan": ("10.81.0.1", "fd81::1"), "wan": ("10.82.0.1", "fd82::1")}
POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
        {"id": "no-ping", "when": {"proto": "icmp", "dst": "10.82.0.99"}, "action": "deny"},
    ],
}


def serve(w):
    for family in (0, 1):
        for port in (80, 8081):
            w.http("server", SERVER[family], port)


def clients(w, box):
    for family in (0, 1):
        name = "IPv%d" % (6 if family else 4)
        to = SERVER[family]
        url = "http://%s/" % ("[%s]" % to if family else to)
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


def anew(p, kind):
    """the way to the server: its link goes, and comes back; the interface is deleted, and made again"""
    w = p.w

    def passes(what):
        for family, to in enumerate(p.servers):
            back = until(lambda: w.run("client", "ping", "-c", "1", "-W", "1", to).returncode == 0)
            expect("%s, IPv%d: %s, and the path is there again" % (kind, 6 if family else 4, what), back, w.log.read_text()[-1500:])

    box = w.ns["box"]
    sh("ip", "-n", box, "link", "set", "wan", "down")
    w.says("no link")
    expect("%s: nothing passes" % kind, w.run("client", "ping", "-c", "1", "-W", "1", p.servers[0]).returncode != 0)
    drops = w.ctl("show", "drops")["result"]
    expect("%s: what should leave is lost by name, and it is said that the port has no link" % kind,
           drops["losing"] and drops["no_link"] == ["wan"] and "EGRESS_DOWN" in [d["door"] for d in drops["doors"]], drops)
    sh("ip", "-n", box, "link", "set", "wan", "up")
    passes("link down and up")
    sh("ip", "-n", box, "link", "del", "wan")
    w.says("is gone")
    w.cable("server", "wan", 1500)
    w.inside(box, "sysctl", "-qw", "net.ipv6.conf.wan.disable_ipv6=0")
    inline.readdress(w, "server", "eth0", ["10.82.0.2/24", "fd82::2/64"], ["10.82.0.1", "fd82::1"])
    passes("deleted and made again")


def two_arms_anew(kind):
    p = inline.two_arms(sys.argv[1], POLICY, kind)
    p.up()
    anew(p, kind)
    status, _ = p.down()
    expect("%s: it drains, the ledger holds, and it exits 0" % kind, status == 0, (status, p.w.log.read_text()[-2000:]))
    p.w.close()


def two_arms(kind):
    p = inline.two_arms(sys.argv[1], POLICY, kind)
    w = p.w
    w.up(p.config)
    for family, to in enumerate(SERVER):
        r = w.run("client", "ping", "-c", "1", "-W", "9", to)
        expect("the first packet to who is not known yet passes, to %s" % to, "1 received" in r.stdout, r.stdout)
    serve(w)
    clients(w, BOX["lan"])
    r = w.run("client", "ping", "-c", "1", "-W", "2", "10.99.0.1")
    expect("no way: said, by the port's own address", "Net Unreachable" in r.stdout and BOX["lan"][0] in r.stdout, r.stdout)
    r = w.run("client", "ping", "-c", "1", "-W", "9", "10.82.0.77")
    expect("nobody there: said, when nobody answered", "Host Unreachable" in r.stdout and BOX["lan"][0] in r.stdout, r.stdout)
    text = str(w.ctl("show", "drops"))
    for reason in ("EGRESS_NO_ROUTE", "EGRESS_NO_NEIGHBOUR", "EGRESS_TTL"):
        expect("it is counted: " + reason, reason in text, text[:1500])
    anew(p, kind)
    status = w.down()
    expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    w.close()


def one_arm(kind):
    p = inline.one_arm(sys.argv[1], POLICY, kind)
    w = p.w
    p.up()
    for family, to in enumerate(p.servers):
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
    w.close()


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    two_arms(kind)
    one_arm(kind)
    two_arms_anew("af_xdp" if kind == "af_packet" else kind)
    end()


main()
