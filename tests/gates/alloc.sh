#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No allocation and no page fault in the corridor after start: the real program, malloc interposed, over millions of
# packets that include QUIC, JA4 and fragments. usage: alloc.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packets=1000000
[ "${SLUICE_FULL:-0}" = 0 ] || packets=10000000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -D_GNU_SOURCE -O2 -shared -fPIC -o "$work/count.so" "$here/../bench/count_alloc.c" -ldl
python3 "$here/../bench/merge.py" "$work/all.pcap" "$here"/../captures/*.pcap
n=$(tcpdump -r "$work/all.pcap" 2>/dev/null | wc -l)
loops=$((packets / n + 1))
LD_PRELOAD=$work/count.so "$1/sluice" bench --only corridor -n $loops --flows 65536 "$work/all.pcap" >"$work/out"
grep allocations "$work/out" || { cat "$work/out"; exit 1; }
grep -q "allocations 0, page faults 0 " "$work/out" || exit 1
echo "$n packets, $loops loops: nothing allocated, no page fault"
