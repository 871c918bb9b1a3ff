// SPDX-License-Identifier: BSD-3-Clause
//
// The table of neighbours. Open addressing with a bounded probe; a slot once written stays in its chain, and is written
// over only while it has no MAC: so a reader needs no lock to follow a chain. Rejected: the kernel's table asked for
// each packet (a system call), a table swapped whole by RCU (each change would copy it).
#include "neighbour.h"

#include <string.h>

#include <rte_branch_prediction.h>

struct key {
	uint32_t port;
	uint64_t address[2];
};

static struct key key_of(unsigned port, const uint8_t *address, unsigned len)
{
	struct key k = {.port = port | len << 8};
	memcpy(k.address, address, len);
	return k;
}

static uint32_t first(const struct key *k)
{
	uint64_t h = (k->address[0] ^ k->address[1] * 0x9e3779b97f4a7c15 ^ k->port) * 0xd6e8feb86659fd93;
	return (uint32_t)(h >> 40);
}

// Relaxed loads between two looks at the turn, each a whole word: nothing is torn, and what is mixed is seen by it.
static bool read_slot(const struct neighbour *s, struct key *k, uint64_t *mac)
{
	uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
	k->port = atomic_load_explicit(&s->port, memory_order_relaxed);
	k->address[0] = atomic_load_explicit(&s->address[0], memory_order_relaxed);
	k->address[1] = atomic_load_explicit(&s->address[1], memory_order_relaxed);
	*mac = atomic_load_explicit(&s->mac, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return !(turn & 1) && turn == atomic_load_explicit(&s->turn, memory_order_relaxed);
}

static bool same(const struct key *a, const struct key *b)
{
	return a->port == b->port && a->address[0] == b->address[0] && a->address[1] == b->address[1];
}

uint64_t neighbour_find(const struct neighbours *n, unsigned port, const uint8_t *address, unsigned len)
{
	struct key want = key_of(port, address, len), k;
	uint32_t at = first(&want);
	for (unsigned i = 0; i < NEIGHBOUR_PROBES; i++) {
		const struct neighbour *s = &n->slot[(at + i) % NEIGHBOUR_SLOTS];
		uint64_t mac;
		if (atomic_load_explicit(&s->turn, memory_order_relaxed) == 0)
			return NEIGHBOUR_NONE;
		if (likely(read_slot(s, &k, &mac) && same(&k, &want)))
			return mac;
	}
	return NEIGHBOUR_NONE;
}

static void write_slot(struct neighbour *s, const struct key *k, uint64_t mac)
{
	uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
	atomic_store_explicit(&s->turn, turn + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->port, k->port, memory_order_relaxed);
	atomic_store_explicit(&s->address[0], k->address[0], memory_order_relaxed);
	atomic_store_explicit(&s->address[1], k->address[1], memory_order_relaxed);
	atomic_store_explicit(&s->mac, mac, memory_order_relaxed);
	atomic_store_explicit(&s->turn, turn + 2 ? turn + 2 : 2, memory_order_release);
}

bool neighbour_set(struct neighbours *n, unsigned port, const uint8_t *address, unsigned len, uint64_t mac)
{
	struct key want = key_of(port, address, len), k;
	struct neighbour *room = NULL;
	uint32_t at = first(&want);
	for (unsigned i = 0; i < NEIGHBOUR_PROBES; i++) {
		struct neighbour *s = &n->slot[(at + i) % NEIGHBOUR_SLOTS];
		uint64_t old = NEIGHBOUR_NONE;
		bool used = atomic_load_explicit(&s->turn, memory_order_relaxed) != 0;
		if (used && read_slot(s, &k, &old) && same(&k, &want)) {
			if (old != mac)
				write_slot(s, &want, mac);
			return true;
		}
		if (!room && (!used || old == NEIGHBOUR_NONE))
			room = s;
		if (!used)
			break;
	}
	if (room && mac != NEIGHBOUR_NONE)
		write_slot(room, &want, mac);
	return room || mac == NEIGHBOUR_NONE;
}

void neighbour_forget(struct neighbours *n, unsigned port)
{
	struct key k;
	uint64_t mac;
	for (struct neighbour *s = n->slot; s < n->slot + NEIGHBOUR_SLOTS; s++)
		if (read_slot(s, &k, &mac) && mac != NEIGHBOUR_NONE && (k.port & 0xff) == port)
			write_slot(s, &k, NEIGHBOUR_NONE);
}
