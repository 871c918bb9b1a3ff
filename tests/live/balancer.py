# SPDX-License-Identifier: BSD-3-Clause
"""A Gateway Load Balancer, as an appliance sees one: what comes from either side goes in GENEVE to the target, and what
comes back is opened and sent on. It holds the target to the letter: addresses of the outer header exchanged, UDP ports
as they were, the 40 bytes of GENEVE and options byte for byte those of a flow that it knows, sums right.
usage: balancer.py REPORT TARGET-MAC [IDLE]    in a namespace with: side-a (clients), side-b (servers), side-t (the target)

    | Ethernet 14 | IPv4 20 | UDP 8 | GENEVE 8: 08 00 | type | 0 | endpoint 12 | attachment 12 | cookie 8 | packet

SIGUSR1: sends what no balancer sends. SIGTERM: writes REPORT, as JSON, and ends."""
import json
import select
import signal
import socket
import struct
import sys
import zlib

SELF, TARGET = "10.83.0.1", "10.83.0.10"
ENDPOINT = 0x0123456789abcdef
OPTIONS = 40


def fold(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def ip_header(length, src, dst):
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 255, 17, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack("!H", 0xffff ^ fold(h)) + h[12:]


def tuple_of(p):
    """addresses, protocol, ports: the same in both directions"""
    if p[0] >> 4 == 4:
        proto, ends, l4 = p[9], [p[12:16], p[16:20]], (p[0] & 15) * 4
    else:
        proto, ends, l4 = p[6], [p[8:24], p[24:40]], 40
    ports = [p[l4:l4 + 2], p[l4 + 2:l4 + 4]] if proto in (6, 17) and not (p[0] >> 4 == 4 and struct.unpack("!H", p[6:8])[0] & 0x1fff) else [b"", b""]
    return proto, l4, b"".join(sorted([ends[0] + ports[0], ends[1] + ports[1]])) + bytes([proto])


def sum_good(p):
    proto, l4, _ = tuple_of(p)
    if p[0] >> 4 == 4:
        if fold(p[:l4]) != 0xffff:
            return False
        if struct.unpack("!H", p[6:8])[0] & 0x3fff:
            return True
        end = struct.unpack("!H", p[2:4])[0]
        pseudo = p[12:20] + struct.pack("!BBH", 0, proto, end - l4)
    else:
        end = 40 + struct.unpack("!H", p[4:6])[0]
        pseudo = p[8:40] + struct.pack("!IHBB", end - l4, 0, 0, proto)
    if proto == 1:
        pseudo = b""
    elif proto not in (6, 17, 58):
        return True
    return fold(pseudo + p[l4:end]) == 0xffff


def mss_of(p):
    proto, l4, _ = tuple_of(p)
    if proto != 6 or not p[l4 + 13] & 2:
        return None
    o = p[l4 + 20:l4 + (p[l4 + 12] >> 4) * 4]
    while o and o[0]:
        if o[0] == 1:
            o = o[1:]
        elif o[0] == 2:
            return struct.unpack("!H", o[2:4])[0]
        else:
            o = o[o[1]:]
    return None


class Balancer:
    def __init__(self, target_mac):
        self.target_mac = bytes.fromhex(target_mac.replace(":", ""))
        self.port = {}
        for name in "abt":
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.bind(("side-" + name, 3))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            self.port[name] = s
        self.mac = {n: s.getsockname()[4] for n, s in self.port.items()}
        self.hosts = {}  # address -> side, MAC
        self.known = {}  # cookie -> the 40 bytes and the UDP port
        self.report = {"sent": 0, "back": 0, "wrong": [], "mss": []}
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # the kernel does not answer for 6081
        self.sink.bind((SELF, 6081))

    def wrap(self, packet):
        _, _, key = tuple_of(packet)
        cookie = zlib.crc32(key)
        kind = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
        geneve = struct.pack("!BBHI", 8, 0, kind, 0) + struct.pack("!HBBQ", 0x108, 1, 2, ENDPOINT) + \
            struct.pack("!HBBQ", 0x108, 2, 2, 0) + struct.pack("!HBBI", 0x108, 3, 1, cookie)
        sport = 0x8000 | cookie & 0x7fff
        self.known[cookie] = (geneve[:2] + geneve[4:], sport)
        return self.outer(geneve + packet, sport)

    def outer(self, rest, sport):
        udp = struct.pack("!HHHH", sport, 6081, 8 + len(rest), 0)
        return self.target_mac + self.mac["t"] + b"\x08\x00" + ip_header(28 + len(rest), SELF, TARGET) + udp + rest

    def from_side(self, side, frame):
        kind = frame[12:14]
        packet = frame[14:]
        other = "b" if side == "a" else "a"
        local = kind == b"\x86\xdd" and packet[6] == 58 and 130 <= packet[40] <= 137 or kind == b"\x86\xdd" and packet[24] == 0xff
        if kind == b"\x08\x00":
            packet = packet[:struct.unpack("!H", packet[2:4])[0]]
            self.hosts[packet[12:16]] = (side, frame[6:12])
        elif kind == b"\x86\xdd":
            packet = packet[:40 + struct.unpack("!H", packet[4:6])[0]]
            self.hosts[packet[8:24]] = (side, frame[6:12])
        elif kind == b"\x08\x06":
            self.hosts[packet[14:18]] = (side, packet[8:14])
        if kind not in (b"\x08\x00", b"\x86\xdd") or local:
            self.port[other].send(frame)  # of the network itself, not of the endpoint
            return
        self.report["sent"] += 1
        self.port["t"].send(self.wrap(packet))

    def wrong(self, what, frame):
        if len(self.report["wrong"]) < 20:
            self.report["wrong"].append("%s: %s" % (what, frame[:100].hex()))

    def from_target(self, frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != struct.pack("!H", 6081):
            return
        if frame[6:12] != self.target_mac or frame[:6] != self.mac["t"]:
            return  # our own, on its way out
        self.report["back"] += 1
        ip, udp, geneve = frame[14:34], frame[34:42], frame[42:82]
        total = struct.unpack("!H", ip[2:4])[0]
        packet = frame[82:14 + total]
        if ip[12:20] != socket.inet_aton(TARGET) + socket.inet_aton(SELF) or fold(ip) != 0xffff:
            return self.wrong("outer header", frame)
        if struct.unpack("!H", udp[4:6])[0] != total - 20:
            return self.wrong("UDP length", frame)
        cookie = struct.unpack("!I", geneve[36:40])[0]
        if cookie not in self.known:
            return self.wrong("a flow that never came from here", frame)
        if (geneve[:2] + geneve[4:], struct.unpack("!H", udp[:2])[0]) != self.known[cookie]:
            return self.wrong("not the header of the flow", frame)
        if struct.unpack("!H", geneve[2:4])[0] != (0x0800 if packet[0] >> 4 == 4 else 0x86dd):
            return self.wrong("type of what is inside", frame)
        _, _, key = tuple_of(packet)
        error = packet[9] == 1 if packet[0] >> 4 == 4 else packet[6] == 58
        if zlib.crc32(key) != cookie and not error:
            return self.wrong("another flow's cookie", frame)
        if not sum_good(packet):
            return self.wrong("sums", frame)
        if mss_of(packet):
            self.report["mss"].append(mss_of(packet))
        side, mac = self.hosts.get(packet[16:20] if packet[0] >> 4 == 4 else packet[24:40], (None, None))
        if not side:
            return self.wrong("for nobody", frame)
        self.port[side].send(mac + self.mac[side] + frame[82 - 40 + 2:82 - 40 + 4] + packet)

    def never(self, *_):
        """frames that no balancer sends"""
        inner = ip_header(28, "10.78.0.1", "10.78.0.2") + b"\0" * 8
        good = self.wrap(inner)[42:82]
        for bad in (b"\x48" + good[1:], b"\x02" + good[1:8] + good[8:], good[:2] + b"\x65\x58" + good[4:], b"\x3f" + good[1:],
                    good[:8] + b"\x01\x09" + good[10:]):
            self.port["t"].send(self.outer(bad + inner, 40000))
        self.port["t"].send(self.outer(good + b"\x55" * 40, 40000))  # nothing that is IP inside
        other = self.outer(good + inner, 40000)
        self.port["t"].send(b"\x02\0\0\0\0\x99" + other[6:])  # for another station

    def run(self):
        sides = {s.fileno(): n for n, s in self.port.items()}
        poll = select.poll()
        for fd in sides:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                name = sides[fd]
                frame, where = self.port[name].recvfrom(65536)
                if where[2] == socket.PACKET_OUTGOING:
                    continue
                if name == "t":
                    self.from_target(frame)
                else:
                    self.from_side(name, frame)


def main():
    b = Balancer(sys.argv[2])

    def ends(*_):
        with open(sys.argv[1], "w") as f:
            json.dump(b.report, f)
        sys.exit(0)
    signal.signal(signal.SIGTERM, ends)
    signal.signal(signal.SIGUSR1, b.never)
    print("ready", flush=True)
    b.run()


main()
