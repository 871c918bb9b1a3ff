// SPDX-License-Identifier: BSD-3-Clause
//
// A packet, flow, record or the first transaction that shows what is asked for, out of a capture: the capture is
// replayed by the policy in a process of its own (replayed.c), and the records that belong together are kept. A packet
// takes two walks: the first says of which flow it is, and how it left.
//
// Facts come out of the record by the corridor's own judge_facts.c, so what is explained is what was judged. What only
// the first packet showed (TTL, TCP flags) is in no record, and unknown here.
#include "explain_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replayed.h"

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

static bool is_transaction(const struct record *r)
{
	return r->kind >= RECORD_TLS && r->kind <= RECORD_SSH;
}

static void facts_of(struct judge_facts *j, const struct record *start, const struct record *flow,
		     const struct record *tx);

static bool fits(struct packet *p, const struct packet_query *q, const struct record *r)
{
	switch (q->by) {
	case PACKET_FLOW:
		return q->ends.version ? same_ends(&q->ends, r) : r->flow_id == q->flow_id;
	case PACKET_FILTER:
		facts_of(&p->facts, NULL, NULL, r);
		for (uint64_t left = q->fields; left; left &= left - 1)
			if (!shows(q->filter, &p->facts.facts, (unsigned)__builtin_ctzll(left)))
				return false;
		return true;
	default:
		return r->flow_id == q->flow_id && (!is_transaction(r) || !q->has_tx || r->tx_id == q->tx_id);
	}
}

// ---- finding -----------------------------------------------------------------------------------------------------

static void keep(struct record **to, const struct record *r)
{
	struct record *copy = aligned_alloc(64, (r->len + 63) & ~63u);
	if (!copy)
		abort();
	memcpy(copy, r, r->len);
	free(*to);
	*to = copy;
}

// Of the transactions of a packet's flow: the last that began before the packet did, or with it.
static bool better(const struct packet *p, const struct packet_query *q, const struct record *r)
{
	if (!p->tx)
		return true;
	return q->frame && r->packet <= q->frame && (p->tx->packet > q->frame || r->packet >= p->tx->packet);
}

static void take(struct packet *p, const struct packet_query *q, const struct record *r)
{
	bool flow = r->kind == RECORD_FLOW || r->kind == RECORD_FLOW_START;
	if ((!flow && !is_transaction(r)) || r->layer)
		return;
	if (q->by == PACKET_FILTER && flow) { // of the flow whose transaction was found; starts come before it
		if (!p->tx || p->tx->flow_id != r->flow_id)
			return;
	} else if (!fits(p, q, r)) {
		return;
	}
	if (flow) {
		struct record **to = r->kind == RECORD_FLOW ? &p->flow : &p->start;
		if (!*to)
			keep(to, r);
		return;
	}
	p->matching++;
	if (better(p, q, r))
		keep(&p->tx, r);
}

static int walk(struct packet *p, const struct packet_query *q, const char *policy, char *capture, bool ends)
{
	struct replayed_config config = {.policy = policy, .captures = &capture, .ncaptures = 1, .ends = ends};
	const struct record *r;
	struct exits_end e;
	unsigned which;
	config.quiet = !ends && q->by == PACKET_NUMBER; // what is wrong has been said by the first walk
	struct replayed *run = replayed_start(&config);
	if (!run) {
		snprintf(p->error, sizeof(p->error), "cannot start a replay: %s", strerror(errno));
		return -EIO;
	}
	while ((r = replayed_record(run, &which)))
		if (!ends)
			take(p, q, r);
	while (ends && replayed_end(run, &e))
		if (e.order == q->frame)
			p->end = e;
	int rc = replayed_stop(run);
	if (rc == 0)
		return 0;
	snprintf(p->error, sizeof(p->error), "the replay failed");
	return -EIO;
}

int packet_find(struct packet *p, const struct packet_query *query, const char *policy, char *capture)
{
	struct packet_query q = *query;
	memset(p, 0, sizeof(*p));
	if (q.by == PACKET_NUMBER) {
		int rc = walk(p, &q, policy, capture, true);
		if (rc < 0)
			return rc;
		if (!p->end.order) {
			snprintf(p->error, sizeof(p->error), "there is no packet %lu in it", q.frame);
			return -ENOENT;
		}
		if (!p->end.flow) // of no flow: dropped before, or no IP
			return 0;
		q.flow_id = p->end.flow;
	}
	int rc = walk(p, &q, policy, capture, false);
	if (rc < 0)
		return rc;
	if (p->tx || (p->flow && !q.has_tx))
		return 0;
	snprintf(p->error, sizeof(p->error), "nothing in it fits");
	return -ENOENT;
}

void packet_free(struct packet *p)
{
	free(p->start);
	free(p->flow);
	free(p->tx);
	p->start = p->flow = p->tx = NULL;
}

// ---- facts -------------------------------------------------------------------------------------------------------

static void of_start(struct judge_facts *j, const struct record *start)
{
	const struct fact *f = record_first(start);
	bool deeper = false;
	for (unsigned i = 0; i < start->nfacts; i++, f = fact_next(f)) {
		uint64_t n = 0;
		memcpy(&n, f->value, f->len < sizeof(n) ? f->len : sizeof(n));
		if (f->field == FACT_VLAN)
			judge_facts_num(j, FIELD_VLAN, n, f->origin);
		else if (f->field == FACT_VNI)
			judge_facts_num(j, FIELD_VNI, n, f->origin);
		deeper |= f->field == FACT_DECAP_DEEPER;
	}
	judge_facts_num(j, FIELD_DECAP_DEEPER, deeper, (struct origin){0});
	for (enum field k = 0; k < FIELD_COUNT; k++)
		if ((k == FIELD_VLAN || k == FIELD_VNI) && !j->facts.n[k])
			j->facts.state[k] = FACT_ABSENT;
}

static void facts_of(struct judge_facts *j, const struct record *start, const struct record *flow,
		     const struct record *tx)
{
	const struct record *r = tx ? tx : flow;
	struct judge_tuple t = {.src = r->src,
				.dst = r->dst,
				.tenant = r->tenant,
				.sport = r->sport,
				.dport = r->dport,
				.version = r->ip_version,
				.proto = r->proto};
	judge_facts_clear(j, UINT64_MAX, r->time_ns);
	judge_facts_tuple(j, &t);
	if (r->proto != 6)
		j->facts.state[FIELD_TCP_FLAGS] = FACT_ABSENT;
	if (start)
		of_start(j, start);
	if (tx)
		judge_facts_record(j, tx);
	else if (flow->kind == RECORD_FLOW)
		judge_facts_opaque(j, APP_OTHER);
}

void packet_facts(struct packet *p, bool transaction)
{
	facts_of(&p->facts, p->start, p->flow ? p->flow : p->tx, transaction ? p->tx : NULL);
	if (!transaction && p->tx) { // as before the first byte of it
		judge_facts_clear(&p->facts, UINT64_MAX, p->tx->time_ns);
		struct judge_tuple t = {.src = p->tx->src,
					.dst = p->tx->dst,
					.tenant = p->tx->tenant,
					.sport = p->tx->sport,
					.dport = p->tx->dport,
					.version = p->tx->ip_version,
					.proto = p->tx->proto};
		judge_facts_tuple(&p->facts, &t);
		if (p->start)
			of_start(&p->facts, p->start);
	}
}
