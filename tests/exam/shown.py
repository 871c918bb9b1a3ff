# SPDX-License-Identifier: BSD-3-Clause
"""What Sluice says and the exam's sources do not ("false") is shown to be right by its bytes, each value, or it fails.
usage: shown.py OUT_DIR SHOWN.json SLUICE CORPORA      OUT_DIR: of the exam
       shown.py --table SHOWN.json                     the rows of docs/accuracy.md

A row of SHOWN.json names the value, the frame and offset where Sluice found it (held against `facts -v`), how it is read
from there by `READ` below, and why tshark is silent. The readers share nothing with Sluice: they take the frame out of
the file, join its direction by sequence numbers, and parse that by the RFC. Where tshark can be told to see the value,
`tshark` has the options (and `from` the frame to begin at); it is asked where it is installed."""
import hashlib
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "golden")]
import aead  # noqa: E402
import pcap_file  # noqa: E402

TSHARK = {
    "http.uri": "http.request.uri",
    "http.host": "http.host",
    "tls.sni": "tls.handshake.extensions_server_name",
    "quic.sni": "tls.handshake.extensions_server_name",
    "tls.ja3": "tls.handshake.ja3",
}


def transport(link, frame, begin=0):
    """-> (source, port, sequence number, offset of the payload, end of it); IP over Ethernet, null or nothing, ERSPAN"""
    at = begin + {0: 4, 1: 14, 101: 0}[link]
    while link == 1 and frame[at - 2 : at] == b"\x81\x00":
        at += 4
    if frame[at] >> 4 == 4:
        l4, end = at + (frame[at] & 15) * 4, at + struct.unpack("!H", frame[at + 2 : at + 4])[0]
        proto, source = frame[at + 9], socket.inet_ntop(socket.AF_INET, frame[at + 12 : at + 16])
    else:
        l4, end = at + 40, at + 40 + struct.unpack("!H", frame[at + 4 : at + 6])[0]
        proto, source = frame[at + 6], socket.inet_ntop(socket.AF_INET6, frame[at + 8 : at + 24])
    if proto == 47 and frame[l4 + 2 : l4 + 4] == b"\x88\xbe":  # with a sequence number there is ERSPAN's own header too
        return transport(1, frame, l4 + (16 if frame[l4] & 0x10 else 4))
    port, seq = struct.unpack("!H", frame[l4 : l4 + 2])[0], struct.unpack("!I", frame[l4 + 4 : l4 + 8])[0]
    if proto == 17:
        return source, port, 0, l4 + 8, end
    return source, port, seq + (frame[l4 + 13] >> 1 & 1), l4 + (frame[l4 + 12] >> 4) * 4, end


def joined(row, path):
    """-> (bytes of the direction from the frame's payload on, place of the fact in them)"""
    data = path.read_bytes()
    link, frames = pcap_file.link_type(data), [frame for _, frame in pcap_file.records(data)][row["frame"] - 1 :]
    here = frames[0]
    source, port, begin, payload, _ = transport(link, here)
    if row["tuple"][0] == "udp":
        return here[payload:], row["off"] - payload
    pieces = {}
    for frame in frames:
        s, p, seq, at, end = transport(link, frame)
        if (s, p) == (source, port) and end > at:
            pieces.setdefault(seq - begin, frame[at:end])
    stream = b""
    while len(stream) in pieces:
        stream += pieces[len(stream)]
    return stream, row["off"] - payload


def request(stream, at):
    """RFC 9112 3: method, target, version; what is between the first space and the last is the target"""
    m = re.match(rb"[A-Z]+ +(/.*?) +HTTP/1\.[01]\r\n", stream)
    assert m and m.start(1) == at, "no request line whose target begins there"
    return m[1].decode("latin1")


def host(stream, at):
    """RFC 9112 3.2: the Host line of a head; its port is not a name's"""
    begin = stream.rfind(b"\r\n", 0, at)
    m = re.match(rb"\r\nHost:[ \t]*([^\r\n:]+)(:\d+)?[ \t]*\r\n", stream[begin:], re.I)
    assert m and begin + m.start(1) == at, "no Host line whose value begins there"
    assert b"\r\n\r\n" not in stream[:begin], "not in a head"
    return m[1].decode("latin1").lower()


