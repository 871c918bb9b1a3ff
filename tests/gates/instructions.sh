#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Instructions a packet, room by room, by callgrind: one loop and three loops over a small mix, the difference divided
# by twice the packets. Repeatable to about 1 %; fails where the total is more than 2 % above instructions.json.
# With a policy it only says: the gate is for the corridor alone.
# usage: instructions.sh BUILD_DIR [CAPTURE [POLICY]]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bench=${SLUICE_BENCH:-$here/../../../shared/bench}
[ -f "$bench/mix.py" ] || [ -n "${2:-}" ] || { echo "the generators of traffic are not here ($bench)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
capture=${2:-$work/mix.pcap}
[ -n "${2:-}" ] || python3 "$bench/mix.py" "$capture" 2000 >/dev/null
# callgrind counts each byte of rep movsb as an instruction
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000
for loops in 1 3; do
	valgrind --tool=callgrind --callgrind-out-file="$work/$loops.out" --toggle-collect=bench_corridor \
		"$1/sluice" bench --only corridor -n $loops --flows 65536 ${3:+-p "$3"} "$capture" >"$work/$loops.log" 2>&1 || { tail -20 "$work/$loops.log"; exit 1; }
	callgrind_annotate --inclusive=yes --threshold=100 "$work/$loops.out" >"$work/$loops.txt" 2>/dev/null
done
packets=$(grep -oP '^.*: \K[0-9]+(?= packets)' "$work/1.log" | head -1)
python3 "$here/instructions.py" "$work/1.txt" "$work/3.txt" "$packets" "$here/instructions.json" || [ -n "${3:-}" ]
