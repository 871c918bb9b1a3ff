#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# held.py over the project's own captures and, where they are, those of the corpora. usage: held.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/captures.sh"
exec python3 "$here/held.py" "$1/sluice" "${list[@]}"
