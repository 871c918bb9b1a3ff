// SPDX-License-Identifier: BSD-3-Clause
//
// Flows as they are said: which are meant, in words of a command, and one as JSON.
#pragma once

#include "ctl/command.h"
#include "live/flows.h"

struct standing_view;

// From word `from` on: KEY VALUE pairs; limit, where it may stand, goes to *limit. v: the policy in force, or NULL.
// False: the call has failed.
bool flow_words(struct call *c, unsigned from, const struct standing_view *v, struct flows_filter *q, uint32_t *limit);
json_t *flow_word_kinds(struct appliance *a); // the keys, for completion

// all: with everything that is known.
json_t *flow_words_of(const struct flows_row *r, const struct standing_view *v, uint64_t now_ns, bool all);
