// SPDX-License-Identifier: BSD-3-Clause
//
// A packet, flow, record or the first transaction that shows what is asked for, out of a capture: the capture is
// replayed by the policy in a process of its own (replayed.c), whose judge is heard (explain_heard.c) and whose records
// of that flow are kept. A packet takes two walks: the first says of which flow it is, and how it left; so does a
// search.
//
// Of a flow's judgements the one that is explained is that which the packet left by, or which the record stands by.
#include "explain_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RECORDS_MAX (64u << 20) // bytes; of more transactions than that the one asked for is looked for once more

// ---- what is asked for -------------------------------------------------------------------------------------------

static bool hex(const char *text, const char **end, uint64_t *out)
{
	char *stop;
	if (!((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f') || (*text >= 'A' && *text <= 'F')))
		return false;
	errno = 0;
	*out = strtoull(text, &stop, 16);
	*end = stop;
	return errno == 0;
}

bool packet_record(const char *text, struct packet_query *q)
{
	const char *end;
	char *stop;
	q->by = PACKET_RECORD;
	if (!hex(text, &end, &q->flow_id))
		return false;
	if (!*end)
		return true;
	q->has_tx = *end == '.' && end[1] >= '0' && end[1] <= '9';
	unsigned long n = q->has_tx ? strtoul(end + 1, &stop, 10) : 0;
	q->tx_id = (uint32_t)n;
	return q->has_tx && !*stop && n <= UINT32_MAX;
}

static uint8_t address(const char *text, uint8_t out[16])
{
	return inet_pton(AF_INET, text, out) == 1 ? 4 : inet_pton(AF_INET6, text, out) == 1 ? 6 : 0;
}

static bool port(const char *text, uint16_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	*out = (uint16_t)n;
	return *text >= '0' && *text <= '9' && !*end && n <= UINT16_MAX;
}

static uint8_t proto(const char *text)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {{"tcp", 6}, {"udp", 17}, {"sctp", 132}, {"icmp", 1}, {"icmpv6", 58}};
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(text, known[i].name))
			return known[i].number;
	return 0;
}

bool packet_flow(const char *text, struct packet_query *q)
{
	char copy[160], *word[6], *save;
	unsigned n = 0;
	const char *end;
	q->by = PACKET_FLOW;
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ,\t", &save); w && n < 6; w = strtok_r(NULL, " ,\t", &save))
		if (strcmp(w, "->"))
			word[n++] = w;
	if (n == 1)
		return hex(word[0], &end, &q->flow_id) && !*end;
	unsigned at = n == 5;
	if ((n != 4 && n != 5) || (at && !(q->ends.proto = proto(word[0]))))
		return false;
	uint8_t other = address(word[at + 2], q->ends.b);
	q->ends.version = address(word[at], q->ends.a);
	return q->ends.version && q->ends.version == other && port(word[at + 1], &q->ends.aport) &&
	       port(word[at + 3], &q->ends.bport);
}

// ---- does a record fit? ------------------------------------------------------------------------------------------

static bool same_ends(const struct packet_ends *e, const struct record *r)
{
	size_t len = e->version == 4 ? 4 : 16;
	if (r->ip_version != e->version || (e->proto && e->proto != r->proto) || r->layer)
		return false;
	bool there = !memcmp(r->src, e->a, len) && !memcmp(r->dst, e->b, len) && r->sport == e->aport &&
		     r->dport == e->bport;
	bool back = !memcmp(r->src, e->b, len) && !memcmp(r->dst, e->a, len) && r->sport == e->bport &&
		    r->dport == e->aport;
	return there || back;
}

static bool same_value(const struct fact_value *a, const struct fact_value *b)
{
	if (!a->p || !b->p)
		return !a->p && !b->p && a->num == b->num;
	return a->len == b->len && !memcmp(a->p, b->p, a->len) &&
	       (!a->name_len || (a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len)));
}

