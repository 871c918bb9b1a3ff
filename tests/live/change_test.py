# SPDX-License-Identifier: BSD-3-Clause
"""The policy changes under way, with two workers: an ssh session ends when a rule forbids it, a file with errors changes
nothing, and a reload a second loses no frame. usage: change_test.py SLUICE"""
import json
import signal
import subprocess
import sys
import time

from wire import ADDRESS
from world import World, end, expect, skip, until

ALLOW = {"rules": [{"id": "casino", "when": {"http.host": "casino.example"}, "action": "deny"}]}
NO_SSH = {"rules": [{"id": "no-ssh", "when": {"app": "ssh"}, "action": "deny"}] + ALLOW["rules"]}
SSHD = """
Port 22
HostKey {0}/host
AuthorizedKeysFile {0}/user.pub
StrictModes no
PidFile none
UsePAM no
"""


def sshd(w, server="server"):
    f = w.folder
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(f / key)], check=True)
    (f / "sshd_config").write_text(SSHD.format(f))
    # /run/sshd is there where its service ran: a /run of its own
    w.start(server, "unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$0"',
            str(f / "sshd_config"), stderr=subprocess.DEVNULL)
    w.listens(server, 22)


class Session:
    """of ssh, which shows a tick each 0.1 s; its client speaks each second, and is told what it missed"""

    def __init__(self, w, to, client="client"):
        self.out, self.err = (w.folder / ("ssh-%s.%s" % (to, x)) for x in ("out", "err"))
        self.process = w.start(client, "ssh", "-i", str(w.folder / "user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                               "-o", "IdentitiesOnly=yes", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=20", "root@" + to, "while :; do echo tick; sleep 0.1; done",
                               stdout=open(self.out, "w"), stderr=open(self.err, "w"))

    def goes_on(self):
        before = self.ticks()
        return until(lambda: self.ticks() > before or self.process.poll() is not None) and self.process.poll() is None

    def ticks(self):
        return self.out.read_text().count("tick")

    def cut(self, wait=20):
        """whether it ends because its connection did"""
        until(lambda: self.process.poll() is not None, wait)
        said = self.err.read_text().lower()
        return self.process.poll() is not None and ("reset" in said or "broken pipe" in said)


def reload(w, policy, says):
    n = w.log.read_text().count(says)
    (w.folder / "policy.json").write_text(policy if isinstance(policy, str) else json.dumps(policy))
    w.box.send_signal(signal.SIGHUP)
    return until(lambda: w.log.read_text().count(says) > n)


def main():
    w = World(sys.argv[1])
    w.up(w.config(ALLOW, workers={"cores": [0, 1], "idle": "adaptive"}))
    sshd(w)
    session = Session(w, ADDRESS["server"][0])
    if not session.goes_on():
        skip("no ssh session can be had: " + session.err.read_text()[-300:])
    expect("a bad file is refused", reload(w, '{"rules": [{"id": "x"}]}', "not loaded"))
    expect("and the session goes on", session.goes_on())
    ping = w.start("client", "ping", "-q", "-i", "0.002", "-c", "2000", ADDRESS["server"][0], stdout=subprocess.PIPE, text=True)
    for i in range(4):
        policy = {"rules": [{"id": "n%d" % i, "when": {"http.host": "n%d.example" % i}, "action": "deny"}] + ALLOW["rules"]}
        expect("reload %d is in force" % (i + 1), reload(w, policy, "enforcing"))
        time.sleep(0.8)
    said = ping.communicate(timeout=30)[0]
    expect("no ping is lost meanwhile", "2000 received" in said, said)
    expect("nor the session", session.goes_on())
    reload(w, NO_SSH, "enforcing")
    begun = time.time()
    expect("the session is reset when a rule forbids it", session.cut() and time.time() - begun < 1, (session.err.read_text()[-300:], time.time() - begun))
    status = w.down()
    expect("it drains, and the ledger holds", status == 0, (status, w.log.read_text()[-1500:]))
    versions = sorted({e["verdict"]["policy"] for e in w.events() if "verdict" in e and "policy" in e["verdict"]}, key=str)
    expect("records name the policy that judged", len(versions) >= 2, versions)
    end()


if __name__ == "__main__":
    main()
