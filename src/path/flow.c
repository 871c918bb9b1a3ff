// SPDX-License-Identifier: BSD-3-Clause
//
// Whose packet is this. In comes a burst with layers and hashes; each packet leaves with its flow and direction, the
// flow has counted it, and TCP has said (flow_tcp.c) whether its receiver would believe it. A tuple seen for the
// first time gets a flow and a RECORD_FLOW_START with all that its first frame says about it: VLANs, VNIs, addresses
// outside. Layers outside the innermost get flows of their own, which are counted and never inspected. Runs on the
// worker that owns the tuple; outer layers on the worker that took the frame.
//
// The burst is walked three times, so that memory is asked for before it is needed: buckets, then flows, then work.
// A flow that is not there in the second walk may be there in the third, made by an earlier packet of the burst. The
// usual packet is done with in flow_usual; all others go through flow_packet, which does everything.
//
// What must never happen here: a flow that ends while packets of this burst still point to it. Where a packet would
// end one of those (tuple used again, table full), the burst is cut before it, the rooms behind finish the part
// before, and path_back comes again for the rest (flow_rest). Rejected: counting references: a write a packet.
//
// When the table is full the half-open flow seen longest ago gives way, established ones never do; where there is
// none, the packet is dropped by FLOW_TABLE_FULL.
#include "flow.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "act.h"
#include "base/eal.h"
#include "flood.h"
#include "flow_age.h"
#include "flow_say.h"
#include "flow_table.h"
#include "flow_tcp.h"
#include "judge.h"
#include "mirror.h"
#include "rooms.h"
#include "settle.h"
#include "shed.h"
#include "steer.h"

// A direction that is seen alone is believed to be established after this many packets (replay's one-way captures).
#define ONE_WAY_PKTS 8

int flow_init(struct worker *w)
{
	struct flow_table *t = mem_take(sizeof(*t));
	if (!t)
		return -ENOMEM;
	w->flows = t;
	return flow_table_init(t, w->config->flows, &w->steer);
}

void flow_fini(struct worker *w)
{
	if (!w->flows)
		return;
	flow_table_fini(w->flows);
	mem_give(w->flows, sizeof(*w->flows));
	w->flows = NULL;
}

// --- keys

#define KEY_TAIL offsetof(struct flow_key, aport_be)
static_assert(KEY_TAIL == 40 && offsetof(struct flow_key, version) == 44 && offsetof(struct flow_key, proto) == 45 &&
		      offsetof(struct flow_key, outer) == 46,
	      "struct tuple says what the tail is");
#define TAIL_OUTER (1ull << 48) // key.outer, in a little-endian word
static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "TAIL_OUTER");

static void key_fill(struct flow_key *k, uint64_t tenant, const struct tuple *t, const uint8_t *ip, bool swap)
{
	*k = (struct flow_key){.tenant = tenant};
	memcpy((uint8_t *)k + KEY_TAIL, &t->tail, sizeof(t->tail));
	if (likely(k->version == 4)) {
		memcpy(k->a, &t->addrs, 4);
		memcpy(k->b, (const uint8_t *)&t->addrs + 4, 4);
	} else {
		memcpy(k->a, ip + (swap ? 24 : 8), 16);
		memcpy(k->b, ip + (swap ? 8 : 24), 16);
	}
}

// --- records

static_assert(LAYERS_MAX < 8 && EGRESS_PORTS <= 32, "record.layer and record.port have the bits");

void flow_record(const struct worker *w, const struct flow *f, struct record *r)
{
	struct flow_ends e = flow_ends(f);
	r->flow_id = f->id;
	r->tenant = f->key.tenant;
	memcpy(r->src, e.src, 16);
	memcpy(r->dst, e.dst, 16);
	r->sport = e.sport;
	r->dport = e.dport;
	r->proto = f->key.proto;
	r->ip_version = f->key.version;
	r->app = f->app;
	if (f->key.proto == IPPROTO_ICMP || f->key.proto == IPPROTO_ICMPV6) {
		r->icmp_type = f->icmp_type;
		r->icmp_code = f->icmp_code;
	}
	r->place = (uint8_t)(flow_layer(f) | flow_port(w, f) << 3);
	r->start_ns = f->start_ns;
	if (w->rules)
		judge_direct(w, r);
}

