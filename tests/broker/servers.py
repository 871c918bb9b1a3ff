#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real Kafka broker (KRaft, one node) and a real S3 server that checks signatures, for tests and the demo.

They are installed once into $SLUICE_SERVERS (build/servers): Kafka's jars by Maven, versitygw by Go, the Python clients
(confluent-kafka, boto3, DuckDB) by pip into an environment that the importing Python looks into. An install is locked,
goes on where one was cut off, and is found again. Where a registry or a tool is away, Missing says which, and main()
makes that an exit 77. Where Go is older than 1.25, OpenStack Swift from Debian takes versitygw's place: swift_server.py.

Servers listen on free ports of 127.0.0.1 below those that connections leave from: the port of a server that is down is
not to be taken by a client, which would even connect to itself. They end with the process that started them.

usage: servers.py install [kafka] [s3] [clients] [minio] [swift] | kafka [--secure] [--acl] [--big] [TOPIC[:compact]...] | s3 [--tls] [BUCKET...]"""
import atexit
import collections
import contextlib
import ctypes
import fcntl
import functools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KAFKA = "3.9.1"
VERSITYGW = "1.8.0"
MINIO = "0.0.0-20260212201848-7aac2a2c5b7c"  # its tags are no versions to Go; this is the last commit
CLIENTS = ["confluent-kafka==2.12.2", "boto3==1.43.5", "aws-msk-iam-sasl-signer-python==1.0.2", "duckdb==1.5.5",
           "duckdb-extensions==1.5.5", "duckdb-extension-httpfs==1.5.5"]
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>%s</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>%s</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
""" % (KAFKA, KAFKA)
JAVA = ["java", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
SMALL = ["-Xmx128m", "-XX:TieredStopAtLevel=1"]  # enough for all but latency: 50 ms at p99, and 5,000 messages a second
USER, PASSWORD = "app", "secret"  # of SCRAM


class Missing(Exception):
    """what a test needs and this machine cannot have"""


failed = []


def expect(what, ok, seen=""):
    print("%s  %s%s" % ("ok  " if ok else "FAIL", what, "" if ok else ": %s" % (seen,)), flush=True)
    if not ok:
        failed.append(what)


def main(test, *args):
    """runs a test and ends the program; what is missing is said, and makes it a skip"""
    try:
        test(*args)
    except Missing as e:
        print("SKIPPED, NOT PROVED: %s" % e, flush=True)
        sys.exit(77)
    if failed:
        print("%d failed" % len(failed))
    sys.exit(bool(failed))


# ---- installing


def folder():
    f = pathlib.Path(os.environ.get("SLUICE_SERVERS") or ROOT / "build/servers").resolve()
    f.mkdir(parents=True, exist_ok=True)
    return f


def tool(name, why):
    if not shutil.which(name):
        raise Missing("no %s (%s): scripts/deps test" % (name, why))


def said(log, what, *command, **more):
    """runs what installs something; its output goes to a log, whose end is the reason when it fails"""
    with open(log, "w") as f:
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=f, stderr=f, **more).returncode:
            lines = [l for l in log.read_text(errors="replace").splitlines() if l.strip()]
            raise Missing("%s cannot be installed, is its registry out of reach? %s (%s)" %
                          (what, (lines or ["no output"])[-1][:200], log))


