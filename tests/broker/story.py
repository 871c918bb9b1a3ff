# SPDX-License-Identifier: BSD-3-Clause
"""A capture that a sluice ships: what tests of sinks tell their stories with."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

from servers import until

CASINO = b"\x06casino\x07example\x00\x00\x01\x00\x01"


def query(i):
    """a DNS query of a client of its own, as a frame"""
    dns = struct.pack("!HHHHHH", i & 0xFFFF, 0x100, 1, 0, 0, 0) + CASINO
    udp = struct.pack("!HHHH", 1024 + i % 60000, 53, 8 + len(dns), 0) + dns
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), i & 0xFFFF, 0, 64, 17, 0, struct.pack("!I", 0x0A000000 + i % 500),
                     b"\xc0\x00\x02\x01")
    s = sum(struct.unpack("!10H", ip))
    s = (s & 0xFFFF) + (s >> 16)
    ip = ip[:10] + struct.pack("!H", ~(s + (s >> 16)) & 0xFFFF) + ip[12:]
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + udp


def capture(path, n):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(n):
            frame = query(i)
            f.write(struct.pack("<IIII", 1700000000 + i // 1000, i % 1000 * 1000, len(frame), len(frame)) + frame)


def identity(line):
    o = json.loads(line)
    return o["node"], int(o["boot"]), o["worker"], o["seq"]


class Story:
    """a folder, a spool, a capture, and a sluice that ships it"""

    def __init__(self, sluice, kafka, sink=None, records=1000):
        self.sluice = sluice
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-kafka-"))
        capture(self.folder / "in.pcap", records)
        self.config = {"node": "n1", "spool": {"path": str(self.folder / "spool")}, "kafka": kafka,
                       "sinks": [{"type": "file", "path": str(self.folder / "records.json")},
                                 {"type": "kafka", "topic": "swg_logs", "errors_topic": "swg_errors", **(sink or {})}]}
        self.process, self.environment = None, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def start(self, pcap="in.pcap"):
        (self.folder / "sluice.json").write_text(json.dumps(self.config))
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen([self.sluice, "replay", "-c", self.folder / "sluice.json", self.folder / pcap],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.environment})
        return self

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def says(self, text, seconds=60):
        until(lambda: text in self.log() or self.process.poll() is not None, seconds, lambda: "%r: %s" % (text, self.log()[-2000:]))
        return text in self.log()

    def ends(self, seconds=240):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError("replay has not ended: %s" % self.log()[-2000:]) from None

    def written(self):
        return (self.folder / "records.json").read_bytes().splitlines()