void flow_end(struct worker *w, struct flow *f, enum flow_end why)
{
	if (unlikely(w->settle != NULL) && !f->key.outer)
		settle_end(w, f);
	if (unlikely(w->scans) && !f->key.outer)
		judge_payload_end(w, f);
	if (!f->key.outer)
		inspect_end(w, f);
	if (unlikely(f->policy & POLICY_ACTS))
		act_flow_end(w, f);
	if (f->key.proto == IPPROTO_TCP)
		stream_end(w, f);
	// one that had closed and only lingered ended by that
	if (f->age_class == AGE_CLASS_CLOSED)
		why = ((f->side[0].flags | f->side[1].flags) & SIDE_RST) || (f->flags & FLOW_RST_UNSURE)
			      ? FLOW_END_RESET
			      : FLOW_END_CLOSED;
	flow_say_end(w, f, why);
	ring_unlink(w->flows, f);
	flow_table_remove(w->flows, f);
}

// --- a new flow

// Ports of services at 1024 and above that are met midstream (IANA), in order.
static const uint16_t services[] = {1080, 1194, 1433, 1521, 1701, 1723, 1812, 1813,  1883, 2049, 2152,
				    3128, 3268, 3306, 3389, 3478, 4500, 4789, 5060,  5061, 5222, 5353,
				    5355, 5432, 5672, 5900, 6081, 6379, 6443, 6667,  8000, 8080, 8081,
				    8443, 8883, 8888, 9000, 9092, 9200, 9443, 11211, 27017};

static bool is_service(uint16_t port)
{
	if (port < 1024)
		return true;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		if (services[i] == port)
			return true;
	}
	return false;
}

// Who began: the sender of the first packet, unless it answers a SYN or clearly comes from a service.
static bool from_responder(const struct layer *l, const struct segment *s)
{
	if (s && flow_tcp_opens(s))
		return flow_tcp_from_responder(s);
	if (l->proto != IPPROTO_TCP && l->proto != IPPROTO_UDP)
		return false;
	return is_service(rte_be_to_cpu_16(l->sport_be)) && !is_service(rte_be_to_cpu_16(l->dport_be));
}

// What is in work: one layer of one packet.
struct subject {
	const struct pkt *p;
	const struct layer *l;
	const uint8_t *frame;
	const struct tuple *tuple;
	const struct segment *segment; // NULL: no TCP header to read
	struct flow *known;            // its flow, where that is known already; NULL: to be looked for
	uint32_t hash;
	unsigned layer; // its number
	bool swap;      // the sender is the tuple's second end
};

static struct flow *flow_new(struct worker *w, const struct subject *s, const struct flow_key *key)
{
	struct flow_table *t = w->flows;
	struct flow *f = flow_table_add(t, key, s->hash);
	if (!f)
		return NULL;
	f->id = s->p->frame << 3 | s->layer;
	if (w->came)
		w->came[flow_table_number(t, f)] = s->p->port;
	f->start_ns = f->last_ns = s->p->time_ns;
	f->flags = s->swap != from_responder(s->l, s->segment) ? FLOW_SWAPPED : 0;
	f->age_class = AGE_CLASS_NEW;
	if (s->l->proto == IPPROTO_TCP) {
		f->side[0].wscale = f->side[1].wscale = TCP_WSCALE_UNKNOWN;
	} else {
		f->icmp_type = s->l->icmp_type;
		f->icmp_code = s->l->icmp_code;
	}
	f->unsaid = flood_begins(w, s->hash, key->outer, s->p->time_ns);
	flow_age_add(t, f);
	count(w, COUNTER_FLOWS);
	return f;
}

// --- a packet

