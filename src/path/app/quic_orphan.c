// SPDX-License-Identifier: BSD-3-Clause
//
// QUIC whose handshake was not seen: datagrams of flows that nobody knows come in, one record goes out where their
// short headers (RFC 9000 17.3.1) are beyond doubt. A short header says nothing that is fixed but two bits, so it takes
// a row of them. What is remembered is bounded, a newcomer replaces. Worker's thread.
// Rejected: port 443 alone (QUIC is met on 853, 4433, 8443 and any other); believing any port as easily as 443 (a
// fourth of all random first bytes looks right, and so do letters).
#include "../judge.h"
#include "base/be.h"
#include "quic_conn.h"

#define ORPHANS_MIN 4       // short headers without a handshake before they are called QUIC
#define ORPHAN_SHAPES_MIN 3 // different values of the protected bits among them
#define STRANGERS_MIN 6     // the same on ports other than 443
#define STRANGER_SAME_MIN 3 // of those, of one direction, all with one connection id

struct quic_stranger *quic_stranger_of(struct quic *q, const struct app_in *in)
{
	struct quic_stranger *s = &q->stranger[in->f->id * 0x9e3779b97f4a7c15ull >> 54];
	if (s->flow_id != in->f->id || s->start_ns != in->f->start_ns)
		*s = (struct quic_stranger){.flow_id = in->f->id, .start_ns = in->f->start_ns};
	return s;
}

// Does what would be a short header's id and cipher look it? Text has no byte above 0x7f; magic numbers and lengths
// have zeros; a type or a counter in front does not go up and down.
static void look_closer(struct quic_stranger *s, const struct app_in *in)
{
	const uint8_t *p = in->data, bit = (uint8_t)(1 << in->dir);
	uint8_t high = 0, zeros = 0;
	for (unsigned i = 1; i < QUIC_SHORT_MIN; i++)
		high |= p[i];
	for (unsigned i = 1; i < 5; i++)
		zeros += p[i] == 0;
	if (!s->same[in->dir])
		s->id[in->dir] = be32(p + 1);
	else if (p[0] < s->last[in->dir])
		s->fell |= bit;
	if (high < 0x80 || zeros > 1 || s->id[in->dir] != be32(p + 1))
		s->odd |= bit;
	s->last[in->dir] = p[0];
	if (s->same[in->dir] < UINT8_MAX)
		s->same[in->dir]++;
}

static bool one_id(const struct quic_stranger *s, unsigned dir)
{
	return s->same[dir] >= STRANGER_SAME_MIN && (s->fell & ~s->odd) >> dir & 1;
}

// It takes several of them, both looks and variety: the low bits of a short header's first byte are
// protected and vary, a type byte of another protocol does not (OpenVPN's data packets begin with 0x48). On ports other
// than 443 one side's have to carry one connection id of at least four bytes, too: a flow both of whose sides chose
// none is not found there.
bool quic_orphan(struct quic *q, struct app_in *in)
{
	uint8_t b = in->data[0];
	if (in->f->app != APP_NONE)
		return false;
	bool https = quic_on_https(in->f);
	struct quic_stranger *s = quic_stranger_of(q, in);
	if ((b & 0xc0) != 0x40 || in->len < QUIC_SHORT_MIN) {
		s->spoiled = 1;
		return false;
	}
	if (s->spoiled)
		return false;
	s->shapes |= 1u << (b & 15);
	if (s->shorts < UINT8_MAX)
		s->shorts++;
	if (!https)
		look_closer(s, in);
	if (s->shorts < (https ? ORPHANS_MIN : STRANGERS_MIN) || __builtin_popcount(s->shapes) < ORPHAN_SHAPES_MIN ||
	    !(https || one_id(s, 0) || one_id(s, 1)))
		return false;
	in->f->app = APP_QUIC;
	txn_t t = txn_begin(in, RECORD_QUIC, 256);
	txn_num(in, t, FACT_QUIC_MIDSTREAM, 1, app_origin(in, in->data, 1));
	judge_txn(in, t);
	txn_end(in, t);
	return true;
}
