# SPDX-License-Identifier: BSD-3-Clause
"""A flood of SYNs through the appliance while people work and the records' file is away: what people did, and what was denied, is all
told; each flow of the flood is in a record or in a sum, and none is lost. usage: flood_test.py SLUICE"""
import json
import shutil
import subprocess
import sys
import time

from wire import ADDRESS, MAC
from world import World, end, expect, until

POLICY = {"rules": [{"id": "games", "action": "deny", "when": {"http.host": "games.test"}},
                    {"id": "telnet", "action": "deny", "when": {"proto": "tcp", "dport": 23}}]}
# raw frames to an address that nobody has, so that nobody answers: from a thousand networks, each source and port once
FLOOD = r"""
import random, socket, struct, sys, time
server, client = (bytes.fromhex(x.replace(":", "")) for x in sys.argv[1:3])
seconds = float(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
rng, sent, lost, begin = random.Random(6), 0, 0, time.monotonic()
def total(data):
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    n = (n & 65535) + (n >> 16)
    return 65535 - ((n & 65535) + (n >> 16))
while time.monotonic() - begin < seconds:
    for i in range(200):
        n = sent + i
        src, port = struct.pack("!BBBB", 198, 18 + n // 65536 % 2, n // 256 % 256, n % 256), 1024 + n // 131072
        addresses = src + bytes([203, 0, 113, 9])
        ip = struct.pack("!BBHHHBBH8s", 0x45, 0, 40, 0, 0, 64, 6, 0, addresses)
        ip = ip[:10] + struct.pack("!H", total(ip)) + ip[12:]
        tcp = struct.pack("!HHIIBBHHH", port, 443, n, 0, 5 << 4, 2, 8192, 0, 0)
        tcp = tcp[:16] + struct.pack("!H", total(addresses + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
        try:
            s.send(server + client + b"\x08\x00" + ip + tcp)
        except OSError:
            lost += 1
    sent += 200
print(sent - lost)
"""
SECONDS = 5


def ask(w, host, port=80):
    r = w.run("client", "curl", "-sS", "-m", "15", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: " + host,
              "http://%s:%d/" % (ADDRESS["server"][0], port))
    return r.stdout


def main():
    w = World(sys.argv[1])
    away = w.folder / "away"
    c = w.config(POLICY, workers={"cores": [0, 1], "idle": "adaptive", "flood_flows": 2048})
    c["memory"]["flows"] = 262144
    c["sinks"] = [{"type": "file", "path": str(away / "eve.json"), "format": "eve"}]
    w.up(c)
    w.http("server", ADDRESS["server"][0])
    expect("before it: an answer", ask(w, "work.test") == "200")
    flood = w.start("client", sys.executable, "-c", FLOOD, MAC["server"], MAC["client"], str(SECONDS), stdout=subprocess.PIPE, text=True)
    begin, said = time.monotonic(), {"200": 0, "403": 0, "telnet": 0, "else": []}
    while time.monotonic() - begin < SECONDS - 1:
        for host in ("work.test", "games.test"):
            code = ask(w, host)
            if code in said:
                said[code] += 1
            else:
                said["else"].append(code)
        said["telnet"] += ask(w, "work.test", 23) == "000"
    sent = int(flood.communicate(timeout=60)[0])
    expect("during it: answers and pages, each at once", said["200"] and said["403"] and not said["else"], said)
    sink = w.ctl("show", "sinks")["result"]["sinks"][0]
    expect("its file is away, and that is said", sink["state"] == "down" and sink["lost"] == 0, sink)
    away.mkdir()
    expect("it comes back by itself", until(lambda: w.ctl("show", "sinks")["result"]["sinks"][0]["state"] == "up", 30))
    drops = w.ctl("show", "drops")["result"]
    expect("it drains, and the ledger holds", w.down() == 0, w.log.read_text()[-1500:])
    events = [json.loads(x) for x in (away / "eve.json").read_text().splitlines()]
    told = {k: [e for e in events if e["event_type"] == k] for k in ("flow", "flood", "http", "alert", "gap", "stats")}
    mine = [e for e in told["flow"] if e["src_ip"] == ADDRESS["client"][0] and e["proto"] == "TCP"]
    of_flood = sum(e["src_ip"].startswith("198.1") for e in told["flow"])
    summed = sum(e["flood"]["flows"] for e in told["flood"])
    print("%d SYNs in %d s; %d flows told, %d summed in %d records" % (sent, SECONDS, of_flood, summed, len(told["flood"])))
    expect("no gap", not told["gap"], told["gap"][:3])
    begun = of_flood + summed
    expect("most is summed, by network and second", summed > begun / 2 and len(told["flood"]) < begun / 20, (summed, len(told["flood"])))
    # what was shed may be people's, too, who asked again
    expect("each SYN is in a record, a sum or counted as shed", begun <= sent <= begun + shed(drops), (begun, shed(drops), sent, drops))
    asked = said["200"] + said["403"] + 1
    expect("each request is told, with its verdict", len(told["http"]) >= asked and
           sum(e["verdict"]["rule"] == "games" for e in mine) == said["403"], (len(told["http"]), asked, said))
    expect("each flow of those who were answered", sum(e["app_proto"] == "http" for e in mine if "app_proto" in e) == asked, (len(mine), asked, said))
    # refused at its SYN it is one more that nobody answered, but apart from those of another verdict
    refused = sum(e.get("flood", {"flows": 1})["flows"] for e in told["flow"] + told["flood"] if e.get("verdict", {}).get("rule") == "telnet")
    expect("each that was denied at its SYN, by itself or in a sum", refused == said["telnet"], (refused, said))
    w.close()
    end()


def shed(drops):
    """frames of the flood that began no flow: a worker that is behind, a ring that was full"""
    return sum(d["frames"] for d in drops["doors"] if d["kind"] == "lost") + sum(d["frames"] for d in drops["beside"] if d["port"] == "lan")


if __name__ == "__main__":
    if not shutil.which("curl"):
        print("skipped: no curl")
        sys.exit(77)
    main()
