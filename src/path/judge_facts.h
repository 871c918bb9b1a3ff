// SPDX-License-Identifier: BSD-3-Clause
//
// A record read as the facts that rules ask for. Pure: no worker, no allocation; for the corridor (judge.c), and for
// whoever wants to know from records alone what was judged (explain, tests).
#pragma once

#include "base/ja.h"
#include "record.h"
#include "ruleset.h"

// What is known of one transaction, with the place of each value. About 150 KiB, of which little is ever touched.
struct judge_facts {
	struct facts facts;
	uint64_t wanted; // bits of enum field: only these are made
	struct fact_value value[FIELD_COUNT][FACTS_MAX];
	struct origin origin[FIELD_COUNT][FACTS_MAX]; // frame 0: of no bytes in particular
	uint32_t ntext;
	bool overflow;         // more values than are looked at: some field is SOME that would be ALL
	struct ja_hello hello; // to make fingerprints in
	char full[JA3_FULL_MAX];
	uint8_t text[RECORD_MAX]; // values that stand nowhere as they are compared
};

// What may become known of a transaction after all that its client says.
#define JUDGE_LATER_FIELDS                                                                                             \
	(1ull << FIELD_TLS_VERSION | 1ull << FIELD_HTTP_STATUS | 1ull << FIELD_DNS_ANSWER | 1ull << FIELD_SSH_SOFTWARE)

// What a flow's first packet alone says.
#define JUDGE_FIRST_FIELDS                                                                                             \
	(1ull << FIELD_TTL | 1ull << FIELD_TCP_FLAGS | 1ull << FIELD_VLAN | 1ull << FIELD_VNI |                        \
	 1ull << FIELD_DECAP_DEEPER)

// Nothing is known. wanted: as above.
void judge_facts_clear(struct judge_facts *j, uint64_t wanted, uint64_t now_ns);

// May rules that ask for these fields make use of such a fact?
bool judge_facts_asked(enum fact_field fact, uint64_t fields);

// Addresses, ports, protocol, tenant.
struct judge_tuple {
	const uint8_t *src, *dst; // initiator, responder
	uint64_t tenant;
	uint16_t sport, dport;
	uint8_t version, proto;
	bool cut; // ports were not captured, nor, where proto is a header before it, the protocol
};
void judge_facts_tuple(struct judge_facts *j, const struct judge_tuple *t);

// The transaction in a record: what the client says is known, or absent by its kind; what comes later (versions,
// status, answers) is unknown while the record has none. Values point into the record.
void judge_facts_record(struct judge_facts *j, const struct record *r);
// A flow that shows no protocol that says names: what is not known yet is absent.
void judge_facts_opaque(struct judge_facts *j, enum app app);

// Of these fields there is none, unless something is known.
void judge_facts_none(struct judge_facts *j, uint64_t fields);

// One more value of a field; the field is FACT_ALL then. NULL: not wanted, or too many.
struct fact_value *judge_facts_add(struct judge_facts *j, enum field field, struct origin o);
void judge_facts_num(struct judge_facts *j, enum field field, uint64_t num, struct origin o);
void judge_facts_bytes(struct judge_facts *j, enum field field, const void *p, uint32_t len, struct origin o);
