# SPDX-License-Identifier: BSD-3-Clause
"""A policy reload a second, a command ten times a second, and clients that never rest: at the end the ledger holds, memory is
what it was, and each flow's record has the frames and bytes that tcpdump saw at both ends. usage: soak_test.py SLUICE [SECONDS]
SECONDS: 30, and 60 with SLUICE_FULL=1"""
import collections
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pcap_file  # noqa: E402
from wire import ADDRESS  # noqa: E402
from world import QUIET, World, end, expect  # noqa: E402

QUIET["ASAN_OPTIONS"] += ":quarantine_size_mb=1"  # what is freed is kept for a while there, which is no leak

SERVER = r'''
import socketserver, sys, threading, http.server
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * 20000
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("10.77.0.2", 80), Page).serve_forever()
'''
CLIENT = r'''
import socket, sys, time
until = time.time() + %d
n = refused = 0
while time.time() < until:
    for host in ("fine.test", "games.test"):
        s = socket.create_connection(("10.77.0.2", 80)); s.settimeout(5)
        for i in range(3):
            s.sendall(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got: 
                part = s.recv(65536)
                if not part: break
                got += part
            if b"403 Forbidden" in got:
                refused += 1
                break
            want = got.index(b"\r\n\r\n") + 4 + 20000
            while len(got) < want:
                part = s.recv(65536)
                if not part: sys.exit("cut " + repr((host, i, len(got), want, got[:60])))
                got += part
            n += 1
        s.close()
    time.sleep(0.02)
print(n, refused)
'''


def policy(i):
    return {"rules": [{"id": "turn-%d" % (i % 7), "when": {"http.host": "t%d.test" % i}, "action": "deny"},
                      {"id": "games", "when": {"http.host": "games.test"}, "action": "deny"}]}


def rss_kb(pid):
    return int([l for l in open("/proc/%d/status" % pid) if l.startswith("VmRSS")][0].split()[1])


def sluice_pid(w):
    return w.box.pid  # nsenter becomes the program


def frames(path, sent_by):
    """(tuple as the client sends) -> [frames, bytes] of what an end sent, TCP only"""
    seen = collections.defaultdict(lambda: [0, 0])
    for head, f in pcap_file.records(path.read_bytes()):
        if f[12:14] != b"\x08\x00" or f[23] != 6:
            continue
        src, dst = ".".join(map(str, f[26:30])), ".".join(map(str, f[30:34]))
        sport, dport = struct.unpack_from("!HH", f, 34)
        if src == ADDRESS[sent_by][0]:
            c = seen[(sport, dport) if sent_by == "client" else (dport, sport)]
            c[0] += 1
            c[1] += struct.unpack_from("<I", head, 12)[0]
    return seen


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60 if os.environ.get("SLUICE_FULL") == "1" else 30
    w = World(sys.argv[1])
    w.up(w.config(policy(0), workers={"cores": [0, 1], "idle": "adaptive"}))
    dumps = {e: w.start(e, "tcpdump", "-i", "eth0", "-s", "96", "-U", "-B", "32768", "-w", str(w.folder / (e + ".pcap")),
                        "-Q", "out", stderr=subprocess.DEVNULL) for e in ("client", "server")}
    w.start("server", sys.executable, "-c", SERVER, stderr=subprocess.DEVNULL)
    time.sleep(1)
    clients = [w.start("client", sys.executable, "-c", CLIENT % seconds, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    begun, asked, early, wrong = time.time(), 0, None, []
    for i in range(seconds):
        w.policy(policy(i))
        w.box.send_signal(signal.SIGHUP)
        for _ in range(10):
            asked += 1
            answer = w.ctl("show", "drops")
            if "error" in answer:
                wrong.append(answer)
            left = begun + i + (_ + 1) / 10 - time.time()
            if left > 0:
                time.sleep(left)
        if early is None and time.time() - begun > seconds / 4:
            early = rss_kb(sluice_pid(w))
    late = rss_kb(sluice_pid(w))
    results = [c.communicate(timeout=30)[0].split() for c in clients]
    expect("clients were served and refused all the time", all(len(r) == 2 and int(r[0]) > seconds and int(r[1]) > seconds / 3
                                                              for r in results), results)
    expect("each of %d commands was answered" % asked, not wrong, wrong[:2])
    loads = w.log.read_text().count("enforcing file")
    expect("a policy came into force about each second: %d" % loads, loads > seconds * 0.8, loads)
    expect("memory is flat: %d KiB, then %d" % (early, late), late < early * 1.02 + 2048)
    time.sleep(1)
    for d in dumps.values():
        d.terminate()
        d.wait()
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    sent = {e: frames(w.folder / (e + ".pcap"), e) for e in dumps}
    records = collections.defaultdict(lambda: [0, 0, 0, 0])
    for e in w.events("flow"):
        if e["proto"] == "TCP" and e["dest_port"] == 80:
            r, f = records[(e["src_port"], 80)], e["flow"]
            for k, name in enumerate(("pkts_toserver", "bytes_toserver", "pkts_toclient", "bytes_toclient")):
                r[k] += f[name]
    differ = [(k, r, sent["client"][k], sent["server"][k]) for k, r in records.items()
              if r[:2] != sent["client"][k] or r[2:] != sent["server"][k]]
    expect("%d flows' records have what tcpdump saw at both ends" % len(records), records and not differ, (len(differ), differ[:3]))
    end()


main()
