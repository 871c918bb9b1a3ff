# SPDX-License-Identifier: BSD-3-Clause
"""What a bridge does with the link's own traffic: ARP, ND and DHCP pass under a policy that denies by default, unless a
rule names them; other_l2 as told; too big for the way out is answered; AF_XDP on hugepages.
usage: link_test.py SLUICE [PORT TYPE]"""
import json
import subprocess
import sys

from world import ADDRESS, World, end, expect, until

HUGEPAGES = 128  # of 2 MiB: more than the config of a world wants
WEB = {"id": "web", "when": {"proto": "tcp", "dport": 80}, "action": "allow"}
DHCP = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("", int(sys.argv[1])))
if sys.argv[2] == "listen":
    print("ready", flush=True)
    s.settimeout(20)
    print(s.recv(100).decode(), flush=True)
else:
    s.sendto(b"discover", ("255.255.255.255", 67))"""

# free pages of 2 MiB are promised to a mapping that has not touched them: they count as free
RESERVE = """import mmap, sys
n = int(open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read())
m = mmap.mmap(-1, n << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)  # MAP_HUGETLB
print("ready", flush=True)
sys.stdin.read()"""


def curl(w, family):
    to = ADDRESS["server"][family]
    r = w.run("client", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://%s/" % ("[%s]" % to if family else to))
    return r.stdout or r.stderr


def forget(w):
    for ns in ("client", "server"):
        w.inside(w.ns[ns], "ip", "neigh", "flush", "all", capture_output=True)


def reload(w, policy):
    before = w.log.read_text().count("enforcing")
    w.policy(policy)
    w.box.send_signal(1)
    until(lambda: w.log.read_text().count("enforcing") > before)


def default_denies(kind):
    w = World(sys.argv[1])
    w.up(w.config({"default": {"action": "deny"}, "rules": [WEB]}, kind))
    for family in (0, 1):
        w.http("server", ADDRESS["server"][family])
    forget(w)
    expect("default deny: ARP passes", curl(w, 0) == "200")
    expect("default deny: ND passes", curl(w, 1) == "200")
    r = w.run("client", "ping", "-c", "1", "-t", "255", "-W", "1", ADDRESS["server"][1])
    expect("default deny: a ping does not", r.returncode != 0, r.stdout)
    server = w.start("server", sys.executable, "-c", DHCP, "67", "listen", stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    w.run("client", sys.executable, "-c", DHCP, "68", "send")
    heard = until(lambda: server.poll() is not None)
    expect("default deny: DHCP passes", heard and server.returncode == 0 and "discover" in server.stdout.read())
    reload(w, {"default": {"action": "deny"}, "rules": [WEB, {"id": "no-nd", "when": {"proto": "icmpv6"}, "action": "deny"}]})
    forget(w)
    expect("a rule that names it stops ND", curl(w, 1) == "000")
    status = w.down()
    expect("default deny: it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    w.close()


def as_told(kind):
    w = World(sys.argv[1])
    c = w.config({"rules": []}, kind)
    c["paths"][0].update({"other_l2": "drop", "other_l2_except": [0x0806], "link_local": "drop"})
    w.up(c)
    w.http("server", ADDRESS["server"][0])
    forget(w)
    expect("other_l2 dropped, but for ARP", curl(w, 0) == "200")
    w.run("client", sys.executable, "-c", "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
          "s.send(bytes.fromhex('0180c200000e02000000770188cc') + bytes(46))")
    w.run("client", "ping", "-c", "1", "-W", "1", "-I", "eth0", "224.0.0.5")
    drops = json.dumps(w.ctl("show", "drops"))
    for reason in ("EGRESS_OTHER_L2", "EGRESS_LINK_LOCAL"):
        expect("it is counted: " + reason, reason in drops, drops[:1500])
    status = w.down()
    expect("as told: it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    w.close()


def too_big(kind):
    w = World(sys.argv[1])
    c = w.config({"rules": []}, kind)
    c["paths"][0]["mtu_clamp"] = True
    w.up(c)
    expect("it passes at first", w.run("client", "ping", "-c", "1", "-M", "do", "-s", "1450", "-W", "5", ADDRESS["server"][0]).returncode == 0)
    for ns, dev in (("box", "wan"), ("server", "eth0")):
        w.inside(w.ns[ns], "ip", "link", "set", dev, "mtu", "1400")
    w.says("was reset")
    for family in (0, 1):
        to, name = ADDRESS["server"][family], "IPv%d" % (6 if family else 4)
        w.run("client", "ping", "-c", "1", "-W", "1", to)
        r = w.run("client", "ping", "-c", "1", "-M", "do", "-s", str(1450 - (48 if family else 28)), "-W", "2", to)
        expect(name + ": too big for the way out is said, with the MTU", "1400" in r.stdout, r.stdout)
        w.http("server", to)
        w.run("client", "ip", "route", "flush", "cache")
        r = w.run("client", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "-H", "X-Long: " + "x" * 3000,
                  "http://%s/" % ("[%s]" % to if family else to))
        expect(name + ": a client learns it and gets through", r.stdout == "200", r.stdout + r.stderr)
    drops = json.dumps(w.ctl("show", "drops"))
    expect("it is counted: EGRESS_TOO_BIG", "EGRESS_TOO_BIG" in drops, drops[:1500])
    status = w.down()
    expect("too big: it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    w.close()


def giants():
    """interfaces as they are made: each end leaves cutting up to a card, and one port merges what comes"""
    def offload(where, dev, what):
        return what + "-offload: on" in w.run(where, "ethtool", "-k", dev).stdout

    w = World(sys.argv[1])
    ends = ("client", "server")
    w.run("box", "ethtool", "-K", "lan", "gro", "on")
    expect("giants: the ends would send them", all(offload(e, "eth0", "tcp-segmentation") for e in ends))
    w.up(w.config({"rules": []}))
    for i, end_ in enumerate(ends):
        for to in ADDRESS[end_]:
            w.http(end_, to)
            url = "http://%s/4000000" % ("[%s]" % to if ":" in to else to)
            r = w.run(ends[1 - i], "curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{size_download}", url)
            expect("giants: a large answer comes whole from " + to, r.stdout == "4000000", r.stdout + r.stderr)
    drops = json.dumps(w.ctl("show", "drops"))
    expect("giants: none came", "too_long" not in drops, drops)
    expect("giants: merging is off, and it is said", not offload("box", "lan", "generic-receive") and "rx-gro of lan off" in w.log.read_text())
    expect("giants: it ends", w.down() == 0, w.log.read_text()[-500:])
    expect("giants: ports and ends are as they were", offload("box", "lan", "generic-receive") and
           not offload("box", "wan", "generic-receive") and all(offload(e, "eth0", "tcp-segmentation") for e in ends))
    w.up(w.config({"rules": []}))
    w.box.kill()
    w.box.wait()
    expect("giants: after a kill -9 the ends are", until(lambda: all(offload(e, "eth0", "tcp-segmentation") for e in ends)))
    w.close()


def as_it_is():
    """interfaces of 9,000 bytes of which the config says nothing: too large for XDP, and the server leaves its segments to a card"""
    w = World(sys.argv[1], mtu=9000)
    w.up(w.config({"rules": []}))
    to = ADDRESS["server"][0]
    expect("jumbo: passes", w.run("client", "ping", "-c", "1", "-M", "do", "-s", "8900", "-W", "5", to).returncode == 0, w.log.read_text()[-1500:])
    expect("nothing is lost", not w.ctl("show", "drops")["result"]["losing"], w.ctl("show", "drops"))
    w.http("server", to)
    w.run("client", "curl", "-sS", "-m", "2", "-o", "/dev/null", "http://%s/1000000" % to)
    drops = w.ctl("show", "drops")["result"]
    expect("jumbo: it is said that segments will be", "3,506" in w.log.read_text(), w.log.read_text()[-1500:])
    expect("what TSO made is lost, and it is said what mends it", drops["losing"] and drops["most"] == "wan.too_long" and "tso off" in drops["mend"], drops)
    expect("jumbo: ends", w.down() == 0, w.log.read_text()[-500:])
    w.close()


def pages(w, wanted, seen, kind="af_xdp"):
    """memory.pages as wanted: memory is of pages as seen, and the bridge passes"""
    w.up(w.config({"rules": []}, kind, memory={"flows": 65536, "pages": wanted}))
    expect("memory.pages=%s: %s" % (wanted, seen), "memory pages=" + seen in w.log.read_text(), w.log.read_text()[-1500:])
    expect("%s, pages %s: passes" % (kind, seen), w.run("client", "ping", "-c", "1", "-W", "5", ADDRESS["server"][0]).returncode == 0)
    expect("%s, pages %s: ends" % (kind, seen), w.down() == 0, w.log.read_text()[-500:])


def huge():
    """where DPDK goes by physical addresses it lists each hugepage of a pool apart; AF_XDP takes the pool in one piece"""
    w = World(sys.argv[1])
    nothing = {"lan": {"type": "null"}, "wan": {"type": "null"}}
    w.up(w.config(ports=nothing, memory={"pages": "huge", "dpdk_mb": 1048576}), says="echo 524289 > /sys/kernel/mm/hugepages")
    expect("memory.pages=huge: no start without them", w.box.wait(20) == 3, w.log.read_text()[-500:])
    if w.hugepages(HUGEPAGES):
        pages(w, "auto", "huge")
        pages(w, "huge", "huge", "af_packet")
        pages(w, "small", "small", "af_packet")
        holds = w.start("box", sys.executable, "-c", RESERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holds.stdout.readline()
        pages(w, "auto", "small", "af_packet")
        expect("that others had reserved them is said", "starting again with small ones" in w.log.read_text(), w.log.read_text()[-1500:])
        holds.kill()
    w.close()


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    default_denies(kind)
    as_told(kind)
    too_big(kind)
    giants()
    as_it_is()
    huge()
    end()


main()
