// SPDX-License-Identifier: BSD-3-Clause
//
// The two sides write their records in the same order but for what the verdicts themselves change (a denied flow has no
// further transactions, and ends otherwise). What one side said waits in a table until the other says it too; it has
// room for PENDING_MAX, beyond which the oldest is taken for what only one side has. Memory is bounded by that, and by
// GROUPS_MAX kinds of change; all are counted.
//
// A flow that ends before all was known is open: what there was of it has passed, as if it were allowed, and so that is
// no change; it is counted beside.
#include "diff_changes.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/explain.h"
#include "policy/action.h"
#include "replay_exits.h"
#include "replay_summary.h"
#include "ruleset.h"
#include "verdict.h"

#define PENDING_MAX (1u << 20) // 150 MB, of which little is touched
#define SLOTS (PENDING_MAX * 2)
#define GROUPS_MAX 65536u
#define EXAMPLES 3
#define NAME_MAX_SHOWN 64

struct verdict_of {
	uint32_t rule; // RULE_NONE: not judged
	uint8_t action, response;
	bool there, judged, open;
	uint16_t reason; // of a frame; 0: it passes
};

struct example {
	uint64_t flow_id, time_ns, frame;
	uint32_t tx_id;
	uint16_t kind, sport, dport;
	uint8_t proto, ip_version;
	unsigned capture;
	uint8_t src[16], dst[16];
	char name[NAME_MAX_SHOWN]; // as it may be shown
};

struct pending {
	struct example of;
	struct verdict_of verdict;
	uint8_t side;
	bool used;
	uint32_t slot;
};

struct group {
	uint16_t kind;
	struct verdict_of was, is;
	uint64_t n;
	struct example example[EXAMPLES];
};

struct diff_changes {
	struct diff_policy policy[2];
	char *const *captures;
	struct pending *ring; // first in, first out
	uint32_t *slots;      // index in ring + 1
	uint64_t head, tail;  // of the ring: [tail, head)
	struct group *groups;
	uint32_t ngroups;
	uint64_t compared[3], changed[3]; // flows, transactions, frames
	uint64_t open;  // flows and transactions that one side left undecided; what leaves is the same
	uint64_t alone; // frames that one side only spoke of
	uint64_t ungrouped;
};

#define KIND_FRAME RECORD_KIND_COUNT

static bool is_flow(uint16_t kind)
{
	return kind == RECORD_FLOW;
}

static const char *kind_name(uint16_t kind)
{
	return kind == KIND_FRAME ? "frame" : record_kind_names[kind];
}

// ---- what waits for the other side -------------------------------------------------------------------------------

static uint32_t place(const struct example *e)
{
	uint64_t h = e->flow_id * 0x9e3779b97f4a7c15ull ^ (uint64_t)e->tx_id << 8 ^ e->kind;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(h >> 32) % SLOTS;
}

static bool same_thing(const struct example *a, const struct example *b)
{
	return a->flow_id == b->flow_id && a->tx_id == b->tx_id && a->kind == b->kind;
}

static struct pending *find(struct diff_changes *d, const struct example *e, enum diff_side side)
{
	for (uint32_t i = place(e); d->slots[i]; i = (i + 1) % SLOTS) {
		struct pending *p = &d->ring[d->slots[i] - 1];
		if (p->side == side && same_thing(&p->of, e))
			return p;
	}
	return NULL;
}

// Out of an open table: what follows in its run moves up.
static void forget(struct diff_changes *d, struct pending *p)
{
	uint32_t hole = p->slot;
	p->used = false;
	d->slots[hole] = 0;
	for (uint32_t i = (hole + 1) % SLOTS; d->slots[i]; i = (i + 1) % SLOTS) {
		struct pending *k = &d->ring[d->slots[i] - 1];
		uint32_t home = place(&k->of);
		if ((i - home + SLOTS) % SLOTS < (i - hole + SLOTS) % SLOTS)
			continue;
		d->slots[hole] = d->slots[i];
		k->slot = hole;
		d->slots[i] = 0;
		hole = i;
	}
}

