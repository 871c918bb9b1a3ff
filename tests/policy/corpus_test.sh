#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is decided in line against the naive interpreter on the facts in the records: random policies made of what the
# captures show, over those of the tests and, where they are, of the corpora.
# usage: corpus_test.sh CORPUS_JUDGE CAPTURES [POLICIES]: 12, and where less is asked for 12 with SLUICE_FULL=1
set -euo pipefail
corpora=${SLUICE_CORPORA:-$2/../../../shared/corpora}
"$1" 1 40 "$2"/*.pcap
policies=${3:-12}
[ "${SLUICE_FULL:-0}" = 0 ] || policies=12
[ -d "$corpora" ] || { echo "the corpora are not here ($corpora)"; exit 0; }
find -L "$corpora" -type f \( -name '*.pcap*' -o -name '*.cap*' -o -name '*.trace*' \) -size -8000k | sort | xargs "$1" 2 "$policies"
