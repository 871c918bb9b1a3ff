#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bad input: one clear line each, the right exit code, and what could be done is done.
. "$(dirname "$0")/story.sh"
good=$captures/http.pcap
frames=$("$sluice" replay "$good" -o /dev/null --trace - 2>/dev/null | wc -l)

# files that are no captures
: >empty.pcap
mkdir folder.pcap
printf 'no capture\nbut words\n' >text.pcap
head -c 100 /dev/urandom | tr '\0-\177' '\200-\377' >random.pcap
for case in "empty.pcap:is empty" "folder.pcap:is a directory" "text.pcap:is a text file" "random.pcap:is not a capture" \
	"nowhere.pcap:No such file"; do
	run 3 replay "${case%%:*}"
	says "${case#*:}"
	complaints 1
done

# one that may not be read (root may read everything)
cp "$good" secret.pcap
chmod 0 secret.pcap
if [ "$(id -u)" != 0 ]; then
	run 3 replay secret.pcap
	says "Permission denied"
fi

# one cut in the middle, plain and packed: the frames before the cut are replayed
head -c $(($(stat -c %s "$good") - 10)) "$good" >cut.pcap
gzip -c "$good" | head -c $(($(gzip -c "$good" | wc -c) - 30)) >cut.pcap.gz
run 3 replay cut.pcap -o /dev/null --summary summary
says "cut.pcap: damaged after frame $((frames - 1)):"
key "s['ledger']['rx'] == $frames - 1 and s['ledger']['held'] == 0 and s['mbufs_in_use'] == 0"
run 3 replay cut.pcap.gz -o /dev/null
says "the gzip data end in the middle"
complaints 1

# a link type that is not known
python3 - <<'END'
import struct
open("nflog.pcap", "wb").write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 239))
END
run 3 replay nflog.pcap
says "link type 239 (NFLOG) is not supported"

# 500 captures, the 250th broken: one line, the others are done
many=()
for i in $(seq 500); do many+=("$captures/dns.pcap"); done
many[249]=text.pcap
one=$("$sluice" replay "$captures/dns.pcap" -o /dev/null --trace - 2>/dev/null | wc -l)
run 3 replay "${many[@]}" -o /dev/null --summary summary
complaints 1
says "text.pcap: is a text file"
key "s['ledger']['rx'] == 499 * $one and len(s['captures']) == 500 and 'error' in s['captures'][249]"

# the same, merged
ulimit -n 1024
run 3 replay "${many[@]}" -o /dev/null --join --summary summary
complaints 1
key "s['ledger']['rx'] == 499 * $one"

# standard input: a pipe, an empty one, a closed one
"$sluice" replay - -o /dev/null --summary summary <"$good" 2>err || fail "from standard input"
key "s['ledger']['rx'] == $frames"
gzip -c "$good" | (sleep 0.1; "$sluice" replay - -o /dev/null --summary summary 2>err) || fail "from a packed pipe"
key "s['ledger']['rx'] == $frames"
"$sluice" replay - </dev/null >out 2>err
[ $? = 3 ] || fail "empty standard input"
says "is empty"

