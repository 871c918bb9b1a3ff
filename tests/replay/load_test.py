#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What loading a policy meets on a bad day: regexes that explode one by one and in numbers, set files that vanish, shrink or
grow while they are read, that are pipes or folders; a cache that cannot be written, is damaged, cut short, stale, or not a file;
a policy that changes between its check and its time. Loading is all or nothing, in bounded time. usage: load_test.py SLUICE
CAPTURES [--all]      --all: also what takes half a minute"""
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import termios
import threading
import time

from asked import CAPTURES, SLUICE, expect, failures, run


def rule(i, when):
    return {"id": f"r{i}", "action": "deny", "when": when}


def regexes(work):
    p = work / "regex.json"
    slow = ["((a|b|c|d|e|f|g)*h){50}", "(((a{1,100}){1,100}){1,100}){1,100}", "a.{0,4000}b.{0,4000}c", "(a{1,1000}){1,1000}"]
    p.write_text(json.dumps({"rules": [rule(i, {"http.path": {"regex": f"x{i}" + slow[i % 4]}}) for i in range(400)]}))
    began = time.monotonic()
    rc, out, err = run("check", p, timeout=300)
    took = time.monotonic() - began
    expect("400 regexes that explode are refused in bounded time", rc == 1 and took < 60, f"{took:.0f} s {out[-500:]}")


def set_files(work):
    names, p, done = work / "names.txt", work / "set.json", threading.Event()
    p.write_text('{"sets": {"s": {"type": "domain", "file": "names.txt"}}, "rules": [{"id": "a", "action": "deny", "when": {"host": {"in": "s"}}}]}')
    text = "".join(f"n{i}.example\n" for i in range(200000))

    def disturb():
        n = 0
        while not done.is_set():
            n += 1
            try:
                if n % 4 == 0:
                    names.unlink()
                elif n % 4 == 1:
                    names.write_text(text)
                elif n % 4 == 2:
                    os.truncate(names, 5000)
                else:
                    with names.open("a") as f:
                        f.write("more.example\n")
            except OSError:
                pass
    names.write_text(text)
    other = threading.Thread(target=disturb)
    other.start()
    codes = set()
    for _ in range(40):
        rc, out, err = run("check", p)
        codes.add(rc)
        expect("a set file that changes while it is read", rc in (0, 1) and ("0 errors" in out) == (rc == 0), f"{rc} {out} {err}")
    done.set()
    other.join()
    if names.exists():
        names.unlink()
    rc, out, _ = run("check", p)
    expect("a set file that is not there", rc == 1 and "names.txt" in out and "No such file" in out, out)
    names.mkdir()
    rc, out, _ = run("check", p)
    expect("a set file that is a folder", rc == 1 and "names.txt" in out, out)
    names.rmdir()
    os.mkfifo(names)
    writer = threading.Thread(target=lambda: names.open("w").write("a.example\nb.exam"))
    writer.start()
    rc, out, _ = run("check", p)
    writer.join()
    expect("a set file that is a pipe which ends within a name", rc == 0, out)


def caches(work):
    p, folder, capture = work / "cached.json", work / "cache", CAPTURES / "http.pcap"
    p.write_text(json.dumps({"rules": [rule(i, {"http.path": {"regex": f"^/x{i}[a-z]+y{{2,5}}$|old"}}) for i in range(50)]}))
    replay = lambda cache: run("replay", "-p", p, "--format", "facts", capture, cache=cache)
    rc, plain, err = replay("")
    expect("without a cache", rc == 0, err)
    folder.mkdir()
    rc, out, err = replay(folder)
    files = sorted(folder.iterdir())
    expect("the cache is written", rc == 0 and out == plain and len(files) == 1, f"{files} {err}")
    if not files:
        return
    whole = files[0].read_bytes()
    damaged = [("empty", b""), ("cut", whole[:-7]), ("head only", whole[:60]), ("a bit", whole[:-100] + bytes([whole[-100] ^ 4]) + whole[-99:]),
               ("the key", whole[:10] + bytes([whole[10] ^ 1]) + whole[11:]), ("longer", whole + b"x"), ("another version", b"sluihs0\0" + whole[8:])]
    for what, data in damaged:
        files[0].write_bytes(data)
        rc, out, err = replay(folder)
        expect(f"a cache with {what}: noticed, and made anew", rc == 0 and out == plain and files[0].read_bytes() == whole, err)
    files[0].unlink()
    files[0].mkdir()
    rc, out, err = replay(folder)
    expect("a folder in its place", rc == 0 and out == plain, err)
    files[0].rmdir()
    for cache in ("/proc/nowhere", "/dev/null", work / "not" / "there", p):
        rc, out, err = replay(cache)
        expect(f"a cache that cannot be: {cache}", rc == 0 and out == plain, f"{rc} {err}")


def swapped(work):
    """what is in force stays in force where the next one cannot be loaded at its time"""
    good, later, capture = work / "good.json", work / "later.json", (CAPTURES / "http.pcap").read_bytes()
    good.write_text('{"rules": [{"id": "all", "action": "allow"}]}')
    later.write_text('{"rules": [{"id": "none", "action": "deny"}]}')
    process = subprocess.Popen([SLUICE, "replay", "-p", good, "--policy-at", f"0.1={later}", "--format", "eve", "-"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(capture[:24])
    process.stdin.flush()
    while any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))) and process.poll() is None:
        time.sleep(0.01)  # what reads the capture has checked its policies
    later.write_text('{"rules": [')
    out, err = (text.decode() for text in process.communicate(capture[24:], timeout=60))
    rules = {json.loads(line).get("verdict", {}).get("rule") for line in out.splitlines()} - {None}
    expect("what was in force stays", process.returncode == 3 and rules == {"all"} and "what was in force stays" in err,
           f"{process.returncode} {rules} {err}")


with tempfile.TemporaryDirectory() as tmp:
    for story in (set_files, caches, swapped) + ((regexes,) if "--all" in sys.argv else ()):
        story(pathlib.Path(tmp))
print(f"{len(failures)} failures")
sys.exit(bool(failures))