static bool shows(const struct facts *want, const struct facts *have, unsigned f)
{
	if (want->state[f] == FACT_ABSENT)
		return have->state[f] == FACT_ABSENT;
	for (unsigned i = 0; i < want->n[f]; i++) {
		unsigned k = 0;
		while (k < have->n[f] && !same_value(&want->value[f][i], &have->value[f][k]))
			k++;
		if (k == have->n[f])
			return false;
	}
	return true;
}

void packet_facts_of(struct judge_facts *j, const struct record *r, uint64_t now_ns)
{
	struct judge_tuple t = {.src = r->src,
				.dst = r->dst,
				.tenant = r->tenant,
				.sport = r->sport,
				.dport = r->dport,
				.version = r->ip_version,
				.proto = r->proto,
				.cut = r->layer && !(r->sport | r->dport)};
	judge_facts_clear(j, UINT64_MAX, now_ns);
	judge_facts_tuple(j, &t);
	if (r->kind != RECORD_FLOW)
		judge_facts_record(j, r);
}

bool packet_shows(const struct packet_query *q, const struct facts *have)
{
	for (uint64_t left = q->fields; left; left &= left - 1)
		if (!shows(q->filter, have, (unsigned)__builtin_ctzll(left)))
			return false;
	return true;
}

bool packet_is(const struct packet_query *q, const struct record *ends)
{
	return q->by == PACKET_FLOW && q->ends.version && same_ends(&q->ends, ends);
}

// ---- a walk ------------------------------------------------------------------------------------------------------

static bool is_transaction(const struct record *r)
{
	return r->kind >= RECORD_TLS && r->kind <= RECORD_SSH;
}

static struct record *copy_of(const struct record *r)
{
	struct record *copy = aligned_alloc(64, (r->len + 63) & ~63u);
	if (!copy)
		abort();
	return memcpy(copy, r, r->len);
}

static void take_tx(struct packet *p, const struct packet_query *q, const struct record *r)
{
	bool room = p->bytes + r->len <= RECORDS_MAX, wanted = q->has_tx && r->tx_id == q->tx_id;
	if (!room && !wanted)
		return;
	if ((p->ntxs & (p->ntxs - 1)) == 0 && !(p->txs = realloc(p->txs, (2 * p->ntxs + 1ul) * sizeof(*p->txs))))
		abort();
	p->txs[p->ntxs++] = copy_of(r);
	p->bytes += r->len;
}

static void take(struct packet *p, const struct packet_query *q, const struct record *r)
{
	if (q->ends.version ? !same_ends(&q->ends, r) : r->flow_id != q->flow_id)
		return;
	if (is_transaction(r)) {
		take_tx(p, q, r);
	} else if (r->kind == RECORD_FLOW || r->kind == RECORD_FLOW_START) {
		struct record **to = r->kind == RECORD_FLOW ? &p->flow : &p->start;
		if (!*to) // ports are used again: the first
			*to = copy_of(r);
	}
}

static void forget(struct packet *p)
{
	for (uint32_t i = 0; i < p->ntxs; i++)
		free(p->txs[i]);
	free(p->txs);
	free(p->start);
	free(p->flow);
	heard_free(&p->heard);
	p->txs = NULL;
	p->start = p->flow = p->tx = NULL;
	p->ntxs = 0;
	p->bytes = 0;
}

// What is heard goes to p->heard, and of the query's flow records are kept.
static int walk(struct packet *p, const struct packet_query *q, const struct replayed_config *like, uint64_t only)
{
	struct replayed_config config = *like;
	const struct record *r;
	const struct exits_end *e;
	unsigned which;
	int fd = memfd_create("heard", MFD_CLOEXEC);
	FILE *heard = fd < 0 ? NULL : fdopen(fd, "w+");
	struct replayed *run = NULL;
	forget(p);
	config.ends = q->by == PACKET_NUMBER;
	if (heard) {
		config.ear = heard_ear(q, only, heard);
		run = replayed_start(&config);
	}
	if (!run) {
		snprintf(p->error, sizeof(p->error), "cannot start a replay: %s", strerror(errno));
		if (heard)
			fclose(heard);
		return -EIO;
	}
	do {
		for (; (r = replayed_record(run, &which)); replayed_record_done(run, r))
			if (q->by == PACKET_FLOW || q->by == PACKET_RECORD)
				take(p, q, r);
		for (; (e = replayed_end(run)); replayed_end_done(run))
			if (e->order == q->frame && e->order)
				p->end = *e;
	} while (replayed_wait(&run, &(unsigned){REPLAYED_RECORDS | REPLAYED_ENDS}, 1));
	int rc = replayed_stop(run);
	heard_read(&p->heard, heard);
	fclose(heard);
	if (rc == 0)
		return 0;
	snprintf(p->error, sizeof(p->error), "the replay failed");
	return -EIO;
}

