#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Our signatures against botocore's and aws-msk-iam-sasl-signer's over random requests at a fixed clock, character by
# character. Exit 77: they are not to be had. usage: sigv4_test.py SIGNATURES [REQUESTS [SEED]]
import json, pathlib, random, string, subprocess, sys
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import quote

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "broker"))
import servers

signatures, total = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 6
R = random.Random(seed)
regions = ["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1", "ap-southeast-4", "auto"]
names = ["partNumber", "uploadId", "uploads", "prefix", "list-type", "X-a", "x.b", "é", "a b", "A", "a", "~", "q=r", "z&", "+", "%41"]
plain = string.ascii_letters + string.digits + "-._~"
odd = " =%+&/?#@:;,$!'()*[]{}|\\^`\"<>\t\x01éß中😀"
headers = ["Content-Type", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-meta-a",
    "X-Amz-Meta-A-b", "x-amz-checksum-sha256", "Content-MD5", "If-None-Match", "x-amz-tagging", "X-AMZ-ACL", "Range",
    "x-amz-storage-class", "User-Agent", "Expect", "Transfer-Encoding", "x_under", "Content-Length"]


def text(n, alphabet, least=0):
    return "".join(R.choice(alphabet) for _ in range(R.randint(least, n)))


def path(s3):
    parts = [R.choice(["", ".", "..", text(8, plain), text(8, plain + odd), "dt=2026-11-22", "a=b"]) for _ in range(R.randint(0, 7))]
    return "/" + "/".join(parts) + R.choice(["", "/"])


def one():
    how = R.choices(["headers", "query", "msk"], [6, 3, 1])[0]
    s3 = R.random() < .7
    body = R.choice([None, b"", text(100, odd).encode()])
    r = {"how": how, "method": R.choice(["GET", "PUT", "POST", "DELETE", "HEAD"]), "path": path(s3),
        "origin": R.choice(["http://", "https://"]) + R.choice(["b.s3.us-east-1.amazonaws.com", "127.0.0.1:7070", "[::1]:9000", "s3.example"]),
        "query": [[R.choice(names) if R.random() < .7 else text(6, plain + odd, 1), text(12, plain + odd)] for _ in range(R.randint(0, 6))],
        "headers": [[h, text(24, plain + " \t=:;,/\"", 0)] for h in R.sample(headers, R.randint(0, 8))],
        "key_id": "AKIA" + text(16, string.ascii_uppercase, 8), "secret": text(60, plain + "+/", 1),
        "token": text(1200, plain + "+/=", 1) if R.random() < .4 else None,
        "region": R.choice(regions), "service": "s3" if s3 else R.choice(["sts", "kafka-cluster", "execute-api"]),
        "now": R.randint(0, 4102444800), "expires": R.randint(1, 604800), "agent": "sluice/" + text(12, plain + odd.replace(" ", ""))} # urllib has + for a blank there, which nobody signs
    if how == "query": # of those that botocore folds: one value a name
        r["query"] = list({k: [k, v] for k, v in r["query"]}.values())
    return r, body


def theirs(r, body):
    now = datetime.fromtimestamp(r["now"], timezone.utc)
    id = botocore.credentials.Credentials(r["key_id"], r["secret"], r["token"])
    with mock.patch("botocore.auth.get_current_datetime", lambda *a, **k: now):
        if r["how"] == "msk":
            with mock.patch.object(msk, "__get_user_agent__", lambda: r["agent"]):
                return msk.__dict__["__construct_auth_token"](r["region"], id)[0]
        s3 = r["service"] == "s3"
        q = AWSRequest(method=r["method"], url=r["origin"] + quote(r["path"], safe="/~"), params=[tuple(p) for p in r["query"]], data=body)
        for k, v in r["headers"]:
            q.headers[k] = v
        if r["how"] == "query":
            q.params = dict(r["query"])
            kind = botocore.auth.S3SigV4QueryAuth if s3 else botocore.auth.SigV4QueryAuth
            kind(id, r["service"], r["region"], expires=r["expires"]).add_auth(q)
            return q.url
        auth = botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth
        q.context["payload_signing_enabled"] = True
        a = auth(id, r["service"], r["region"])
        a.add_auth(q)
        r["content_sha256"] = q.headers.get("X-Amz-Content-SHA256") or a.payload(q)
        return q.headers["X-Amz-Date"] + " " + q.headers["Authorization"]


def test():
    global botocore, AWSRequest, msk
    servers.install_clients()
    import botocore.auth, botocore.credentials
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as msk
    from botocore.awsrequest import AWSRequest
    requests, expected = [], []
    for _ in range(total):
        r, body = one()
        if r["how"] == "query": # a body is folded into the query by botocore, and no request of ours has one
            body = None
        expected.append(theirs(r, body))
        requests.append(r)
    given = "\n".join(json.dumps(r) for r in requests) + "\n"
    lines = subprocess.run([signatures], input=given.encode(), stdout=subprocess.PIPE, check=True, timeout=300).stdout.decode().splitlines()
    bad = 0
    for r, want, got in zip(requests, expected, lines, strict=True):
        if got != "0 " + want:
            bad += 1
            if bad <= 3:
                print(json.dumps(r), "theirs:", want, "ours:  ", got, sep="\n")
    count = {h: sum(r["how"] == h for r in requests) for h in ("headers", "query", "msk")}
    print(f"{total} requests, seed {seed}: {count['headers']} by headers, {count['query']} by query, {count['msk']} tokens; {bad} differ")
    servers.expect("every signature is the others' too", not bad)


servers.main(test)
