#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The same output for any number of workers, and each time.
. "$(dirname "$0")/story.sh"
for format in facts eve; do
	for n in 1 2 3 4; do
		run 0 replay "$captures"/*.pcap --format $format -v --workers $n --seed $n -o $format.$n --trace trace.$n \
			-w w.$n --summary summary
		python3 - $n <<'END'
import json, sys
s = json.load(open("summary"))
json.dump(s, open("summary." + sys.argv[1], "w"), sort_keys=True)
END
		for what in $format trace w summary; do
			cmp -s $what.1 $what.$n || fail "$what differs with $n workers: $(diff $what.1 $what.$n | head -3)"
		done
	done
	[ -s $format.1 ] || fail "nothing in $format"
done
finish
