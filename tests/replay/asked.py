# SPDX-License-Identifier: BSD-3-Clause
"""What the Python tests of this folder share: sluice is run with arguments, and what came is held against what should.
Their own first two arguments are the program and the folder of captures."""
import os
import pathlib
import subprocess
import sys

SLUICE, CAPTURES = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
failures = []


def run(*args, cache="", timeout=120):
    """-> (exit code, output, errors); cache: folder of compiled policies, "": none"""
    done = subprocess.run([SLUICE, *map(str, args)], capture_output=True, text=True, errors="replace", timeout=timeout,
                          env=dict(os.environ, SLUICE_CACHE=str(cache)))
    return done.returncode, done.stdout, done.stderr


def expect(what, good, seen=""):
    if not good:
        failures.append(what)
        print(f"FAIL {what}\n{seen}"[:3000])
