// SPDX-License-Identifier: BSD-3-Clause
//
// A routed frame: one hop less to live, from our MAC address to the next hop's. In comes what the corridor lets go of a
// routed path, our own frames to the far end among it. Worker's thread; nobody waits: a neighbour that is not known is
// asked for, and the latest frame for it is kept for as long as the kernel asks (RFC 1122 2.3.2.2). Then its sender is
// told that nobody is there.
//
// There is no table of routes: what is on a network of the port goes there, all else to the port's next hop. VPC
// routers know the rest. Rejected: the kernel's routes (its table is not ours to read on the path, and a management
// interface's default route has nothing to do with the traffic).
#include "egress.h"

#include <string.h>

#include <rte_branch_prediction.h>

#include "neighbour.h"

#define ASKED_NS 3000000000ull // mcast_solicit times retrans_time_ms, as Linux has them
#define ASKS 256               // a second and worker: who scans a network must not keep the control thread busy

static bool within(const struct lane_net *n, const uint8_t *address)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (memcmp(n->bytes, address, whole) != 0)
		return false;
	return rest == 0 || (n->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

// Who is to have it next. NULL: nobody.
static const uint8_t *next_hop(const struct lane *l, const uint8_t *to, unsigned len)
{
	for (unsigned i = 0; i < l->nnets; i++)
		if (l->net[i].len == len && within(&l->net[i], to))
			return to;
	return l->has_hop[len == 16] ? l->hop[len == 16] : NULL;
}

static bool ask(struct worker *w, unsigned port, const uint8_t *address, unsigned len)
{
	struct egress *e = w->egress;
	uint64_t second = w->now_ns / 1000000000;
	if (e->said.second != second)
		e->said.second = second, e->said.errors = e->said.asks = 0;
	if (!e->ask || e->said.asks++ >= ASKS)
		return false;
	e->ask(e->arg, port, address, len);
	return true;
}

static struct egress_asked *place_for(struct worker *w, unsigned port, const uint8_t *hop, unsigned len)
{
	struct egress *e = w->egress;
	for (struct egress_asked *s = e->asked; s < e->asked + e->nasked; s++) {
		if (s->port == port && s->len == len && memcmp(s->hop, hop, len) == 0) {
			ask(w, port, hop, len); // the pipe may have had no room
			egress_refuse(w, s->m, REASON_EGRESS_NO_NEIGHBOUR);
			return s;
		}
	}
	if (e->nasked == EGRESS_ASKED || !ask(w, port, hop, len))
		return NULL;
	struct egress_asked *s = &e->asked[e->nasked++];
	*s = (struct egress_asked){.until_ns = w->now_ns + ASKED_NS, .port = (uint8_t)port, .len = (uint8_t)len};
	memcpy(s->hop, hop, len);
	return s;
}

static uint16_t wait_for(struct worker *w, struct rte_mbuf *m, unsigned port, const uint8_t *hop, unsigned len)
{
	struct egress_asked *s = place_for(w, port, hop, len);
	if (!s)
		return REASON_EGRESS_NO_NEIGHBOUR;
	pkt_of(m)->flow = NULL; // it may end first
	s->m = m;
	return EGRESS_WAITS;
}

void egress_again(struct worker *w, bool all)
{
	struct egress *e = w->egress;
	for (unsigned i = 0; i < e->nasked;) {
		struct egress_asked s = e->asked[i];
		bool known = neighbour_find(e->neighbours, s.port, s.hop, s.len) != NEIGHBOUR_NONE;
		if (!known && !all && w->now_ns < s.until_ns) {
			i++;
			continue;
		}
		e->asked[i] = e->asked[--e->nasked];
		if (known) {
			egress_leave(w, s.m);
			continue;
		}
		if (!all)
			egress_say(w, s.m, EGRESS_SAYS_NO_HOST, 0);
		egress_refuse(w, s.m, REASON_EGRESS_NO_NEIGHBOUR);
	}
}

// RFC 1141: the sum gains what the header loses.
static void one_less(uint8_t *h, unsigned version)
{
	if (version == 6) {
		h[7]--;
		return;
	}
	uint32_t sum = (uint32_t)h[10] << 8 | h[11];
	sum += 0x100;
	sum += sum >> 16;
	h[8]--;
	h[10] = (uint8_t)(sum >> 8);
	h[11] = (uint8_t)sum;
}

uint16_t egress_route(struct worker *w, struct rte_mbuf *m, const struct lane *in)
{
	const struct pkt *p = pkt_of(m);
	const struct lane *out = &w->egress->lane[in->out]; // as a lane it leads elsewhere; it knows its port
	if (unlikely(p->nlayers == 0))
		return REASON_EGRESS_OTHER_L2;
	const struct layer *l = &p->layer[0];
	uint8_t *data = pkt_data(m), *h = data + l->l3;
	unsigned v6 = l->version == 6, len = v6 ? 16 : 4;
	if (unlikely(h[v6 ? 7 : 8] <= 1)) {
		egress_say(w, m, EGRESS_SAYS_TTL, 0);
		return REASON_EGRESS_TTL;
	}
	const uint8_t *hop = next_hop(out, h + (v6 ? 24 : 16), len);
	if (unlikely(!hop)) {
		egress_say(w, m, EGRESS_SAYS_NO_ROUTE, 0);
		return REASON_EGRESS_NO_ROUTE;
	}
	uint64_t mac = neighbour_find(w->egress->neighbours, in->out, hop, len);
	if (unlikely(mac == NEIGHBOUR_NONE))
		return wait_for(w, m, in->out, hop, len);
	one_less(h, l->version);
	memcpy(data, &mac, 6);
	memcpy(data + 6, out->mac, 6);
	return REASON_NONE;
}
