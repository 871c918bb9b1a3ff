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

static_assert(offsetof(struct layer, dport_be) == offsetof(struct layer, sport_be) + 2 &&
		      offsetof(struct layer, sport_be) % 4 == 0 &&
		      offsetof(struct layer, proto) == offsetof(struct layer, version) + 1,
	      "steer_tuple reads ports, version and protocol as words");

// Fills the tuple of a layer; true where the sender is its second end. Any order will do as long as both directions
// come to the same: ends are compared as they are loaded. frame: first byte of the frame that l's offsets count in.
static inline bool steer_tuple(const struct layer *l, const uint8_t *frame, struct tuple *t)
{
	const uint8_t *ip = frame + l->l3;
	uint32_t ports;
	uint16_t kind;
	bool swap;
	memcpy(&ports, &l->sport_be, sizeof(ports));
	memcpy(&kind, &l->version, sizeof(kind));
	if (likely(l->version == 4)) {
		uint64_t both = steer_load64(ip + 12);
		swap = (both << 32 | l->sport_be) > (both >> 32 << 32 | l->dport_be);
		t->addrs = swap ? both << 32 | both >> 32 : both;
	} else {
		uint64_t s = steer_load64(ip + 8), d = steer_load64(ip + 24);
		if (s == d) {
			s = steer_load64(ip + 16);
			d = steer_load64(ip + 32);
		}
		swap = s == d ? l->sport_be > l->dport_be : s > d;
		t->addrs = 0;
	}
	t->tail = (swap ? ports << 16 | ports >> 16 : ports) | (uint64_t)kind << 32;
	return swap;
}

static inline uint64_t steer_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

// Symmetric, since the tuple is: both directions of a flow have the same hash.
static inline uint32_t steer_hash(const struct steer_key *key, uint64_t tenant, const struct tuple *t,
				  const uint8_t *ip, bool swap)
{
	uint64_t addrs = t->addrs;
	if (unlikely((uint8_t)(t->tail >> 32) != 4)) {
		const uint8_t *a = ip + (swap ? 24 : 8), *b = ip + (swap ? 8 : 24);
		addrs = steer_mix(steer_load64(a) ^ key->k[3], steer_load64(a + 8) ^ key->k[2]) ^
			steer_mix(steer_load64(b) ^ key->k[1], steer_load64(b + 8) ^ key->k[0]);
	}
	uint64_t h = steer_mix(addrs ^ key->k[0], t->tail ^ key->k[1]);
	h = steer_mix(h ^ tenant ^ key->k[2], key->k[3]);
	return (uint32_t)(h ^ h >> 32);
}
