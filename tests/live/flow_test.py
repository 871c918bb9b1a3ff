# SPDX-License-Identifier: BSD-3-Clause
"""Live flows with two workers: shown by what they are, ended by `flow kill` as by a rule of that name, and no policy
brings them back; denials of flows that began before the policy are hits at once. usage: flow_test.py SLUICE"""
import json
import subprocess
import sys

from wire import ADDRESS
from world import World, end, expect, until

SERVER = ADDRESS["server"][0]
ALLOW = {"rules": [{"id": "casino", "when": {"http.host": "casino.example"}, "action": "deny"}]}
NO_7001 = {"rules": [{"id": "no-7001", "when": {"proto": "tcp", "dport": 7001}, "action": "deny"}] + ALLOW["rules"]}
ECHO = """
import socket, threading, sys
def serve(port):
    s = socket.create_server(("", port))
    while True:
        c = s.accept()[0]
        threading.Thread(target=echo, args=(c,), daemon=True).start()
def echo(c):
    try:
        while c.send(c.recv(65536) or sys.exit()): pass
    except OSError: pass
for p in (7000, 7001, 7002): threading.Thread(target=serve, args=(p,)).start()
"""
# says a line each 50 ms until it is reset
TALK = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
try:
    while True:
        s.send(b"\\0" * int(sys.argv[3])); assert s.recv(65536); time.sleep(0.05)
except ConnectionResetError:
    print("reset", flush=True)
"""
# asks once, says so, and stays
HTTP = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 80))
s.send(b"GET / HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n"); s.recv(65536)
print("", flush=True)
time.sleep(60)
"""


def talk(w, port, size=10):
    return w.start("client", sys.executable, "-c", TALK, SERVER, str(port), str(size), stdout=-1, stderr=subprocess.DEVNULL, text=True)


def reset(p):
    try:
        return p.communicate(timeout=10)[0].strip() == "reset"
    except Exception:
        return False


def shown(w, *words):
    return w.ctl("show", "flows", *words)["result"]


def main():
    w = World(sys.argv[1])
    w.up(w.config(ALLOW, workers={"cores": [0, 1], "idle": "adaptive"}))
    w.start("server", sys.executable, "-c", ECHO)
    w.http("server", SERVER)
    for port in (7000, 7001, 7002):
        w.listens("server", port)
    a, b, c = talk(w, 7000), talk(w, 7001), talk(w, 7002, 1000)
    until(lambda: [f["packets"] > 20 for f in shown(w, "proto", "tcp")["flows"]] == [True] * 3)
    r = shown(w, "src", ADDRESS["client"][0] + "/24", "dst", SERVER, "proto", "tcp")
    expect("flows are shown, the largest first", [f["dport"] for f in r["flows"]][0] == 7002 and r["matched"] == 3, r)
    f = shown(w, "dport", "7000")["flows"][0]
    expect("with what the policy says", (f["verdict"], f["proto"], f["src"]) == ("allow", "tcp", ADDRESS["client"][0]) or
           f["verdict"] == "open", f)
    r = shown(w, "proto", "tcp", "limit", "1")
    expect("a limit, and the count of all", len(r["flows"]) == 1 and r["matched"] == 3, r)
    expect("a filter that none is", shown(w, "dport", "7009")["matched"] == 0)
    expect("a word that is none is said", "did you mean" in w.ctl("show", "flows", "dprot", "7")["error"])
    one = w.ctl("show", "flow", str(f["id"]))["result"]
    expect("one flow", one["id"] == f["id"] and one["packets_toclient"] > 5, one)
    why = w.ctl("explain", "flow", str(f["id"]))["result"]
    expect("whether it is settled, and why", isinstance(why["settled"], bool) and why["settled_why"], why)
    slow = w.start("client", sys.executable, "-c", HTTP, SERVER, stdout=subprocess.PIPE)
    slow.stdout.readline()
    f80 = shown(w, "dport", "80")["flows"][0]
    why = w.ctl("explain", "flow", str(f80["id"]))["result"]
    expect("which rule looks at more of it", not why["settled"] and why["settled_why"] == "rule casino looks at each http request",
           why)
    expect("one that is none", w.ctl("show", "flow", "7").get("exit") == 1)

    r = w.ctl("flow", "kill", str(f["id"]))
    expect("a flow is killed by its id", r["ok"] and r["result"]["killed"] == 1, r)
    expect("its client is reset", reset(a))
    expect("the others go on", b.poll() is None and c.poll() is None)
    f = shown(w, "dport", "7000")["flows"][0]
    expect("its rule is flow kill", (f["verdict"], f["rule"]) == ("deny", "flow kill"), f)
    expect("by which it is found", shown(w, "rule", "flow kill")["matched"] == 1)
    expect("it is killed once", w.ctl("flow", "kill", "dport", "7000")["result"]["killed"] == 0)
    w.policy(NO_7001)
    expect("a policy is loaded", w.ctl("policy", "load", str(w.folder / "policy.json"))["ok"])
    expect("it denies a flow that began before", reset(b))
    hits = {r["rule"]: r["hits"] for r in w.ctl("show", "rules", "hits")["result"]["rules"]}
    expect("which is a hit at once", hits.get("no-7001") == 1, hits)
    f = shown(w, "dport", "7000")["flows"][0]
    expect("and leaves the killed one killed", f["rule"] == "flow kill", f)
    d = talk(w, 7001)
    try:
        d.wait(5)
    except Exception:
        pass
    hits = {r["rule"]: r["hits"] for r in w.ctl("show", "rules", "hits")["result"]["rules"]}
    expect("and so is a new one", hits.get("no-7001") == 2, hits)
    r = w.ctl("flow", "kill", "dst", SERVER, "dport", "7002")
    expect("flows are killed by a filter", r["result"]["killed"] == 1 and reset(c), r)
    expect("who says too little is told", w.ctl("flow", "kill")["exit"] == 2)
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    said = [e for e in w.events("anomaly") if e["anomaly"]["event"] == "policy.killed"]
    expect("each is recorded", [e["dest_port"] for e in said] == [7000, 7002] and
           all(e["verdict"]["rule"] == "flow kill" for e in said), said)
    expect("flows say by which port they came", {e.get("in_iface") for e in w.events() if "dest_port" in e and
                                                 e["dest_port"] in (80, 7000, 7001, 7002)} == {"lan"}, w.events("flow")[:2])
    ends = {e["dest_port"]: e["verdict"] for e in w.events("flow") if e.get("dest_port") in (7000, 7001, 7002)}
    expect("and its flow says so", ends[7000]["rule"] == ends[7002]["rule"] == "flow kill" and ends[7001]["rule"] == "no-7001",
           json.dumps(ends))
    end()


main()
