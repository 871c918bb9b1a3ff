# SPDX-License-Identifier: BSD-3-Clause
"""Prints the bytes of a capture that a fact of `--format facts -v` points at. usage: frame.py CAPTURE.pcap FACT"""
import json
import struct
import sys

fact = json.loads(sys.argv[2])
data = open(sys.argv[1], "rb").read()
at = 24
for _ in range(fact["frame"]):
    length = struct.unpack_from("<I", data, at + 8)[0]
    frame, at = data[at + 16 : at + 16 + length], at + 16 + length
value = frame[fact["off"] : fact["off"] + fact["len"]]
print(f'frame {fact["frame"]}, offset {fact["off"]}, {fact["len"]} bytes: {value!r}')
