#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every capture at hand replayed by the ASan + UBSan build, in every format, with -w and --trace: nothing reported. With
# --full also the corpora wrapped. usage: sanitized.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0 n=0
one() {
	local rc=0
	"$1/sluice" replay "$2" --format "$3" -v -o /dev/null --summary "$work/sum" -w "$work/out.pcap" --trace "$work/trace" \
		2>"$work/err" >/dev/null || rc=$?
	n=$((n + 1))
	# 3: a capture that is damaged or of a link type that is not supported
	if [ $rc != 0 ] && [ $rc != 3 ] || grep -qE 'Sanitizer|runtime error' "$work/err"; then
		echo "$2 ($3): exit $rc"
		head -20 "$work/err"
		bad=1
	fi
}
for c in "$here"/../captures/*.pcap "$here"/../golden/*/in.pcap; do
	for f in table eve facts; do one "$1" "$c" $f; done
done
if [ -d "$corpora" ]; then
	while read -r c; do one "$1" "$c" facts; done < <(find "$corpora"/*/pcap -type f -size -400k | sort)
fi
if [ -d "$corpora" ] && [ "${SLUICE_FULL:-0}" = 1 ]; then
	for mode in vlan:7 qinq:5:6 mpls:2 gre ipip vxlan:99 geneve:98 gwlb seg:1 swap dup frag:64; do
		python3 "$here/../exam/wrapped.py" "$corpora" "$work/split" $mode
		while read -r c; do one "$1" "$c" facts; done < <(find "$work"/split/*/pcap -type f -size -400k | sort | awk 'NR % 4 == 0')
		rm -rf "$work/split"
	done
fi
echo "$n replays under ASan and UBSan"
exit $bad
