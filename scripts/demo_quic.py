# SPDX-License-Identifier: BSD-3-Clause
"""Sends a browser's first QUIC datagrams, from a capture, and says what comes back. usage: demo_quic.py ADDRESS CAPTURE"""
import socket
import struct
import sys
import time


def datagrams(path):
    data = open(path, "rb").read()
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16 : at + 16 + n]
        at += 16 + n
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[42] & 0xC0 == 0xC0:
            yield frame[42:]


s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 443))
s.settimeout(2)
first = list(datagrams(sys.argv[2]))[:2]
begun = time.monotonic()
try:
    for d in first:
        s.send(d)
    print("answered: %d bytes" % len(s.recv(2000)))
except OSError as e:
    print("%s, %.1f ms after the browser's hello" % (e.strerror or e, (time.monotonic() - begun) * 1000))
