# SPDX-License-Identifier: BSD-3-Clause
"""Another policy of 1,000 rules comes into force under load, again and again (target 10): how long after it is compiled until every
worker judges by it, and whether a datagram of 10,000 a second is lost. By hand, as root.
usage: swap.py BUILD_FOLDER [LOADS [PORT TYPE]]"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "live"))
from wire import ADDRESS  # noqa: E402
from world import World  # noqa: E402

SERVER, PORT, INTERVAL_US, SPACING_S = ADDRESS["server"][0], "9000", 100, 0.2


def main():
    build, loads = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    kind = sys.argv[3] if len(sys.argv) > 3 else "af_xdp"
    rtt, rules = str(build / "tests" / "bench_rtt"), pathlib.Path(os.environ.get("SLUICE_BENCH", "../shared/bench")) / "rules.py"
    os.sched_setaffinity(0, {0})
    w = World(str(build / "sluice"))
    prefix = w.folder / "rules"
    subprocess.run([sys.executable, str(rules), "1000", str(prefix)], check=True)
    policy = json.loads(prefix.with_suffix(".json").read_text())
    w.up(w.config(policy, kind, workers={"cores": [1], "idle": "busy"}))
    w.start("server", rtt, "-e", SERVER, PORT)
    time.sleep(0.5)
    load = w.start("client", rtt, SERVER, PORT, "10000000", str(INTERVAL_US), stdout=subprocess.PIPE, text=True)
    seen = []
    for i in range(loads):
        policy["rules"][0] = {"id": "n%d" % i, "when": {"http.host": "n%d.example" % i}, "action": "deny"}
        w.policy(policy)
        r = w.ctl("policy", "load", str(w.folder / "policy.json"))
        if not r.get("ok"):
            sys.exit("swap.py: %s" % r)
        seen.append(r["result"])
        time.sleep(SPACING_S)
    load.terminate()
    print("| %d policies of %d rules, %s | median | most |\n|---|---|---|" % (loads, len(policy["rules"]), kind))
    for key, name in (("compile_ms", "compiled in, ms"), ("publish_ms", "then in force on the worker after, ms (target: 1)")):
        values = [r[key] for r in seen]
        print("| %s | %.3f | %.3f |" % (name, statistics.median(values), max(values)))
    print("\n" + load.communicate(timeout=10)[0].strip() + " (microseconds; target: none lost)")
    lost = [d for d in w.ctl("show", "drops")["result"]["doors"] if d["kind"] == "lost" and d["frames"]]
    print("lost by the appliance: %s" % (lost or "none"))
    w.down()


main()
