#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may look at whom (docs/architecture.md): path/, remote/ and ship/ include only include/, base/ and their own
# folder, ship/ also remote/;
# base/ only include/ and base/ and path's types; nothing includes cmd/ but cmd/.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
check() { # FOLDER, pattern of project headers that it may name
	local hits
	hits=$(grep -rnE '^#include "' "src/$1" | grep -vE "#include \"($2)" || true)
	[ -z "$hits" ] || { echo "src/$1 may include only $2:"; echo "$hits"; bad=1; }
}
own='[a-z0-9_]+\.h|\.\./[a-z0-9_]+\.h|app/[a-z0-9_]+\.h'
check path "$own|base/"
check policy "[a-z0-9_]+\.h|base/|path/|policy/"
check ship "[a-z0-9_]+\.h|base/|ship/|remote/"
check decide "[a-z0-9_]+\.h|base/|decide/|path/|policy/|live/|remote/|ship/"
check remote "[a-z0-9_]+\.h|base/|remote/"
check live "[a-z0-9_]+\.h|base/|live/|path/|policy/"
check base "[a-z0-9_]+\.h|base/|path/worker\.h|path/rooms\.h|path/path\.h"
if grep -rnE '#include "(\.\./)*cmd/' src --include='*.[ch]' | grep -v '^src/cmd/\|^src/main.c'; then echo "nothing includes cmd/"; bad=1; fi
# at most three project includes in a header, or a reason why not
for h in $(find src include -name '*.h'); do
	n=$(grep -c '^#include "' "$h" || true)
	[ "$n" -le 3 ] || grep -q '^// rule: includes, because ' "$h" || { echo "$h: $n project includes, at most 3"; bad=1; }
done
[ $bad = 0 ] && echo "includes obey the floors"
exit $bad
