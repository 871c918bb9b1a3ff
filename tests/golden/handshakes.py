# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes of TLS and DTLS out of nothing: extensions, hellos, messages, records, fragments. Bytes only."""
import struct


def extension(kind, data):
    return struct.pack("!HH", kind, len(data)) + data


def sni(*names):
    entries = b"".join(struct.pack("!BH", 0, len(n)) + n for n in names)
    return extension(0, struct.pack("!H", len(entries)) + entries)


def hello(*extensions, dtls=False, ciphers=b"\xc0\x2f", version=b"\3\3"):
    """A ClientHello's body."""
    exts = b"".join(extensions)
    return ((b"\xfe\xfd" if dtls else version) + bytes(32) + b"\0" + (b"\0" if dtls else b"") + struct.pack("!H", len(ciphers)) + ciphers
            + b"\1\0" + struct.pack("!H", len(exts)) + exts)


def answer(version=b"\3\3", random=bytes(32), cipher=0xC02F, session=b"", extensions=b""):
    """A ServerHello's body."""
    return (version + random + bytes([len(session)]) + session + struct.pack("!HB", cipher, 0)
            + struct.pack("!H", len(extensions)) + extensions)


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def records(data, size=16384, kind=22, minor=1):
    return b"".join(bytes([kind, 3, minor]) + struct.pack("!H", len(data[i : i + size])) + data[i : i + size]
                    for i in range(0, len(data), size))


def fragment(body, at, n, seq=0, kind=1):
    head = bytes([kind]) + len(body).to_bytes(3, "big") + struct.pack("!H", seq) + at.to_bytes(3, "big") + n.to_bytes(3, "big")
    return b"\x16\xfe\xfd\0\0\0\0\0\0\0\0" + struct.pack("!H", n + 12) + head + body[at : at + n]
