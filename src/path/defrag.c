// SPDX-License-Identifier: BSD-3-Clause
//
// Datagrams out of fragments, for reading only: the fragments are held as they came and leave as they came, all with
// the verdict of their datagram, or none. In: a burst of which some packets' innermost layer is a fragment. Out: the
// burst without them, or, in the place of the last one, a PKT_VIRTUAL packet that stands for all (path.c walks it
// through decap and parse again). Worker's thread; memory is taken at start, the datagram's bytes come from the
// pool of giants.
//
//   fragment --> datagram (by key) --> whole? --> PKT_VIRTUAL { copy of the headers before, datagram }
//                  |                                  `- fragments: the frames, in the order they came
//                  `- doomed (overlap, ...): holds nothing, keeps the name of the reason for those to come
//
// What receivers make of overlaps differs, hence any overlap dooms the datagram (RFC 5722; for IPv4 too). What
// must never happen: a fragment that leaves while its datagram is not judged, a held frame that is forgotten (worker's
// `held` says how many there are), a hold that grows with the input.
//
// A fragment that the snap length cut stands for its whole length; the datagram is then readable up to the first cut
// and marked so. Full: the oldest datagram gives way, since fragments of one datagram come close together; to refuse
// the new one would let a few incomplete ones, sent every 30 s, close the room. DPDK's ip_frag was rejected: it merges
// the mbufs it is given (they could not leave as they came), accepts overlaps, and knows no tenants.
#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_common.h>

#include "base/eal.h"
#include "checksum.h"
#include "parse.h"
#include "rooms.h"
#include "shed.h"
#include "steer.h"

#define TIMEOUT_NS 30000000000ull // as Linux has it (net.ipv4.ipfrag_time); RFC 791 has 15 s, RFC 8200 4.5 60 s
#define PIECES_MAX 64             // 64 KiB in fragments of 1 KiB
#define AGE_MAX 4                 // datagrams let go in one call of defrag_age
#define LINK_DATAGRAM 0xffff      // see decap.c
#define NOBODY UINT32_MAX

struct key {
	uint64_t tenant, context; // context: tags, VNIs and depth around the layer
	uint64_t src[2], dst[2];
	uint32_t id;
	uint8_t proto, version; // IPv4: the protocol belongs to the key (RFC 791), IPv6: it does not (RFC 8200 4.5)
	uint16_t pad;
};
static_assert(sizeof(struct key) == 56, "no bytes but these are compared");

struct datagram {
	struct key key;
	struct rte_mbuf *first, *last; // frames held, in the order they came, linked by pkt->next
	uint64_t since_ns;             // of the first fragment
	uint32_t total;                // bytes of the datagram behind its header; 0: its last fragment is missing
	uint32_t have, highest;        // bytes here; end of the furthest
	uint16_t npieces, nframes;
	uint16_t doomed; // reason, for all that come
	uint32_t bucket;
	uint32_t older, newer;
};

// A datagram in its bucket's chain, apart from it: a flood of first fragments waited for the keys of strangers.
struct link {
	uint32_t tag, next; // of its hash; also of the free ones
};

struct defrag {
	struct datagram *datagrams;
	struct link *links; // of each datagram
	uint32_t *buckets;  // index of a datagram, or NOBODY
	uint32_t ndatagrams, mask;
	uint32_t free, oldest, newest;
	uint32_t held, held_max;               // frames
	uint64_t seen;                         // COUNTER_FRAGMENTS when last here
	size_t datagrams_bytes, buckets_bytes; // links stand behind the buckets
};

// A fragment, as its headers tell.
struct piece {
	uint32_t off, len; // of the datagram's bytes behind the header; len as on the wire
	bool more;
	const uint8_t *bytes;
	uint32_t captured;
};

