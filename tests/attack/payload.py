# SPDX-License-Identifier: BSD-3-Clause
"""What clients say: the bytes of a hello, a request, a query, that carry a name."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
from handshakes import answer, extension, hello, message, records, sni  # noqa: E402

HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
TLS13 = extension(43, b"\2\3\4") + extension(10, b"\0\2\0\x1d") + extension(16, b"\0\3\2h2")


def client_hello(*names, before=b"", after=TLS13, dtls=False):
    """A ClientHello's message with one server_name extension each."""
    return message(1, hello(before, *(sni(n) for n in names), after, dtls=dtls, ciphers=b"\x13\1\xc0\x2f"))


def tls(*names, size=16384, **more):
    return records(client_hello(*names, **more), size)


def server_hello(retry=False):
    exts = extension(43, b"\3\4") + (b"" if retry else extension(51, b"\0\x1d\0\x20" + bytes(32)))
    random = RETRY_RANDOM if retry else bytes(range(32))
    return records(message(2, answer(random=random, cipher=0x1301, extensions=exts)), minor=3)


APPLICATION = b"\x17\3\3\0\x20" + bytes(range(32))


def get(host, path=b"/", method=b"GET", version=b"HTTP/1.1", more=b""):
    return method + b" " + path + b" " + version + b"\r\nHost: " + host + b"\r\n" + more + b"\r\n"


def labels(host):
    return b"".join(bytes([len(x)]) + x for x in host.split(b".") if x) + b"\0"


def question(host, kind=1):
    return labels(host) + struct.pack("!HH", kind, 1)


def dns_head(qd=1, flags=0x0100, ar=0):
    return struct.pack("!HHHHHH", 0x1234, flags, qd, 0, 0, ar)


def dns(*hosts, qd=None, tail=b"", **more):
    return dns_head(len(hosts) if qd is None else qd, **more) + b"".join(map(question, hosts)) + tail


def framed(data):
    return struct.pack("!H", len(data)) + data


# Streams that carry a name, by which TCP's tricks are played: port and bytes.
CARRIERS = {
    "tls": (443, tls),
    "http": (80, get),
    "dns": (53, lambda host: framed(dns(host))),
}
