#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# orders.py over the project's own captures and, where they are, those of the corpora (all with --full, else every
# eighth). usage: orders.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
list=("$here"/../captures/*.pcap)
if [ -d "$corpora" ]; then
	every=8
	[ "${SLUICE_FULL:-0}" = 0 ] || every=1
	mapfile -t more < <(find "$corpora"/*/pcap -size -200k -type f | sort | awk "NR % $every == 0")
	list+=("${more[@]}")
fi
SEEDS=$([ "${SLUICE_FULL:-0}" = 0 ] && echo 2 || echo 4) exec python3 "$here/orders.py" "$1/sluice" "${list[@]}"
