# SPDX-License-Identifier: BSD-3-Clause
"""Two network namespaces with sluice between them.

    namespace "client" [tap] <-> this program <-> [tap] namespace "server"
                                   |      ^
                          pipe, pcap      pipe, pcap
                                   v      |
                            sluice replay -p POLICY -w

The program is two network cables: what either end sends goes to sluice as a capture that has not ended yet, and what
sluice lets out, or says itself, goes on to whom it is for. In `vlan` and `gwlb` the frames are wrapped on the way to
sluice, and what comes back must be wrapped alike. With a place of inline.py (af_packet, routed, balancer ...) the same is played
with `sluice run` between them. Needs root, iproute2 and /dev/net/tun."""
import atexit
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

NS = {"client": "sluice-c%d" % os.getpid(), "server": "sluice-s%d" % os.getpid()}
ADDRESS = {"client": ("10.77.0.1", "fd77::1"), "server": ("10.77.0.2", "fd77::2")}
MAC = {"client": "02:00:00:00:77:01", "server": "02:00:00:00:77:02"}
GENEVE = bytes.fromhex("0800080000000000" "01080102" "00000000000000ab" "01080202" "0000000000000000" "01080301" "cafe0001")


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until(holds, wait=20):
    """asks again and again until it holds, for `wait` seconds at most: machines differ in speed; its last answer"""
    end_at = time.monotonic() + wait
    while not (answer := holds()) and time.monotonic() < end_at:
        time.sleep(0.02)
    return answer


def certificate(folder, name="test", *also):
    """folder/key and folder/cert: one that nobody vouches for, of that name and others"""
    more = ("-addext", "subjectAltName=" + ",".join("DNS:" + n for n in (name, *also))) if also else ()
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "key"), "-out",
       str(folder / "cert"), "-subj", "/CN=" + name, "-days", "2", "-batch", *more)


def tap(end):
    """the cable's end that belongs to this program"""
    name = "sl%d%s" % (os.getpid() % 100000, end[0])
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))  # TUNSETIFF: TAP, no header
    sh("ip", "netns", "add", NS[end])
    atexit.register(subprocess.run, ["ip", "netns", "del", NS[end]], stderr=subprocess.DEVNULL)
    sh("ip", "link", "set", name, "netns", NS[end])
    inside = ["ip", "-n", NS[end]]
    sh(*inside, "link", "set", name, "address", MAC[end])
    sh(*inside, "addr", "add", ADDRESS[end][0] + "/24", "dev", name)
    sh(*inside, "addr", "add", ADDRESS[end][1] + "/64", "dev", name, "nodad")
    sh(*inside, "link", "set", "lo", "up")
    sh(*inside, "link", "set", name, "up")
    return fd


def ip_sum(header):
    s = sum(struct.unpack("!10H", header))
    s = (s & 0xFFFF) + (s >> 16)
    return ~(s + (s >> 16)) & 0xFFFF


class Wrap:
    """how frames look on the way to sluice"""

    def __init__(self, kind):
        self.kind = kind
        self.wrong = []

    def on(self, frame):
        if self.kind == "vlan":
            return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]
        if self.kind == "gwlb" and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            inner = frame[14:]
            geneve = GENEVE[:2] + frame[12:14] + GENEVE[4:] + inner
            udp = struct.pack("!HHHH", 50000, 6081, 8 + len(geneve), 0) + geneve
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0, b"\x0a\0\0\x05", b"\x0a\0\0\x06")
            ip = ip[:10] + struct.pack("!H", ip_sum(ip)) + ip[12:]
            return b"\x02\0\0\0\0\x06\x02\0\0\0\0\x05\x08\x00" + ip + udp
        return frame

    def own(self, frame):
        if self.kind == "gwlb" and frame[:12] + frame[26:34] != bytes.fromhex("020000000005" "020000000006" "0a000006" "0a000005"):
            self.wrong.append("not to the balancer: " + frame[:82].hex())

    def off(self, frame):
        if self.kind == "vlan":
            if frame[12:16] != b"\x81\x00\x00\x2a":
                self.wrong.append("no tag: " + frame.hex())
            return frame[:12] + frame[16:]
        if self.kind == "gwlb" and len(frame) > 82 and frame[36:38] == b"\x17\xc1":
            geneve, inner = frame[42:82], frame[82:]
            if geneve[:2] + geneve[4:] != GENEVE[:2] + GENEVE[4:] or frame[34:36] != b"\xc3\x50":
                self.wrong.append("header: " + frame[:82].hex())
            to = [e for e in MAC if socket.inet_aton(ADDRESS[e][0]) == inner[16:20]
                  or socket.inet_pton(socket.AF_INET6, ADDRESS[e][1]) == inner[24:40]]
            if not to:
                return None
            other = "server" if to[0] == "client" else "client"
            mac = [bytes.fromhex(MAC[e].replace(":", "")) for e in (to[0], other)]
            # a frame of our own goes back to the balancer; one that passed is as it came, in replay
            return mac[0] + mac[1] + geneve[2:4] + inner
        return frame


