#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The budget: lines of .c by folder. src/path about 7,000, all of src and bpf about 25,000, a file at most 600.
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
path=$(git ls-files 'src/path/*.c' | xargs cat | wc -l)
all=$(git ls-files 'src/*.c' 'bpf/*.c' | xargs cat | wc -l)
[ "$all" -le 25000 ] || { echo "all of src: $all lines, budget 25000"; bad=1; }
echo "src/path $path lines of .c (budget 7000), all $all (budget 25000)"
exit $bad
