// SPDX-License-Identifier: BSD-3-Clause
//
// What a sender is told of a packet that goes nowhere: it has no hop left (RFC 792, RFC 4443 3.3), is longer than the
// way out can take (RFC 1191, RFC 8201), or there is no way or nobody at its end (RFC 792, RFC 4443 3.1). In comes the
// frame, which the caller drops; out goes a frame of our own, from the port's address where the path has one, else from
// that which the packet was for: a bridge has none. Worker's thread. Bounded, as routers have to (RFC 1812 4.3.2.8, RFC
// 4443 2.4 (f)).
//
// A packet of IPv4 that may be cut is answered like one that may not (nothing is cut here; who is told sends less).
// It is about the outermost IP header (behind a transport): that is the one whose sender can do something about it.
#include "answer.h"
#include "egress.h"
#include "rooms.h"

#define SAYS 1000 // a second and worker: Linux' icmp_msgs_per_sec

static bool bounded(struct worker *w)
{
	struct egress *e = w->egress;
	uint64_t second = w->now_ns / 1000000000;
	if (e->said.second != second)
		e->said.second = second, e->said.errors = e->said.asks = 0;
	return e->said.errors++ >= SAYS;
}

static const uint8_t *address_of(const struct lane *l, unsigned len)
{
	for (unsigned i = 0; i < l->nnets; i++)
		if (l->net[i].len == len)
			return l->net[i].bytes;
	return NULL;
}

void egress_say(struct worker *w, struct rte_mbuf *m, enum egress_error e, uint32_t mtu)
{
	struct pkt *p = pkt_of(m);
	struct layer *inner = p->inner;
	if ((p->flags & PKT_OWN) || p->nlayers == 0 || bounded(w))
		return;
	const struct layer *l = &p->layer[0];
	bool v6 = l->version == 6;
	static const uint8_t of[][2][2] = {[EGRESS_SAYS_TTL] = {{11, 0}, {3, 0}}, // type and code, by family
					   [EGRESS_SAYS_TOO_BIG] = {{3, 4}, {2, 0}},
					   [EGRESS_SAYS_NO_ROUTE] = {{3, 0}, {1, 0}},
					   [EGRESS_SAYS_NO_HOST] = {{3, 1}, {1, 3}}};
	struct answer_error error = {.type = of[e][v6][0], .code = of[e][v6][1], .word = mtu};
	if (w->egress->lane[p->port].mode == PATH_ROUTED)
		error.from = address_of(&w->egress->lane[p->port], v6 ? 16 : 4);
	p->inner = &p->layer[0];
	struct rte_mbuf *answer = answer_error(w, m, &error);
	p->inner = inner;
	if (answer)
		tx_own(w, answer, 0);
}
