// SPDX-License-Identifier: BSD-3-Clause
//
// What a machine can do at most: absolute figures swing two- to threefold between machines and minutes, so the
// corridor is given as a multiple of these two, taken in the same run over the same packets.
//
//   empty: a packet comes, a packet goes: what the loop, the preloaded source and freeing cost
//   bare:  addresses and ports are read, hashed symmetrically, and one 64-byte record a flow is looked up and counted:
//          the floor below which no flow tracker can be. It checks nothing, expires nothing, inspects nothing.
#include "bench_calibrate.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash_crc.h>
#include <rte_prefetch.h>

#include "base/eal.h"

struct bare_flow {
	uint8_t a[16], b[16];
	uint32_t ports;
	uint32_t proto;
	uint64_t packets, bytes;
	uint64_t used;
} __rte_cache_aligned;

static struct bare_flow *table;
static uint32_t mask;

int calibrate_init(uint32_t flows)
{
	mask = rte_align32pow2(flows * 2) - 1;
	table = mem_take((size_t)(mask + 1) * sizeof(*table));
	return table ? 0 : -ENOMEM;
}

static void let_go(struct worker *w, struct burst *b)
{
	rte_pktmbuf_free_bulk(b->m, b->n);
	w->tx += b->n;
	b->n = 0;
}

void calibrate_empty_burst(struct worker *w, struct burst *b)
{
	let_go(w, b);
}

// Reads the five-tuple of plain Ethernet + IPv4/IPv6 + TCP/UDP; false: something else.
static bool tuple(const uint8_t *d, uint32_t len, struct bare_flow *k)
{
	const uint8_t *l4;
	uint16_t type;
	if (len < 54)
		return false;
	memcpy(&type, d + 12, 2);
	memset(k, 0, 40);
	if (type == RTE_BE16(0x0800)) {
		memcpy(k->a, d + 26, 4);
		memcpy(k->b, d + 30, 4);
		k->proto = d[23];
		l4 = d + 14 + (d[14] & 15) * 4;
	} else if (type == RTE_BE16(0x86dd)) {
		memcpy(k->a, d + 22, 16);
		memcpy(k->b, d + 38, 16);
		k->proto = d[20];
		l4 = d + 54;
	} else {
		return false;
	}
	if ((k->proto != IPPROTO_TCP && k->proto != IPPROTO_UDP) || l4 + 4 > d + len)
		return false;
	memcpy(&k->ports, l4, 4);
	if (memcmp(k->a, k->b, 16) > 0) { // canonical: both directions are one flow
		uint8_t t[16];
		memcpy(t, k->a, 16);
		memcpy(k->a, k->b, 16);
		memcpy(k->b, t, 16);
		k->ports = k->ports << 16 | k->ports >> 16;
	}
	return true;
}

void calibrate_bare_burst(struct worker *w, struct burst *b)
{
	struct bare_flow key[BURST_SIZE];
	uint32_t slot[BURST_SIZE];
	bool ok[BURST_SIZE];
	for (unsigned i = 0; i < b->n; i++) {
		ok[i] = tuple(pkt_data(b->m[i]), rte_pktmbuf_data_len(b->m[i]), &key[i]);
		slot[i] = ok[i] ? rte_hash_crc(&key[i], 40, 0) & mask : 0;
		rte_prefetch0(&table[slot[i]]);
	}
	for (unsigned i = 0; i < b->n; i++) {
		if (!ok[i])
			continue;
		struct bare_flow *f = &table[slot[i]];
		while (f->used && memcmp(f, &key[i], 40) != 0)
			f = &table[slot[i] = (slot[i] + 1) & mask];
		if (!f->used) {
			memcpy(f, &key[i], 40);
			f->used = 1;
		}
		f->packets++;
		f->bytes += rte_pktmbuf_pkt_len(b->m[i]);
	}
	let_go(w, b);
}
