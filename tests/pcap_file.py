# SPDX-License-Identifier: BSD-3-Clause
"""Classic pcap files as tests read them: nothing is understood but the lengths, and a record that is cut at the end of the
file is none. Shares nothing with Sluice's own reader. (packets.py of tests/golden writes them.)"""
import struct

ORDERS = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
HEADER = 24  # of the file


def order(data):
    """the byte order as struct calls it, or None: no classic pcap"""
    return ORDERS.get(data[:4])


def nanoseconds(data):
    return data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")


def link_type(data):
    return struct.unpack(order(data) + "I", data[20:24])[0] & 0xFFFF


def records(data):
    """(16 bytes of header, bytes) of each record"""
    at, length = HEADER, struct.Struct(order(data) + "I")
    while at + 16 <= len(data):
        end = at + 16 + length.unpack_from(data, at + 8)[0]
        if end > len(data):
            return
        yield data[at : at + 16], data[at + 16 : end]
        at = end
