#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is said to the ends of a denied flow, heard by real stacks: curl, dig, openssl and the kernel's sockets, plain, in
VLAN and in GWLB (wire.py), and with `sluice run` in every way in line (inline.py).
usage: answers_test.py SLUICE [plain|vlan|gwlb|live|PLACE]...; live: one port type a place, with SLUICE_FULL=1 all; exit 77: skipped"""
import os
import pathlib
import ssl
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pcap_file  # noqa: E402
import wire  # noqa: E402
from inline import PLACES  # noqa: E402

SOON = 5  # seconds that a client takes at most, with its start on a busy machine, where it is told; else it would wait 8. How
# soon it is told says timed()
POLICY = {
    "rules": [
        {"id": "port", "action": "deny", "when": {"proto": "tcp", "dport": 81}},
        {"id": "prohibited", "action": "deny", "respond": "unreachable", "when": {"proto": "tcp", "dport": 82}},
        {"id": "late", "action": "deny", "respond": "unreachable", "when": {"host": ["far.test", "far-tls.test"]}},
        {"id": "udp", "action": "deny", "when": {"proto": "udp", "dport": 9}},
        {"id": "page", "action": "deny", "reason": "Games are closed at work", "when": {"http.host": "games.test"}},
        {"id": "reset", "action": "deny", "when": {"tls.sni": "reset.test"}},
        {"id": "alert", "action": "deny", "respond": "tls_alert", "when": {"tls.sni": "alert.test"}},
        {"id": "quiet", "action": "deny", "respond": "drop", "when": {"http.host": "quiet.test"}},
        {"id": "sink", "action": "deny", "respond": "sinkhole", "sinkhole": "192.0.2.77", "when": {"dns.qname": "sink.test"}},
        {"id": "nowhere", "action": "deny", "when": {"dns.qname": "nowhere.test"}},
        {"id": "quic", "action": "deny", "when": {"app": "quic"}},
    ]
}

SERVER = r'''
import socket, socketserver, sys, threading, time
class Http(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = []
            while True:
                line = self.rfile.readline()
                if not line: return
                if line == b"\r\n": break
                head.append(line)
            time.sleep(0.1)  # a pipelined request comes before this answer
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"~" * 5000)
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        query, s = self.request
        s.sendto(query[:2] + b"\x81\x80" + query[4:6] + b"\0\1\0\0\0\0" + query[12:query.index(b"\0", 12) + 5]
                 + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x4d\0\x02", self.client_address)
class Tcp6(socketserver.ThreadingTCPServer):
    address_family, allow_reuse_address, daemon_threads = socket.AF_INET6, True, True
class Udp6(socketserver.ThreadingUDPServer):
    address_family = socket.AF_INET6
for port in (80, 81, 82, 5353):
    threading.Thread(target=Tcp6(("::", port), Http).serve_forever, daemon=True).start()
Udp6(("::", 53), Udp).serve_forever()
'''
SERVERS = [[sys.executable, "-c", SERVER],
           ["openssl", "s_server", "-quiet", "-accept", "443", "-www", "-key", "key", "-cert", "cert"]]


def curl(ends, url, host, *more):
    return ends.client("curl", "-sS", "-m", "8", "-k", "-i", "--noproxy", "*", "--resolve", host, url, *more)


def web(ends, server, name):
    at = "[%s]" % server if ":" in server else server
    out, rc, s = curl(ends, "http://fine.test/", "fine.test:80:" + at)
    ends.expect(name + " allowed: 200", rc == 0 and "200 OK" in out and out.endswith("~" * 5000), (out[-300:], rc))
    out, rc, s = curl(ends, "http://games.test/", "games.test:80:" + at)
    ends.expect(name + " page: 403, whole, at once", rc == 0 and "403 Forbidden" in out and "Games are closed at work" in out
                and "Rule: page" in out and "</html>" in out and s < SOON, (out, rc, s))
    incident = out.split("Incident: ")[-1].split("<")[0]
    ends.expect(name + " page: an incident id", len(incident) > 2 and "." in incident, incident)
    out, rc, s = curl(ends, "http://games.test/", "games.test:80:" + at, "-I")
    ends.expect(name + " page to HEAD: no body", rc == 0 and "403 Forbidden" in out and "html>" not in out and s < SOON, (out, rc, s))
    out, rc, s = curl(ends, "http://far.test/", "far.test:80:" + at)
    ends.expect(name + " request unreachable: reset at once", rc == 56 and "reset" in out and s < SOON, (out, rc, s))
    out, rc, s = curl(ends, "http://quiet.test/", "quiet.test:80:" + at, "-m", "1")
    ends.expect(name + " drop: silence", rc == 28, (out, rc, s))
    out, rc, s = curl(ends, "http://x.test:81/", "x.test:81:" + at)
    ends.expect(name + " SYN denied: refused at once", rc == 7 and s < SOON, (out, rc, s))
    out, rc, s = curl(ends, "http://x.test:82/", "x.test:82:" + at)
    ends.expect(name + " SYN unreachable: at once", rc == 7 and s < SOON, (out, rc, s))


def connection(ends, server, name):
    """requests of one connection, the second denied: late, and pipelined before the first was answered"""
    both = ["GET / HTTP/1.1\\r\\nHost: fine.test\\r\\n\\r\\n", "GET / HTTP/1.1\\r\\nHost: games.test\\r\\n\\r\\n"]
    read = """