// ---- changes ----------------------------------------------------------------------------------------------------

static const char *id_of(const struct diff_changes *d, enum diff_side side, const struct verdict_of *v)
{
	const char *id = explain_rule_id(d->policy[side].policy, v->rule);
	return id ? id : "default";
}

// A flow that is open was not refused, whatever the rule that would stand.
static bool refused(const struct example *e, const struct verdict_of *v)
{
	return v->judged && action_table[v->action].denies && !(v->open && is_flow(e->kind));
}

static bool same_effect(const struct example *e, const struct verdict_of *a, const struct verdict_of *b)
{
	return a->there == b->there && a->judged == b->judged && refused(e, a) == refused(e, b) &&
	       (!refused(e, a) || a->response == b->response);
}

static bool same(const struct diff_changes *d, const struct example *e, const struct verdict_of *was,
		 const struct verdict_of *is)
{
	bool open = (was->open || is->open) && !refused(e, was);
	return same_effect(e, was, is) &&
	       (open || !was->there || !was->judged || !strcmp(id_of(d, DIFF_OLD, was), id_of(d, DIFF_NEW, is)));
}

static bool equal(const struct verdict_of *a, const struct verdict_of *b)
{
	return a->there == b->there && a->judged == b->judged && a->open == b->open && a->action == b->action &&
	       a->response == b->response && a->rule == b->rule && a->reason == b->reason;
}

static void change(struct diff_changes *d, const struct verdict_of *was, const struct verdict_of *is,
		   const struct example *e)
{
	struct group *g = d->groups;
	d->changed[e->kind == KIND_FRAME ? 2 : !is_flow(e->kind)]++;
	while (g < d->groups + d->ngroups && !(g->kind == e->kind && equal(&g->was, was) && equal(&g->is, is)))
		g++;
	if (g == d->groups + d->ngroups) {
		if (d->ngroups == GROUPS_MAX) {
			d->ungrouped++;
			return;
		}
		d->ngroups++;
		*g = (struct group){.kind = e->kind, .was = *was, .is = *is};
	}
	if (g->n < EXAMPLES)
		g->example[g->n] = *e;
	g->n++;
}

static void alone(struct diff_changes *d, const struct pending *p)
{
	static const struct verdict_of none = {.rule = RULE_NONE};
	d->compared[!is_flow(p->of.kind)]++;
	change(d, p->side == DIFF_OLD ? &p->verdict : &none, p->side == DIFF_OLD ? &none : &p->verdict, &p->of);
}

// The oldest goes.
static void oldest(struct diff_changes *d)
{
	struct pending *p = &d->ring[d->tail++ % PENDING_MAX];
	if (p->used) {
		forget(d, p);
		alone(d, p);
	}
}

static void wait(struct diff_changes *d, enum diff_side side, const struct example *e, const struct verdict_of *v)
{
	while (d->tail < d->head && (!d->ring[d->tail % PENDING_MAX].used || d->head - d->tail == PENDING_MAX))
		oldest(d);
	uint32_t at = d->head++ % PENDING_MAX, i = place(e);
	while (d->slots[i])
		i = (i + 1) % SLOTS;
	d->slots[i] = at + 1;
	d->ring[at] = (struct pending){.of = *e, .verdict = *v, .side = (uint8_t)side, .used = true, .slot = i};
}

static void name_of(const struct record *rec, char out[NAME_MAX_SHOWN])
{
	RECORD_EACH(f, rec) {
		if (f->field == FACT_HOST || f->field == FACT_DNS_QNAME || f->field == FACT_TLS_SNI) {
			char text[NAME_MAX_SHOWN];
			snprintf(text, sizeof(text), "%.*s", (int)f->len, (const char *)f->value);
			summary_printable(text, out, NAME_MAX_SHOWN);
			return;
		}
	}
}

