#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a replay writes: -w byte for byte, --trace a line for each frame, --summary with a ledger that holds.
. "$(dirname "$0")/story.sh"
for f in "$captures"/*.pcap; do
	name=$(basename "$f" .pcap)
	run 0 replay "$f" -o /dev/null -w $name.w --trace $name.trace --summary $name.summary
done
python3 - "$captures" <<'END' || fail "the ledger, the trace and what left"
import json, pathlib, sys
for capture in sorted(pathlib.Path(sys.argv[1]).glob("*.pcap")):
    name = capture.stem
    s = json.load(open(name + ".summary"))
    l, trace = s["ledger"], [line.split() for line in open(name + ".trace")]
    assert l["rx"] + l["own"] == l["tx"] + l["kernel"] + l["mirrored"] + sum(l["drops"].values()) + l["held"], (name, l)
    assert l["held"] == 0 and s["mbufs_in_use"] == 0, (name, s)
    # every frame once, in order, by the door that the ledger knows
    assert [t[0] for t in trace] == [str(i + 1) for i in range(l["rx"])], name
    assert all(len(t) == 4 for t in trace), name
    assert sum(t[1] == "tx" for t in trace) == l["tx"], name
    drops = [t[2] for t in trace if t[1] == "drop"]
    assert {r: drops.count(r) for r in drops} == l["drops"], (name, l)
    if not drops and not s["counters"]["stream_rewritten"]:
        assert capture.read_bytes() == pathlib.Path(name + ".w").read_bytes(), name + ": what left is not what came"
END

# packed input gives the plain file; standard output works for it
gzip -c "$captures/tour.pcap" >tour.pcap.gz
run 0 replay "$captures/tour.pcap" -o /dev/null -w plain.pcap
run 0 replay tour.pcap.gz -w -
cmp -s plain.pcap out || fail "packed input"

# several captures are several worlds: numbers start anew, joined they do not
run 0 replay "$captures/dns.pcap" "$captures/http.pcap" -o /dev/null --trace trace
[ "$(grep -c '^1 ' trace)" = 2 ] || fail "two worlds"
[ "$(grep -c '^# ' trace)" = 2 ] || fail "worlds without their names"
run 0 replay "$captures/dns.pcap" "$captures/http.pcap" -o /dev/null --trace trace --join
awk '$1 != NR { exit 1 }' trace || fail "one world"

# each frame of joined captures keeps its name: number and capture
"$sluice" replay "$captures/tls13.pcap" "$captures/http.pcap" --join --trace trace --format eve -o eve 2>err || fail "joined eve"
"$sluice" replay "$captures/tls13.pcap" "$captures/http.pcap" --join --format facts -v -o facts 2>err || fail "joined facts"
for f in tls13 http; do
	"$sluice" replay "$captures/$f.pcap" --format eve -o $f.eve 2>err || fail "eve alone"
	"$sluice" replay "$captures/$f.pcap" --format facts -v -o $f.facts 2>err || fail "facts alone"
done
python3 - <<'END' || fail "joined captures and their names"
import json

def events(path):
    own = lambda e: e["event_type"] != "flow" # flows end with their capture
    return sorted((e.get("pcap_filename"), e["pcap_cnt"], e["event_type"], e["community_id"]) for e in map(json.loads, open(path)) if own(e))

def facts(path):
    return sorted((f["pcap"], f["frame"], f["off"], f["len"], f["field"], str(f["value"])) for f in map(json.loads, open(path)) if f["tuple"][0] == "tcp")

assert events("eve") == sorted(events("tls13.eve") + events("http.eve"))
assert facts("facts") == sorted(facts("tls13.facts") + facts("http.facts"))
flows = {}
for e in map(json.loads, open("eve")):
    assert flows.setdefault(e["flow_id"], (e["community_id"], e["pcap_filename"])) == (e["community_id"], e["pcap_filename"]), e
seen = {}
for line in open("trace"):
    number, name = line.rstrip("\n").split(" ", 5)[4:]
    seen[name] = seen.get(name, 0) + 1
    assert int(number) == seen[name], line
assert len(seen) == 2, seen
END

# facts name the capture as it was given
cd "$captures" || exit 1
"$sluice" replay ./dns.pcap ./http.pcap --format facts -o "$work/facts" 2>"$work/err" || fail "facts"
cd "$work" || exit 1
python3 - <<'END' || fail "facts name their captures"
import json
names = {json.loads(line)["pcap"] for line in open("facts")}
assert names == {"./dns.pcap", "./http.pcap"}, names
END

# an event's frame, time and direction are of one packet; flow ids differ over all captures of a run
run 0 replay "$captures/http.pcap" "$captures/tls13.pcap" "$captures/dns.pcap" --format eve -o eve
python3 - <<'END' || fail "events and their packets"
import datetime, ipaddress, json, struct
flows, captures = {}, {}

def frames(path):
    data, at, out = open(path, "rb").read(), 24, []
    while at < len(data):
        sec, usec, n, _ = struct.unpack_from("<IIII", data, at)
        out.append((sec, usec, data[at + 16:at + 16 + n]))
        at += 16 + n
    return out

for e in map(json.loads, open("eve")):
    assert flows.setdefault(e["flow_id"], e["pcap_filename"]) == e["pcap_filename"], e
    if "pcap_cnt" not in e:
        continue
    if e["pcap_filename"] not in captures:
        captures[e["pcap_filename"]] = frames(e["pcap_filename"])
    sec, usec, frame = captures[e["pcap_filename"]][e["pcap_cnt"] - 1]
    when = datetime.datetime.fromtimestamp(sec, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{usec:06}+0000"
    assert e["timestamp"] == when, (e, when)
    sender = e["src_ip"] if e["direction"] == "to_server" else e["dest_ip"]
    assert ipaddress.ip_address(sender).packed in frame[26:30] + frame[22:38], e
assert len(captures) == 3
END

# each reason has its record, the first of a flow; the same for any number of workers
golden=$captures/../golden
run 0 replay "$golden/defrag_overlap/in.pcap" --format eve -o eve --trace trace
awk '$2 == "drop" { print $1, $3 }' trace >dropped
python3 -c 'import json; [print(e["pcap_cnt"], e["anomaly"]["reason"]) for e in map(json.loads, open("eve")) if "reason" in e.get("anomaly", {})]' | sort -n >explained
cmp -s dropped explained || fail "dropped frames and their records"
run 0 replay "$golden/defrag_overlap/in.pcap" --format eve -o eve3 --workers 3
cmp -s eve eve3 || fail "records of drops with three workers"

# --speed: 100 ms between two frames, ten times as fast
python3 - <<'END'
import struct
out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
for i in range(11):
    out += struct.pack("<IIII", 1, i * 90000, 60, 60) + bytes(60)
open("slow.pcap", "wb").write(out)
END
for case in "original:900:3000" "10:90:800" "max:0:700"; do
	IFS=: read -r speed low high <<<"$case"
	begin=$(date +%s%N)
	run 0 replay slow.pcap -o /dev/null --speed "$speed"
	took=$((($(date +%s%N) - begin) / 1000000))
	[ $took -ge "$low" ] || fail "--speed $speed took $took ms"
	[ $took -le "$high" ] || echo "note: --speed $speed took $took ms (a busy machine)"
done
finish
