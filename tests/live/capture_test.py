# SPDX-License-Identifier: BSD-3-Clause
"""`capture start|stop` on a bridge with two workers: the file has what tcpdump saw of the same port, drops stand in it
with their reason, it ends by itself, and nobody who asks for nonsense gets more than an answer. usage: capture_test.py
SLUICE"""
import pathlib
import shutil
import socket
import subprocess
import sys

import mounts  # noqa: F401
from wire import ADDRESS
from world import World, end, expect, skip, until

SERVER = ADDRESS["server"][0]
POLICY = {"rules": [{"id": "casino", "when": {"http.host": "casino.example"}, "action": "deny", "reason": "gambling"},
                    {"id": "no-8081", "when": {"proto": "tcp", "dport": 8081}, "action": "deny"}]}


def fields(file, *names, where=None):
    """rows of a capture, as tshark reads them"""
    r = subprocess.run(["tshark", "-nr", str(file), *(["-Y", where] if where else []), "-T", "fields",
                        *(a for n in names for a in ("-e", n))], capture_output=True, text=True, timeout=60)
    expect("tshark reads %s" % pathlib.Path(file).name, r.returncode == 0 and "appears" not in r.stderr, r.stderr)
    return [tuple(l.split("\t")) for l in r.stdout.splitlines()]


def comes(what, true):
    if not until(true):
        expect(what, False, "not in time")


def curl(w, path="/", *more, port=80):
    return w.run("client", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *more,
                 "http://%s:%d%s" % (SERVER, port, path))


def begin(w, name, *words):
    r = w.ctl("capture", "start", str(w.folder / name), *words)
    expect("%s begins" % name, r.get("ok") and r["result"]["state"] == "running", r)
    return str(r.get("result", {}).get("capture"))


def shown(w, number):
    return next(c for c in w.ctl("show", "captures")["result"]["captures"] if c["capture"] == int(number))


def as_tcpdump(w):
    dump = w.folder / "tcpdump.pcap"
    seen = w.start("client", "tcpdump", "-ni", "eth0", "-Q", "out", "-U", "-B", "32768", "-w", str(dump), "tcp", "port", "80",
                   stderr=subprocess.PIPE, text=True)
    seen.stderr.readline()  # it listens
    number = begin(w, "lan.pcapng", "port", "lan", "filter", "tcp port 80")
    both = begin(w, "both.pcapng", "direction", "all")
    expect("a page", curl(w, "/200000").stdout == "200")
    expect("a denied one", curl(w, "/", "-H", "Host: casino.example").stdout == "403")
    curl(w, port=8081)
    sent = lambda: len(fields(dump, "frame.number", where="tcp.flags.fin==1 || tcp.flags.reset==1")) >= 2  # noqa: E731
    comes("tcpdump saw both ends", sent)
    comes("so did the capture", lambda: shown(w, number)["frames"] >= len(fields(dump, "frame.number")))
    r = w.ctl("capture", "stop")
    expect("which of two is asked for", r.get("exit") == 1 and "which" in r["error"], r)
    r = w.ctl("capture", "stop", number)["result"]
    expect("a stop says what is in the file", r["lost"] == 0 and r["state"] == "ended" and
           r["bytes"] == (w.folder / "lan.pcapng").stat().st_size, r)
    expect("of nobody else's", (w.folder / "lan.pcapng").stat().st_mode & 0o777 & ~0o640 == 0)
    seen.terminate()
    seen.wait(10)
    names = "tcp.srcport", "ip.id", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.checksum", "frame.len", "tcp.payload"
    ours, theirs = fields(w.folder / "lan.pcapng", *names), fields(dump, *names)
    # an ACK may have come between the stop and tcpdump's end
    more = [row for row in ours if row not in theirs] + [row for row in theirs[:-2] if row not in ours]
    expect("it has the frames that tcpdump saw, byte for byte", len(ours) > 20 and r["frames"] == len(ours) and not more,
           (len(ours), len(theirs), more[:3]))
    expect("by its port, as come in", set(fields(w.folder / "lan.pcapng", "frame.interface_name",
                                                 "frame.packet_flags_direction")) == {("lan", "0x00000001")},
           set(fields(w.folder / "lan.pcapng", "frame.interface_name", "frame.packet_flags_direction")))

    w.ctl("capture", "stop")
    rows = fields(w.folder / "both.pcapng", "frame.interface_name", "frame.packet_flags_direction", "frame.comment", where="tcp")
    ways = {r[:2] for r in rows}
    expect("all ways of both ports", len(ways) == 4, ways)
    dropped = {c for _, _, c in rows if c.startswith("dropped=")}
    expect("drops are said with reason, rule and flow", any(c.startswith("dropped=POLICY_DENY rule=no-8081 ") for c in dropped) and
           any("rule=casino reason=\"gambling\" flow_id=" in c for c in dropped), dropped)
    expect("so are frames of our own", any(c.startswith("frame=own") for _, _, c in rows), rows[:3])
    return {c.split("flow_id=")[1] for c in dropped if "flow_id=" in c}


