# SPDX-License-Identifier: BSD-3-Clause
"""A target of a Gateway Load Balancer, which balancer.py plays; real clients, IPv4 and IPv6. Beside it in the same appliance a bridge of two
TAPs whose VLANs are customers with the same addresses and ports as those behind the balancer. usage: gwlb_test.py SLUICE [PORT TYPE]

    client [eth0] ---- [side-a] balancer [side-b] ---- [eth0] server
                                [side-t] 10.83.0.1
                                   |  GENEVE
                                 [eni] box, sluice run, 10.83.0.10 [va] [vb]
"""
import json
import signal
import socket
import struct
import sys
import time

import inline
import wire
from world import ADDRESS, end, expect, until

ENDPOINT = 0x0123456789abcdef
POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
        {"id": "no-dns", "when": {"dns.qname": "casino.example"}, "action": "deny"},
        {"id": "no-name-in-42", "when": {"tenant": 42, "dns.qname": "name.example"}, "action": "deny"},
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

# in the box, at the kernel's side of both TAPs: sends a frame into the first, and prints what each says by UDP, with its VLAN, until each frame was answered
TAPS = """import json, socket, struct, sys, time
ports = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in (0, 1)]
for s, name in zip(ports, ("va", "vb")):
    s.bind((name, 3)); s.setsockopt(263, 8, 1); s.setblocking(False)  # PACKET_AUXDATA: the tag is not in the frame
frames, seen, end_at = sys.argv[1:], [], time.monotonic() + 15
for f in frames: ports[0].send(bytes.fromhex(f))
while len(seen) < len(frames) and time.monotonic() < end_at:
    for n, s in enumerate(ports):
        try: frame, said, _, who = s.recvmsg(2000, 100)
        except BlockingIOError: continue
        tag = struct.unpack_from("=H", said[0][2], 16)[0]
        if who[2] != 4 and frame[12:14] == b"\\x08\\0" and frame[23] == 17: seen.append([n, tag, frame[14:].hex()])
    time.sleep(0.01)
print(json.dumps(sorted(seen)))"""
QUERY = b"\1\2\1\0\0\1\0\0\0\0\0\0\4name\7example\0\0\1\0\1"
PORT = 20053


def tagged(vlan):
    """the query of the first customer's client, in a VLAN"""
    client, server = (bytes.fromhex(wire.MAC[e].replace(":", "")) for e in ("client", "server"))
    addresses = b"".join(socket.inet_aton(ADDRESS[e][0]) for e in ("client", "server"))
    h = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(QUERY), 0, 0, 64, 17, 0) + addresses
    h = h[:10] + struct.pack("!H", wire.ip_sum(h)) + h[12:]
    return server + client + struct.pack("!HHH", 0x8100, vlan, 0x800) + h + struct.pack("!HHHH", PORT, 53, 8 + len(QUERY), 0) + QUERY


def tenants(w):
    """three customers, one five-tuple: the first's name is denied"""
    r = w.run("box", sys.executable, "-c", TAPS, tagged(42).hex(), tagged(43).hex())
    seen = json.loads(r.stdout or "[]")
    expect("a rule of one VLAN's customer is not its neighbour's", [s[:2] for s in seen] == [[0, 42], [1, 43]], (seen, r.stderr))
    answer, passed = (bytes.fromhex(s[2]) for s in seen)
    expect("the first is answered in its VLAN: NXDOMAIN, the second's query passes as it was",
           answer[28:31] == QUERY[:2] + b"\x81" and answer[31] & 15 == 3 and passed == tagged(43)[18:], (answer, passed))
    code = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', %d)); s.settimeout(9)\n" % PORT
    server = w.start("server", sys.executable, "-c", code.replace(str(PORT), "53") + "print(s.recv(99) == %r)" % QUERY, stdout=-1, text=True)
    w.listens("server", 53, protocol="u")
    w.run("client", sys.executable, "-c", code + "s.sendto(%r, (%r, 53))" % (QUERY, ADDRESS["server"][0]))
    expect("nor that of who is behind the balancer", server.communicate()[0] == "True\n")


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
    p.config["ports"].update({t: {"type": "tap", "device": t} for t in ("va", "vb")})
    p.config["paths"].append({"mode": "bridge", "ports": ["va", "vb"], "transport": "vlan"})
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
    tenants(w)
    p.balancer.send_signal(signal.SIGUSR1)
    until(lambda: "RX_NOT_OURS" in json.dumps(w.ctl("show", "drops")))
    drops = json.dumps(w.ctl("show", "drops"))
    for reason, n in (("RX_GENEVE", 5), ("EGRESS_NO_SENDER", 1), ("RX_NOT_OURS", 1)):
        expect("what no balancer sends is dropped by name: " + reason, reason in drops, drops[:2000])
    status, said = p.down()
    expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    expect("every frame came back in the header of its flow", not said["wrong"] and said["back"] > 100, said)
    expect("SYNs ask for no more than the clamp", said["mss"] and max(said["mss"]) == 1300, said["mss"])
    theirs = {e["tenant"]: e.get("verdict", {}).get("rule") for e in w.events("flow") if e.get("src_port") == PORT}
    expect("the endpoint is the tenant, and each VLAN is one", theirs == {"42": "no-name-in-42", "43": "default", str(ENDPOINT): "default"}, theirs)
    end()


main()
