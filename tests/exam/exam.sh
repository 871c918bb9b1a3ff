#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All captures of the corpora against their independent expectations. Fails where more is missed, or more is said that
# is not there, than expect.json allows, or a value is said that shown.py does not find in the bytes (docs/accuracy.md says
# what and why). usage: exam.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
[ -d "$corpora" ] || { echo "the corpora are not here ($corpora)"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
JOBS=$((2 * $(nproc))) OUT=$out "$corpora/tools/exam.sh" "$(realpath "$1")/sluice replay {} --format facts -o - --summary /dev/null"
python3 "$here/judge.py" "$out" "$here/expect.json"
python3 "$here/shown.py" "$out" "$here/shown.json" "$(realpath "$1")/sluice" "$corpora"
