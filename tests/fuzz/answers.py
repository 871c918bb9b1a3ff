# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_answers (shared files, and what container, instance, STS and S3 answer, as AWS has published it) and of fuzz_redact
(records in which a value stands more than once)."""
import pathlib
import re
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
JSON = b'{"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"s/1+","Token":"t+1=","Expiration":"2199-01-02T03:04:05Z"}'
FILES = b"[default]\nregion = eu-west-1 ; x\n[p]\naws_access_key_id = AKIA1\naws_secret_access_key=s/+ # c\n  nested = 1\r\n[other]\n"
KEYS = b"[profile 'q']\naws_access_key_id = AKIA2\naws_secret_access_key = s\n[profile %s]\n"
ROLE = (b"[profile p]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = q\nexternal_id = a b\nduration_seconds = 900\nregion = eu-west-1\n" + KEYS) % b"r"
STS = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA2</AccessKeyId>
<SecretAccessKey>s&amp;2</SecretAccessKey><SessionToken>t%s</SessionToken><Expiration>2199-01-02T03:04:05%s</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
LIST = b"<ListMultipartUploadsResult><IsTruncated>%s</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>" \
       b"<Upload><Key>p/class=dns/n-1-2.ndjson.zst</Key><UploadId>a&#34;b</UploadId></Upload><Upload><Key>other</Key></Upload></ListMultipartUploadsResult>"
ERROR = b"<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>of the &lt;test&gt;\n</Message><Region>eu-west-1</Region></Error>"


def http(body, status=b"200 OK", *lines):
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def bodies():
    later = http(b"", b"503 Slow Down", b"Retry-After: 1", b"Date: Sun, 22 Nov 2026 08:00:00 GMT")
    for content in (FILES, b"[p]\ncredential_process = x\n", b"[p]\nsso_session = s\n", b"[p]\naws_access_key_id = A\n", b"[p\n=\n[]\n"):
        yield 0, [content]
    for config in (ROLE, ROLE.replace(b"source_profile = q", b"credential_source = Environment"), ROLE.replace(b"= q", b"= p"),
                   ROLE.replace(b"external_id", b"mfa_serial"), b"[profile p]\nrole_arn = a\nweb_identity_token_file = /proc/self/cmdline\n"):
        yield 0, [b"", config, http(STS % (b"", b"Z"))]
    cut = [JSON[:40], b"[]", b"", JSON.replace(b"Success", b"Failed"), JSON.replace(b"2199", b"1999"), JSON.replace(b"t+1", b"t\\r\\nx: y"), b"\xff" * 40]
    for body in [JSON, *cut]:
        yield 1, [http(body)]
        yield 2, [http(b"token"), http(b"role\n"), http(body)]
    yield 1, [http(b"", b"500 No"), http(JSON)]
    yield 2, [http(b"t" * 2000), http(b"a/b")]
    for token, when in ((b"", b"Z"), (b"", b".123Z"), (b"", b"+01:30"), (b"", b"+x"), (b"\r\nX-y: z", b"Z"), (b"x" * 9000, b"Z")):
        yield 3, [http(STS % (token, when))]
    yield 3, [http(ERROR % b"AccessDenied", b"403 Forbidden"), later]
    yield 4, [http(LIST % b"true"), http(b"", b"204 No Content"), http(LIST % b"false"), http(b"", b"404 No")]
    for code in (b"RequestTimeTooSkewed", b"ExpiredToken", b"PermanentRedirect", b"NoSuchBucket", b"NotImplemented", b"KMS.x", b"AccessDenied", b""):
        yield 4, [http(ERROR % code, b"403 x", b"Date: Sun, 22 Nov 2026 08:00:00 GMT"), http(LIST % b"false")]
    yield 4, [http(b"", b"301 x", b"x-amz-bucket-region: eu-west-1"), http(b"<Error>", b"200 OK")]
    yield 4, [later, http(LIST % b"false")]
    for n in (0, 62, 63, 64, 65):
        yield 5, [http(b"x" * n, b"200 OK", b"Content-Length: %d" % n)]
    yield 5, [http(b"3\r\nabc\r\n0\r\n\r\n", b"200 OK", b"Transfer-Encoding: chunked")]
    yield 5, [b"HTTP/1.1 100 Continue\r\n\r\n" + later]
    for text in (LIST % b"true", ERROR % b"&amp;&quot;&apos;&#39;&lt;", b"<Code/><Code ></Code><Key\n>a</Key", b"<x>123456789</x><x>&amp;&amp;</x><x>"):
        yield 6, [text]
    for text in (b"2026-11-22T08:00:00Z", b"2026-11-22T08:00:00.5-11:59", b"9999-12-31T23:59:60+99:99", b"2026-11-22"):
        yield 7, [text]


def seeds():
    return [bytes([who]) + b"\x1e".join(parts) for who, parts in bodies()]


def records():
    text = (ROOT / "include/record.h").read_text()
    fields = re.findall(r"^\tX\((\w+), \"[^\"]*\", (?:STR|NUM|IP|BYTES), [01]\)", text, re.M)
    kinds = re.findall(r"^\tX\((\w+), \"[a-z_]+\"\)", text[text.index("#define RECORD_KINDS") : text.index("enum record_kind")], re.M)
    number = {name: i for i, name in enumerate(fields)}

    def facts(**values):
        return b"".join(bytes([number[k]]) + struct.pack(">H", len(v)) + v for k, v in values.items())

    name = b"Mijn.Kiosk.quiz"  # no letter of it is one of "redacted", or a hex digit
    rr = struct.pack("<IHHHHBBBB", 60, 1, 1, len(name), 4, 1, 1, 0, 0) + name + b"\x0a\0\0\1"
    http_facts = facts(HOST=name.lower(), HTTP_HOST=name, HTTP_URI=b"http://ann:pw@" + name + b"/a?tok=Qu3rySecret77&x=1", HTTP_METHOD=b"GET",
                       HTTP_REFERER=b"http://" + name.upper() + b"/b?tok=Qu3rySecret77#f", HTTP_HEADER=b"Cookie: at=" + name, USER=b"somebody-else",
                       HTTP_USER_AGENT=b"x " + name.swapcase(), TAG=b"t", HOST_OUTER=name)
    dns = facts(DNS_QNAME=name + b".", DNS_RR=rr, DNS_ANSWER=b"1.2.3.4", HOST=name, ANOMALY=name)
    hello = facts(TLS_SNI=name, QUIC_SNI=name.upper(), ANOMALY=b"\0\1" + name)
    many = b"".join(facts(HTTP_HEADER=b"x-%d: %s%d" % (i, name, i), DNS_QNAME=b"%d%s" % (i, name)) for i in range(70))
    for kind in range(len(kinds)):
        for which in range(16):
            for body in (http_facts, dns, hello, many) if kinds[kind] in ("HTTP", "DNS", "TLS", "ANOMALY", "ALERT") else (http_facts,):
                yield bytes([kind, which, 5]) + body
