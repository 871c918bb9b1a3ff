#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A browser's QUIC client and aioquic's, with sluice in line (wire.py): what is allowed arrives over HTTP/3, what is denied
ends at once where an answer says so, and no datagram of it arrives. The environment's VENV is a Python with aioquic.
usage: browser_test.py SLUICE [plain|vlan|gwlb]...; exit 77: skipped"""
import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys

import wire

HERE = pathlib.Path(__file__).resolve().parent
VENV = os.environ.get("VENV", "")
POLICY = {
    "rules": [
        {"id": "games", "action": "deny", "when": {"tls.sni": "games.test"}},
        {"id": "quiet", "action": "deny", "respond": "drop", "when": {"tls.sni": "quiet.test"}},
    ]
}
SERVERS = [[VENV + "/bin/python", str(HERE.parent / "record" / "h3_server.py"), "cert", "key", "::", "443"],
           ["openssl", "s_server", "-quiet", "-accept", "443", "-www", "-key", "key", "-cert", "cert"]]


def fingerprint(ends):
    """of the certificate's key, as the browser takes it for trusted"""
    key = subprocess.run(["openssl", "x509", "-in", ends.folder / "cert", "-pubkey", "-noout"], capture_output=True, check=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key.stdout, capture_output=True, check=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


def browse(ends, server, name, *more):
    return ends.client(
        "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-quic",
        "--user-data-dir=%s" % (ends.folder / "profile"), "--host-resolver-rules=MAP *.test %s, MAP * ~NOTFOUND" % server,
        "--ignore-certificate-errors-spki-list=" + fingerprint(ends), *more, "--dump-dom", "https://%s/" % name)


def browser(ends, server, name):
    def forced(host):
        return browse(ends, server, host, "--origin-to-force-quic-on=%s:443" % host)

    out, rc, s = forced("fine.test")
    ends.expect(name + " allowed: the page comes over HTTP/3", "<title>h3</title>" in out, (out[-800:], rc, s))
    out, rc, s = forced("games.test")
    ends.expect(name + " denied: no page, and the browser says so at once", "<title>h3</title>" not in out and "ERR_" in out and
                s < 10, (out[-800:], rc, s))
    return s


def aioquic(ends, server, name):
    def get(host):
        return ends.client(VENV + "/bin/python", str(HERE.parent / "record" / "h3_client.py"), str(ends.folder / "cert"), server, "443", host)

    out, rc, s = get("fine.test")
    ends.expect(name + " another client: the page", "<title>h3</title>" in out, (out[-800:], rc, s))
    soon = 9999
    for _ in range(6):  # the best: the machine may be busy
        out, rc, s = get("games.test")
        soon = min(soon, float((re.findall(r"^unreachable after (\S+) ms", out, re.M) or [9999])[0]))
        if soon < 50:
            break
    ends.expect(name + " another client, denied: its error within 50 ms", rc != 0 and soon < 50 and "<title>h3</title>" not in out, (out[-800:], rc, soon))
    out, rc, s = get("quiet.test")
    ends.expect(name + " another client, denied without a word: none", rc != 0 and "<title>h3</title>" not in out, (out[-800:], rc, s))


def everything(ends, server, name):
    browser(ends, "[%s]" % server if ":" in server else server, name)
    aioquic(ends, server, name)


def missing():
    why = wire.missing("chromium", "openssl")
    python = VENV + "/bin/python"
    if not why and (not os.path.exists(python) or subprocess.run([python, "-c", "import aioquic"], capture_output=True).returncode):
        why = "no aioquic: VENV is no Python that has it (tests/record/venv.sh makes one)"
    return why


if __name__ == "__main__":
    sys.exit(wire.main(missing(), POLICY, SERVERS, everything))
