# SPDX-License-Identifier: BSD-3-Clause
"""The sink `syslog` against Debian's rsyslog, over TCP and TLS: each record arrives and is read as what it is; a server
that is stopped, killed, restarted costs no record (twice is allowed); who is not who the certificate says gets none.
usage: syslog_test.py SLUICE      exit 77: rsyslog is not there"""
import atexit
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SLUICE = pathlib.Path(sys.argv[1]).resolve()
FLOWS = 30000
DEADLINE = 120
RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
if not RSYSLOGD or not list(pathlib.Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
    print("skipped: rsyslog or rsyslog-openssl is not installed (scripts/deps test)")
    sys.exit(77)
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
from packets import RAW, ip4, pcap, udp  # noqa: E402


def until(what, true):
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Server:
    """rsyslogd with one input; what it makes of each message is a line of `out`."""

    CONF = """
global(workDirectory="{at}" maxMessageSize="64k" {tls_global})
main_queue(queue.type="Direct")
module(load="imtcp" {tls_module})
input(type="imtcp" address="127.0.0.1" port="{port}" listenPortFileName="{at}/port")
template(name="all" type="string" string="%syslogfacility-text%.%syslogseverity-text%\\t%timereported:::date-rfc3339%\\t%hostname%\\t%app-name%\\t%procid%\\t%msgid%\\t%structured-data%\\t%msg%\\n")
action(type="omfile" file="{at}/out" template="all")
"""

    def __init__(self, folder, tls=False):
        self.at, self.port, self.tls, self.process = folder, 0, tls, None
        self.at.mkdir()

    def start(self):
        module = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name" PermittedPeer=["edge.test"]'
        files = f'defaultNetstreamDriverCAFile="{CERTS}/ca.pem" defaultNetstreamDriverCertFile="{CERTS}/server.pem" ' \
                f'defaultNetstreamDriverKeyFile="{CERTS}/server.key"'
        (self.at / "conf").write_text(self.CONF.format(at=self.at, port=self.port, tls_global=files if self.tls else "",
                                                       tls_module=module if self.tls else ""))
        (self.at / "port").unlink(missing_ok=True)
        self.process = subprocess.Popen([RSYSLOGD, "-n", "-f", self.at / "conf", "-i", self.at / "pid"],
                                        stdout=open(self.at / "said", "a"), stderr=subprocess.STDOUT)
        atexit.register(self.process.kill)  # of one that has ended it does nothing
        if not self.port:  # it is only written where it was asked for
            until("rsyslogd has a port", lambda: (self.at / "port").exists() and (self.at / "port").read_text().strip())
            self.port = int((self.at / "port").read_text())
        until("rsyslogd listens", self.listens)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(DEADLINE)

    def lines(self):
        if not (self.at / "out").exists():
            return []
        return [x.split("\t") for x in (self.at / "out").read_text(errors="replace").splitlines() if x.count("\t") == 7]

    def bytes(self):
        return (self.at / "out").stat().st_size if (self.at / "out").exists() else 0


def certificates(at):
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=at)

    at.mkdir()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=ca",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=edge.test", "-keyout", "stranger.key", "-out", "stranger.pem")
    for name, san in ("server", "logs.test"), ("client", "edge.test"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={san}", "-keyout",
                f"{name}.key", "-out", f"{name}.csr")
        (at / "san").write_text(f"subjectAltName=DNS:{san}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "san", "-out", f"{name}.pem")


def config(at, server, **more):
    sink = {"type": "syslog", "server": f"127.0.0.1:{server.port}", "settle_ms": 60000, **more}
    if server.tls:
        sink = {"ca_file": f"{CERTS}/ca.pem", "cert_file": f"{CERTS}/client.pem", "key_file": f"{CERTS}/client.key",
                "server_name": "logs.test", **sink}
    else:
        sink["tls"] = False
    at.mkdir()
    path = at / "sluice.json"
    path.write_text(json.dumps({"node": "edge 1", "spool": {"path": str(at / "spool")},
                                "sinks": [sink, {"type": "file", "path": str(at / "eve.json")}]}))
    return path


def ship(path, capture=None):
    return subprocess.Popen([SLUICE, "replay", capture or CAPTURE, "-c", path], stdout=subprocess.DEVNULL,
                            stderr=open(path.parent / "stderr", "w"))


def ids(events):
    return collections.Counter((e["boot"], e["worker"], e["seq"]) for e in events)


def whole(at, server, process, name):
    """All that the file has came here, too."""
    assert process.wait(DEADLINE * 2) == 0, (at / "stderr").read_text()[-1000:]
    want = ids(map(json.loads, open(at / "eve.json")))
    assert set(want.values()) == {1} and len(want) >= FLOWS, len(want)
    lines = []

    def all_here():  # it has read all, and may still be writing
        lines[:] = server.lines()
        return len(set(ids(parsed(lines))) & set(want)) == len(want)

    def parsed(rows):
        for row in rows:
            try:
                yield json.loads(row[7])
            except ValueError:
                pass  # cut by a kill

    until(f"{name}: records are missing", all_here)
    got = ids(parsed(lines))
    assert set(got) == set(want), f"{name}: records that are not there"
    twice = sum(n - 1 for n in got.values())
    print(f"ok  {name}: {len(want)} records, {twice} twice", flush=True)
    return lines, twice


def read(lines):
    """What rsyslog understood of the heads."""
    for pri, when, host, app, boot, kind, data, text in lines[:200] + lines[-200:]:
        e = json.loads(text)
        assert pri == "local0.info", pri
        assert (host, app, kind) == ("edge_1", "sluice", e["event_type"]), (host, app, kind)
        assert int(boot) == e["boot"] and data == f'[sluice@32473 worker="{e["worker"]}" seq="{e["seq"]}"]', data
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)$", when), when
        assert when[:26] == e["timestamp"][:26], (when, e["timestamp"])


