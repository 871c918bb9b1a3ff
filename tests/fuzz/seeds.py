# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of a fuzz target out of captures: what each target takes as its input, made of real bytes.
usage: seeds.py TARGET OUT_DIR CAPTURE..."""
import gzip
import hashlib
import itertools
import pathlib
import random
import struct
import subprocess
import sys

import answers
import configs
import conversations
import dns_messages
import encapsulated
import hellos
import policies
import quic_packets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import pcap_file  # noqa: E402

TARGET, OUT, CAPTURES = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
OUT.mkdir(parents=True, exist_ok=True)


def keep(data):
    (OUT / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def frames(path):
    return [frame for _, frame in pcap_file.records(pathlib.Path(path).read_bytes())]


def l4(frame):
    """-> (proto, sport, dport, seq, payload, src) of plain Ethernet + IP + TCP/UDP, or None"""
    if len(frame) < 42:
        return None
    kind = frame[12:14]
    if kind == b"\x08\x00":
        proto, at, end, src = frame[23], 14 + (frame[14] & 15) * 4, 14 + int.from_bytes(frame[16:18], "big"), frame[26:30]
        if int.from_bytes(frame[20:22], "big") & 0x3FFF:
            return None
    elif kind == b"\x86\xdd":
        proto, at, end, src = frame[20], 54, 54 + int.from_bytes(frame[18:20], "big"), frame[22:38]
    else:
        return None
    sport, dport = struct.unpack_from("!HH", frame, at)
    if proto == 17:
        return proto, sport, dport, 0, frame[at + 8 : end], src
    if proto == 6:
        return proto, sport, dport, struct.unpack_from("!I", frame, at + 4)[0], frame[at + (frame[at + 12] >> 4) * 4 : end], src
    return None


def datagrams(path):
    return [x for x in map(l4, frames(path)) if x and x[0] == 17 and x[4]]


def streams(path):
    """bytes of each TCP direction, in capture order: {(src, sport, dport): bytes}"""
    out, next_ = {}, {}
    for x in map(l4, frames(path)):
        if not x or x[0] != 6 or not x[4]:
            continue
        key = (x[5], x[1], x[2])
        if next_.get(key, x[3]) == x[3]:
            out[key] = out.get(key, b"") + x[4]
            next_[key] = (x[3] + len(x[4])) & 0xFFFFFFFF
    return out


def programs(path):
    """what fuzz_stream reads: the stream's own segments in order, and others between them: late, twice, differing"""
    rnd, out = random.Random("/".join(pathlib.Path(path).parts[-2:])), {}
    for x in map(l4, frames(path)):
        if x and x[0] == 6 and x[4]:
            out.setdefault((x[5], x[1], x[2]), []).append((x[3], len(x[4])))
    for segments in list(out.values())[:8]:
        program = struct.pack("!I", segments[0][0])
        for _, n in segments[:60]:
            n = min(n, 8999)
            program += bytes([0]) + struct.pack("!HB", n, 0)
            program += rnd.choice(
                [
                    b"",
                    bytes([1]) + struct.pack("!HHB", n, n, rnd.choice([0, 7])),  # again, at times otherwise
                    bytes([2, rnd.randrange(256)]) + struct.pack("!HB", n, 0),  # behind a hole
                    bytes([3, rnd.randrange(256)]) + struct.pack("!HB", n, 9),
                    bytes([4 | rnd.randrange(2) << 3]) + struct.pack("!H", n),  # the parser reads
                    bytes([5 | 20 << 3]) * 14,  # small ones
                    bytes([6]),  # ACK
                    bytes([7 | rnd.choice([1, 2, 3, 9, 20, 20, 0]) << 3]) + struct.pack("!H", n),  # stop, skip, flush, need
                    bytes([rnd.randrange(4) | 31 << 3]) + struct.pack("!HBB", n, 0, rnd.randrange(256)),  # cut, FIN, ...
                ]
            )
        yield program


