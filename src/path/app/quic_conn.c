// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of QUIC: connections, chunks of CRYPTO bytes, ids. All of it is taken at start; when it is spent the
// connection that was not touched for longest gives way (counter app_pool_empty where its hello was not whole).
// Worker's thread.
//
// CRYPTO bytes are kept in chunks with one bit a byte, so that frames of any size in any order (Chrome cuts its
// hello into dozens of shuffled frames) cost the same, and the first copy of a byte stays to be compared. Rejected:
// a list of ranges (hostile order makes it long), a hash of what was judged (a retransmission is cut elsewhere).
//
//   flow->app_state -> conn -> conn -> ...      an id -> slot -> conn   (a cache of 4 ways, may forget)
#include "quic_conn.h"

#include <string.h>

#include "../hold.h"
#include "../inspect.h"
#include "base/eal.h"

#define WAYS 4
#define CHUNKS_EACH 4 // chunks a connection, on average

static uint32_t index_of(const struct quic *q, const struct quic_conn *c)
{
	return c - q->conn + 1;
}

static struct quic_conn *conn_at(struct quic *q, uint32_t index)
{
	return index ? &q->conn[index - 1] : NULL;
}

struct quic *quic_new(const struct path_config *config)
{
	uint32_t n = config->apps ? config->apps : 1, chunks = n * CHUNKS_EACH < 65000 ? n * CHUNKS_EACH : 65000,
		 slots = 64;
	while (slots < n * QUIC_IDS)
		slots *= 2;
	size_t crypto = (quic_crypto_bytes() + 63) & ~63ull;
	size_t bytes = sizeof(struct quic) + 64 + crypto + n * sizeof(struct quic_conn) +
		       chunks * (sizeof(struct quic_chunk) + sizeof(uint16_t)) + slots * sizeof(struct quic_id_slot) +
		       QUIC_STRANGERS * sizeof(struct quic_stranger);
	uint8_t *p = mem_take(bytes);
	if (!p)
		return NULL;
	struct quic *q = (struct quic *)p;
	*q = (struct quic){
		.seed = config->seed | 1, .nconns = n, .nchunks = chunks, .nslots = slots, .memory = p, .bytes = bytes};
	p += (sizeof(*q) + 63) & ~63ull;
	q->mgr = quic_crypto_init(p);
	p += crypto;
	q->conn = (struct quic_conn *)p;
	q->chunk = (struct quic_chunk *)(q->conn + n);
	q->slot = (struct quic_id_slot *)(q->chunk + chunks);
	q->stranger = (struct quic_stranger *)(q->slot + slots);
	q->chunk_next = (uint16_t *)(q->stranger + QUIC_STRANGERS);
	for (uint32_t i = 0; i < n; i++)
		q->conn[i].next = i + 1 < n ? i + 2 : 0;
	for (uint32_t i = 0; i < chunks; i++)
		q->chunk_next[i] = i + 1 < chunks ? i + 2 : 0;
	q->free_conn = q->free_chunk = 1;
	return q;
}

void quic_free(struct quic *q)
{
	mem_give(q->memory, q->bytes);
}

// ---- connections ---------------------------------------------------------------------------------------------

struct quic_conn *quic_conn_first(struct quic *q, const struct flow *f)
{
	if (f->app_state == 0 || f->app_state > q->nconns || q->conn[f->app_state - 1].flow_id != f->id)
		return NULL;
	return &q->conn[f->app_state - 1];
}

struct quic_conn *quic_conn_next(struct quic *q, const struct quic_conn *c)
{
	return conn_at(q, c->next);
}

bool quic_waits(const struct app_in *in, const struct flow *f)
{
	struct quic *q = in->w->inspect->quic;
	for (const struct quic_conn *c = quic_conn_first(q, f); c; c = quic_conn_next(q, c))
		if (quic_conn_waits(c))
			return true;
	return false;
}

// A flow without a connection was judged by its first datagram: its client came from another port, or its beginning was
// not seen.
bool quic_settled(const struct worker *w, const struct flow *f)
{
	const struct quic_conn *c = quic_conn_first(w->inspect->quic, f);
	if ((f->policy & POLICY_OPEN) && !f->far)
		return false;
	return !c || (!c->next && !quic_conn_waits(c) && (c->hellos || c->judged));
}

static void unlink_use(struct quic *q, struct quic_conn *c)
{
	*(c->older ? &q->conn[c->older - 1].newer : &q->oldest) = c->newer;
	*(c->newer ? &q->conn[c->newer - 1].older : &q->newest) = c->older;
}

static void link_newest(struct quic *q, struct quic_conn *c)
{
	c->older = q->newest;
	c->newer = 0;
	*(q->newest ? &q->conn[q->newest - 1].newer : &q->oldest) = index_of(q, c);
	q->newest = index_of(q, c);
}

