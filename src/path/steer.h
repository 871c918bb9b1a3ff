// SPDX-License-Identifier: BSD-3-Clause
//
// A five-tuple in canonical order and its hash, for steer and for those who need one of a layer other than the
// innermost. See steer.c.
#pragma once

#include <string.h>

#include <rte_branch_prediction.h>

#include "worker.h"

// Spreads a seed over the key.
struct steer_key steer_key(uint64_t seed);

static inline uint64_t steer_load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t steer_load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static_assert(offsetof(struct layer, dport_be) == offsetof(struct layer, sport_be) + 2, "ports are read as a word");

// Fills the tuple of a layer out of its IP header and both ports as they stand there; true where the sender is its
// second end. Any order will do as long as both directions come to the same: ends are compared as they are loaded, and
// turned without a branch, which nobody could foresee.
static __rte_always_inline bool steer_order(const uint8_t *ip, uint32_t ports, unsigned version, unsigned proto,
					    struct tuple *t)
{
	uint16_t sport = (uint16_t)ports, dport = (uint16_t)(ports >> 16);
	unsigned swap;
	if (likely(version == 4)) {
		uint64_t both = steer_load64(ip + 12);
		swap = (both << 32 | sport) > (both >> 32 << 32 | dport);
		t->addrs = both >> swap * 32 | both << (-(swap * 32) & 63);
	} else {
		uint64_t s = steer_load64(ip + 8), d = steer_load64(ip + 24);
		if (s == d) {
			s = steer_load64(ip + 16);
			d = steer_load64(ip + 32);
		}
		swap = s == d ? sport > dport : s > d;
		t->addrs = 0;
	}
	ports = ports >> swap * 16 | ports << (-(swap * 16) & 31);
	t->tail = ports | (uint64_t)(version | proto << 8) << 32;
	return swap;
}

// The same of a layer that stands in the frame at `frame`, in which its offsets count.
static inline bool steer_tuple(const struct layer *l, const uint8_t *frame, struct tuple *t)
{
	uint32_t ports;
	memcpy(&ports, &l->sport_be, sizeof(ports));
	return steer_order(frame + l->l3, ports, l->version, l->proto, t);
}

static inline uint64_t steer_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

// Symmetric, since the tuple is: both directions of a flow have the same hash.
static __rte_always_inline uint32_t steer_hash_of(const struct steer_key *key, uint64_t tenant, const struct tuple *t,
						  const uint8_t *ip, unsigned version, bool swap)
{
	uint64_t addrs = t->addrs;
	if (unlikely(version != 4)) {
		const uint8_t *a = ip + (swap ? 24 : 8), *b = ip + (swap ? 8 : 24);
		addrs = steer_mix(steer_load64(a) ^ key->k[3], steer_load64(a + 8) ^ key->k[2]) ^
			steer_mix(steer_load64(b) ^ key->k[1], steer_load64(b + 8) ^ key->k[0]);
	}
	uint64_t h = steer_mix(addrs ^ key->k[0], t->tail ^ key->k[1]);
	h = steer_mix(h ^ tenant ^ key->k[2], key->k[3]);
	return (uint32_t)(h ^ h >> 32);
}

static inline uint32_t steer_hash(const struct steer_key *key, uint64_t tenant, const struct tuple *t,
				  const uint8_t *ip, bool swap)
{
	return steer_hash_of(key, tenant, t, ip, (uint8_t)(t->tail >> 32), swap);
}

// Sets what steer_burst sets, of one packet whose innermost IP header is at ip.
static __rte_always_inline void steer_ends(const struct steer_key *key, struct pkt *p, const uint8_t *ip,
					   uint32_t ports, unsigned version, unsigned proto)
{
	struct tuple t;
	p->swap = steer_order(ip, ports, version, proto, &t);
	p->tuple = t;
	p->hash = steer_hash_of(key, p->tenant, &t, ip, version, p->swap);
}
