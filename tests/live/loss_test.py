# SPDX-License-Identifier: BSD-3-Clause
"""A cable that loses, delays, repeats and disorders (relay.py) between the clients and the appliance: what is allowed arrives whole,
what is denied is never answered by the server, and ends; each request has one record, each flow's has the frames and
bytes that came, over IPv4 and IPv6, with two workers. usage: loss_test.py SLUICE [SEED]

    client [eth0] ---- [near] relay [far] ---- [lan] box [wan] ---- [eth0] server
"""
import collections
import json
import subprocess
import sys

import answers_test
import inline
from wire import ADDRESS, certificate
from world import World, end, expect, until

POLICY = {"rules": [
    {"id": "page", "action": "deny", "when": {"http.host": "games.test"}},
    {"id": "alert", "action": "deny", "respond": "tls_alert", "when": {"tls.sni": "games.test"}},
    {"id": "reset", "action": "deny", "when": {"tls.sni": "reset.test"}},
    {"id": "name", "action": "deny", "when": {"dns.qname": "nowhere.test"}},
    {"id": "quic", "action": "deny", "when": {"app": "quic"}},
]}
EACH = 8  # of a kind and family
SIZE = 20000
SERVER = r'''
import http.server, os, socket, ssl, socketserver, sys, threading
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        os.write(1, ("%s %s\n" % (self.headers["Host"], self.path)).encode())
        self.send_response(200); self.send_header("Content-Length", "SIZE"); self.end_headers(); self.wfile.write(b"~" * SIZE)
    def log_message(self, *a): pass
class Server(http.server.ThreadingHTTPServer):
    address_family, request_queue_size = socket.AF_INET6, 200
    def handle_error(self, *a): pass
class Tls(Server):
    def finish_request(self, s, who):  # in the connection's own thread
        s.settimeout(20)
        super().finish_request(context.wrap_socket(s, server_side=True), who)
class Udp(socketserver.UDPServer):
    address_family = socket.AF_INET6
class Answer(socketserver.BaseRequestHandler):
    def handle(self): os.write(1, b"datagram\n")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert", "key")
for s in (Server(("::", 80), Page), Tls(("::", 443), Page), Udp(("::", 53), Answer)):
    threading.Thread(target=s.serve_forever).start()
Udp(("::", 443), Answer).serve_forever()
'''.replace("SIZE", str(SIZE))
CLIENT = r'''
import concurrent.futures, json, socket, ssl, sys
servers, each, size, initials = json.loads(sys.argv[1])
tls = ssl.create_default_context(); tls.check_hostname = False; tls.verify_mode = ssl.CERT_NONE
def web(to, port, host, n):
    try:
        with socket.create_connection((to, port), timeout=30) as s:
            if port == 443: s = tls.wrap_socket(s, server_hostname=host)
            s.sendall(b"GET /%d HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (n, host.encode()))
            got = b""
            while part := s.recv(65536): got += part
        return "whole" if got.count(b"~") == size else "page" if b" 403 " in got and b"</html>" in got else "part of %d" % len(got)
    except ConnectionResetError: return "reset"
    except ssl.SSLError as e: return "alert" if "ACCESS_DENIED" in str(e) else "end" if "EOF" in str(e) else str(e)
    except OSError as e: return repr(e)
def datagrams(to, port, data, tries=12):
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((to, port)); s.settimeout(0.4)
    for _ in range(tries):
        try:
            for d in data: s.send(d)
            return "NXDOMAIN" if s.recv(2000)[3] & 15 == 3 else "answer"
        except TimeoutError: pass
        except OSError: return "unreachable"
    return "nothing"
query = b"\1\0\0\1\0\0\0\0\0\0\7nowhere\4test\0\0\1\0\1"
jobs = []
for to in servers:
    for n in range(each):
        for port in (80, 443):
            for host in ("fine.test", "games.test"): jobs.append(("%s %d" % (host, port), web, to, port, host, n))
        jobs.append(("reset.test 443", web, to, 443, "reset.test", n))
        jobs.append(("name", datagrams, to, 53, [bytes([n, 7]) + query]))
    jobs.append(("quic", datagrams, to, 443, [bytes.fromhex(i) for i in initials]))
with concurrent.futures.ThreadPoolExecutor(24) as pool:
    for name, seen in [(j[0], pool.submit(*j[1:])) for j in jobs]: print(name + "|" + seen.result(), flush=True)
'''


def relayed(sluice, seed):
    """a World with a bad cable at the client's"""
    w = World(sluice)
    w.relay = inline.spoil(inline.Place(w, None), seed)
    for where, dev in (("client", "eth0"), ("server", "eth0")):
        w.run(where, "ethtool", "-K", dev, "tx", "off", "gro", "off")
    return w