def greedy():
    """programs of what well-behaved senders do not do: more than is kept, one byte at a time, other bytes for old ones"""
    give = lambda op, n, variant=0, bits=0: bytes([op | 31 << 3]) + (b"\x20\x00" if op == 1 else b"\x05" if op else b"") + struct.pack("!HBB", n, variant, bits)
    read, skip, stop, flush, ack = b"\x0c\xff\xff", b"\x17\x10\x00", b"\x0f\x00\x00", b"\x47", b"\x06"
    full = give(0, 8999) * 14
    yield full + read * 9 + give(1, 8000, 5) + ack + give(1, 8000, 6) + read + flush + give(0, 100) + read
    yield give(0, 400) + read + give(1, 300, 7, 96) + give(1, 300, 7) + ack + give(1, 300, 9)
    yield give(2, 400) + (b"\xfd" * 30 + read) * 12 + flush + read * 3
    yield give(0, 400) + give(2, 900) * 10 + flush + read + flush + read + ack
    yield skip + give(0, 900) * 3 + read + stop + give(0, 100) + give(1, 99, 3)
    yield give(0, 400, 0, 1) + read + give(0, 400, 0, 24) + give(2, 400, 0, 1) + flush + read + give(0, 9, 0, 6) + give(0, 9)
    yield give(0, 1) * 400 + give(1, 400, 3) + read


def midst():
    """programs of a flow that is seen from its midst on: what comes first is not what stands first; 3 modulo 7 and not 2 modulo 3 says so"""
    data = lambda n: b"\0" + struct.pack("!HB", n, 0)
    before = lambda back, n: b"\1" + struct.pack("!HHB", back, n, 0)
    behind, read, flush, ack, late_ack = b"\2\xc8" + struct.pack("!HB", 500, 0), b"\x0c\xff\xff", b"\x47", b"\x06", b"\xfe"
    programs = [data(300) + before(900, 600) + read, data(300) + before(900, 400) + before(900, 400) + data(100) + read * 2 + flush + read,
                data(300) + behind + before(700, 300) + read + flush + read, data(300) + read + before(700, 300) + read + ack + before(900, 100) + read,
                ack + data(300) + before(900, 300) + data(300) + read, late_ack + data(300) + data(100) + flush + read * 2 + data(90) + read,
                data(300) + before(19000, 9) + before(18000, 8) + read, data(100) * 30 + before(4000, 300) + read,
                data(300) + before(700, 300)[:-1] + b"\0" + before(1400, 700) + behind + read + b"\x0f" + before(2000, 100)]
    return [struct.pack("!I", 2**32 - 904 + 7 * k) + p for k in (0, 1, 3) for p in programs]


def pcap_files(path):
    """the file itself, small, in each form that the reader knows"""
    data = pathlib.Path(path).read_bytes()
    rows = [(struct.unpack("<IIII", head), frame) for head, frame in itertools.islice(pcap_file.records(data), 8)]
    out, header = [], struct.unpack_from("<IHHiIII", data, 0)
    for order, magic in (("<", 0xA1B2C3D4), (">", 0xA1B2C3D4), ("<", 0xA1B23C4D), (">", 0xA1B23C4D)):
        out.append(struct.pack(order + "IHHiIII", magic, *header[1:]) + b"".join(struct.pack(order + "IIII", *h) + b for h, b in rows))
    kuznetzov = b"".join(struct.pack("<IIIIiHBB", *h, 0, 0, 0, 0) + b for h, b in rows)
    out.append(struct.pack("<IHHiIII", 0xA1B2CD34, *header[1:]) + kuznetzov)
    block = lambda kind, body: struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    ng = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", header[6], 0, 0))
    for h, b in rows:
        ng += block(6, struct.pack("<IIIII", 0, 0, h[1], h[2], h[3]) + b + bytes(-len(b) % 4))
    big = rows[0][1] + bytes(70000)
    out += [ng, out[0][:-7], out[0][: 24 + 10], out[0] + struct.pack("<IIII", 1, 1, len(big), len(big)) + big]
    out.append(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 239))
    packed = gzip.compress(out[0], mtime=0)
    out += [packed, packed + packed[:-9], packed[:-4], packed + b"\0" * 8, packed[:40] + b"\xff" * 8 + packed[48:]]
    try:
        z = subprocess.run(["zstd", "-qc"], input=out[0], capture_output=True, check=True).stdout
        out += [z, z[:-4], z[:20] + b"\xff" * 8 + z[28:]]
    except (OSError, subprocess.CalledProcessError):
        pass
    return out + [b"", b"text, not a capture\n", b"\xff\xd8", b"\x1f\x8b", bytes(64)] + [o + b"\0" for o in out[:2]]


