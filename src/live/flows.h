// SPDX-License-Identifier: BSD-3-Clause
//
// Live flows, looked through by the workers that own them: those that a filter takes are counted, the largest shown, or
// all of them ended. See flows.c.
#pragma once

#include "live/errand.h"
#include "live/poll.h"

#define FLOWS_SHOWN_MAX 1000

struct flows_net {
	uint8_t addr[16];
	uint8_t version, bits; // version 0: any
};

enum flows_verdict { FLOWS_ANY, FLOWS_ALLOW, FLOWS_DENY, FLOWS_OPEN, FLOWS_UNJUDGED, FLOWS_VERDICTS };
extern const char *const flows_verdict_names[FLOWS_VERDICTS];

// All that is not 0 has to be so.
struct flows_filter {
	uint64_t id, tenant;
	struct flows_net src, dst, either;
	uint32_t sport, dport, port; // + 1
	uint16_t proto;              // + 1
	uint16_t app;                // + 1
	uint8_t verdict;             // enum flows_verdict
	bool by_rule;
	uint32_t rule, version; // by_rule; of the policy of that version
	uint64_t seen_ns;       // a packet of it came since
};

struct flows_row {
	struct flow flow;
	uint64_t rank; // bytes; of a second, on the average of its life, where the filter has seen_ns
	uint32_t rule, version;
	uint8_t verdict;
	uint8_t worker;
	bool settled;
	char why[160]; // it is settled, or not; where the filter has an id
};

struct flows {
	struct errand errand; // first
	struct flows_filter filter;
	bool kill;
	uint32_t shown; // at most so many of each worker
	struct flows_part {
		uint32_t next; // number of the flow to look at
		uint32_t n;
		uint64_t live, matched, killed;
		struct flows_row *row; // a heap: the one of least rank first
	} part[POLL_WORKERS];
};

// NULL: no memory.
struct flows *flows_new(unsigned workers, uint32_t shown);
void flows_free(struct flows *s);
// When the workers are done: all rows of all workers, the largest first. The first `shown` of them are there to take.
struct flows_row *flows_ranked(struct flows *s, unsigned workers, uint32_t *n);
bool flows_match(const struct flows_filter *q, const struct flow *f);
bool flows_step(struct errand *e, struct worker *w); // errand.step
