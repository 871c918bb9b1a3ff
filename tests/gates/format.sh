#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every C file is as clang-format leaves it.
set -euo pipefail
cd "$(dirname "$0")/../.."
files=$(git ls-files '*.c' '*.h')
clang-format-14 --dry-run -Werror $files && echo "$(wc -w <<<"$files") files formatted"