def frames(w):
    """(client, port, server, port) -> [frames, bytes] from the client, [frames, bytes] from the server"""
    seen = collections.defaultdict(lambda: [0, 0, 0, 0])
    for k, c in json.loads((w.folder / "relay.json").read_text())["flows"].items():
        if k.startswith("tcp"):
            seen[tuple(k.split()[1:])][:2] = c
    out = subprocess.run(["tcpdump", "-nnttr", str(w.folder / "server.pcap"), "-e", "tcp"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        head, rest = line.split(": ", 1)
        src, dst = rest.split(": ", 1)[0].split(" > ")
        c = seen[(*dst.rsplit(".", 1), *src.rsplit(".", 1))]
        c[2] += 1
        c[3] += int(head.split("length ")[1].split()[0])
    return seen


def main():
    w = relayed(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "7")
    w.up(w.config(POLICY, workers={"cores": [0, 1], "idle": "adaptive"}))
    certificate(w.folder)
    heard = w.folder / "heard"
    w.start("server", sys.executable, "-c", SERVER, cwd=w.folder, stdout=open(heard, "w"), stderr=subprocess.DEVNULL)
    for port in (80, 443):
        w.listens("server", port)
    w.listens("server", 443, protocol="u")
    dump = w.start("server", "tcpdump", "--immediate-mode", "-i", "eth0", "-Q", "out", "-s", "96", "-U", "-w", str(w.folder / "server.pcap"),
                   stderr=subprocess.PIPE)
    dump.stderr.readline()
    job = json.dumps([ADDRESS["server"], EACH, SIZE, [d.hex() for d in answers_test.initials()]])
    r = w.run("client", sys.executable, "-c", CLIENT, job, timeout=100)
    seen = collections.defaultdict(collections.Counter)
    for line in r.stdout.splitlines():
        name, what = line.split("|", 1)
        seen[name][what] += 1
    print({k: dict(v) for k, v in seen.items()})
    for name, n, want in (("fine.test 80", 2 * EACH, {"whole"}), ("fine.test 443", 2 * EACH, {"whole"}), ("games.test 80", 2 * EACH, {"page", "reset"}),
                          ("games.test 443", 2 * EACH, {"alert", "reset", "end"}), ("reset.test 443", 2 * EACH, {"reset"}),
                          ("name", 2 * EACH, {"NXDOMAIN"}), ("quic", 2, {"unreachable"})):
        expect("%s: all end in %s" % (name, " or ".join(sorted(want))), sum(seen[name].values()) == n and set(seen[name]) <= want, (seen[name], r.stderr[-500:]))
    got = heard.read_text().splitlines()
    expect("nothing that is denied gets to the server", got and all(l.startswith("fine.test ") for l in got), [l for l in got if l[:5] != "fine."][:5])
    for where in ("client", "server"):
        until(lambda: not w.run(where, "ss", "-Htn", "state", "connected", "exclude", "listening", "exclude", "time-wait").stdout)
    w.run("client", "sleep", "0.5")  # what is late
    for p in (dump, w.relay):
        p.terminate()
        p.wait()
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    said = json.loads((w.folder / "relay.json").read_text())
    expect("the cable was bad", min(said["lost"], said["twice"], said["late"]) > 20, {k: said[k] for k in ("lost", "twice", "late")})
    requests = collections.Counter((e["http"]["hostname"], e["http"]["url"], e["src_ip"], e["src_port"]) for e in w.events("http") if e["dest_port"] == 80)
    of = collections.Counter(k[0] for k in requests)
    expect("each request has one record", set(requests.values()) == {1} and of == {"fine.test": 2 * EACH, "games.test": 2 * EACH}, (of, requests.most_common(2)))
    hellos = collections.Counter(e["tls"].get("sni") for e in w.events("tls"))
    expect("each handshake has one", hellos == {"fine.test": 2 * EACH, "games.test": 2 * EACH, "reset.test": 2 * EACH}, hellos)
    cables, differ, n = frames(w), [], 0
    records = collections.defaultdict(lambda: [0, 0, 0, 0])
    for e in w.events("flow"):
        if e["proto"] == "TCP":
            for i, k in enumerate(("pkts_toserver", "bytes_toserver", "pkts_toclient", "bytes_toclient")):
                records[(e["src_ip"], str(e["src_port"]), e["dest_ip"], str(e["dest_port"]))][i] += e["flow"][k]
    differ = [(k, r, cables.get(k)) for k, r in records.items() if r != cables.get(k)]
    expect("%d flows' records have what came by both cables" % len(records), len(records) == 10 * EACH and not differ, (len(records), len(differ), differ[:3]))
    end()


main()
