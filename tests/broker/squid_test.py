#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real Squid that asks Sluice about each request, by the helper of docs/examples: an allowed page comes, a denied one is
refused with its reason, and while the broker is away the default answers. usage: squid_test.py SLUICE"""
import concurrent.futures
import contextlib
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import servers
from gateway import TOPICS, Gateway
from servers import Kafka, Missing, expect, main, until

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"
POLICY = {"rules": [{"id": "no-admin", "action": "deny", "reason": "Not for <you>", "when": {"http.path": {"prefix": "/admin"}}},
                    {"id": "curl", "action": "deny", "when": {"http.user_agent": {"contains": "curl"}}}]}


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from " + self.path.encode())

    def log_message(self, *_):
        pass


class Squid:
    def __init__(self, broker, default, seconds):
        binary = shutil.which("squid", path="/usr/sbin:" + os.environ["PATH"])
        if not binary:
            raise Missing("no squid: scripts/deps test")
        self.kept = tempfile.TemporaryDirectory()
        self.folder, self.port = pathlib.Path(self.kept.name), servers.port()
        os.chmod(self.folder, 0o777)
        python = self.python()
        helper = "%s %s/squid_decisions.py -b %s -t %d --default %s" % (python, self.folder, broker, seconds, default)
        (self.folder / "helper.sh").write_text("#!/bin/sh\nPYTHONPATH=%s exec %s 2>>%s/helper.log\n" % (self.folder, helper, self.folder))
        os.chmod(self.folder / "helper.sh", 0o755)
        (self.folder / "squid.conf").write_text("""
http_port 127.0.0.1:%d
external_acl_type sluice concurrency=1000 children-max=1 children-startup=1 ttl=0 negative_ttl=0 %%>a %%un %%>rm %%>ru %%>ha{User-Agent} %s/helper.sh
acl sluice external sluice
http_access deny !sluice
http_access allow all
cache deny all
access_log none
cache_log %s/cache.log
pid_filename none
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir %s
""" % (self.port, self.folder, self.folder, self.folder))
        self.process = subprocess.Popen([binary, "-N", "-f", str(self.folder / "squid.conf")], stderr=subprocess.DEVNULL)
        until(lambda: self.get("http://127.0.0.1:1/")[0], 60, lambda: "squid answers; it says %s" % self.said())

    def python(self):
        """one that Squid's user may run, with the helper and what it needs where that user may read"""
        import confluent_kafka
        where = pathlib.Path(confluent_kafka.__file__).parent
        for name in ("decisions.py", "squid_decisions.py"):
            shutil.copy(EXAMPLES / name, self.folder)
        for part in where.parent.glob("confluent_kafka*"):
            shutil.copytree(part, self.folder / part.name)
        subprocess.run(["chmod", "-R", "a+rX", str(self.folder)], check=True)
        for python in (sys.executable, "/usr/bin/python3"):
            as_user = {"user": "proxy", "group": "proxy", "extra_groups": []} if os.getuid() == 0 else {}
            with contextlib.suppress(OSError):
                if subprocess.run([python, "-c", "import decisions"], env={"PYTHONPATH": str(self.folder)}, stderr=subprocess.DEVNULL,
                                  cwd="/", **as_user).returncode == 0:
                    return python
        raise Missing("no Python that Squid's user may run and confluent-kafka is for")

    def said(self):
        return "".join((self.folder / n).read_text()[-1500:] for n in ("cache.log", "helper.log") if (self.folder / n).exists())

    def get(self, url, agent="Mozilla"):
        """status and page; 0: nobody there"""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://127.0.0.1:%d" % self.port}))
        opener.addheaders = [("User-Agent", agent)]
        try:
            with opener.open(url, timeout=120) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(errors="replace")
        except OSError:
            return 0, ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.kept.cleanup()


def squid(sluice):
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    origin = "http://127.0.0.1:%d" % site.server_port
    with Kafka() as k:
        for name, partitions in TOPICS.items():
            k.topic(name, partitions)
        with Gateway(sluice, k.bootstrap, "gateway", POLICY).has(4, 90) as g:
            with Squid(k.bootstrap, "deny", 60) as s:  # no time-out where none is meant, however busy the machine
                until(lambda: s.get(origin + "/warm")[0] == 200, 90, s.said)  # the helper has found its topic
                got = s.get(origin + "/a")
                expect("an allowed page comes", got == (200, "hello from /a"), got)
                code, page = s.get(origin + "/x/../admin/1")
                expect("a denied one is refused", code == 403 and "hello" not in page, (code, page[:300]))
                got = s.get(origin + "/a", "curl/8")
                expect("by a header, too", got[0] == 403, got)
                with concurrent.futures.ThreadPoolExecutor(32) as many:
                    got = list(many.map(lambda i: s.get(origin + ("/admin/%d" if i % 2 else "/%d") % i)[0], range(200)))
                expect("200 at once, each with its own answer", got == [403 if i % 2 else 200 for i in range(200)], got)
                c = g.counts()
                expect("the gateway was asked for each", c["allow"] >= 101 and c["deny"] >= 102, c)
            k.kill()
            with Squid(k.bootstrap, "deny", 1) as s:
                got = s.get(origin + "/a")
                expect("broker away: refused by default, after the time-out", got[0] == 403, got)
            with Squid(k.bootstrap, "allow", 5) as s:  # each answer takes so long while there is no broker
                got = s.get(origin + "/admin")
                expect("or let through, where that is the default", got[0] == 200, (got, s.said()))
                k.start()
                until(lambda: s.get(origin + "/admin")[0] == 403, 120, s.said)
                got = s.get(origin + "/a")
                expect("the broker is back, and so is the policy", got[0] == 200, (got, s.said()))
            expect("the gateway ends", g.end() == 0, g.said()[-500:])
    site.shutdown()


if __name__ == "__main__":
    main(squid, sys.argv[1])
