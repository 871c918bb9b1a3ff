// SPDX-License-Identifier: BSD-3-Clause
//
// Parts of the eve face, one event type's object each. Names and nesting are those of Suricata 8.
#pragma once

#include "record.h"
#include "ship/face.h"

// Facts of a record by field: the first of each.
struct eve_index {
	const struct fact *first[FACT_COUNT];
	const struct record *record;
};
void eve_index(struct eve_index *x, const struct record *r);

// "name":value, where the record has the fact; text as bytes, numbers as numbers, flags as true.
void eve_text(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name);
void eve_flag(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name);
// "name":[...] of all facts of a field.
void eve_list(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name);

void eve_request(struct jsonl *j, const struct eve_index *x);
void eve_http(struct jsonl *j, const struct eve_index *x);
void eve_tls(struct jsonl *j, const struct eve_index *x);
void eve_quic(struct jsonl *j, const struct eve_index *x);
void eve_ssh(struct jsonl *j, const struct eve_index *x);
// The objects of what only we say: anomaly, gap, state.
void eve_own(struct jsonl *j, const struct eve_index *x);
// "vlan":[...], "vni":[...] of its flow.
void eve_tags(struct jsonl *j, const struct record *rec);
// Is it about one packet?
bool eve_is_packet(const struct record *rec);
// Ids of one run differ, and those of joined captures.
uint64_t eve_flow_id(const struct render *r, uint64_t id);
const char *eve_flow_state(const struct record *r);
const char *eve_flow_reason(const struct record *r);
void eve_flow(struct jsonl *j, const struct record *r, struct text_clock *clock);
void eve_flood(struct jsonl *j, const struct record *r, struct text_clock *clock);
