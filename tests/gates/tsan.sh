#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The threads of a replay under ThreadSanitizer: 1, 2 and 4 workers, each format, with -w and --trace, and several
# captures in one run: no race. usage: tsan.sh BUILD_DIR      the build with -Db_sanitize=thread
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
export TSAN_OPTIONS=exitcode=99:halt_on_error=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
captures=("$here"/../captures/*.pcap "$here"/../golden/*/in.pcap)
if [ -d "$corpora" ]; then
	mapfile -t more < <(find "$corpora"/*/pcap -size -100k -type f | sort | awk 'NR % 4 == 0')
	captures+=("${more[@]}")
fi
bad=0 n=0
# 3: a capture that is damaged or of a link type that is not supported
some() { # OPTION... -- CAPTURE...
	local rc=0
	"$sluice" replay "$@" >/dev/null 2>"$work/err" || rc=$?
	n=$((n + 1))
	if { [ $rc != 0 ] && [ $rc != 3 ]; } || grep -q 'ThreadSanitizer' "$work/err"; then
		echo "exit $rc of: $*" | cut -c1-200
		grep -A30 -m1 'WARNING: ThreadSanitizer' "$work/err" || head -5 "$work/err"
		grep -h '^SUMMARY' "$work/err" | sort | uniq -c | head
		bad=1
	fi
}
sluice=$1/sluice
for workers in 1 2 4; do
	for format in table eve facts; do
		some --workers $workers --format $format -o "$work/out" --summary "$work/sum" "${captures[@]}"
	done
	some --workers $workers -w "$work/out.pcap" --trace "$work/trace" "$here"/../captures/tour.pcap
	some --workers $workers --format facts -o "$work/out" "$here"/../golden/defrag_full/in.pcap
done
echo "$n runs, ${#captures[@]} captures each, 1, 2 and 4 workers under ThreadSanitizer"
exit $bad