got = b""
while True:
    part = s.recv(65536)
    if not part: break
    got += part
print(len(got), got[:15], got.count(b"~"), got[5000:].count(b"403 Forbidden"), got[-8:])
"""
    want = "b'HTTP/1.1 200 OK' 5000 1 b'</html>\\n'"
    for kind, send in (("pipelined", 's.send(b"%s%s")' % tuple(both)),
                       ("split", 's.send(b"%s%s"); time.sleep(0.05); s.send(b"%s")' % (both[0], both[1][:30], both[1][30:])),
                       ("late", 's.send(b"%s")\ntime.sleep(0.4)\ns.send(b"%s")' % tuple(both))):
        out, rc, s = ends.python("s = socket.create_connection((%r, 80)); s.settimeout(5)\n%s\n%s" % (server, send, read))
        ends.expect("%s %s: the first is answered whole, then the page, then the end" % (name, kind),
                    rc == 0 and want in out and s < SOON, (out, rc, s))


def tls(ends, server, name):
    to = ["openssl", "s_client", "-connect", ("[%s]:443" if ":" in server else "%s:443") % server, "-servername"]
    out, rc, s = ends.client(*to, "fine.test", stdin=b"GET / HTTP/1.0\r\n\r\n")
    ends.expect(name + " TLS allowed", "TLSv1." in out and "reset" not in out, (out, rc))
    out, rc, s = ends.client(*to, "reset.test", stdin=b"")
    ends.expect(name + " TLS reset: at once", ("errno=104" in out or "reset by peer" in out) and s < SOON, (out, rc, s))
    out, rc, s = ends.client(*to, "alert.test", stdin=b"")
    ends.expect(name + " TLS alert: access denied", "access denied" in out and s < SOON, (out, rc, s))
    if ":" not in server:
        out, rc, s = curl(ends, "https://reset.test/", "reset.test:443:" + server)
        ends.expect(name + " TLS reset: curl says so", rc == 35 and "reset" in out and s < SOON, (out, rc, s))
        out, rc, s = curl(ends, "https://far-tls.test/", "far-tls.test:443:" + server)
        ends.expect(name + " TLS unreachable: reset at once", rc == 35 and "reset" in out and s < SOON, (out, rc, s))


def names(ends, server, name):
    dig = ["dig", "@" + server, "+tries=1", "+time=3"]
    out, rc, s = ends.client(*dig, "fine.test")
    ends.expect(name + " name allowed", "10.77.0.2" in out and "NOERROR" in out, out)
    out, rc, s = ends.client(*dig, "nowhere.test")
    ends.expect(name + " NXDOMAIN, and why", "status: NXDOMAIN" in out and "EDE: 15 (Blocked): (nowhere)" in out
                and "malformed" not in out.lower() and s < SOON, out)
    out, rc, s = ends.client(*dig, "+noedns", "nowhere.test")
    ends.expect(name + " NXDOMAIN without EDNS", "status: NXDOMAIN" in out and "OPT" not in out and s < SOON, out)
    out, rc, s = ends.client(*dig, "sink.test")
    ends.expect(name + " sinkhole's address", "192.0.2.77" in out and "NOERROR" in out and s < SOON, out)
    out, rc, s = ends.client(*dig, "AAAA", "sink.test")
    ends.expect(name + " sinkhole has no AAAA", "ANSWER: 0" in out and "NOERROR" in out and s < SOON, out)
    out, rc, s = ends.client(*dig, "+tcp", "-p", "5353", "nowhere.test")
    ends.expect(name + " NXDOMAIN on TCP", "status: NXDOMAIN" in out and s < SOON, out)


def hello(name):
    """a ClientHello"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


