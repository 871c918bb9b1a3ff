// SPDX-License-Identifier: BSD-3-Clause
//
// Facts from the judge's hand: the replay that explain listens to is forked with an ear (judge.h), which writes each
// judgement of the flow asked for to a file without a name, with the facts it was made on. So what is explained is what
// was judged, TTL and payload too, and not what a record kept of it.
//
// Bounded: LIGHT_MAX judgements and frames, and FACTS_MAX_BYTES of facts; whoever wants the facts of a later one asks
// for it by its number and replays once more. One thread: replays that are listened to have one worker.
#include "explain_heard.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "explain_packet.h"
#include "path/flow.h"
#include "path/policy.h"
#include "path/worker.h"

#define LIGHT_MAX (1u << 19)
#define FACTS_BYTES_MAX (64u << 20)

struct value { // then its bytes, and those of its name
	struct origin origin;
	uint64_t num;
	uint32_t len, name_len;
	bool bytes;
};

struct field_of { // then its values
	uint8_t field, state, n;
};

static struct hearing {
	const struct packet_query *q;
	FILE *out;
	uint64_t only, flow_id, numbers[HEARD_REFUSED + 1], bytes, light;
	bool known; // flow_id
	struct judge_facts shown;
} hearing;

// ---- in the replay -----------------------------------------------------------------------------------------------

static void put(struct hearing *h, const void *p, size_t len)
{
	if (len)
		fwrite(p, 1, len, h->out);
}

static uint32_t put_facts(struct hearing *h, const struct worker *w, const struct judge_facts *j)
{
	long begin = ftell(h->out);
	uint32_t words = policy_payload_words(w->rules);
	put(h, &j->facts.now_ns, sizeof(j->facts.now_ns));
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		struct field_of head = {(uint8_t)f, j->facts.state[f], j->facts.n[f]};
		if (head.state == FACT_UNKNOWN)
			continue;
		put(h, &head, sizeof(head));
		for (unsigned i = 0; i < head.n; i++) {
			const struct fact_value *v = &j->facts.value[f][i];
			struct value x = {j->origin[f][i], v->num, v->p ? v->len : 0, v->name_len, v->p != NULL};
			put(h, &x, sizeof(x));
			put(h, v->p, x.len);
			put(h, v->name, x.name_len);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = j->facts.found[i] ? words : 0;
		struct field_of end = {FIELD_COUNT, (uint8_t)i, 0};
		put(h, &end, sizeof(end));
		put(h, &n, sizeof(n));
		put(h, j->facts.found[i], n * sizeof(uint64_t));
	}
	return (uint32_t)(ftell(h->out) - begin);
}

// The line, and the facts where they are wanted; their length is known behind them.
static void say(struct hearing *h, const struct worker *w, struct heard *x, const struct judge_facts *j)
{
	x->number = h->numbers[x->kind]++;
	bool wanted = j && (h->only == UINT64_MAX ? h->bytes < FACTS_BYTES_MAX : h->only == x->number || !x->number);
	if (!wanted && h->light++ >= LIGHT_MAX)
		return;
	long at = ftell(h->out);
	put(h, x, sizeof(*x));
	if (!wanted)
		return;
	x->nfacts = put_facts(h, w, j);
	h->bytes += x->nfacts;
	fseek(h->out, at, SEEK_SET);
	put(h, x, sizeof(*x));
	fseek(h->out, 0, SEEK_END);
}

static struct heard here(const struct worker *w, enum heard_kind kind, const struct flow *f)
{
	return (struct heard){.kind = (uint8_t)kind,
			      .order = w->order,
			      .time_ns = w->now_ns,
			      .flow_id = f->id,
			      .version = judge_version(w),
			      .app = f->app,
			      .proto = f->key.proto};
}

// The flow by its first judgement, as its record will have it.
static void ends_of(const struct flow *f, struct record *r)
{
	const struct flow_key *k = &f->key;
	bool swapped = f->flags & FLOW_SWAPPED;
	*r = (struct record){.kind = RECORD_FLOW,
			     .tenant = k->tenant,
			     .flow_id = f->id,
			     .proto = k->proto,
			     .ip_version = k->version,
			     .sport = rte_be_to_cpu_16(swapped ? k->bport_be : k->aport_be),
			     .dport = rte_be_to_cpu_16(swapped ? k->aport_be : k->bport_be),
			     .layer = k->outer,
			     .app = f->app};
	memcpy(r->src, swapped ? k->b : k->a, sizeof(r->src));
	memcpy(r->dst, swapped ? k->a : k->b, sizeof(r->dst));
}

// All that is known of it, be it asked by a rule or not.
static void known_of(struct hearing *h, const struct worker *w, const struct judged *j, const struct record *ends)
{
	const struct record *r = j->record ? j->record : ends;
	const struct facts *have = &j->facts->facts;
	packet_facts_of(&h->shown, r, w->now_ns);
	for (uint64_t left = j->facts->wanted; left; left &= left - 1) {
		unsigned f = (unsigned)__builtin_ctzll(left);
		if (have->state[f] == FACT_UNKNOWN)
			continue;
		h->shown.facts.state[f] = have->state[f];
		h->shown.facts.n[f] = have->n[f];
		h->shown.facts.value[f] = have->value[f];
	}
}