# a reader that goes away: quiet, done
for format in table eve facts; do
	"$sluice" replay "$captures"/*.pcap --format $format 2>err | head -1 >/dev/null
	[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe under $format"
done
"$sluice" replay "$captures"/tour.pcap -w - 2>err | head -c 1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe under -w -"
"$sluice" replay "$captures"/tour.pcap --trace - 2>err | head -1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe under --trace -"

# a full disk
if [ -w /dev/full ]; then
	for option in "-o /dev/full" "-w /dev/full -o /dev/null" "--trace /dev/full -o /dev/null" \
		"--summary /dev/full -o /dev/null"; do
		run 3 replay "$captures/tour.pcap" --format facts $option
		says "No space left on device"
		complaints 1
	done
fi
run 3 replay "$good" -o /nowhere/at/all
says "cannot write"
run 3 replay "$good" -w /nowhere/at/all -o /dev/null
says "cannot write"

# names that would harm a terminal
printf 'x' >$'\033[31mred\n.pcap'
run 3 replay $'\033[31mred\n.pcap'
grep -q $'\033' err && fail "control bytes on the terminal"
complaints 1

# usage
run 2
run 2 repaly "$good"
says 'did you mean "replay"'
run 2 replay
says "no capture given"
run 2 replay "$good" --format xml
says 'cannot be "xml"'
run 2 replay "$good" -p a -p b
says "given twice"
run 2 replay "$good" --workers 0
run 2 replay "$good" --nonsense
says "unknown option --nonsense"
run 2 replay "$good" -o - -w -
run 2 replay - - </dev/null
cp "$good" mine.pcap
for option in -o -w --trace --summary; do
	run 2 replay mine.pcap $option ./mine.pcap
	says "would overwrite the capture"
done
cmp -s "$good" mine.pcap || fail "a capture was overwritten"
run 2 replay "$good" --format
says "needs a value"
run 0 --help
run 0 --version
run 0 replay --help
for option in output format verbose write summary trace speed join workers transport checksum seed flows policy hold-bytes hold-time \
	held-frames fail hold-exceeded out-of-memory help; do
	grep -q -- "--$option" out || fail "--help without --$option"
done
[ "$(grep -c 'e.g. sluice replay' out)" = "$(grep -cE '^  (-., |    )--' out)" ] || fail "an option without its example"
# outputs that would overwrite each other, and values that cannot be: what can
touch there
for pair in "-o same -w same" "-o same -w ./same" "--trace there --summary $PWD/there"; do
	# shellcheck disable=SC2086
	run 2 replay "$captures/dns.pcap" $pair
	says "overwrite each other"
done
run 0 replay "$captures/dns.pcap" -o /dev/null -w /dev/null --summary /dev/null
run 2 replay "$captures/dns.pcap" --workers 99
says '"99": 1 to 32'
run 2 replay "$captures/dns.pcap" --fail http_ambigous=pass
says 'unknown fail mode "http_ambigous" (did you mean "http_ambiguous"?)'
run 2 replay "$captures/dns.pcap" --fail midstream=pickup
says '(did you mean "pick_up"?): midstream is pick_up|drop'
run 2 replay "$captures/dns.pcap" --fail midstream
says "KEY=VALUE"
run 0 replay "$captures/dns.pcap" -o /dev/null --fail midstream=drop --fail no_policy=open
grep -qx "fail       midstream=drop" err || fail "the summary does not say which fail mode is not the default"
run 2 replay "$captures/dns.pcap" --transport gwlb,none
says "or none"

# until it has its handler: a shell without job control starts what is in the background with SIGINT ignored
catches() {
	for ((i = 0; i < 300; i++)); do
		[ "$(</proc/$1/comm)" = "${sluice##*/}" ] && ((0x$(awk '/^SigCgt/{print $2}' /proc/$1/status) & 2)) && return
		sleep 0.1
	done
	fail "no handler for SIGINT"
}

# Ctrl-C ends a replay that waits on a pipe, and what came is said
mkfifo pipe
"$sluice" replay - -o /dev/null --summary summary <pipe >out 2>err &
pid=$!
exec 9>pipe
head -c 1000 "$captures/dns.pcap" >&9
catches $pid
sleep 1
kill -INT $pid
for ((i = 0; i < 300; i++)); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
kill -9 $pid 2>/dev/null && fail "Ctrl-C did not end a replay that waits on a pipe"
exec 9>&-
complaints 0
key 's["ledger"]["rx"] > 0 and s["ledger"]["held"] == 0'
# nor on one that nobody has opened yet; captures behind it are not begun
"$sluice" replay pipe "$captures/dns.pcap" -o /dev/null --summary summary >out 2>err &
pid=$!
catches $pid
kill -INT $pid
for ((i = 0; i < 300; i++)); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
kill -9 $pid 2>/dev/null && fail "Ctrl-C did not end a replay that waits for a pipe's writer"
complaints 0
key 's["ledger"]["rx"] == 0'
finish
