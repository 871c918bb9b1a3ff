// SPDX-License-Identifier: BSD-3-Clause
//
// The transaction of a capture that explain is asked about: found in the records of a replay.
#pragma once

#include "path/judge.h"
#include "path/judge_facts.h"
#include "replay_exits.h"

enum packet_by { PACKET_NONE, PACKET_NUMBER, PACKET_FLOW, PACKET_RECORD, PACKET_FILTER };

struct packet_ends { // of a flow, as asked for
	uint8_t a[16], b[16];
	uint16_t aport, bport;
	uint8_t version, proto; // proto 0: any
};

struct packet_query {
	enum packet_by by;
	uint64_t frame;             // PACKET_NUMBER
	uint64_t flow_id;           // PACKET_RECORD; PACKET_FLOW where ends.version is 0
	uint32_t tx_id;             // PACKET_RECORD
	bool has_tx;                // PACKET_RECORD: false, the flow itself
	struct packet_ends ends;    // PACKET_FLOW
	const struct facts *filter; // PACKET_FILTER: what it shows
	uint64_t fields;            // of filter
};

// What was found. Records are copies; free them with packet_free.
struct packet {
	struct exits_end end;     // PACKET_NUMBER: how the frame left
	struct record *start;     // RECORD_FLOW_START of its flow, from the initiator; NULL: none
	struct record *flow;      // RECORD_FLOW; NULL: none
	struct record *tx;        // the transaction; NULL: there is none
	uint32_t matching;        // transactions that the query fits
	struct judge_facts facts; // of the transaction, or of the flow alone
	char error[256];
};

// "tcp 10.0.0.1 1234 10.0.0.2 80", without the protocol, in either direction; or a flow's id in hex. False: none.
bool packet_flow(const char *text, struct packet_query *q);
// "1f.0", a flow's id in hex and the number of a transaction; "1f": the flow.
bool packet_record(const char *text, struct packet_query *q);

// Replays the capture by the policy until it is found. 0; -ENOENT: there is none such, -EIO: the replay failed; error
// says it. p is zeroed before.
int packet_find(struct packet *p, const struct packet_query *q, const char *policy, char *capture);
// What is known of it, all fields that the policy language has.
void packet_facts(struct packet *p, bool transaction);
void packet_free(struct packet *p);
