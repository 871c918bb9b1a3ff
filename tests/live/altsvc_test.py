# SPDX-License-Identifier: BSD-3-Clause
"""A browser that learned of HTTP/3 by Alt-Svc, under a policy that denies QUIC: it is told at once that QUIC is unreachable and
goes on over TCP, and not one datagram of QUIC gets to the server, which would speak HTTP/3. IPv4 and IPv6. The
environment's VENV is a Python with aioquic. usage: altsvc_test.py SLUICE [PLACE]...    exit 77: skipped"""
import subprocess
import sys

import browser_test
import inline
import wire
from world import end, expect, skip

sys.path.insert(0, str(inline.HERE.parent))
import pcap_file  # noqa: E402

POLICY = {"rules": [{"id": "no-quic", "action": "deny", "when": {"app": "quic"}}]}
# each answer says by what it came (h3_server.py: <title>h3</title>); each request has a connection of its own
TCP = r'''
import http.server, socket, ssl, threading
PAGE = b"""<!doctype html><title>page</title><body><script>
for (var i = 0; i < 10; i++) { var x = new XMLHttpRequest(); x.open("GET", "/part" + i, false); x.send(); document.body.append(x.responseText + ";") }
</script></body>"""
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE if self.path == "/" else b"came by tcp"
        self.send_response(200)
        self.send_header("Alt-Svc", 'h3=":443"; ma=3600')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Server(("::", 443), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("cert", "key")
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
'''
SERVERS = [browser_test.SERVERS[0], [sys.executable, "-c", TCP]]


class Dump:
    """what tcpdump sees at an end: (seconds, frame)"""

    def __init__(self, place, where):
        self.file = place.w.folder / (where + ".pcap")
        self.process = place.w.start(where, "tcpdump", "--immediate-mode", "-i", place.device[where], "-U", "-w", str(self.file), "udp port 443 or icmp or icmp6",
                                     stderr=subprocess.PIPE)
        self.process.stderr.readline()  # it listens

    def end(self):
        self.process.terminate()
        self.process.wait()
        data = self.file.read_bytes()
        return [(int.from_bytes(h[:4], "little") + int.from_bytes(h[4:8], "little") / 1e6, f) for h, f in pcap_file.records(data)]


def quic(frame):
    return (frame[23] if frame[12] == 8 else frame[20]) == 17


def unreachable(frame):
    """of IPv4 or IPv6: the ports that it is about"""
    at = 34 if frame[12] == 8 else 54
    if frame[at - 11 if at == 34 else 20] == (1 if at == 34 else 58) and frame[at] == (3 if at == 34 else 1):
        inner = at + 8 + (20 if at == 34 else 40)
        return frame[inner : inner + 4]
    return None


def story(place):
    p = inline.PLACES[place](sys.argv[1], POLICY)
    w = p.w
    p.up()
    ends = wire.Ends(w.folder, SERVERS, w.ns[p.client], w.ns[p.server])
    for family, server in enumerate(p.servers):
        name = "%s IPv%d" % (place, 4 + 2 * family)
        near, far = Dump(p, p.client), Dump(p, p.server)
        host = ("fine.test", "games.test")[family]  # a browser remembers for whom QUIC is broken
        out, rc, s = browser_test.browse(ends, "[%s]" % server if family else server, host)
        heard, reached = near.end(), [f for _, f in far.end() if quic(f)]
        expect(name + ": the page and all its parts come over TCP", out.count("came by tcp;") == 10 and "h3" not in out, (out[-800:], rc, s))
        asked = {}
        for at, f in heard:
            if quic(f):
                l4 = 54 if family else 34
                asked.setdefault(f[l4 : l4 + 4], at)
        expect(name + ": the browser had learned of HTTP/3, and tried it", asked, len(heard))
        expect(name + ": no datagram of QUIC gets to the server", not reached, len(reached))
        soon = [at - asked[unreachable(f)] for at, f in heard if unreachable(f) in asked]
        expect(name + ": it is told within 50 ms that QUIC is unreachable", soon and min(soon) < 0.05, soon)
    for s in ends.servers:
        s.kill()
    status, _ = p.down()
    expect(place + " it drains, and the ledger holds", status == 0, w.log.read_text()[-1500:])
    denied = [e for e in w.events("flow") if e.get("verdict", {}).get("rule") == "no-quic"]
    expect(place + " each denied flow has its record", denied, [e.get("proto") for e in w.events("flow")])
    w.close()


def main():
    why = browser_test.missing()
    if why:
        skip(why)
    for place in sys.argv[2:] or ["af_packet"]:
        story(place)
    end()


main()
