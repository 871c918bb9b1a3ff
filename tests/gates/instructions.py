# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a packet by room, from two inclusive callgrind listings.
usage: instructions.py ONE.txt THREE.txt PACKETS LIMITS.json"""
import json
import re
import sys

ROOMS = ["decap_burst", "parse_burst", "defrag_room", "flow_outer_burst", "steer_burst", "flow_burst", "stream_burst",
         "inspect_burst", "tx_burst", "path_age"]


def listing(path):
    out = {}
    for line in open(path):
        # a function stands once for itself and once for each file that code was inlined from: the first has it all
        m = re.match(r"\s*([\d,]+) .*?[:/ ]([a-z_]+)(?:'\d+)?(?: \[.*)?$", line)
        if m:
            out[m[2]] = max(out.get(m[2], 0), int(m[1].replace(",", "")))
    return out


one, three, packets = listing(sys.argv[1]), listing(sys.argv[2]), int(sys.argv[3])
limits = json.load(open(sys.argv[4]))
per = lambda f: (three.get(f, 0) - one.get(f, 0)) / 2 / packets
total = per("bench_corridor") - per("bench_fill")
for room in ROOMS:
    print(f"{room:18} {per(room):8.1f}")
print(f'corridor {total:.1f} instructions a packet over {packets} packets (gate {limits["corridor"] * 1.02:.1f}, target {limits["target"]})')
sys.exit(total > limits["corridor"] * 1.02 or total <= 0)
