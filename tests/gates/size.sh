#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The budget: lines of .c by part, in the table below; a file at most 625. What is full has to lose something before it
# gets more, or says here why it may not.
#   rooms      of src/path, those that carry packets; 1,400 of them came with ports: the ways in and out (ingress,
#              egress, neighbour, settle); 80 for frames that wait for their next hop; 70 as one side of TLS settles, and what was cut is a layer;
#              300 so that a flood's flows are counted and not told one by one; 72 so that a record, and what is only
#              summed, costs a quarter less
#   deciding   of src/path: policy, judge, hold, act, answer, limit, mirror, publish; 200 for sets that change under way,
#              60 so that both ends of what is cut off later hear of it, often enough; 60 so that flows which no rule
#              for payload is about are not searched; 5 as judge was two nouns; 55 for frames cut before their ports;
#              230 for requests that are asked, and not seen
#   protocols  src/path/app; 200 are for what only attackers say
#   policy     half of it says what is wrong with a policy, and where; 200 which rules are hidden; 200 edits of sets;
#              180 so that a rule more does not compile the others again
#   all        18,500 came with the appliance: ports, live, ctl, bpf, and replay that plays its fast path;
#              2,700 rules from Kafka, and publishing them; 1,000 the client of Kafka, and groups of a configuration whose keys are another program's;
#              2,100 the spool; 2,200 requests over Kafka; 1,900 the second face (OCSF), redaction, filters;
#              270 for pcapng as a sink among the others: written in whole blocks, rotated, tried again
#              330 so that a kill takes no more of the spool while its disk is slow
#              330 a doctor for the spool's folder and for buckets, S3 that writes over nobody, and which way a flow goes;
#              610 so that an edit from Kafka waits for nobody, machines' versions are kept, and hostile keys cost nothing;
#              230 so that an end waits for no silent broker and says what it waits for, one group of a configuration is read, and sinks say what they write on with;
#              100 for a time of day that is set, and a prompt that refuses what it would say otherwise
#              250 so that check finds what run refuses of sinks, and S3 is not who merely answers 200
#              70 so that verdicts do not go while the segment that a sink stands in has flows
#              160 so that what the spool lacks is said: segments and cursors that are gone, its bound, a replay that waits
#              100 so that seeking what is redacted takes bounded time, whatever stands in a record
#              36 so that a client whom no ACL lets write asks with pauses, and says what mends it
#              19 so that no record goes to a server that does not encrypt it as it was asked to
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
for f in $(git ls-files 'src/*.c' 'bpf/*.c'); do
	n=$(wc -l <"$f")
	[ "$n" -le 625 ] || { echo "$f: $n lines, at most 625"; bad=1; }
done
for d in src/path src/path/app src/policy src/ship src/base src/live src/ctl src/cmd bpf include tests; do
	printf '%-14s %6d lines\n' $d "$(git ls-files "$d/*.c" "$d/*.h" | { [ $d = src/path ] && grep -v /app/ || cat; } | xargs cat 2>/dev/null | wc -l)"
done
deciding='/\(policy\|judge\|hold\|act\|answer\|limit\|mirror\|publish\)[a-z_]*\.c$'
files() {
	case $1 in
	rooms) git ls-files 'src/path/*.c' | grep -v /app/ | grep -v "$deciding" ;;
	deciding) git ls-files 'src/path/*.c' | grep -v /app/ | grep "$deciding" ;;
	protocols) git ls-files 'src/path/app/*.c' ;;
	policy) git ls-files 'src/policy/*.c' ;;
	all) git ls-files 'src/*.c' 'bpf/*.c' ;;
	esac
}
said=
while read -r part budget; do
	n=$(files "$part" | xargs cat | wc -l)
	[ "$n" -le "$budget" ] || { echo "$part: $n lines of .c, budget $budget"; bad=1; }
	said="$said, $part $n (budget $budget)"
done <<-END
	rooms 9162
	deciding 7230
	protocols 7700
	policy 8520
	all 83925
END
echo "lines of .c: ${said#, }"
exit $bad
