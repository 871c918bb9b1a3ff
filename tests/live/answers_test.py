#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is said to the ends of a denied flow, heard by real stacks. usage: answers_test.py SLUICE [plain|vlan|gwlb]...

    namespace "client" [tap] <-> this program <-> [tap] namespace "server"
                                   |      ^
                          pipe, pcap      pipe, pcap
                                   v      |
                            sluice replay -p POLICY -w

This program is two network cables: what either end sends goes to sluice as a capture that has not ended yet, and what
sluice lets out, or says itself, goes on to whom it is for. curl, dig, openssl and the kernel's sockets judge it. In `vlan`
and `gwlb` the frames are wrapped on the way to sluice, and what comes back must be wrapped alike. Needs root, iproute2 and
/dev/net/tun; exit 77 (skipped) without."""
import atexit
import fcntl
import json
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pcap_file  # noqa: E402

POLICY = {
    "rules": [
        {"id": "port", "action": "deny", "when": {"proto": "tcp", "dport": 81}},
        {"id": "prohibited", "action": "deny", "respond": "unreachable", "when": {"proto": "tcp", "dport": 82}},
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
NS = {"client": "sluice-c%d" % os.getpid(), "server": "sluice-s%d" % os.getpid()}
ADDRESS = {"client": ("10.77.0.1", "fd77::1"), "server": ("10.77.0.2", "fd77::2")}
MAC = {"client": "02:00:00:00:77:01", "server": "02:00:00:00:77:02"}
GENEVE = bytes.fromhex("0800080000000000" "01080102" "00000000000000ab" "01080202" "0000000000000000" "01080301" "cafe0001")


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tap(end):
    """the cable's end that belongs to this program"""
    name = "sl%d%s" % (os.getpid() % 100000, end[0])
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))  # TUNSETIFF: TAP, no header
    sh("ip", "netns", "add", NS[end])
    atexit.register(subprocess.run, ["ip", "netns", "del", NS[end]], stderr=subprocess.DEVNULL)
    sh("ip", "link", "set", name, "netns", NS[end])
    inside = ["ip", "-n", NS[end]]
    sh(*inside, "link", "set", name, "address", MAC[end])
    sh(*inside, "addr", "add", ADDRESS[end][0] + "/24", "dev", name)
    sh(*inside, "addr", "add", ADDRESS[end][1] + "/64", "dev", name, "nodad")
    sh(*inside, "link", "set", "lo", "up")
    sh(*inside, "link", "set", name, "up")
    return fd


def ip_sum(header):
    s = sum(struct.unpack("!10H", header))
    s = (s & 0xFFFF) + (s >> 16)
    return ~(s + (s >> 16)) & 0xFFFF


class Wrap:
    """how frames look on the way to sluice"""

    def __init__(self, kind):
        self.kind = kind
        self.wrong = []

    def on(self, frame):
        if self.kind == "vlan":
            return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]
        if self.kind == "gwlb" and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            inner = frame[14:]
            geneve = GENEVE[:2] + frame[12:14] + GENEVE[4:] + inner
            udp = struct.pack("!HHHH", 50000, 6081, 8 + len(geneve), 0) + geneve
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0, b"\x0a\0\0\x05", b"\x0a\0\0\x06")
            ip = ip[:10] + struct.pack("!H", ip_sum(ip)) + ip[12:]
            return b"\x02\0\0\0\0\x06\x02\0\0\0\0\x05\x08\x00" + ip + udp
        return frame

    def own(self, frame):
        if self.kind == "gwlb" and frame[:12] + frame[26:34] != bytes.fromhex("020000000005" "020000000006" "0a000006" "0a000005"):
            self.wrong.append("not to the balancer: " + frame[:82].hex())

    def off(self, frame):
        if self.kind == "vlan":
            if frame[12:16] != b"\x81\x00\x00\x2a":
                self.wrong.append("no tag: " + frame.hex())
            return frame[:12] + frame[16:]
        if self.kind == "gwlb" and len(frame) > 82 and frame[36:38] == b"\x17\xc1":
            geneve, inner = frame[42:82], frame[82:]
            if geneve[:2] + geneve[4:] != GENEVE[:2] + GENEVE[4:] or frame[34:36] != b"\xc3\x50":
                self.wrong.append("header: " + frame[:82].hex())
            to = [e for e in MAC if socket.inet_aton(ADDRESS[e][0]) == inner[16:20]
                  or socket.inet_pton(socket.AF_INET6, ADDRESS[e][1]) == inner[24:40]]
            if not to:
                return None
            other = "server" if to[0] == "client" else "client"
            mac = [bytes.fromhex(MAC[e].replace(":", "")) for e in (to[0], other)]
            # a frame of our own goes back to the balancer; one that passed is as it came, in replay
            return mac[0] + mac[1] + geneve[2:4] + inner
        return frame


