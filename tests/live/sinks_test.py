# SPDX-License-Identifier: BSD-3-Clause
"""Records of a running appliance: several sinks at a time, each as it was asked for; moved away and reopened; full; what
is missing is said, what became of the appliance stands among its traffic.
usage: sinks_test.py SLUICE DOCS"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from world import ADDRESS, World, end, expect, until

POLICY = {"rules": [{"id": "no-casino", "when": {"http.host": "casino.example"}, "action": "deny"}]}


def rows(path):
    """its lines, each of which has to be whole"""
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n"), path
    return [json.loads(l) for l in text.splitlines()]


def all_rows(folder, name):
    return [r for p in [*sorted(folder.glob(name + ".2*")), folder / name] for r in rows(p)]


def numbers(events):
    """(worker, seq) of each event, gaps too"""
    return [(e["worker"], e["seq"]) for e in events]


def settled(w, kind, n, name="eve.json", wait=20):
    until(lambda: sum(e["event_type"] == kind for e in all_rows(w.folder, name)) >= n, wait)


def said(w, event):
    """waits for a state record"""
    until(lambda: any(e["event_type"] == "state" and e["state"]["event"] == event for e in all_rows(w.folder, "eve.json")))


def sink(w, n):
    return w.ctl("show", "sinks")["result"]["sinks"][n]


def ready(w):
    return json.loads(w.run("box", "curl", "-sS", "-m", "5", "http://127.0.0.1:9180/readyz").stdout or "{}")


def ask(w, n=1, host="example.com"):
    """n requests, each on a connection of its own"""
    w.run("client", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-H", "Host: " + host, "http://%s/[1-%d]" % (ADDRESS["server"][0], n))


def moved_under_load(w):
    """logrotate's way: mv, SIGHUP; requests go on meanwhile"""
    stop = threading.Event()

    def load():
        while not stop.is_set():
            ask(w)
    t = threading.Thread(target=load)
    t.start()
    for i in range(3):
        time.sleep(0.4)
        os.rename(w.folder / "eve.json", w.folder / ("eve.json.2%d" % i))
        w.box.send_signal(1)
        expect("a file that was moved away is made again at SIGHUP", until((w.folder / "eve.json").exists))
    stop.set()
    t.join()


def full(w, small):
    """a file system with room for little: said, counted, nobody else's; then there is room again, and all of it comes"""
    ballast = small / "ballast"
    free = os.statvfs(small)
    ballast.write_bytes(b"x" * (free.f_bavail * free.f_bsize - 12288))
    until(lambda: ask(w, 100) or sink(w, 1)["state"] == "down", 40)
    s = sink(w, 1)
    expect("a full disk is seen", s["state"] == "down" and s["errors"] > 0 and "space" in s["last_error"], s)
    expect("and said", "sink=file-small is down: %s: No space left" % (small / "eve.json") in w.log.read_text())
    expect("what it cannot take waits", sink(w, 1)["behind_bytes"] > 0, sink(w, 1))
    expect("the appliance is ready all the same", ready(w).get("ready") is True, ready(w))
    expect("the other sink goes on", sink(w, 0)["state"] == "up" and sink(w, 0)["lost"] == 0, sink(w, 0))
    rows(small / "eve.json")
    ballast.unlink()
    expect("with room it is written again", until(lambda: sink(w, 1)["state"] == "up"), sink(w, 1))


def states(w, schema):
    events = [e["state"] for e in all_rows(w.folder, "eve.json") if e["event_type"] == "state"]
    names = [s["event"] for s in events]
    want = ["started", "policy", "bypass_on", "bypass_off", "port_down", "port_up", "draining"]
    expect("what became of the appliance is recorded", [n for n in names if n in want] ==
           ["started", "policy", "policy", "policy", "policy", "bypass_on", "bypass_off", "port_down", "port_up", "draining"], names)
    policy = [s for s in events if s["event"] == "policy"]
    expect("a policy by version, hash and rules", [p["version"] for p in policy] == [1, 2, 3, 4] and
           all(len(p["hash"]) == 64 and p["rules"] == 1 for p in policy), policy)
    expect("a port by its name", [s["port"] for s in events if s["event"] == "port_down"] == ["wan"], events)
    try:
        import jsonschema
    except ImportError:
        return
    validator = jsonschema.Draft202012Validator(schema)
    wrong = [e.message[:300] for r in all_rows(w.folder, "eve.json") for e in validator.iter_errors(r)]
    expect("every event is as docs/eve.schema.json has it", not wrong, wrong[:3])


