// SPDX-License-Identifier: BSD-3-Clause
//
// How far each direction of an open TCP flow has left the box: what its receiver expects next, and so the number under
// which it believes us. Kept in the flow's stream; a flow without one has carried no data. Worker's thread.
//
// Rejected: flow's own numbers (flow has seen the rest of the burst already, and what was dropped since), the other
// side's last ACK (data may be on its way).
#include "act_in.h"
#include "base/be.h"
#include "stream_pool.h"

void act_left(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	struct stream *st = stream_of(w, p->flow);
	if (!st || l->payload < l->l4 + 20 || l->payload > m->data_len || (l->tcp_flags & 4))
		return;
	act_left_at(w, p->flow, p->dir,
		    be32(pkt_data(m) + l->l4 + 4) + l->wire_len + !!(l->tcp_flags & 2) + (l->tcp_flags & 1));
}

void act_left_at(struct worker *w, struct flow *f, unsigned dir, uint32_t end)
{
	struct stream *st = stream_of(w, f);
	struct stream_side *s = st ? &st->side[dir] : NULL;
	if (!s)
		return;
	if (!s->has_left || (int32_t)(end - s->left) > 0)
		s->left = end;
	s->has_left = true;
}

bool act_left_to(const struct worker *w, const struct flow *f, unsigned dir, uint32_t *seq)
{
	const struct stream *st = stream_of(w, f);
	const struct stream_side *s = st ? &st->side[dir] : NULL;
	if (!s)
		return false;
	if (dir == 0 && (s->flags & STREAM_BASED) && (f->flags & FLOW_REFUSED)) {
		*seq = s->base_seq + (uint32_t)s->judged;
		return true;
	}
	*seq = s->left;
	// since the flow is open no more nobody has noted what left
	bool old = w->config->live && (f->side[dir].flags & SIDE_ACKED) && (int32_t)(f->side[dir].acked - s->left) > 0;
	return s->has_left && !old;
}
