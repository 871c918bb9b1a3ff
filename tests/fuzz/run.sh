#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each fuzz target for a number of seconds, from seeds made of the project's own captures (seeds.py). What it finds is left
# in BUILD_DIR/fuzz-found. SECONDS 0 is a test that says the same on every machine: so many inputs of each target (some
# three seconds), which come of one seed and one layout of memory (answers, rules and spool read the clock themselves).
# Any other number looks elsewhere each time.
# usage: run.sh BUILD_DIR SECONDS [TARGET...]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 seconds=$2
shift 2
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(cd "$here" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//'))
python3 "$here/planted.py" --check || exit 1 # the places of --full's planted bugs still stand
work=$(mktemp -d)
declare -A runs=([answers]=900 [config]=3000 [control]=15000 [decap]=10000 [dns]=80000 [explain]=3000 [http]=2500 [pcap]=8000
	[policy]=15000 [quic]=20000 [redact]=40000 [request]=50000 [rules]=900 [spool]=5000 [stream]=600 [tls]=9000)
same=()
[ "$seconds" != 0 ] || ! setarch -R true 2>/dev/null || same=(setarch -R)
trap 'rm -rf "$work"' EXIT
mkdir -p "$build/fuzz-found"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
bad=0
run() {
	local t=$1 log=$work/$1.log
	python3 "$here/seeds.py" "$t" "$work/$t" "$here"/../captures/*.pcap
	local bound=(-seed=0 -max_total_time="$seconds")
	[ "$seconds" != 0 ] || bound=(-seed=1 -reload=0 -runs="${runs[$t]}")
	if "${same[@]}" "$build/tests/fuzz_$t" "${bound[@]}" -timeout=10 -rss_limit_mb=4096 -max_len=65536 -len_control=10 \
		-artifact_prefix="$build/fuzz-found/$t-" "$work/$t" >"$log" 2>&1; then
		echo "$t: $(ls "$work/$t" | wc -l) inputs, $(grep -oE 'cov: [0-9]+' "$log" | tail -1), $(grep -oE 'Done [0-9]+ runs' "$log")"
	else
		echo "$t: FOUND"
		grep -vE '^#[0-9]+\s' "$log" | tail -40
		return 1
	fi
}
# two at a time
for t in "${targets[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || bad=1; done
	run "$t" &
done
for _ in "${targets[@]}"; do wait -n || { [ $? = 127 ] || bad=1; }; done
[ $bad = 0 ] && echo "${#targets[@]} targets, $([ "$seconds" = 0 ] && echo "some 3" || echo "$seconds") s each: nothing found"
exit $bad
