#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Which share of each parser's lines its fuzz target reaches with its seeds alone (seeds.py: nothing is fuzzed here), by
# llvm-cov. Fails where a target's share is below 85 %, or where a parser of src/path/app is nobody's.
# usage: coverage.sh [-v] [TARGET...]      -v: the lines that are not reached; the build is in build-cov/
set -euo pipefail
cd "$(dirname "$0")/../.."
least=85
app=src/path/app
declare -A parsers=(
	[decap]="src/path/decap.c src/path/decap_link.c src/path/decap_tunnel.c src/path/parse.c src/path/checksum.c src/path/defrag.c"
	[stream]="src/path/stream.c src/path/stream_chain.c src/path/stream_pool.c src/path/stream_rewrite.c src/path/stream_view.c"
	[tls]="$app/tls.c $app/dtls.c $app/handshake.c $app/hello.c src/base/ja.c src/ship/fingerprint.c"
	[http]="$app/http.c $app/http2.c $app/http2_head.c $app/hpack.c $app/http_head.c $app/http_start.c $app/http_say.c $app/http_name.c $app/ssh.c $app/prelude.c $app/prelude_packet.c $app/socks.c"
	[dns]="$app/dns.c $app/dns_looks.c $app/dns_name.c"
	[quic]="$app/quic.c $app/quic_conn.c $app/quic_orphan.c $app/quic_crypto.c $app/quic_google.c"
	[pcap]="src/base/capture.c src/base/capture_file.c src/base/capture_join.c"
	[policy]="src/policy/doc.c src/policy/policy.c src/policy/reading.c src/policy/condition.c src/policy/rule.c src/policy/action.c src/policy/schedule.c src/policy/set.c src/policy/set_file.c src/policy/field.c src/policy/domain.c"
	[explain]="src/policy/given.c src/policy/explain.c"
	[answers]="src/remote/xml.c src/remote/credentials_file.c src/remote/credentials_profile.c src/remote/credentials_host.c src/remote/credentials_sts.c"
	[redact]="src/ship/redact.c src/ship/redact_seek.c src/ship/url.c"
	[rules]="src/decide/rules_key.c src/decide/rules_table.c src/decide/canonical.c"
	[config]="src/ctl/config_value.c src/ctl/config_free.c src/ctl/config_say.c src/base/pairs.c"
	[control]="src/ctl/command.c"
	[spool]="src/ship/spool_frame.c"
	[request]="src/decide/request.c src/decide/jin.c src/decide/decision.c src/decide/unread.c src/path/judge_ask.c"
)
no_parser="$app/txn.c" # writes what parsers say
missed=0
[ "${1:-}" != -v ] || { missed=1; shift; }
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//'))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-fprofile-instr-generate -fcoverage-mapping"
if [ ! -f build-cov/build.ninja ]; then
	CC=clang-14 meson setup build-cov -Dfuzzers=true -Db_lundef=false -Dc_args="$flags" -Dc_link_args="$flags" >"$work/setup" 2>&1 ||
		{ cat "$work/setup"; exit 1; }
fi
ninja -C build-cov --quiet "${targets[@]/#/tests/fuzz_}"

bad=0
for f in tests/fuzz/fuzz_*.c; do
	t=${f##*/fuzz_}
	[ -n "${parsers[${t%.c}]:-}" ] || { echo "FAIL $f: which parsers are its? (coverage.sh)"; bad=1; }
done
for f in $app/*.c; do
	[[ " ${parsers[*]} $no_parser " == *" $f "* ]] || { echo "FAIL $f: whose parser is it? (coverage.sh)"; bad=1; }
done

report() {
	local t=$1 dir=$work/$1
	python3 tests/fuzz/seeds.py "$t" "$dir/seeds" tests/captures/*.pcap || return 1
	if ! (cd "$work" && LLVM_PROFILE_FILE=$dir/raw timeout 300 "$OLDPWD/build-cov/tests/fuzz_$t" -runs=0 -max_len=65536 "$dir/seeds" >"$dir/log" 2>&1); then
		tail -30 "$dir/log"
		return 1
	fi
	llvm-profdata-14 merge -o "$dir/profile" "$dir/raw"
	llvm-cov-14 export -summary-only "build-cov/tests/fuzz_$t" -instr-profile "$dir/profile" 2>/dev/null |
		jq -r '.data[0].files[] | [.filename, .summary.lines.covered, .summary.lines.count] | @tsv' >"$dir/lines"
	awk -v t="$t" -v least=$least -v want="${parsers[$t]}" -v seeds="$(ls "$dir/seeds" | wc -l)" '
		BEGIN { n = split(want, files, " "); for (i in files) wanted[files[i]] = 1 }
		{ name = $1; sub(/^.*\/src\//, "src/", name); sub(/^\.\.\//, "", name)
		  if (name in wanted) { reached += $2; lines += $3; here[name] = sprintf("%6.1f %%  %4d of %4d", 100 * $2 / $3, $2, $3) } }
		END {
			for (i = 1; i <= n; i++) {
				printf "  %-34s %s\n", files[i], files[i] in here ? here[files[i]] : "not in the program"
				if (!(files[i] in here)) lost = 1
			}
			share = lines ? 100 * reached / lines : 0
			verdict = share < least || lost ? "FAIL" : "ok"
			printf "%-4s %-31s %6.1f %%  %4d of %4d lines, %d seeds\n\n", verdict, t, share, reached, lines, seeds
			exit verdict == "FAIL"
		}' "$dir/lines" || return 1
}

unreached() {
	llvm-cov-14 show "build-cov/tests/fuzz_$1" -instr-profile "$work/$1/profile" 2>/dev/null |
		awk -v want="${parsers[$1]}" '
			BEGIN { n = split(want, files, " ") }
			/^[^ ].*:$/ { on = 0; for (i in files) if (index($0, files[i])) { on = 1; print files[i] } }
			on && /^ *[0-9]+\| *0\|/'
}

for t in "${targets[@]}"; do
	report "$t" || bad=1
	[ $missed = 0 ] || unreached "$t"
done
[ $bad = 0 ] && echo "${#targets[@]} targets: their seeds reach at least $least % of their parsers' lines"
exit $bad
