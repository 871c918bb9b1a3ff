# SPDX-License-Identifier: BSD-3-Clause
"""Which names can be read out of a stream or a datagram: as plain bytes, in a TLS hello over any split into records, with
percent escapes decoded, in a DNS message, as a request's path. Lenient on purpose: what any receiver could read counts, so
there is no grammar of what stands around."""
import re
import struct
import urllib.parse

HELLO = re.compile(rb"[\x14-\x17]\x03[\x00-\xff]", re.S)
REQUEST = re.compile(rb"[A-Za-z]+[ \t\v\f\r]+([^ \t\v\f\r\n]*[/\\%][^ \t\v\f\r\n]*)")


def joined(stream):
    """handshakes whose records begin anywhere: the contents of all records of type 22 from there on"""
    for m in list(HELLO.finditer(stream))[:12]:
        at, out = m.start(), b""
        while at + 5 <= len(stream) and stream[at] in range(20, 25):
            n = int.from_bytes(stream[at + 3 : at + 5], "big")
            out += stream[at + 5 : at + 5 + n] if stream[at] == 22 else b""
            at += 5 + n
        yield out


def whole(stream, names):
    """is the message whole in which the name stands? If not, no server acts on it: all wait for the rest."""
    at = 24
    while stream.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):  # a frame's length, 6 bytes more, then as many
        end = at + 9 + int.from_bytes(stream[at : at + 3], "big")
        if at + 9 > len(stream) or end > len(stream):
            return False
        if found(stream[at:end], names):
            return True
        at = end
    at = 0
    while at + 2 < len(stream):  # DNS: a length, then as many bytes
        end = at + 2 + struct.unpack("!H", stream[at : at + 2])[0]
        if end <= len(stream) and found(stream[at:end], names):
            return True
        at = end
    for handshake in joined(stream):
        if len(handshake) > 4 and found(handshake, names):
            return len(handshake) >= 4 + int.from_bytes(handshake[1:4], "big")
    low = urllib.parse.unquote_to_bytes(stream).lower()
    at = max([low.rfind(n) for n in needles(names)] + [m.start() for m in REQUEST.finditer(stream)])
    head = b"http/1" in low
    return not head or re.search(rb"\n[ \t\r]*\n", low[at:]) is not None


def dtls(datagrams):
    """DTLS handshake messages put together out of fragments: once the first bytes win, once the last"""
    for order in (datagrams, datagrams[::-1]):
        messages = {}
        for d in order:
            at = 0
            while at + 25 <= len(d) and d[at] == 22 and d[at + 1] == 0xFE:
                n = int.from_bytes(d[at + 11 : at + 13], "big")
                begin = int.from_bytes(d[at + 19 : at + 22], "big")
                seq = d[at + 17 : at + 19]
                for i, b in enumerate(d[at + 25 : at + 13 + n], begin):
                    messages.setdefault(seq, {}).setdefault(i, b)
                at += 13 + n
        for places in messages.values():
            yield bytes(places.get(i, 0) for i in range(max(places) + 1))


def dns_name(message, at):
    """-> name and where it ends; pointers are followed, in names of any section"""
    labels, end, steps = [], None, 0
    while at < len(message) and steps < 64:
        n, steps = message[at], steps + 1
        if n == 0:
            return b".".join(labels), end or at + 1
        if n >= 0xC0 and at + 1 < len(message):
            end = end or at + 2
            at = (n & 63) << 8 | message[at + 1]
        elif n < 64:
            labels.append(message[at + 1 : at + 1 + n])
            at += 1 + n
        else:
            break
    return None, None


def dns_names(message):
    """every name from byte 12 on, whatever the counts say"""
    at = 12
    while at is not None and at < len(message):
        name, end = dns_name(message, at)
        if name is None:
            return
        yield name
        at = end + 4


def dns_messages(stream):
    """framed by two bytes"""
    at = 0
    while at + 2 < len(stream):
        n = struct.unpack("!H", stream[at : at + 2])[0]
        yield stream[at + 2 : at + 2 + n]
        at += 2 + n


def path_of(target):
    """decoded once, //, /./ and /../ resolved, parameters off"""
    target = re.sub(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", b"", target)
    target = urllib.parse.unquote_to_bytes(re.split(rb"[?#]", target)[0]).replace(b"\\", b"/")
    out = []
    for part in target.split(b"/"):
        part = part.split(b";")[0]
        if part == b"..":
            out = out[:-1]
        elif part not in (b"", b"."):
            out.append(part)
    return b"/" + b"/".join(out)


def needles(names):
    host = names["host"]
    wire = b"".join(bytes([len(x)]) + x for x in host.split(b"."))
    wide = names["wide"]
    capital = wide.decode().upper().encode().lower()
    return [host, wire, names["address"], names["idn"], wide, capital, wide.decode().encode("latin-1")]


def found(data, names):
    low = data.lower()
    return next((n for n in needles(names) if n in low), None)


def in_text(data, names):
    """plain, percent-decoded, as a path, as a handshake over records"""
    hit = found(data, names)
    if hit:
        return f"plain bytes: {hit!r}"
    hit = found(urllib.parse.unquote_to_bytes(data), names)
    if hit:
        return f"percent-decoded: {hit!r}"
    for handshake in joined(data):
        if found(handshake, names):
            return "in a hello over records"
    for m in REQUEST.finditer(data):
        if (path_of(m[1]) + b"/").startswith(names["path"] + b"/"):
            return f"path: {m[1][:60]!r}"
    for at in [m.end() for m in re.finditer(rb"\x04[\x01-\x7f](?=/)", data)] if b"PRI * HTTP/2.0" in data else []:
        path = data[at : at + data[at - 1]]  # a literal whose name is the static table's :path, without Huffman
        if (path_of(path) + b"/").startswith(names["path"] + b"/"):
            return f":path: {path[:60]!r}"
    return None


def in_stream(stream, names):
    """why the denied name can be read in a stream, or None"""
    why = in_text(stream, names)
    if why:
        return why
    for message in dns_messages(stream):
        for name in dns_names(message):
            if found(name + b".", names):
                return "in a DNS message"
    return None


def in_datagrams(datagrams, names):
    for d in datagrams:
        why = in_text(d, names)
        if why:
            return why
        if any(found(name + b".", names) for name in dns_names(d)):
            return "in a DNS message"
    if any(found(h, names) for h in dtls(datagrams)):
        return "in a DTLS hello"
    return None
