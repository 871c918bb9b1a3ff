#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What replay -w changes in the captures of the corpora: no more than written.json says (docs/accuracy.md says why).
# usage: written.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
corpora=${SLUICE_CORPORA:-$here/../../../shared/corpora}
[ -d "$corpora" ] || { echo "the corpora are not here ($corpora)"; exit 77; }
exec python3 "$here/written.py" "$1/sluice" "$here/written.json" "$corpora"