int defrag_init(struct worker *w)
{
	struct defrag *t = mem_take(sizeof(*t));
	if (!t)
		return -ENOMEM;
	w->defrag = t;
	t->held_max = RTE_MAX(w->config->fragments, 1u);
	t->ndatagrams = t->held_max;
	t->mask = rte_align32pow2(t->ndatagrams * 2) - 1;
	t->datagrams_bytes = t->ndatagrams * sizeof(struct datagram);
	t->buckets_bytes = (t->mask + 1ul) * sizeof(uint32_t) + t->ndatagrams * sizeof(struct link);
	t->datagrams = mem_take(t->datagrams_bytes);
	t->buckets = mem_take(t->buckets_bytes);
	if (!t->datagrams || !t->buckets)
		return -ENOMEM;
	memset(t->buckets, 0xff, t->buckets_bytes);
	t->links = (struct link *)(t->buckets + t->mask + 1);
	for (uint32_t i = 0; i < t->ndatagrams; i++)
		t->links[i].next = i + 1 < t->ndatagrams ? i + 1 : NOBODY;
	t->oldest = t->newest = NOBODY;
	return 0;
}

void defrag_fini(struct worker *w)
{
	struct defrag *t = w->defrag;
	if (!t)
		return;
	mem_give(t->datagrams, t->datagrams_bytes);
	mem_give(t->buckets, t->buckets_bytes);
	mem_give(t, sizeof(*t));
	w->defrag = NULL;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u; // golden ratio, as in Knuth 6.4
	return h ^ (h >> 32);
}

static struct layer *fragment_layer(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	return &p->layer[p->nlayers - 1];
}

static inline struct piece piece_of(struct rte_mbuf *m)
{
	const struct layer *l = fragment_layer(m);
	const uint8_t *d = pkt_data(m);
	uint16_t word = be16(l->version == 4 ? d + l->l3 + 6 : d + l->l4 - 6);
	return (struct piece){
		.off = l->version == 4 ? (word & 0x1fffu) * 8 : word & 0xfff8u,
		.more = l->version == 4 ? word & 0x2000 : word & 1,
		.len = l->wire_len,
		.bytes = d + l->payload,
		.captured = l->payload_len,
	};
}

static __rte_always_inline struct key key_of(const struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	const struct layer *l = fragment_layer(m);
	const uint8_t *h = pkt_data(m) + l->l3;
	struct key k = {.tenant = p->tenant, .version = l->version, .context = mix(w->config->seed, p->nlayers)};
	for (unsigned i = 0; i < p->nvlans; i++)
		k.context = mix(k.context, p->vlan[i]);
	for (unsigned i = 0; i < p->nvnis; i++)
		k.context = mix(k.context, 1ull << 32 | p->vni[i]);
	if (l->version == 4) {
		k.src[0] = steer_load32(h + 12);
		k.dst[0] = steer_load32(h + 16);
		k.id = be16(h + 4);
		k.proto = l->proto;
	} else {
		memcpy(k.src, h + 8, 16);
		memcpy(k.dst, h + 24, 16);
		k.id = be32(pkt_data(m) + l->l4 - 4);
	}
	return k;
}

// Keyed, as steer's is: whoever sends fragments chooses what is hashed.
static uint64_t hash_of(const struct steer_key *key, const struct key *k)
{
	const uint64_t *s = key->k, tail = k->id | (uint64_t)k->proto << 32 | (uint64_t)k->version << 40;
	uint64_t h = steer_mix(k->src[0] ^ s[0], k->dst[0] ^ s[1]);
	if (k->version == 6)
		h ^= steer_mix(k->src[1] ^ s[2], k->dst[1] ^ s[3]);
	h = steer_mix(h ^ k->tenant ^ s[2], tail ^ s[3]);
	return steer_mix(h ^ k->context, s[0]);
}

static uint32_t frames_of(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	return p->flags & PKT_VIRTUAL ? p->nfragments : 1;
}

// The frames of a datagram are no longer held here; whoever called has them.
static void unhold(struct worker *w, struct datagram *g)
{
	w->defrag->held -= g->nframes;
	w->held -= g->nframes;
	g->first = g->last = NULL;
	g->npieces = g->nframes = 0;
}

// All that is held of a datagram leaves by reason.
static void let_go(struct worker *w, struct datagram *g, uint16_t reason)
{
	struct rte_mbuf *m = g->first;
	unhold(w, g);
	for (struct rte_mbuf *next; m; m = next) {
		next = pkt_of(m)->next;
		pkt_drop(pkt_of(m), reason);
		tx_one(w, m);
	}
}

