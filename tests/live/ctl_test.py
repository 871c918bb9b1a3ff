#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The command line on a running appliance, whose ports are a capture that repeats and nothing: no root, no namespaces.
One-shot, from a file, at a prompt on a terminal; JSON; exit codes; clients that behave badly; what monitors ask.
usage: ctl_test.py SLUICE CAPTURES DOCS"""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from world import QUIET, end, expect, until

SLUICE, CAPTURES, DOCS = (os.path.abspath(p) for p in sys.argv[1:4])
HTTP = "127.0.0.1:%d" % (20000 + os.getpid() % 20000)
POLICY = {"rules": [{"id": "no-https", "when": {"proto": "tcp", "dport": 443}, "action": "deny"},
                    {"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny"}]}


def ctl(*words, stdin=None):
    return subprocess.run([SLUICE, "ctl", "-s", SOCKET, *words], input=stdin, capture_output=True, text=True, timeout=30)


def ask(*words):
    return json.loads(ctl("-j", *words).stdout)["result"]


def page(path):
    try:
        with urllib.request.urlopen("http://%s%s" % (HTTP, path), timeout=10) as r:
            return r.status, r.headers["Content-Type"], r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers["Content-Type"], e.read().decode()


def words_and_codes():
    r = ctl("show", "port", "info", "all")
    expect("port info is testpmd's", r.returncode == 0 and "lan" in r.stdout and "pcap" in r.stdout, r)
    expect("a word that is none: exit 2, and what was meant",
           (lambda r: r.returncode == 2 and 'did you mean "drops"' in r.stderr)(ctl("show", "drosp")))
    expect("a port that is none: exit 2", ctl("show", "port", "stats", "nowhere").returncode == 2)
    expect("nobody there: exit 3", subprocess.run([SLUICE, "ctl", "-s", SOCKET + "x", "show", "drops"],
                                                  capture_output=True).returncode == 3)
    (HERE / "bad.json").write_text('{"rules":[{"id":"x","when":{"prot":"tcp"},"action":"deny"}]}')
    r = ctl("policy", "load", "bad.json")
    expect("a policy with errors: exit 1, its place, nothing changed",
           r.returncode == 1 and "bad.json:1:" in r.stdout and 'did you mean "proto"' in r.stdout and
           ask("show", "policy")["version"] == 1, r)
    changed = {"rules": [dict(POLICY["rules"][0], when={"proto": "tcp", "dport": 444}),
                         {"id": "new", "when": {"dport": 7}, "action": "deny"}],
               "sets": {"few": {"type": "port", "items": [1, 2]}}}
    (HERE / "next.json").write_text(json.dumps(changed, indent=3))
    r = ask("policy", "diff", "next.json")
    expect("a policy's difference by ids", r["rules"] == {"added": ["new"], "removed": ["no-casino"], "changed": ["no-https"]} and
           r["sets"] == {"added": ["few"], "removed": [], "changed": []} and not r["order_changed"], r)
    (HERE / "same.json").write_text(json.dumps(POLICY, indent=3, sort_keys=True))
    expect("how it is written is no difference", ctl("policy", "diff", "same.json").stdout == "nothing differs\n",
           ctl("policy", "diff", "same.json"))
    (HERE / "turned.json").write_text(json.dumps({"rules": POLICY["rules"][::-1]}))
    expect("order is", ask("policy", "diff", "turned.json")["order_changed"])
    expect("a file that is none: exit 1", ctl("policy", "diff", "nowhere.json").returncode == 1)
    r = ask("policy", "load", "policy.json")
    expect("a load says its difference", r["difference"]["rules_changed"] == r["difference"]["rules_added"] == 0, r)
    expect("one without comes into force on all workers", r["version"] == 2 and r["active_on"] == r["workers"], r)
    (HERE / "script").write_text("# a file\nshow version\nlog level port debug\nnonsense\nshow drops\n")
    r = ctl("-f", "script")
    expect("a file, until one fails", r.returncode == 2 and "script:4" in r.stderr and "port" in r.stdout and
           "lost" not in r.stdout, r)
    r = ctl("-j", stdin="show version\nset verbose 1\n")
    lines = [json.loads(x) for x in r.stdout.splitlines()]
    expect("from a pipe, as JSON: an object a line", len(lines) == 2 and all(x["ok"] for x in lines), r)


def drops():
    ctl("stop")
    d = ask("show", "drops")
    t = ask("show", "ledger")
    doors = sum(x["frames"] for x in d["doors"])
    expect("drops add up to all that came", doors == d["came"] + d["own"] == sum(d["sums"].values()), d)
    expect("and to 100 %", abs(sum(x["percent"] for x in d["doors"]) - 100) < 1e-6, d)
    expect("a denial is refused, not lost", [x["kind"] for x in d["doors"] if x["door"] == "POLICY_DENY"] == ["refused"] and
           {x["door"] for x in d["doors"] if x["kind"] == "lost"} <= {"SHED_NEW"}, d)  # the capture never lets a worker rest
    expect("the ledger says the same", t["rx"] + t["own"] == t["tx"] + t["kernel"] + t["mirrored"] + t["inside"] +
           sum(t["drops"].values()), t)
    state = ask("show", "workers")["workers"][0]["state"]
    code = page("/readyz")[0]
    before = t["rx"]
    expect("stopped is said, and not ready", (state, code) == ("stopped", 503), (state, code))
    expect("stopped workers fetch nothing", ask("show", "ledger")["rx"] == before)
    ctl("start")
    expect("started ones do", until(lambda: ask("show", "ledger")["rx"] > before))
    hits = ask("show", "rules", "hits")["rules"]
    r = ask("top")
    expect("top names the busiest flows, and rules", len(r["flows"]) == 10 and r["rules"] and "rx_pps" in r, r)
    expect("rules with hits, the most first", hits == sorted(hits, key=lambda r: -r["hits"]) and
           any(r["rule"] == "default" for r in hits), hits)
    r = ctl("explain", "--src", "10.0.0.7", "--proto", "tcp", "--dport", "443")
    expect("explain names the rule", r.returncode == 0 and "no-https" in r.stdout, r)
    expect("and a field that is none", (lambda r: r.returncode == 2 and "hots" in r.stderr)(ctl("explain", "--hots", "x")))
    ask("bypass", "on", "1s")
    was = ask("show", "policy")["bypass"]
    expect("a bypass ends by itself", was and until(lambda: not ask("show", "policy")["bypass"]))
    expect("each value has its origin", any(v["key"] == "node" and "config.json:" in v["from"]
                                            for v in ask("show", "config")["values"]))


def monitors():
    expect("/healthz", page("/healthz")[0] == 200)
    expect("/readyz", page("/readyz")[0] == 200, page("/readyz"))
    status, kind, text = page("/metrics")
    expect("/metrics is OpenMetrics", status == 200 and kind.startswith("application/openmetrics-text"), kind)
    sys.path.append("/usr/lib/python3/dist-packages")  # where Debian's own python3 keeps it
    try:
        from prometheus_client.openmetrics import parser
    except ImportError:
        print("skip the parser: no python3-prometheus-client")
        return
    samples = {(s.name, tuple(s.labels.values())): s.value
               for f in parser.text_string_to_metric_families(text) for s in f.samples}
    expect("its parser takes it", len(samples) > 100, len(samples))
    expect("the same reasons as show ledger", set(ask("show", "ledger")["drops"]) <=
           {k[1][0] for k in samples if k[0] == "sluice_drops_total"})


    address = HTTP.split(":")
    silent = [socket.create_connection(address) for _ in range(200)]
    for s in silent:
        s.send(b"GET /me")
    expect("who says nothing keeps no probe waiting", page("/healthz")[0] == 200)
    for s in silent:
        s.close()
    r = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x" * 100000, "http://%s/metrics" % HTTP],
                       capture_output=True, text=True, timeout=30)
    expect("a POST is told that there is none", r.stdout == "405", r)


def dashboards():
    """what configs/monitor/ has for Grafana and Prometheus asks for metrics and labels that there are"""
    labels = {}
    for name, pairs in re.findall(r"^(sluice_\w+)(?:\{(.*)\})? ", page("/metrics")[2], re.M):
        labels.setdefault(name, {"instance"}).update(re.findall(r'(\w+)="', pairs))
    configs = pathlib.Path(DOCS).parent / "configs" / "monitor"
    shown = [t for p in json.loads((configs / "grafana.json").read_text())["panels"] for t in p["targets"]]
    asked = [(t["expr"], t["legendFormat"]) for t in shown]
    rules = (configs / "alerts.yml").read_text().split("- alert: ")[1:]
    asked += [(r.split("labels:")[0], r.split("annotations:")[1].replace("$labels.", "").replace("{{ $value", "")) for r in rules]
    wrong = []
    for expr, text in asked:
        names = re.findall(r"sluice_\w+", expr)
        wrong += [n for n in names if n not in labels]
        wrong += [(names, l) for l in re.findall(r"\{\{ ?(\w+) ?\}\}", text) if not all(l in labels.get(n, ()) for n in names)]
    expect("%d panels and %d alerts ask for what there is" % (len(shown), len(rules)), len(rules) > 8 and len(shown) > 15 and not wrong, wrong)


def prompt():
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(HERE)
        os.execve(SLUICE, [SLUICE, "ctl", "-s", SOCKET], dict(os.environ, HOME=str(HERE), TERM="vt100"))

    def keys(text, *wanted):
        """writes text; whether all that is wanted is shown then"""
        os.write(fd, text.encode())
        said, end_at = "", time.monotonic() + 20
        while not said or not all(s in said for s in wanted):
            if not select.select([fd], [], [], max(0, end_at - time.monotonic()))[0]:
                break
            try:
                said += re.sub(r"\x1b(\[[0-9;]*)?[A-Za-z]", "", os.read(fd, 65536).decode())
            except OSError:
                break
        return all(s in said for s in wanted)

    expect("a prompt", keys("", "sluice"))
    expect("tab completes a word", keys("sh\tver\t", "version"))
    expect("and Enter says it", keys("\r", "DPDK"))
    expect("tab knows the ports", keys("show port stats \t", "all", "lan", "wan"))
    expect("? says what can stand here", keys("?", "by its name"))
    expect("a value is completed", keys("l\t\r", "rx bytes"))
    expect("history", keys("\x1b[A", "stats lan"))
    keys("\x03")
    keys("policy load pol\t\r", "version")
    expect("files are completed", until(lambda: ask("show", "policy")["version"] == 3))
    expect("what is not ASCII is refused", keys("set add x b\u00fccher.example", "only ASCII"))
    expect("and nothing of it said", keys("\r", "sluice> ") and keys("show version\r", "DPDK"))
    expect("a line that is too long, too", keys("x" * 450, "too long") and keys("\r", "sluice> "))
    expect("^U takes a line away", keys("nonsense\x15show version\r", "DPDK"))
    keys("quit\r")
    expect("quit leaves", os.waitpid(pid, 0)[1] == 0)
    expect("what was said is kept for the next time, for nobody else",
           "show version" in (HERE / ".sluice_history").read_text() and
           (HERE / ".sluice_history").stat().st_mode & 0o777 == 0o600)


def hostile():
    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.connect(SOCKET)
        s.settimeout(20)
        return s

    beats = ask("show", "workers")["workers"][0]["turns"]
    slow = connect()
    slow.setblocking(False)
    try:
        for _ in range(100000):
            slow.send(b"show config\n")
    except BlockingIOError:
        pass
    many = [connect() for _ in range(150)]
    for s in many:
        s.send(os.urandom(500) + b"\n")
    answers = [s.recv(65536) for s in many]
    expect("noise is answered, and nothing else", all("result" not in json.loads(a.splitlines()[0]) for a in answers if a))
    for s in many:
        s.close()
    expect("others are served meanwhile", ctl("show", "drops").returncode == 0)
    until(lambda: 'why="cut_off"} 0' not in page("/metrics")[2], 40)  # slow took nothing for ten seconds
    slow.settimeout(5)
    gone = True
    try:
        while slow.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass
    except socket.timeout:
        gone = False
    expect("who takes no answer is cut off", gone)
    text = page("/metrics")[2]
    expect("and counted", 'why="cut_off"} 0' not in text)
    expect("workers went on", ask("show", "workers")["workers"][0]["turns"] > beats)


def documented():
    text = pathlib.Path(DOCS, "ctl.md").read_text()
    there = ["| `%s` | %s |" % (c["command"].replace("|", "\\|"), c["help"]) for c in ask("help")["commands"]]
    lines = text.splitlines()
    expect("docs/ctl.md has every command as help says it", [l for l in lines if l in there] == there,
           [l for l in there if l not in lines])


with tempfile.TemporaryDirectory() as folder:
    HERE = pathlib.Path(folder)
    SOCKET = folder + "/run/ctl.sock"
    (HERE / "policy.json").write_text(json.dumps(POLICY))
    (HERE / "config.json").write_text(json.dumps({
        "node": "ctl-test", "workers": {"cores": [0]},
        "ports": {"lan": {"type": "pcap", "rx_file": CAPTURES + "/tour.pcap", "pcap_rewind": True}, "wan": {"type": "null"}},
        "paths": [{"mode": "bridge", "ports": ["lan", "wan"]}],
        "policy": {"file": "policy.json", "history": ""}, "memory": {"flows": 65536, "pages": "small"},
        "spool": {"path": ""}, "sinks": [{"type": "file", "path": "/dev/null"}], "control": {"socket": SOCKET, "http": HTTP}}, indent=1))
    os.chdir(HERE)
    with open("log", "w") as log:
        run = subprocess.Popen([SLUICE, "run", "-c", "config.json"], stderr=log, env={**os.environ, **QUIET})
    until(lambda: "policy.json" in ctl("show", "policy").stdout or run.poll() is not None)
    try:
        for story in (words_and_codes, drops, monitors, dashboards, prompt, documented, hostile):
            story()
        second = subprocess.run([SLUICE, "run", "-c", "config.json"], capture_output=True, text=True, timeout=30)
        expect("a second one says who holds the socket", second.returncode == 3 and "process %d" % run.pid in second.stderr,
               second.stderr)
    finally:
        run.send_signal(signal.SIGTERM)
        status = run.wait(20)
    expect("it ends", status == 0 and not os.path.exists(SOCKET), (HERE / "log").read_text()[-1000:])
end()
