// SPDX-License-Identifier: BSD-3-Clause
//
// Payload: bytes of TCP streams, in order, to a depth, and of each datagram, searched for what rules ask. In: packets
// as stream and inspect have left them; out: verdicts of flows. Worker's thread; only where a rule asks for payload.
//
// Each byte is scanned once: Hyperscan goes on in a direction where it stopped, whatever the segments, and what it has
// found in a direction stays found (a row of bits). The rules are asked again only when something new was found, or
// when a direction has reached the depth. Bytes that come ahead are kept, as stream keeps them, until the hole before
// them is closed; one that does not close is passed over, and nothing is found across it.
//
// Stream states are a pool: as many as stream reassembles flows, within PAYLOADS_BYTES; each is opened in its place
// when it is used first. Where the pool is empty each segment is searched by itself (payload_block).
//
// Not every flow: one of which no such rule can become true, by what its first packet showed, is left alone (and can
// settle, settle.c), unless there are more than RULES_MAX of them.
//
// Rejected: reading from stream's own memory (bodies are not stored, and directions stop early: for payload alone they
// would have to be), and scanning in a room of its own (what is known of the flow would depend on how packets fell into
// bursts).
#include "judge_in.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_tcp.h>

#include "act.h"
#include "base/eal.h"
#include "flow_table.h"
#include "hold.h"
#include "policy_in.h"
#include "stream_pool.h"

// Flows whose payload is followed at a time: as many as stream reassembles by default, within so much memory.
#define PAYLOADS_MAX 65536
#define PAYLOADS_BYTES (128ul << 20)
#define HOLE_SEGMENTS 64  // so many that bring nothing in order, and the hole is passed over
#define ONCE_MAX 16       // rules that spoke for the flow
#define NOBODY UINT32_MAX // payload_of: no rule asks

struct side {
	struct stream_side ahead; // what came before its turn
	uint64_t done;            // offset up to which was searched
	uint32_t base;            // sequence number of offset 0
	uint16_t waits;
	bool based, over; // over: the depth was reached
};

struct payload {
	struct side side[2];
	struct policy_stream *state[2];
	uint64_t flow_id; // whose
	uint32_t next;    // free ones: number + 1
	uint8_t nonce;
	bool late; // a set that has changed made it one that is searched
	uint32_t once[ONCE_MAX];
	txn_t last; // the flow's last transaction
	uint64_t *found[2];
};

struct judge_payloads {
	size_t bytes;
	const struct ruleset *rs;
	uint32_t n, fresh; // of list; from `fresh` on they were never used
	uint32_t free, words, used;
	uint32_t row_words; // room for so many
	size_t state_bytes;
	uint64_t *row;   // of what has no state; then two for each of list
	uint8_t *states; // as many
	struct payload list[];
};

// May one of them become true of the flow, whatever it says, and whenever?
static bool asked(struct worker *w, const struct flow *f)
{
	const uint64_t changes = 1ull << FIELD_TIME | 1ull << FIELD_TAG;
	struct judge *j = w->judge;
	const struct judge_payloads *p = j->policy->payloads;
	const struct judge_asks *a = &j->policy->asks;
	bool may = a->n > JUDGE_ASKS_MAX;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns + w->wall_ns);
	judge_first_facts(w, f);
	policy_ask_begin(j->policy->scratch, &j->facts.facts);
	for (uint32_t i = 0; i < a->n && !may; i++) {
		uint64_t unknown;
		uint32_t node = p->rs->rules[a->rule[i]].node;
		may = (judge_node_fields(p->rs, node) & changes) ||
		      policy_truth_node(j->policy->scratch, &p->rs->nodes[node], false, &unknown) != TRUTH_FALSE;
	}
	return may;
}

