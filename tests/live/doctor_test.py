# SPDX-License-Identifier: BSD-3-Clause
"""`sluice doctor` between namespaces: what is wrong is found, mended where it is safe, and found no more.
usage: doctor_test.py SLUICE"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from world import World, end, expect


def doctor(w, *args):
    path = str(w.folder / "config.json")
    r = w.run("box", w.sluice, "doctor", "-c", path, "-j", *args)
    checks = json.loads(r.stdout)["checks"] if r.stdout.startswith("{") else []
    return r.returncode, checks, r.stderr


def of(checks, name, word=""):
    return next((c for c in checks if c["check"] == name and word in c["text"]), {"level": "not there"})


def spool(w):
    def asked(path, *more):
        rc, checks, err = doctor(w, "--set", "spool.path=%s" % path, *(x for m in more for x in ("--set", m)))
        found = [k for k in checks if k["check"] == "spool"]
        return [k["level"] for k in found], " | ".join(k["text"] + " > " + k["fix"] for k in found), err

    disk = pathlib.Path(tempfile.mkdtemp(prefix="sluice-spool-", dir="/var/tmp"))
    (disk / "file").touch()
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize >> 20
    small = "spool.max_mb=8"
    try:
        told = asked(disk, small)
        expect("a spool's folder that is there", told[0] == ["ok"] * 3 and "can be written" in told[1] and "on a disk" in told[1], told)
        told = asked(disk / "a/b", small)
        expect("one that can be made, and is not", told[0] == ["ok"] * 3 and "is made at the start" in told[1] and not (disk / "a").exists(), told)
        told = asked(disk / "file/b", small)
        expect("one below a file", told[0][0] == "bad" and "Not a directory" in told[1], told)
        told = asked(disk, small, "user=nobody")
        expect("one that is closed to the user", told[0][0] == "warn" and "closed to nobody" in told[1] and "chown nobody" in told[1], told)
        told = asked(disk, "spool.max_mb=%d" % (1 << 24))
        expect("a disk with less room than the bound", told[0] == ["ok", "warn", "ok"] and "--set spool.max_mb=" in told[1], told)
        given = int(told[1].split("--set spool.max_mb=")[1].split()[0])
        expect("and a bound that it has room for", 0 < given <= free + 1, (given, free))
        told = asked("/dev/shm/sluice", small)
        expect("a filesystem in memory", told[0] == ["ok", "ok", "warn"] and "tmpfs" in told[1], told)
        told = asked("")
        expect("none", told[0] == ["warn"] and "gone with the process" in told[1], told)
        if subprocess.run(["unshare", "-m", "mount", "--bind", "-o", "ro", str(disk), str(disk)], capture_output=True).returncode == 0:
            script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" doctor -j -c "$3" --set spool.path="$1"'
            r = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", disk, w.sluice, w.folder / "config.json"], capture_output=True, text=True)
            found = [k for k in json.loads(r.stdout)["checks"] if k["check"] == "spool"]
            expect("one that is read-only, to root as well", found[0]["level"] == "bad" and "Read-only" in found[0]["text"], found)
    finally:
        shutil.rmtree(disk)


def main():
    w = World(sys.argv[1])
    c = w.config({"rules": []})
    c["policy"]["history"] = str(w.folder / "var" / "history")
    c["control"]["http"] = "127.0.0.1:9180"
    (w.folder / "config.json").write_text(json.dumps(c))
    rc, checks, err = doctor(w)
    expect("nothing is bad: 0", rc == 0, (rc, [k for k in checks if k["level"] == "bad"], err))
    expect("a folder that is missing is found", of(checks, "history")["level"] == "warn", checks)
    expect("each that is not ok has a meaning and a command", all(k["text"] and k["fix"] for k in checks if k["level"] != "ok"), checks)
    expect("without --fix nothing changes", not (w.folder / "var").exists())
    rc, checks, err = doctor(w, "--fix", "--set", "memory.pages=small")
    expect("--fix mends what is safe, and says so", rc == 0 and of(checks, "history")["fixed"] and "install -d" in err, (checks, err))
    spool(w)
    rc, checks, err = doctor(w, "--set", "ports.lan.device=eth9;reboot")
    expect("an interface that is not there is bad: 1", rc == 1 and of(checks, "interface", "eth9")["level"] == "bad", (rc, checks, err))
    w.run("box", "ip", "link", "set", "lan", "mtu", "9000")
    rc, checks, err = doctor(w)
    expect("giants that cannot be stopped are found", of(checks, "offloads", "lan")["level"] == "warn" and
           of(checks, "offloads", "wan")["level"] == "ok", checks)
    rc, checks, err = doctor(w, "--set", "ports.lan.type=af_xdp")
    expect("an MTU beyond AF_XDP's is bad", rc == 1 and of(checks, "mtu", "9000")["level"] == "bad", (rc, checks))
    rc, checks, err = doctor(w, "--set", "user=nobody-at-all")
    expect("a user that is not there is bad", rc == 1 and of(checks, "user")["level"] == "bad", (rc, checks, err))
    w.run("box", "ip", "link", "set", "lan", "mtu", "1500")
    rc, checks, err = doctor(w, "--set", "user=nobody")  # the test's folder is root's alone
    expect("what the user may not read or write is found, though root may", of(checks, "policy")["level"] == "bad" and
           of(checks, "sink")["level"] == "warn" and "chown nobody" in of(checks, "sink")["fix"], checks)
    rc, checks, err = doctor(w, "--set", "ports.lan.type=af_xdp", "--set", "ports.wan.type=af_xdp")
    expect("the kernel is asked for XDP", of(checks, "xdp")["level"] == "ok", checks)
    rc, checks, err = doctor(w, "--set", "ports.lan.type=pci", "--set", "ports.lan.device=0000:ff:1f.7")
    expect("a PCI port asks for its device, huge pages and perhaps an IOMMU, each with a command",
           of(checks, "driver")["level"] == "bad" and "no PCI device 0000:ff:1f.7" in of(checks, "driver")["text"] and "lspci" in of(checks, "driver")["fix"] and
           all(k["fix"] for k in checks if k["level"] != "ok"), checks)
    w.up(c)
    rc, checks, err = doctor(w)
    expect("what a running appliance holds is said", rc == 1 and of(checks, "control")["level"] == "bad"
           and of(checks, "http")["level"] == "bad", checks)
    w.down()
    rc, checks, err = doctor(w, "--set", "ports.lan.devise=x")
    expect("a configuration with errors: 1, and which", rc == 1 and "did you mean" in err, (rc, err))
    r = subprocess.run([w.sluice, "doctor"], capture_output=True, text=True)
    expect("without a configuration, what any needs", "kernel" in r.stdout and r.returncode == 0, r.stdout)
    end()


main()
