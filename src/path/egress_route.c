// SPDX-License-Identifier: BSD-3-Clause
//
// A routed frame: one hop less to live, from our MAC address to the next hop's. In comes what the corridor lets go of a
// routed path, our own frames to the far end among it. Worker's thread; nothing is waited for: a neighbour that is not
// known is asked for, and this frame does not leave. The sender tries again, as it does with any router.
//
// There is no table of routes: what is on a network of the port goes there, all else to the port's next hop. VPC
// routers know the rest. Rejected: the kernel's routes (its table is not ours to read on the path, and a management
// interface's default route has nothing to do with the traffic).
#include "egress.h"

#include <string.h>

#include <rte_branch_prediction.h>

#include "neighbour.h"

#define ASKS 256 // a second and worker: who scans a network must not keep the control thread busy

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

static void ask(struct worker *w, unsigned port, const uint8_t *address, unsigned len)
{
	struct egress *e = w->egress;
	uint64_t second = w->now_ns / 1000000000;
	if (e->said.second != second)
		e->said.second = second, e->said.errors = e->said.asks = 0;
	if (e->ask && e->said.asks++ < ASKS)
		e->ask(e->arg, port, address, len);
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
	if (unlikely(!hop))
		return REASON_EGRESS_NO_ROUTE;
	uint64_t mac = neighbour_find(w->egress->neighbours, in->out, hop, len);
	if (unlikely(mac == NEIGHBOUR_NONE)) {
		ask(w, in->out, hop, len);
		return REASON_EGRESS_NO_NEIGHBOUR;
	}
	one_less(h, l->version);
	memcpy(data, &mac, 6);
	memcpy(data + 6, out->mac, 6);
	return REASON_NONE;
}