class Box(threading.Thread):
    """sluice between the two cables"""

    def __init__(self, sluice, folder, kind, policy):
        super().__init__(daemon=True)
        self.wrap = Wrap(kind)
        self.taps = {"client": tap("client"), "server": tap("server")}
        (folder / "policy.json").write_text(json.dumps(policy))
        subprocess.run([sluice, "check", str(folder / "policy.json")], check=True)  # else the pipes would wait for ever
        paths = [folder / "in", folder / "out"]
        for p in paths:
            os.mkfifo(p)
        args = [sluice, "replay", str(paths[0]), "-p", str(folder / "policy.json"), "-w", str(paths[1]), "-o",
                str(folder / "records"), "-f", "eve"] + (["--transport", "gwlb"] if kind == "gwlb" else [])
        self.process = subprocess.Popen(args, stderr=open(folder / "stderr", "w"))
        self.into = os.open(paths[0], os.O_WRONLY)
        os.write(self.into, struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        self.out = os.open(paths[1], os.O_RDONLY)
        self.kept = b""
        self.own = []  # frames that neither end had sent
        self.sent = {}
        self.done = self.closing = False

    def take(self, end):
        try:
            frame = os.read(self.taps[end], 65536)
        except (BlockingIOError, OSError):
            return
        link_local = frame[12:14] == b"\x08\x06" or (frame[12:14] == b"\x86\xdd" and frame[20] == 58)
        if link_local and self.wrap.kind == "gwlb":  # a balancer has no ARP, nor neighbours
            os.write(self.taps["server" if end == "client" else "client"], frame)
            return
        frame = self.wrap.on(frame)
        self.sent[frame] = self.sent.get(frame, 0) + 1
        now = time.time_ns()
        os.write(self.into, struct.pack("<IIII", now // 10**9, now % 10**9, len(frame), len(frame)) + frame)

    def give(self):
        data = os.read(self.out, 1 << 20)
        if not data:
            self.done = True
            return
        self.kept += data
        if self.kept[:4] == b"\x4d\x3c\xb2\xa1":
            self.kept = self.kept[24:]
        while len(self.kept) >= 16:
            n = struct.unpack_from("<I", self.kept, 8)[0]
            if len(self.kept) < 16 + n:
                return
            frame, self.kept = self.kept[16 : 16 + n], self.kept[16 + n :]
            if not self.sent.get(frame):
                self.own.append(frame)
                if not any(frame[-40:] in f for f in self.sent):  # else a piece of one, which passes as it came
                    self.wrap.own(frame)
            bare = self.wrap.off(frame)
            if bare is None:
                continue
            for end, mac in MAC.items():
                mac = bytes.fromhex(mac.replace(":", ""))
                if bare[:6] == mac or (bare[0] & 1 and bare[6:12] != mac):
                    os.write(self.taps[end], bare)

    def run(self):
        ends = {fd: end for end, fd in self.taps.items()}
        while not self.done:
            for fd in select.select(([] if self.closing else list(ends)) + [self.out], [], [], 0.1)[0]:
                if fd == self.out:
                    self.give()
                elif not self.closing:
                    self.take(ends[fd])
            if self.closing and self.into is not None:
                os.close(self.into)  # the capture ends
                self.into = None


class Ends:
    """the programs at both ends; servers: their commands, started in a folder with a certificate in cert and key"""

    def __init__(self, folder, servers, client=NS["client"], server=NS["server"]):
        self.folder, self.ns = folder, {"client": client, "server": server}
        self.failed = []
        self.n = 0
        certificate(folder, "test", "fine.test", "games.test", "quiet.test")
        self.servers = [subprocess.Popen(["ip", "netns", "exec", server, *command], cwd=folder,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in servers]
        for s in self.servers:
            atexit.register(s.kill)
        until(self.all_listen, 30)
        time.sleep(0.3)  # those of several ports

    def all_listen(self):
        sockets = subprocess.run(["ip", "netns", "exec", self.ns["server"], "ss", "-Hlntup"], capture_output=True, text=True).stdout
        return all("pid=%d," % s.pid in sockets for s in self.servers)

    def client(self, *command, stdin=None):
        """output, exit code and seconds"""
        begun = time.monotonic()
        run = subprocess.Popen(["ip", "netns", "exec", self.ns["client"], *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, start_new_session=True)
        try:
            out = run.communicate(stdin, timeout=20)[0]
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)  # a browser is many
            out = run.communicate()[0]
        return out.decode("utf-8", "replace"), run.returncode, time.monotonic() - begun

    def python(self, code):
        return self.client(sys.executable, "-c", "import socket, time\n" + code)

    def expect(self, what, fine, seen):
        self.n += 1
        if not fine:
            self.failed.append(what)
        print("%s %s%s" % ("ok " if fine else "NOT", what, "" if fine else "\n    " + str(seen)[:1500]))


def play_live(sluice, kind, policy, servers, acts):
    """the same as play, with `sluice run`, in one of the ways that inline.py has"""
    from inline import PLACES

    place = PLACES[kind](sluice, policy)
    w = place.w
    place.up()
    if w.box.poll() is not None:
        return 1, [kind + " it starts"]
    ends = Ends(w.folder, servers, w.ns[place.client], w.ns[place.server])
    acts(ends, place.servers)
    for s in ends.servers:
        s.kill()
    status, said = place.down()
    ends.expect(kind + " it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    ends.expect(kind + " the balancer finds nothing wrong", not said["wrong"], said["wrong"])
    if ends.failed and os.environ.get("KEEP"):
        shutil.copytree(w.folder, os.environ["KEEP"], dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "profile"))
    w.close()
    return ends.n, ends.failed


def play(sluice, kind, policy, servers, acts):
    """what `acts` expects of the ends, with sluice between them -> how many expectations, and those that failed"""
    if kind not in ("plain", "vlan", "gwlb"):
        return play_live(sluice, kind, policy, servers, acts)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        box = Box(sluice, folder, kind, policy)
        box.start()
        ends = Ends(folder, servers)
        acts(ends, ADDRESS["server"])
        for s in ends.servers:
            s.kill()
        box.closing = True
        box.process.wait(timeout=20)
        box.join(timeout=5)
        said = (folder / "stderr").read_text()
        ends.expect(kind + " the ledger holds", box.process.returncode == 0, said)
        ends.expect(kind + " frames of our own are as many as counted", "own %d " % len(box.own) in said, (len(box.own), said))
        ends.expect(kind + " wraps", not box.wrap.wrong, box.wrap.wrong[:3])
        if ends.failed and os.environ.get("KEEP"):
            shutil.copytree(folder, os.environ["KEEP"], ignore=shutil.ignore_patterns("in", "out"), dirs_exist_ok=True)
        for fd in box.taps.values():
            os.close(fd)
        for ns in NS.values():
            sh("ip", "netns", "del", ns)
        return ends.n, ends.failed


def missing(*programs):
    """why this cannot run here; None: it can"""
    absent = [p for p in ("ip", *programs) if not shutil.which(p)]
    if os.geteuid() != 0 or absent or not os.path.exists("/dev/net/tun"):
        return "needs root, /dev/net/tun" + ", ".join([""] + absent)
    if subprocess.run(["ip", "netns", "add", NS["client"] + "t"], stderr=subprocess.DEVNULL).returncode:
        return "no network namespaces here"
    subprocess.run(["ip", "netns", "del", NS["client"] + "t"])
    return None


def main(why, policy, servers, acts):
    """a test's: skipped where there is a reason; else `acts` (ends, server's address, name) for each wrap and version of IP"""
    if why:
        print("skipped: " + why)
        return 77
    n, failed = 0, []
    for kind in sys.argv[2:] or ["plain", "vlan", "gwlb"]:
        def both(ends, servers, kind=kind):
            for version, server in enumerate(servers):
                acts(ends, server, "%s IPv%d" % (kind, 4 + 2 * version))

        did, wrong = play(sys.argv[1], kind, policy, servers, both)
        n += did
        failed += wrong
    print("%d of %d as expected" % (n - len(failed), n))
    return 1 if failed else 0
