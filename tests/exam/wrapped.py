# SPDX-License-Identifier: BSD-3-Clause
"""A corpora folder with every Ethernet capture rewritten by the corpora's wrap tool in one mode; captures to which the
mode does not apply are left out. usage: wrapped.py CORPORA OUT MODE"""
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys

corpora, out, mode = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
rows = list(csv.DictReader(open(corpora / "manifest.tsv"), delimiter="\t"))


def wrap(row):
    source, target = corpora / row["corpus"] / row["pcap"], out / row["corpus"] / row["pcap"]
    if row["linktype"] != "1":
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([sys.executable, corpora / "tools/wrap.py", source, target, mode], capture_output=True)
    return row if made.returncode == 0 else None


with concurrent.futures.ThreadPoolExecutor(2) as pool:
    kept = [r for r in pool.map(wrap, rows) if r]
keep = {(r["corpus"], r["pcap"]) for r in kept}
with open(out / "manifest.tsv", "w") as f:
    w = csv.DictWriter(f, rows[0].keys(), delimiter="\t")
    w.writeheader()
    w.writerows(kept)
# what the wrapping itself changes is not asked: tags and outer addresses
own = {"vlan", "vni", "outer.ip", "flow", "tunnel.type"}
with open(out / "facts.jsonl", "w") as f:
    for line in open(corpora / "facts.jsonl"):
        r = json.loads(line)
        if (r["corpus"], r["pcap"]) in keep and r["field"] not in own:
            f.write(line)
os.symlink(corpora / "tshark", out / "tshark")
