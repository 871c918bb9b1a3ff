// SPDX-License-Identifier: BSD-3-Clause
//
// Which worker gets a datagram: the owner of its five-tuple, but where it is an Initial under a connection id that came
// from another five-tuple before. A server finds connections by their ids (RFC 9000 5.2), so halves of one hello can
// come from two ports, and only who has both can read it. In: packets of the front's walk, in order; out: a hash.
//
// What must never happen: that a five-tuple changes its owner under way, for its flow would be split in two. It is
// bound by its first Initial; one that had said something else before is split, and then its flow is told twice.
// Rejected: steering by the id alone (answers carry another one), telling the other worker (it would have to wait).
#include "replay_moved.h"

#include <netinet/in.h>
#include <string.h>

#include "base/be.h"
#include "path/steer.h"

#define ID_MIN 8 // RFC 9000 7.2: a client's first choice has as many bytes at least
#define ID_MAX 20
#define WAYS 4
#define QUIC_V2 0x6b3343cfu // RFC 9369 3.2: types are shifted by one

void moved_clear(struct moved *t)
{
	memset(t, 0, sizeof(*t));
}

// The id that an Initial goes to, with the server that it goes to, hashed. 0: it is none.
static uint64_t initial_id(const struct steer_key *key, const struct pkt *p, const uint8_t *data)
{
	const struct layer *l = p->inner;
	if (!l || l->proto != IPPROTO_UDP || l->payload_len < 6 + ID_MIN || (data[l->payload] & 0xc0) != 0xc0)
		return 0;
	const uint8_t *q = data + l->payload;
	uint32_t version = be32(q + 1), len = q[5];
	if (version == 0 || len < ID_MIN || len > ID_MAX || len + 6 > l->payload_len ||
	    (q[0] >> 4 & 3) != (version == QUIC_V2))
		return 0;
	const uint8_t *to = data + l->l3 + (l->version == 4 ? 16 : 24);
	uint64_t h = steer_mix(p->tenant ^ key->k[0], (len << 16 | l->dport_be) ^ key->k[1]);
	h = steer_mix(h ^ steer_load32(to), key->k[3]);
	if (l->version == 6)
		h = steer_mix(h ^ steer_load64(to), steer_load64(to + 8) ^ key->k[3]);
	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t part = 0;
		memcpy(&part, q + 6 + at, len - at < 8 ? len - at : 8);
		h = steer_mix(h ^ part, key->k[2]);
	}
	return h | 1;
}

static struct moved_flow *flow_of(struct moved *t, uint32_t tuple)
{
	struct moved_flow *set = &t->flows[tuple % (MOVED_FLOWS / WAYS) * WAYS];
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].tuple == tuple)
			return &set[i];
	return NULL;
}

static void take(struct moved *t, uint32_t tuple, uint32_t to)
{
	struct moved_flow *f = &t->flows[tuple % (MOVED_FLOWS / WAYS) * WAYS];
	for (unsigned i = 0; i < WAYS; i++, f++) {
		if (f->tuple)
			continue;
		*f = (struct moved_flow){tuple, to};
		t->nflows++;
		return;
	}
}

uint32_t moved_hash(struct moved *t, const struct steer_key *key, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	uint32_t tuple = p->hash;
	uint64_t id = pkt_decided(p) ? 0 : initial_id(key, p, pkt_data(m));
	if (id) {
		struct moved_id *k = &t->ids[id >> 32 & (MOVED_IDS - 1)];
		if (k->id != id)
			*k = (struct moved_id){id, tuple};
		else if (k->tuple != tuple && tuple && !flow_of(t, tuple))
			take(t, tuple, k->tuple);
	}
	const struct moved_flow *f = t->nflows ? flow_of(t, tuple) : NULL;
	return f && tuple ? f->to : tuple;
}