def left_behind(w):
    """a sink that is down to the end: the next start says where the one before ended, and brings what was left"""
    config = json.loads((w.folder / "config.json").read_text())
    config["sinks"] = [{"type": "file", "path": str(w.folder / "left" / "eve.json"), "format": "eve"}]
    config["spool"]["path"] = str(w.folder / "spool2")
    w.up(config)
    ask(w, 3)
    expect("a sink that is down holds up no end", w.down() == 0, w.log.read_text()[-800:])
    expect("and what is left is said", "stay in the spool" in w.log.read_text())
    (w.folder / "left").mkdir()
    w.up(config)
    until(lambda: any(e["event_type"] == "state" and e["state"]["event"] == "policy" and e["boot"] != rows(w.folder / "left" / "eve.json")[0]["boot"]
                      for e in rows(w.folder / "left" / "eve.json")) if (w.folder / "left" / "eve.json").exists() else False)
    expect("the second start ends", w.down() == 0)
    events = rows(w.folder / "left" / "eve.json")
    boots = sorted({e["boot"] for e in events})
    told = [e["state"] for e in events if e["event_type"] == "state" and e["state"]["event"] == "recovered"]
    expect("two starts", len(boots) == 2 and sum(e["event_type"] == "http" for e in events) == 3, events[-3:])
    last = {worker: max(e["seq"] for e in events if e["boot"] == boots[0] and e["worker"] == worker)
            for worker in {e["worker"] for e in events if e["boot"] == boots[0]}}
    expect("the second says where the first ended", all(t["of_boot"] == boots[0] and t["end"] == "closed" for t in told) and
           {t["of_worker"]: t["last_seq"] for t in told} == last, (told, last))


def spool_full(w):
    """a replay has filled the spool while its sink is away; what the appliance loses of it is said everywhere"""
    config = json.loads((w.folder / "config.json").read_text())
    config["sinks"] = [{"type": "file", "path": str(w.folder / "gone" / "eve.json"), "format": "eve"}]
    config["spool"] = {"path": str(w.folder / "spool3"), "max_mb": 8, "segment_mb": 1, "memory_mb": 1}
    path = w.folder / "full.json"
    path.write_text(json.dumps(config))
    captures = [str(pathlib.Path(__file__).parents[1] / "captures" / name) for name in ("tour.pcap", "dns.pcap", "browser.pcap")]
    p = subprocess.Popen([w.sluice, "replay", "-c", str(path), *captures * 700], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: sum(s.stat().st_size for s in (w.folder / "spool3").glob("*.seg")) > 5 << 20, 60)
    time.sleep(2)
    p.kill()
    p.wait()
    w.up(config)
    expect("it is not ready while it loses", until(lambda: ready(w).get("spool") == "full", 20) and ready(w)["ready"] is False, ready(w))
    expect("the log says so", "spool: full: records are lost" in w.log.read_text(), w.log.read_text()[-800:])
    shown = w.ctl("show", "sinks")["result"]
    lost = sum(shown["spool"]["lost"].values())
    expect("so do the sink, the counter and the state", shown["spool"]["state"] == "full" and lost > 0 and
           shown["records_lost"] == shown["sinks"][0]["lost"] == lost, shown)
    page = w.run("box", "curl", "-sS", "http://127.0.0.1:9180/metrics").stdout
    expect("and the metrics", 'event="records_lost"} %d\n' % lost in page, [l for l in page.splitlines() if "records_lost" in l])
    w.down()
    first = sorted((w.folder / "spool3").glob("*.seg"))
    for segment in first:  # of all the head is damaged: whose they were nobody knows
        segment.write_bytes(segment.read_bytes()[:4] + b"xx" + segment.read_bytes()[6:])
    (w.folder / "gone").mkdir()
    w.up(config)
    told = lambda: [e["state"] for e in rows(w.folder / "gone" / "eve.json") if e["event_type"] == "state" and e["state"]["event"] == "recovered"]
    until(lambda: (w.folder / "gone" / "eve.json").exists() and told())
    expect("files with a damaged head are said", told() == [{"event": "recovered", "segments": len(first), "end": "damaged"}], told())
    w.down()


