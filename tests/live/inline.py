# SPDX-License-Identifier: BSD-3-Clause
"""Each way in line, ready for a story: who the clients are, where the servers are, and the appliance's configuration.

    two_arms   client [eth0] ---- [lan] box [wan] ---- [eth0] server               a router between two networks
    one_arm    near -- [v0] router [v1] -- far,  router [eth0] ---- [lan] box      as a VPC's route tables have it
    gwlb       client -- [side-a] balancer [side-b] -- server,  balancer [side-t] ---- [eni] box

A test: p = PLACES["routed"](SLUICE, policy); p.up(); p.w.run(p.client, ..., p.servers[0]); p.down()."""
import json
import os
import pathlib
import subprocess
import sys

from wire import ADDRESS
from world import World, sh, until

HERE = pathlib.Path(__file__).resolve().parent
TARGET_MAC = "02:00:00:00:83:10"


class Place:
    def __init__(self, w, config, client="client", server="server", servers=ADDRESS["server"], clients=ADDRESS["client"]):
        self.w, self.config = w, config
        self.client, self.server = client, server
        self.clients, self.servers = clients, servers
        self.balancer = None
        self.device = {end: "eth1" if end in ("near", "far") else "eth0" for end in (client, server)}

    def up(self, **more):
        self.w.up(self.config, **more)
        if self.w.box.poll() is None:
            self.ready()

    def ready(self):
        """next hops and neighbours are known"""
        if "lb" in self.w.ns:
            self.report = self.w.folder / "report.json"
            self.balancer = self.w.start("lb", sys.executable, str(HERE / "balancer.py"), str(self.report), TARGET_MAC, stdout=subprocess.PIPE)
            self.balancer.stdout.readline()
        for to in self.servers:
            until(lambda: self.w.run(self.client, "ping", "-c", "1", "-W", "1", to).returncode == 0)

    def down(self):
        """its exit status, and what the balancer found wrong"""
        said = {"wrong": [], "mss": []}
        if self.balancer:
            self.balancer.terminate()
            self.balancer.wait()
            said = json.loads(self.report.read_text())
        return self.w.down(), said