static struct example example_of(unsigned capture, const struct record *rec)
{
	struct example e = {.flow_id = rec->flow_id,
			    .time_ns = is_flow(rec->kind) ? rec->start_ns : rec->time_ns,
			    .tx_id = is_flow(rec->kind) ? 0 : rec->tx_id,
			    .kind = rec->kind,
			    .sport = rec->sport,
			    .dport = rec->dport,
			    .proto = rec->proto,
			    .ip_version = rec->ip_version,
			    .capture = capture};
	memcpy(e.src, rec->src, sizeof(e.src));
	memcpy(e.dst, rec->dst, sizeof(e.dst));
	name_of(rec, e.name);
	return e;
}

static bool counts(const struct record *rec)
{
	switch ((enum record_kind)rec->kind) {
	case RECORD_FLOW:
		return rec->layer == 0;
	case RECORD_TLS:
	case RECORD_QUIC:
	case RECORD_HTTP:
	case RECORD_DNS:
	case RECORD_SSH:
		return true;
	default:
		return false;
	}
}

void diff_changes_record(struct diff_changes *d, enum diff_side side, unsigned capture, const struct record *rec)
{
	if (!counts(rec))
		return;
	struct example e = example_of(capture, rec);
	bool judged = rec->judged & RECORD_JUDGED;
	struct verdict_of v = {.there = true,
			       .judged = judged,
			       .open = rec->judged & RECORD_OPEN,
			       .rule = judged ? rec->rule : RULE_NONE,
			       .action = judged ? rec->action : 0,
			       .response = judged ? rec->response : 0};
	struct pending *p = find(d, &e, side == DIFF_OLD ? DIFF_NEW : DIFF_OLD);
	if (!p) {
		wait(d, side, &e, &v);
		return;
	}
	const struct verdict_of *was = side == DIFF_OLD ? &v : &p->verdict, *is = side == DIFF_OLD ? &p->verdict : &v;
	d->compared[!is_flow(e.kind)]++;
	if (!same(d, &e, was, is))
		change(d, was, is, &e);
	else
		d->open += was->open != is->open;
	forget(d, p);
}

static struct verdict_of end_of(const struct exits_end *e)
{
	return (struct verdict_of){.rule = e->rule, .there = true, .judged = e->rule != RULE_NONE, .reason = e->reason};
}

void diff_changes_frame(struct diff_changes *d, unsigned capture, const struct exits_end *was,
			const struct exits_end *is)
{
	struct example e = {.kind = KIND_FRAME, .capture = capture, .flow_id = is->flow, .frame = is->order};
	struct verdict_of a = end_of(was), b = end_of(is);
	change(d, &a, &b, &e);
}

void diff_changes_frames(struct diff_changes *d, uint64_t compared, uint64_t alone)
{
	d->compared[2] = compared;
	d->alone = alone;
}

void diff_changes_capture(struct diff_changes *d)
{
	while (d->tail < d->head)
		oldest(d);
}

uint64_t diff_changes_count(const struct diff_changes *d)
{
	return d->changed[0] + d->changed[1] + d->changed[2];
}

struct diff_changes *diff_changes_new(const struct diff_policy policies[2], char *const *captures)
{
	struct diff_changes *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	memcpy(d->policy, policies, sizeof(d->policy));
	d->captures = captures;
	d->ring = calloc(PENDING_MAX, sizeof(*d->ring));
	d->slots = calloc(SLOTS, sizeof(*d->slots));
	d->groups = calloc(GROUPS_MAX, sizeof(*d->groups));
	if (d->ring && d->slots && d->groups)
		return d;
	diff_changes_free(d);
	return NULL;
}

void diff_changes_free(struct diff_changes *d)
{
	if (!d)
		return;
	free(d->ring);
	free(d->slots);
	free(d->groups);
	free(d);
}

// ---- faces ------------------------------------------------------------------------------------------------------