static void forget(struct defrag *t, struct datagram *g)
{
	uint32_t i = g - t->datagrams, *link = &t->buckets[g->bucket];
	while (*link != i)
		link = &t->links[*link].next;
	*link = t->links[i].next;
	*(g->older == NOBODY ? &t->oldest : &t->datagrams[g->older].newer) = g->newer;
	*(g->newer == NOBODY ? &t->newest : &t->datagrams[g->newer].older) = g->older;
	t->links[i].next = t->free;
	t->free = i;
}

static void give_way(struct worker *w)
{
	struct datagram *g = &w->defrag->datagrams[w->defrag->oldest];
	let_go(w, g, REASON_DEFRAG_FULL);
	forget(w->defrag, g);
}

static struct datagram *begin(struct worker *w, const struct key *k, uint64_t hash, uint64_t time_ns)
{
	struct defrag *t = w->defrag;
	uint32_t bucket = hash & t->mask;
	if (t->free == NOBODY)
		give_way(w);
	uint32_t i = t->free;
	struct datagram *g = &t->datagrams[i];
	t->free = t->links[i].next;
	*g = (struct datagram){.key = *k, .since_ns = time_ns, .bucket = bucket, .older = t->newest, .newer = NOBODY};
	t->links[i] = (struct link){hash >> 32, t->buckets[bucket]};
	t->buckets[bucket] = i;
	*(t->newest == NOBODY ? &t->oldest : &t->datagrams[t->newest].newer) = i;
	t->newest = i;
	return g;
}

// NULL: it is new, and none are begun now.
static struct datagram *find(struct worker *w, const struct key *k, uint64_t time_ns)
{
	struct defrag *t = w->defrag;
	uint64_t hash = hash_of(&w->steer, k);
	for (uint32_t i = t->buckets[hash & t->mask]; i != NOBODY; i = t->links[i].next)
		if (t->links[i].tag == hash >> 32 && memcmp(&t->datagrams[i].key, k, sizeof(*k)) == 0)
			return &t->datagrams[i];
	return shed_begin(w) ? begin(w, k, hash, time_ns) : NULL;
}

// Faults of the fragment by itself: it is dropped alone, as a receiver would (RFC 8200 4.5).
static uint16_t fault_alone(const struct layer *l, const struct piece *c)
{
	uint32_t header = l->l4 - l->l3 - (l->version == 4 ? 0u : 40u + 8u);
	if (c->len == 0 || (c->more && c->len % 8) || header + c->off + c->len > UINT16_MAX)
		return REASON_DEFRAG_MALFORMED;
	return 0;
}

// Faults of the fragment beside those that are here: they doom the datagram. DEFRAG_DUPLICATE does not.
static uint16_t fault_beside(const struct datagram *g, const struct layer *l, const struct piece *c)
{
	uint32_t end = c->off + c->len;
	if (c->off == 0 && !(l->flags & LAYER_CUT) && parse_chain_len(l, c->bytes, c->len) > c->len)
		return REASON_DEFRAG_TINY;
	for (struct rte_mbuf *m = g->first; m; m = pkt_of(m)->next) {
		struct piece o = piece_of(m);
		if (end <= o.off || c->off >= o.off + o.len)
			continue;
		if (c->off == o.off && c->len == o.len && c->more == o.more && c->captured == o.captured &&
		    memcmp(c->bytes, o.bytes, c->captured) == 0)
			return REASON_DEFRAG_DUPLICATE;
		return REASON_DEFRAG_OVERLAP;
	}
	// two ends, or bytes beyond the end
	if (g->total ? end > g->total || !c->more : !c->more && end < g->highest)
		return REASON_DEFRAG_MALFORMED;
	return g->npieces == PIECES_MAX ? REASON_DEFRAG_FULL : 0;
}

static void hold(struct worker *w, struct datagram *g, struct rte_mbuf *m, const struct piece *c)
{
	uint32_t n = frames_of(m);
	pkt_of(m)->next = NULL;
	*(g->last ? &pkt_of(g->last)->next : &g->first) = m;
	g->last = m;
	g->npieces++;
	g->nframes += n;
	g->have += c->len;
	g->highest = RTE_MAX(g->highest, c->off + c->len);
	if (!c->more)
		g->total = c->off + c->len;
	w->defrag->held += n;
	w->held += n;
}

