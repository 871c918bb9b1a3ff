// SPDX-License-Identifier: BSD-3-Clause
//
// What explain says of a packet beside its verdict: how it left, where it was found, what was judged of its flow and
// when, what waited for that, and what the corridor wrote down.
#pragma once

#include "ctl/explain.h"
#include "explain_packet.h"

struct explain_trace {
	const char *capture;
	const struct packet_query *query;
	const struct packet *packet;
	const struct policy *policy, *shadow; // that judged it; shadow NULL: its own rules
	const struct policy *const *policies; // by version, from 1; NULL in it: there was none then
	const char *const *files;             // of these
	unsigned npolicies;
	const struct explain *before; // of the flow, by its first packet; NULL: it was not judged then
	const struct explain *after;  // what was asked for; NULL: nothing was judged
	bool names_gone;              // bytes decided after the transaction, whose names are not looked at again
};

// How the packet left, above the verdict.
void explain_trace_top(const struct explain_trace *t, FILE *out, bool colour);
// The rest, below it.
void explain_trace_words(const struct explain_trace *t, FILE *out, bool colour);
void explain_trace_json(const struct explain_trace *t, json_t *o);

// Why what is explained is not what the record says; NULL: it is.
const char *explain_differs(const struct explain_trace *t, char room[256]);
// Is the flow decided for all that may follow in it, as it stood then? why: in words.
bool explain_settled(const struct explain_trace *t, char *why, size_t size);

// explain_bytes.c: the bytes of the frames that values came from, for origins that have none yet: one pass over the
// capture. What cannot be read stays without. Bytes are the arena's.
void explain_bytes(const char *capture, struct explain_origin *const *origins, uint32_t n, struct arena *a);