static int by_count(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	if ((x->kind == KIND_FRAME) != (y->kind == KIND_FRAME)) // what changed them stands above
		return x->kind == KIND_FRAME ? 1 : -1;
	return x->n != y->n ? (x->n < y->n ? 1 : -1)
			    : (x->example[0].flow_id > y->example[0].flow_id) -
				      (x->example[0].flow_id < y->example[0].flow_id);
}

static const char *action_word(const struct verdict_of *v)
{
	return v->reason    ? reason_names[v->reason]
	       : !v->there  ? "not there"
	       : !v->judged ? "not judged"
	       : v->open    ? "open"
			    : action_names[v->action];
}

static void verdict_words(const struct diff_changes *d, enum diff_side side, uint16_t kind, const struct verdict_of *v,
			  char *out, size_t room)
{
	const struct policy *p = d->policy[side].policy;
	if (kind == KIND_FRAME && !v->reason) {
		snprintf(out, room, "passes");
		return;
	}
	size_t n = (size_t)snprintf(out, room, "%s%s", kind == KIND_FRAME ? "dropped by " : "", action_word(v));
	if (!v->there || !v->judged)
		return;
	if (!v->reason && action_table[v->action].denies && v->response && n < room)
		n += (size_t)snprintf(out + n, room - n, " (%s)", response_names[v->response]);
	if (n < room)
		n += (size_t)snprintf(out + n, room - n, v->reason ? ", rule %s" : " by %s", id_of(d, side, v));
	if (v->rule < p->nrules && n < room)
		snprintf(out + n, room - n, " (%s:%u)", p->rules[v->rule].place.file, p->rules[v->rule].place.line);
}

static void ends(const struct example *e, char src[INET6_ADDRSTRLEN], char dst[INET6_ADDRSTRLEN])
{
	int family = e->ip_version == 4 ? AF_INET : AF_INET6;
	inet_ntop(family, e->src, src, INET6_ADDRSTRLEN);
	inet_ntop(family, e->dst, dst, INET6_ADDRSTRLEN);
}

static void example_words(const struct diff_changes *d, const struct example *e, FILE *out)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", path[256];
	if (e->kind == KIND_FRAME) {
		fprintf(out, "         %s frame %lu, of flow %lx\n",
			summary_printable(d->captures[e->capture], path, sizeof(path)), e->frame, e->flow_id);
		return;
	}
	ends(e, src, dst);
	fprintf(out, "         %s %lx", summary_printable(d->captures[e->capture], path, sizeof(path)), e->flow_id);
	if (!is_flow(e->kind))
		fprintf(out, ".%u", e->tx_id);
	fprintf(out, "  %s %u -> %s %u%s%s\n", src, e->sport, dst, e->dport, *e->name ? "  " : "", e->name);
}

void diff_changes_words(struct diff_changes *d, FILE *out, bool colour)
{
	enum { SHOWN = 40 };
	const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
	qsort(d->groups, d->ngroups, sizeof(*d->groups), by_count);
	for (uint32_t i = 0; i < d->ngroups && i < SHOWN; i++) {
		const struct group *g = &d->groups[i];
		char was[512], is[512];
		verdict_words(d, DIFF_OLD, g->kind, &g->was, was, sizeof(was));
		verdict_words(d, DIFF_NEW, g->kind, &g->is, is, sizeof(is));
		fprintf(out, "%s%8lu %s%s  %s -> %s\n", bold, g->n, kind_name(g->kind), plain, was, is);
		for (unsigned k = 0; k < EXAMPLES && k < g->n; k++)
			example_words(d, &g->example[k], out);
	}
	if (d->ngroups > SHOWN)
		fprintf(out, "and %u more kinds of change (--format json has all)\n", d->ngroups - SHOWN);
	fprintf(out,
		"%s%lu of %lu flows and %lu of %lu transactions change; of %lu frames %lu leave under one of them "
		"only\n",
		d->ngroups ? "\n" : "", d->changed[0], d->compared[0], d->changed[1], d->compared[1], d->compared[2],
		d->changed[2]);
	if (d->open)
		fprintf(out,
			"%lu more end undecided (open) under one of them and allowed under the other: what leaves is "
			"the same\n",
			d->open);
	if (d->alone)
		fprintf(out, "%lu frames could not be compared\n", d->alone);
}

