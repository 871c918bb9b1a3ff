# SPDX-License-Identifier: BSD-3-Clause
"""QUIC Initial packets as a server opens them (RFC 9001 5, RFC 9369): keys by any connection id that the client chose or the
server gave, tags checked, CRYPTO frames put together by the first bytes, the last ones, and all."""
import functools
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
from aead import SALTS, aes, gcm, initial_keys  # noqa: E402

TYPE = {1: 0, 0xFF00001D: 0, 0x6B3343CF: 1}  # of an Initial; RFC 9369 3.2


def varint(b, at):
    n = 1 << (b[at] >> 6)
    return int.from_bytes(b[at : at + n], "big") & (1 << 8 * n - 2) - 1, at + n


def long_headers(datagram):
    """(version, dcid, scid, packet number's place, packet) of each Initial, coalesced ones too"""
    at = 0
    while at + 7 <= len(datagram) and datagram[at] & 0x80:
        b = datagram[at:]
        version = int.from_bytes(b[1:5], "big")
        n = b[5]
        dcid, scid = b[6 : 6 + n], b[7 + n : 7 + n + b[6 + n]]
        p = 7 + n + len(scid)
        if version not in TYPE:
            return
        kind = b[0] >> 4 & 3
        if kind == TYPE[version]:
            token, p = varint(b, p)
            p += token
        elif kind == (TYPE[version] + 3) & 3:  # Retry has no length: the rest is token and tag
            yield version, dcid, scid, None, b
            return
        length, p = varint(b, p)
        if kind == TYPE[version]:
            yield version, dcid, scid, p, b[: p + length]
        at += p + length


@functools.lru_cache(maxsize=None)
def opened(version, key_id, p, packet):
    """the frames of an Initial, or None where these keys do not fit"""
    key, iv, hp = initial_keys(key_id, version)
    mask = aes(hp, packet[p + 4 : p + 20])
    first = packet[0] ^ mask[0] & 15
    n = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[p : p + n], mask[1:]))
    nonce = bytes(a ^ b for a, b in zip(iv, number.rjust(12, b"\0")))
    head, body = bytes([first]) + packet[1:p] + number, packet[p + n :]
    # the counter mode is its own inverse: enciphering the ciphertext gives the plain bytes, and then the tag is made anew
    plain = gcm(key, nonce, body[:-16], head)[:-16]
    return plain if gcm(key, nonce, plain, head) == body else None


def crypto_frames(frames):
    at = 0
    while at < len(frames):
        kind, at = varint(frames, at)
        if kind in (0, 1):
            continue
        if kind in (2, 3):
            _, at = varint(frames, at)
            _, at = varint(frames, at)
            count, at = varint(frames, at)
            for _ in range(1 + 2 * count + 3 * (kind == 3)):
                _, at = varint(frames, at)
        elif kind == 6:
            offset, at = varint(frames, at)
            n, at = varint(frames, at)
            yield offset, frames[at : at + n]
            at += n
        else:
            return


def hellos(datagrams):
    """datagrams: (from the client?, bytes), in order. -> sets of bytes for each place of each connection's hello"""
    ids, places = [b""], {}
    for from_client, d in datagrams:
        try:
            found = list(long_headers(d))
        except (IndexError, struct.error):
            continue
        for version, dcid, scid, p, packet in found:
            if not from_client:
                ids.append(scid)
                continue
            if p is None or version not in SALTS:
                continue
            ids.append(dcid)
            for key_id in sorted(set(ids), key=lambda i: i != dcid):
                frames = opened(version, key_id, p, packet)
                if frames is None:
                    continue
                try:
                    for offset, data in crypto_frames(frames):
                        for i, b in enumerate(data, offset):
                            places.setdefault((version, key_id), {}).setdefault(i, []).append(b)
                except IndexError:
                    pass
                break
    return list(places.values())