def spoil(p, seed):
    """a cable that loses, repeats and delays 5 % each (relay.py) at the clients' side, before it is up; returns its process"""
    w, (where, dev) = p.w, ("lb", "side-a") if "lb" in p.w.ns else ("box", "lan")
    ns, w.ns["relay"] = w.ns[where], "sl-relay-%d" % os.getpid()
    mtu = json.loads(w.run(where, "ip", "-j", "link", "show", dev).stdout)[0]["mtu"]
    v6 = w.run(where, "sysctl", "net.ipv6.conf.%s.disable_ipv6" % dev).stdout.replace(" ", "").strip()
    sh("ip", "netns", "add", w.ns["relay"])
    sh("ip", "-n", ns, "link", "set", dev, "netns", w.ns["relay"], "name", "near")
    sh("ip", "-n", ns, "link", "add", dev, "mtu", str(mtu), "type", "veth", "peer", "name", "far", "mtu", str(mtu), "netns", w.ns["relay"])
    w.run(where, "sysctl", "-qw", v6)
    for end, port in (("relay", "near"), ("relay", "far"), (where, dev)):
        if end == "relay":
            w.run(end, "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % port)
        sh("ip", "-n", w.ns[end], "link", "set", port, "up")
    relay = w.start("relay", sys.executable, str(HERE / "relay.py"), str(w.folder / "relay.json"), "near", "far", "0.05", "0.05", "0.05", "5",
                    str(seed), stdout=subprocess.PIPE)
    relay.stdout.readline()
    return relay


def bridge(sluice, policy, kind="af_packet"):
    w = World(sluice)
    return Place(w, w.config(policy, kind))


def readdress(w, where, dev, addresses, gateways):
    ns = w.ns[where]
    sh("ip", "-n", ns, "addr", "flush", "dev", dev, "scope", "global")
    for a in addresses:
        sh("ip", "-n", ns, "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []))
    for g in gateways:
        sh("ip", "-n", ns, "-6" if ":" in g else "-4", "route", "replace", "default", "via", g)


def router(w, policy, kind, ports):
    c = w.config(policy, kind)
    c["ports"] = {port: {"type": kind, "device": port, "addresses": ["10.%d.0.1/24" % side, "fd%d::1/64" % side]}
                  for port, side in (("lan", 81), ("wan", 82)) if port in ports}
    if kind == "af_packet":  # the interface itself has the addresses
        for port in ports:
            w.inside(w.ns["box"], "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=0" % port)
    c["paths"] = [{"mode": "routed", "ports": ports, "tenant": "none"}]
    c["memory"]["frames"] = 32768
    return c


def two_arms(sluice, policy, kind="af_packet"):
    w = World(sluice)
    readdress(w, "client", "eth0", ["10.81.0.2/24", "fd81::2/64"], ["10.81.0.1", "fd81::1"])
    readdress(w, "server", "eth0", ["10.82.0.2/24", "fd82::2/64"], ["10.82.0.1", "fd82::1"])
    return Place(w, router(w, policy, kind, ["lan", "wan"]), servers=("10.82.0.2", "fd82::2"), clients=("10.81.0.2", "fd81::2"))


def one_arm(sluice, policy, kind="af_packet"):
    """what comes to the router from either side goes to the box, and what comes from the box goes home"""
    w = World(sluice)
    readdress(w, "client", "eth0", ["10.81.0.2/24", "fd81::2/64"], [])
    ns = w.ns["client"]
    w.inside(ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
             "net.ipv4.conf.eth0.rp_filter=0", "net.ipv4.conf.eth0.send_redirects=0", "net.ipv4.conf.all.send_redirects=0")
    for i, end in enumerate(("near", "far")):
        w.ns[end] = "sl-%s-%d" % (end, os.getpid())
        dev, net = "v%d" % i, 90 + i
        sh("ip", "netns", "add", w.ns[end])
        sh("ip", "-n", ns, "link", "add", dev, "type", "veth", "peer", "name", "eth1", "netns", w.ns[end])
        sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", w.ns[end], "link", "set", "eth1", "up")
        sh("ip", "-n", ns, "addr", "add", "10.%d.0.1/24" % net, "dev", dev)
        sh("ip", "-n", ns, "addr", "add", "fd%d::1/64" % net, "dev", dev, "nodad")
        readdress(w, end, "eth1", ["10.%d.0.2/24" % net, "fd%d::2/64" % net], ["10.%d.0.1" % net, "fd%d::1" % net])
        for family in ("-4", "-6"):
            sh("ip", "-n", ns, family, "rule", "add", "iif", dev, "lookup", "100")
    for family, box in (("-4", "10.81.0.1"), ("-6", "fd81::1")):
        sh("ip", "-n", ns, family, "route", "add", "default", "via", box, "dev", "eth0", "table", "100")
    c = router(w, policy, kind, ["lan"])
    c["ports"]["lan"]["next_hop"] = ["10.81.0.2", "fd81::2"]
    return Place(w, c, "near", "far", ("10.91.0.2", "fd91::2"), ("10.90.0.2", "fd90::2"))


def gwlb(sluice, policy, kind="af_packet", mtu=8568):
    """mtu: of the box's port; the customer's packets are 68 bytes smaller"""
    w = World(sluice, mtu=mtu - 68)
    box, lb = w.ns["box"], "sl-lb-%d" % os.getpid()
    w.ns["lb"] = lb
    sh("ip", "netns", "add", lb)
    sh("ip", "-n", lb, "link", "set", "lo", "up")
    for port, name, end in (("lan", "side-a", "client"), ("wan", "side-b", "server")):
        sh("ip", "-n", box, "link", "del", port)
        w.ns["box"] = lb
        w.cable(end, name, mtu - 68)
        w.ns["box"] = box
    sh("ip", "-n", lb, "link", "add", "side-t", "mtu", str(mtu), "type", "veth", "peer", "name", "eni", "netns", box)
    sh("ip", "-n", box, "link", "set", "eni", "mtu", str(mtu), "address", TARGET_MAC, "up")
    sh("ip", "-n", lb, "link", "set", "side-t", "address", "02:00:00:00:83:01", "up")
    sh("ip", "-n", lb, "addr", "add", "10.83.0.1/24", "dev", "side-t")
    w.inside(box, "sysctl", "-qw", "net.ipv6.conf.eni.disable_ipv6=1")
    for end in ("client", "server"):
        w.run(end, "ethtool", "-K", "eth0", "tx", "off", "gro", "off")
    c = w.config(policy, kind)
    c["ports"] = {"eni": {"type": kind, "device": "eni", "addresses": ["10.83.0.10/24"], "mtu": mtu}}
    c["paths"] = [{"mode": "gwlb", "ports": ["eni"], "mss_clamp_bytes": 1300, "health_port": 80}]
    return Place(w, c)


PLACES = {
    "af_packet": bridge,
    "af_xdp": lambda sluice, policy: bridge(sluice, policy, "af_xdp"),
    "routed": two_arms,
    "routed-af_xdp": lambda sluice, policy: two_arms(sluice, policy, "af_xdp"),
    "one-arm": one_arm,
    "one-arm-af_xdp": lambda sluice, policy: one_arm(sluice, policy, "af_xdp"),
    "balancer": gwlb,
    "balancer-af_xdp": lambda sluice, policy: gwlb(sluice, policy, "af_xdp", 3250),
}