void quic_conn_touch(struct quic *q, struct quic_conn *c)
{
	if (q->newest == index_of(q, c))
		return;
	unlink_use(q, c);
	link_newest(q, c);
}

// The flow's entry may have been given to another flow meanwhile: then its id differs, and there is no chain.
static void unlink_flow(struct quic *q, struct quic_conn *c)
{
	if (c->flow->id != c->flow_id)
		return;
	uint32_t *link = &c->flow->app_state;
	for (unsigned n = 0; *link && n <= q->nconns; n++) {
		if (*link == index_of(q, c)) {
			*link = c->next;
			return;
		}
		link = &q->conn[*link - 1].next;
	}
}

static void chunks_free(struct quic *q, struct quic_conn *c)
{
	uint16_t *all = &c->chunk[0][0];
	for (unsigned i = 0; i < sizeof(c->chunk) / sizeof(uint16_t); i++) {
		if (!all[i])
			continue;
		q->chunk_next[all[i] - 1] = q->free_chunk;
		q->free_chunk = all[i];
		all[i] = 0;
	}
}

void quic_conn_free(struct quic *q, struct quic_conn *c)
{
	unlink_flow(q, c);
	unlink_use(q, c);
	chunks_free(q, c);
	c->flow_id = 0;
	c->next = q->free_conn;
	q->free_conn = index_of(q, c);
}

static void give_way(struct quic *q, struct app_in *in, struct quic_conn *c)
{
	if (c->hellos == 0)
		count(in->w, COUNTER_APP_POOL_EMPTY);
	bool open = in->w->config->fail.memory_open;
	if (unlikely(!open && c->flow->id == c->flow_id && c->flow->holds && quic_conn_waits(c)))
		hold_drop(in->w, c->flow, REASON_POLICY_MEMORY); // what is forgotten is judged by nobody
	quic_conn_free(q, c);
}

struct quic_conn *quic_conn_new(struct quic *q, struct app_in *in)
{
	struct quic_conn *last = NULL;
	unsigned n = 0;
	if (!quic_conn_first(q, in->f))
		in->f->app_state = 0;
	for (struct quic_conn *c = quic_conn_first(q, in->f); c; c = quic_conn_next(q, c), n++)
		last = c;
	if (n >= QUIC_FLOW_CONNS)
		give_way(q, in, last);
	if (!q->free_conn)
		give_way(q, in, conn_at(q, q->oldest));
	struct quic_conn *c = conn_at(q, q->free_conn);
	q->free_conn = c->next;
	memset(c, 0, sizeof(*c));
	c->flow = in->f;
	c->flow_id = in->f->id;
	c->next = in->f->app_state;
	in->f->app_state = index_of(q, c);
	c->client_dir = in->dir;
	link_newest(q, c);
	return c;
}

// ---- ids -----------------------------------------------------------------------------------------------------

static uint64_t id_hash(const struct quic *q, const uint8_t *id, uint32_t len)
{
	uint64_t h = q->seed ^ len;
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ id[i]) * 0x9e3779b97f4a7c15ull;
	return (h ^ h >> 32) | 1;
}

bool quic_conn_knows(const struct quic_conn *c, const uint8_t *id, uint32_t len)
{
	for (unsigned i = 0; i < c->nids; i++)
		if (quic_id_is(&c->id[i], id, len))
			return true;
	return false;
}

void quic_conn_learn(struct quic *q, struct quic_conn *c, const uint8_t *id, uint32_t len)
{
	if (len > QUIC_ID_MAX || c->nids == QUIC_IDS || quic_conn_knows(c, id, len))
		return;
	quic_id_set(&c->id[c->nids++], id, len);
	if (len == 0)
		return;
	uint64_t h = id_hash(q, id, len);
	struct quic_id_slot *set = &q->slot[h >> 8 & (q->nslots - 1) & ~(WAYS - 1u)], *s = &set[h >> 4 & (WAYS - 1)];
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].hash == h || set[i].hash == 0) {
			s = &set[i];
			break;
		}
	*s = (struct quic_id_slot){h, index_of(q, c)};
	q->id_lengths |= 1u << len;
}

struct quic_conn *quic_conn_by_id(struct quic *q, const uint8_t *id, uint32_t len)
{
	uint64_t h = id_hash(q, id, len);
	struct quic_id_slot *set = &q->slot[h >> 8 & (q->nslots - 1) & ~(WAYS - 1u)];
	for (unsigned i = 0; i < WAYS; i++) {
		struct quic_conn *c = set[i].hash == h ? conn_at(q, set[i].conn) : NULL;
		if (c && c->flow_id && quic_conn_knows(c, id, len))
			return c;
	}
	return NULL;
}

// ---- CRYPTO bytes --------------------------------------------------------------------------------------------