def hello(message, where):
    """ClientHello, RFC 8446 4.1.2 -> what JA3 and JA4 are made of; `where` its offset in the stream"""
    assert message[0] == 1 and int.from_bytes(message[1:4], "big") == len(message) - 4, "no whole ClientHello"
    version, at = struct.unpack("!H", message[4:6])[0], 4 + 2 + 32
    at += 1 + message[at]
    n = struct.unpack("!H", message[at : at + 2])[0]
    ciphers = struct.unpack(f"!{n // 2}H", message[at + 2 : at + 2 + n])
    at += 2 + n
    at += 1 + message[at] + 2
    h = dict(version=version, ciphers=ciphers, kinds=[], groups=(), points=(), signatures=(), versions=(), alpn="", names=[])
    while at < len(message):
        kind, n = struct.unpack("!HH", message[at : at + 4])
        body = message[at + 4 : at + 4 + n]
        h["kinds"].append(kind)
        shorts = lambda b: struct.unpack(f"!{len(b) // 2}H", b)  # noqa: E731
        if kind == 0:
            h["names"].append((where + at + 9, body[5:].decode()))
        elif kind == 10:
            h["groups"] = shorts(body[2:])
        elif kind == 11:
            h["points"] = tuple(body[1:])
        elif kind == 13:
            h["signatures"] = shorts(body[2:])
        elif kind == 16:
            h["alpn"] = body[3 : 3 + body[2]].decode()
        elif kind == 43:
            h["versions"] = shorts(body[1:])
        at += 4 + n
    assert at == len(message), "its extensions do not fill it"
    return h


def tls(stream):
    """the ClientHello of one record at the begin of the stream, RFC 8446 5.1"""
    assert stream[:2] == b"\x16\x03", "no handshake record"
    return hello(stream[5 : 5 + struct.unpack("!H", stream[3:5])[0]], 5)


def sni(stream, at):
    ((place, name),) = tls(stream)["names"]
    assert place == at, f"the name stands at {place}, not {at}"
    return name


def grease(values):
    return [v for v in values if v & 0x0F0F != 0x0A0A or v >> 8 != v & 0xFF]


def ja3(stream, _):
    """github.com/salesforce/ja3"""
    h = tls(stream)
    parts = [[h["version"]], *(grease(h[k]) for k in ("ciphers", "kinds", "groups")), h["points"]]
    return hashlib.md5(",".join("-".join(map(str, p)) for p in parts).encode()).hexdigest()


def ja4(stream, _):
    """github.com/FoxIO-LLC/ja4, technical details of JA4"""
    h = tls(stream)
    ciphers, kinds = grease(h["ciphers"]), grease(h["kinds"])
    version = {0x304: "13", 0x303: "12", 0x302: "11", 0x301: "10"}[max(grease(h["versions"]) or [h["version"]])]
    ends = (h["alpn"][0] + h["alpn"][-1]) if h["alpn"] else "00"
    short = lambda text: hashlib.sha256(text.encode()).hexdigest()[:12]  # noqa: E731
    hexes = lambda values: ",".join(f"{v:04x}" for v in values)  # noqa: E731
    signatures = "_" + hexes(h["signatures"]) if h["signatures"] else ""
    return (
        f't{version}{"d" if h["names"] else "i"}{len(ciphers):02}{len(kinds):02}{ends}_'
        f'{short(hexes(sorted(ciphers)))}_{short(hexes(sorted(k for k in kinds if k not in (0, 16))) + signatures)}'
    )


