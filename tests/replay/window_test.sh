#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A frame that is kept inside for longer than the writer's window of 2^18 frames: a first fragment, 300,000 datagrams of
# another flow, the last fragment. The window moves on without it; then it is written late, and nothing is lost.
# usage: window_test.sh SLUICE CAPTURES
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$work" <<'END'
import struct, sys
def ip(proto, ident, fragment, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, fragment, 64, proto, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + payload
udp = lambda port, body: struct.pack("!HHHH", port, 9, 8 + len(body), 0) + body
whole = udp(1, bytes(24))
frames = [ip(17, 7, 0x2000, whole[:16])]
frames += [ip(17, i & 0xFFFF, 0x4000, udp(2, struct.pack("!I", i))) for i in range(300000)]
frames += [ip(17, 7, 2, whole[16:])]
with open(sys.argv[1] + "/in.pcap", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for i, p in enumerate(frames):
        f.write(struct.pack("<IIII", 1700000000, i, len(p), len(p)) + p)
END
for workers in 1 4; do
	"$1" replay "$work/in.pcap" --workers $workers -o /dev/null --summary "$work/summary" -w "$work/out.pcap" --trace "$work/trace"
	python3 - "$work" $workers <<'END'
import struct, sys
def records(path):
    data, at = open(path, "rb").read(), 24
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at : at + 16 + n]
        at += 16 + n
came, left = (list(records(f"{sys.argv[1]}/{x}.pcap")) for x in ("in", "out"))
assert sorted(came) == sorted(left), f"{len(came)} came, {len(left)} left, or not the same"
late = [r for r in left if r in (came[0], came[-1])]
assert [r for r in left if r not in (came[0], came[-1])] == came[1:-1], "the others are not in their order"
assert len(late) == 2 and left.index(came[0]) > 0, "the first was not late: the window was not left"
lines = [line.split() for line in open(sys.argv[1] + "/trace")]
assert sorted(int(t[0]) for t in lines) == list(range(1, len(came) + 1)), "the trace has not each frame once"
print(f"{sys.argv[2]} workers: {len(left)} frames, the first of them at place {left.index(came[0]) + 1}")
END
done
