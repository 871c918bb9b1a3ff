# SPDX-License-Identifier: BSD-3-Clause
"""Three network namespaces, `sluice run` in the middle one.

    client [eth0] ---- [lan] box [wan] ---- [eth0] server
    10.77.0.1               |                10.77.0.2
    fd77::1            sluice run            fd77::2

veth pairs; what is in each namespace ends with the test. Needs root, iproute2 and ethtool. A test imports World, starts
programs in namespaces by world.run and world.start, and asks the appliance by world.ctl."""
import atexit
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from wire import ADDRESS, MAC, NS, until

failed = []
# a leak checker traces the process, which it has forbidden itself: leaks are looked for by the unit tests
QUIET = {"ASAN_OPTIONS": "detect_leaks=0"}


def expect(what, ok, seen=""):
    print("%s  %s%s" % ("ok  " if ok else "FAIL", what, "" if ok else ": %s" % (seen,)), flush=True)
    if not ok:
        failed.append(what)


def end():
    print("%d failed" % len(failed))
    sys.exit(bool(failed))


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def sh(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)


class World:
    def __init__(self, sluice, mtu=1500, queues=1):
        if os.geteuid() != 0:
            skip("network namespaces need root")
        for tool in ("ip", "ethtool", "nsenter"):
            if not shutil.which(tool):
                skip("no %s: scripts/deps" % tool)
        self.sluice = sluice
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-live-"))
        self.processes = []
        self.box = None
        self.queues = queues  # of each end of a cable
        self.ns = {**NS, "box": "sluice-b%d" % os.getpid()}
        atexit.register(self.close)
        for n in self.ns.values():
            if subprocess.run(["ip", "netns", "add", n], stderr=subprocess.DEVNULL).returncode:
                skip("no network namespaces here")
            sh("ip", "-n", n, "link", "set", "lo", "up")
        self.cable("client", "lan", mtu)
        self.cable("server", "wan", mtu)

    def cable(self, end_, port, mtu):
        inside, box = self.ns[end_], self.ns["box"]
        queues = ["numrxqueues", str(self.queues), "numtxqueues", str(self.queues)]
        sh("ip", "-n", box, "link", "add", port, "mtu", str(mtu), *queues, "type", "veth", "peer", "name", "eth0", *queues, "netns", inside)
        sh("ip", "-n", inside, "link", "set", "eth0", "address", MAC[end_], "mtu", str(mtu))
        sh("ip", "-n", inside, "addr", "add", ADDRESS[end_][0] + "/24", "dev", "eth0")
        sh("ip", "-n", inside, "addr", "add", ADDRESS[end_][1] + "/64", "dev", "eth0", "nodad")
        sh("ip", "-n", box, "link", "set", port, "up")
        sh("ip", "-n", inside, "link", "set", "eth0", "up")
        for ns, dev in ((inside, "eth0"), (box, port)):
            self.inside(ns, "sysctl", "-qw", "net.ipv6.conf.%s.accept_ra=0" % dev)
        self.inside(box, "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % port)

    def inside(self, ns, *command, **more):
        """nsenter, not `ip netns exec`, which hides bpffs"""
        return subprocess.run(["nsenter", "--net=/run/netns/" + ns, *command], **more)

    def run(self, where, *command, timeout=20, **more):
        r = self.inside(self.ns[where], *command, capture_output=True, text=True, timeout=timeout, **more)
        return r

    def start(self, where, *command, **more):
        p = subprocess.Popen(["nsenter", "--net=/run/netns/" + self.ns[where], *command], **more)
        self.processes.append(p)
        return p

    def http(self, where, address, port=80):
        """a server that answers every GET with 200; http.server's own looks its name up in DNS first"""
        code = """import http.server, socket, socketserver, sys
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    allow_reuse_address = daemon_threads = True
    def handle_error(self, *a):
        pass
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * int(self.path[1:] or 5)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()"""
        p = self.start(where, sys.executable, "-c", code, address, str(port))
        self.listens(where, port, address)
        return p

    def listens(self, where, port, address=None, protocol="t"):
        """waits for a server's port"""
        source = ["src", "[%s]" % address if ":" in address else address] if address else []
        return until(lambda: self.run(where, "ss", "-Hln" + protocol, "sport = :%s" % port, *source).stdout)

    def config(self, policy=None, kind="af_packet", **more):
        """a bridge between lan and wan; more: top-level keys over it"""
        config = {
            "node": "test",
            "ports": {"lan": {"type": kind, "device": "lan"}, "wan": {"type": kind, "device": "wan"}},
            "paths": [{"mode": "bridge", "ports": ["lan", "wan"]}],
            "memory": {"flows": 65536, "pages": "small"},  # of hugepages there are not enough for two at once
            "spool": {"path": str(self.folder / "spool")},
            "sinks": [{"type": "file", "path": str(self.folder / "eve.json"), "format": "eve"}],
            "control": {"socket": str(self.folder / "ctl.sock")},
        }
        if policy is not None:
            self.policy(policy)
            config["policy"] = {"file": str(self.folder / "policy.json"), "history": str(self.folder / "history")}
        config.update(more)
        return config

    def hugepages(self, n):
        """raised for as long as this world stands; whether they are there"""
        nr = pathlib.Path("/proc/sys/vm/nr_hugepages")
        self.nr = open(nr)
        fcntl.flock(self.nr, fcntl.LOCK_EX)  # one world at a time, whoever's
        there = int(nr.read_text())
        try:
            nr.write_text(str(there + n))
        except OSError:
            return False
        atexit.register(nr.write_text, str(there))
        return int(nr.read_text()) >= there + n > 0

    def policy(self, policy):
        (self.folder / "policy.json").write_text(json.dumps(policy))

    def up(self, config, *args, says="enforcing", wait=40):
        """starts sluice run; returns when its log has that"""
        config.setdefault("policy", {}).setdefault("history", "")  # not this machine's
        (self.folder / "config.json").write_text(json.dumps(config, indent=1))
        self.log = self.folder / "log"
        self.box = self.start("box", self.sluice, "run", "-c", str(self.folder / "config.json"), *args,
                              stderr=open(self.log, "w"), env={**os.environ, "SLUICE_CACHE": "", **QUIET})
        self.says(says, wait)

    def says(self, text, wait=20):
        until(lambda: text in self.log.read_text() or self.box.poll() is not None, wait)
        said = text in self.log.read_text()
        if not said:
            expect("the log says %r" % text, False, self.log.read_text()[-2000:])
        return said

    def down(self, sig=signal.SIGTERM, wait=30):
        """ends it; its exit status"""
        self.box.send_signal(sig)
        try:
            return self.box.wait(wait)
        except subprocess.TimeoutExpired:
            self.box.kill()
            self.box.wait()
            return "no end within %d s" % wait

    def ctl(self, *words):
        r = subprocess.run([self.sluice, "ctl", "-s", str(self.folder / "ctl.sock"), "-j", *words], capture_output=True,
                           text=True, timeout=20)
        return json.loads(r.stdout) if r.stdout.strip() else {"error": r.stderr, "exit": r.returncode}

    def events(self, kind=None):
        path = self.folder / "eve.json"
        lines = [json.loads(l) for l in path.read_text().splitlines()] if path.exists() else []
        return [l for l in lines if kind in (None, l.get("event_type"))]

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()
        for n in self.ns.values():
            subprocess.run(["ip", "netns", "del", n], stderr=subprocess.DEVNULL)
        atexit.unregister(self.close)
        if not failed:
            shutil.rmtree(self.folder, ignore_errors=True)