def main():
    make = TARGETS.get(TARGET)
    if not make:
        sys.exit(f"seeds.py: no seeds for {TARGET}: add a row to TARGETS")
    golden = pathlib.Path(__file__).parent.glob(f"../golden/{TARGET}_*/in.pcap")
    for path in CAPTURES + sorted(map(str, golden)):
        for seed in make(path):
            keep(seed)


def arguments():
    """lines of explain's arguments"""
    return [b"src=10.0.0.7\nurl=http://bet.example:8080/a/%2e/.git/x?q#f\ndport=80\nproto=tcp\n",
            b"src=2001:db8::1\nurl=https://www.bet.example/\ntls.alpn=h2\nproto=udp\napp=quic\nquic.version=draft-29\n",
            b"host=bet.example\nhost=www.example\nhttp.header.x=q\nhttp.header.x=r\ntime=2027-01-31T18:00:00Z\nrest\n",
            b"src=10.0.0.1\nsport=1\ntls.sni=Bet.Example.\ntls.version=1.3\ntls.ech=true\nvlan=1\nvlan=2\nttl=64\n",
            b"src=10.0.0.1\ndns.qname=bet.example\ndns.qtype=AAAA\ndns.answer=192.0.2.1\nproto=17\ndport=53\nhots=x\n",
            b"src=10.0.0.1\ndst=192.0.2.1\napp=ssh\nssh.software=x\npayload=abc\n",
            b"src=10.0.0.0/8\nsrc=10.0.0.1\nsrc=10.0.0.2\nproto=icmp\nurl=ftp://a/\nurl=http:///x\nurl=http://a@b:c/\nurl=http://a..b\n",
            b"host=bet.example\n" * 70 + b"http.uri=\"\\\1\n" + b"http.path=" + b"x" * 9000 + b"\n", b"url=http://bet.example\nurl=https://bet.example\nhttp.path=/\n"]


def requests():
    """lines of the control socket: every command of docs/ctl.md, and words that are none"""
    doc = (pathlib.Path(__file__).parent / "../../docs/ctl.md").read_text()
    rows = [line.split("`")[1].replace("\\|", "|") for line in doc.splitlines() if line.startswith("| `") and "\\|" in line or line.startswith("| `show")]
    return [r.encode() for r in rows] + [b"show version", b"help", b"help show", b"values room", b"values level", b"values n", b"log level all debug",
                                         b"log level port info # x", b'set verbose "1 2" \\ "', b"show drosp", b"a " * 70, b"show port info \xff\x1b[2J"]