// The class follows from the state. Becoming shorter moves the flow at once, longer when its slot comes.
static inline void classify(struct flow_table *t, struct flow *f)
{
	uint8_t class = AGE_CLASS_NEW;
	if (f->key.proto != IPPROTO_TCP) {
		class = f->flags & FLOW_REPLIED ? AGE_CLASS_REPLIED : AGE_CLASS_NEW;
	} else if (f->tcp_state >= TCP_ESTABLISHED) {
		bool both_closed = f->side[0].flags & f->side[1].flags & SIDE_FIN;
		if (f->tcp_state == TCP_CLOSED || both_closed)
			class = AGE_CLASS_CLOSED;
		else if ((f->flags & FLOW_REPLIED) || f->pkts[0] + f->pkts[1] >= ONE_WAY_PKTS)
			class = AGE_CLASS_TCP;
	}
	if (likely(class == f->age_class))
		return;
	bool shorter = flow_age_timeout_ns[class] < flow_age_timeout_ns[f->age_class];
	f->age_class = class;
	if (shorter)
		flow_age_shorten(t, f);
}

static inline void set_usual(struct flow *f)
{
	bool tcp = f->key.proto == IPPROTO_TCP, usual = !tcp || flow_tcp_usual(f);
	f->flags = (uint16_t)(usual ? f->flags | FLOW_USUAL : f->flags & ~FLOW_USUAL);
	f->steady = usual && (tcp ? flow_tcp_settled(f) : f->pkts[0] && f->pkts[1]);
}

// Counts the packet. Returns its direction.
static inline unsigned account(struct worker *w, struct flow *f, const struct subject *s)
{
	const struct pkt *p = s->p;
	unsigned dir = s->swap != !!(f->flags & FLOW_SWAPPED);
	f->pkts[dir]++;
	f->bytes[dir] += p->wire_len;
	if (p->time_ns > f->last_ns)
		f->last_ns = p->time_ns;
	if (unlikely(f->pkts[dir] == 1)) {
		bool first = f->pkts[!dir] == 0;
		bool tagged = !f->key.outer && (p->nvlans || p->nvnis || s->layer || (p->flags & PKT_TRANSPORT));
		if (!first) {
			f->flags |= FLOW_REPLIED;
			flood_answered(w, s->hash, f->key.outer, f->start_ns);
		}
		if (first ? !f->unsaid : f->unsaid || tagged)
			flow_say_start(w, f, p, s->layer, dir, s->frame);
	}
	return dir;
}

// The packets of a burst that were given this flow.
static bool in_use(const struct burst *b, unsigned n, const struct flow *f)
{
	for (unsigned i = 0; i < n; i++) {
		if (pkt_of(b->m[i])->flow == f)
			return true;
	}
	return false;
}

// Makes room for a flow. False: the one to give way is in use by the first n packets of the burst.
static bool give_way(struct worker *w, const struct burst *b, unsigned n)
{
	struct flow *f = flow_age_victim(w->flows);
	if (!f)
		return true;
	if (in_use(b, n, f))
		return false;
	flow_end(w, f, FLOW_END_EVICTED);
	count(w, COUNTER_FLOWS_EVICTED);
	return true;
}

// midstream: drop. No flow is made of it, or a flood of ACKs would fill the table.
static bool unwelcome(const struct worker *w, const struct subject *s)
{
	return w->config->fail.midstream_drop && s->l->proto == IPPROTO_TCP &&
	       !(s->segment && flow_tcp_opens(s->segment));
}

// Finds or makes the flow of a subject. NULL: it is not welcome, or there is no room. *cut: the burst must be cut
// before packet n.
static struct flow *flow_of(struct worker *w, struct burst *b, unsigned n, const struct subject *s, bool *cut)
{
	struct flow_table *t = w->flows;
	struct flow_key key;
	struct flow *f = s->known;
	if (!f) {
		struct flow_place at = flow_table_place(t, s->hash);
		key_fill(&key, s->p->tenant, s->tuple, s->frame + s->l->l3, s->swap);
		f = flow_table_find(t, &at, &key);
	}
	if (f) {
		unsigned dir = s->swap != !!(f->flags & FLOW_SWAPPED);
		bool expired = flow_age_expired(f, s->p->time_ns);
		bool inline_ = path_inline(w->config, s->p->port);
		bool renewed = s->segment && flow_tcp_renews(f, dir, s->segment, inline_) &&
			       !(inline_ && flow_tcp_late(f, dir, s->segment, s->p->time_ns));
		if (likely(!expired && !renewed))
			return f;
		if ((*cut = in_use(b, n, f)))
			return NULL;
		key = f->key;
		flow_end(w, f, expired ? FLOW_END_TIMEOUT : FLOW_END_REUSED);
	}
	if (unlikely(unwelcome(w, s)))
		return NULL;
	if (unlikely(!shed_begin(w)))
		return NULL;
	if (unlikely(flow_table_full(t)) && (*cut = !give_way(w, b, n)))
		return NULL;
	return flow_new(w, s, &key);
}