// Makes the copied IP header one of a whole datagram of `total` bytes behind it. h has `header` bytes;
// extension headers in it have been walked by parse_ip, so their lengths add up.
static void whole_header(uint8_t *h, uint32_t header, unsigned version, uint8_t proto, uint32_t total)
{
	if (version == 4) {
		uint16_t len_be = rte_cpu_to_be_16(header + total), zero = 0;
		memcpy(h + 2, &len_be, 2);
		memcpy(h + 6, &zero, 2);
		memcpy(h + 10, &zero, 2);
		uint16_t sum = ~checksum_fold(checksum_add(h, header));
		memcpy(h + 10, &sum, 2);
		return;
	}
	uint16_t len_be = rte_cpu_to_be_16(header - 40 + total);
	memcpy(h + 4, &len_be, 2);
	// the header that named the fragment header names now what stood behind it
	uint8_t *link = h + 6;
	for (uint32_t at = 40; at < header;) {
		uint32_t len = parse_ip6_header_len(*link, h + at);
		link = h + at;
		at += len;
	}
	*link = proto;
}

static struct rte_mbuf *piece_at_0(struct rte_mbuf *m)
{
	while (piece_of(m).off != 0)
		m = pkt_of(m)->next;
	return m;
}

// Copies the pieces to v, where the datagram's bytes begin at `at`; returns how many bytes from the start are there.
static uint32_t fill(const struct datagram *g, uint8_t *v, uint32_t at, uint32_t room)
{
	uint32_t good = RTE_MIN(g->total, room - at);
	for (struct rte_mbuf *m = g->first; m; m = pkt_of(m)->next) {
		struct piece c = piece_of(m);
		if (c.captured < c.len)
			good = RTE_MIN(good, c.off + c.captured);
		if (at + c.off < room)
			memcpy(v + at + c.off, c.bytes, RTE_MIN(c.captured, room - at - c.off));
	}
	return good;
}

static uint32_t kept_before(const struct pkt *head, const struct layer *l)
{
	return head->nlayers > 1 || (head->flags & PKT_TRANSPORT) ? l->l3 : 0;
}

// Bytes of the IP header, without IPv6's fragment header.
static uint32_t header_of(const struct layer *l)
{
	return l->l4 - l->l3 - (l->version == 6 ? 8 : 0);
}

// The packet that stands for a whole datagram. Where nothing but a link header is before the datagram it starts with
// its IP header; else the headers before are kept, so that what layers say of offsets holds. NULL: no giant.
static struct rte_mbuf *put_together(struct worker *w, struct datagram *g)
{
	struct rte_mbuf *v = rte_pktmbuf_alloc(w->giants), *head = piece_at_0(g->first);
	if (!v)
		return NULL;
	const struct pkt *hp = pkt_of(head), *last = pkt_of(g->last);
	const struct layer *l = fragment_layer(head);
	struct pkt *p = pkt_of(v);
	uint32_t before = kept_before(hp, l), header = header_of(l), at = before + header;
	v->data_off = 0; // all of the buffer, up to 64 KiB
	uint8_t *d = pkt_data(v);
	memcpy(d, pkt_data(head) + l->l3 - before, before + header);
	whole_header(d + before, header, l->version, l->proto, g->total);
	uint32_t good = fill(g, d, at, v->buf_len);
	v->data_len = v->pkt_len = at + good;

	memcpy(p, hp, sizeof(*p));
	p->frame = last->frame;
	p->order = last->order;
	p->time_ns = last->time_ns;
	p->stamp_ns = last->stamp_ns;
	p->wire_len = at + g->total;
	p->flags = PKT_VIRTUAL | (hp->flags & PKT_TRANSPORT) | (good < g->total ? PKT_CUT : 0);
	p->link_type = LINK_DATAGRAM;
	p->l3 = before;
	p->nlayers--;
	p->nparsed = p->nlayers;
	p->inner = NULL; // until decap has been there again
	p->fragments = g->first;
	p->nfragments = g->nframes;
	p->next = NULL;
	count(w, COUNTER_DATAGRAMS);
	return v;
}

