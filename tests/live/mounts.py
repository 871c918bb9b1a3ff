# SPDX-License-Identifier: BSD-3-Clause
"""Imported first: the test runs again with a /sys/fs/bpf of its own, which nobody else sees. Exit 77: it cannot."""
import os
import subprocess
import sys

if os.environ.get("SLUICE_OWN_MOUNTS") != "1":
    if os.geteuid():
        print("skipped: not root")
        sys.exit(77)
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: no namespaces here")
        sys.exit(77)
    os.environ["SLUICE_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", "sh", "-c",
                          'mount -t bpf bpf /sys/fs/bpf || exit 77; exec "$0" "$@"', sys.executable] + sys.argv)
