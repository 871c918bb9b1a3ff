// SPDX-License-Identifier: BSD-3-Clause
//
// Which worker owns a packet's flow, and where in its table the flow is: one hash over tenant and innermost
// five-tuple, computed once and kept in pkt->hash with the tuple itself. Frames without IP have 0. Runs on the worker
// that took the frame. Plain frames come with both from decap, which has their addresses at hand: a burst of nothing
// else is done with.
//
// The hash is keyed, since whoever sends packets chooses what is hashed: without the key nobody can choose tuples
// that meet in one bucket. It is symmetric because the tuple is put in order first, which flow needs for its key
// anyway.
//
// A mix is a 64 x 64 -> 128 bit multiplication with secret operands whose halves are then folded together (as in
// wyhash and ahash): 2 of them for IPv4, 4 for IPv6. Rejected: Toeplitz (linear: collisions can be built without the
// key), CRC32 (linear as well), SipHash-1-3 (some 150 instructions, a budget of its own), mixing each end by itself and
// adding (a third multiplication instead of a comparison that is made for the key as well).
#include "steer.h"

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

void steer_burst(struct worker *w, struct burst *b)
{
	const struct steer_key key = w->steer;
	unsigned done = w->steered;
	w->steered = 0;
	if (likely(done == b->n))
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		const struct layer *l = p->inner;
		uint32_t ports;
		if (p->hash || unlikely(!l || pkt_decided(p)))
			continue; // decap has steered it, or pkt_begin left 0
		memcpy(&ports, &l->sport_be, sizeof(ports));
		steer_ends(&key, p, pkt_data(b->m[i]) + l->l3, ports, l->version, l->proto);
	}
}
