#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The threads of a replay under ThreadSanitizer: 1, 2 and 4 workers, each format, with -w and --trace, several
# captures in one run, and shipped by a spool on disk to four sinks at a time, of which one is away now and then; a real
# broker and a real S3 server, where they can be had: no race.
# usage: tsan.sh BUILD_DIR      the build with -Db_sanitize=thread
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
# A server of syslog: each other connection ends after 100 kB, and it is away for a moment.
coproc syslog { exec python3 -c '
import itertools, socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
for i in itertools.count():
    c, left = s.accept()[0], 1e12 if i % 2 else 1e5
    while left > 0 and (data := c.recv(65536)):
        left -= len(data)
    c.close()
    time.sleep(0.2)'; }
trap 'kill "$syslog_PID"; rm -rf "$work"' EXIT
read -r port <&"${syslog[0]}"
shipped() { # WORKERS
	local id=$RANDOM file='"type": "file", "path": "'$work/out.
	cat >"$work/ship.json" <<-END
	{"spool": {"path": "$work/spool.$id", "segment_mb": 1, "max_mb": 8, "flush_ms": 5},
	 "sinks": [{$file$id.eve", "format": "eve", "rotate_mb": 1}, {$file$id.ocsf", "format": "ocsf"},
	           {$file$id.facts", "format": "facts", "kinds": ["http", "dns"], "redact": ["user"]},
	           {"type": "syslog", "server": "127.0.0.1:$port", "tls": false, "settle_ms": 50}]}
	END
	some --workers $1 -c "$work/ship.json" "${captures[@]}"
}
sluice=$(realpath "$1")/sluice
for workers in 1 2 4; do
	for format in table eve facts; do
		some --workers $workers --format $format -o "$work/out" --summary "$work/sum" "${captures[@]}"
	done
	some --workers $workers -w "$work/out.pcap" --trace "$work/trace" "$here"/../captures/tour.pcap
	some --workers $workers --format facts -o "$work/out" "$here"/../golden/defrag_full/in.pcap
	shipped $workers
done
story() {
	local rc=0
	TSAN_OPTIONS=exitcode=0:log_path=$work/race:suppressions=$here/tsan.supp "$@" >"$work/said" 2>&1 || rc=$?
	n=$((n + 1))
	[ $rc != 77 ] || tail -1 "$work/said"
	{ [ $rc = 0 ] || [ $rc = 77 ]; } && ! compgen -G "$work/race*" >/dev/null && return
	grep -h '^FAIL' "$work/said" || tail -3 "$work/said"
	cat "$work"/race* 2>/dev/null | head -60
	bad=1
}
STORIES="plain killed" story python3 "$here/../broker/kafka_test.py" "$sluice" "$(dirname "$sluice")/tests/mock_broker"
story python3 "$here/../broker/s3_test.py" "$sluice" names killed
echo "$n runs, ${#captures[@]} captures each, 1, 2 and 4 workers under ThreadSanitizer"
exit $bad
