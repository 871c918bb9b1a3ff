# SPDX-License-Identifier: BSD-3-Clause
"""`bypass on` and off again with connections under way: none stands still, and what is asked on them afterwards is judged.
usage: bypass_test.py SLUICE [PORT TYPE]"""
import subprocess
import sys
import time

from wire import ADDRESS
from world import World, end, expect, until

POLICY = {"rules": [{"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny"}]}
SERVER = ADDRESS["server"][0]
# a request for each line that comes in; the answer's code or what went wrong goes out
ASK = """
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=10)
for host in sys.stdin:
    try:
        c.request("GET", "/", headers={"Host": host.strip()})
        r = c.getresponse(); r.read()
        print(r.status, flush=True)
    except Exception as e:
        print(type(e).__name__, flush=True)
"""


def ask(p, host):
    p.stdin.write(host + "\n")
    p.stdin.flush()
    return p.stdout.readline().strip()


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    w = World(sys.argv[1])
    w.up(w.config(POLICY, kind, workers={"cores": [0, 1], "idle": "adaptive"}))
    w.http("server", SERVER)
    keeps = w.start("client", sys.executable, "-c", ASK, SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    expect("before, a connection is served", ask(keeps, "fine.example") == "200")
    loads = [w.start("client", "curl", "-sS", "-m", "60", "--limit-rate", "%dM" % m, "-o", str(w.folder / ("got%d" % m)), "-w", "%{size_download}",
                     "http://%s/%d" % (SERVER, m * 2500000), stdout=subprocess.PIPE, text=True) for m in (2, 3, 4, 5)]
    until(lambda: all((w.folder / ("got%d" % m)).exists() for m in (2, 3, 4, 5)))
    for i in range(2):
        w.ctl("bypass", "on")
        time.sleep(0.4)
        if i == 0:
            said = ask(keeps, "casino.example")
            expect("in bypass, everything passes", said == "200", said)
        w.ctl("bypass", "off")
        time.sleep(0.2)
    said = ask(keeps, "casino.example")
    expect("what is asked afterwards is judged", said in ("403", "ConnectionResetError"), said)
    for m, p in zip((2, 3, 4, 5), loads):
        expect("a download of %d MB goes on to its end" % (m * 2.5), p.communicate(timeout=60)[0] == str(m * 2500000), p.returncode)
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    end()


main()