// ---- which judgement ---------------------------------------------------------------------------------------------

static bool decides(const struct heard *h)
{
	return h->kind == HEARD_JUDGED && h->stands;
}

static const struct record *tx_of(const struct packet *p, const struct heard *h)
{
	for (uint32_t i = 0; h->record && i < p->ntxs; i++)
		if (p->txs[i]->tx_id == h->tx_id)
			return p->txs[i];
	return NULL;
}

// The last that says what the record stands by; else the last of it.
static uint32_t of_record(const struct packet *p, const struct packet_query *q)
{
	uint32_t last = HEARD_NONE, exact = HEARD_NONE;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (!decides(h) || (q->has_tx && (!h->record || h->tx_id != q->tx_id)))
			continue;
		const struct record *r = q->has_tx ? tx_of(p, h) : p->flow;
		last = i;
		if (r && (r->judged & RECORD_JUDGED) && heard_says(h, r))
			exact = i;
	}
	return exact != HEARD_NONE ? exact : last;
}

static bool shown_in(const struct record *r, uint64_t frame)
{
	RECORD_EACH(f, r)
		if (f->origin.len && frame_own(f->origin.frame) == frame)
			return true;
	return false;
}

// What was decided when the packet left: by itself, of the transaction it shows something of, or before.
static uint32_t of_packet(const struct packet *p, const struct packet_query *q)
{
	uint64_t left = p->left != HEARD_NONE ? p->heard.list[p->left].order : p->end.left;
	uint32_t best = HEARD_NONE;
	unsigned rank = 0;
	bool denied = p->end.reason == REASON_POLICY_DENY;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (!decides(h) || h->order > left || (denied && h->verdict.action != ACTION_DENY))
			continue;
		const struct record *tx = tx_of(p, h);
		bool rule = denied && h->verdict.rule == p->end.rule && h->version == p->end.policy;
		unsigned now = rule || h->order == q->frame || h->order == left ? 3
			       : tx && shown_in(tx, q->frame)                   ? 2
										: 1;
		if (now >= rank) {
			rank = now;
			best = i;
		}
	}
	return best;
}

static void choose(struct packet *p, const struct packet_query *q)
{
	p->first = p->chosen = p->held = p->left = HEARD_NONE;
	p->matching = q->has_tx ? p->matching : 0;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		if (h->kind == HEARD_JUDGED && (h->cause == JUDGE_FIRST || h->cause == JUDGE_LAYER))
			p->first = i;
		if (h->kind == HEARD_JUDGED && h->cause == JUDGE_TRANSACTION && !h->again && !q->has_tx)
			p->matching++;
		if (h->kind == HEARD_HELD && q->frame && h->frame == q->frame)
			p->held = i;
		if (h->kind == HEARD_LEFT && q->frame && h->frame == q->frame)
			p->left = i;
	}
	p->chosen = q->frame ? of_packet(p, q) : of_record(p, q);
	const struct record *tx = p->chosen != HEARD_NONE ? tx_of(p, &p->heard.list[p->chosen]) : NULL;
	p->tx = (struct record *)(uintptr_t)tx;
}

// ---- finding -----------------------------------------------------------------------------------------------------

static int none(struct packet *p, const char *what)
{
	snprintf(p->error, sizeof(p->error), "%s", what);
	return -ENOENT;
}

