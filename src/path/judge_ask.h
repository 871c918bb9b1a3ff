// SPDX-License-Identifier: BSD-3-Clause
//
// A request that somebody asks about: nobody here has seen its packets. See judge_ask.c.
#pragma once

#include "app/http_span.h"
#include "worker.h"

#define ASK_GROUPS 64 // as many values as a field has

// What is not given (len 0, 0, NULL) is not known; but for user and groups, of which there are none then.
struct ask {
	struct http_span id, user, groups[ASK_GROUPS];
	unsigned ngroups;
	uint8_t src[16], dst[16];
	uint8_t src_len, dst_len; // 0, 4 or 16
	uint16_t dport;
	uint64_t tenant;
	uint8_t direction; // 1 + enum record_direction; 0: not said
	// The request as it would stand on the wire, up to its empty line; 16 bytes behind it can be read.
	const uint8_t *head;
	uint32_t head_len;
	struct http_span url; // in place of what the head says: of another scheme than http
	bool tls;             // inside TLS, whose server name is that of the URL
};

// Why it is as it is, where no rule says so.
enum asked_by { ASKED_BY_RULE, ASKED_BY_NO_POLICY, ASKED_BY_AMBIGUOUS, ASKED_BY_UNREAD };

#define ASKED_FIRED 16
struct asked {
	bool denied;
	uint8_t by;      // enum asked_by
	uint32_t rule;   // RULE_DEFAULT; with ASKED_BY_RULE
	uint16_t policy; // version; 0: none
	unsigned nfired; // rules that were true, and said so: alerts, and limits that it is beyond
	uint32_t fired[ASKED_FIRED];
	const char *cause; // ASKED_BY_AMBIGUOUS: which
};

// What does not even make a question: why says the reason. It is answered by the fail mode; its record is one of
// kind RECORD_STATE.
void judge_ask_unread(struct worker *w, const struct ask *a, const char *why, struct asked *out);

// The worker is one of its own, made by path_init, that no packet comes to; its now_ns is the time of day. Judges by
// the policy that the worker has now; what was decided is written as a record of kind RECORD_HTTP.
void judge_ask(struct worker *w, const struct ask *a, struct asked *out);
