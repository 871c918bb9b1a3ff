#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the golden captures out of cases_*.py, whose dicts CASES say for each case: frames, and optionally link, args,
and what run.py compares. They are committed; run this after a change, and look at the difference.
usage: make.py [CASE...]"""
import importlib
import json
import pathlib
import sys

from packets import ETH, pcap

HERE = pathlib.Path(__file__).resolve().parent


def main():
    wanted = set(sys.argv[1:])
    for module in sorted(HERE.glob("cases_*.py")):
        for name, case in importlib.import_module(module.stem).CASES.items():
            if wanted and name not in wanted:
                continue
            case = dict(case)
            folder = HERE / name
            folder.mkdir(exist_ok=True)
            data = pcap(case.pop("frames"), case.pop("link", ETH))
            if len(data) > case.pop("most", 4096):
                sys.exit(f"{name}: {len(data)} bytes are too many for a golden capture")
            (folder / "in.pcap").write_bytes(data)
            policy = case.pop("policy", None)
            if policy is not None:
                (folder / "policy.json").write_text(json.dumps(policy, indent=1) + "\n")
            args = case.pop("args", [])
            if args:
                (folder / "args").write_text("\n".join(args) + "\n")
            (folder / "expect.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    main()
