# SPDX-License-Identifier: BSD-3-Clause
"""Ports that are no interface of this machine: two appliances that a memif joins, and TAPs whose kernel side is in a bridge with an
interface. usage: virtual_test.py SLUICE

    client [eth0] ---- [lan] box -- memif -- other [wan] ---- [eth0] server
    client [eth0] ---- [lan] bridge [t0] -- box -- [t1] bridge [wan] ---- [eth0] server
"""
import json
import os
import sys

from wire import ADDRESS
from world import QUIET, World, end, expect, sh, until

POLICY = {"rules": [{"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny"},
                    {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"}]}


def clients(w, name):
    for family, to in enumerate(ADDRESS["server"]):
        at = "%s IPv%d: " % (name, 4 + 2 * family)
        url = "http://%s" % ("[%s]" % to if family else to)
        w.http("server", to)
        until(lambda: w.run("client", "ping", "-c", "1", "-W", "1", to).returncode == 0)
        r = w.run("client", "curl", "-sS", "-m", "9", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", url + "/100000")
        expect(at + "an allowed request is answered", r.stdout == "200 100000", r.stdout + r.stderr)
        r = w.run("client", "curl", "-sS", "-m", "9", "-H", "Host: casino.example", url + "/")
        expect(at + "a denied one gets the page", "no-casino" in r.stdout, r.stdout + r.stderr)
        r = w.run("client", "curl", "-sS", "-m", "9", url + ":8081/")
        expect(at + "a denied connection is reset", r.returncode == 7, (r.returncode, r.stderr))


def up(w):
    """as `show` has it: a link that is there from the start is not said"""
    ports = w.ctl("show", "port", "info", "all").get("result", {}).get("ports", [])
    return bool(ports) and all(p["link"] == "up" for p in ports)


def memif():
    """the first appliance allows all, the second decides"""
    w = World(sys.argv[1])
    joint = {"type": "memif", "device": str(w.folder / "memif.sock")}
    c = w.config(POLICY)
    c["ports"]["lan"] = {**joint, "memif_server": True}
    w.up(c)
    other = w.config()
    other["ports"]["wan"] = joint
    other["control"] = {"socket": "", "http": ""}
    other["sinks"] = []
    other["policy"] = {"history": ""}
    (w.folder / "other.json").write_text(json.dumps(other))
    said = w.folder / "other.log"

    def begins():
        p = w.start("box", sys.argv[1], "run", "-c", str(w.folder / "other.json"), stderr=open(said, "w"), env={**os.environ, **QUIET})
        until(lambda: "forwarding" in said.read_text(), 60)
        return p

    second = begins()
    expect("memif: its link is up", until(lambda: up(w), 60), w.log.read_text()[-2000:])
    clients(w, "memif")
    second.terminate()
    second.wait(30)
    expect("memif: its peer ends, and it is said", w.says("no link", 60))
    second = begins()
    back = until(lambda: w.run("client", "ping", "-c", "1", "-W", "1", ADDRESS["server"][0]).returncode == 0, 60)
    expect("memif: it is there again, and the path too", back and up(w), w.log.read_text()[-800:])
    xstats = w.ctl("show", "port", "xstats", "all")["result"]["ports"]
    expect("show port xstats: what each driver counts, and the kernel beneath it", [p["port"] for p in xstats if p["rx_good_packets"] and p["tx_good_packets"]] ==
           ["lan", "wan"] and xstats[1]["kernel_rx_packets"], xstats)
    second.terminate()
    status = second.wait(30), w.down()
    expect("memif: both drain, and their ledgers hold", status == (0, 0), (status, said.read_text()[-800:], w.log.read_text()[-800:]))
    w.close()


def taps():
    w = World(sys.argv[1])
    c = w.config(POLICY)
    c["ports"] = {"lan": {"type": "tap", "device": "t0"}, "wan": {"type": "tap", "device": "t1"}}
    w.up(c)
    for n, cable in enumerate(("lan", "wan")):
        bridge = "br%d" % n
        sh("ip", "-n", w.ns["box"], "link", "add", bridge, "type", "bridge")
        w.run("box", "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % bridge)
        for dev in (cable, "t%d" % n):
            sh("ip", "-n", w.ns["box"], "link", "set", dev, "master", bridge)
        sh("ip", "-n", w.ns["box"], "link", "set", bridge, "up")
    clients(w, "tap")
    status = w.down()
    expect("tap: it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))


if __name__ == "__main__":
    memif()
    taps()
    end()
