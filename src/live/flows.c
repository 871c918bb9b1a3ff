// SPDX-License-Identifier: BSD-3-Clause
//
// The flow tables, looked through. In comes a filter; out come how many flows there are and how many it takes, copies
// of the largest, and, if that was asked, their end. step runs on each worker's thread, some places of the table a
// turn, so a flow that ends or begins meanwhile may be in it or not; the rest runs on the control thread, before and
// after.
//
// Which are the largest is known when all were looked at: a heap of as many as are shown, whose least one gives way.
#include "live/flows.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "path/flow_table.h"
#include "path/settle.h"

#define PLACES 256 // of the table, a turn: 45 KB that are read in a row, some 10 us

const char *const flows_verdict_names[FLOWS_VERDICTS] = {"any", "allow", "deny", "open", "unjudged"};

struct flows *flows_new(unsigned workers, uint32_t shown)
{
	struct flows *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->shown = shown;
	for (unsigned i = 0; i < workers && shown; i++) {
		s->part[i].row = malloc(shown * sizeof(struct flows_row));
		if (!s->part[i].row) {
			flows_free(s);
			return NULL;
		}
	}
	return s;
}

void flows_free(struct flows *s)
{
	for (unsigned i = 0; s && i < POLL_WORKERS; i++)
		free(s->part[i].row);
	free(s);
}

// ---- which -------------------------------------------------------------------------------------------------------

static bool within(const struct flows_net *n, const struct flow *f, const uint8_t *addr)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (!n->version)
		return true;
	if (n->version != f->key.version || memcmp(n->addr, addr, whole) != 0)
		return false;
	return !rest || (n->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

static bool port_is(uint32_t wanted, uint16_t port_be)
{
	return !wanted || wanted - 1 == ntohs(port_be);
}

static uint8_t verdict_of(const struct flow *f)
{
	if (f->policy & (POLICY_DENIED | POLICY_ENDING))
		return FLOWS_DENY;
	if (!(f->policy & POLICY_JUDGED))
		return FLOWS_UNJUDGED;
	return (f->policy & POLICY_OPEN) && !f->tx_count ? FLOWS_OPEN : FLOWS_ALLOW;
}

bool flows_match(const struct flows_filter *q, const struct flow *f)
{
	bool swapped = f->flags & FLOW_SWAPPED;
	const uint8_t *src = swapped ? f->key.b : f->key.a, *dst = swapped ? f->key.a : f->key.b;
	uint16_t sport = swapped ? f->key.bport_be : f->key.aport_be,
		 dport = swapped ? f->key.aport_be : f->key.bport_be;
	return (!q->id || q->id == f->id) && (!q->tenant || q->tenant == f->key.tenant) &&
	       (!q->proto || q->proto - 1 == f->key.proto) && (!q->app || q->app - 1 == f->app) &&
	       (!q->verdict || q->verdict == verdict_of(f)) && port_is(q->sport, sport) && port_is(q->dport, dport) &&
	       (!q->port || port_is(q->port, sport) || port_is(q->port, dport)) && within(&q->src, f, src) &&
	       within(&q->dst, f, dst) && (within(&q->either, f, src) || within(&q->either, f, dst)) &&
	       f->last_ns >= q->seen_ns;
}

// ---- the largest -------------------------------------------------------------------------------------------------

static void swap(struct flows_row *a, struct flows_row *b)
{
	struct flows_row t = *a;
	*a = *b;
	*b = t;
}

static void keep(struct flows_part *p, uint32_t room, const struct flows_row *r)
{
	struct flows_row *h = p->row;
	uint32_t i = p->n;
	if (p->n < room) {
		h[p->n++] = *r;
		for (; i && h[i].rank < h[(i - 1) / 2].rank; i = (i - 1) / 2)
			swap(&h[i], &h[(i - 1) / 2]);
		return;
	}
	if (!room || r->rank <= h[0].rank)
		return;
	h[0] = *r;
	for (uint32_t least = 0;;) {
		i = least;
		for (uint32_t child = 2 * i + 1; child < 2 * i + 3 && child < p->n; child++)
			if (h[child].rank < h[least].rank)
				least = child;
		if (least == i)
			return;
		swap(&h[i], &h[least]);
	}
}

static uint64_t rank_of(const struct flows *s, const struct flow *f)
{
	uint64_t bytes = f->bytes[0] + f->bytes[1];
	return s->filter.seen_ns ? bytes * 1000 / ((f->last_ns - f->start_ns) / 1000000 + 1000) : bytes;
}

// ---- on the worker's thread --------------------------------------------------------------------------------------

static void look(struct flows *s, struct flows_part *p, struct worker *w, struct flow *f)
{
	struct flows_row r;
	if (!f->key.version || f->key.outer) // free, or of a layer outside the innermost
		return;
	p->live++;
	if (!flows_match(&s->filter, f))
		return;
	r.rule = judge_rule(w, f, &r.version);
	if (s->filter.by_rule && (r.rule != s->filter.rule || r.version != s->filter.version))
		return;
	p->matched++;
	if (s->kill)
		p->killed += judge_kill(w, f);
	r.flow = *f;
	r.rank = rank_of(s, f);
	r.verdict = verdict_of(f);
	r.worker = (uint8_t)w->id;
	r.settled = true;
	for (unsigned dir = 0; dir < 2 && r.settled && s->filter.id; dir++)
		r.settled = settle_why(w, f, dir, r.why, sizeof(r.why));
	keep(p, s->shown, &r);
}

bool flows_step(struct errand *e, struct worker *w)
{
	struct flows *s = (struct flows *)e;
	struct flows_part *p = &s->part[w->id];
	uint32_t end = w->flows->fresh - p->next > PLACES ? p->next + PLACES : w->flows->fresh;
	for (; p->next < end; p->next++)
		look(s, p, w, &w->flows->flows[p->next]);
	return p->next >= w->flows->fresh;
}

// ---- afterwards --------------------------------------------------------------------------------------------------

static int by_rank(const void *x, const void *y)
{
	const struct flows_row *a = x, *b = y;
	return a->rank < b->rank ? 1 : a->rank > b->rank ? -1 : 0;
}

struct flows_row *flows_ranked(struct flows *s, unsigned workers, uint32_t *n)
{
	uint32_t all = 0;
	for (unsigned i = 0; i < workers; i++)
		all += s->part[i].n;
	struct flows_row *row = malloc((all + 1ul) * sizeof(*row));
	*n = 0;
	for (unsigned i = 0; row && i < workers; i++)
		for (uint32_t k = 0; k < s->part[i].n; k++)
			row[(*n)++] = s->part[i].row[k];
	if (row)
		qsort(row, *n, sizeof(*row), by_rank);
	return row;
}
