# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of a fuzz target out of captures: what each target takes as its input, made of real bytes.
usage: seeds.py TARGET OUT_DIR CAPTURE..."""
import gzip
import hashlib
import pathlib
import random
import re
import struct
import subprocess
import sys

import conversations

TARGET, OUT, CAPTURES = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
OUT.mkdir(parents=True, exist_ok=True)


def keep(data):
    (OUT / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def frames(path):
    data, at = open(path, "rb").read(), 24
    while at + 16 <= len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + n]
        at += 16 + n


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
    rnd, out = random.Random(path), {}
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
                    bytes([7 | rnd.choice([1, 2, 3, 9, 20]) << 3]) + struct.pack("!H", n),  # stop, skip, flush, need
                    bytes([rnd.randrange(4) | 31 << 3]) + struct.pack("!HBB", n, 0, rnd.randrange(256)),  # cut, FIN, ...
                ]
            )
        yield program


def pcap_files(path):
    """the file itself, small, in each form that the reader knows"""
    data = pathlib.Path(path).read_bytes()
    rows, at = [], 24
    while at + 16 <= len(data) and len(rows) < 8:
        head = struct.unpack_from("<IIII", data, at)
        rows.append((head, data[at + 16 : at + 16 + head[2]]))
        at += 16 + head[2]
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


def handshakes():
    """the recorded conversations of tests/unit/tls_handshakes.h: {name: [(direction, bytes)]}"""
    text = (pathlib.Path(__file__).parent / "../unit/tls_handshakes.h").read_text()
    arrays = {m[1]: bytes(map(int, re.findall(r"\d+", m[2]))) for m in re.finditer(r"uint8_t (\w+)\[\] = {(.*?)};", text, re.S)}
    return {
        m[1]: [(int(d), arrays[a]) for d, a in re.findall(r"{(\d), sizeof\((\w+)\)", m[2])]
        for m in re.finditer(r"said_bytes (\w+)\[\] = {(.*?)};", text)
    }


def tls(path):
    """what fuzz_tls reads: streams with cuts, and, with the first capture, the recorded handshakes"""
    out = [b"\0\3\1\5\0" + s[:4000] for k, s in streams(path).items() if s[:2] == b"\x16\3"]
    if path != CAPTURES[0]:
        return out
    for name, parts in handshakes().items():
        if name.startswith("dtls"):
            out.append(b"\2" + b"".join(struct.pack("!BH", d, len(b)) + b for d, b in parts))
            out += [b"\3\1" + b[25:] for d, b in parts if b[13] == 1]
            continue
        out += [b"\0\2\7\x64" + b"".join(b for d, b in parts if d == side) for side in (0, 1)]
        padded = [(d, b + bytes(-len(b) % 8)) for d, b in parts]
        out.append(b"\1" + b"".join(bytes([d | min(len(b) // 8, 127) << 1]) + b[:1016] for d, b in padded))
        out.append(b"\1" + bytes([0x80]) + parts[0][1][:512] + bytes([1]) + parts[1][1])
        out += [bytes([3, t]) + parts[0][1][9:] for t in (0, 2, 4)]
        shredded = b"".join(b"\x16\3\1\0\1" + bytes([c]) for c in parts[0][1][5:])
        out.append(b"\0\2\7\x64" + shredded)
    v2 = b"\x80\x2e\1\3\1\0\x15\0\0\0\x10" + bytes(range(21)) + b"0123456789abcdef"
    out += [b"\0\1\5" + v2, b"\0\1\5\x80\x1e\4\0\1\0\2\0\0\0\3\0\x10" + bytes(19)]
    out += [b"\0\1\5\x15\3\1\0\2\2\x28", b"\1\0" + parts[0][1] + b"\x15\3\1\0\2\2\x28"]
    return out


LINKS = [1, 0, 108, 9, 104, 12, 14, 101, 113, 276, 228, 229]


def decap(path):
    """what fuzz_decap reads: bursts of a capture, and, with the first one, each golden capture, in some manners"""
    golden = sorted((pathlib.Path(__file__).parent / "../golden").glob("*/in.pcap")) if path == CAPTURES[0] else []
    for p in [path] + golden:
        link = LINKS.index(struct.unpack_from("<I", pathlib.Path(p).read_bytes(), 20)[0])
        rows = [struct.pack("!BH", link, len(f)) + f for f in frames(p)]
        for at in range(0, min(len(rows), 96), 32):
            for how in (0x28, 0x12, 0x41, 0x98):
                yield bytes([how]) + b"".join(rows[at : at + 32])
        yield b"\x28" + b"".join(bytes([link | 0x80]) + struct.pack("!H", len(r) * 2 // 3) + r[3 : 3 + len(r) * 2 // 3] for r in rows[:32])


def golden(path, kind):
    """with the first capture, the golden cases of that kind too"""
    cases = pathlib.Path(__file__).resolve().parents[1] / "golden"
    return [path] + (sorted(cases.glob(f"{kind}_*/in.pcap")) if path == CAPTURES[0] else [])


def dns(path):
    """one byte of how (port 53, 5353, another; TCP; cut; direction), then a datagram or a stream"""
    for p in golden(path, "dns"):
        yield from dns_of(p)
    question = b"\0\x17\0\1\1\0\0\1\0\0\0\0\0\0\5other\0\0\1\0\1"
    yield bytes([4]) + b"\0\1"  # cut in each place, ended or not
    yield bytes([4]) + question[:9]
    yield bytes([4]) + question + question[:16]
    yield bytes([4]) + question + b"\0\4junk" * 12
    yield bytes([4]) + b"\0\x12" + question[2:14] + b"\xc0\x0c\0\1\0\1"
    yield bytes([5]) + question + b"\xff\xf0" + question[2:] + b"\0" * 20
    answers = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\n\0\0\1" * 900
    big = question[2:6] + b"\0\1\x03\x84\0\0\0\0" + question[14:] + answers
    yield bytes([4]) + struct.pack("!H", len(big)) + big  # goes on in a second record
    yield bytes([4]) + struct.pack("!H", len(big)) + b"\0\1\x81\x80" + big[4:]


def dns_of(path):
    for d in datagrams(path):
        if d[4]:
            for how in (1, 2, 0, 1 | 8, 1 | 16):
                yield bytes([how]) + d[4]
            yield bytes([5]) + struct.pack("!H", len(d[4])) + d[4]
            yield bytes([1]) + d[4][:4] + b"\0\2" + d[4][6:] + d[4][12:]
    for key, s in streams(path).items():
        if 53 in key[1:]:
            yield bytes([5]) + s
            yield bytes([4]) + s


def varint(n):
    return struct.pack("!H", 0x4000 | n) if n < 0x4000 else struct.pack("!I", 0x80000000 | n)


def pieces(how, *parts):
    return bytes([how]) + b"".join(struct.pack("!H", len(p)) + p for p in parts)


def quic(path):
    """how, then pieces: datagrams as they are (0), or frames that the target seals itself: a client's with the hellos
    of TLS connections cut up (1), a server's (2), Google's (3)"""
    rnd = random.Random(str(path))
    for p in golden(path, "quic"):
        flows = {}
        for d in datagrams(p):
            if 443 in d[1:3] or 4433 in d[1:3]:
                flows.setdefault(frozenset(d[1:3]), []).append(d[4])
        for f in list(flows.values())[:6]:
            yield pieces(0, *f[:12])
            yield pieces(4, *[x for x in f if x[0] & 0x80][:6])
            yield pieces(0, *[x for x in f if not x[0] & 0x80][:8])  # its handshake was not seen
            yield pieces(0, f[0][:700] + b"!" + f[0][701:], *f[:2])  # the tag is wrong
            yield pieces(0, f[0][:1] + b"\x1a\x2a\x3a\x4a" + f[0][5:], b"\xc0\0\0\0\0\0\0\0\0\0\1\x1a\x2a\x3a\x4a", *f[:2])
            yield pieces(0, f[0], f[0][:1] + b"\x6b\x33\x43\xcf" + f[0][5:])  # another version, not its keys
    for s in list(streams(path).values())[:40]:
        if s[:1] != b"\x16" or s[5:6] not in b"\1\2":
            continue
        hello = s[5 : 9 + int.from_bytes(s[6:9], "big")]
        cuts = sorted({0, len(hello), *(rnd.randrange(len(hello)) for _ in range(rnd.randrange(6)))})
        frames = [b"\6" + varint(a) + varint(b - a) + hello[a:b] for a, b in zip(cuts, cuts[1:])]
        rnd.shuffle(frames)
        other = [b"\0\0\0", b"\1", b"\2\5\0\0\0", b"\3\5\0\1\0\1\1\1\1\1", b"\x1c\0\6\2no"]
        mixed = [x for f in frames for x in (f, rnd.choice(other))]
        yield pieces(1, b"".join(mixed), frames[0], mixed[0][:3] + b"!!!!")
        yield pieces(5, *frames[:-1])
        yield pieces(2, b"".join(mixed))
        yield pieces(1, b"".join(frames), frames[0].replace(hello[50:54], b"XXXX"))
        # a second hello behind the first, as after a HelloRetryRequest
        yield pieces(1, b"\6\0" + varint(len(hello)) + hello, b"\6" + varint(len(hello)) + varint(len(hello)) + hello)
    # CHLO: in CRYPTO frames (Q050), in a STREAM frame of Q043, Q033 and Q046 whose hash was lost
    for n in range(4):
        values = [(b"PAD\0", b"-" * rnd.randrange(30)), (b"SNI\0", b"www.example.com"), (b"VER\0", b""), (b"UAID", b"browser 1.0")]
        clear = {1: (b"\x09" + bytes(8), b"Q043"), 2: (b"\x0d" + bytes(8), b"Q033"), 3: (b"\xc3", b"Q046")}
        values[2] = (b"VER\0", clear[n][1] if n else b"Q050")
        message, at = b"CHLO" + struct.pack("<HH", len(values), 0), 0
        for tag, value in values:
            at += len(value)
            message += tag + struct.pack("<I", at)
        message += b"".join(v for _, v in values)
        if n == 0:
            ack = b"\x4b" + bytes(20)
            yield pieces(3, ack + b"\x06\0\x07\x08\0" + varint(len(message)) + message)
            yield pieces(3, *[b"\x08" + varint(i) + varint(40) + message[i : i + 40] for i in range(0, len(message), 40)])
            continue
        first, version = clear[n]
        number = b"\1" if n < 3 else b"\x50" + bytes(8) + b"\0\0\0\1"
        length = struct.pack("<H" if n == 2 else "!H", len(message))
        body = (b"\0" if n == 2 else b"") + b"\xa0\1" + length + message
        packet = first + version + number
        yield pieces(0, packet + fnv(packet + body + b"Client") + body, packet + bytes(12) + body)


def fnv(data):
    h = 0x6C62272E07BB014262B821756295C58D
    for b in data:
        h = (h ^ b) * ((1 << 88) + 0x13B) % (1 << 128)
    return h.to_bytes(16, "little")[:12]


def main():
    make = TARGETS.get(TARGET)
    if not make:
        sys.exit(f"seeds.py: no seeds for {TARGET}: add a row to TARGETS")
    for path in CAPTURES:
        for seed in make(path):
            keep(seed)


# how each target reads its input is said in the first screen of fuzz_<target>.c
TARGETS = {
    "http": lambda p: conversations.seeds(map(l4, frames(p)), p == CAPTURES[0]),
    "tls": tls,
    "stream": lambda p: list(programs(p)),
    "pcap": pcap_files,
    "decap": lambda p: list(decap(p)),
    "dns": dns,
    "quic": quic,
}

if __name__ == "__main__":
    main()
