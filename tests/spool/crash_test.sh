#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The spool killed at chosen calls: left as it is, or by a disk that lost what it was not asked to keep; with a disk that
# fails now and then, or whose syncs take long; and without any death, where gaps have to be exact. Each mutant lacks one of its requests to the
# disk, or takes what was written ahead of it as it finds it: it has to be seen losing something. usage: crash_test.sh CRASH MUTANT...
set -uo pipefail
crash=$1
shift
n=2
[ "${SLUICE_FULL:-}" = 1 ] && n=40
bad=0
run() { "$crash" "$@" 2>&1 | tail -20; [ "${PIPESTATUS[0]}" = 0 ] || bad=1; }
run -m kill -b 1 -n $n
run -m kill -b 5 -n $n
run -m power -b 5 -n $n
run -m mixed -b 5 -n $n
run -m power -b 5 -n $n -f 40 -s 7
run -m either -b 6 -n $((2 * n)) -w 8
run -m mixed -b 5 -n $n -w 8 -f 60
for mutant; do
	case $mutant in
	*no_start_sync) mode=either ;;
	*takes_ahead) mode=mixed ;;
	*) mode=power ;;
	esac
	said=$("$mutant" -m $mode -b 6 -n 16 -w 6 -q 2>/dev/null) # ends with the first that lost something
	if [ $? = 1 ]; then
		echo "$(basename "$mutant"): found out: ${said#*: }"
	else
		echo "$(basename "$mutant"): nobody noticed"
		bad=1
	fi
done
exit $bad
