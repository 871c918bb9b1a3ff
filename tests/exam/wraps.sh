#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The exam again under other packets: the corpora's own wrap tool puts every capture into each encapsulation, and cuts,
# swaps and repeats its segments; the facts must stay.
# usage: wraps.sh BUILD_DIR [MODE...]       PARTS=8: every eighth capture only
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

# exam MODE: $work/MODE/out has what was found and said
exam() {
	mkdir -p "$work/$1/split" "$work/$1/out"
	python3 "$here/wrapped.py" "$sluice" "$corpora" "$work/$1/split" "$1" 0 "${PARTS:-1}"
	EXAMPLES=0 SPLIT=$work/$1/split OUT=$work/$1/out LIMIT=60 "$corpora/tools/exam.sh" "cat {}.facts" >"$work/$1/log" 2>&1 || {
		tail -5 "$work/$1/log"
		return 1
	}
	awk -F'\t' 'NR > 1 {print $2 "/" $3}' "$work/$1/split/manifest.tsv" | tr -d '\r' >"$work/$1/out/captures"
	rm -rf "$work/$1/split"
}

exam plain
exam trusting
for mode in "${modes[@]}"; do
	echo "== $mode"
	exam "$mode" && python3 "$here/judge_wrap.py" "$work/plain/out" "$work/trusting/out" \
		"$work/$mode/out" "$here/expect.json" "$mode" || bad=1
	rm -rf "${work:?}/$mode"
done
exit $bad