def run(folder, tls):
    word = "TLS" if tls else "TCP"
    # at rest
    server = Server(folder / f"{word}-rest", tls)
    server.start()
    at = folder / f"{word}-rest-us"
    path = config(at, server)
    lines, twice = whole(at, server, ship(path), f"{word}, at rest")
    assert twice == 0
    read(lines)
    server.end(signal.SIGTERM)
    # not there at first; then stopped for a while (its window fills), killed, started again
    at = folder / f"{word}-faults-us"
    path = config(at, server)
    server.at, before = folder / f"{word}-faults", server.port
    server.at.mkdir()
    process = ship(path)
    until("it is said that it is down", lambda: "is down" in (at / "stderr").read_text())
    server.start()
    assert server.port == before
    until("records come", lambda: server.bytes() > 100000)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGCONT)
    seen = server.bytes()
    until("records come again", lambda: server.bytes() > seen or process.poll() is not None)
    server.end(signal.SIGKILL)
    server.start()
    whole(at, server, process, f"{word}, away, stopped, killed")
    server.end(signal.SIGTERM)


def strangers(folder):
    """Neither side takes who is not who it should be; the records wait."""
    server = Server(folder / "strangers", True)
    server.start()
    wrong = {"its name is another's": {"server_name": "elsewhere.test"},
             "another has signed it": {"ca_file": f"{CERTS}/stranger.pem"},
             "nobody it knows has signed ours": {"cert_file": f"{CERTS}/stranger.pem", "key_file": f"{CERTS}/stranger.key"}}
    for i, (what, more) in enumerate(wrong.items()):
        at = folder / f"strangers-{i}"
        process = ship(config(at, server, **more))
        until(what, lambda: "is down" in (at / "stderr").read_text())
        process.kill()  # it would wait for ever
        process.wait(DEADLINE)
        print("ok  refused:", re.search("is down: (.*?);", (at / "stderr").read_text())[1])
    assert not server.lines(), "a stranger's records were taken"
    server.end(signal.SIGTERM)


def long_lines(folder):
    """A message has a bound: what is longer is cut, and says so."""
    server = Server(folder / "long")
    server.start()
    at = folder / "long-us"
    process = ship(config(at, server, message_bytes=480, facility="authpriv"), CAPTURES / "tour.pcap")
    assert process.wait(DEADLINE) == 0
    until("they came", lambda: len(server.lines()) >= len(open(at / "eve.json").readlines()))
    cut = [x for x in server.lines() if 'cut="1"' in x[6]]
    assert cut and all(len(x[7].encode()) <= 480 for x in server.lines()), len(cut)
    assert {"authpriv.info"} <= {x[0] for x in server.lines()} <= {"authpriv.info", "authpriv.notice"}, {x[0] for x in server.lines()}
    server.end(signal.SIGTERM)
    print(f"ok  {len(cut)} messages are cut at the bound")


def settled(folder):
    """A message has arrived a second after the server's kernel has it, where the configuration does not say otherwise: a kill before
    that sends it again, one after it does not."""
    capture = folder / "slow.pcap"
    query = bytes.fromhex("0001010000010000000000000377777704746573740000010001")  # www.test
    early, frame = 40, lambda i: ip4("10.9.0.%d" % i, "192.0.2.1", udp(1000 + i, 53, query))
    rows = [(1, frame(i)) for i in range(early + 1)] + [(60, frame(200))]  # the last before a pause waits for what follows
    data = pcap([f for _, f in rows], RAW)
    at, out = 24, bytearray(data)
    for second, f in rows:
        out[at : at + 8] = struct.pack("<II", second, 0)
        at += 16 + len(f)
    capture.write_bytes(out)
    for wait, again in (0, early), (3, 0):
        server = Server(folder / f"settle-{wait}")
        server.start()
        at = folder / f"settle-{wait}-us"
        path = config(at, server)
        text = json.loads(path.read_text())
        del text["sinks"][0]["settle_ms"]
        path.write_text(json.dumps(text))
        process = subprocess.Popen([SLUICE, "replay", capture, "-c", path, "--speed", "original"], stdout=subprocess.DEVNULL,
                                   stderr=open(at / "stderr", "w"))
        dns = lambda: [json.loads(x[7]) for x in server.lines() if x[5] == "dns"]
        until("the first have come", lambda: len(dns()) == early)
        time.sleep(wait)
        process.kill()
        process.wait()
        assert len(dns()) == early, "they come once while nothing happens"
        assert ship(path, CAPTURES / "tour.pcap").wait(DEADLINE) == 0, (at / "stderr").read_text()[-1000:]
        boot = dns()[0]["boot"]
        until("what the next start has", lambda: any(e["boot"] != boot for e in dns()))
        twice = sum(e["boot"] == boot for e in dns()) - early
        assert twice == again, f"killed after {wait} s: {twice} came twice, {again} are expected"
        server.end(signal.SIGTERM)
        print(f"ok  settle_ms by default: killed {wait} s after they came, {twice} of {early} come twice", flush=True)


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    CERTS = folder / "certs"
    CAPTURES = pathlib.Path(__file__).parent.parent / "captures"
    certificates(CERTS)
    CAPTURE = folder / "in.pcap"
    frames = (ip4("10.0.%d.%d" % (i >> 8, i & 255), "192.0.2.1", udp(1000, 9, b"x")) for i in range(FLOWS))
    CAPTURE.write_bytes(pcap(list(frames), RAW))
    for tls in False, True:
        run(folder, tls)
    strangers(folder)
    long_lines(folder)
    settled(folder)