static void on_judged(void *arg, const struct worker *w, const struct judged *j)
{
	struct hearing *h = arg;
	struct record ends;
	struct heard x = here(w, HEARD_JUDGED, j->flow);
	ends_of(j->flow, &ends);
	if (h->q->by == PACKET_FILTER) {
		known_of(h, w, j, &ends);
		x.kind = HEARD_SHOWS;
		x.tx_id = j->record ? j->record->tx_id : 0;
		x.record = j->record ? j->record->kind : 0;
		if (!j->again && !ends.layer && packet_shows(h->q, &h->shown.facts))
			say(h, w, &x, NULL);
		return;
	}
	if (!h->known && packet_is(h->q, &ends)) {
		h->known = true;
		h->flow_id = j->flow->id;
	}
	if (!h->known || j->flow->id != h->flow_id)
		return;
	x.tx_id = j->record ? j->record->tx_id : 0;
	x.record = j->record ? j->record->kind : 0;
	x.cause = (uint8_t)j->cause;
	x.again = j->again;
	x.stands = j->stands;
	x.verdict = *j->verdict;
	x.overflow = j->facts->overflow;
	x.wanted = j->facts->wanted;
	say(h, w, &x, j->facts);
}

// Each frame of a datagram that was put together waits.
static void frames(struct hearing *h, const struct worker *w, struct rte_mbuf *m, struct heard *x)
{
	const struct pkt *p = pkt_of(m);
	if (p->flags & PKT_VIRTUAL) {
		for (struct rte_mbuf *f = p->fragments; f; f = pkt_of(f)->next)
			frames(h, w, f, x);
		return;
	}
	x->frame = p->order;
	x->since_ns = p->time_ns;
	say(h, w, x, NULL);
}

static void on_held(void *arg, const struct worker *w, struct rte_mbuf *m)
{
	struct hearing *h = arg;
	const struct flow *f = pkt_of(m)->flow;
	struct heard x = here(w, HEARD_HELD, f);
	if (h->known && f->id == h->flow_id)
		frames(h, w, m, &x);
}

static void on_left(void *arg, const struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	struct hearing *h = arg;
	const struct flow *f = pkt_of(m)->flow;
	struct heard x = here(w, HEARD_LEFT, f);
	x.reason = reason ? reason : pkt_of(m)->reason;
	x.by_packet = w->packet != NULL;
	if (h->known && f->id == h->flow_id)
		frames(h, w, m, &x);
}

static void on_refused(void *arg, const struct pkt *p, const struct flow *f)
{
	struct hearing *h = arg;
	struct heard x = {.kind = HEARD_REFUSED, .order = p->order, .flow_id = f->id};
	if (h->q->by == PACKET_NUMBER && p->order == h->q->frame)
		say(h, NULL, &x, NULL);
}

struct judge_ear *heard_ear(const struct packet_query *q, uint64_t only, FILE *out)
{
	static struct judge_ear ear = {&hearing, on_judged, on_held, on_left, on_refused};
	hearing = (struct hearing){.q = q, .only = only, .out = out};
	hearing.known = q->by == PACKET_RECORD || (q->by == PACKET_FLOW && !q->ends.version);
	hearing.flow_id = q->flow_id;
	return &ear;
}

// ---- when it is over ---------------------------------------------------------------------------------------------

void heard_read(struct heard_list *l, FILE *in)
{
	uint32_t room = 0;
	struct heard x;
	rewind(in);
	while (fread(&x, sizeof(x), 1, in) == 1) {
		if (l->n == room) {
			room = room ? 2 * room : 64;
			l->list = realloc(l->list, room * sizeof(*l->list));
			l->facts = realloc(l->facts, room * sizeof(*l->facts));
			if (!l->list || !l->facts)
				abort();
		}
		uint8_t *facts = x.nfacts ? arena_bytes(&l->arena, x.nfacts) : NULL;
		if (facts && fread(facts, 1, x.nfacts, in) != x.nfacts)
			return; // the replay ended before its time
		l->list[l->n] = x;
		l->facts[l->n++] = facts;
	}
}

void heard_free(struct heard_list *l)
{
	free(l->list);
	free(l->facts);
	arena_free(&l->arena);
	*l = (struct heard_list){0};
}

static const uint8_t *get(const uint8_t *p, void *out, size_t len)
{
	memcpy(out, p, len);
	return p + len;
}

static const uint8_t *get_value(const uint8_t *p, struct judge_facts *out, unsigned field, unsigned i)
{
	struct value x;
	p = get(p, &x, sizeof(x));
	out->origin[field][i] = x.origin;
	out->value[field][i] = (struct fact_value){.p = x.bytes ? p : NULL,
						   .len = x.len,
						   .num = x.num,
						   .name = x.name_len ? p + x.len : NULL,
						   .name_len = x.name_len};
	return p + x.len + x.name_len;
}

bool heard_facts(const struct heard_list *l, uint32_t i, struct judge_facts *out)
{
	const uint8_t *p = l->facts[i], *end = p ? p + l->list[i].nfacts : NULL;
	uint64_t now_ns;
	if (!p)
		return false;
	p = get(p, &now_ns, sizeof(now_ns));
	judge_facts_clear(out, UINT64_MAX, now_ns);
	while (p < end) {
		struct field_of head;
		p = get(p, &head, sizeof(head));
		if (head.field == FIELD_COUNT) {
			uint32_t words;
			p = get(p, &words, sizeof(words));
			uint64_t *row =
				words ? arena_take((struct arena *)(uintptr_t)&l->arena, words * sizeof(*row)) : NULL;
			if (row)
				memcpy(row, p, words * sizeof(*row));
			out->facts.found[head.state] = row;
			p += words * sizeof(*row);
			continue;
		}
		out->facts.state[head.field] = head.state;
		out->facts.n[head.field] = head.n;
		out->facts.value[head.field] = out->value[head.field];
		for (unsigned k = 0; k < head.n; k++)
			p = get_value(p, out, head.field, k);
	}
	return true;
}
