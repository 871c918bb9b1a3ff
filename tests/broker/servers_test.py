# SPDX-License-Identifier: BSD-3-Clause
"""The servers that other tests stand on do what those rely upon: a broker that refuses who may not write and keeps what it
acknowledged over a kill -9, an S3 server that refuses a wrong signature. usage: servers_test.py"""
from servers import S3, Kafka, expect, main


def refused(f, *args, **more):
    """what it was refused with"""
    try:
        f(*args, **more)
    except Exception as e:
        return str(e)
    return ""


def broker():
    with Kafka(acl=True) as k:
        k.topic("logs")
        scram = {**k.client("SCRAM"), "message.timeout.ms": 20000, "log_level": 0}
        why = refused(k.produce, "logs", b"1", **scram)
        expect("who has no ACL is refused by name", "authoriz" in why.lower(), why)
        k.allow("WRITE", "logs")
        k.produce("logs", b"1", **scram)
        why = refused(k.produce, "logs", b"2", **{**scram, "sasl.password": "wrong", "message.timeout.ms": 2000})
        expect("a wrong password is refused", why)
        k.allow("WRITE", "logs", "User:CN=client")
        k.produce("logs", b"2", **k.client("MTLS"))
        k.produce("logs", b"3", **k.client("OAUTH"))
        k.kill()
        k.start()
        seen = [m.value for m in k.read("logs")]
        expect("what was acknowledged is there after kill -9", seen == [b"1", b"2", b"3"], seen)


def objects():
    with S3(tls=True) as s:
        s.bucket("logs")
        s.client().put_object(Bucket="logs", Key="class=flow/a b", Body=b"hello", Metadata={"node": "x"})
        body, about = s.get("logs", "class=flow/a b")
        expect("an object with its metadata", (body, about["Metadata"]) == (b"hello", {"node": "x"}), about)
        why = refused(s.client(aws_secret_access_key="wrong").list_objects_v2, Bucket="logs")
        expect("a wrong secret is refused", "SignatureDoesNotMatch" in why, why)
        s.client().create_multipart_upload(Bucket="logs", Key="begun")
        expect("an upload that was left", [k for k, _ in s.uploads("logs")] == ["begun"], s.uploads("logs"))
        s.kill()
        s.start()
        expect("objects outlive kill -9", s.keys("logs") == ["class=flow/a b"], s.keys("logs"))


def servers():
    broker()
    objects()


main(servers)