def main():
    w = World(sys.argv[1])
    schema = json.loads((pathlib.Path(sys.argv[2]) / "eve.schema.json").read_text())
    small = w.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], check=True)
    try:
        config = w.config(POLICY)
        path = str(w.folder)
        config["sinks"] = [
            {"type": "file", "path": path + "/eve.json", "format": "eve"},
            {"type": "file", "name": "file-small", "path": str(small / "eve.json"), "format": "eve"},
            {"type": "file", "path": path + "/table", "format": "table"},
            {"type": "file", "path": path + "/facts", "format": "facts"},
            {"type": "file", "path": path + "/turns.json", "format": "eve", "rotate_s": 1, "keep": 2},
            {"type": "file", "name": "later", "path": path + "/later/eve.json", "format": "eve"},
            {"type": "pcapng", "others": True, "path": path + "/copies.pcapng"},
        ]
        w.up(config)
        w.start("server", sys.executable, "-m", "http.server", "80", "--directory", "/usr/share/doc/bash",
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        w.listens("server", 80)
        ask(w, 3)
        ask(w, 3, "casino.example")
        settled(w, "http", 6)
        expect("a folder that is missing ends nothing", until(lambda: sink(w, 5)["state"] == "down"), sink(w, 5))
        frames, records = sink(w, 6), sink(w, 0)
        expect("a sink of frames says of itself what one of records does", frames["name"] == "pcapng-copies.pcapng" and frames["state"] == "up" and
               {*frames} - {"frames"} == {*records} - {"records"} and frames["frames"] == 0, (frames, records))
        (w.folder / "later").mkdir()
        moved_under_load(w)
        full(w, small)
        w.ctl("bypass", "on", "1s")
        w.says("bypass off")
        w.run("server", "ip", "link", "set", "eth0", "down")
        said(w, "port_down")
        w.run("server", "ip", "link", "set", "eth0", "up")
        said(w, "port_up")
        until(lambda: w.run("client", "ping", "-c", "1", "-W", "1", ADDRESS["server"][0]).returncode == 0)
        ask(w, 2)
        ledger = w.ctl("show", "sinks")["result"]
        expect("it drains and exits 0", w.down() == 0, w.log.read_text()[-2000:])
        whole = all_rows(w.folder, "eve.json")
        expect("no record is lost or twice", len(set(numbers(whole))) == len(whole) and ledger["records_lost"] == 0, len(whole))
        expect("each says who wrote it", {e["node"] for e in whole} == {"test"} and len({e["boot"] for e in whole}) == 1)
        turned = sorted(w.folder.glob("turns.json*"))
        expect("rotated by time, two are kept", len(turned) == 3, turned)
        expect("names sort as they came", turns_in_order(turned))
        for late in (w.folder / "later", small):
            expect("a sink that was down for a while has all the same: " + late.name, set(numbers(rows(late / "eve.json"))) == set(numbers(whole)),
                   (len(rows(late / "eve.json")), len(whole)))
        expect("the table has the denied ones, the facts their names", "no-casino" in (w.folder / "table").read_text() and
               any(r["value"] == "casino.example" for r in rows(w.folder / "facts")))
        states(w, schema)
        left_behind(w)
        spool_full(w)
    finally:
        w.close()
        subprocess.run(["umount", str(small)], check=False)
    end()


def turns_in_order(paths):
    """put away ones sort by name, the one in work is the last"""
    times = [e["timestamp"] for p in [*paths[1:], paths[0]] for e in rows(p) if e["event_type"] == "http"]
    return times == sorted(times)


main()
