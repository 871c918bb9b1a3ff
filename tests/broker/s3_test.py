#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The s3 sink on a real server that checks signatures: what arrives, under which names, and what becomes of it when network,
server, clock, credentials or the process itself fail. usage: s3_test.py SLUICE [STORY...]; SLUICE_FULL=1: all kills"""
import collections
import gzip
import http.server
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import servers
from s3_faults import Proxy, signature
from servers import expect, until

SLUICE = os.path.abspath(sys.argv[1])
FULL = os.environ.get("SLUICE_FULL", "0") != "0"
work = tempfile.TemporaryDirectory(prefix="sluice-s3-")
AT = 1763800000  # of the captures' first packet


def capture(name, queries, spread_s=1):
    """DNS queries, a flow each, with names that do not pack well"""
    path, R = os.path.join(work.name, name), random.Random(queries)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(queries):
            label = "%040x" % R.getrandbits(160)
            dns = struct.pack(">HHHHHH", i & 0xFFFF, 0x100, 1, 0, 0, 0) + bytes([40]) + label.encode() + b"\7example\0" + b"\0\1\0\1"
            udp = struct.pack(">HHHH", 1024 + i % 60000, 53, 8 + len(dns), 0) + dns
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0x0A000000 + i // 60000, 0xC0000235)
            s = sum(struct.unpack(">10H", ip))
            s = (s & 0xFFFF) + (s >> 16)
            ip = ip[:10] + struct.pack(">H", 0xFFFF & ~((s & 0xFFFF) + (s >> 16))) + ip[12:]
            frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + udp
            t = AT * 1000000 + i * spread_s * 1000000 // queries
            f.write(struct.pack("<IIII", t // 1000000, t % 1000000, len(frame), len(frame)) + frame)
    return path


class Ship:
    """a folder with a config and a spool, and sluice replay -c in it"""

    def __init__(self, server, bucket, endpoint=None, env=None, **sink):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=work.name))
        self.bucket, self.server = bucket, server
        self.env = {**os.environ, **server.credentials(), **(env or {})}
        self.config({"type": "s3", "bucket": bucket, "endpoint": endpoint or server.url, "region": "us-east-1", **sink})

    def config(self, *sinks, **spool):
        (self.folder / "c.json").write_text(json.dumps({"node": "n1", "sinks": sinks, "spool": {"path": str(self.folder / "spool"), **spool}}))

    def start(self, *captures):
        self.log = open(self.folder / "log", "a")
        return subprocess.Popen([SLUICE, "replay", "-c", self.folder / "c.json", *captures], env=self.env, stdout=self.log, stderr=self.log)

    def run(self, *captures, timeout=120):
        p = self.start(*captures)
        try:
            return p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            return "too slow: " + self.said()[-600:]

    def said(self):
        return (self.folder / "log").read_text()

    def objects(self):
        return self.server.objects(self.bucket)


def text(name, body):
    if name.endswith(".gz"):
        return gzip.decompress(body)
    return subprocess.run(["zstd", "-dc"], input=body, stdout=subprocess.PIPE, check=True).stdout if name.endswith(".zst") else body


def lines(objects):
    return [json.loads(l) for k, v in objects.items() for l in text(k, v).splitlines()]


def whole(what, objects, records=None, boots=1):
    """each record once, none missing"""
    got = collections.Counter((r["boot"], r["worker"], r["seq"]) for r in lines(objects))
    by = collections.defaultdict(set)
    for boot, worker, seq in got:
        by[boot, worker].add(seq)
    holes = {k: max(v) - min(v) + 1 - len(v) for k, v in by.items()}
    twice = sum(n > 1 for n in got.values())
    expect("%s: nothing missing, nothing twice" % what, got and not any(holes.values()) and not twice and (not records or len(got) == records)
           and all(min(v) <= 1 for v in by.values()), (len(got), holes, twice, records))
    return got


NAME = re.compile(r"^sluice/class=(flow|dns|[a-z]+)/tenant=\d+/dt=\d{4}-\d\d-\d\d/hour=\d\d/n1-\d+-\d{20}\.ndjson(\.zst|\.gz|)$")
stories = []


def story(f):
    stories.append(f)
    return f


def bucket(server, n=[0]):
    n[0] += 1
    return server.bucket("bucket-%d" % n[0])


@story
def names(s):
    """names, packings and partitions; what is in an object is what its name says"""
    big = capture("hours", 300, spread_s=3 * 3600)
    for packing in ("zstd", "gzip", "none"):
        ship = Ship(s, bucket(s), compression=packing)
        expect("ships (%s)" % packing, ship.run(big) == 0, ship.said())
        got = ship.objects()
        whole(packing, got)
        expect("names", all(NAME.match(k) for k in got) and len(got) >= 6, list(got))
        for k, v in got.items():
            for r in map(json.loads, text(k, v).splitlines()):
                here = "class=%s/tenant=0/dt=%s/hour=%s/" % (r["event_type"], r["timestamp"][:10], r["timestamp"][11:13])
                expect("partition", here in k, (k, r)) if here not in k else None
        expect("a record an object at least", all(got.values()))
        expect("no upload is left", not s.uploads(ship.bucket))
    head = s.client().head_object(Bucket=ship.bucket, Key=next(iter(got)), ChecksumMode="ENABLED") if s.name == "versitygw" else None
    expect("a checksum stays", not head or head.get("ChecksumSHA256"), head)


@story
def parts(s):
    """objects larger than a part: multipart, cut by size"""
    proxy = Proxy(s)
    ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
    expect("ships", ship.run(capture("many", 30000)) == 0, ship.said())
    got = ship.objects()
    whole("parts", got)
    sizes = sorted(len(v) for v in got.values())
    expect("cut by size", len(sizes) > 2 and 12 << 20 <= sizes[-1] < 20 << 20, sizes)
    expect("in parts", len(proxy.kinds("part")) >= 4 and all(q["n"] >= 5 << 20 or q["query"]["partNumber"] > "1" for q in proxy.kinds("part")))
    expect("no upload is left", not s.uploads(ship.bucket))
    small = Ship(s, bucket(s), compression="none", object_mb=64, memory_mb=32)
    expect("with little memory", small.run(capture("many", 30000)) == 0, small.said())
    whole("little memory", small.objects())


FAULTS = {"slow down": (503, "SlowDown"), "internal error": (500, "InternalError"), "cut before": "cut", "cut in the middle": "half", "cut after": "deaf"}


@story
def cuts(s):
    """each kind of request fails three times in each way; all arrives, each once"""
    cap = capture("many", 30000)
    for what, how in FAULTS.items():
        left = collections.Counter()

        def rule(q):
            left[q["kind"]] += 1
            return how if left[q["kind"]] <= 3 and q["kind"] != "list" else None  # before its answer all is held, and goes whole

        proxy = Proxy(s, rule)
        ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
        expect("ships: " + what, ship.run(cap) == 0, ship.said()[-800:])
        whole(what, ship.objects())
        hit = collections.Counter(q["kind"] for q in proxy.seen if q["how"])
        expect("parts, creates, completes were hit", all(hit[k] for k in ("part", "create", "complete")), (hit, proxy.seen))
        expect("no upload is left, or one whose answer was lost", len(s.uploads(ship.bucket)) <= (3 if how == "deaf" else 0), s.uploads(ship.bucket))
    asked = collections.Counter()

    def once(q):
        asked[q["kind"]] += 1
        return (500, "InternalError") if q["kind"] == "list" and asked["list"] == 1 else None

    ship = Ship(s, bucket(s), Proxy(s, once).url, compression="none", object_mb=12)
    expect("ships: the list of uploads fails", ship.run(cap) == 0 and asked["list"] == 2, (asked, ship.said()[-800:]))
    whole("list", ship.objects())


@story
def asked(s):
    """a server that says when to come back is not asked before, unless it says never"""
    for wait, status in (("2", 503), ("2", 429)) + ((("86400", 503),) if FULL else ()):
        proxy = Proxy(s, lambda q: (status, "SlowDown", {"Retry-After": wait}) if q["kind"] == "put" and len(proxy.kinds("put")) < 2 else None)
        ship = Ship(s, bucket(s), proxy.url)
        expect("ships (%d, Retry-After: %s)" % (status, wait), ship.run(capture("one", 1)) == 0, ship.said())
        whole("Retry-After", ship.objects())
        at = [q["at"] for q in proxy.kinds("put")]
        told = [b - a for a, b in zip(at[:2], at[len(at) - 2:])]
        expect("not before", all(min(int(wait), 60) <= t < min(int(wait), 60) + 12 for t in told), told)


@story
def same_name(s):
    """an object of another appliance, which has our name and began in the same millisecond, stays as it is"""
    theirs = {}

    def rule(q):
        kind = "complete" if size == "many" else "put"
        if q["kind"] == kind and q["key"].startswith("sluice/class=") and q["key"] not in theirs and len(theirs) < 2:
            theirs[q["key"]] = b"another's"
            s.client().put_object(Bucket=ship.bucket, Key=q["key"], Body=b"another's")

    for size in ("few", "many"):
        theirs.clear()
        proxy = Proxy(s, rule)
        ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
        expect("ships", ship.run(capture(size, 30000 if size == "many" else 100)) == 0, ship.said()[-800:])
        got = ship.objects()
        expect("what was there stays", theirs and all(got[k] == v for k, v in theirs.items()), list(theirs))
        ours = {k: v for k, v in got.items() if k not in theirs}
        whole("same name", ours)
        expect("ours goes to error/, and it is said why", any(k.startswith("sluice/error/") for k in ours) and
               "another appliance named n1" in ship.said(), (list(ours), ship.said()[-400:]))
        expect("no upload is left", not s.uploads(ship.bucket))
    # no answer comes: it may have been us, and is written over
    proxy = Proxy(s, lambda q: "deaf" if q["kind"] == "put" and len(proxy.kinds("put")) < 2 else None)
    ship = Ship(s, bucket(s), proxy.url)
    expect("ships", ship.run(capture("few", 100)) == 0, ship.said()[-800:])
    whole("unheard", ship.objects())
    expect("an answer that was lost is no refusal", not any("/error/" in k for k in ship.objects()), ship.said())
    # who knows no conditions is asked without
    proxy = Proxy(s, lambda q: (501, "NotImplemented") if "If-None-Match" in q["headers"] else None)
    ship = Ship(s, bucket(s), proxy.url)
    expect("ships where there are no conditions", ship.run(capture("few", 100)) == 0, ship.said()[-800:])
    whole("no conditions", ship.objects())


@story
def gone(s):
    """an upload that somebody aborts under way is made again from the spool"""
    hit = []

    def rule(q):
        if q["kind"] == "part" and q["query"]["partNumber"] == "2" and not hit:
            hit.append(s.client().abort_multipart_upload(Bucket=ship.bucket, Key=q["key"], UploadId=q["query"]["uploadId"]))
        if q["kind"] == "complete" and len(hit) == 1:
            hit.append(1)
            return 404, "NoSuchUpload"

    proxy = Proxy(s, rule)
    ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
    expect("ships", ship.run(capture("many", 30000)) == 0, ship.said()[-800:])
    expect("was aborted", len(hit) == 2, hit)
    expect("and it is said", "an upload is gone: does another appliance have the name n1" in ship.said(), ship.said()[-400:])
    whole("aborted", ship.objects())


@story
def clock(s):
    """a clock two hours off: the server's own word and Date"""
    source, shim = os.path.join(work.name, "t.c"), os.path.join(work.name, "t.so")
    pathlib.Path(source).write_text("#define _GNU_SOURCE\n#include <time.h>\ntime_t time(time_t *t) { struct timespec s; clock_gettime(CLOCK_REALTIME, &s);"
                                    " s.tv_sec += 7200; if (t) *t = s.tv_sec; return s.tv_sec; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source], check=True)
    ship = Ship(s, bucket(s), env={"LD_PRELOAD": shim})
    expect("ships", ship.run(capture("few", 100)) == 0, ship.said())
    whole("clock", ship.objects())
    expect("and says it", "the clock differs from that of S3" in ship.said() and "skew_s=-7" in ship.said(), ship.said())


@story
def region(s):
    ship = Ship(s, bucket(s), region="eu-west-1")
    expect("ships", ship.run(capture("few", 100)) == 0, ship.said())
    whole("region", ship.objects())
    expect("and says it", "another region" in ship.said(), ship.said())


@story
def away(s):
    """no bucket, no right, no server: said, waited for"""
    for what, spoil, mend, word in (
            ("no bucket", lambda: None, lambda b: s.bucket(b), "NoSuchBucket"),
            ("killed server", lambda: (s.bucket("away-2"), s.kill()), lambda b: s.start(), "refused|Connect|connect")):
        name = "away-1" if what == "no bucket" else "away-2"
        spoil()
        ship = Ship(s, name)
        p = ship.start(capture("few", 100))
        until(lambda: re.search("is down: .*(%s)" % word, ship.said()), 60, ship.said)
        expect("%s: it waits" % what, p.poll() is None)
        mend(name)
        expect("%s: it goes on by itself" % what, p.wait(60) == 0, ship.said())
        whole(what, ship.objects())
    # a bucket that was misspelt: its sink's name was made of it
    for named in (False, True):
        ship = Ship(s, "misspelt")
        p = ship.start(capture("few", 100))
        until(lambda: "is down: NoSuchBucket" in ship.said(), 60, ship.said)
        p.send_signal(signal.SIGTERM)
        p.wait()
        ship.bucket = bucket(s)
        config = json.loads((ship.folder / "c.json").read_text())["sinks"][0]
        ship.config({**config, "bucket": ship.bucket, **({"name": "s3-misspelt"} if named else {})})
        expect("ships", ship.run(capture("one", 1)) == 0, ship.said())
        said = re.search(r"there is no sink=s3-misspelt any more, and nothing keeps the up to (\d+) bytes that waited.*\"name\": \"s3-misspelt\"", ship.said())
        expect("what waited for another name is said: %s" % named, bool(said and int(said[1]) > 5000) != named, ship.said())
        expect("and who has its place gets it: %s" % named, len(lines(ship.objects())) > 200, len(lines(ship.objects())))
    ship = Ship(s, bucket(s), env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    p = ship.start(capture("few", 100))
    until(lambda: "is down: SignatureDoesNotMatch" in ship.said(), 60, ship.said)
    p.send_signal(signal.SIGTERM)
    expect("a signal ends the waiting", p.wait(30) is not None)
    ship.env.update(s.credentials())
    expect("the next run ships what was left", ship.run(capture("few", 100)) == 0, ship.said())
    whole("wrong secret", ship.objects())
    expect("no secret is said", s.secret not in ship.said() and "wrong" not in ship.said())


@story
def portal(s):
    """what says 200 to anything has taken nothing; nor has S3, where its checksum is another. A list that has no end ends"""
    page = (200, b"<!DOCTYPE html><html><body>Welcome to our guest network. Please log in.</body></html>")
    proxy = Proxy(s, lambda q: page)
    ship = Ship(s, bucket(s), proxy.url)
    p = ship.start(capture("few", 100))
    until(lambda: len(proxy.kinds("put")) > 2, 60, ship.said)
    expect("a portal: it waits", p.poll() is None, ship.said())
    expect("and says why", "is down: what answers is not S3: its answer (text/html) has no ETag (200)" in ship.said(), ship.said())
    expect("also of the list", "cannot be listed: what answers is not S3: its answer (text/html) has no ListMultipartUploadsResult (200)" in ship.said(), ship.said())
    proxy.rule = lambda q: (400, b"") if len(proxy.kinds("put")) < 6 else None
    until(lambda: "is down: the server answers 400, and not why" in ship.said(), 60, ship.said)
    expect("then all arrives", p.wait(60) == 0, ship.said())
    whole("portal", ship.objects())
    expect("and nothing was refused", not any("/error/" in k for k in ship.objects()), ship.said())
    once = {"list": (405, b""), "create": page, "part": page, "complete": page}
    proxy = Proxy(s, lambda q: once.pop(q["kind"], None))
    ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
    expect("ships", ship.run(capture("many", 30000)) == 0, ship.said()[-800:])
    for word in ("cannot be listed: the server answers 405", "no InitiateMultipartUploadResult", "no ETag", "no CompleteMultipartUploadResult"):
        expect(word, word in ship.said(), ship.said())
    whole("a page once", ship.objects())
    said = []

    def other(h):
        if "etag" in {k.lower() for k in h} and not said:
            said.append(1)
            return {**{k: v for k, v in h.items() if k.lower() != "x-amz-checksum-sha256"}, "x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
        return h

    proxy = Proxy(s, lambda q: other if q["kind"] == "put" else None)
    ship = Ship(s, bucket(s), proxy.url)
    expect("ships", ship.run(capture("few", 100)) == 0, ship.said())
    expect("another checksum is none of ours", "is down: what S3 has is not what was sent: its checksum is 47DEQ" in ship.said(), ship.said())
    taken = [q for q in proxy.kinds("put") if q["status"] == 200]
    expect("it was put again", len(taken) == 1 + len(ship.objects()), len(taken))
    whole("another checksum", ship.objects())
    endless = b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker></ListMultipartUploadsResult>"
    for what, most in (("the same", 2), ("ever others", 1000)):
        proxy = Proxy(s, lambda q: (200, endless % (b"k" if most == 2 else b"k%d" % len(proxy.seen))) if q["kind"] == "list" else None)
        ship = Ship(s, bucket(s), proxy.url)
        expect("ships", ship.run(capture("few", 100)) == 0, ship.said())
        expect("a list without an end, %s" % what, len(proxy.kinds("list")) == most and "has no end, after %d answers" % most in ship.said(),
               (len(proxy.kinds("list")), ship.said()))
        whole("endless", ship.objects())


@story
def tokens(s):
    """temporary credentials: the token is signed, and fetched anew when it has expired. The server takes no tokens from its
    root: a stand-in checks them and the signature, and signs for the server"""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    given, good = [], [1]

    class Container(http.server.BaseHTTPRequestHandler):
        log_message = lambda *a: None

        def do_GET(self):
            given.append(good[0])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"AccessKeyId": "ASIA%d" % good[0], "SecretAccessKey": "s/%d+" % good[0], "Token": "T%d+/=" % good[0],
                                         "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}).encode())

    container = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Container)
    threading.Thread(target=container.serve_forever, daemon=True).start()
    bad = []

    def rule(q):
        h = q["headers"]
        n = h.get("x-amz-security-token", "")[1:-3]
        signed = n and signature(q["method"], q["path"], h, "ASIA" + n, "s/%s+" % n)
        if not signed or "x-amz-security-token" not in signed:
            bad.append((q, signed))
            return 403, "SignatureDoesNotMatch"
        if q["kind"] == "complete" and good[0] < 3 or q["kind"] == "part" and good[0] == 1:
            good[0] += 1
        if int(n) < good[0]:
            return 400, "ExpiredToken"
        r = botocore.awsrequest.AWSRequest(method=q["method"], url=s.url + q["path"], headers={k: v for k, v in h.items() if k.lower() not in (
            "authorization", "x-amz-security-token", "x-amz-date", "host")})
        auth = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(s.key, s.secret), "s3", s.region)
        auth.payload = lambda request: h["x-amz-content-sha256"]
        auth.add_auth(r)
        return {**dict(r.headers.items()), "Host": "127.0.0.1:%d" % s.port}

    proxy = Proxy(s, rule)
    ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
    for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del ship.env[k]
    ship.env.update(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:%d/c" % container.server_port, AWS_SHARED_CREDENTIALS_FILE="/none",
                    AWS_CONFIG_FILE="/none")
    expect("ships", ship.run(capture("many", 30000)) == 0, ship.said()[-800:])
    expect("each request's signature was right, with its token", not bad, bad[:1])
    expect("three times", given[0] == 1 and given[-1] == 3, given)
    whole("tokens", ship.objects())


def encrypted(how):
    """the headers of an answer that says so"""
    return lambda h: {**h, "x-amz-server-side-encryption": how}


@story
def ignored(s):
    """a server that passes over what it is asked for, SSE-KMS: said once, nothing is acknowledged, and no part goes there"""
    does = "is down: bucket %s: the server does not do SSE-KMS: aws:kms was asked for, its answer has %s: set it up there, or remove kms_key"
    for size, kind, answer, mb in (("few", "part", None, 12), ("few", "part", "AES256", 12), ("many", "part", None, 12), ("many", "put", None, 1)):
        what = "%s of a server that answers %s" % (kind, answer)
        # put: it did it when asked first, and does no more
        proxy = Proxy(s, lambda q: encrypted("aws:kms") if q["kind"] == "part" != kind else encrypted(answer) if answer else None)
        ship = Ship(s, bucket(s), proxy.url, kms_key="my-key", compression="none", object_mb=mb)
        p = ship.start(capture(size, 30000 if size == "many" else 100))
        until(lambda: len(proxy.kinds(kind)) > 4, 60, ship.said)
        said = ship.said().count(does % (ship.bucket, answer or "none"))  # puts: more than once, where one of the first parts arrives late
        expect("it waits, and says why, once: " + what, p.poll() is None and (said == 1 or said and kind == "put"), ship.said())
        expect("no record has gone there before: " + what, kind == "put" or not any(q["n"] for q in proxy.seen), [q for q in proxy.seen if q["n"]][:1])
        spooled = lambda: sum(f.stat().st_size for f in (ship.folder / "spool").glob("*.seg"))
        until(lambda: spooled() == (time.sleep(1), spooled())[1], 60, ship.said)  # it has read all: a signal ends the waiting, and not the reading
        p.send_signal(signal.SIGTERM)
        expect("a signal ends it: " + what, p.wait(60) is not None)
        asked = [q["headers"].get("x-amz-server-side-encryption") for k in ("put", "create") for q in proxy.kinds(k)]
        expect("each time it was asked for: " + what, set(asked) == {"aws:kms"}, asked)
        proxy.rule = lambda q: encrypted("aws:kms") if q["kind"] in ("put", "part") else None
        expect("where it is done all arrives: " + what, ship.run(capture("one", 1)) == 0, ship.said()[-800:])
        whole(what, ship.objects())
        n = sum(r["event_type"] == "dns" and r["dns"]["type"] == "request" for r in lines(ship.objects()))
        expect("all of it: " + what, n == (30000 if size == "many" else 100) + 1, n)
        expect("no upload is left: " + what, not s.uploads(ship.bucket), s.uploads(ship.bucket))


@story
def refused(s):
    """what S3 refuses for itself goes to error/, and keeps nobody back"""
    def rule(q):
        key = q["headers"].get("x-amz-server-side-encryption-aws-kms-key-id")
        if key == "bad-key":
            return 400, "KMS.NotFoundException"
        if key and q["headers"].get("x-amz-server-side-encryption") != "aws:kms":
            return 400, "InvalidArgument"
        return encrypted("aws:kms") if key or q["kind"] == "part" else None

    proxy = Proxy(s, rule)
    for size in ("few", "many"):
        ship = Ship(s, bucket(s), proxy.url, kms_key="good-key", kms_tenants=["0=bad-key", "9=other"], compression="none", object_mb=12)
        expect("ships", ship.run(capture(size, 30000 if size == "many" else 100)) == 0, ship.said()[-800:])
        got = ship.objects()
        whole("refused", got)
        expect("under error/", got and all(k.startswith("sluice/error/class=") for k in got), list(got))
        why = s.client().head_object(Bucket=ship.bucket, Key=next(iter(got)))["Metadata"].get("why", "")
        expect("with why", "KMS.NotFoundException" in why, why)
        expect("it is said", "KMS.NotFoundException" in ship.said())
    ship = Ship(s, bucket(s), proxy.url, kms_key="good-key", kms_tenants=["9=other"])
    expect("ships", ship.run(capture("few", 100)) == 0, ship.said())
    keys = {q["headers"].get("x-amz-server-side-encryption-aws-kms-key-id") for k in ("create", "put") for q in proxy.kinds(k)[-1:]}
    expect("the key of all others", keys == {"good-key"}, keys)


@story
def killed(s):
    """kill -9 as the upload is completed: before the server has heard it, after it has done it; names and bytes stay"""
    cap, few = capture("many", 30000), capture("one", 1)
    for how in ("wait", "wait after") * (8 if FULL else 1):
        which = random.choice(("complete", "complete", "put", "part")) if FULL else "complete"
        nth, seen = random.randint(1, 3), []

        def rule(q):
            if q["kind"] == which:
                seen.append(q)
                if len(seen) == nth:
                    return how

        proxy = Proxy(s, rule)
        ship = Ship(s, bucket(s), proxy.url, compression="none", object_mb=12)
        p = ship.start(cap)
        while p.poll() is None and not proxy.waits.wait(0.05):
            pass
        left = p.poll() is None
        p.kill()
        p.wait()
        before = ship.objects()
        proxy.rule = lambda q: None
        expect("the next run ships what was left (%s at %s %d)" % (how, which, nth), ship.run(few) == 0, ship.said()[-800:])
        after = ship.objects()
        expect("what was there is there, byte for byte", all(after.get(k) == v for k, v in before.items()), [k for k in before if after.get(k) != before[k]])
        got = whole("killed", after)
        expect("no upload is left", not s.uploads(ship.bucket), s.uploads(ship.bucket))
        expect("it was killed under way", left or which == "put", which)


@story
def secure(s):
    with servers.S3(tls=True) as t:
        ship = Ship(t, t.bucket("tls-1"), ca_file=t.ca)
        expect("over TLS", ship.run(capture("few", 100)) == 0, ship.said())
        whole("TLS", ship.objects())
        ship = Ship(t, "tls-1")
        p = ship.start(capture("few", 100))
        until(lambda: re.search("is down: .*certificate", ship.said()), 60, ship.said)
        expect("who is not known is not trusted", p.poll() is None)
        p.kill()
        p.wait()
    for what, url, word in (("TLS to a port without it", s.url.replace("http", "https"), "%s: .*wrong version number.*: this may be http, without TLS"),
                            ("no answer", Proxy(s, lambda q: "cut").url, "%s: .*(reset|Empty reply)")):
        ship = Ship(s, "tls-1", url)
        p = ship.start(capture("few", 100))
        until(lambda: re.search("is down: " + word % url, ship.said()), 60, ship.said)
        expect("it is said who: " + what, p.poll() is None)
        p.kill()
        p.wait()


def doctor(ship, *words):
    """the levels of what it says of S3: credentials, bucket, clock; and all of it"""
    r = subprocess.run([SLUICE, "doctor", "-j", "-c", ship.folder / "c.json", *words], env=ship.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=60)
    checks = [c for c in json.loads(r.stdout or '{"checks": []}')["checks"] if c["check"] == "s3"]
    return [c["level"] for c in checks], " | ".join(c["text"] + " > " + c["fix"] for c in checks) + r.stderr


@story
def looked(s):
    """what sluice doctor says of a bucket"""
    ship = Ship(s, bucket(s))
    config = json.loads((ship.folder / "c.json").read_text())
    (ship.folder / "c.json").write_text(json.dumps({**config, "ports": {"a": {"type": "null"}, "b": {"type": "null"}}, "paths": [{"mode": "bridge", "ports": ["a", "b"]}]}))
    levels, text = doctor(ship)
    expect("all is well", levels == ["ok"] * 3 and "credentials: environment" in text and "answers in us-east-1" in text, (levels, text))
    expect("nothing was left behind", not s.keys(ship.bucket) and not s.uploads(ship.bucket))
    for what, want, words, env, word in (
            ("no bucket", ["ok", "bad", "ok"], ["sinks.0.bucket=nowhere"], {}, "NoSuchBucket.*aws s3api create-bucket --bucket nowhere"),
            ("another region", ["ok", "warn", "ok"], ["sinks.0.region=eu-west-1"], {}, "--set sinks.0.region=us-east-1"),
            ("a wrong secret", ["ok", "bad", "ok"], [], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
            ("no server", ["ok", "bad", "warn"], ["sinks.0.endpoint=http://127.0.0.1:%d" % servers.port()], {}, "no answer within 5 s: .*onnect"),
            ("no such profile", ["bad", "bad", "warn"], ["sinks.0.profile=nobody"], {}, "no profile nobody")):
        env, ship.env = ship.env, {**ship.env, **env}
        levels, text = doctor(ship, *(x for w in words for x in ("--set", w)))
        ship.env = env
        expect(what, levels == want and re.search(word, text), (levels, text))
        expect("no secret is said", s.secret not in text)
    levels, text = doctor(ship, "--set", "sinks.0.kms_key=my-key")
    expect("what is not looked at is said", "whether objects may be put, and are encrypted by KMS, is seen at the first" in text, text)
    answer = (403, "AccessDenied", {"Date": "Sun, 22 Nov 2020 08:00:00 GMT"})
    levels, text = doctor(ship, "--set", "sinks.0.endpoint=" + Proxy(s, lambda q: answer).url)
    expect("not allowed to list, and a clock years away", levels == ["ok", "warn", "warn"] and "s3:ListBucketMultipartUploads" in text
           and "requests are signed by the server's" in text, (levels, text))


@story
def query(s):
    """the queries of docs/s3.md, by DuckDB from the server"""
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/s3.md").read_text()
    ask, ask_denied, pack = [q for q in re.findall(r"```sql\n(.*?)```", page, re.S) if "read_json" in q]
    ship = Ship(s, bucket(s))
    expect("ships", ship.run(capture("day", 500, spread_s=5 * 3600)) == 0, ship.said())
    import duckdb
    try:
        from duckdb_extensions import import_extension
        import_extension("httpfs")
    except ImportError as e:
        raise servers.Missing("DuckDB's httpfs: %s" % e)
    db = duckdb.connect()
    db.execute("LOAD httpfs")
    db.execute("CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '127.0.0.1:%d', URL_STYLE 'path', USE_SSL false)" %
               (s.key, s.secret, s.region, s.port))
    rows = db.execute(ask.replace("BUCKET", ship.bucket)).fetchall()
    expect("the query finds all", sum(r[3] for r in rows) == 500 and len(rows) >= 5, rows[:3])
    policy = ship.folder / "policy.json"
    policy.write_text(json.dumps({"rules": [{"id": "no", "action": "deny", "when": {"dns.qname": {"suffix": ".example"}}}]}))
    deny = Ship(s, bucket(s), format="ocsf")
    expect("ships what was denied", deny.run("-p", policy, capture("denied", 100)) == 0, deny.said())
    rows = db.execute(ask_denied.replace("BUCKET", deny.bucket)).fetchall()
    expect("each denied transaction once, by its rule", len(rows) == len({r[7] for r in rows}) == 100 and
           {(r[1], r[2], r[3], r[6].split(".")[1]) for r in rows} == {("DNS Activity", "Blocked", "no", "example")}, rows[:3])
    db.execute(pack.replace("BUCKET", ship.bucket))
    n = db.execute("SELECT count(*), count(DISTINCT hour) FROM read_parquet('s3://%s/parquet/class=dns/*/*/*/*.parquet', hive_partitioning = true)"
                   % ship.bucket).fetchone()
    expect("and Parquet has them", n[0] == 500 and n[1] >= 5, n)


@story
def kms(s):
    if not FULL:
        return
    with servers.S3(kms=True) as m:
        ship = Ship(m, m.bucket("kms-1"), kms_key="my-key")
        expect("SSE-KMS", ship.run(capture("few", 100)) == 0, ship.said())
        head = m.client().head_object(Bucket="kms-1", Key=m.keys("kms-1")[0])
        expect("is on", head.get("ServerSideEncryption") == "aws:kms" and "my-key" in head.get("SSEKMSKeyId", ""), head)
        ship = Ship(m, m.bucket("kms-3"), kms_key="my-key", compression="none", object_mb=12)
        expect("SSE-KMS in parts", ship.run(capture("many", 30000)) == 0, ship.said())
        whole("SSE-KMS in parts", ship.objects())
        heads = [m.client().head_object(Bucket="kms-3", Key=k) for k in m.keys("kms-3")]
        expect("all are", all(h.get("ServerSideEncryption") == "aws:kms" for h in heads) and any("-" in h["ETag"] for h in heads), heads)
        ship = Ship(m, m.bucket("kms-2"), kms_key="my-key", kms_tenants=["0=nobody"])
        expect("a key that is not there", ship.run(capture("few", 100)) == 0, ship.said())
        head = m.client().head_object(Bucket="kms-2", Key=m.keys("kms-2")[0])
        expect("error/, under the other key", m.keys("kms-2")[0].startswith("sluice/error/") and "my-key" in head.get("SSEKMSKeyId", ""), head)


def test():
    with servers.S3() as s:
        for f in stories:
            if not sys.argv[2:] or f.__name__ in sys.argv[2:]:
                print("---- " + f.__name__, flush=True)
                f(s)


servers.main(test)
