// SPDX-License-Identifier: BSD-3-Clause
//
// A decision in words, as ship.md 3 has it. See decision.c.
#pragma once

#include "path/judge_ask.h"
#include "policy_names.h"

#define DECISION_MAX 16384 // bytes; no more violations are named than fit

// All of it but the id and what differs from one time to the next: the same for all requests that the same rules
// decide. names: of the policy that judged; NULL: there is none. why: of ASKED_BY_UNREAD. Returns its length.
size_t decision_words(char *out, size_t room, const struct asked *a, const struct policy_names *names, const char *node,
		      const char *why);
// The whole message. Returns its length.
size_t decision_write(char *out, size_t room, struct http_span id, const char *words, size_t len, uint64_t elapsed_us,
		      bool again);
