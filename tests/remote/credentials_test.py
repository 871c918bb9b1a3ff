#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Credentials from each source, against stand-ins that answer as AWS has published, at AWS's own addresses (in a network
# namespace of the test's own), and in each way that they can go wrong. What botocore can be asked too has to be the
# same. Exit 77: not root, or no namespaces. usage: credentials_test.py CREDENTIALS
import datetime, http.server, itertools, json, os, pathlib, socket, subprocess, sys, tempfile, threading, time, urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "broker"))
import servers
from servers import expect

if not os.environ.get("OWN_NETWORK"):
    if subprocess.call(["unshare", "-n", "true"], stderr=subprocess.DEVNULL):
        print("SKIPPED, NOT PROVED: AWS's own addresses need root and network namespaces")
        sys.exit(77)
    servers.main(lambda: servers.install_clients() and os.execvp("unshare", [
        "unshare", "-n", "env", "OWN_NETWORK=1", sys.executable, os.path.abspath(__file__)] + sys.argv[1:]))
program = sys.argv[1]
for words in ("link set lo up", "addr add 169.254.169.254/32 dev lo", "addr add 169.254.170.2/32 dev lo",
              "addr add 169.254.170.23/32 dev lo", "-6 addr add fd00:ec2::254/128 dev lo nodad", "-6 addr add fd00:ec2::23/128 dev lo nodad"):
    subprocess.run(["ip"] + words.split(), check=True)
folder = tempfile.TemporaryDirectory()
NOW = int(time.time())
behave, seen, made = {}, [], itertools.count(1)  # how the stand-in answers by path; what it was asked


def stamp(t):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def fresh(life, token="Token"):
    n = next(made)
    return {"Code": "Success", "LastUpdated": stamp(NOW), "Type": "AWS-HMAC", "AccessKeyId": "ASIA%d" % n,
            "SecretAccessKey": "secret/%d" % n, token: "token+%d=" % n, "Expiration": stamp(NOW + life)}


STS = """<%(a)sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <%(a)sResult>
    <AssumedRoleUser><AssumedRoleId>AROA3XFRBF535PLBIFPI4:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>%(AccessKeyId)s</AccessKeyId>
      <SecretAccessKey>%(SecretAccessKey)s</SecretAccessKey>
      <SessionToken>%(SessionToken)s</SessionToken>
      <Expiration>%(Expiration)s</Expiration>
    </Credentials>
  </%(a)sResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</%(a)sResponse>"""
DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User is not authorized to perform: sts:AssumeRole</Message></Error><RequestId>x</RequestId></ErrorResponse>"""


class StandIn(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = lambda *a: None

    def answer(self, status, body, **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string(time.time() + behave.get("clock", 0)))
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)

    def one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        seen.append((self.command, self.path, dict(self.headers), body))
        how = behave.get("next", []) and behave["next"].pop(0) or behave.get("how")
        life = behave.get("life", 3600)
        if how == "slow":
            time.sleep(6)
            return self.answer(200, "late")
        if how == "cut":
            return self.connection.shutdown(socket.SHUT_RDWR)
        if how in ("404", "500", "403"):
            return self.answer(int(how), DENIED)
        if how == "garbage":
            return self.answer(200, bytes(range(256)) * 4)
        if how == "huge":
            return self.answer(200, "A" * (1 << 20))
        if how == "empty":
            return self.answer(200, "")
        if how == "half":
            return self.answer(200, json.dumps(fresh(life))[:60])
        if self.path == "/latest/api/token":
            if self.command != "PUT" or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                return self.answer(405, "")
            return self.answer(200, "AQAEA-token==")
        if self.path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.headers.get("X-aws-ec2-metadata-token") != "AQAEA-token==":
                return self.answer(401, "")
            return self.answer(200, json.dumps(fresh(life)) if self.path.endswith("/the-role") else "the-role")
        if self.path.startswith("/v2/credentials/"):
            if behave.get("authorization") and self.headers.get("Authorization") != behave["authorization"]:
                return self.answer(403, "")
            return self.answer(200, json.dumps(fresh(life)))
        form = dict(urllib.parse.parse_qsl(body))
        if self.path == "/" and form.get("Action", "").startswith("AssumeRole"):
            if behave.get("clock") and form["Action"] == "AssumeRole":
                at = datetime.datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
                if abs(at - time.time() - behave["clock"]) > 300:
                    return self.answer(403, DENIED.replace("AccessDenied", "SignatureDoesNotMatch"))
            return self.answer(200, STS % {"a": form["Action"], **fresh(life, "SessionToken")})
        self.answer(404, "no")

    do_GET = do_PUT = do_POST = one


class Four(http.server.ThreadingHTTPServer):
    handle_error = lambda *a: None  # who asks goes when it has had enough


class Six(Four):
    address_family = socket.AF_INET6


for kind, address, port in ((Four, "169.254.169.254", 80), (Four, "169.254.170.2", 80), (Four, "169.254.170.23", 80),
                            (Six, "fd00:ec2::254", 80), (Six, "fd00:ec2::23", 80), (Four, "127.0.0.1", 8000)):
    threading.Thread(target=kind((address, port), StandIn).serve_forever, daemon=True).start()


def file(name, text):
    path = os.path.join(folder.name, name)
    pathlib.Path(path).write_text(text)
    return path


def clean(**env):
    return {"PATH": os.environ["PATH"], "HOME": folder.name, "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:8000",
            "AWS_SHARED_CREDENTIALS_FILE": os.path.join(folder.name, "none"), "AWS_CONFIG_FILE": os.path.join(folder.name, "none"), **env}


def ask(lines, options=(), how=None, **env):
    """what our program says to each line, seconds from NOW or "refused" """
    behave.update(how=how)
    seen.clear()
    text = "".join("%s\n" % (l if isinstance(l, str) else NOW + l) for l in lines)
    out = subprocess.run([program, *options], input=text, env=clean(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    expect("it ends well", out.returncode == 0, out.stderr[-1000:])
    expect("no secret is said", "secret" not in out.stderr and "token+" not in out.stderr, out.stderr)
    return [json.loads(l) for l in out.stdout.splitlines()]


IMDS = {}
ECS = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/uuid"}
token_file = file("token", "eyJhbGciOi.eyJ+/=.sig\n")
IRSA = {"AWS_WEB_IDENTITY_TOKEN_FILE": token_file, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_REGION": "eu-west-1"}
ROLE = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "secretenv"}
role = ["role_arn=arn:aws:iam::123456789012:role/x", "external_id=e x", "region=eu-west-1"]
SOURCES = {"instance": (IMDS, []), "container": (ECS, []), "web identity": (IRSA, []), "environment": (ROLE, role)}


def sources():
    for name, (env, options) in SOURCES.items():
        got, = ask([0], options, **env)
        expect(name, got["rc"] == 0 and got["source"] == name and got["key"].startswith("ASIA") and got["token"].startswith("token+")
               and abs(got["expires"] - NOW - 3600) < 2, got)
        if name == "web identity":
            form = dict(urllib.parse.parse_qsl(seen[0][3]))
            expect("its token, unsigned", form["WebIdentityToken"] == "eyJhbGciOi.eyJ+/=.sig" and form["RoleSessionName"] == "sluice"
                   and "Authorization" not in seen[0][2], seen)
        if name == "environment":
            expect("AssumeRole is signed for its region", "/eu-west-1/sts/aws4_request" in seen[0][2]["Authorization"] and
                   dict(urllib.parse.parse_qsl(seen[0][3]))["ExternalId"] == "e x", seen)
    got, = ask([0], AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="IPv6")
    expect("instance over IPv6", got["rc"] == 0 and "fd00:ec2::254" in seen[0][2]["Host"], got)
    got, = ask([0], AWS_EC2_METADATA_DISABLED="true")
    expect("the metadata can be switched off", got["rc"] == -2 and not seen and got["why"] ==
           "no credentials in the environment, profile default, web identity, container; the instance is not asked", got)
    got, = ask([0], how="403", **IMDS)
    expect("who was looked at before the instance is said", got["why"] ==
           "no credentials in the environment, profile default, web identity, container; the instance's metadata answers 403", got)
    behave["authorization"] = "Bearer-x"
    for uri in ("http://169.254.170.23/v2/credentials/x", "http://[fd00:ec2::23]/v2/credentials/x", "http://127.0.0.1:8000/v2/credentials/x"):
        got, = ask([0], AWS_CONTAINER_CREDENTIALS_FULL_URI=uri, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file("bearer", "Bearer-x\n"))
        expect("container at " + uri, got["rc"] == 0, got)
    got, = ask([0], AWS_CONTAINER_CREDENTIALS_FULL_URI=uri, AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong")
    expect("container that refuses the token", got["rc"] and "403" in got["why"], got)
    del behave["authorization"]
    for uri in ("http://10.0.0.1/x", "http://169.254.169.254/latest/x", "http://127.0.0.1@10.0.0.1/x", "file:///etc/passwd", "http://localhost.evil/x"):
        got, = ask([0], AWS_CONTAINER_CREDENTIALS_FULL_URI=uri, AWS_CONTAINER_AUTHORIZATION_TOKEN="t")
        expect("no token goes to " + uri, got["rc"] and not seen and "address of this machine" in got["why"], got)
    got, = ask([0], AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:8000/v2/credentials/x", AWS_CONTAINER_AUTHORIZATION_TOKEN="a\r\nX-b: c")
    expect("a token makes no second header", got["rc"] and not seen, got)


def faults():
    for name, (env, options) in SOURCES.items():
        for how in ("404", "500", "403", "garbage", "huge", "empty", "half", "cut") + (("slow",) if name != "environment" else ()):
            begin = time.monotonic()
            got, = ask([0], options, how=how, **env)
            expect("%s: %s" % (name, how), got["rc"] and got["why"] and not got["key"], got)
            expect("%s: %s does not take for ever" % (name, how), time.monotonic() - begin < 40)
        if name == "instance":
            continue
        behave["life"] = -10
        got, = ask([0], options, **env)
        expect(name + ": expired ones are not taken", got["rc"] and "expired" in got["why"], got)
        behave["life"] = 3600
    behave["life"] = -10
    got = ask([0, 300, 950], **IMDS)
    expect("instance: expired ones are gone on with, and asked for again", all(g["rc"] == 0 for g in got) and got[0]["key"] == got[1]["key"] != got[2]["key"], got)
    behave.update(life=3600, next=["500"])
    got, = ask([0], **IMDS)
    expect("one 500 is asked again", got["rc"] == 0, got)
    behave["clock"] = 7200
    got, = ask([0], role, **ROLE)
    expect("STS with another clock", got["rc"] == 0 and len(seen) == 2, (got, len(seen)))
    behave["clock"] = 0


def refresh():
    for name, (env, options) in SOURCES.items():
        got = ask([0, 1800, 3200, 3299, 3305], options, **env)
        keys = [g["key"] for g in got]
        expect(name + ": kept until about five minutes before the end", keys[0] == keys[1] == keys[2] and keys[4] != keys[0], keys)
    jitter = {ask([0, 3270], **IMDS)[1]["key"] == "ASIA%d" % (next(made) - 2) for _ in range(12)}
    expect("not all at the same second", True if len(jitter) == 2 else "seed", jitter)
    # the server goes away after the first answer
    behave["next"] = [None, None, None] + ["500"] * 100
    got = ask([0, 3500, 3599, 3601, 3607], **IMDS)
    expect("old ones are kept while they are good", [g["rc"] for g in got[:3]] == [0, 0, 0] and len({g["key"] for g in got[:3]}) == 1, got)
    expect("and not after", got[3]["rc"] and got[4]["rc"] and not got[4]["key"], got)
    behave["next"] = []
    got = [g["key"] for g in ask([0, "refused", 6, "refused", 7, 12], **IMDS)]
    expect("a server's refusal fetches, not at once again", got[0] != got[1] == got[2] != got[3], got)


def files():
    """each profile here, and in botocore"""
    config = file("config", """
