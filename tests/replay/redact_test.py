#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Redaction: what a sink is not to see stands nowhere in what it gets, whatever the face: what facts -v says of all golden
captures, and secrets planted where a message repeats them (target, Referer, Location, headers, user information, what CONNECT
asks for, anomalies, alerts).   usage: redact_test.py SLUICE TESTS"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SLUICE, TESTS = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
sys.path.insert(0, str(TESTS / "golden"))
from cases_http import OK, talk
from packets import pcap

FACES = "eve", "ocsf", "facts", "table"
# words of `redact` that take all of these facts away
FIELDS = {"host": ("host", "tls.sni", "quic.sni", "http.host", "dns.qname", "host.outer"), "http.uri": ("http.uri", "http.path"),
          "http.user_agent": ("http.user_agent",), "http.referer": ("http.referer",), "http.redirect": ("http.redirect",), "http.xff": ("http.xff",),
          "ssh.software": ("ssh.software", "ssh.server_software"), "quic.user_agent": ("quic.user_agent",)}
# what is not from the wire: the capture's name, words of the policy, names of ours
OURS = {"pcap", "pcap_filename", "verdict", "alert", "firewall_rule", "policy", "finding_info", "message", "field", "reporter", "node", "event", "event_code",
        "class_name", "category_name", "type_name", "activity_name", "app_proto", "app_protocol_name", "ambiguous", "http_ambiguous", "rcode", "redacted", "type", "direction"}
failed = 0


def expect(what, holds, why=""):
    global failed
    failed += not holds
    print(("ok    " if holds else "FAIL  ") + what + ("" if holds else ": %.900s" % (why,)))


def texts(value):
    """every text of an event that is not ours"""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key not in OURS:
            yield from texts(inner)
    for inner in value if isinstance(value, list) else ():
        yield from texts(inner)
    if isinstance(value, str):
        yield value


def shipped(work, captures, redact, policy):
    """By face and manner: the lines that a sink gets."""
    (work / "key").write_text("sixteen bytes, or more\n")
    sinks = [{"type": "file", "name": "%s-%s" % (face, how), "path": str(work / ("%s-%s" % (face, how))), "format": face, "redact": redact,
              **({"redact_key": str(work / "key")} if how == "hash" else {})} for face in FACES for how in ("drop", "hash")]
    config = {"spool": {"path": str(work / "spool")}, "sinks": sinks, **({"policy": {"file": str(policy)}} if policy else {})}
    (work / "config.json").write_text(json.dumps(config))
    run = subprocess.run([SLUICE, "replay", "-c", work / "config.json", *captures], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         timeout=240)
    expect("it ships", run.returncode in (0, 1), run.stderr[-600:])
    return {(face, how): (work / ("%s-%s" % (face, how))).read_text() for face in FACES for how in ("drop", "hash")}