@contextlib.contextmanager
def fresh(name):
    """the folder `name`, None if it is there already; else `name`.part, which becomes it when all went well"""
    done, part = folder() / name, folder() / (name + ".part")
    with open(folder() / ("." + name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            yield None
            return
        part.mkdir(exist_ok=True)
        print("servers: installing %s" % name, file=sys.stderr, flush=True)
        yield part
        part.rename(done)


def install_kafka():
    with fresh("kafka-" + KAFKA) as f:
        if f:
            tool("java", "Kafka")
            tool("mvn", "Kafka")
            (f / "pom.xml").write_text(POM)
            said(f / "maven.log", "Kafka " + KAFKA, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime",
                 "-DoutputDirectory=libs", cwd=f)
            # a formatted, empty log with its user, to be copied: formatting takes 2.5 s
            shutil.rmtree(f / "data", ignore_errors=True)
            (f / "format.properties").write_text("process.roles=broker,controller\nnode.id=1\nlog.dirs=./data\n"
                                                 "controller.quorum.voters=1@127.0.0.1:9093\nlisteners=CONTROLLER://127.0.0.1:9093,"
                                                 "PLAINTEXT://127.0.0.1:9092\ncontroller.listener.names=CONTROLLER\n")
            scram = [x for n in ("256", "512") for x in ("--add-scram", "SCRAM-SHA-%s=[name=%s,password=%s]" % (n, USER, PASSWORD))]
            said(f / "format.log", "Kafka's log", *JAVA, *SMALL, "-cp", "libs/*", "kafka.tools.StorageTool", "format",
                 "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", "format.properties", *scram, cwd=f)
    # its classes as the JVM maps them: a broker is up after 1.4 s of processor, not 2.7
    with fresh("kafka-%s-classes" % KAFKA) as f:
        if f:
            with Kafka(f / "broker", making=f / "classes.jsa") as k:
                k.stop()
            shutil.rmtree(k.folder)
    return folder() / ("kafka-" + KAFKA)


def go_installs(name, module, version, needs):
    with fresh(name + "-" + version) as f:
        if f:
            if go_version() < needs:
                raise Missing("%s %s needs Go %d.%d or newer; here is %s" % (name, version, *needs, "%d.%d" % go_version() if go_version() > (0, 0) else "none"))
            said(f / "go.log", name, "go", "install", "%s@v%s" % (module, version),
                 env={**os.environ, "GOBIN": str(f)}, cwd=f)
    return folder() / (name + "-" + version) / name


def go_version():
    if not shutil.which("go"):
        return (0, 0)
    m = re.search(r"go(\d+)\.(\d+)", subprocess.run(["go", "version"], capture_output=True, text=True).stdout)
    return (int(m[1]), int(m[2])) if m else (0, 0)


def has_versitygw():
    return os.environ.get("SLUICE_S3") != "swift" and \
        ((folder() / ("versitygw-" + VERSITYGW)).exists() or go_version() >= (1, 25))


def install_s3():
    return install_versitygw() if has_versitygw() else install_swift()


def install_versitygw():
    return go_installs("versitygw", "github.com/versity/versitygw/cmd/versitygw", VERSITYGW, (1, 25))


def install_minio():
    return go_installs("minio", "github.com/minio/minio", MINIO, (1, 24))


def install_swift():
    import swift_server
    return swift_server.install()


def install_clients():
    """an environment of the Python that runs this; its packages can be imported from here on"""
    version = "%d.%d" % sys.version_info[:2]
    venv = folder() / ("venv-" + version)  # not within the .part folder: its scripts name the place where it was made
    with fresh("clients-" + version) as f:
        if f:
            said(f / "venv.log", "Python's environment", sys.executable, "-m", "venv", "--clear", venv)
            said(f / "pip.log", "Python clients of PyPI", venv / "bin/pip", "-q", "install", *CLIENTS)
    packages = venv / ("lib/python%s/site-packages" % version)
    if str(packages) not in sys.path:
        sys.path.insert(0, str(packages))
    return packages


# ---- running


def port(taken=set()):
    """a free port of 127.0.0.1 that no connection leaves from, never given twice"""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for p in random.sample(range(min(10000, low - 2000), low), 1000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", p))
            except OSError:
                continue
            if p not in taken:
                taken.add(p)
                return p
    raise Missing("a free port")


def until(met, seconds, why):
    """waits for a condition, whose value it gives"""
    end = time.monotonic() + seconds
    while True:
        value = met()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("not in %d s: %s" % (seconds, why() if callable(why) else why))
        time.sleep(0.05)


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


class Server:
    """a process with a folder and a log. It ends with the thread that started it: start it from one that lives on"""

    def __init__(self, where=None):
        self.folder = pathlib.Path(where or tempfile.mkdtemp(prefix="sluice-server-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.temporary = not where
        self.log = self.folder / "log"
        self.process = None
        atexit.register(self.close)

    def start(self, seconds=120):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, env={**os.environ, **self.environment()},
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_us,
                                            start_new_session=True)

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError("%s ended at its start: %s" % (type(self).__name__, self.tail()))
            return self.ready()
        until(ready, seconds, lambda: "%s is not ready: %s" % (type(self).__name__, self.tail()))
        return self

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def environment(self):
        return {}

    def signal(self, number, wait=True):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)  # Swift's are five
            if wait:
                try:
                    self.process.wait(60)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                self.process = None

    def stop(self):
        self.signal(signal.SIGTERM)

    def kill(self):
        self.signal(signal.SIGKILL)

    def pause(self):
        self.signal(signal.SIGSTOP, wait=False)

    def resume(self):
        self.signal(signal.SIGCONT, wait=False)

    def close(self):
        self.kill()
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.close()

    def certificates(self):
        """a CA, a server's certificate and a client's (CN=client): ca.pem, srv.pem, srv.key, keystore.pem, client.pem, client.key"""
        if (self.folder / "keystore.pem").exists():
            return
        tool("openssl", "certificates")

        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *new, "-days", "30", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.pem")
        (self.folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name, subject in (("srv", "localhost"), ("client", "client")):
            openssl("req", *new, "-subj", "/CN=" + subject, "-keyout", name + ".key", "-out", name + ".csr")
            openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                    *(["-extfile", "ext"] if name == "srv" else []), "-out", name + ".pem")
        (self.folder / "keystore.pem").write_text("".join((self.folder / n).read_text() for n in ("srv.key", "srv.pem", "ca.pem")))


Message = collections.namedtuple("Message", "partition offset time key value headers")


class Kafka(Server):
    """secure: listeners SCRAM (TLS), MTLS and OAUTH (TLS) beside PLAINTEXT; acl: StandardAuthorizer, under which only
    PLAINTEXT's anonymous may all; big: the heap and compiler that latencies are measured with"""

    def __init__(self, where=None, secure=False, acl=False, big=False, config=None, making=None):
        self.libs = folder() / ("kafka-" + KAFKA) if making else install_kafka()
        self.classes = "-XX:ArchiveClassesAtExit=%s" % making if making else "-XX:SharedArchiveFile=%s-classes/classes.jsa" % self.libs
        install_clients()
        super().__init__(where)
        self.big = big
        names = ["PLAINTEXT", "CONTROLLER"] + (["SCRAM", "MTLS", "OAUTH"] if secure or acl else [])
        self.ports = {n: port() for n in names}
        self.bootstrap = self.address("PLAINTEXT")
        self.config = {**self.plain(), **(self.secure() if secure or acl else {}), **({
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS"} if acl else {}), **(config or {})}
        if secure or acl:
            self.certificates()
        if not (self.folder / "data").exists():
            shutil.copytree(self.libs / "data", self.folder / "data")

    def address(self, listener):
        return "127.0.0.1:%d" % self.ports[listener]

    def plain(self):
        urls = ["%s://%s" % (n, self.address(n)) for n in self.ports]
        return {
            "process.roles": "broker,controller", "node.id": 1, "log.dirs": "./data",
            "controller.quorum.voters": "1@" + self.address("CONTROLLER"),
            "listeners": ",".join(urls), "advertised.listeners": ",".join(u for u in urls if "CONTROLLER" not in u),
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1, "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 4194304, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "transaction.state.log.num.partitions": 1,
            "auto.create.topics.enable": "false",
            # a killed broker comes back when the registration of the one before has expired: 9 s, and then 16 until it is ready
            "broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 400,
        }

    def secure(self):
        module = "org.apache.kafka.common.security.%s required"
        scram = {"listener.name.scram.scram-sha-%s.sasl.jaas.config" % n: module % "scram.ScramLoginModule" + ";" for n in ("256", "512")}
        return {
            "ssl.keystore.type": "PEM", "ssl.keystore.location": "keystore.pem", "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "ca.pem", "listener.name.mtls.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256", **scram,
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": module % "oauthbearer.OAuthBearerLoginModule" +
            ' unsecuredLoginStringClaim_sub="broker";',
        }

    def command(self):
        text = "".join("%s=%s\n" % row for row in self.config.items())
        (self.folder / "server.properties").write_text(text)
        heap = ["-Xms128m", "-Xmx256m", "-XX:+UseG1GC", "-XX:-UseSerialGC"] if self.big else [*SMALL, self.classes]
        return [*JAVA, *heap, "-cp", "%s/libs/*" % self.libs, "kafka.Kafka", "server.properties"]

    def ready(self):
        from confluent_kafka import KafkaException
        with contextlib.suppress(KafkaException):
            return self.admin.list_topics(timeout=1).brokers
        return False

    def client(self, listener="PLAINTEXT", user=USER, password=PASSWORD, mechanism="SCRAM-SHA-512"):
        """librdkafka's keys for a client of that listener"""
        keys = {"bootstrap.servers": self.address(listener)}
        if listener != "PLAINTEXT":
            keys |= {"security.protocol": "SSL" if listener == "MTLS" else "SASL_SSL", "ssl.ca.location": str(self.folder / "ca.pem")}
        if listener == "SCRAM":
            keys |= {"sasl.mechanisms": mechanism, "sasl.username": user, "sasl.password": password}
        if listener == "MTLS":
            keys |= {"ssl.certificate.location": str(self.folder / "client.pem"), "ssl.key.location": str(self.folder / "client.key")}
        if listener == "OAUTH":
            keys |= {"sasl.mechanisms": "OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt": "true",
                     "sasl.oauthbearer.config": "principal=" + user}
        return keys

    @functools.cached_property
    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({**self.client(), "log_level": 0, "socket.timeout.ms": 10000, "reconnect.backoff.max.ms": 200})

    def topic(self, name, partitions=1, **config):
        """makes a topic; what has dots in its name: topic("t", **{"cleanup.policy": "compact"})"""
        from confluent_kafka.admin import NewTopic
        new = NewTopic(name, partitions, 1, config={k.replace("_", "."): str(v) for k, v in config.items()})
        self.admin.create_topics([new])[name].result(30)
        # the leader is there a moment later
        until(lambda: name in (t := self.admin.list_topics(name, timeout=5).topics) and not t[name].error and
              all(p.leader == 1 for p in t[name].partitions.values()), 30, "topic %s has a leader" % name)

    def allow(self, operation, topic, principal="User:" + USER, kind="topic"):
        """an ACL: allow("WRITE", "swg_logs"); kind "group" for consumer groups"""
        from confluent_kafka import admin as a
        binding = a.AclBinding(getattr(a.ResourceType, kind.upper()), topic, a.ResourcePatternType.LITERAL, principal, "*",
                               getattr(a.AclOperation, operation), a.AclPermissionType.ALLOW)
        for future in self.admin.create_acls([binding]).values():
            future.result(30)

    def produce(self, topic, value, key=None, headers=None, **config):
        """one message, acknowledged when this returns"""
        from confluent_kafka import Producer
        errors = []
        p = Producer({**self.client(), "linger.ms": 0, **config})
        p.produce(topic, value, key, headers=headers, on_delivery=lambda e, m: errors.append(e))
        p.flush(30)
        if not errors or errors[0] is not None:
            raise RuntimeError("not produced: %s" % (errors[0].str() if errors else "in 30 s"))

    def each(self, topic, **config):
        """all that is in the topic now, in order by partition"""
        from confluent_kafka import Consumer, OFFSET_BEGINNING, KafkaError, TopicPartition
        c = Consumer({**self.client(), "group.id": "read-%d" % os.getpid(), "enable.auto.commit": False, "enable.partition.eof": True,
                      **config})
        try:
            open_ends = set(c.list_topics(topic, timeout=30).topics[topic].partitions)
            c.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in open_ends])
            came = time.monotonic()
            while open_ends:
                if time.monotonic() > came + 60:
                    raise TimeoutError("topic %s was not read to its end" % topic)
                for m in c.consume(1000, 0.2):
                    came = time.monotonic()
                    if not m.error():
                        yield Message(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), dict(m.headers() or []))
                    elif m.error().code() == KafkaError._PARTITION_EOF:
                        open_ends.discard(m.partition())
                    elif not m.error().retriable():
                        raise RuntimeError(m.error().str())
        finally:
            c.close()

    def read(self, topic, **config):
        """the same as a list, by partition and offset"""
        return sorted(self.each(topic, **config), key=lambda m: m[:2])

    def tool(self, name, *words, text=None):
        """one of Kafka's own commands: tool("org.apache.kafka.tools.TopicCommand", "--list"). 2 s of JVM each"""
        return subprocess.run([*JAVA, *SMALL, "-cp", "%s/libs/*" % self.libs, name, "--bootstrap-server", self.bootstrap, *words],
                              input=text, capture_output=True, text=True, check=True).stdout


class S3(Server):
    """versitygw, or Swift where there is no Go for it (self.name says which); kms: MinIO, the one that does SSE-KMS, with
    the key `my-key`. Of versitygw, objects are plain files in self.data/BUCKET/KEY with user xattrs."""
    region = "us-east-1"

    def __init__(self, where=None, tls=False, kms=False):
        install_clients()
        self.name = "minio" if kms else "versitygw" if has_versitygw() else "swift"
        self.program = {"minio": install_minio, "versitygw": install_versitygw, "swift": install_swift}[self.name]()
        super().__init__(where)
        self.key, self.secret = ("testkey", "testsecret12345") if self.name != "swift" else ("test:tester", "testing")
        self.port = port()
        self.data = self.folder / "data"
        self.data.mkdir(exist_ok=True)
        self.ca = str(self.folder / "ca.pem") if tls else None
        if tls:
            self.certificates()
        self.url = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.port)
        print("S3 server: %s" % self.name, flush=True)

    def command(self):
        if self.name == "swift":
            import swift_server
            return swift_server.command(self)
        if self.name == "minio":
            return [self.program, "server", "--quiet", "--address", "127.0.0.1:%d" % self.port, self.data]
        tls = ["--cert", self.folder / "srv.pem", "--key", self.folder / "srv.key"] if self.ca else []
        beside = [] if self.has_xattrs() else ["--sidecar", self.beside()]
        return [self.program, "-q", "--port", "127.0.0.1:%d" % self.port, "--region", self.region, *tls, "posix", *beside, self.data]

    def has_xattrs(self):
        try:
            os.setxattr(self.data, "user.sluice", b"")
            os.removexattr(self.data, "user.sluice")
        except OSError:
            return False
        return True

    def beside(self):
        f = self.folder / "attributes"
        f.mkdir(exist_ok=True)
        return f

    def environment(self):
        if self.name == "minio":
            return {"MINIO_ROOT_USER": self.key, "MINIO_ROOT_PASSWORD": self.secret, "MINIO_BROWSER": "off",
                    "MINIO_KMS_SECRET_KEY": "my-key:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
        if self.name == "swift":
            import swift_server
            return swift_server.environment()
        return {"ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret}

    def credentials(self):
        """the environment by which a client is let in"""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": self.region}

    def ready(self):
        """it answers anything at all"""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            if self.name != "swift":
                return True
            trust = ssl.create_default_context(cafile=self.ca) if self.ca else None
            return urllib.request.urlopen(self.url + "/healthcheck", timeout=2, context=trust).status == 200
        return False

    def client(self, **more):
        """boto3's client"""
        import boto3
        import botocore.config
        settings = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 5},
                                         request_checksum_calculation="when_required")  # Swift knows no trailers
        return boto3.client("s3", **{"endpoint_url": self.url, "region_name": self.region, "aws_access_key_id": self.key,
                                     "aws_secret_access_key": self.secret, "config": settings, "verify": self.ca, **more})

    def bucket(self, name):
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", ())]

    def get(self, bucket, key):
        """the object's bytes, and what is said of it: ContentType, ContentEncoding, Metadata, ..."""
        o = self.client().get_object(Bucket=bucket, Key=key)
        return o.pop("Body").read(), o

    def objects(self, bucket, prefix=""):
        return {k: self.get(bucket, k)[0] for k in self.keys(bucket, prefix)}

    def uploads(self, bucket):
        """multipart uploads that nobody has completed or aborted: (key, upload id)"""
        return [(u["Key"], u["UploadId"]) for u in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


# ---- by hand


def by_hand(what, *words):
    if what == "install":
        for name in words or ("kafka", "s3", "clients"):
            print("%-10s %s" % (name, globals()["install_" + name]()), flush=True)
        return
    flags = {w[2:]: True for w in words if w.startswith("--")}
    names = [w for w in words if not w.startswith("--")]
    with (Kafka if what == "kafka" else S3)(**flags) as s:
        if what == "kafka":
            for n in names:
                name, _, policy = n.partition(":")
                s.topic(name, **({"cleanup.policy": policy} if policy else {}))
            for n in s.ports:
                print("%-10s %s" % (n, s.address(n)))
        else:
            for n in names:
                s.bucket(n)
            print("".join("export %s=%s\n" % row for row in s.credentials().items()) + s.url)
        print("folder     %s\nends at ^C" % s.folder, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("install", "kafka", "s3"):
        sys.exit(__doc__.splitlines()[-1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(by_hand, *sys.argv[1:])
