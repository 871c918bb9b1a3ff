# SPDX-License-Identifier: BSD-3-Clause
"""Between two networks: the kernel's bridge, testpmd in io mode and `sluice run` with 1,000 rules and records, in turn over the same
veths, round after round. One TCP stream of iperf3, one datagram at a time there and back, and what a packet costs the worker's thread.
The worker on CPU 1, all else on CPU 0. By hand, as root; prints tables for docs/performance.md.
usage: inline.py BUILD_FOLDER [--rounds 7] [--seconds 2] [--kinds af_xdp,af_packet] [--rules RULES.py] [--only NAME,...]"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "live"))
from wire import ADDRESS, MAC  # noqa: E402
from world import World, sh  # noqa: E402

WORKER_CPU, OTHER_CPU = 1, 0
CLIENT, SERVER = ADDRESS["client"][0], ADDRESS["server"][0]
RTT_PORT, TRIPS, INTERVAL_US = 9000, 20000, 60
PORTS, KINDS = ("lan", "wan"), ("af_xdp", "af_packet")
SETTLE = 0.3  # seconds of a stream at its begin and its end that do not count


def until(what, ok, seconds=30):
    end = time.time() + seconds
    while not ok():
        if time.time() > end:
            sys.exit("inline.py: no " + what)
        time.sleep(0.05)


class Bench:
    def __init__(self, a):
        self.a = a
        os.sched_setaffinity(0, {OTHER_CPU})
        self.w = World(str(a.build / "sluice"))
        self.memory = ("--in-memory",) if self.w.hugepages(a.hugepages) else ("--no-huge", "--no-shconf")
        self.rtt = a.build / "tests" / "bench_rtt"
        self.ends = [self.w.start("server", "iperf3", "-s", "-B", SERVER, stdout=subprocess.DEVNULL),
                     self.w.start("client", "sleep", "1000000")]
        self.w.start("server", str(self.rtt), "-e", SERVER, str(RTT_PORT))
        for e, other in (("client", "server"), ("server", "client")):
            sh("ip", "-n", self.w.ns[e], "neigh", "add", ADDRESS[other][0], "lladdr", MAC[other], "dev", "eth0")
            # testpmd leaves checksums as they are, and those of a veth are not whole
            self.w.inside(self.w.ns[e], "ethtool", "-K", "eth0", "tx", "off", check=True, capture_output=True)
        prefix = self.w.folder / "rules"
        subprocess.run([sys.executable, str(a.rules), "1000", str(prefix)], check=True)
        self.rules = json.loads(prefix.with_suffix(".json").read_text())

    # ---- what stands between: started, its worker's thread, ended

    def bridge(self, _):
        box = self.w.ns["box"]
        for line in ("link add br0 type bridge", "link set br0 up", *("link set %s master br0" % p for p in PORTS)):
            subprocess.run(["ip", "-n", box, *line.split()], check=True)
        return None, lambda: subprocess.run(["ip", "-n", box, "link", "del", "br0"], check=True)

    def testpmd(self, kind):
        devices = ["--vdev=net_%s%d,iface=%s" % (kind, i, p) for i, p in enumerate(PORTS)]
        p = self.w.start("box", "dpdk-testpmd", "-l", "%d,%d" % (OTHER_CPU, WORKER_CPU), *self.memory, "-m", "256", "--no-pci", "--no-telemetry", *devices, "--", "--forward-mode=io", "--total-num-mbufs=32768", "--no-mlockall",
                         stdin=subprocess.PIPE, stdout=open(self.w.folder / "testpmd", "w"), stderr=subprocess.STDOUT)
        return p, lambda: p.communicate(b"\n", timeout=20)

    def appliance(self, kind, **path):
        config = self.w.config(self.rules, kind, workers={"cores": [WORKER_CPU], "idle": "busy"}, memory={"flows": 65536, "pages": "auto"})
        config["paths"][0].update(path)
        (self.w.folder / "eve.json").unlink(missing_ok=True)
        self.w.up(config)
        return self.w.box, self.w.down

    def settled(self, kind):
        return self.appliance(kind, fast_path=True)

    # ---- what is measured

    def thread(self, p):
        """the one on the worker's CPU alone"""
        for task in pathlib.Path("/proc/%d/task" % p.pid).iterdir() if p else ():
            if os.sched_getaffinity(int(task.name)) == {WORKER_CPU}:
                return task
        return None

    def cpu(self, task):
        """the thread's processor time and that of it in user mode, in seconds: by the scheduler, and by its ticks"""
        if not task:
            return 0, 0
        ticks = (task / "stat").read_text().rpartition(")")[2].split()
        return int((task / "schedstat").read_text().split()[0]) / 1e9, int(ticks[11]) / os.sysconf("SC_CLK_TCK")

    def frames(self):
        """what both ends sent towards the middle"""
        n = 0
        for p in self.ends:
            line = next(l for l in open("/proc/%d/net/dev" % p.pid) if "eth0:" in l)
            n += int(line.partition(":")[2].split()[9])
        return n

    def stream(self, task):
        iperf = self.w.start("client", "iperf3", "-c", SERVER, "-t", str(self.a.seconds), "-J", stdout=subprocess.PIPE)
        time.sleep(2 * SETTLE)
        at, cpu, frames = time.time(), self.cpu(task), self.frames()
        time.sleep(self.a.seconds - 3 * SETTLE)
        at, cpu, frames = time.time() - at, [b - a for a, b in zip(cpu, self.cpu(task))], self.frames() - frames
        r = json.loads(iperf.communicate(timeout=30)[0])
        if "error" in r:
            sys.exit("inline.py: iperf3: " + r["error"])
        return {"gbit": r["end"]["sum_received"]["bits_per_second"] / 1e9, "pps": frames / at / 1e6, "ns": cpu[0] / frames * 1e9,
                "user": cpu[1] / frames * 1e9, "resent": r["end"]["sum_sent"]["retransmits"]}

    def trips(self):
        r = self.w.run("client", str(self.rtt), SERVER, str(RTT_PORT), str(TRIPS), str(INTERVAL_US), timeout=60)
        if r.returncode:
            sys.exit("inline.py: bench_rtt: %s%s" % (r.stdout, r.stderr))
        words = r.stdout.split()
        return {"p50": float(words[1]), "p99": float(words[3]), "p999": float(words[5]), "lost": int(words[7])}

    def once(self, way):
        name, start, kind = way
        p, stop = start(self, kind)
        until("way through by " + name, lambda: self.w.run("client", "ping", "-c1", "-W0.2", SERVER).returncode == 0)
        task = self.thread(p)
        result = {**self.stream(task), **self.trips()}
        stop()
        return result


