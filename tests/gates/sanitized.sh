#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every capture at hand replayed by the ASan + UBSan build, in every format, with -w and --trace: nothing reported. With
# --full also the corpora wrapped: of seg:1, a frame for each byte, a fifth. usage: sanitized.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0 n=0
# one run over several captures: each is a world of its own, and the program starts once
some() { # FORMAT, more options..., -- CAPTURE...
	local rc=0 format=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	"$sluice" replay "$@" --format "$format" -v -o /dev/null --summary "$work/sum" "${options[@]}" 2>"$work/err" >/dev/null || rc=$?
	n=$((n + $#))
	# 3: a capture that is damaged or of a link type that is not supported
	if { [ $rc != 0 ] && [ $rc != 3 ]; } || grep -qE 'Sanitizer|runtime error' "$work/err"; then
		echo "$format, of $# captures from $1 on: exit $rc"
		grep -vE '^(read|ledger|counters| )' "$work/err" | head -20
		bad=1
	fi
}
sluice=$1/sluice
for c in "$here"/../captures/*.pcap; do some facts -w "$work/out.pcap" --trace "$work/trace" -- "$c"; done
for f in table eve facts ocsf; do some $f -- "$here"/../captures/*.pcap "$here"/../golden/*/in.pcap; done
if [ -d "$corpora" ]; then
	mapfile -t all < <(find "$corpora"/*/pcap -type f | sort)
	formats=(facts eve table)
	for ((i = 0; i < ${#all[@]}; i += 50)); do
		some ${formats[i / 50 % 3]} -w "$work/out.pcap" --trace "$work/trace" -- "${all[@]:i:50}"
	done
fi
if [ -d "$corpora" ] && [ "${SLUICE_FULL:-0}" = 1 ]; then
	for mode in vlan:7 qinq:5:6 mpls:2 gre ipip vxlan:99 geneve:98 gwlb seg:1 swap dup seg:1,swap,dup frag:64; do
		[[ $mode == *seg:1* ]] && part=(0 5) || part=()
		python3 "$here/../exam/wrapped.py" "$sluice" "$corpora" "$work/split" $mode "${part[@]}" || { echo "wrapped: $mode"; bad=1; }
		n=$((n + $(find "$work"/split/*/pcap -name '*.facts' | wc -l)))
		rm -rf "$work/split"
	done
fi
echo "$n captures replayed under ASan and UBSan"
exit $bad