# one line for each denial: its name, what the client saw, and how soon at best; a busy machine may be late, but not always
TIMED = """
import errno, socket, time
to, acts = %r
family = socket.AF_INET6 if ":" in to else socket.AF_INET
def once(kind, port, data):
    s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(3)
    if data and kind == "tcp": s.connect((to, port))
    begun = time.monotonic()
    try:
        s.connect((to, port))
        for d in data: s.send(bytes.fromhex(d))
        seen = s.recv(4000).hex() or "end"
    except OSError as e:
        seen = errno.errorcode.get(e.errno, str(e))
    return (time.monotonic() - begun) * 1000, seen
def act(kind, port, data):
    best = once(kind, port, data)
    for _ in range(5):
        if best[0] < 50: break
        best = min(best, once(kind, port, data))
    return best
for name, kind, port, data in acts:
    print(name, "%%.1f" %% (r := act(kind, port, data))[0], r[1])
"""


def timed(ends, server, name):
    """each answer is there within 50 ms of what was denied"""
    query = "\1\2\1\0\0\1\0\0\0\0\0\0\7nowhere\4test\0\0\1\0\1".encode("latin")
    request = b"GET / HTTP/1.1\r\nHost: %s.test\r\n\r\n"
    table = [  # (name, transport, port, what is said, how what is heard begins)
        ("refused", "tcp", 81, [], "ECONNREFUSED"), ("prohibited", "tcp", 82, [], "E"), ("page", "tcp", 80, [request % b"games"], b"HTTP/1.1 403"),
        ("reset", "tcp", 443, [hello("reset.test")], "ECONNRESET"), ("alert", "tcp", 443, [hello("alert.test")], b"\x15\3\3\0\2\2\x31"),
        ("late", "tcp", 80, [request % b"far"], "ECONNRESET"), ("nxdomain", "udp", 53, [query], b"\1\2\x81\x83"),
        ("sinkhole", "udp", 53, [query.replace(b"\7nowhere", b"\4sink")], b"\1\2\x81\x80"),
        ("udp", "udp", 9, [b"hello"], "E"), ("quic", "udp", 443, initials(), "E")]
    out, rc, _ = ends.python(TIMED % ((server, [(n, k, p, [d.hex() for d in data]) for n, k, p, data, _ in table]),))
    lines = {l.split()[0]: l.split()[1:] for l in out.splitlines() if len(l.split()) == 3}
    for what, _, _, _, want in table:
        ms, seen = lines.get(what, ("9999", "nothing"))
        ends.expect("%s %s: within 50 ms" % (name, what), float(ms) < 50 and seen.startswith(want if isinstance(want, str) else want.hex()), (ms, seen, out[-500:]))


def initials():
    """a browser's first datagrams of QUIC: its hello is in two"""
    found = []
    data = (HERE.parent / "captures" / "browser_quic.pcap").read_bytes()
    for _, frame in pcap_file.records(data):
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[42] & 0xC0 == 0xC0:
            found.append(frame[42:])
    return found[:2]


def everything(ends, server, name):
    for act in (web, connection, tls, names, timed):
        act(ends, server, name)


if __name__ == "__main__":
    if sys.argv[2:] == ["live"]:
        sys.argv[2:] = list(PLACES) if os.environ.get("SLUICE_FULL") == "1" else ["af_xdp", "routed", "balancer"]
    sys.exit(wire.main(wire.missing("curl", "dig", "openssl"), POLICY, SERVERS, everything))