def quic_sni(datagram, where):
    """RFC 9001 5: keys out of the first connection id; that the tag is right shows that these are the bytes. The fact's
    offset is in the deciphered packet, where GCM leaves every byte at its place"""
    dcid = datagram[6 : 6 + datagram[5]]
    at = 6 + datagram[5]
    at += 1 + datagram[at]
    assert datagram[1:5] == b"\0\0\0\1" and datagram[at] == 0, "not a QUIC 1 Initial without a token"
    length = struct.unpack("!H", datagram[at + 1 : at + 3])[0] & 0x3FFF
    number_at = at + 3
    keys = aead.initial_keys(dcid)
    mask = aead.aes(keys[2], datagram[number_at + 4 : number_at + 20])
    first = datagram[0] ^ mask[0] & 15
    n = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(datagram[number_at : number_at + n], mask[1:]))
    head = bytes([first]) + datagram[1:number_at] + number
    sealed = datagram[number_at + n : number_at + length]
    nonce = (int.from_bytes(keys[1], "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    plain = aead.gcm(keys[0], nonce, sealed[:-16], b"")[:-16]
    assert aead.gcm(keys[0], nonce, plain, head) == sealed, "the tag is wrong"
    frame = plain.lstrip(b"\0")
    assert frame[:2] == b"\x06\0" and frame[2] >> 6 == 1, "no CRYPTO frame at offset 0 with a length of two bytes"
    begin = number_at + n + len(plain) - len(frame) + 4
    message = frame[4 : 4 + (struct.unpack("!H", frame[2:4])[0] & 0x3FFF)]
    ((place, name),) = hello(message, begin)["names"]
    assert place == where, f"the name stands at {place}, not {where}"
    return name


READ = {"http.uri": request, "http.host": host, "tls.sni": sni, "tls.ja3": ja3, "tls.ja4": ja4, "quic.sni": quic_sni}


def asked(row, path):
    """what tshark says of the field with the row's options"""
    field = TSHARK[row["field"]]
    with tempfile.NamedTemporaryFile(suffix=".pcap") as scratch:
        if "from" in row:
            subprocess.run(["tshark", "-r", path, "-Y", f'frame.number>={row["from"]}', "-w", scratch.name], stderr=subprocess.DEVNULL)
            path = scratch.name
        command = ["tshark", "-r", path, *row["tshark"], "-T", "fields", "-E", "occurrence=a", "-e", field]
        lines = subprocess.run(command, capture_output=True).stdout.decode("latin1").lower().splitlines()
    return {re.sub(r":\d+$", "", v) if field == "http.host" else v for line in lines for v in line.split(",")}


def same(row):
    return row["pcap"], json.dumps(row["tuple"]), row["field"], row["value"]


def check(row, path, said):
    """-> what is wrong with this row, or None"""
    if (row["frame"], row["off"]) not in said:
        return f"sluice says it at {sorted(said) or 'no place'}"
    try:
        have = READ[row["field"]](*joined(row, path))
    except (AssertionError, ValueError, IndexError, KeyError, struct.error) as e:
        return f"not shown: {e!r}"
    if have != row["value"]:
        return f"its bytes say {have!r}"
    if "tshark" in row and shutil.which("tshark") and row["value"].lower() not in asked(row, path):
        return f'tshark {" ".join(row["tshark"])} does not say it'
    return None


def table(rows):
    for r in rows:
        options = " ".join(r.get("tshark", []))
        ask = " and ".join(x for x in (f'from frame {r["from"]}' if "from" in r else "", f"`{options}`" if options else "") if x)
        name = r["pcap"].replace("suricata-verify/pcap/", "").replace("/pcap/", ": ")
        yield f'| `{name}` | {r["frame"]} | {r["off"]} | {r["field"][r["field"].index(".") + 1:]} `{r["value"]}` | {r["why"]} | {ask or "-"} |'


def main():
    if sys.argv[1] == "--table":
        print(*table(json.load(open(sys.argv[2]))), sep="\n")
        return
    out, rows, sluice, corpora = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3], pathlib.Path(sys.argv[4])
    listed = {same(r): r for r in rows}
    found = [json.loads(line) for line in open(out + "/false.jsonl")]
    found = {same(dict(r, pcap=f'{r["corpus"]}/{r["pcap"]}')): r for r in found}
    paths = sorted({str(corpora / r["pcap"]) for r in rows})
    command = [sluice, "replay", *paths, "--format", "facts", "-v", "-o", "-", "--summary", "/dev/null"]
    said = {}
    for line in subprocess.run(command, capture_output=True, check=True).stdout.splitlines():
        r = json.loads(line)
        r["pcap"] = str(pathlib.Path(r["pcap"]).relative_to(corpora))
        said.setdefault(same(r), set()).add((r.get("frame"), r.get("off")))
    bad = [f'{k[0]}: {k[2]} {k[3]!r} ({found[k]["why"]}): not in shown.json' for k in found if k not in listed]
    for key, row in listed.items():
        why = check(row, corpora / row["pcap"], said.get(key, set()))
        bad += [f"{key[0]}: {key[2]} {key[3]!r}: {why}"] if why else []
    docs = (pathlib.Path(__file__).parents[2] / "docs/accuracy.md").read_text()
    bad += [f"docs/accuracy.md lacks the row {line}" for line in table(rows) if line not in docs]
    seen = "" if shutil.which("tshark") else "; tshark is not here to be asked"
    print(*bad, *(f"{k[0]}: {k[2]} {k[3]!r} is no longer said, or others say it too" for k in listed if k not in found), sep="\n")
    print(f"{len(found)} values that the exam's sources do not have, {len(found) - sum(k not in listed for k in found)} in the list, {len(bad)} wrong{seen}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
