# SPDX-License-Identifier: BSD-3-Clause
"""Traffic for the appliance of tests/live/world.py: DNS questions and their answers, each with a name of its own and a TXT
that nothing compresses, from a raw socket in each end's namespace. usage: load.py NS-CLIENT NS-SERVER QUESTIONS-A-SECOND [TEXT-BYTES [TOTAL]]"""
import base64
import ctypes
import os
import random
import socket
import struct
import sys
import time

CLIENT, SERVER = bytes.fromhex("020000007701"), bytes.fromhex("020000007702")
FLOWS = 2000


def enter(ns):
    """this thread is in that namespace, and what it opens"""
    with open("/run/netns/" + ns) as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns " + ns)


def cable(ns):
    enter(ns)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    return s


def datagram(macs, src, dst, ports, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0, src, dst)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return macs + b"\x08\x00" + head[:10] + struct.pack("!H", total) + head[12:] + struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload


def pair(i, text):
    """the i-th question and its answer"""
    client, server = struct.pack("!I", 0x0A4E0000 + i % FLOWS), b"\x0a\x4f\0\x35"
    name = b"".join(bytes([len(l)]) + l for l in (b"n%010d" % i, b"load", b"example")) + b"\0"
    question = name + struct.pack("!HH", 16, 1)
    ask = struct.pack("!HHHHHH", i & 0xFFFF, 0x0100, 1, 0, 0, 0) + question
    rest = base64.b64encode(random.randbytes(text * 3 // 4))
    strings = b"".join(bytes([len(rest[k : k + 255])]) + rest[k : k + 255] for k in range(0, len(rest), 255))
    tell = struct.pack("!HHHHHH", i & 0xFFFF, 0x8180, 1, 1, 0, 0) + question + \
        struct.pack("!HHHIH", 0xC00C, 16, 1, 60, len(strings)) + strings
    port = 1024 + i % FLOWS
    return datagram(SERVER + CLIENT, client, server, (port, 53), ask), datagram(CLIENT + SERVER, server, client, (53, port), tell)


def main(client_ns, server_ns, rate, text="1000", total="0"):
    client, server = cable(client_ns), cable(server_ns)
    rate, text, total, sent, begin = int(rate), int(text), int(total), 0, time.monotonic()
    while not total or sent < total:
        burst = [pair(sent + k, text) for k in range(16)]
        for s, which in ((client, 0), (server, 1)):
            for b in burst:
                try:
                    s.send(b[which])
                except OSError:  # a port that is being taken down, or full
                    pass
        sent += len(burst)
        time.sleep(max(0, begin + sent / rate - time.monotonic()))
        if os.getppid() == 1:
            break
    print(sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
