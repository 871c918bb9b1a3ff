#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One bug planted in each parser must be found by its fuzz target within a minute. usage: planted.sh [--check | TARGET...]
exec python3 "$(dirname "$0")/planted.py" "$@"