// How it left, and of which flow it is. 0: of none.
static int of_number(struct packet *p, struct packet_query *q, const struct replayed_config *like)
{
	int rc = walk(p, q, like, UINT64_MAX);
	if (rc < 0)
		return rc;
	if (!p->end.order) {
		snprintf(p->error, sizeof(p->error), "there is no packet %lu in it", q->frame);
		return -ENOENT;
	}
	q->by = PACKET_FLOW;
	q->flow_id = p->heard.n ? p->heard.list[0].flow_id : p->end.flow; // of an outer layer
	return 0;
}

// The first transaction that shows it, else the first flow.
static int of_filter(struct packet *p, struct packet_query *q, const struct replayed_config *like)
{
	const struct heard *found = NULL;
	int rc = walk(p, q, like, UINT64_MAX);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < p->heard.n; i++) {
		const struct heard *h = &p->heard.list[i];
		p->matching += h->record != 0;
		if (!found || (h->record && !found->record))
			found = h;
	}
	if (!found)
		return none(p, "nothing in it fits (ttl, tcp.flags, vlan, payload and the like are known only where "
			       "a rule asks for them)");
	*q = (struct packet_query){
		.by = PACKET_RECORD, .flow_id = found->flow_id, .tx_id = found->tx_id, .has_tx = found->record};
	return 0;
}

static bool has_tx(const struct packet *p, uint32_t tx_id)
{
	for (uint32_t i = 0; i < p->ntxs; i++)
		if (p->txs[i]->tx_id == tx_id)
			return true;
	return false;
}

int packet_find(struct packet *p, const struct packet_query *query, const struct replayed_config *config)
{
	struct packet_query q = *query;
	struct replayed_config again = *config;
	int rc = 0;
	memset(p, 0, sizeof(*p));
	p->first = p->chosen = p->held = p->left = HEARD_NONE;
	if (q.by == PACKET_NUMBER)
		rc = of_number(p, &q, &again);
	else if (q.by == PACKET_FILTER)
		rc = of_filter(p, &q, &again);
	again.quiet = q.by != query->by; // what is wrong has been said by the first walk
	if (rc < 0 || (query->by == PACKET_NUMBER && !q.flow_id))
		return rc;
	if ((rc = walk(p, &q, &again, UINT64_MAX)) < 0)
		return rc;
	choose(p, &q);
	if (p->chosen != HEARD_NONE && !p->heard.facts[p->chosen]) { // of a long flow
		uint64_t number = p->heard.list[p->chosen].number;
		again.quiet = true;
		if ((rc = walk(p, &q, &again, number)) < 0)
			return rc;
		choose(p, &q);
	}
	if (p->chosen == HEARD_NONE && !p->flow && query->by != PACKET_NUMBER)
		return none(p, "nothing in it fits");
	if (p->chosen == HEARD_NONE && query->by == PACKET_RECORD && query->has_tx && !has_tx(p, query->tx_id)) {
		snprintf(p->error, sizeof(p->error), "flow %lx has no transaction %u", query->flow_id, query->tx_id);
		return -ENOENT;
	}
	return 0;
}

bool packet_facts(struct packet *p, uint32_t heard)
{
	struct judge_facts *j = &p->judged, *all = &p->facts;
	if (heard == HEARD_NONE || !heard_facts(&p->heard, heard, j))
		return false;
	const struct heard *h = &p->heard.list[heard];
	const struct record *tx = tx_of(p, h), *r = tx ? tx : p->flow;
	if (r)
		packet_facts_of(all, r, j->facts.now_ns);
	else
		judge_facts_clear(all, UINT64_MAX, j->facts.now_ns);
	memcpy(all->facts.found, j->facts.found, sizeof(all->facts.found));
	for (uint64_t left = h->wanted; left; left &= left - 1) {
		unsigned f = (unsigned)__builtin_ctzll(left);
		all->facts.state[f] = j->facts.state[f];
		all->facts.n[f] = j->facts.n[f];
		all->facts.value[f] = j->facts.value[f];
		memcpy(all->origin[f], j->origin[f], sizeof(all->origin[f]));
	}
	return true;
}

void packet_free(struct packet *p)
{
	forget(p);
}