// With room for what a few patterns more would take: the next policy's streams then lie here, too.
struct judge_payloads *judge_payloads_new(const struct ruleset *rs)
{
	uint32_t words = policy_payload_words(rs);
	size_t state = policy_payload_bytes(rs), row = RTE_ALIGN_CEIL(words * sizeof(uint64_t), 64ul) + 64;
	state = RTE_ALIGN_CEIL(state + state / 8 + 256, 64ul);
	size_t each = sizeof(struct payload) + 2 * (row + state);
	uint32_t n = (uint32_t)RTE_MIN(PAYLOADS_BYTES / each + 1, (size_t)PAYLOADS_MAX);
	size_t bytes = sizeof(struct judge_payloads) + n * each + row + 64;
	struct judge_payloads *p = mem_take(bytes);
	if (!p)
		return NULL;
	*p = (struct judge_payloads){.bytes = bytes,
				     .rs = rs,
				     .n = n,
				     .words = words,
				     .row_words = (uint32_t)(row / sizeof(uint64_t)),
				     .state_bytes = state};
	p->states = (uint8_t *)RTE_ALIGN_CEIL((uintptr_t)&p->list[n], 64ul);
	p->row = (uint64_t *)(p->states + 2 * n * state);
	return p;
}

bool judge_payloads_fit(const struct judge_payloads *p, const struct ruleset *rs)
{
	return p && policy_payload_words(rs) <= p->row_words && policy_payload_bytes(rs) <= p->state_bytes;
}

void judge_payloads_hand_over(struct judge_policy *from, struct judge_policy *to)
{
	struct judge_payloads *p = from->payloads;
	from->payloads = NULL;
	to->payloads = p;
	if (!p)
		return;
	p->rs = to->rules;
	p->words = policy_payload_words(p->rs);
	p->fresh = p->free = 0; // nobody has one
}

void judge_payloads_free(struct judge_payloads *p)
{
	if (p)
		mem_give(p, p->bytes);
}

uint32_t judge_policy_payloads(const struct judge_policy *p, size_t *bytes)
{
	*bytes = p->payloads ? p->payloads->bytes : 0;
	return p->payloads ? p->payloads->n : 0;
}

static struct payload *find(const struct worker *w, const struct flow *f)
{
	const struct judge *j = w->judge;
	struct judge_payloads *p = j->policy->payloads;
	uint32_t i = p && j->payload_of ? j->payload_of[flow_table_number(w->flows, f)] : 0;
	return i && i != NOBODY && p->list[i - 1].flow_id == f->id + 1 ? &p->list[i - 1] : NULL;
}

static inline bool passed_over(const struct worker *w, const struct flow *f)
{
	return w->judge->payload_of[flow_table_number(w->flows, f)] == NOBODY;
}

// Number of one that nobody uses, + 1; 0: there is none.
static uint32_t unused(struct judge_payloads *p)
{
	uint32_t i = p->free;
	if (i) {
		p->free = p->list[i - 1].next;
		return i;
	}
	if (p->fresh == p->n)
		return 0;
	struct payload *x = &p->list[p->fresh];
	for (unsigned dir = 0; dir < 2; dir++) {
		size_t at = 2ul * p->fresh + dir;
		x->found[dir] = p->row + (at + 1) * p->row_words;
		if (!(x->state[dir] = policy_payload_open(p->rs, p->states + at * p->state_bytes)))
			return 0;
	}
	return ++p->fresh;
}

static struct payload *take(struct worker *w, const struct flow *f)
{
	struct judge *j = w->judge;
	struct judge_payloads *p = j->policy->payloads;
	struct payload *x = find(w, f);
	uint32_t i = x || passed_over(w, f) ? 0 : unused(p);
	if (!i)
		return x;
	j->payload_of[flow_table_number(w->flows, f)] = i;
	x = &p->list[i - 1];
	p->used++;
	x->flow_id = f->id + 1;
	x->nonce = 0;
	x->late = false;
	x->last = 0;
	for (unsigned dir = 0; dir < 2; dir++) {
		memset(&x->side[dir], 0, sizeof(x->side[dir]));
		memset(x->found[dir], 0, p->words * sizeof(uint64_t));
		policy_payload_reset(j->policy->scratch, x->state[dir]);
	}
	return x;
}