# comment
[default]
region = eu-central-1 ; of the default
[profile fixed]
aws_access_key_id=AKIACONFIG
aws_secret_access_key = secret/config+=
s3 =
    max_concurrent_requests = 20
    aws_access_key_id = nested
[profile both]
aws_access_key_id = AKIAOTHER
aws_secret_access_key = other
[profile nowhere]
role_arn = arn:aws:iam::123456789012:role/nowhere
source_profile = fixed
region = eu/west?1
[profile taker]
role_arn = arn:aws:iam::123456789012:role/taker
source_profile = fixed
role_session_name = a-session
duration_seconds = 1800
region = ap-south-1
[profile chain]
role_arn = arn:aws:iam::123456789012:role/chain
source_profile = taker
[profile self]
role_arn = arn:aws:iam::123456789012:role/self
source_profile = self
aws_access_key_id = AKIASELF
aws_secret_access_key = self
[profile loop]
role_arn = arn:aws:iam::1:role/loop
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::1:role/pool
source_profile = loop
[profile machine]
role_arn = arn:aws:iam::123456789012:role/machine
credential_source = Ec2InstanceMetadata
[profile box]
role_arn = arn:aws:iam::123456789012:role/box
credential_source = EcsContainer
[profile env]
role_arn = arn:aws:iam::123456789012:role/env
credential_source = Environment
[profile token]
role_arn = arn:aws:iam::123456789012:role/token
web_identity_token_file = %s
[profile person]
role_arn = arn:aws:iam::1:role/person
source_profile = fixed
mfa_serial = arn:aws:iam::1:mfa/me
[profile process]
credential_process = /bin/echo
[profile sso]
sso_session = work
sso_account_id = 1
[profile old-sso]
sso_start_url = https://x
[profile login]
login_session = x
[profile by-sso]
role_arn = arn:aws:iam::1:role/x
source_profile = sso
[profile odd]
aws_access_key_id = AKIA\x7fODD
aws_secret_access_key = odd
[profile "two words"]
aws_access_key_id = AKIATWO
aws_secret_access_key = two
[profile half]
aws_access_key_id = AKIAHALF
""" % token_file)
    shared = file("credentials", "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = default\naws_session_token = t=\n"
                  "[both]\r\naws_access_key_id = AKIABOTH\r\naws_secret_access_key = both\r\n")
    env = dict(AWS_DEFAULT_REGION="us-east-1", AWS_CONFIG_FILE=config, AWS_SHARED_CREDENTIALS_FILE=shared)
    for profile, want in (("", "AKIADEFAULT"), ("fixed", "AKIACONFIG"), ("both", "AKIABOTH"), ("taker", "ASIA"), ("chain", "ASIA"), ("self", "ASIA"),
                          ("machine", "ASIA"), ("token", "ASIA"), ("two words", "AKIATWO"), ("box", "ASIA"), ("env", "ASIA")):
        more = {**env, **({"AWS_PROFILE": profile} if profile else {}), **(ECS if profile == "box" else {})}
        if profile == "env":
            more.update(ROLE)
        got, = ask([0], ["profile=" + profile] if profile == "env" else [], **more)
        expect("profile " + (profile or "default"), got["rc"] == 0 and got["key"].startswith(want), got)
        ours = [(m, p, b) for m, p, _, b in seen]
        # the same of botocore: the same requests, or the same keys
        seen.clear()
        them = subprocess.run([sys.executable, "-c", "import site, sys; site.addsitedir(sys.argv[1]); import botocore.session as b; "
                               "s = b.Session(profile=sys.argv[2] or None); c = s.get_credentials().get_frozen_credentials(); print(c.access_key)",
                               servers.install_clients(), profile if profile == "env" else ""], env=clean(**more), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        theirs = [(m, p, b) for m, p, _, b in seen]
        forms = lambda list: [(m, p, {k: v.strip() for k, v in urllib.parse.parse_qsl(b) if k not in ("RoleSessionName",) or v == "a-session"}) for m, p, b in list]
        if "AKIA" in want:
            expect("botocore has the same", them.stdout.strip() == got["key"], (them.stdout, them.stderr[-300:], got))
        else:
            expect("botocore asks for the same", forms(theirs) == forms(ours), (forms(theirs), forms(ours), them.stderr[-300:]))
    del env["AWS_DEFAULT_REGION"]
    expect("a region", ask([0], AWS_PROFILE="taker", **env)[0]["region"] == "ap-south-1")
    for profile, word in (("loop", "in a row"), ("person", "mfa_serial"), ("odd", "no header can carry"), ("half", "no aws_secret_access_key"),
                          ("nowhere", "region eu/west?1: a region is expected")):
        got, = ask([0], AWS_PROFILE=profile, **env)
        expect("profile %s is refused" % profile, got["rc"] and word in got["why"], got)
    for profile, word in (("process", "process: credential_process"), ("sso", "sso: sso_session"), ("old-sso", "old-sso: sso_start_url"),
                          ("login", "login: login_session"), ("by-sso", "sso: sso_session")):
        got, = ask([0], AWS_PROFILE=profile, **env)
        expect("profile %s is refused with what is supported" % profile, got["rc"] == -95 and "profile %s is not supported: give it" % word in got["why"]
               and "web_identity_token_file" in got["why"] and got["why"].endswith("the instance") and not seen, got)
    got, = ask([0], ["profile=nobody"], **env, **ROLE)
    expect("a profile that is not there", got["rc"] and "no profile nobody" in got["why"], got)
    # order
    order = [("environment", {**ROLE, **IRSA, **ECS, **env}), ("role of profile taker", {**IRSA, **ECS, **env, "AWS_PROFILE": "taker"}),
             ("web identity", {**IRSA, **ECS, **env}), ("profile default", {**ECS, **env}), ("container", ECS), ("instance", {})]
    for want, more in order:
        got, = ask([0], **more)
        expect("first comes " + want, got["source"] == want, got)
    behave["life"] = 3600
    shared_later = subprocess.Popen([program], env=clean(**env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def say(line):
        shared_later.stdin.write(line + "\n")
        shared_later.stdin.flush()
    say(str(NOW))
    first = json.loads(shared_later.stdout.readline())
    file("credentials", "[default]\naws_access_key_id = AKIANEW\naws_secret_access_key = new\n")
    say("refused")
    say(str(NOW + 20))
    second = json.loads(shared_later.stdout.readline())
    expect("keys put into the file later are found", (first["key"], second["key"]) == ("AKIADEFAULT", "AKIANEW"), (first, second))
    shared_later.stdin.close()
    shared_later.wait(10)


def test():
    servers.install_clients()
    for part in (sources, faults, refresh, files):
        part()


servers.main(test)
