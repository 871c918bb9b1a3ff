// SPDX-License-Identifier: BSD-3-Clause
//
// What a verdict does. In comes a burst whose flows have been judged; packets of denied flows get the reason
// POLICY_DENY, all others pass. Worker's thread. Where there is no policy nothing is looked at.
//
// A flow is denied while inspect reads one packet of it, but the same burst may have earlier ones, which leave: so
// what was denied is noted with its packet (act_deny) and taken up here, in the order of the walk. The result does not
// depend on how packets fell into bursts.
#include "act.h"

#include <errno.h>

#include "base/eal.h"

// A denial in the burst in work: packets of the flow before m pass.
struct denial {
	const struct flow *f;
	const struct rte_mbuf *m;
	uint32_t tx_id;
	uint8_t dir;
	bool reached;
};

struct act {
	struct denial denial[BURST_SIZE];
	unsigned ndenials;
};

int act_init(struct worker *w)
{
	w->act = mem_take(sizeof(*w->act));
	return w->act ? 0 : -ENOMEM;
}

void act_fini(struct worker *w)
{
	mem_give(w->act, sizeof(*w->act));
	w->act = NULL;
}

void act_deny(struct worker *w, struct flow *f, struct rte_mbuf *m, unsigned dir, uint32_t tx_id)
{
	struct act *a = w->act;
	if (a->ndenials < BURST_SIZE && m && m == w->packet)
		a->denial[a->ndenials++] = (struct denial){.f = f, .m = m, .tx_id = tx_id, .dir = (uint8_t)dir};
}

static struct denial *denial_of(struct act *a, const struct flow *f)
{
	for (unsigned i = 0; i < a->ndenials; i++)
		if (a->denial[i].f == f)
			return &a->denial[i];
	return NULL;
}

static void denied(struct act *a, struct rte_mbuf *m, struct pkt *p)
{
	struct denial *d = denial_of(a, p->flow);
	if (d && d->m == m)
		d->reached = true;
	if (!d || d->reached)
		pkt_drop(p, REASON_POLICY_DENY);
}

void act_burst(struct worker *w, struct burst *b)
{
	if (likely(!w->rules))
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		if (p->flow && (p->flow->policy & POLICY_DENIED))
			denied(w->act, b->m[i], p);
	}
	w->act->ndenials = 0;
	w->packet = NULL;
}
