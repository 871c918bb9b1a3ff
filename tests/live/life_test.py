# SPDX-License-Identifier: BSD-3-Clause
"""How `sluice run` begins, changes, fails and ends. usage: life_test.py SLUICE"""

import ctypes
import fcntl
import json
import os
import pathlib
import pwd
import re
import signal
import subprocess
import sys
import termios
import time

from world import ADDRESS, World, end, expect, until

DENY = {"rules": [{"id": "no-ping", "when": {"proto": "icmp"}, "action": "deny"}]}
ALLOW = {"rules": []}
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ping(w):
    return w.run("client", "ping", "-c", "1", "-W", "1", ADDRESS["server"][0]).returncode == 0


def status(pid, tid=None):
    text = pathlib.Path("/proc/%d/task/%d/status" % (pid, tid or pid)).read_text()
    return dict(l.split(":\t", 1) for l in text.splitlines() if ":\t" in l)


def threads(pid):
    return {t.name: (t / "comm").read_text().strip() for t in pathlib.Path("/proc/%d/task" % pid).iterdir()}


def thread(pid, name):
    return next(int(t) for t, n in threads(pid).items() if n == name)


def count(w, text):
    return w.log.read_text().count(text)


def halt(tid):
    """one thread of another process stands still, until it is killed; a process of its own holds it, as a debugger does"""
    says, tell = os.pipe()
    if os.fork() == 0:
        libc.ptrace(PTRACE_SEIZE, tid, None, None)
        libc.ptrace(PTRACE_INTERRUPT, tid, None, None)
        os.write(tell, b"x")
        try:
            while True:
                os.waitpid(-1, 0x40000000)  # __WALL: its end is ours to see, or it has none
        except ChildProcessError:
            os._exit(0)
    os.read(says, 1)


def cpu_s(pid):
    f = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def own(w, user):
    """the user may write where this run of the test keeps its files"""
    who = pwd.getpwnam(user)
    os.chown(w.folder, who.pw_uid, who.pw_gid)


def config(w, policy, **more):
    c = w.config(policy, **more)
    c["policy"]["history"] = str(w.folder / "history")
    c["control"]["http"] = ""
    return c