def quartiles(values):
    q = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return "%.2f (%.2f to %.2f)" % (q[1], q[0], q[2])


def row(name, cells):
    print("| " + " | ".join([name, *cells]) + " |")


def tables(ways, seen, rounds):
    column = {"Gbit/s": "gbit", "Mpps both ways": "pps", "worker ns a packet": "ns", "of it user": "user", "UDP p50 us": "p50", "p99": "p99"}
    row("median (quartiles) of %d" % rounds, column)
    print("|---" * (len(column) + 1) + "|")
    for name, _, _ in ways:
        row(name, [quartiles([r[c] for r in seen[name]]) for c in column.values()])
    print()
    row("ratio or difference, round by round", ("seen", "target"))
    print("|---|---|---|")
    for kind in KINDS:
        ours, theirs = "sluice " + kind, "testpmd " + kind
        if ours not in seen:
            continue
        pairs = list(zip(seen[ours], seen.get(theirs, ())))
        if pairs:
            row("%s: iperf3, of testpmd's" % kind, (quartiles([a["gbit"] / b["gbit"] for a, b in pairs]), "≥ 0.9"))
            row("%s: worker time a packet, of testpmd's" % kind, (quartiles([a["ns"] / b["ns"] for a, b in pairs]), "≤ 1.3"))
        for who in (ours, theirs):
            pairs = list(zip(seen.get(who, ()), seen.get("kernel bridge", ())))
            for c, most in (("p50", 6), ("p99", 12)) if pairs else ():
                row("%s: UDP %s over the kernel bridge's, us" % (who, c),
                    (quartiles([a[c] - b[c] for a, b in pairs]), "≤ %d" % most if who == ours else ""))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--kinds", default=",".join(KINDS))
    p.add_argument("--rules", type=pathlib.Path, default=pathlib.Path(os.environ.get("SLUICE_BENCH", "../shared/bench")) / "rules.py")
    p.add_argument("--only", help="of the names of rows, comma separated")
    p.add_argument("--hugepages", type=int, default=256, help="of 2 MiB, raised for the run; 0: pages of 4 KiB for all")
    p.add_argument("--settled", action="store_true", help="a row with the fast path, too")
    a = p.parse_args()
    for tool in ("iperf3", "dpdk-testpmd"):
        if not shutil.which(tool):
            sys.exit("inline.py: no %s: scripts/deps test measure" % tool)
    ways = [("kernel bridge", Bench.bridge, None)]
    for kind in a.kinds.split(","):
        ways += [("testpmd " + kind, Bench.testpmd, kind), ("sluice " + kind, Bench.appliance, kind)]
    if a.settled:
        ways.append(("sluice, fast path", Bench.settled, "af_xdp"))
    if a.only:
        ways = [w for w in ways if w[0] in a.only.split(",")]
    bench, seen = Bench(a), {w[0]: [] for w in ways}
    for i in range(a.rounds):
        for way in ways if i % 2 == 0 else ways[::-1]:
            r = bench.once(way)
            seen[way[0]].append(r)
            print("%d %-18s %s" % (i + 1, way[0], " ".join("%s %.2f" % x for x in r.items())), file=sys.stderr, flush=True)
    print("load: %s; %s" % (open("/proc/loadavg").read().split()[0], os.uname().release))
    tables(ways, seen, a.rounds)


if __name__ == "__main__":
    main()
