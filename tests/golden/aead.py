# SPDX-License-Identifier: BSD-3-Clause
"""AES-128, its GCM, and QUIC's Initial packets with them: enough to write a capture. FIPS 197, SP 800-38D, RFC 9001 5.
Slow and plain, and by another hand than the code that it tests."""
import hashlib
import hmac
import struct


def _tables():
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= (p << 1) ^ (0x11B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        x = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)
        box[p] = (x ^ 0x63) & 0xFF
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = _tables()


def double(b):
    return (b << 1) ^ (0x11B if b & 0x80 else 0)


def round_keys(key):
    w, rcon = [list(key[i : i + 4]) for i in range(0, 16, 4)], 1
    for i in range(4, 44):
        t = list(w[-1])
        if i % 4 == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = double(rcon)
        w.append([a ^ b for a, b in zip(w[i - 4], t)])
    return [sum(w[i : i + 4], []) for i in range(0, 44, 4)]


def aes(key, block):
    keys = round_keys(key)
    s = [a ^ b for a, b in zip(block, keys[0])]
    for r in range(1, 11):
        s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if r < 10:
            for c in range(0, 16, 4):
                a, x = s[c : c + 4], s[c] ^ s[c + 1] ^ s[c + 2] ^ s[c + 3]
                s[c : c + 4] = [a[i] ^ x ^ double(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
        s = [a ^ b for a, b in zip(s, keys[r])]
    return bytes(s)


def times(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z


def gcm(key, nonce, plain, aad):
    """-> ciphertext and tag"""
    h, out = int.from_bytes(aes(key, bytes(16)), "big"), b""
    for i in range(0, len(plain), 16):
        pad = aes(key, nonce + struct.pack("!I", 2 + i // 16))
        out += bytes(a ^ b for a, b in zip(plain[i : i + 16], pad))
    y, blocks = 0, aad + bytes(-len(aad) % 16) + out + bytes(-len(out) % 16) + struct.pack("!QQ", 8 * len(aad), 8 * len(out))
    for i in range(0, len(blocks), 16):
        y = times(y ^ int.from_bytes(blocks[i : i + 16], "big"), h)
    return out + bytes(a ^ b for a, b in zip(y.to_bytes(16, "big"), aes(key, nonce + b"\0\0\0\1")))


SALTS = {
    1: ("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", b"quic ", 0xC0),
    0x6B3343CF: ("0dede3def700a6db819381be6e269dcbf9bd2ed9", b"quicv2 ", 0xD0),
    0xFF00001D: ("afbfec289993d24c9e9786f19c6111e04390a899", b"quic ", 0xC0),
    0x51303530: ("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45", b"quic ", 0xC0),
}


def expand(secret, label, n):
    label = b"tls13 " + label
    return hmac.digest(secret, struct.pack("!HB", n, len(label)) + label + b"\0\1", "sha256")[:n]


def initial_keys(dcid, version=1, server=False):
    """-> key, iv and header protection key of the Initial packets, RFC 9001 5.2"""
    salt, label, _ = SALTS[version]
    secret = hmac.digest(bytes.fromhex(salt), dcid, "sha256")
    secret = expand(secret, b"server in" if server else b"client in", 32)
    return tuple(expand(secret, label + x, n) for x, n in ((b"key", 16), (b"iv", 12), (b"hp", 16)))


def initial(frames, dcid, scid=b"", key_id=None, token=b"", number=0, version=1, server=False, pad=0):
    """An Initial packet. key_id: the id that the keys are made of, where it is not dcid; pad: size of the frames."""
    first = SALTS[version][2]
    key, iv, hp = initial_keys(dcid if key_id is None else key_id, version, server)
    frames = frames.ljust(max(pad, 4), b"\0")
    head = (bytes([first]) + struct.pack("!IB", version, len(dcid)) + dcid + bytes([len(scid)]) + scid + bytes([len(token)]) + token
            + struct.pack("!H", 0x4000 | len(frames) + 17) + bytes([number]))
    nonce = bytes(a ^ b for a, b in zip(iv, number.to_bytes(12, "big")))
    body = gcm(key, nonce, frames, head)
    mask = aes(hp, body[3:19])
    return bytes([head[0] ^ mask[0] & 15]) + head[1:-1] + bytes([head[-1] ^ mask[1]]) + body


def crypto(data, at=0, end=None):
    """A CRYPTO frame with data[at:end]."""
    part = data[at:end]
    return b"\6" + struct.pack("!HH", 0x4000 | at, 0x4000 | len(part)) + part


assert aes(bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
