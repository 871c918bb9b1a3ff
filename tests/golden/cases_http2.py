# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/2 in the clear: by prior knowledge and behind a 101, read whole; header blocks that two readers may see differently leave by
HTTP_AMBIGUOUS."""
import pathlib
import sys

from cases_http import A, B, SWITCHED, UPGRADE, fact, placed, talk
from cases_policy import CLEAR, acts, fields, verdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pcap_file  # noqa: E402

REAL = pathlib.Path(__file__).resolve().parent.parent / "captures" / "http2.pcap"
DATA, HEADERS, RST, SETTINGS, PUSH, CONTINUATION = 0, 1, 3, 4, 5, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32
WHOLE = END_STREAM | END_HEADERS


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def string(s):
    return bytes([len(s)]) + s


def field(name, value, first=b"\0"):
    """a literal, RFC 7541 6.2; first: not to be kept"""
    return first + string(name) + string(value)


def kept(index, value):
    """a literal that is kept, its name by index"""
    return bytes([0x40 | index]) + string(value)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in pairs))


GET, POST, SLASH, HTTP = b"\x82", b"\x83", b"\x84", b"\x86"
AUTHORITY, PATH, AGENT = 1, 4, 58
BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings((3, 100))
FIRST = frame(HEADERS, WHOLE, 1, GET + HTTP + SLASH + kept(AUTHORITY, b"One.Example:81") + kept(AGENT, b"curl/8"))
SECOND = POST + HTTP + kept(PATH, b"/a//b/../%63?q") + b"\xc0\xbf" + field(b"x-token", b"secret")  # names of the first, by the table
SECOND = (frame(HEADERS, PADDED | PRIORITY, 3, b"\4" + b"\0\0\0\1\x0f" + SECOND[:9] + bytes(4))
          + frame(CONTINUATION, 0, 3) + frame(CONTINUATION, END_HEADERS, 3, SECOND[9:]))
ANSWERS = (frame(HEADERS, END_HEADERS, 3, b"\x8d" + kept(31, b"text/plain")) + frame(DATA, END_STREAM, 3, b"none")
           + frame(HEADERS, END_HEADERS, 1, field(b":status", b"103")) + frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + GET + HTTP + SLASH)
           + frame(HEADERS, END_HEADERS, 1, b"\x88\xbe") + frame(HEADERS, WHOLE, 1, field(b"x-sum", b"1")))
CLIENT, SERVER = BEGIN + FIRST + SECOND + frame(DATA, END_STREAM, 3, b"a=1"), settings() + frame(SETTINGS, 1, 0) + ANSWERS


def pieces(d, data, size):
    return [(d, data[i : i + size]) for i in range(0, len(data), size)]


def asked(*fields, end=WHOLE):
    return frame(HEADERS, end, 1, b"".join(fields))


NAME = field(b":authority", b"one.example")
WELL = (GET, HTTP, SLASH, NAME)
CLOSES = [
    ("h2-block", asked(*WELL, b"\xff\0")),  # an entry that there is not
    ("h2-block", asked(*WELL, b"\x00\1x\x81\xfe")),  # a Huffman code that ends in zeros
    ("h2-block", asked(b"\x3f\xe2\x1f", *WELL)),  # a table of 4,097 bytes
    ("h2-block", asked(GET, b"\x20", *WELL[1:])),  # another size behind a field
    ("h2-frame", frame(HEADERS, END_STREAM, 1, GET + HTTP) + frame(8, 0, 0, b"\0\0\1\0") + frame(CONTINUATION, 4, 1, SLASH + NAME)),
    ("h2-frame", frame(CONTINUATION, END_HEADERS, 1, b"".join(WELL))),
    ("h2-frame", frame(HEADERS, WHOLE, 2, b"".join(WELL))),
    ("h2-frame", frame(HEADERS, WHOLE | PADDED, 1, b"\x09" + GET + HTTP)),
    ("h2-pseudo", asked(*WELL, field(b":authority", b"two.example"))),
    ("h2-pseudo", asked(GET, SLASH, NAME)),  # no scheme
    ("h2-pseudo", asked(GET, HTTP, field(b"x", b"y"), SLASH, NAME)),
    ("h2-pseudo", asked(*WELL, field(b":hidden", b"y"))),
    ("h2-pseudo", asked(*WELL, b"\x88")),  # a status
    ("h2-pseudo", asked(GET, HTTP, NAME, field(b":path", b"/ HTTP/1.1"))),
    ("h2-pseudo", asked(*WELL, end=END_HEADERS) + asked(b"\x00" + string(b":path") + string(b"/2"))),  # in trailers
    ("h2-field", asked(*WELL, field(b"X-Upper", b"y"))),
    ("h2-field", asked(*WELL, field(b"transfer-encoding", b"chunked"))),
    ("h2-field", asked(*WELL, field(b"te", b"gzip"))),
    ("h2-field", asked(*WELL, field(b"x: y\r\nhost", b"z"))),
    ("h2-value", asked(*WELL, field(b"x", b"y\r\nhost: two.example"))),
    ("h2-value", asked(*WELL, field(b"x", b"y\0"))),
    ("cl-differ", asked(*WELL, field(b"content-length", b"3"))),  # and no byte of it comes
    ("head-long", frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 40),
]

CASES = {
    "http2": {
        # two streams, the names of the second by the table of the first; a block in three frames; answers in another order
        "frames": talk((0, CLIENT), (1, SERVER)) + talk(*pieces(0, CLIENT, 23), *pieces(1, SERVER, 11), sport=40001)
        # the server is seen first, and only one side of a connection is
        + talk((1, SERVER), (0, CLIENT), sport=40002)
        + [f for f in talk((0, CLIENT), sport=40003) if f[26:30] == bytes([10, 0, 0, 1])],
        "drops": {},
        "facts": [
            placed("http2.method", "GET", 4, CLIENT, FIRST), placed("http2.host", "one.example", 4, CLIENT, FIRST),
            placed("http2.path", "/a/c", 4, CLIENT, SECOND), placed("http2.user_agent", "curl/8", 4, CLIENT, SECOND),
            placed("http2.status", 404, 5, SERVER, ANSWERS[:22])]
        + [{"field": f, "value": v, "tuple": ["tcp", A, 40000 + i, B, 80]} for i in range(3) for f, v in (
            ("app", "http2"), ("http2.method", "GET"), ("http2.method", "POST"), ("http2.uri", "/"), ("http2.uri", "/a//b/../%63?q"),
            ("host", "one.example"), ("http2.port", 81), ("http2.protocol", "HTTP/2"), ("http2.status", 200), ("http2.status", 404),
            ("http2.content_type", "text/plain"))]
        + [{"field": "http2.uri", "value": "/a//b/../%63?q", "tuple": ["tcp", A, 40003, B, 80]}],
        "no_facts": [{"field": "anomaly"}, fact("http2.status", 103)],
        "same": True,
        "args": ["-v"],
        "most": 8000,
    },
    "http2_upgraded": {
        # the server begins before the client's preface; stream 1 is the request that asked
        "frames": talk((0, UPGRADE % b"h2c"), (1, SWITCHED + settings() + frame(HEADERS, WHOLE, 1, b"\x8d")), (0, BEGIN),
                       (0, frame(HEADERS, WHOLE, 3, GET + HTTP + SLASH + NAME)), (1, frame(HEADERS, WHOLE, 3, b"\x88"))),
        "facts": [fact("http.uri", "/up"), fact("http.status", 101), fact("http2.status", 404), fact("http2.uri", "/"),
                  fact("http2.host", "one.example"), fact("http2.status", 200), fact("app", "http2")],
        "no_facts": [{"field": "anomaly"}],
        "same": True,
    },
    "http2_closes": {
        # a header block each that one reader refuses and another may take for something else: it does not leave
        "frames": [f for i, (_, block) in enumerate(CLOSES) for f in talk((0, BEGIN + block), sport=40000 + i)],
        "drops": {"HTTP_AMBIGUOUS": [4 + 7 * i for i in range(len(CLOSES))]},
        "facts": [{"field": "http2.ambiguous", "value": cause, "tuple": ["tcp", A, 40000 + i, B, 80]}
                  for i, (cause, _) in enumerate(CLOSES)],
        "most": 20000,
    },
    "http2_real": {
        # curl and nghttp with hypercorn: by prior knowledge, by upgrade, two streams with a body
        "frames": [frame for _, frame in pcap_file.records(REAL.read_bytes())],
        "drops": {},
        "facts": [fact("http.uri", "/upgrade")] + [fact("http2.uri", u) for u in ("/first?a=1", "/second", "/post", "/big")]
        + [fact("http2.user_agent", a) for a in ("agent/1", "curl/7.88.1", "nghttp2/1.52.0")]
        + [fact("http.status", 101), fact("http2.status", 200), fact("http2.host", "10.99.0.2"), fact("http2.xff", "192.0.2.1"),
           fact("http2.content_type", "text/plain")],
        "no_facts": [{"field": "anomaly"}],
        "args": ["-v"],
        "same": True,
        "most": 10000,
    },
    "http2_odd": {
        # two names, which any reader sees: both are said, and it passes
        "frames": talk((0, BEGIN + asked(*WELL, field(b"host", b"two.example"))), (1, settings() + frame(HEADERS, WHOLE, 1, b"\x88"))),
        "facts": [fact("http2.ambiguous", "host-two"), fact("host", "one.example"), fact("host", "two.example"),
                  fact("http2.status", 200)],
        "same": True,
    },
    "http2_midstream": {
        # picked up in its middle: its header blocks cannot be read
        "frames": talk((0, FIRST), (1, ANSWERS))[3:],
        "facts": [fact("app", "http2"), fact("anomaly", "http.midstream")],
        "no_facts": [fact("http2.method", "GET"), fact("http2.status", 200)],
        "same": True,
    },
    "policy_http2": fields(
        talk((0, CLIENT), (1, SERVER)), CLEAR,
        [{"app": "http2"}, {"host": "one.example"}, {"http.host": "one.example"}, {"http.method": "POST"}, {"http.path": "/a/c"},
         {"http.uri": {"prefix": "/a//b"}}, {"http.user_agent": "curl/8"}, {"http.header.x-token": "secret"}, {"http.status": 404},
         {"url": "http://one.example:81/"}],
        [{"app": "http"}, {"http.status": 103}, {"http.header.x-sum": {"present": True}}, {"http.ambiguous": {"present": True}}]),
    # the second stream is denied; the first was answered before
    "policy_http2_deny": acts(
        talk((0, BEGIN + FIRST), (1, settings() + frame(HEADERS, WHOLE, 1, b"\x88")), (0, SECOND), (1, frame(6, 0, 0, bytes(8)))),
        [{"id": "p", "action": "deny", "when": {"http.path": "/a/c"}, "respond": "drop"}],
        {"POLICY_DENY": [6, 7, 8, 9, 10]},
        [verdict("allow", "default", CLEAR, "http"), verdict("deny", "p", CLEAR, "http"), verdict("deny", "p", CLEAR, "flow")]),
    # a client waits for the server's SETTINGS before it asks: what leads to a request passes under a default of deny
    "policy_http2_waits": acts(
        talk((0, BEGIN), (1, settings()), (0, asked(*WELL)), (1, frame(HEADERS, WHOLE, 1, b"\x88"))),
        [{"id": "n", "action": "allow", "when": {"host": "one.example"}}], {}, [verdict("allow", "n", CLEAR, "http")],
        default={"action": "deny"}),
    "policy_http2_midstream": acts(
        talk((0, FIRST), (1, ANSWERS))[3:], [{"id": "a", "action": "deny", "when": {"app": "http2"}, "respond": "drop"}],
        {"POLICY_DENY": [1, 2, 3, 4, 5]}, [verdict("deny", "a", CLEAR, "flow")]),
}
