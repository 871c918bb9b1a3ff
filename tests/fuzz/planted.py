# SPDX-License-Identifier: BSD-3-Clause
"""Would the fuzzers find a bug? One is planted in each parser, one at a time, in a copy of the tree; the target, with its seeds,
must find it within its minute. --check: each place still stands in the source exactly once (quick, for every run of the tests)."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY, BUILD = ROOT / "build-planted/tree", ROOT / "build-planted/build"  # kept: the next run builds what has changed
SECONDS = 60

# target, what was forgotten, file, the text, what it becomes
PLANTED = [
    ("decap", "GENEVE's options may end behind the datagram", "src/path/decap_tunnel.c",
     "if (8 + options > len || !geneve_options(h + 8, options, &o))", "if (!geneve_options(h + 8, options, &o))"),
    ("stream", "a rewrite leaves the last byte", "src/path/stream_rewrite.c",
     "for (uint64_t o = from; o < to; o++) {", "for (uint64_t o = from; o + 1 < to; o++) {"),
    ("tls", "a vector may be one byte longer than what holds it", "src/path/app/hello.c",
     "if ((size_t)(c->end - c->p) < len) {", "if ((size_t)(c->end - c->p) + 1 < len) {"),
    ("http", "a status line is read one byte too early", "src/path/app/http_start.c",
     "if (len < 13)\n\t\t\treturn HTTP_START_MORE;", "if (len < 12)\n\t\t\treturn HTTP_START_MORE;"),
    ("http", "a header block is read before it is whole", "src/path/app/http2.c",
     "\t\tif (have < b->size)\n\t\t\treturn b->size;\n", ""),
    ("dns", "a label may be one byte longer than the message", "src/path/app/dns_name.c",
     "if (at + 1 + c > len)", "if (at + c > len)"),
    ("quic", "CRYPTO bytes beyond what is kept are kept", "src/path/app/quic_conn.c",
     "\tif (len > QUIC_CRYPTO_MAX - offset)\n\t\tlen = QUIC_CRYPTO_MAX - offset;\n", ""),
    ("policy", "a character may end behind the text", "src/policy/doc.c",
     "if ((size_t)(end - p) < n)\n\t\treturn 0;\n\tlow", "low"),
    ("config", "a quote in a value of --set ends it", "src/ctl/config_value.c",
     "if (p[i] == '\"' || p[i] == '\\\\')", "if (p[i] == '\\\\')"),
    ("control", "a backslash takes the end of the line", "src/ctl/command.c",
     "else if (*p == '\\\\' && p[1])", "else if (*p == '\\\\')"),
    ("explain", "tags that rules set are not seen below", "src/path/policy.c",
     "\tif (r->action == ACTION_TAG && !r->shadow && t == TRUTH_TRUE)\n\t\tadd_tag(s, r);\n\telse if", "\tif"),
    ("pcap", "more is copied than was asked for", "src/base/capture_file.c",
     "n = n < len ? n : len;\n\tmemcpy(p, f->in + f->in_at, n);", "memcpy(p, f->in + f->in_at, n);"),
    ("spool", "a fact may end behind its record", "src/ship/spool_frame.c",
     "f->len > FACT_VALUE_MAX || FACT_SIZE(f->len) > room ||", "f->len > FACT_VALUE_MAX ||"),
    ("request", "an escape may be one digit longer than the text", "src/decide/jin.c",
     "if (j->end - j->at < 4)", "if (j->end - j->at < 3)"),
    ("answers", "a text in XML may fill its room, and more", "src/remote/xml.c",
     "p < end && n + 1 < size; n++", "p < end && n < size; n++"),
    ("answers", "an answer as long as its room is taken", "src/remote/http.c",
     "if (n >= c->reply_room - c->reply_len)", "if (n > c->reply_room - c->reply_len)"),
    ("answers", "a line's end in a token is handed on", "src/remote/credentials.c",
     "if (*text < ' ' || *text > '~')", "if (*text > '~')"),
    ("redact", "a name that begins with another case is let through", "src/ship/redact_seek.c",
     "(v | (uint32_t)EACH(0x20))", "v"),
    ("rules", "a backslash is not escaped", "src/decide/canonical.c",
     "if (c == '\"' || c == '\\\\')", "if (c == '\"')"),
]


def check():
    bad = 0
    for target, what, path, old, _ in PLANTED:
        n = (ROOT / path).read_text().count(old)
        if n != 1:
            print(f"FAIL {target}: {path} has {n} times: {old!r} ({what})")
            bad += 1
    for target in {p.stem[len("fuzz_"):] for p in (ROOT / "tests/fuzz").glob("fuzz_*.c")} - {row[0] for row in PLANTED}:
        print(f"FAIL {target}: no bug is planted for it")
        bad += 1
    return bad


def put(path, data):
    """writes only what differs, so that ninja builds only that"""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def copy_tree():
    listing = ["git", "ls-files", "-zco", "--exclude-standard", "bpf", "src", "include", "tests", "meson*"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    names = set(names.decode().rstrip("\0").split("\0"))
    for name in names:
        if (ROOT / name).is_file():
            put(COPY / name, (ROOT / name).read_bytes())
    for path in [p for p in COPY.rglob("*") if p.is_file() and str(p.relative_to(COPY)) not in names]:
        path.unlink()


def build(target):
    if not (BUILD / "build.ninja").exists():
        shutil.rmtree(BUILD, ignore_errors=True)
        subprocess.run(["meson", "setup", str(BUILD), str(COPY), "-Dfuzzers=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                       env=os.environ | {"CC": "clang-14"}, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(BUILD), "--quiet", f"tests/fuzz_{target}"], check=True, stdout=subprocess.DEVNULL)


def hunt(target):
    """-> (seconds until something was found, or None; what the fuzzer said)"""
    seeds, found = BUILD / f"seeds/{target}", BUILD / "found"
    shutil.rmtree(seeds, ignore_errors=True)
    found.mkdir(exist_ok=True)
    captures = sorted(map(str, (ROOT / "tests/captures").glob("*.pcap")))
    subprocess.run([sys.executable, str(ROOT / "tests/fuzz/seeds.py"), target, str(seeds), *captures], check=True)
    env = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1"}
    begin = time.monotonic()
    run = subprocess.run([str(BUILD / f"tests/fuzz_{target}"), f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=4096", "-max_len=65536",
                          "-len_control=10", f"-artifact_prefix={found}/{target}-", str(seeds)], capture_output=True, env=env, errors="replace")
    seconds = time.monotonic() - begin
    return (seconds if run.returncode and seconds < SECONDS + 5 else None), run.stderr


def words(said):
    """what was found, and whether the seeds alone did"""
    lines = [line for line in said.splitlines() if line.strip()]
    sign = [line for line in lines if "runtime error: " in line or line.startswith(("SUMMARY: ", "stream: ", "frames: "))]
    by = "fuzzing" if any("INITED" in line for line in lines) else "a seed"
    what = sign[0].split("runtime error: ")[-1].removeprefix("SUMMARY: ") if sign else lines[-1]
    what = " ".join(word.rsplit("/", 1)[-1] for word in what.split())
    return f"by {by}: {what[:90]}"


def plant(row):
    target, what, path, old, new = row
    mutant = COPY / path
    text = mutant.read_text()
    mutant.write_text(text.replace(old, new))
    try:
        build(target)
        seconds, said = hunt(target)
    finally:
        mutant.write_text(text)
    verdict = f"found after {seconds:4.1f} s: {words(said)}" if seconds is not None else f"NOT FOUND in {SECONDS} s"
    print(f"{'ok  ' if seconds is not None else 'FAIL'} {target:7} {what:52} {verdict}", flush=True)
    return seconds is None


def main():
    bad = check()
    if sys.argv[1:] == ["--check"] or bad:
        print(f"{len(PLANTED)} bugs to plant, {bad} without a place")
        return bad != 0
    copy_tree()
    rows = [row for row in PLANTED if not sys.argv[1:] or row[0] in sys.argv[1:]]
    bad = sum([plant(row) for row in rows])
    print(f"{len(rows)} planted bugs, {len(rows) - bad} found within {SECONDS} s each")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