static void give_back(struct worker *w, struct judge_payloads *p, struct payload *x)
{
	stream_chain_clear(w->streams, &x->side[0].ahead);
	stream_chain_clear(w->streams, &x->side[1].ahead);
	p->used--;
	x->flow_id = 0;
	x->next = p->free;
	p->free = (uint32_t)(x - p->list) + 1;
}

void judge_payloads_forget(struct worker *w, struct judge_payloads *p)
{
	w->counters[COUNTER_PAYLOAD_ANEW] += p ? p->used : 0;
	for (uint32_t i = 0; p && p->used && i < p->fresh; i++)
		if (p->list[i].flow_id)
			give_back(w, p, &p->list[i]);
}

void judge_payload_begin(struct worker *w, struct flow *f, bool edit)
{
	uint32_t *of = &w->judge->payload_of[flow_table_number(w->flows, f)];
	struct payload *x = find(w, f);
	if (asked(w, f)) {
		bool late = edit && *of == NOBODY;
		*of = *of == NOBODY ? 0 : *of;
		if (late && f->key.proto == IPPROTO_TCP && (x = take(w, f)))
			x->late = true;
		return;
	}
	if (x)
		give_back(w, w->judge->policy->payloads, x);
	*of = NOBODY;
}

void judge_payload_txn(struct worker *w, const struct flow *f, txn_t t)
{
	struct payload *x = f->key.proto == IPPROTO_TCP ? take(w, f) : NULL; // it may be judged before its bytes are
	if (x)
		x->last = t;
}

// ---- verdicts ----------------------------------------------------------------------------------------------------

void judge_payload_facts(struct worker *w, const struct flow *f)
{
	struct judge_facts *j = &w->judge->facts;
	struct payload *x = find(w, f);
	for (unsigned dir = 0; x && dir < 2; dir++) {
		if (x->side[dir].done == 0)
			continue;
		unsigned n = j->facts.n[FIELD_PAYLOAD];
		judge_facts_bytes(j, FIELD_PAYLOAD, NULL, 0, (struct origin){0});
		j->facts.found[n] = x->found[dir];
		j->facts.state[FIELD_PAYLOAD] = x->side[0].over && x->side[1].over ? FACT_ALL : FACT_SOME;
	}
}

bool judge_payload_once(struct worker *w, const struct flow *f, uint32_t rule)
{
	struct payload *x = find(w, f);
	if (!x)
		return true;
	for (unsigned i = 0; i < x->nonce; i++)
		if (x->once[i] == rule)
			return false;
	if (x->nonce < ONCE_MAX)
		x->once[x->nonce++] = rule;
	return true;
}

// Who hears it is told which packet's bytes were the last of what was found.
static void place(struct worker *w, struct rte_mbuf *m, const struct payload *x)
{
	if (!w->config->ear || !m)
		return;
	const struct pkt *p = pkt_of(m);
	unsigned at = x && p->dir && x->side[0].done;
	w->judge->facts.origin[FIELD_PAYLOAD][at] = (struct origin){p->frame, p->inner->payload, p->inner->payload_len};
}

