# SPDX-License-Identifier: BSD-3-Clause
"""A bridge between two real networks: what is allowed passes, what is denied is told so at once, over IPv4 and IPv6.
usage: bridge_test.py SLUICE [PORT TYPE]"""

import sys
import time

from world import ADDRESS, World, end, expect

POLICY = {
    "rules": [
        {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
        {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"},
    ],
}

def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    w = World(sys.argv[1])
    w.up(w.config(POLICY, kind))
    for family in (0, 1):
        address = ADDRESS["server"][family]
        w.http("server", address)
        url = "http://%s/" % (address if family == 0 else "[%s]" % address)
        name = "IPv%d" % (6 if family else 4)
        r = w.run("client", "ping", "-c", "2", "-i", "0.2", "-W", "2", address)
        expect(name + ": ping passes", r.returncode == 0, r.stdout)
        r = w.run("client", "curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        expect(name + ": an allowed request is answered", r.stdout == "200", r.stdout + r.stderr)
        r = w.run("client", "curl", "-sS", "-m", "5", "-H", "Host: casino.example", url)
        expect(name + ": a denied one gets the page", "no-casino" in r.stdout and "gambling" in r.stdout, r.stdout + r.stderr)
        begun = time.time()
        r = w.run("client", "curl", "-sS", "-m", "5", url[:-1] + ":8081/")
        expect(name + ": a denied connection is reset at once", r.returncode == 7 and time.time() - begun < 1, (r.returncode, r.stderr))
    status = w.down()
    expect("it drains and exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    verdicts = [e["verdict"]["rule"] for e in w.events() if e.get("verdict", {}).get("action") == "deny"]
    expect("each denial is recorded", verdicts.count("no-casino") >= 2 and verdicts.count("no-8081") >= 2, verdicts)
    end()

main()