// Why a packet has none.
static uint16_t no_flow(const struct worker *w, const struct subject *s)
{
	return unwelcome(w, s) ? REASON_FLOW_TCP_MIDSTREAM : shed_spent(w) ? REASON_SHED_NEW : REASON_FLOW_TABLE_FULL;
}

// A layer of which only the header is read. What has no flow cannot be judged. Returns why the frame does not leave.
static uint16_t account_outer(struct worker *w, struct burst *b, struct rte_mbuf *m, unsigned layer)
{
	struct pkt *p = pkt_of(m);
	const uint8_t *frame = pkt_data(m);
	const struct layer *l = &p->layer[layer];
	struct tuple t;
	bool cut = false, swap = steer_tuple(l, frame, &t);
	t.tail |= TAIL_OUTER;
	struct subject s = {.p = p, .l = l, .frame = frame, .tuple = &t, .layer = layer, .swap = swap};
	s.hash = steer_hash(&w->steer, p->tenant, &t, frame + l->l3, swap);
	struct flow *f = flow_of(w, b, 0, &s, &cut);
	if (!f)
		return w->rules ? no_flow(w, &s) : REASON_NONE;
	account(w, f, &s);
	classify(w->flows, f);
	if (likely(!w->rules))
		return REASON_NONE;
	uint16_t reason = judge_layer(w, f, p, l);
	if (unlikely(w->mirrors))
		mirror_layer(w, m, f);
	return reason;
}

void flow_outer_burst(struct worker *w, struct burst *b)
{
	if (likely(w->outer_layers == 0))
		return;
	w->outer_layers = 0;
	for (unsigned i = 0; i < b->n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		bool blind = p->flags & PKT_BLIND;
		if (blind ? p->reason : p->nlayers < 2 || pkt_decided(p))
			continue;
		worker_at(w, p);
		if (blind && !p->nlayers)
			pkt_drop(p, judge_unread(w, p));
		for (unsigned layer = 0; layer + !blind < p->nlayers; layer++)
			pkt_drop(p, account_outer(w, b, b->m[i], layer));
	}
}

// Frames of the flow may have gone by (bypass, a stall). What TCP is expected to say next is unknown, and so is where
// messages begin: those still read are read from here on, as in a connection that is picked up midstream. What the
// policy said of the flow stands.
static void went_by(struct worker *w, struct flow *f)
{
	if (f->key.proto != IPPROTO_TCP || f->key.outer)
		return;
	f->tcp_unseen = 1 | 1 << 1;
	f->steady = 0;
	if (!f->stream && (f->flags & FLOW_APP_DONE))
		return;
	inspect_end(w, f);
	stream_end(w, f);
	f->flags &= (uint16_t) ~(FLOW_APP_DONE | FLOW_STREAM_TRIED | FLOW_PASSED | FLOW_PASSED << 1);
	f->flags |= FLOW_MIDSTREAM | FLOW_GAP;
	for (unsigned dir = 0; dir < 2; dir++)
		f->side[dir].flags &= (uint8_t)~SIDE_SYN; // a stream begins with what comes, not behind the SYN
}

// A side may acknowledge, bit by bit, what the other said unseen: so each stays marked until it is heard itself.
static __rte_noinline void resume(struct worker *w, struct flow *f, unsigned dir, const struct segment *s)
{
	flow_tcp_resume(f, dir, s);
	if (!w->settle || !settle_goes_by(w, f, dir, s->flags & (1 | 2 | 4))) // FIN, SYN, RST
		f->tcp_unseen &= (uint8_t) ~(1 << dir) & 3;
}

