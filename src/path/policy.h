// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>

#include "ruleset.h"

struct ruleset;
struct policy_scratch;

// Memory that a worker judges with, big enough for this rule set; taken at start or when a rule set is published, never
// by the path. NULL: none left.
struct policy_scratch *policy_worker_init(const struct ruleset *rs);
void policy_worker_fini(struct policy_scratch *s);

// The verdict on what is known (policy.md 2). Takes no memory, cannot fail; bounded by the rules that the facts select.
void policy_judge(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, struct verdict *v);
// The same with shadow rules as if they were enforced: the second verdict `would`.
void policy_judge_would(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts,
			struct verdict *v);

// The same for what was decided before: no fact will come that has not, so whatever is unknown and would change the
// verdict leaves it open. Returns the holdable ones of v->waits.
uint64_t policy_judge_again(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts,
			    struct verdict *v);

// Payload over pieces. A row of words has a bit for each pattern that was found.
struct policy_stream;
uint32_t policy_payload_words(const struct ruleset *rs);
// Bytes of one stream (off the path, asked first), and one that begins at `at`, where it stays; it needs no closing.
// NULL: it cannot be opened.
size_t policy_payload_bytes(const struct ruleset *rs);
struct policy_stream *policy_payload_open(const struct ruleset *rs, void *at);
void policy_payload_reset(struct policy_scratch *s, struct policy_stream *stream);
// The next bytes, or a datagram. True: a pattern was found that the row had not.
bool policy_payload_scan(struct policy_scratch *s, struct policy_stream *stream, const void *p, uint32_t len,
			 uint64_t *row);
bool policy_payload_block(struct policy_scratch *s, const void *p, uint32_t len, uint64_t *row);

// Rules that do not end the search and were true above the rule of the last verdict, ascending.
#define POLICY_FIRED_MAX 256
uint32_t policy_fired(const struct policy_scratch *s, const uint32_t **rules);
