// SPDX-License-Identifier: BSD-3-Clause
//
// A worker that is behind begins fewer flows, so that those that are known keep their packets. Behind is who found
// burst after burst full: its queue holds more than it can take, and would lose whatever comes next, known or not. A
// packet that begins a flow costs five to ten of a known one, under a flood nothing is left for those; dropped before
// anything is made of it (SHED_NEW) it costs less than one. So a burst may begin so many flows and datagrams of
// fragments, an eighth fewer with each full burst that comes, one more with each that is not; never less than one in
// four bursts, or a worker that established flows alone keep busy would never see a new one. What is refused is sent
// again by whoever means it, after 1 s if it is TCP, and the flood's share of what is begun is that of what comes.
//
// Live only: in replay nobody says shed_turn, and nothing is refused. Rejected: a bound a source (4 million send one
// packet each), a bound of flows a second in the config (what a core can begin depends on all else that it does).
#pragma once

#include "worker.h"

#define SHED_AFTER 4 // full bursts, one after the other, until a worker is behind
#define SHED_FLOW 8  // tokens that it costs to begin
#define SHED_LEAST 2 // tokens a burst, at least
#define SHED_MOST (SHED_FLOW * BURST_SIZE)

// The next turn begins; full: a burst of it is as large as it can be.
static inline void shed_turn(struct worker *w, bool full)
{
	struct shed *s = &w->shed;
	uint32_t a_burst = SHED_MOST - s->withheld;
	if (likely(!full)) {
		s->full = 0;
		s->withheld -= s->withheld > 0;
	} else if (++s->full > SHED_AFTER) {
		a_burst -= (a_burst + 7) / 8;
		s->withheld = SHED_MOST - (a_burst > SHED_LEAST ? a_burst : SHED_LEAST);
	}
	s->tokens += SHED_MOST - s->withheld;
	if (s->tokens > SHED_MOST)
		s->tokens = SHED_MOST;
}

// Would a packet that begins something be refused now?
static inline bool shed_spent(const struct worker *w)
{
	return unlikely(w->shed.withheld != 0) && w->shed.tokens < SHED_FLOW;
}

// Something is to begin. False: it is refused.
static inline bool shed_begin(struct worker *w)
{
	if (shed_spent(w))
		return false;
	w->shed.tokens -= w->shed.withheld ? SHED_FLOW : 0;
	return true;
}