// Takes packet i of the burst, whatever it is. known: its flow, if that is known. False: the burst must be cut before
// it.
static __rte_noinline bool flow_packet(struct worker *w, struct burst *b, unsigned i, struct flow *known)
{
	struct rte_mbuf *m = b->m[i];
	struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	const uint8_t *frame = pkt_data(m);
	struct segment segment;
	struct subject s = {.p = p,
			    .l = l,
			    .frame = frame,
			    .tuple = &p->tuple,
			    .known = known,
			    .hash = p->hash,
			    .layer = p->nlayers - 1u,
			    .swap = p->swap};
	bool cut = false;
	worker_at(w, p);
	if (l->proto == IPPROTO_TCP && !(l->flags & LAYER_FRAGMENT) &&
	    flow_tcp_read(l, frame, rte_pktmbuf_data_len(m), &segment))
		s.segment = &segment;
	struct flow *f = flow_of(w, b, i, &s, &cut);
	if (unlikely(!f)) {
		if (!cut)
			pkt_drop(p, no_flow(w, &s));
		return !cut;
	}
	if (unlikely(f->last_ns < w->unseen_ns && path_inline(w->config, p->port)))
		went_by(w, f);
	unsigned dir = account(w, f, &s);
	p->flow = f;
	p->dir = (uint8_t)dir;
	b->fresh |= (uint32_t) !(f->policy & POLICY_JUDGED) << i;
	if (s.segment) {
		bool live = path_inline(w->config, p->port);
		if (unlikely(f->tcp_unseen))
			resume(w, f, dir, &segment);
		uint16_t reason = flow_tcp_track(f, dir, &segment, p->time_ns, live, &p->flags);
		if (unlikely(reason))
			pkt_drop(p, reason);
	}
	classify(w->flows, f);
	set_usual(f);
	return true;
}

// A packet on its way through the three walks.
struct look {
	struct rte_mbuf *m;
	const struct flow_bucket *bucket; // where its flow stands first
	struct flow *guess;               // a flow with this tag, or NULL
	uint16_t tag;
	uint16_t at; // in the burst
};

// Is the guess right, key by key? A flow that was freed since has no version.
static inline bool guess_right(const struct flow *f, const struct pkt *p, const uint8_t *frame)
{
	uint64_t other =
		(steer_load64((const uint8_t *)&f->key + KEY_TAIL) ^ p->tuple.tail) | (f->key.tenant ^ p->tenant);
	uint64_t addrs = steer_load32(f->key.a) | (uint64_t)steer_load32(f->key.b) << 32;
	if (likely((uint8_t)(p->tuple.tail >> 32) == 4))
		return (other | (addrs ^ p->tuple.addrs)) == 0;
	const uint8_t *ip = frame + p->inner->l3, *a = ip + (p->swap ? 24 : 8), *b = ip + (p->swap ? 8 : 24);
	return other == 0 && memcmp(f->key.a, a, 16) == 0 && memcmp(f->key.b, b, 16) == 0;
}

// Shorter than any timeout, so that flow_usual need not ask which.
#define QUICK_NS (9 * 1000000000ull)

static inline void take_usual(struct flow *f, unsigned dir, struct pkt *p)
{
	f->pkts[dir]++;
	f->bytes[dir] += p->wire_len;
	f->last_ns = p->time_ns;
	p->flow = f;
	p->dir = (uint8_t)dir;
}

// TCP that is usual, but may move more than numbers: the handshake's last ACK, FINs and what follows. False: nothing
// was done.
static __rte_noinline bool tcp_usual(struct flow_table *t, struct flow *f, unsigned dir, struct pkt *p,
				     const uint8_t *frame, bool live)
{
	const struct layer *l = p->inner;
	if (!(f->flags & FLOW_USUAL) || f->key.proto != IPPROTO_TCP || (l->flags & LAYER_FRAGMENT))
		return false;
	enum orderly did = flow_tcp_orderly(f, dir, l, frame, live);
	if (did == ORDERLY_NOT)
		return false;
	take_usual(f, dir, p);
	if (did == ORDERLY_STATE) {
		classify(t, f);
		set_usual(f);
	}
	return true;
}