def asked():
    """requests over Kafka: whole ones, and each of them cut"""
    whole = [b'{"id":"a-1","user":"ann","groups":["staff","x"],"src":"10.0.0.7","method":"GET","url":"http://bad.example:8080/a?b#c",'
             b'"headers":{"User-Agent":"curl","X-Key":["1","2"]},"direction":"out","tenant":7,"deadline_ms":250}',
             b'{"id":"\\u00e9\\ud83d\\ude00","method":"POST","url":"https://u@[2001:db8::1]/t/../x","src":"::ffff:192.0.2.1","user":null}',
             b'{"method":"CONNECT","url":"bad.example:443","id":"c","headers":{"host":"bad.example:443","content-length":"1",'
             b'"transfer-encoding":"chunked"},"more":[{"a":-1.5e3},true,null]}', b'{"id":"d","id":"e"}', b'[{"id":1}]', b"\xff"]
    escape = whole[1].index(b"\\u") + 2
    return whole + [w[:len(w) * k // 8] for w in whole for k in range(1, 8)] + [whole[1][:escape + k] for k in range(5)]


def topic():
    """swg_rules as lines, keys and values in turn: versions, edits, what is refused, machines' rules; and each of them cut"""
    rule = '{"order":%s,"action":"deny","when":{"host":{"in":"bad"},"http.path":{"regex":"/[0-9]+x$"}}}'
    auto = '{"order":1000000000,"action":"deny","expires":"%s","when":{"dst":"192.0.2.1"}}'
    first = ["default", '{"action":"deny","undecided":{"handshake":"pass"},"rejudge_unknown":"drop"}', "set:bad", '{"type":"domain"}',
             "set:bad:casino.example", "{}", "set:bad-too", '{"type":"net"}', "set:bad-too:fd00::/8", "{}", "rule:no-bad", rule % "1",
             "rule:a", rule % "2.50", "rule:z", rule % "2.5e0", "commit",
             '{"version":1,"rules":3,"sets":2,"hash":"%s","author":"a\\u00e9","why":"\\ud83d\\ude00"}' % ("0" * 64)]
    edits = first + ["set:bad:casino.example", "-", "set:bad:=one.example", "{}", "rule:a", "-", "rule:no-bad", rule % "7", "rule:b\"\\", rule % "-0",
                     "rule:auto:feed:x", auto % "2030-01-01T00:00:00Z", "rule:auto:feed:y", auto % "1999-12-31T23:59:60.5+01:00",
                     "rule:auto:feed:x", "-", "default", "-", "commit", '{"version":2,"rules":3,"sets":2,"hash":"%s"}' % ("a" * 64)]
    numbers = ["rule:n", '{"order":1,"action":"deny","n":[333333333.33333329,1E30,4.50,2e-3,1e-27,5e-324,1.7976931348623157e308,7.120236347223045e-307,'
               '1e21,123456789012345680000,9007199254740993,-1.5,0.000001,1e-7],"s":"\\u20ac$\\u000F\\nA\\b\\f\\r\\t\\"\\\\/","v":[null,true,false,{}]}']
    wrong = ["rule:", rule, "rule:" + "i" * 200, "{}", "rule:auto:x", "{}", "set::x", "{}", "set:", "{}", "set:b:", "{}", "other", "{}", "\x7f\x80", "{}",
             "rule:o", '{"action":"deny"}', "rule:band", rule % "1500000000", "rule:auto:f:band", rule % "5", "rule:id", '{"order":1,"id":"other"}',
             "set:s", '{"type":"net","items":[]}', "set:s:x", "7", "set:s:y", '{"a":1}', "default", "[]", "rule:deep", "[" * 100 + "]" * 100,
             "rule:twice", '{"a":1,"a":2}', "rule:cut", '{"a', "rule:o", "-", "k" * 9000, "{}", "commit", "{}", "commit", '{"version":0.5,"hash":"x"}']
    order = [x for i in range(60) for x in ("rule:%c%d" % (97 + i * 7 % 26, i), rule % (i * 37 % 60))] + ["set:\u20ac:\ue000", "{}", "set:\u20ac:\U0001f600", "{}"]
    end = ["commit", '{"version":3,"rules":0,"sets":0,"hash":"%s"}' % ("b" * 64)]
    many = [x for i in range(1500) for x in ("set:m:%d" % i, "{}")] + end + [x for i in range(1500) for x in ("set:m:%d" % i, "-")] + end
    between = first + ["rule:auto:a:x", auto % "2030-01-01T00:00:00Z", "rule:auto:a:y", auto % "2001-01-01T00:00:00Z", "~", "g", "rule:auto:a:z", auto % "2040-01-01T00:00:00Z",
                       "~", "b", "~", "e", "rule:auto:a:w", auto % "2020-01-01T00:00:00Z", "~", "g", "~", "dauto:a:x", "~", "e*", "set:bad:x", "7", *end,
                       "set:bad:x", "{}", "set:bad:x", "-", *end, "commit", '{"version":4,"rules":3,"sets":2,"hash":"%s"}' % ("a" * 64),
                       "rule:a", rule % "9", "rule:a", rule % "2.5"]
    whole = ["\n".join(lines).encode("latin-1" if lines is wrong else "utf-8") for lines in (first, edits, numbers, wrong, order, many, between)]
    return whole + [w[:len(w) * k // 6] for w in whole for k in range(1, 6)]


def segments():
    """programs of fuzz_spool: what a spool writes, and each thing in it that is then made wrong; cursors; bytes that are none of it"""
    text = (pathlib.Path(__file__).parent / "../../include/record.h").read_text()
    fields = [line.split("(")[1].split(",")[0] for line in text[text.index("#define FACTS(X)"):text.index("#define RULE_OF")].splitlines()[1:] if "X(" in line]
    record = lambda kind, *facts: bytes([2, kind, len(facts)]) + b"".join(bytes([fields.index(f)]) + struct.pack(">H", len(v)) + v for f, v in facts)
    change = lambda at, low, high=0: struct.pack(">BHBB", 4, at, high, low)  # op 4, as `take2` reads it
    begin, meta, end = bytes([0, 2, 4]) + bytes(16) + b"node", b"\1\7\1\6names!", b"\5"
    uri, number, address = ("HTTP_URI", b"/path"), ("FLOW", b"\1" + bytes(7)), ("OUTER_IP", bytes(16))
    head = begin + meta + b"\1\7\0\4more" + b"\1\7\2\0"
    body = record(1, uri) + record(0, number, address, uri) + record(4) + b"".join(bytes([3, cause, cause, 5, 9]) for cause in range(5)) + end
    many = record(2, *[uri] * 200) * 12  # more than is read at once
    whole = head + body
    wrong = [begin + change(0, 0xFF), begin + change(4, 0xFF, 0xFF), meta + change(8, 0xFF, 0xFF), meta + change(12, 9), b"\3\1\1\5\5" + change(4, 2)]
    wrong += [record(1, uri) + b"\xff" + word for word in (b"\0\x18\x08", b"\0\0\x03", b"\xff\xff\0", b"\0\x11\x01")]
    places = range(0, 260, 2)  # a record's head (include/record.h) and its first fact
    wrong += [record(1, fact) + change(at, *to) for fact in (uri, number, address) for at in places for to in ((0xFF, 0xFF), (0, 0), (7, 0))]
    wrong += [record(1) + change(4, kind) + change(at, 0xFF, 0xFF) for kind in (8, 9, 10) for at in places[:32]]
    out = [bytes([how]) + whole for how in (8, 0x28, 0x48, 0xF8)] + [b"\x08" + begin + many, b"\xf8" + begin + many]
    out += [b"\x08" + head + w + body for w in wrong] + [b"\x08" + whole[:n] for n in range(0, len(whole), 16)]
    raw = struct.pack("<8sIIQQQQ12sI", b"SLUSPOOL", 1, 0, 1, 1, 7, 0, b"", 0) + struct.pack("<IIQ", 16 << 8 | 8, 0, 1)
    out += [bytes([how]) + raw for how in (3, 1, 0, 0xF3, 0xF1)] + [b"\x03" + raw + raw[64:] * 40, b"\0" + bytes(64), b"\xf0" + bytes(64)]
    return out + [b"\xf4SLUSCURS" + b"\1" + b"\0" * 60]


# how each target reads its input is said in the first screen of fuzz_<target>.c
TARGETS = {
    "decap": lambda p: encapsulated.seeds(p, p == CAPTURES[0]),
    "http": lambda p: conversations.seeds(map(l4, frames(p)), p == CAPTURES[0]),
    "tls": lambda p: hellos.seeds(streams(p).values(), p == CAPTURES[0]),
    "quic": lambda p: quic_packets.seeds(list(streams(p).values()), datagrams(p), p == CAPTURES[0]),
    "stream": lambda p: list(programs(p)) + [struct.pack("!I", 2**32 - 900) + g for g in greedy() if p == CAPTURES[0]] + (midst() if p == CAPTURES[0] else []),
    "pcap": pcap_files,
    "policy": lambda p: policies.seeds() if p == CAPTURES[0] else [],
    "config": lambda p: configs.seeds() if p == CAPTURES[0] else [],
    "control": lambda p: requests() if p == CAPTURES[0] else [],
    "request": lambda p: asked() if p == CAPTURES[0] else [],
    "explain": lambda p: arguments() if p == CAPTURES[0] else [],
    "rules": lambda p: topic() if p == CAPTURES[0] else [],
    "spool": lambda p: segments() if p == CAPTURES[0] else [],
    "answers": lambda p: answers.seeds() if p == CAPTURES[0] else [],
    "redact": lambda p: answers.records() if p == CAPTURES[0] else [],
    "dns": lambda p: dns_messages.seeds(datagrams(p), streams(p), p == CAPTURES[0]),
}

if __name__ == "__main__":
    main()
