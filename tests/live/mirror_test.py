# SPDX-License-Identifier: BSD-3-Clause
"""A mirror: what comes is looked at, recorded and judged, and nothing is sent, no answer either: of its own, and in VXLAN beside a
bridge in one appliance. And rules of action `mirror` on both: sinks of type `pcapng` hold the frames of the flow, those before the match too;
one is full for a while, and moved away.
usage: mirror_test.py SLUICE [PORT TYPE]

    client [eth0] ---- [lan] box, sluice run        [wan]: not used
    client [eth0] ---- [lan] box [wan] ---- [eth0] server,    client [tee] ---- [span] box
"""
import collections
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file
from world import World, end, expect, sh, until

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "captures"
VNI = 0x4d5a17
MTU = 3200  # a mbuf of af_xdp lies within a page, and struct pkt is in it
SENDER = """import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
n = 0
data = sys.stdin.buffer.read()
while data:
    length = int.from_bytes(data[:4], "big")
    s.send(data[4:4 + length])
    data = data[4 + length:]
"""


def fold(data):
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def vxlan(frame):
    rest = struct.pack("!II", 0x08000000, VNI << 8) + frame
    udp = struct.pack("!HHHH", 49152, 4789, 8 + len(rest), 0)
    h = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(rest), 0, 0x4000, 255, 17, 0) + socket.inet_aton("10.78.0.1") + socket.inet_aton("10.78.0.9")
    h = h[:10] + struct.pack("!H", 0xffff ^ fold(h)) + h[12:]
    return bytes.fromhex("02000000789902000000780108" + "00") + h + udp + rest


def passed(w, dev, way):
    return json.loads(w.run("client", "ip", "-s", "-j", "link", "show", dev).stdout)[0]["stats64"][way]["packets"]


def captured():
    return [f for name in ("http", "http6", "tls13") for _, f in pcap_file.records((CAPTURES / (name + ".pcap")).read_bytes())]


def sends(w, dev, frames):
    ledger = {}

    def looked_at():
        ledger.update(w.ctl("show", "ledger").get("result", {}))
        return ledger["mirrored"] + ledger["drops"].get("POLICY_DENY", 0)

    # what the client's kernel says there of its own is looked at, too
    before, unseen = passed(w, dev, "rx"), passed(w, dev, "tx") - looked_at()
    r = w.inside(w.ns["client"], sys.executable, "-c", SENDER, dev, input=b"".join(struct.pack("!I", len(f)) + f for f in frames),
                 capture_output=True)
    expect(dev + ": frames are sent", r.returncode == 0, r.stderr)

    def all_seen():
        return looked_at() >= len(frames) and passed(w, dev, "tx") - looked_at() == unseen

    expect(dev + ": all of them are looked at, and some denied", until(all_seen) and ledger["mirrored"] and "POLICY_DENY" in ledger["drops"],
           (len(frames), passed(w, dev, "tx"), unseen, ledger))
    expect(dev + ": nothing comes back, though a rule denies", passed(w, dev, "rx") == before, (before, passed(w, dev, "rx")))
    return ledger