static struct quic_chunk *chunk_of(struct quic *q, struct app_in *in, struct quic_conn *c, uint16_t *index)
{
	if (*index)
		return &q->chunk[*index - 1];
	if (!q->free_chunk) {
		struct quic_conn *victim = conn_at(q, q->oldest);
		if (victim == c)
			victim = conn_at(q, c->newer);
		if (!victim)
			return NULL;
		give_way(q, in, victim);
		if (!q->free_chunk)
			return NULL;
	}
	*index = q->free_chunk;
	q->free_chunk = q->chunk_next[*index - 1];
	struct quic_chunk *k = &q->chunk[*index - 1];
	memset(k->have, 0, sizeof(k->have));
	return k;
}

static enum quic_added chunk_add(struct quic_chunk *k, uint32_t at, const uint8_t *p, uint32_t len)
{
	enum quic_added a = QUIC_SAME;
	for (uint32_t i = 0; i < len; i++) {
		uint64_t bit = 1ull << ((at + i) & 63);
		if (!(k->have[(at + i) / 64] & bit)) {
			k->have[(at + i) / 64] |= bit;
			k->bytes[at + i] = p[i];
			a = QUIC_ADDED;
		} else if (k->bytes[at + i] != p[i]) {
			return QUIC_DIFFERS;
		}
	}
	return a;
}

static void piece_add(struct quic_conn *c, uint32_t at, uint32_t len, struct origin o)
{
	if (c->npieces) {
		struct quic_piece *last = &c->piece[c->npieces - 1];
		if (last->frame == o.frame && last->at + last->len == at && last->off + last->len == o.off) {
			last->len += len;
			return;
		}
	}
	if (c->npieces < QUIC_PIECES)
		c->piece[c->npieces++] = (struct quic_piece){.frame = o.frame, .off = o.off, .at = at, .len = len};
}

enum quic_added quic_conn_add(struct quic *q, struct app_in *in, struct quic_conn *c, enum quic_side side,
			      uint64_t offset, const uint8_t *p, uint32_t len, struct origin o)
{
	enum quic_added all = QUIC_SAME;
	if (offset >= QUIC_CRYPTO_MAX)
		return QUIC_BEYOND;
	if (len > QUIC_CRYPTO_MAX - offset)
		len = QUIC_CRYPTO_MAX - offset;
	for (uint32_t done = 0; done < len;) {
		uint32_t at = offset + done, in_chunk = at % QUIC_CHUNK;
		uint32_t n = len - done < QUIC_CHUNK - in_chunk ? len - done : QUIC_CHUNK - in_chunk;
		struct quic_chunk *k = chunk_of(q, in, c, &c->chunk[side][at / QUIC_CHUNK]);
		if (!k)
			return QUIC_BEYOND;
		enum quic_added a = chunk_add(k, in_chunk, p + done, n);
		if (a == QUIC_DIFFERS)
			return a;
		if (a == QUIC_ADDED)
			all = a;
		done += n;
	}
	if (all == QUIC_ADDED && side == QUIC_CLIENT) {
		piece_add(c, offset, len, o);
		c->high = RTE_MAX(c->high, (uint32_t)offset + len);
	}
	return all;
}

uint32_t quic_conn_have(const struct quic *q, const struct quic_conn *c, enum quic_side side, uint32_t from)
{
	uint32_t at = from;
	while (at < QUIC_CRYPTO_MAX && c->chunk[side][at / QUIC_CHUNK]) {
		const struct quic_chunk *k = &q->chunk[c->chunk[side][at / QUIC_CHUNK] - 1];
		uint32_t i = at % QUIC_CHUNK;
		uint64_t holes = ~k->have[i / 64] >> (i & 63);
		if (holes)
			return at + __builtin_ctzll(holes) - from;
		at += 64 - (i & 63);
	}
	return at - from;
}

void quic_conn_copy(const struct quic *q, const struct quic_conn *c, enum quic_side side, uint32_t from, uint32_t len,
		    uint8_t *out)
{
	for (uint32_t done = 0; done < len;) {
		uint32_t at = from + done, in_chunk = at % QUIC_CHUNK;
		uint32_t n = len - done < QUIC_CHUNK - in_chunk ? len - done : QUIC_CHUNK - in_chunk;
		memcpy(out + done, q->chunk[c->chunk[side][at / QUIC_CHUNK] - 1].bytes + in_chunk, n);
		done += n;
	}
}

struct origin quic_conn_origin(const struct quic_conn *c, uint32_t at, uint32_t len)
{
	for (unsigned i = 0; i < c->npieces; i++) {
		const struct quic_piece *p = &c->piece[i];
		if (at >= p->at && at < (uint32_t)p->at + p->len)
			return (struct origin){p->frame, p->off + (at - p->at), len};
	}
	return (struct origin){0, 0, len};
}