def limits(w):
    number = begin(w, "ten.pcapng", "frames", "10", "snaplen", "60")
    curl(w, "/200000")
    comes("ten frames end it", lambda: shown(w, number)["state"] == "ended")
    r, rows = shown(w, number), fields(w.folder / "ten.pcapng", "frame.cap_len", "frame.len")
    expect("ten frames, cut", r["ended_by"] == "frames" and len(rows) == r["frames"] == 10 and
           all(int(c) == min(int(n), 60) for c, n in rows), (r, rows))
    number = begin(w, "mega.pcapng", "megabytes", "1")
    curl(w, "/2000000")
    comes("a megabyte ends it", lambda: shown(w, number)["state"] == "ended")
    size = (w.folder / "mega.pcapng").stat().st_size
    expect("and not much more", shown(w, number)["ended_by"] == "megabytes" and 1 << 20 <= size <= (1 << 20) + 4096, size)
    number = begin(w, "time.pcapng", "time", "1s")
    comes("so does time", lambda: shown(w, number)["state"] == "ended")
    expect("which is said", shown(w, number)["ended_by"] == "time", shown(w, number))
    number = begin(w, "none.pcapng", "filter", "tcp", "port", "9")
    curl(w)
    r = w.ctl("capture", "stop", number)["result"]
    expect("a filter that nothing meets", r["frames"] == 0 and fields(w.folder / "none.pcapng", "frame.number") == [], r)


def lost(w):
    number = begin(w, "tiny.pcapng", "buffer_kb", "4")
    expect("the path goes on", curl(w, "/3000000").stdout == "200")
    r = w.ctl("capture", "stop", number)["result"]
    expect("what found no room is counted", r["lost"] > 0 and r["frames"] + r["lost"] > 2000 and
           len(fields(w.folder / "tiny.pcapng", "frame.number")) == r["frames"], r)
    page = w.run("box", "curl", "-sS", "-m", "10", "http://127.0.0.1:9180/metrics").stdout
    expect("by metrics, too", "sluice_capture_lost_total %d\n" % r["lost"] in page and "sluice_captures 0\n" in page,
           [l for l in page.splitlines() if "capture" in l])
    full = w.folder / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(full)], check=True)
    begun = w.ctl("capture", "start", str(full / "x"))
    curl(w, "/2000000")
    number = begun["result"]["capture"] if "result" in begun else 0
    comes("a full disk ends it", lambda: shown(w, number)["state"] == "ended")
    expect("and is said", "space" in shown(w, number)["ended_by"] and w.says("No space left"), shown(w, number))
    subprocess.run(["umount", str(full)], check=True)


def nonsense(w):
    there = w.folder / "there"
    there.write_text("mine")
    (w.folder / "link").symlink_to(w.folder / "nowhere")
    subprocess.run(["mkfifo", str(w.folder / "fifo")], check=True)
    for file in ("there", "link", "fifo"):
        r = w.ctl("capture", "start", str(w.folder / file))
        expect("%s is not written over" % file, r.get("exit") == 1 and "already" in r["error"], r)
    expect("it has what it had", there.read_text() == "mine")
    for file, code in (("/dev/null", 1), ("/nowhere/x", 1), ("relative", 2)):
        expect("%s is none" % file, w.ctl("capture", "start", file).get("exit") == code)
    file = str(w.folder / "never")
    r = w.ctl("capture", "start", file, "filter", "tcp prot 80")
    expect("what libpcap says of a filter", r.get("exit") == 1 and "syntax error" in r["error"], r)
    many = " or ".join("port %d" % p for p in range(1, 300))
    for words in (("filter", "ip6 protochain 6"), ("filter", many), ("filter", "x" * 5000), ("filter",), ("port", "nowhere"),
                  ("frames", "0"), ("time", "-1"), ("snaplen", "99999999999999999999"), ("direction", "up"), ("prot", "lan")):
        r = w.ctl("capture", "start", file, *words)
        expect("refused: %.40s" % " ".join(words), r.get("exit") in (1, 2) and len(r["error"]) < 500, r)
    expect("and no file made", not pathlib.Path(file).exists())
    expect("no such capture", w.ctl("capture", "stop", "77").get("exit") == 1)
    for i in range(4):
        with socket.socket(socket.AF_UNIX) as s:  # gone before it is answered
            s.connect(str(w.folder / "ctl.sock"))
            s.sendall(b"capture start %s/gone%d\n" % (str(w.folder).encode(), i))
    running = lambda: [c for c in w.ctl("show", "captures")["result"]["captures"] if c["state"] == "running"]  # noqa: E731
    comes("captures outlive who asked", lambda: len(running()) == 4)
    r = w.ctl("capture", "start", str(w.folder / "fifth"))
    expect("four at once", r.get("exit") == 1 and "4 captures" in r["error"], r)
    expect("and the path goes on", curl(w).stdout == "200")
    expect("one ends", w.ctl("capture", "stop", str(running()[1]["capture"]))["result"]["frames"] > 0)


def main():
    if not shutil.which("tshark") or not shutil.which("tcpdump"):
        skip("no tshark, or no tcpdump: scripts/deps")
    w = World(sys.argv[1])
    w.up(w.config(POLICY, workers={"cores": [0, 1], "idle": "adaptive"}))
    w.http("server", SERVER)
    flows = as_tcpdump(w)
    for story in (limits, lost, nonsense):
        story(w)
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    for i in (0, 2, 3):
        if (w.folder / ("gone%d" % i)).exists():
            fields(w.folder / ("gone%d" % i), "frame.number")  # whole, with the end of the appliance
    ids = {str(e["flow_id"]) for e in w.events() if "flow_id" in e}
    expect("flow ids of drops are the records'", flows and flows <= ids, (flows, ids))
    said = [e["state"]["event"] for e in w.events("state")]
    expect("each is recorded", said.count("capture_begun") >= 10 and said.count("capture_ended") >= 7, said)
    end()


main()
