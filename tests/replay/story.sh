# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the stories: what they share. usage of each: STORY_test.sh SLUICE CAPTURES
set -uo pipefail
sluice=$(realpath "$1") captures=$(realpath "$2")
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work"
failed=0

# fail WORDS: says what was expected, with the last run's words
fail() {
	echo "FAILED: $*"
	sed 's/^/    /' err 2>/dev/null
	failed=1
}

# run CODE ARGUMENT...: sluice with these, standard output in out, error in err
run() {
	local want=$1 rc
	shift
	"$sluice" "$@" >out 2>err
	rc=$?
	[ $rc = "$want" ] || fail "exit code $rc, not $want: sluice $*"
}

# says WORDS: one line of the last run's standard error has them
says() {
	[ "$(grep -cF -- "$1" err)" = 1 ] || fail "not exactly one line with: $1"
}

# complaints N: lines of complaint in the last run
complaints() {
	[ "$(grep -c '^sluice: ' err)" = "$1" ] || fail "not $1 complaint(s)"
}

# key PYTHON: an expression over the JSON summary s of the last run
key() {
	python3 -c "import json; s = json.load(open('summary')); assert $1, s" || fail "summary: $1"
}

finish() {
	[ $failed = 0 ] && echo passed
	exit $failed
}
