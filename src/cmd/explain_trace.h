// SPDX-License-Identifier: BSD-3-Clause
//
// What explain says of a packet beside its verdict: where it was found, how it left, what the corridor wrote down.
#pragma once

#include "explain.h"
#include "explain_packet.h"

struct explain_trace {
	const char *capture;
	const struct packet_query *query;
	const struct packet *packet;
	const struct policy *policy;
	const struct explain *before; // of the flow, by what is known before its first byte
	const struct explain *after;  // by all that is known
};

// Is the flow decided for all that may follow in it?
bool explain_settled(const struct explain_trace *t);

void explain_trace_words(const struct explain_trace *t, FILE *out, bool colour);
void explain_trace_json(const struct explain_trace *t, json_t *o);

// The bytes of the frames that values came from, for origins that have none yet: one pass over the capture. What
// cannot be read stays without. Bytes are the arena's.
void explain_bytes(const char *capture, struct explain_origin *const *origins, uint32_t n, struct arena *a);
