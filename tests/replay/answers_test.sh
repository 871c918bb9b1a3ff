#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is said to the ends of denied flows: the same for any number of workers and each time, counted, and read without a
# complaint by tshark where it is there. (tests/live/answers_test.py lets real stacks read it.)
. "$(dirname "$0")/story.sh"
# POLICY SUMMARY: what leaves, and by which door, for 1 to 4 workers; what the summary must say.
same_for_any_number() {
	for n in 1 2 3 4; do
		run 0 replay "$captures"/*.pcap -p "$1" --workers $n --seed $n -w w.$n --trace trace.$n --summary summary
		key "$2"
		for what in w trace; do
			cmp -s $what.1 $what.$n || fail "$1: $what differs with $n workers"
		done
	done
}
cat >policy.json <<'END'
{"rules": [
 {"id": "port", "action": "deny", "when": {"proto": "tcp", "dport": 2222}},
 {"id": "alert", "action": "deny", "respond": "tls_alert", "when": {"app": "tls", "tls.sni": {"present": true}}},
 {"id": "pages", "action": "deny", "reason": "Not <here>", "when": {"http.method": {"present": true}}},
 {"id": "sink", "action": "deny", "respond": "sinkhole", "sinkhole": "192.0.2.1", "when": {"dns.qtype": "A"}},
 {"id": "names", "action": "deny", "when": {"dns.qname": {"present": true}}},
 {"id": "quic", "action": "deny", "when": {"app": "quic"}},
 {"id": "rest", "action": "deny", "when": {"app": {"not": "dns"}, "proto": ["tcp", "udp"]}}]}
END
same_for_any_number policy.json 's["ledger"]["own"] > 30 and s["ledger"]["held"] == 0 and s["mbufs_in_use"] == 0'

# Rates: each worker asks the same buckets, in the order of the walk.
cat >rates.json <<'END'
{"rules": [
 {"id": "all", "action": "limit", "rate": "200kbps", "burst": "3KB", "when": {"proto": "tcp"}},
 {"id": "each", "action": "limit", "rate": "100pps", "burst": 5, "by": "src", "when": {"proto": ["tcp", "udp"]}},
 {"id": "pages", "action": "deny", "when": {"http.uri": "/denied"}}]}
END
same_for_any_number rates.json 's["ledger"]["drops"]["LIMIT_EXCEEDED"] > 100'
grep -q 'drop LIMIT_EXCEEDED each$' trace.1 && grep -q 'drop LIMIT_EXCEEDED all$' trace.1 || fail "the trace names no rule"

# Of more flows than are kept in mind: each hears it again when it tries again.
python3 - >many.pcap <<'END'
import struct, sys
def frame(n, ms):
    tcp = struct.pack("!HHIIBBHHH", 1024 + n, 2222, n, 0, 0x50, 2, 8192, 0, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2") + tcp
    return struct.pack("<IIII", ms // 1000, ms % 1000 * 1000, 40, 40) + ip
sys.stdout.buffer.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
for ms in (0, 900):
    for n in range(20000): sys.stdout.buffer.write(frame(n, ms + n // 100))
END
for n in 1 2; do
	run 0 replay many.pcap -p policy.json --checksum ignore --workers $n --summary summary
	key 's["ledger"]["own"] == 40000'
done

if command -v tshark >/dev/null; then
	for c in "$captures"/{http,http6,dns,tls13,quic*,browser_quic,connect,ssh}.pcap; do
		[ -e "$c" ] || continue
		run 0 replay "$c" -p policy.json -w w
		bad=$(tshark -r w -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -T fields \
			-e frame.number -Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 ||
			icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || (_ws.malformed && !quic)' 2>/dev/null)
		[ -z "$bad" ] || fail "$c: tshark complains of frames $bad"
	done
fi
finish
