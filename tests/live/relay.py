# SPDX-License-Identifier: BSD-3-Clause
"""A bad cable, for kernels without netem: what comes by one of two interfaces leaves by the other, later, twice, out of order,
or not at all. Frames without TCP or UDP pass as they are.
usage: relay.py REPORT NEAR FAR LOSS TWICE LATER DELAY-MS SEED    LOSS, TWICE, LATER: of 1, each way

LATER frames are overtaken by those of the next 20 ms. SIGTERM: what is under way is given up, and REPORT has, as JSON, frames
and bytes of each flow that were handed to FAR, {"tcp src sport dst dport": [frames, bytes]}, and how many were lost, sent twice, late."""
import heapq
import json
import random
import select
import signal
import socket
import sys
import time

REPORT, NEAR, FAR = sys.argv[1:4]
LOSS, TWICE, LATER, DELAY, SEED = map(float, sys.argv[4:9])


def flow_of(f):
    """None: no TCP or UDP"""
    v6 = f[12:14] == b"\x86\xdd"
    if not v6 and f[12:14] != b"\x08\x00" or f[20 if v6 else 23] not in (6, 17):
        return None
    family, at, n, l4 = (socket.AF_INET6, 22, 16, 54) if v6 else (socket.AF_INET, 26, 4, 14 + (f[14] & 15) * 4)
    ends = [(socket.inet_ntop(family, f[at + i * n : at + i * n + n]), int.from_bytes(f[l4 + 2 * i : l4 + 2 * i + 2], "big")) for i in (0, 1)]
    return "%s %s %d %s %d" % (("tcp" if f[20 if v6 else 23] == 6 else "udp",) + ends[0] + ends[1])


def main():
    chance = random.Random(SEED)
    side = []
    for name in (NEAR, FAR):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((name, 3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        side.append(s)
    report = {"lost": 0, "twice": 0, "late": 0, "flows": {}}
    due, n = [], 0

    def ends(*_):
        with open(REPORT, "w") as f:
            json.dump(report, f)
        sys.exit(0)

    signal.signal(signal.SIGTERM, ends)
    poll = select.poll()
    for s in side:
        poll.register(s, select.POLLIN)
    print("ready", flush=True)
    while True:
        wait = max(0, due[0][0] - time.monotonic()) * 1000 if due else None
        for fd, _ in poll.poll(wait):
            i = 0 if fd == side[0].fileno() else 1
            frame, where = side[i].recvfrom(65536)
            if where[2] == socket.PACKET_OUTGOING:
                continue
            flow, now = flow_of(frame), time.monotonic()
            if flow and chance.random() < LOSS:
                report["lost"] += 1
                continue
            late = bool(flow) and chance.random() < LATER
            twice = bool(flow) and chance.random() < TWICE
            report["late"] += late
            report["twice"] += twice
            for again in range(1 + twice):
                n += 1
                at = now + (DELAY + late * 20 + again * 3) / 1000 if flow else now
                heapq.heappush(due, (at, n, i, frame, flow))
        while due and due[0][0] <= time.monotonic():
            _, _, i, frame, flow = heapq.heappop(due)
            side[1 - i].send(frame)
            if flow and i == 0:
                c = report["flows"].setdefault(flow, [0, 0])
                c[0] += 1
                c[1] += len(frame)


main()
