#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# orders.py over the project's own captures and, where they are, those of the corpora: 2 orders of each, 4 with --full.
# usage: orders.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/captures.sh"
SEEDS=$([ "${SLUICE_FULL:-0}" = 0 ] && echo 2 || echo 4) exec python3 "$here/orders.py" "$1/sluice" "${list[@]}"