def weak(w, kind, caps):
    """root opens, somebody else forwards"""
    own(w, "nobody")
    w.up(config(w, DENY, kind=kind, user="nobody"))
    pid = w.box.pid
    s = status(pid)
    expect(kind + ": the process is its own user", s["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4, s["Uid"])
    expect(kind + ": it has no groups of root", s["Groups"].split() in ([], [str(pwd.getpwnam("nobody").pw_gid)]), s["Groups"])
    expect(kind + ": few capabilities are left", int(s["CapPrm"], 16) == int(s["CapEff"], 16) == caps, s["CapPrm"])
    expect(kind + ": none can be had again", int(s["CapBnd"], 16) == caps, s["CapBnd"])
    for tid, name in threads(pid).items():
        t = status(pid, int(tid))
        expect("%s: thread %s: no_new_privs, seccomp, user" % (kind, name),
               t["NoNewPrivs"] == "1" and t["Seccomp"] == "2" and t["Uid"] == s["Uid"], t)
        expect("%s: thread %s: capabilities are the control thread's alone" % (kind, name),
               int(t["CapPrm"], 16) == 0 or int(tid) == pid, t["CapPrm"])
    expect(kind + ": workers have fewer system calls",
           int(status(pid, thread(pid, "worker0"))["Seccomp_filters"]) == int(s["Seccomp_filters"]) + 1)
    expect(kind + ": it judges", not ping(w))
    w.policy(ALLOW)
    w.box.send_signal(signal.SIGHUP)
    w.says("version=2")
    expect(kind + ": it reloads and forwards", ping(w))
    expect(kind + ": the command line answers", "result" in w.ctl("show", "version"), w.ctl("show", "version"))
    w.inside(w.ns["box"], "ip", "link", "set", "lan", "mtu", "1400")  # the port is opened again
    w.says("was reset")
    w.inside(w.ns["box"], "ip", "link", "set", "lan", "mtu", "1500")
    expect(kind + ": a port comes back without root", until(lambda: ping(w)), w.log.read_text()[-1500:])
    expect(kind + ": and its XDP program", "prog/xdp" in w.run("box", "ip", "link", "show", "lan").stdout)
    rc = w.down()
    expect(kind + ": it drains and exits 0", rc == 0, (rc, w.log.read_text()[-2000:]))


def reloads(w):
    c = config(w, DENY)
    w.up(c)
    expect("the policy is in force", not ping(w))
    w.policy({"rules": [{"id": "x", "when": {"prot": "icmp"}, "action": "deny"}]})
    w.box.send_signal(signal.SIGHUP)
    w.says("what was in force stays")
    expect("a bad policy changes nothing", not ping(w) and "did you mean" in w.log.read_text())
    (w.folder / "config.json").write_text("{ nothing")
    w.policy(ALLOW)
    w.box.send_signal(signal.SIGHUP)
    w.says("nothing has changed")
    time.sleep(0.3)
    expect("a bad configuration changes nothing, and is said as such", not ping(w) and re.search(r"(?m)^(20\S+Z |<3>)error config: .*config.json:1:", w.log.read_text()))
    c["memory"]["flows"] = 131072
    (w.folder / "config.json").write_text(json.dumps(c))
    w.box.send_signal(signal.SIGHUP)
    w.says("needs a restart: memory.flows: 131072, was 65536")
    w.says("version=2")
    expect("the policy is loaded all the same", ping(w))


def killed(w):
    """after reloads(): an allowing policy is in force"""
    second = w.start("box", w.sluice, "run", "-c", str(w.folder / "config.json"), "--set", "control.socket=",
                     stderr=subprocess.PIPE, text=True)
    said = second.communicate(timeout=20)[1]
    expect("a second on the same ports says who holds them", second.returncode == 3 and "pid %d" % w.box.pid in said,
           (second.returncode, said[-600:]))
    expect("and disturbs nothing", ping(w))
    w.down(signal.SIGKILL)
    w.up(json.loads((w.folder / "config.json").read_text()))
    expect("after kill -9 it starts again", ping(w), w.log.read_text()[-1500:])
    w.down(signal.SIGKILL)
    w.policy({"rules": 7})
    c = json.loads((w.folder / "config.json").read_text())
    w.up(c, "--set", "control.http=127.0.0.1:9180")
    log = w.log.read_text()
    said = w.run("box", sys.executable, "-c", "import urllib.request as u\nfor p in 'readyz', 'metrics': print(u.urlopen('http://127.0.0.1:9180/' + p).read().decode())").stdout
    expect("monitors hear of it", '"ready":true' in said and '"policy":"last good"' in said and "sluice_policy_last_good 1\n" in said, said[:300])
    expect("a broken policy at start: the last good one, loudly", ping(w) and "THE LAST GOOD POLICY" in log, log[-1500:])
    entries = sorted(e.name for e in (w.folder / "history").iterdir())
    about = json.loads((w.folder / "history" / entries[-1] / "about.json").read_text())
    expect("each policy that was in force is kept", entries == ["000001", "000002"] and len(about["hash"]) == 64, entries)
    listed = w.ctl("policy", "history")["result"]["history"]
    expect("the history lists them", [e["number"] for e in listed] == [2, 1], listed)
    w.ctl("policy", "rollback")
    expect("the one before is in force again", not ping(w), w.log.read_text()[-500:])
    expect("which somebody chose", w.ctl("show", "policy")["result"]["last_good"] is False)
    expect("and before that is none", "from before" in w.ctl("policy", "rollback")["error"] and not ping(w))
    w.ctl("policy", "rollback", "2")
    expect("and a rollback by number", ping(w))
    expect("no such number", w.ctl("policy", "rollback", "99")["exit"] == 1)
    rc = w.down()
    expect("it ends by SIGTERM with 0", rc == 0, rc)


def queued(w):
    """loads that wait for each other: a FIFO is read when the test writes; and the policy in shadow is read again"""
    shadow, slow = w.folder / "shadow.json", w.folder / "slow.json"
    shadow.write_text("{ nothing")
    c = config(w, DENY)
    c["policy"]["shadow"] = str(shadow)
    c["fail"] = {"no_policy": "closed"}
    w.up(c)
    expect("until it is loaded all is dropped, and said", "all frames are dropped until" in w.log.read_text())
    expect("a broken policy in shadow is said, the other one loaded", "not loaded as policy.shadow; nothing" in w.log.read_text() and not ping(w))
    shadow.write_text(json.dumps({"rules": []}))
    w.box.send_signal(signal.SIGHUP)
    w.says("version=2")
    first = w.ctl("show", "policy")["result"]["shadow"]
    named = json.dumps({"rules": [{"id": "y", "when": {"dport": 9}, "action": "deny"}] + [dict(DENY["rules"][0], id="by-shadow")]})
    shadow.write_text(named)
    os.mkfifo(slow)
    writer = os.open(slow, os.O_RDWR)
    load = w.start("box", w.sluice, "ctl", "-s", str(w.folder / "ctl.sock"), "policy", "load", str(slow), stdout=subprocess.DEVNULL)
    until(lambda: w.ctl("show", "policy")["result"]["loading"])
    w.policy(ALLOW)
    w.box.send_signal(signal.SIGHUP)
    w.says("policy.json comes after it")
    expect("who comes second is told", "another policy is being loaded" in w.ctl("policy", "load", str(w.folder / "policy.json"))["error"])
    os.write(writer, json.dumps(DENY).encode())
    until(lambda: fcntl.ioctl(writer, termios.FIONREAD, bytes(4)) == bytes(4))  # what nobody has taken ends with the writer
    os.close(writer)
    w.says("version=4")
    expect("a SIGHUP during a load is done after it", load.wait(20) == 0 and until(lambda: ping(w)), w.log.read_text()[-1500:])
    now = w.ctl("show", "policy")["result"]
    expect("the policy in shadow is another", first["hash"] != now["shadow"]["hash"] and now["file"].endswith("/policy.json"), now)
    shadow.write_text("{ nothing")
    w.box.send_signal(signal.SIGHUP)
    w.says("what was in shadow stays")
    w.says("version=5")
    expect("a broken one leaves it", w.ctl("show", "policy")["result"]["shadow"] == now["shadow"] and ping(w))
    other = w.folder / "other.json"
    other.write_text("{ nothing")

    def moved(path, version):
        c["policy"]["shadow"] = path
        (w.folder / "config.json").write_text(json.dumps(c))
        w.box.send_signal(signal.SIGHUP)
        w.says("version=%u " % version)
        return w.ctl("show", "policy")["result"].get("shadow")
    expect("a broken one of another name, too", moved(str(other), 6) == now["shadow"])
    other.write_text(json.dumps({"rules": []}))
    w.ctl("policy", "load", str(w.folder / "policy.json"))
    seen = w.ctl("show", "policy")["result"]["shadow"]
    expect("mended, the next load takes it", seen["file"] == str(other) and seen["rules"] == 0, seen)
    seen = moved(str(w.folder / "policy.json"), 8)
    expect("a SIGHUP takes another at once", seen["file"].endswith("/policy.json"), seen)
    expect("and none", moved("", 9) is None)
    shadow.write_text(named)
    expect("and the first again", moved(str(shadow), 10)["hash"] == now["shadow"]["hash"] and ping(w))
    expect("none of it needs a restart", "needs a restart" not in w.log.read_text(), w.log.read_text()[-1500:])
    rc = w.down()
    would = {e["verdict"]["would"]["rule"] for e in w.events() if "would" in e.get("verdict", ())}
    expect("records name its rules", rc == 0 and "by-shadow" in would and would <= {"by-shadow", "default"}, (rc, would))


def ends(w):
    w.up(config(w, ALLOW, workers={"cores": [1], "drain_ms": 400}))
    tid = thread(w.box.pid, "worker0")
    halt(tid)
    begun = time.time()
    w.box.send_signal(signal.SIGTERM)
    rc = w.box.wait(10)
    expect("what does not drain ends at its deadline", rc == 1 and 0.3 < time.time() - begun < 5, (rc, time.time() - begun))
    w.up(config(w, ALLOW, workers={"cores": [1], "drain_ms": 60000}))
    tid = thread(w.box.pid, "worker0")
    halt(tid)
    w.box.send_signal(signal.SIGTERM)
    w.says("draining")
    begun = time.time()
    w.box.send_signal(signal.SIGTERM)
    rc = w.box.wait(10)
    expect("a second SIGTERM ends at once", rc == 1 and time.time() - begun < 5, (rc, time.time() - begun))


def stalls(w, user):
    if user:
        own(w, user)
    w.up(config(w, ALLOW, **({"user": user} if user else {})))
    took = []
    for turn in range(1, 4):  # the best of three: the machine may be busy
        halt(thread(w.box.pid, "worker0"))
        begun = time.monotonic()
        until(lambda: count(w, "stalled worker=0") == turn)
        took.append(time.monotonic() - begun)
        until(lambda: count(w, "enforcing file") > turn or w.box.poll() is not None, 40)
        expect("the process starts itself again, the same pid%s" % (", as " + user if user else ""),
               count(w, "enforcing file") == turn + 1 and until(lambda: ping(w)), w.log.read_text()[-2500:])
        if took[-1] < 1.05:
            break
    expect("a stalled worker is noticed within a second", min(took) < 1.05, took)
    rc = w.down()
    expect("and ends well", rc == 0, rc)


def starves(w):
    """others take the worker's core: nobody is helped by a start afresh"""
    w.up(config(w, ALLOW, workers={"cores": [1]}))
    os.sched_setscheduler(int(thread(w.box.pid, "worker0")), os.SCHED_IDLE, os.sched_param(0))
    hogs = [w.start("box", "taskset", "-c", "1", sys.executable, "-c", "while True: pass") for _ in range(8)]
    w.says("its core is given to others", 40)
    time.sleep(1)
    for h in hogs:
        h.kill()
    w.says("polls again", 40)
    expect("a worker without a core is said, and the process goes on", count(w, "enforcing file") == 1 and until(lambda: ping(w)),
           w.log.read_text()[-1500:])
    rc = w.down()
    expect("and ends well", rc == 0, rc)


def rests(w):
    for kind, idle in (("af_packet", "adaptive"), ("af_packet", "interrupt"), ("af_xdp", "interrupt")):
        w.up(config(w, ALLOW, kind=kind, workers={"cores": [1], "idle": idle}))
        time.sleep(1)
        percent = 100
        for _ in range(4):  # the least: what else the machine does makes each wake dearer
            used = cpu_s(w.box.pid)
            time.sleep(2)
            percent = min(percent, (cpu_s(w.box.pid) - used) / 2 * 100)
            if percent < 4:
                break
        expect("%s, %s: at rest less than 5 %% of a core (%.1f)" % (kind, idle, percent), percent < 5, percent)
        expect("%s, %s: it idles as it is told" % (kind, idle), "idles as adaptive" not in w.log.read_text())
        expect("%s, %s: forwards" % (kind, idle), ping(w))
        w.down()
    c = config(w, ALLOW, workers={"cores": [1], "idle": "interrupt"})
    c["ports"] = {"lan": {"type": "null"}, "wan": {"type": "null"}}
    w.up(c)
    expect("a port with nothing to wait on says so, and idles as adaptive", "idles as adaptive: port lan" in w.log.read_text())
    w.down()


def main():
    w = World(sys.argv[1])
    wanted = sys.argv[2:]
    if wanted:
        for name in wanted:
            {"reloads": lambda: (reloads(w), killed(w)), "queued": lambda: queued(w), "ends": lambda: ends(w), "starves": lambda: starves(w), "stalls": lambda: (stalls(w, None), stalls(w, "nobody")), "rests": lambda: rests(w)}[name]()
        end()
    weak(w, "af_packet", 1 << 12 | 1 << 13)
    weak(w, "af_xdp", 1 << 12 | 1 << 13 | 1 << 14 | 1 << 38 | 1 << 39)
    os.chown(w.folder, 0, 0)
    subprocess.run(["rm", "-rf", str(w.folder / "history"), str(w.folder / "eve.json")])
    reloads(w)
    killed(w)
    queued(w)
    ends(w)
    stalls(w, None)
    stalls(w, "nobody")
    starves(w)
    rests(w)
    end()


main()
