# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of a fuzz target out of captures: what each target takes as its input, made of real bytes.
usage: seeds.py TARGET OUT_DIR CAPTURE..."""
import hashlib
import pathlib
import struct
import sys

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


def main():
    make = TARGETS.get(TARGET)
    if not make:
        sys.exit(f"seeds.py: no seeds for {TARGET}: add a row to TARGETS")
    for path in CAPTURES:
        for seed in make(path):
            keep(seed)


# how each target reads its input is said in the first screen of fuzz_<target>.c
TARGETS = {
    # one byte of how, then a datagram or a stream
    "dns": lambda p: [bytes([1]) + d[4] for d in datagrams(p) if 53 in d[1:3]]
    + [bytes([5]) + s for k, s in streams(p).items() if 53 in k[1:]],
}

if __name__ == "__main__":
    main()
