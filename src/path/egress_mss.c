// SPDX-License-Identifier: BSD-3-Clause
//
// The largest segment that a SYN asks for, where the way is narrower than its ends know (corridor.md 1: gwlb, where
// nobody cuts and nobody says that a packet is too big). Worker's thread, off the fast path: SYNs alone.
//
// The option is lowered, never raised, and never added: who sends none gets 536 or 1,220 bytes (RFC 9293 3.7.1, RFC
// 6691). The sum is mended by what changed (RFC 1624), so one that was wrong stays wrong, and the sum of a UDP header
// around it stays right.
#include <netinet/in.h>
#include <string.h>

#include "base/be.h"
#include "checksum.h"
#include "egress.h"

#define OPTION_MSS 2

// The option's value in a TCP header of len bytes. NULL: it has none.
static uint8_t *find(uint8_t *t, uint32_t len)
{
	for (uint32_t i = 20; i < len && t[i] != 0;) { // RFC 9293 3.1
		if (t[i] == 1) {
			i++;
			continue;
		}
		if (len - i < 2 || t[i + 1] < 2 || t[i + 1] > len - i)
			return NULL;
		if (t[i] == OPTION_MSS)
			return t[i + 1] == 4 ? t + i + 2 : NULL;
		i += t[i + 1];
	}
	return NULL;
}

static uint16_t word(const uint8_t *p, bool odd)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return odd ? (uint16_t)(v >> 8 | v << 8) : v;
}

void egress_mss(struct rte_mbuf *m, uint16_t most)
{
	const struct layer *l = pkt_of(m)->inner;
	uint8_t *t = pkt_data(m) + l->l4;
	if ((l->flags & LAYER_FRAGMENT) || l->payload > m->data_len || l->payload < l->l4 + 20)
		return;
	uint8_t *at = find(t, l->payload - l->l4);
	if (!at || be16(at) <= most)
		return;
	bool odd = (at - t) & 1; // the sum is over words that begin with the header
	uint64_t sum = (uint16_t)~word(at, odd);
	at[0] = (uint8_t)(most >> 8);
	at[1] = (uint8_t)most;
	sum += (uint16_t)~word(t + 16, false) + (uint64_t)word(at, odd);
	uint16_t mended = (uint16_t)~checksum_fold(sum);
	memcpy(t + 16, &mended, 2);
}