// The usual packet: of a flow that is known, alive and seen in both directions, doing what is expected next. False: it
// is not, and nothing was done.
static __rte_always_inline bool flow_usual(struct flow_table *t, struct flow *f, struct pkt *p, const uint8_t *frame,
					   uint64_t quick_ns, bool live)
{
	unsigned dir = p->swap ^ (f->flags / FLOW_SWAPPED & 1);
	if (unlikely(p->time_ns - f->last_ns > quick_ns))
		return false;
	if (unlikely(!f->steady || (f->key.proto == IPPROTO_TCP && !flow_tcp_steady(f, dir, p->inner, frame, live))))
		return tcp_usual(t, f, dir, p, frame, live);
	take_usual(f, dir, p);
	return true;
}

// First walk: the buckets.
static inline struct look *ask_buckets(const struct flow_table *t, const struct burst *b, struct look *end)
{
	for (unsigned i = 0, n = b->n; i < n; i++) {
		const struct pkt *p = pkt_of(b->m[i]);
		if (unlikely(pkt_decided(p) || !p->inner))
			continue;
		uint64_t spread = flow_table_spread(p->hash);
		const struct flow_bucket *bucket = &t->buckets[flow_table_first(t, spread)];
		rte_prefetch0(bucket);
		end->m = b->m[i];
		end->bucket = bucket;
		end->tag = flow_table_tag(spread);
		end->at = (uint16_t)i;
		end++;
	}
	return end;
}

static inline struct flow *guess(const struct flow_table *t, const struct look *k)
{
	unsigned hits = flow_table_tags(k->bucket, k->tag);
	return likely(hits) ? &t->flows[k->bucket->flow[__builtin_ctz(hits)] - 1] : NULL;
}

// Second walk: the flows.
static inline void ask_flows(const struct flow_table *t, struct look *look, const struct look *end)
{
	for (struct look *k = look; k < end; k++) {
		const uint8_t *f = (const uint8_t *)(k->guess = guess(t, k));
		if (unlikely(!f))
			continue;
		rte_prefetch0(f);
		rte_prefetch0(f + 64);
		rte_prefetch0(f + 128);
	}
}

// Payload is searched where nobody reads.
static __rte_noinline void want_all(struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++)
		b->wanted |= (uint32_t)(pkt_of(b->m[i])->flow != NULL) << i;
}

void flow_burst(struct worker *w, struct burst *b)
{
	struct flow_table *t = w->flows;
	struct look look[BURST_SIZE], *end = ask_buckets(t, b, look);
	const bool live = w->config->live; // of a mirror beside a bridge, too: what is usual in line is usual there
	const uint64_t quick_ns = RTE_MIN(QUICK_NS, w->now_ns - w->unseen_ns); // what was seen before that: flow_packet
	uint32_t wanted = 0;
	ask_flows(t, look, end);
	b->fresh = 0;
	for (const struct look *k = look; k < end; k++) {
		struct pkt *p = pkt_of(k->m);
		const uint8_t *frame = pkt_data(k->m);
		struct flow *f = likely(k->guess) ? k->guess : guess(t, k); // made by an earlier one of this burst?
		if (unlikely(!f || !guess_right(f, p, frame)))
			f = NULL;
		if (unlikely(!f) && shed_spent(w) && flow_table_new(k->bucket, k->tag)) {
			pkt_drop(p, REASON_SHED_NEW);
			continue;
		}
		if (unlikely(!f || !flow_usual(t, f, p, frame, quick_ns, live)) &&
		    unlikely(!flow_packet(w, b, k->at, f))) {
			t->rest.n = b->n - k->at;
			memcpy(t->rest.m, &b->m[k->at], t->rest.n * sizeof(b->m[0]));
			b->n = k->at;
			break;
		}
		if (likely(p->flow != NULL))
			wanted |= (uint32_t) !(p->flow->flags >> p->dir & FLOW_PASSED) << k->at;
	}
	b->wanted = wanted;
	if (unlikely(w->tagged))
		flow_say_tags(w, b);
	if (unlikely(w->scans))
		want_all(b);
}

bool flow_rest(struct worker *w, struct burst *b)
{
	struct flow_table *t = w->flows;
	if (likely(t->rest.n == 0))
		return false;
	memcpy(b->m, t->rest.m, t->rest.n * sizeof(b->m[0]));
	b->n = t->rest.n;
	t->rest.n = 0;
	return true;
}