def said(captures, policy):
    """what facts -v says that has to go"""
    run = subprocess.run([SLUICE, "replay", *captures, *(["-p", policy] if policy else []), "--format", "facts", "-v", "-o", "-", "--summary", "/dev/null"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=240)
    fields = {f for many in FIELDS.values() for f in many}
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    values = {str(r["value"]) for r in rows if r["field"].replace("http2.", "http.") in fields}
    return {v for v in values if len(v) >= 6 and v not in ("client", "server", "<root>") and not re.fullmatch(r"[0-9a-f:.\[\]]+", v)}


def everything(work):
    captures = sorted(TESTS.glob("captures/*.pcap"))
    captures += sorted(p for p in TESTS.glob("golden/*/in.pcap") if not (p.parent / "policy.json").exists())
    secrets = said(captures, None)
    expect("there is something to hide", len(secrets) > 50, len(secrets))
    for (face, how), text in shipped(work, captures, list(FIELDS) + ["anomaly", "dns.answer"], None).items():
        lines = text.splitlines()
        if face != "table":
            lines = [" ".join(texts(json.loads(line))) for line in lines]
        all_of_it = "\n".join(lines).lower()
        left = [s for s in secrets if s.lower() in all_of_it]
        expect("nothing is left in %s, %s" % (face, how), lines and not left, (left[:5], [line for line in lines if left and left[0].lower() in line.lower()][:1]))


QUERY, COOKIE, BASIC, USER, OUTER, TOKEN = "tok=Qu3rySecret77", "sid=C00kieSecret88", "QmFzaWNTZWNyZXQ5OQ==", "al1ceSecret", "outer-secret.test", "Fr4gSecret66"


def planted(work):
    ask = ("GET /a?%s HTTP/1.1\r\nHost: www.example.test\r\nCookie: %s\r\nAuthorization: Basic %s\r\nReferer: http://www.example.test/from?%s\r\n"
           "X-Copy: %s; %s\r\n\r\n" % (QUERY, COOKIE, BASIC, QUERY, QUERY, COOKIE)).encode()
    moved = ("HTTP/1.1 302 Found\r\nLocation: http://www.example.test/b?%s#%s\r\nContent-Length: 0\r\n\r\n" % (QUERY, TOKEN)).encode()
    named = ("GET http://%s:pass@www.example.test/?%s HTTP/1.1\r\nHost: www.example.test\r\n\r\n" % (USER, QUERY)).encode()
    odd = ("GET /odd?%s HTTP/1.1\r\nHost: www.example.test\r\nCookie: %s\r\nCookie\x01: %s\r\n\r\n" % (QUERY, COOKIE, COOKIE)).encode()
    broken = ("GET /broken?%s HTTP/1.1 %s\r\n\r\n" % (QUERY, COOKIE)).encode()
    tunnel = ("CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (OUTER, OUTER)).encode()
    talks = [[(0, ask), (1, moved)], [(0, named), (1, OK)], [(0, odd), (1, OK)], [(0, broken)], [(0, tunnel), (1, b"HTTP/1.1 200 OK\r\n\r\n"), (0, ask)]]
    frames = [f for i, turns in enumerate(talks) for f in talk(*turns, sport=41000 + i)]
    (work / "in.pcap").write_bytes(pcap(frames))
    any_of = [{"http.header.%s" % h: "zzz"} for h in ("cookie", "authorization", "x-copy")]
    (work / "policy.json").write_text(json.dumps({"rules": [
        {"id": "all", "when": {"app": "http"}, "action": "alert"},
        *({"id": "asks-%d" % i, "when": w, "action": "deny"} for i, w in enumerate(any_of))], "default": {"action": "allow"}}))
    plain = subprocess.run([SLUICE, "replay", work / "in.pcap", "-p", work / "policy.json", "--format", "ocsf", "-o", "-"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=120)
    secrets = [s.split("=")[1] if s.count("=") == 1 else s for s in (QUERY, COOKIE, BASIC, USER, OUTER, TOKEN)]
    expect("each secret is shown without redaction", all(s in plain.stdout for s in secrets), (plain.stderr[-300:], [s for s in secrets if s not in plain.stdout]))
    words = ["http.header.authorization", "http.header.cookie", "http.uri.query", "user", "host"]
    for (face, how), text in shipped(work, [work / "in.pcap"], words, work / "policy.json").items():
        left = [s for s in secrets if s.lower() in text.lower()]
        expect("no secret is left in %s, %s" % (face, how), text and not left, (left, [line for line in text.splitlines() if left and left[0] in line][:1]))
        if face == "eve":
            rows = [json.loads(line) for line in text.splitlines()]
            expect("it says what it does not show", any("http.uri.query" in r.get("redacted", ()) for r in rows), rows[:1])
            urls = [r["http"]["url"] for r in rows if r.get("http", {}).get("url", "").startswith("/a?")]
            expect("in its place a mark, the same each time", urls and len(set(urls)) == 1 and urls[0].startswith("/a?redacted"), urls)


def main():
    for story in everything, planted:
        with tempfile.TemporaryDirectory() as work:
            story(pathlib.Path(work))
    return 1 if failed else 0


sys.exit(main())