// Something new is known of a flow's payload. row: of a segment or datagram searched by itself; NULL: the flow's own.
static void found(struct worker *w, struct rte_mbuf *m, struct flow *f, struct payload *x, const uint64_t *row)
{
	struct judge *j = w->judge;
	struct app_in in = {.w = w, .f = f};
	struct record *r = x && x->last ? txn_record(&in, x->last) : NULL;
	struct verdict v;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns + w->wall_ns);
	judge_flow_facts(w, f);
	if (row) {
		j->facts.facts.n[FIELD_PAYLOAD] = 0;
		judge_facts_bytes(&j->facts, FIELD_PAYLOAD, NULL, 0, (struct origin){0});
		j->facts.facts.found[0] = row;
		j->facts.facts.state[FIELD_PAYLOAD] = FACT_SOME;
	}
	if (r)
		judge_facts_record(&j->facts, r);
	else if (f->app == APP_OTHER)
		judge_facts_opaque(&j->facts, f->app);
	else if (f->app != APP_NONE)
		judge_facts_bytes(&j->facts, FIELD_APP, app_names[f->app], (uint32_t)strlen(app_names[f->app]),
				  (struct origin){0});
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	judge_fired(w, f, r, &in, r ? x->last : 0, true);
	// a rule takes over that stands above the one that decided; below it, it is not looked at
	if (v.open && !r && f->tx_count && !(f->rule < JUDGE_KEPT && (f->rule & JUDGE_WAITS)))
		v.open = v.rule >= f->rule; // what names could decide above f->rule they have: its record is gone
	bool takes = !v.open && v.rule < f->rule;
	bool stands = takes && v.action == ACTION_DENY && !(f->policy & POLICY_DENIED);
	place(w, m, x);
	judge_heard(w, &(struct judged){f, r, &j->facts, &v, JUDGE_PAYLOAD, r != NULL, stands});
	if (r && !stands)
		judge_would(w, r);
	if (!stands)
		return;
	judge_stands(w, f, v.rule);
	if (r)
		judge_revise(w, r, &v);
	f->policy |= POLICY_DENIED;
	if (!m)
		return;
	struct pkt *p = pkt_of(m);
	w->packet = m;
	act_deny(w, f, m, p->dir, r ? r->tx_id : f->tx_count);
	pkt_drop(p, REASON_POLICY_DENY);
	hold_settle(w, f);
}

// ---- streams -----------------------------------------------------------------------------------------------------

// Searches the next bytes of a direction. True: something new was found, or the depth is reached.
static bool search(struct worker *w, struct payload *x, unsigned dir, const uint8_t *p, uint64_t len)
{
	struct side *s = &x->side[dir];
	uint64_t left = w->config->payload_depth - s->done;
	bool news = s->done == 0;
	if (len > left)
		len = left;
	news |= policy_payload_scan(w->judge->policy->scratch, x->state[dir], p, (uint32_t)len, x->found[dir]);
	s->done += len;
	s->over = len == left;
	return news || s->over;
}

// What came ahead and is next now.
static bool catch_up(struct worker *w, struct payload *x, unsigned dir)
{
	struct side *s = &x->side[dir];
	bool news = false;
	struct chunk *c;
	while (!s->over && (c = stream_chain_find(w->streams, &s->ahead, s->done)) && c->start <= s->done)
		news |= search(w, x, dir, c->room + (s->done - c->start), chunk_end(c) - s->done);
	if (s->ahead.head && (s->over || !stream_chain_find(w->streams, &s->ahead, s->done)))
		stream_chain_clear(w->streams, &s->ahead);
	return news;
}

// Nothing is found across the hole.
static bool pass_over(struct worker *w, struct payload *x, unsigned dir)
{
	struct side *s = &x->side[dir];
	struct chunk *c = stream_chain_find(w->streams, &s->ahead, s->done);
	s->waits = 0;
	if (!c)
		return false;
	s->done = c->start;
	policy_payload_reset(w->judge->policy->scratch, x->state[dir]);
	return catch_up(w, x, dir);
}

static void keep_ahead(struct worker *w, struct side *s, uint64_t from, uint64_t to, const uint8_t *p)
{
	uint64_t at = from;
	while (at < to) {
		const struct chunk *c = stream_chain_find(w->streams, &s->ahead, at);
		uint64_t until = c && c->start < to ? c->start : to, behind = c ? chunk_end(c) : to;
		struct stream_bytes b = {.data = p + (at - from), .at = at, .len = (uint32_t)(until - at)};
		if (at < until && stream_chain_store(w, &s->ahead, &b) < b.len)
			return; // no room: what is not there is not found
		at = behind > until ? behind : until;
	}
}

