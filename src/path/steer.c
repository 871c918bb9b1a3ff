// SPDX-License-Identifier: BSD-3-Clause
//
// Which worker owns a packet's flow, and where in its table the flow is: one hash over tenant and innermost
// five-tuple, computed once and kept in pkt->hash. Frames without IP have 0. Runs on the worker that took the frame.
//
// The hash is keyed, since whoever sends packets chooses what is hashed: without the key nobody can choose tuples
// that meet in one bucket. It is symmetric: each end is mixed by itself, the two are added, the sum is mixed again
// with tenant and protocol. Adding (and not sorting) saves the comparison of addresses; adding before the last mix
// and after the first keeps (a:p, b:q) apart from (a:q, b:p).
//
// A mix is a 64 x 64 -> 128 bit multiplication with secret operands whose halves are then folded together (as in
// wyhash and ahash): 3 of them for IPv4, 5 for IPv6, some 25 instructions. Rejected: Toeplitz (linear: collisions
// can be built without the key), CRC32 (linear as well), SipHash-1-3 (some 150 instructions, a budget of its own).
#include "steer.h"

#include <netinet/in.h>
#include <string.h>

#include "rooms.h"

// splitmix64 (Steele, Lea, Flood 2014): every bit of the seed reaches every bit of the key.
struct steer_key steer_key(uint64_t seed)
{
	struct steer_key key;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		key.k[i] = (z ^ z >> 31) | 1;
	}
	return key;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t end4(const struct steer_key *key, const uint8_t *addr, uint16_t port)
{
	return mix(((uint64_t)load32(addr) << 16 | port) ^ key->k[0], key->k[1]);
}

static inline uint64_t end6(const struct steer_key *key, const uint8_t *addr, uint16_t port)
{
	uint64_t a = mix(load64(addr) ^ key->k[0], load64(addr + 8) ^ key->k[1]);
	return mix(a ^ port ^ key->k[2], key->k[1]);
}

static inline uint32_t hash(const struct steer_key *key, uint64_t tenant, const struct layer *l, const uint8_t *frame)
{
	const uint8_t *ip = frame + l->l3;
	uint64_t sum;
	if (likely(l->version == 4))
		sum = end4(key, ip + 12, l->sport_be) + end4(key, ip + 16, l->dport_be);
	else
		sum = end6(key, ip + 8, l->sport_be) + end6(key, ip + 24, l->dport_be);
	uint64_t h = mix(sum ^ tenant ^ key->k[2], key->k[3] ^ (uint64_t)l->proto << 32);
	return (uint32_t)(h ^ h >> 32);
}

uint32_t steer_hash(const struct steer_key *key, uint64_t tenant, const struct layer *l, const uint8_t *frame)
{
	return hash(key, tenant, l, frame);
}

void steer_burst(struct worker *w, struct burst *b)
{
	struct steer_key key = steer_key(w->config->seed);
	for (unsigned i = 0; i < b->n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		const struct layer *l = pkt_inner(p);
		p->hash = !l || pkt_decided(p) ? 0 : hash(&key, p->tenant, l, pkt_data(b->m[i]));
	}
}
