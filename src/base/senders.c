// SPDX-License-Identifier: BSD-3-Clause
//
// A bounded open-addressing table of (address, protocol) -> seen right, seen wrong. It is written in the first pass
// over a capture and read while the capture walks the corridor, both on the thread of the corridor's front.
// Rejected: one pass with a verdict that changes its mind (a frame's door would depend on what comes after it);
// always two passes (twice the reading for the many captures without a wrong checksum, hence `learn`).
#include "base/senders.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/eal.h"

#define JOINED_MIN 4 // datagrams out of fragments: one or two may be forged, while all else comes whole
#define PROBES 16    // a crowded neighbourhood leaves a sender unknown, never makes a search long

enum seen { SEEN_GOOD = 1, SEEN_BAD = 2 };

struct slot {
	uint8_t addr[16];
	uint8_t version; // 0: free
	uint8_t proto, seen;
	uint8_t wrong; // sums, up to JOINED_MIN
	uint8_t pad[4];
};

struct senders {
	struct slot *slots;
	uint32_t mask;
	uint64_t seed;
	void (*learn)(void *arg);
	void *learn_arg;
	bool learned;
};

struct senders *senders_new(uint32_t capacity, uint64_t seed)
{
	struct senders *s = calloc(1, sizeof(*s));
	uint32_t n = 64;
	while (n < capacity && n < 1u << 30)
		n *= 2;
	if (!s || !(s->slots = mem_take(n * sizeof(struct slot)))) {
		free(s);
		return NULL;
	}
	s->mask = n - 1;
	s->seed = seed;
	return s;
}

void senders_free(struct senders *s)
{
	if (!s)
		return;
	mem_give(s->slots, (s->mask + 1ul) * sizeof(struct slot));
	free(s);
}

void senders_clear(struct senders *s)
{
	memset(s->slots, 0, (s->mask + 1ul) * sizeof(struct slot));
	s->learned = false;
}

void senders_learn(struct senders *s, void (*learn)(void *arg), void *arg)
{
	s->learn = learn;
	s->learn_arg = arg;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u; // golden ratio, as in Knuth 6.4
	return h ^ (h >> 32);
}

// The slot of a sender, or the free one where it would go; NULL: neither within reach.
static struct slot *find(const struct senders *s, uint8_t version, const uint8_t *addr, uint8_t proto)
{
	uint8_t key[16] = {0};
	uint64_t half[2];
	memcpy(key, addr, version == 4 ? 4 : 16);
	memcpy(half, key, 16);
	uint64_t h = mix(mix(mix(s->seed, half[0]), half[1]), (uint64_t)version << 8 | proto);
	for (unsigned i = 0; i < PROBES; i++) {
		struct slot *slot = &s->slots[(h + i) & s->mask];
		if (!slot->version ||
		    (slot->version == version && slot->proto == proto && !memcmp(slot->addr, key, 16)))
			return slot;
	}
	return NULL;
}

void senders_note(struct senders *s, uint8_t version, const uint8_t *addr, uint8_t proto, bool good)
{
	struct slot *slot = find(s, version, addr, proto);
	if (!slot)
		return;
	if (!slot->version) {
		memcpy(slot->addr, addr, version == 4 ? 4 : 16);
		slot->version = version;
		slot->proto = proto;
	}
	slot->seen |= good ? SEEN_GOOD : SEEN_BAD;
	slot->wrong += !good && slot->wrong < JOINED_MIN;
}

static bool offloads(const struct slot *slot)
{
	return slot && slot->version && slot->seen == SEEN_BAD &&
	       (slot->proto != SENDERS_UDP_JOINED || slot->wrong == JOINED_MIN);
}

bool senders_offload(struct senders *s, uint8_t version, const uint8_t *addr, uint8_t proto)
{
	if (s->learn && !s->learned) {
		s->learned = true;
		s->learn(s->learn_arg);
	}
	return offloads(find(s, version, addr, proto));
}

// Is it said already by the sender's entry for segments with data?
static bool also(const struct senders *s, const struct slot *slot)
{
	const struct slot *data = NULL;
	if (slot->proto == SENDERS_TCP_EMPTY)
		data = find(s, slot->version, slot->addr, IPPROTO_TCP);
	else if (slot->proto == SENDERS_IP_EMPTY)
		data = find(s, slot->version, slot->addr, SENDERS_IP);
	return offloads(data);
}

bool senders_next(const struct senders *s, uint32_t *i, struct sender *out)
{
	for (; *i <= s->mask; (*i)++) {
		const struct slot *slot = &s->slots[*i];
		if (slot->version && slot->seen == SEEN_BAD && !also(s, slot)) {
			memcpy(out->addr, slot->addr, 16);
			out->version = slot->version;
			out->proto = slot->proto;
			(*i)++;
			return true;
		}
	}
	return false;
}