static void doom(struct worker *w, struct datagram *g, uint16_t reason)
{
	g->doomed = reason;
	let_go(w, g, reason);
}

// What becomes of a fragment: itself (dropped by its reason), NULL (held), or the datagram that it made whole.
static struct rte_mbuf *offer(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct layer *l = fragment_layer(m);
	struct piece c = piece_of(m);
	w->order = p->order; // for those held that leave on its account
	pkt_drop(p, fault_alone(l, &c));
	if (p->reason)
		return m;
	struct key k = key_of(w, m);
	struct datagram *g = find(w, &k, p->time_ns);
	if (unlikely(!g)) {
		pkt_drop(p, REASON_SHED_NEW);
		return m;
	}
	uint16_t reason = g->doomed ? g->doomed : fault_beside(g, l, &c);
	if (unlikely(reason)) {
		pkt_drop(p, reason);
		if (!g->doomed && reason != REASON_DEFRAG_DUPLICATE)
			doom(w, g, reason);
		return m;
	}
	hold(w, g, m, &c);
	if (g->total == 0 || g->have < g->total) {
		// only now: a fragment that makes its datagram whole needs no room
		while (w->defrag->held > w->defrag->held_max)
			give_way(w);
		return NULL;
	}
	struct rte_mbuf *v = put_together(w, g);
	if (likely(v != NULL))
		unhold(w, g);
	else
		let_go(w, g, REASON_DEFRAG_FULL);
	forget(w->defrag, g);
	return v;
}

// A fragment may itself be a datagram put together, of a tunnel in fragments: hence the loop.
struct origin defrag_origin(struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	for (unsigned depth = 0; depth < LAYERS_MAX && (pkt_of(m)->flags & PKT_VIRTUAL); depth++) {
		struct rte_mbuf *f = piece_at_0(pkt_of(m)->fragments);
		const struct layer *l = fragment_layer(f);
		uint32_t before = kept_before(pkt_of(f), l), at = before + header_of(l);
		if (off < at) { // a header: the first fragment has it
			off += l->l3 - before;
			len = RTE_MIN(len, at - (off - (l->l3 - before)));
			m = f;
			continue;
		}
		struct piece c = {0};
		for (f = pkt_of(m)->fragments; f; f = pkt_of(f)->next) {
			c = piece_of(f);
			if (off - at >= c.off && off - at < c.off + c.captured)
				break;
		}
		if (!f)
			break;
		len = RTE_MIN(len, c.off + c.captured - (off - at));
		off = (uint32_t)(c.bytes - pkt_data(f)) + (off - at - c.off);
		m = f;
	}
	return (struct origin){pkt_of(m)->frame, off, len};
}

unsigned defrag_burst(struct worker *w, struct burst *b)
{
	unsigned n = 0, made = 0;
	// decap has counted those of this burst
	if (likely(w->counters[COUNTER_FRAGMENTS] == w->defrag->seen))
		return 0;
	w->defrag->seen = w->counters[COUNTER_FRAGMENTS];
	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->m[i];
		const struct layer *l = pkt_of(m)->inner;
		if (unlikely(l && (l->flags & LAYER_FRAGMENT) && !pkt_decided(pkt_of(m)))) {
			struct rte_mbuf *was = m;
			m = offer(w, m);
			made += m && m != was;
		}
		if (likely(m != NULL))
			b->m[n++] = m;
	}
	b->n = n;
	return made;
}

bool defrag_age(struct worker *w, uint64_t time_ns)
{
	struct defrag *t = w->defrag;
	for (unsigned n = 0; t->oldest != NOBODY; n++) {
		struct datagram *g = &t->datagrams[t->oldest];
		if (g->since_ns + TIMEOUT_NS > time_ns)
			return false;
		if (n == AGE_MAX)
			return true;
		let_go(w, g, REASON_DEFRAG_TIMEOUT);
		forget(t, g);
	}
	return false;
}

void defrag_drain(struct worker *w)
{
	while (defrag_age(w, UINT64_MAX))
		;
}
