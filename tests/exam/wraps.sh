#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The exam again under other packets: the corpora's own wrap tool puts every capture into each encapsulation, and cuts,
# swaps and repeats its segments; the facts must stay. usage: wraps.sh BUILD_DIR [MODE...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
[ -d "$corpora" ] || { echo "the corpora are not here ($corpora)"; exit 77; }
sluice=$(realpath "$1")/sluice
shift
modes=("$@")
[ ${#modes[@]} -gt 0 ] || modes=(vlan:7 qinq:5:6 mpls:2 gre ipip vxlan:99 geneve:98 gwlb seg:1 seg:100 swap dup frag:64 seg:1,swap,dup)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
for mode in "${modes[@]}"; do
	mkdir -p "$work/split" "$work/out"
	python3 "$here/wrapped.py" "$corpora" "$work/split" "$mode"
	EXAMPLES=5 SPLIT=$work/split OUT=$work/out LIMIT=60 "$corpora/tools/exam.sh" \
		"$sluice replay {} --format facts -o - --summary /dev/null" >"$work/log" 2>&1 || true
	echo "== $mode"
	python3 "$here/judge_wrap.py" "$work/out" "$here/expect.json" "$mode" || { bad=1; grep -A40 '^RECALL' "$work/log" | grep misses || true; }
	rm -rf "$work/split" "$work/out"
done
exit $bad
