# SPDX-License-Identifier: BSD-3-Clause
"""The same facts whatever the number of workers, and in any order that a network may give. All captures go through one
run, for starting takes longer than most of them do. usage: orders.py SLUICE CAPTURE...   SEEDS=3: orders of each"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

import shuffle

SEEDS = int(os.environ.get("SEEDS", "2"))
# Statements about the order itself: a server's QUIC packets before the client's first cannot be decrypted
OF_ORDER = {("anomaly", "quic.undecryptable")}
# Captures of which one field may differ, and why
OF_CAPTURE = {
    # a flow whose frames are partly in GRE: the addresses of the tunnel are said of its first frame
    "tunnels__tunnel-direct-bypass.pcap": {"outer.ip"},
    # pauses are cut, so its UDP flows are not forgotten between datagrams and come to the 16 that make them "unknown"
    "bacnet-stack-services.pcap": {"app"},
    # segments of 4 KB moved by 64 places are more than the 64 KiB that a direction keeps
    "e0a12703e982-in.pcap": {"stream.gap"},
    # HTTP/2: the client gives a stream up, and then it is answered: a transaction of its own, or not, by what comes first
    "c9d792b4e380-input.pcap": {"http2.status"},
    # HTTP/2 without TLS: in one order 11 KB of the server's come before the client's preface, of which 4,096 wait for it
    "69ac45a42a6e-input.pcap": {"http2.status"},
}


# Edited captures with wrong checksums: that the ACK comes after the segment shows that it was received, so their order is
# evidence (tests/golden/csum_inserted: an ACK before it is none). Only the number of workers is tried.
EVIDENCE = {
    "badcurveball.pcap",
    "smtp-subject-8859-b.pcap",
    "smtp-subject-8859-multi.pcap",
    "009e406f3fdd-krb5-frag.pcap",
    "tcp-http-with-padding.pcap",
    "tunnels__geneve-many-options.pcap",
}


def run(sluice, paths, *more):
    """what is said of each capture, in lines"""
    command = [sluice, "replay", *paths, "-o", "-", "--summary", "/dev/null", "--seed", "1", *more]
    made = subprocess.run(command, capture_output=True)
    if made.returncode not in (0, 3):
        sys.exit(f"sluice ended with {made.returncode}: {made.stderr[-400:]}")
    return made.stdout.splitlines()


def facts(lines):
    """by capture, no matter which side is named first (that is the order's affair where no handshake is there)"""
    out = {}
    for line in lines:
        r = json.loads(line)
        t = r["tuple"]
        ends = tuple(sorted([(t[1], t[2]), (t[3], t[4])])) if t else ()
        if r["field"] != "community_id" and (r["field"], r["value"]) not in OF_ORDER:
            out.setdefault(r["pcap"], set()).add((t[0] if t else None, ends, r["field"], str(r["value"])))
    return out


def workers(sluice, paths):
    """every format, byte for byte"""
    for form in ("facts", "eve"):
        one = run(sluice, paths, "--format", form)
        for n in ("2", "4"):
            many = run(sluice, paths, "--format", form, "--workers", n)
            for a, b in zip(one + [b""], many + [b""]):
                if a != b:
                    yield f"{form} with {n} workers: {b[:300].decode()} instead of {a[:300].decode()}"
                    break


def orders(sluice, paths, folder):
    paths = [p for p in paths if os.path.basename(p) not in EVIDENCE]
    plain = facts(run(sluice, paths, "--format", "facts"))
    for seed in range(SEEDS):
        scratch = [f"{folder}/{i}.pcap" for i in range(len(paths))]
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            why = list(pool.map(shuffle.rewrite, paths, scratch, [seed] * len(paths), chunksize=8))
        made = {s: p for s, p, no in zip(scratch, paths, why) if not no}
        moved = facts(run(sluice, list(made), "--format", "facts"))
        print(f"order {seed}: {len(made)} captures, {sum(len(plain.get(p, ())) for p in made.values())} facts")
        for s, p in made.items():
            may = OF_CAPTURE.get(os.path.basename(p), ())
            want, have = ({f for f in said.get(x, ()) if f[2] not in may and f[3] not in may} for said, x in ((plain, p), (moved, s)))
            if want != have:
                yield f"{p}: seed {seed}: lost {sorted(want - have)[:3]}, new {sorted(have - want)[:3]}"


def main():
    sluice, paths = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        bad = [*workers(sluice, paths), *orders(sluice, paths, folder)]
    print(*bad, sep="\n")
    print(f"{len(paths)} captures, {SEEDS} orders, 1, 2 and 4 workers: {len(bad)} differences")
    sys.exit(bool(bad))


main()