class Box(threading.Thread):
    """sluice between the two cables"""

    def __init__(self, sluice, folder, kind):
        super().__init__(daemon=True)
        self.wrap = Wrap(kind)
        self.taps = {"client": tap("client"), "server": tap("server")}
        (folder / "policy.json").write_text(json.dumps(POLICY))
        paths = [folder / "in", folder / "out"]
        for p in paths:
            os.mkfifo(p)
        args = [sluice, "replay", str(paths[0]), "-p", str(folder / "policy.json"), "-w", str(paths[1]), "-o",
                str(folder / "records"), "-f", "eve"] + (["--transport", "gwlb"] if kind == "gwlb" else [])
        self.process = subprocess.Popen(args, stderr=open(folder / "stderr", "w"))
        self.into = os.open(paths[0], os.O_WRONLY)
        os.write(self.into, struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        self.out = os.open(paths[1], os.O_RDONLY)
        self.kept = b""
        self.own = []  # frames that neither end had sent
        self.sent = {}
        self.done = self.closing = False

    def take(self, end):
        try:
            frame = os.read(self.taps[end], 65536)
        except (BlockingIOError, OSError):
            return
        link_local = frame[12:14] == b"\x08\x06" or (frame[12:14] == b"\x86\xdd" and frame[20] == 58)
        if link_local and self.wrap.kind == "gwlb":  # a balancer has no ARP, nor neighbours
            os.write(self.taps["server" if end == "client" else "client"], frame)
            return
        frame = self.wrap.on(frame)
        self.sent[frame] = self.sent.get(frame, 0) + 1
        now = time.time_ns()
        os.write(self.into, struct.pack("<IIII", now // 10**9, now % 10**9, len(frame), len(frame)) + frame)

    def give(self):
        data = os.read(self.out, 1 << 20)
        if not data:
            self.done = True
            return
        self.kept += data
        if self.kept[:4] == b"\x4d\x3c\xb2\xa1":
            self.kept = self.kept[24:]
        while len(self.kept) >= 16:
            n = struct.unpack_from("<I", self.kept, 8)[0]
            if len(self.kept) < 16 + n:
                return
            frame, self.kept = self.kept[16 : 16 + n], self.kept[16 + n :]
            if not self.sent.get(frame):
                self.own.append(frame)
                if not any(frame[-40:] in f for f in self.sent):  # else a piece of one, which passes as it came
                    self.wrap.own(frame)
            bare = self.wrap.off(frame)
            if bare is None:
                continue
            for end, mac in MAC.items():
                mac = bytes.fromhex(mac.replace(":", ""))
                if bare[:6] == mac or (bare[0] & 1 and bare[6:12] != mac):
                    os.write(self.taps[end], bare)

    def run(self):
        ends = {fd: end for end, fd in self.taps.items()}
        while not self.done:
            for fd in select.select(([] if self.closing else list(ends)) + [self.out], [], [], 0.1)[0]:
                if fd == self.out:
                    self.give()
                elif not self.closing:
                    self.take(ends[fd])
            if self.closing and self.into is not None:
                os.close(self.into)  # the capture ends
                self.into = None


# ---- the server ------------------------------------------------------------------------------------------------------

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


class Ends:
    def __init__(self, folder):
        self.folder = folder
        self.failed = []
        self.n = 0
        inside = ["ip", "netns", "exec", NS["server"]]
        sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key"), "-out",
           str(folder / "cert"), "-subj", "/CN=test", "-days", "2", "-batch")
        self.servers = [
            subprocess.Popen(inside + [sys.executable, "-c", SERVER], stderr=subprocess.DEVNULL),
            subprocess.Popen(inside + ["openssl", "s_server", "-quiet", "-accept", "443", "-www", "-key", str(folder / "key"),
                                       "-cert", str(folder / "cert")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        for s in self.servers:
            atexit.register(s.kill)

    def client(self, *command, stdin=None):
        """output, exit code and seconds"""
        begun = time.monotonic()
        run = subprocess.run(["ip", "netns", "exec", NS["client"], *command], capture_output=True, input=stdin, timeout=20)
        return (run.stdout + run.stderr).decode("utf-8", "replace"), run.returncode, time.monotonic() - begun

    def python(self, code):
        return self.client(sys.executable, "-c", "import socket, time\n" + code)

    def expect(self, what, fine, seen):
        self.n += 1
        if not fine:
            self.failed.append(what)
        print("%s %s%s" % ("ok " if fine else "NOT", what, "" if fine else "\n    " + str(seen)[:1500]))


def curl(ends, url, host, *more):
    return ends.client("curl", "-sS", "-m", "8", "-k", "-i", "--noproxy", "*", "--resolve", host, url, *more)


def web(ends, server, name):
    at = "[%s]" % server if ":" in server else server
    out, rc, s = curl(ends, "http://fine.test/", "fine.test:80:" + at)
    ends.expect(name + " allowed: 200", rc == 0 and "200 OK" in out and out.endswith("~" * 5000), (out[-300:], rc))
    out, rc, s = curl(ends, "http://games.test/", "games.test:80:" + at)
    ends.expect(name + " page: 403, whole, at once", rc == 0 and "403 Forbidden" in out and "Games are closed at work" in out
                and "Rule: page" in out and "</html>" in out and s < 1, (out, rc, s))
    incident = out.split("Incident: ")[-1].split("<")[0]
    ends.expect(name + " page: an incident id", len(incident) > 2 and "." in incident, incident)
    out, rc, s = curl(ends, "http://games.test/", "games.test:80:" + at, "-I")
    ends.expect(name + " page to HEAD: no body", rc == 0 and "403 Forbidden" in out and "html>" not in out and s < 1, (out, rc, s))
    out, rc, s = curl(ends, "http://quiet.test/", "quiet.test:80:" + at, "-m", "1")
    ends.expect(name + " drop: silence", rc == 28, (out, rc, s))
    out, rc, s = curl(ends, "http://x.test:81/", "x.test:81:" + at)
    ends.expect(name + " SYN denied: refused at once", rc == 7 and s < 1, (out, rc, s))
    out, rc, s = curl(ends, "http://x.test:82/", "x.test:82:" + at)
    ends.expect(name + " SYN unreachable: at once", rc == 7 and s < 1, (out, rc, s))


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
                    rc == 0 and want in out and s < 2, (out, rc, s))


def tls(ends, server, name):
    to = ["openssl", "s_client", "-connect", ("[%s]:443" if ":" in server else "%s:443") % server, "-servername"]
    out, rc, s = ends.client(*to, "fine.test", stdin=b"GET / HTTP/1.0\r\n\r\n")
    ends.expect(name + " TLS allowed", "TLSv1." in out and "reset" not in out, (out, rc))
    out, rc, s = ends.client(*to, "reset.test", stdin=b"")
    ends.expect(name + " TLS reset: at once", ("errno=104" in out or "reset by peer" in out) and s < 1, (out, rc, s))
    out, rc, s = ends.client(*to, "alert.test", stdin=b"")
    ends.expect(name + " TLS alert: access denied", "access denied" in out and s < 1, (out, rc, s))
    if ":" not in server:
        out, rc, s = curl(ends, "https://reset.test/", "reset.test:443:" + server)
        ends.expect(name + " TLS reset: curl says so", rc == 35 and "reset" in out and s < 1, (out, rc, s))


def names(ends, server, name):
    dig = ["dig", "@" + server, "+tries=1", "+time=3"]
    out, rc, s = ends.client(*dig, "fine.test")
    ends.expect(name + " name allowed", "10.77.0.2" in out and "NOERROR" in out, out)
    out, rc, s = ends.client(*dig, "nowhere.test")
    ends.expect(name + " NXDOMAIN, and why", "status: NXDOMAIN" in out and "EDE: 15 (Blocked): (nowhere)" in out
                and "malformed" not in out.lower() and s < 1, out)
    out, rc, s = ends.client(*dig, "+noedns", "nowhere.test")
    ends.expect(name + " NXDOMAIN without EDNS", "status: NXDOMAIN" in out and "OPT" not in out and s < 1, out)
    out, rc, s = ends.client(*dig, "sink.test")
    ends.expect(name + " sinkhole's address", "192.0.2.77" in out and "NOERROR" in out and s < 1, out)
    out, rc, s = ends.client(*dig, "AAAA", "sink.test")
    ends.expect(name + " sinkhole has no AAAA", "ANSWER: 0" in out and "NOERROR" in out and s < 1, out)
    out, rc, s = ends.client(*dig, "+tcp", "-p", "5353", "nowhere.test")
    ends.expect(name + " NXDOMAIN on TCP", "status: NXDOMAIN" in out and s < 1, out)


def datagrams(ends, server, name):
    code = """
s = socket.socket(socket.AF_INET6 if ":" in %r else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((%r, %d)); s.settimeout(3)
begun = time.monotonic()
for d in %r: s.send(bytes.fromhex(d))
try:
    print("heard", s.recv(100))
except OSError as e:
    print("error", e.errno, "ms", (time.monotonic() - begun) * 1000 < 50)
"""
    for what, port, data in (("UDP", 9, [b"hello"]), ("QUIC", 443, initials())):
        out, rc, s = ends.python(code % (server, server, port, [d.hex() for d in data]))
        ends.expect("%s %s: unreachable within 50 ms" % (name, what), "error" in out and "ms True" in out, out)


def initials():
    """a browser's first datagrams of QUIC: its hello is in two"""
    found = []
    data = (HERE.parent / "captures" / "browser_quic.pcap").read_bytes()
    for _, frame in pcap_file.records(data):
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[42] & 0xC0 == 0xC0:
            found.append(frame[42:])
    return found[:2]


def play(sluice, kind):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        box = Box(sluice, folder, kind)
        box.start()
        ends = Ends(folder)
        time.sleep(1.5)  # the servers listen
        for version, server in enumerate(ADDRESS["server"]):
            name = "%s IPv%d" % (kind, 4 + 2 * version)
            web(ends, server, name)
            connection(ends, server, name)
            tls(ends, server, name)
            names(ends, server, name)
            datagrams(ends, server, name)
        for s in ends.servers:
            s.kill()
        box.closing = True
        box.process.wait(timeout=20)
        box.join(timeout=5)
        said = (folder / "stderr").read_text()
        ends.expect(kind + " the ledger holds", box.process.returncode == 0, said)
        ends.expect(kind + " frames of our own are as many as counted", "own %d " % len(box.own) in said, (len(box.own), said))
        ends.expect(kind + " wraps", not box.wrap.wrong, box.wrap.wrong[:3])
        if ends.failed and os.environ.get("KEEP"):
            shutil.copytree(folder, os.environ["KEEP"], ignore=shutil.ignore_patterns("in", "out"), dirs_exist_ok=True)
        for fd in box.taps.values():
            os.close(fd)
        for ns in NS.values():
            sh("ip", "netns", "del", ns)
        return ends.n, ends.failed


def main():
    missing = [p for p in ("ip", "curl", "dig", "openssl") if not shutil.which(p)]
    if os.geteuid() != 0 or missing or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root, /dev/net/tun" + ", ".join([""] + missing))
        return 77
    if subprocess.run(["ip", "netns", "add", NS["client"] + "t"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: no network namespaces here")
        return 77
    subprocess.run(["ip", "netns", "del", NS["client"] + "t"])
    n, failed = 0, []
    for kind in sys.argv[2:] or ["plain", "vlan", "gwlb"]:
        did, wrong = play(sys.argv[1], kind)
        n += did
        failed += wrong
    print("%d of %d as expected" % (n - len(failed), n))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
