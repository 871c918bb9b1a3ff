# SPDX-License-Identifier: BSD-3-Clause
"""`sluice doctor` between namespaces: what is wrong is found, mended where it is safe, and found no more.
usage: doctor_test.py SLUICE"""

import json
import subprocess
import sys

from world import World, end, expect


def doctor(w, *args):
    path = str(w.folder / "config.json")
    r = w.run("box", w.sluice, "doctor", "-c", path, "-j", *args)
    checks = json.loads(r.stdout)["checks"] if r.stdout.startswith("{") else []
    return r.returncode, checks, r.stderr


def of(checks, name, word=""):
    return next((c for c in checks if c["check"] == name and word in c["text"]), {"level": "not there"})


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
