#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Killed while the disk's fdatasync takes seconds: what is missing is as young as the flush interval; the build whose
# writing waits for the sync must be seen to miss more. usage: slow_test.sh SLOW MUTANT
set -uo pipefail
bad=0
"$1" "$([ "${SLUICE_FULL:-}" = 1 ] && echo 10 || echo 3)" || bad=1
said=$("$2" 1)
if [ $? = 1 ] && grep -q 'what is missing is' <<<"$said"; then
	echo "$(basename "$2"): found out: $(tail -1 <<<"$said")"
else
	echo "$(basename "$2"): nobody noticed: $said"
	bad=1
fi
exit $bad
