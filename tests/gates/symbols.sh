#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the corridor may call: every symbol that objects of src/path use and do not define among themselves must be in
# symbols.allow. No malloc, no printf, no system call can slip in unseen. usage: symbols.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
objects=$(find "$1" -path '*libsluice_lib.a.p*' -name 'src_path_*.o')
[ -n "$objects" ] || { echo "no objects of src/path in $1"; exit 1; }
defined=$(nm --defined-only $objects | awk 'NF==3{print $3}' | sort -u)
used=$(nm -u $objects | awk '$1=="U"{print $2}' | sort -u)
bad=0
while read -r symbol; do
	grep -qxF -- "$symbol" <<<"$defined" && continue
	grep -v '^#' "$here/symbols.allow" | awk '{print $1}' | grep -v '^$' | grep -qxF -- "$symbol" && continue
	echo "src/path uses $symbol, which symbols.allow does not name:"
	nm -A -u $objects | grep -w "$symbol" | sed 's/^/  /'
	bad=1
done <<<"$used"
[ $bad = 0 ] && echo "$(wc -l <<<"$objects") objects use nothing beyond the allow-list"
exit $bad
