// SPDX-License-Identifier: BSD-3-Clause
//
// The judgement of a capture that explain is asked about: found in what a replay's judge said, and in its records.
#pragma once

#include "explain_heard.h"
#include "replayed.h"

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

#define HEARD_NONE UINT32_MAX

// What was found. packet_free it.
struct packet {
	struct exits_end end;             // PACKET_NUMBER: how the frame left
	struct record *start;             // RECORD_FLOW_START of its flow, from the initiator; NULL: none
	struct record *flow;              // RECORD_FLOW; NULL: none
	struct record *tx;                // the transaction; NULL: it is of the flow itself
	struct heard_list heard;          // all that was judged of the flow
	uint32_t first, chosen;           // the flow's first judgement, and the one asked for; HEARD_NONE
	uint32_t held, left;              // PACKET_NUMBER: where it began to wait, and ended; HEARD_NONE: it did not
	uint32_t matching;                // transactions that the query fits
	struct judge_facts facts, judged; // facts: what was judged, and beside it what no rule asks for, of the record
	char error[256];
	// transactions of the flow
	struct record **txs;
	uint32_t ntxs;
	size_t bytes;
};

// "tcp 10.0.0.1 1234 10.0.0.2 80", without the protocol, in either direction; or a flow's id in hex. False: none.
bool packet_flow(const char *text, struct packet_query *q);
// "1f.0", a flow's id in hex and the number of a transaction; "1f": the flow.
bool packet_record(const char *text, struct packet_query *q);

// Replays the capture as config says until it is found. 0; -ENOENT: there is none such, -EIO: the replay failed; error
// says it. p is zeroed before.
int packet_find(struct packet *p, const struct packet_query *q, const struct replayed_config *config);
// The facts of one that was heard, into p->facts. False: there are none.
bool packet_facts(struct packet *p, uint32_t heard);
void packet_free(struct packet *p);

// What a record says, all fields that the policy language has.
void packet_facts_of(struct judge_facts *j, const struct record *r, uint64_t now_ns);
// Is it what the query asks for?
bool packet_shows(const struct packet_query *q, const struct facts *have);
bool packet_is(const struct packet_query *q, const struct record *ends);
