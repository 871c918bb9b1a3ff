# SPDX-License-Identifier: BSD-3-Clause
"""Joins classic pcaps of one link type and byte order end to end. usage: merge.py OUT IN..."""
import sys

with open(sys.argv[1], "wb") as out:
    for i, path in enumerate(sys.argv[2:]):
        data = open(path, "rb").read()
        out.write(data if i == 0 else data[24:])