def story(kind):
    w = World(sys.argv[1], mtu=MTU)
    w.inside(w.ns["client"], "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    policy = {"rules": [{"id": "all-http", "when": {"app": "http"}, "action": "deny"}]}
    c = w.config(policy, kind)
    c["ports"] = {"lan": {"type": kind, "device": "lan", "mtu": MTU, "checksum": "good"}}
    c["paths"] = [{"mode": "mirror", "ports": ["lan"]}]
    w.up(c)
    ledger = sends(w, "eth0", captured())
    expect("alone: it says nothing", ledger["own"] == ledger["tx"] == 0, ledger)
    status = w.down()
    expect("alone: it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    kinds = {e["event_type"] for e in w.events()}
    expect("alone: requests and handshakes are recorded", {"http", "tls", "flow"} <= kinds, kinds)
    tenants = {e.get("tenant") for e in w.events("flow")}
    expect("alone: there is no tenant", tenants == {None}, tenants)
    w.close()


def copies(path):
    """[(frame, [comment])] of a pcapng"""
    data, at, out = path.read_bytes(), 0, []
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body, at = data[at + 8:at + length - 4], at + length
        if kind == 6:
            n, = struct.unpack_from("<I", body, 12)
            end_, comments = 20 + (n + 3 & ~3), []
            while end_ + 4 <= len(body):
                code, size = struct.unpack_from("<HH", body, end_)
                comments += [body[end_ + 4:end_ + 4 + size].decode()] if code == 1 else []
                end_ += 4 + (size + 3 & ~3)
            out.append((body[20:20 + n], comments))
    return out


def sink(w, name):
    return next(s for s in w.ctl("show", "sinks")["result"]["sinks"] if s["name"] == name)


def metric(w, name):
    text = w.run("box", "curl", "-sS", "-m", "5", "http://127.0.0.1:9180/metrics").stdout
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")), None)


def ask(w, host, n=1):
    w.run("client", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-H", "Host: " + host, "http://10.77.0.2/[9001-%d]" % (9000 + n))


def whole(path):
    """it ends where a block does"""
    data, at = path.read_bytes(), 0
    while at + 8 <= len(data):
        at += struct.unpack_from("<I", data, at + 4)[0]
    return at == len(data)


def packets_of(path):
    """as capinfos counts them, where there is one; the whole file has to be sound, but while something is tried"""
    expect("whole blocks in " + path.name, until(lambda: whole(path), 2), path.stat().st_size)
    if not shutil.which("capinfos"):
        return len(copies(path))
    r = subprocess.run(["capinfos", "-Mrc", str(path)], capture_output=True, text=True)
    expect("capinfos finds no fault with " + path.name, r.returncode == 0 and not r.stderr, r.stderr)
    return int(r.stdout.split()[-1])


def full(w, small):
    """a disk that is full: said, counted, nobody else's; what stands in the file stays, and what found room comes behind it"""
    name = small / "any.pcapng"
    ask(w, "flood.example")
    until(lambda: sink(w, "any")["frames"] and not sink(w, "any")["behind_bytes"])
    first = len(copies(name))
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * (os.statvfs(small).f_bavail * os.statvfs(small).f_bsize - 65536))
    until(lambda: ask(w, "flood.example", 20) or sink(w, "any")["lost"], 60)
    s = sink(w, "any")
    expect("a full disk is said, and harms nothing else", s["state"] == "down" and s["errors"] and s["lost"] and "No space left" in s["last_error"] and
           "sink=any is down: %s: No space left" % name in w.log.read_text() and sink(w, "evidence")["errors"] == 0, (s, sink(w, "evidence")))
    expect("metrics say so, too", metric(w, 'sluice_sink_up{sink="any"}') == 0 and metric(w, 'sluice_sink_lost_total{sink="any"}') >= s["lost"])
    expect("the file holds whole blocks", packets_of(name) >= first > 0, first)
    ballast.unlink()
    expect("with room it goes on", until(lambda: sink(w, "any")["state"] == "up" and not sink(w, "any")["behind_bytes"]), sink(w, "any"))
    expect("in the same file, which has all that is not lost", packets_of(name) == sink(w, "any")["frames"] and not list(small.glob("any.pcapng.2*")),
           (packets_of(name), sink(w, "any")))


def moved(w, name):
    """logrotate's way"""
    before = sink(w, "any")["frames"]
    w.box.send_signal(1)
    time.sleep(0.5)
    expect("SIGHUP alone begins no file", packets_of(name) == before, before)
    os.rename(name, name.with_suffix(".moved"))
    w.box.send_signal(1)
    expect("a file that was moved away is made again at SIGHUP", until(name.exists))
    ask(w, "flood.example")
    until(lambda: sink(w, "any")["frames"] > before and not sink(w, "any")["behind_bytes"])
    s = sink(w, "any")
    expect("the two have all", (packets_of(name.with_suffix(".moved")), packets_of(name)) == (before, s["frames"] - before) and s["frames"] > before, s)
    errors, held = s["errors"], name.with_suffix(".held")
    os.rename(name, held)
    name.mkdir()
    w.box.send_signal(1)
    until(lambda: sink(w, "any")["errors"] > errors)
    s, size = sink(w, "any"), held.stat().st_size
    expect("one that cannot be made again is shown, and the old one written on", s["state"] == "up" and s["errors"] > errors and
           s["last_error"] == "%s: Is a directory; the old file is written on" % name, s)
    ask(w, "flood.example")
    expect("it is", until(lambda: held.stat().st_size > size), (size, sink(w, "any")))
    packets_of(held)
    name.rmdir()
    expect("it is tried again", until(name.is_file))


def of_rules(kind):
    """and a disk that is full meanwhile"""
    w = World(sys.argv[1])
    sh("ip", "-n", w.ns["box"], "link", "add", "span", "mtu", str(MTU), "type", "veth", "peer", "name", "tee", "mtu", str(MTU), "netns", w.ns["client"])
    for where, dev in (("box", "span"), ("client", "tee")):
        w.run(where, "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % dev)
        sh("ip", "-n", w.ns[where], "link", "set", dev, "up")
    small = w.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=True)
    policy = {"rules": [{"id": "copied", "when": {"tenant": VNI}, "action": "mirror", "sink": "span"},
                        {"id": "no-http", "when": {"tenant": VNI, "app": "http"}, "action": "deny"},
                        {"id": "evidence", "when": {"http.host": "casino.example"}, "action": "mirror", "sink": "evidence", "before": 10},
                        {"id": "flood", "when": {"http.host": "flood.example"}, "action": "mirror", "sink": "any"}]}
    evidence = w.folder / "evidence.pcapng"
    evidence.write_bytes(b"of an earlier start")
    c = w.config(policy, kind, control={"socket": str(w.folder / "ctl.sock"), "http": "127.0.0.1:9180"})
    c["sinks"] += [{"type": "pcapng", "name": "evidence", "path": str(evidence)},
                   {"type": "pcapng", "name": "any", "others": True, "path": str(small / "any.pcapng"), "keep": 1},
                   {"type": "pcapng", "name": "span", "path": str(w.folder / "span.pcapng"), "tenants": [str(VNI)]},
                   {"type": "pcapng", "name": "none", "path": str(w.folder / "none.pcapng"), "rotate_s": 1}]
    c["ports"]["span"] = {"type": kind, "device": "span", "checksum": "good"}
    c["paths"].append({"mode": "mirror", "ports": ["span"], "transport": "vxlan"})
    listened = [vxlan(f) for f in captured()]
    try:
        w.up(c)
        sends(w, "tee", listened)
        w.http("server", "10.77.0.2")
        ask(w, "casino.example")
        ask(w, "other.example")
        full(w, small)
        moved(w, small / "any.pcapng")
        status = w.down()
        expect("it drains, the ledger holds, and it exits 0", status == 0, (status, w.log.read_text()[-2000:]))
    finally:
        subprocess.run(["umount", "-l", str(small)])
    its = next(e["flow_id"] for e in w.events("http") if e["http"].get("hostname") == "casino.example")
    packets = next(e["flow"]["pkts_toserver"] + e["flow"]["pkts_toclient"] for e in w.events("flow") if e["flow_id"] == its)
    frames = copies(evidence)
    early = [i for i, (_, said) in enumerate(frames) if "before=match" in said[0]]
    expect("every frame of the flow is there once, its SYN first", len(frames) == packets and frames[0][0][47] == 0x02,
           (len(frames), packets))
    expect("those before the match say so, and all which rule", early == [0, 1, 2] and
           all(said[0].startswith("mirror=evidence ") for _, said in frames), [said for _, said in frames][:6])
    expect("what nothing was copied to is a pcapng all the same", packets_of(w.folder / "none.pcapng") == 0 and
           not list(w.folder.glob("none.pcapng.2*")), list(w.folder.glob("none*")))
    expect("no frame of another flow", b"other.example" not in evidence.read_bytes())
    put_away = [p.read_bytes() for p in w.folder.glob("evidence.pcapng.2*")]
    expect("the file that was there is put away", put_away == [b"of an earlier start"], put_away)
    expect("a mirror path's rules copy what came, in its VXLAN, what is denied too", [f for f, _ in copies(w.folder / "span.pcapng")] ==
           [f for f in listened if f[62:64] != b"\x08\x06"])
    theirs = collections.Counter(e.get("tenant") for e in w.events("http"))
    expect("the VNI is its tenant, the bridge has none", len(theirs) == 2 and theirs[str(VNI)] and theirs[None], theirs)
    w.close()


def main():
    kind = sys.argv[2] if len(sys.argv) > 2 else "af_packet"
    story(kind)
    of_rules(kind)
    end()


main()