static json_t *verdict_json(const struct diff_changes *d, enum diff_side side, uint16_t kind,
			    const struct verdict_of *v)
{
	const struct policy *p = d->policy[side].policy;
	if (!v->there)
		return json_null();
	json_t *o = v->reason ? json_pack("{s:s}", "dropped_by", reason_names[v->reason])
			      : json_pack("{s:s}", "verdict", kind == KIND_FRAME ? "passes" : action_word(v));
	if (!v->judged)
		return o;
	json_object_set_new(o, "rule", json_string(id_of(d, side, v)));
	if (!v->reason && action_table[v->action].denies)
		json_object_set_new(o, "respond", json_string(response_names[v->response]));
	if (v->rule < p->nrules)
		json_object_set_new(o, "line", json_integer(p->rules[v->rule].place.line));
	return o;
}

static json_t *example_json(const struct diff_changes *d, const struct example *e)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", path[4096], id[40];
	summary_printable(d->captures[e->capture], path, sizeof(path));
	if (e->kind == KIND_FRAME) {
		snprintf(id, sizeof(id), "%lx", e->flow_id);
		return json_pack("{s:s,s:I,s:s}", "capture", path, "frame", (json_int_t)e->frame, "flow", id);
	}
	ends(e, src, dst);
	snprintf(id, sizeof(id), is_flow(e->kind) ? "%lx" : "%lx.%u", e->flow_id, e->tx_id);
	json_t *o =
		json_pack("{s:s,s:s,s:s,s:i,s:s,s:i,s:i,s:I}", "capture", path, "id", id, "src", src, "sport", e->sport,
			  "dst", dst, "dport", e->dport, "proto", e->proto, "time_ns", (json_int_t)e->time_ns);
	if (o && *e->name)
		json_object_set_new(o, "name", json_string(e->name));
	return o;
}

static json_t *pair(uint64_t compared, uint64_t changed)
{
	return json_pack("{s:I,s:I}", "compared", (json_int_t)compared, "changed", (json_int_t)changed);
}

int diff_changes_json(struct diff_changes *d, FILE *out)
{
	json_t *list = json_array();
	qsort(d->groups, d->ngroups, sizeof(*d->groups), by_count);
	for (uint32_t i = 0; i < d->ngroups; i++) {
		const struct group *g = &d->groups[i];
		json_t *examples = json_array();
		for (unsigned k = 0; k < EXAMPLES && k < g->n; k++)
			json_array_append_new(examples, example_json(d, &g->example[k]));
		json_array_append_new(list, json_pack("{s:s,s:o,s:o,s:I,s:o}", "what", kind_name(g->kind), "from",
						      verdict_json(d, DIFF_OLD, g->kind, &g->was), "to",
						      verdict_json(d, DIFF_NEW, g->kind, &g->is), "n", (json_int_t)g->n,
						      "examples", examples));
	}
	json_t *o = json_pack("{s:{s:s,s:s},s:{s:s,s:s},s:o,s:o,s:o,s:o,s:I,s:I,s:I}", "old", "file", d->policy[0].file,
			      "hash", d->policy[0].policy->hash, "new", "file", d->policy[1].file, "hash",
			      d->policy[1].policy->hash, "flows", pair(d->compared[0], d->changed[0]), "transactions",
			      pair(d->compared[1], d->changed[1]), "frames", pair(d->compared[2], d->changed[2]),
			      "changes", list, "changes_not_listed", (json_int_t)d->ungrouped, "open_but_same",
			      (json_int_t)d->open, "frames_not_compared", (json_int_t)d->alone);
	int rc = !o || json_dumpf(o, out, JSON_INDENT(2)) < 0 ? -1 : 0;
	fputc('\n', out);
	json_decref(o);
	return rc;
}
