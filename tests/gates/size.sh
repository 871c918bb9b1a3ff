#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The budget: lines of .c by folder. The rooms of src/path that carry packets 7,100 (100 for the look at what is not
# whole), those that decide (policy, judge, hold, act, answer, limit, mirror, publish) 6,300, the protocols in app/
# 7,600 (100 for what only attackers say), src/policy 7,500 (half of it says what is wrong with a policy, and where),
# all of src and bpf 42,000; a file at most 600. What is full has to lose something before it gets more.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
for f in $(git ls-files 'src/*.c' 'bpf/*.c'); do
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || { echo "$f: $n lines, at most 600"; bad=1; }
done
for d in src/path src/path/app src/policy src/ship src/base src/cmd include tests; do
	printf '%-14s %6d lines\n' $d "$(git ls-files "$d/*.c" "$d/*.h" | { [ $d = src/path ] && grep -v /app/ || cat; } | xargs cat 2>/dev/null | wc -l)"
done
deciding='/\(policy\|judge\|hold\|act\|answer\|limit\|mirror\|publish\)[a-z_]*\.c$'
rooms=$(git ls-files 'src/path/*.c' | grep -v /app/ | grep -v "$deciding" | xargs cat | wc -l)
verdict=$(git ls-files 'src/path/*.c' | grep -v /app/ | grep "$deciding" | xargs cat | wc -l)
app=$(git ls-files 'src/path/app/*.c' | xargs cat | wc -l)
all=$(git ls-files 'src/*.c' 'bpf/*.c' | xargs cat | wc -l)
policy=$(git ls-files 'src/policy/*.c' | xargs cat | wc -l)
[ "$all" -le 42000 ] || { echo "all of src: $all lines, budget 42000"; bad=1; }
[ "$policy" -le 7500 ] || { echo "src/policy: $policy lines, budget 7500"; bad=1; }
[ "$rooms" -le 7100 ] || { echo "the rooms: $rooms lines, budget 7100"; bad=1; }
[ "$verdict" -le 6300 ] || { echo "the rooms that decide: $verdict lines, budget 6300"; bad=1; }
[ "$app" -le 7600 ] || { echo "the protocols: $app lines, budget 7600"; bad=1; }
echo "lines of .c: rooms $rooms (budget 7100), deciding $verdict (6300), protocols $app (7600), policy $policy (7500), all $all (42000)"
exit $bad