static bool segment(struct worker *w, struct payload *x, const struct flow *f, const struct pkt *p,
		    const uint8_t *frame)
{
	const struct layer *l = p->inner;
	const struct flow_side *fs = &f->side[p->dir];
	struct side *s = &x->side[p->dir];
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(frame + l->l4);
	uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq) + !!(l->tcp_flags & RTE_TCP_SYN_FLAG);
	const uint8_t *data = frame + l->payload;
	if (!s->based) {
		// else from here on
		bool here = (fs->flags & SIDE_SYN) && f->start_ns >= w->judge->swap_ns && !x->late;
		s->base = here ? fs->isn + 1 : seq;
		s->based = true;
	}
	int32_t ahead = (int32_t)(seq - (s->base + (uint32_t)s->done));
	int64_t from = (int64_t)s->done + ahead, to = from + l->payload_len;
	if (to <= (int64_t)s->done)
		return false;
	bool news = false;
	if (ahead > 0) {
		if (from < (int64_t)w->config->payload_depth)
			keep_ahead(w, s, (uint64_t)from, (uint64_t)to, data);
		return ++s->waits > HOLE_SEGMENTS && pass_over(w, x, p->dir);
	}
	s->waits = 0;
	news = search(w, x, p->dir, data - ahead, (uint64_t)(to - (int64_t)s->done));
	news |= catch_up(w, x, p->dir);
	if (l->wire_len > l->payload_len && !s->over) { // cut: what follows was not captured
		s->done = (uint64_t)from + l->wire_len;
		s->over = s->done >= w->config->payload_depth;
		policy_payload_reset(w->judge->policy->scratch, x->state[p->dir]);
	}
	return news;
}

static void by_itself(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	struct judge_policy *policy = w->judge->policy;
	struct judge_payloads *all = policy->payloads;
	uint32_t len = RTE_MIN((uint32_t)p->inner->payload_len, w->config->payload_depth);
	memset(all->row, 0, all->words * sizeof(uint64_t));
	if (policy_payload_block(policy->scratch, pkt_data(m) + p->inner->payload, len, all->row) ||
	    p->flow->pkts[0] + p->flow->pkts[1] == 1)
		found(w, m, p->flow, NULL, all->row);
}

void judge_payload(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct flow *f = p->flow;
	if (pkt_decided(p) || !f || (f->policy & POLICY_DENIED) || !(f->policy & POLICY_JUDGED) ||
	    !p->inner->payload_len || (p->flags & PKT_NO_EVIDENCE) || passed_over(w, f))
		return;
	worker_at(w, p);
	struct payload *x = f->key.proto == IPPROTO_TCP ? take(w, f) : NULL;
	if (!x) {
		if (f->key.proto == IPPROTO_TCP)
			count(w, COUNTER_PAYLOAD_BLOCK);
		by_itself(w, m, p);
	} else if (!x->side[p->dir].over && segment(w, x, f, p, pkt_data(m))) {
		found(w, m, f, x, NULL);
	}
}

bool judge_payload_over(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct payload *x = f->key.proto == IPPROTO_TCP ? find(w, f) : NULL;
	// each datagram is searched, and what has no state is searched segment by segment
	return x ? x->side[dir].over : passed_over(w, f);
}

void judge_payload_end(struct worker *w, struct flow *f)
{
	struct payload *x = find(w, f);
	if (!x)
		return;
	bool news = false;
	for (unsigned dir = 0; dir < 2; dir++)
		while (!x->side[dir].over && x->side[dir].ahead.head)
			news |= pass_over(w, x, dir);
	if (news)
		found(w, NULL, f, x, NULL);
	give_back(w, w->judge->policy->payloads, x);
}
