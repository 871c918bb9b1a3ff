// SPDX-License-Identifier: BSD-3-Clause
//
// Names that stand around what a flow carries: what a CONNECT or a SOCKS request asked for stays a value of `host` for
// all that follows on the flow (corridor.md 4). Worker's thread.
//
// A table of fixed size by the flow's id, made where some policy of this start asks for `host`. A flow gives way to a
// later one of the same place, counted (facts_evicted): its verdicts so far stand.
#include "judge_in.h"

#include <string.h>

#include "base/eal.h"
#include "flow_table.h"
#include "policy.h"
#include "record_out.h"

#define PLACES 4096
#define NAMES_BYTES 512 // of all names of a flow, each with its length before it

struct judge_outer {
	uint64_t flow_id; // + 1; 0: free
	struct origin origin;
	uint16_t used;
	uint8_t names[NAMES_BYTES];
};

struct judge_outer *judge_outer_new(void)
{
	return mem_take(PLACES * sizeof(struct judge_outer));
}

void judge_outer_free(struct judge_outer *o)
{
	if (o)
		mem_give(o, PLACES * sizeof(*o));
}

static struct judge_outer *place(const struct worker *w, const struct flow *f)
{
	uint64_t h = (f->id + 1) * 0x9e3779b97f4a7c15ull;
	return &w->judge->outer[h >> 52];
}
static_assert(PLACES == 1 << 12, "the upper bits");

static void keep(const struct app_in *in, const uint8_t *name, uint32_t len, struct origin o)
{
	struct judge_outer *x = place(in->w, in->f);
	if (len > UINT8_MAX) // no name is longer (RFC 1035 2.3.4)
		return;
	if (x->flow_id != in->f->id + 1) {
		if (x->flow_id)
			count(in->w, COUNTER_FACTS_EVICTED);
		x->flow_id = in->f->id + 1;
		x->used = 0;
	}
	if (x->used + 1u + len > NAMES_BYTES)
		return;
	x->origin = o;
	x->names[x->used] = (uint8_t)len;
	memcpy(x->names + x->used + 1, name, len);
	x->used = (uint16_t)(x->used + 1 + len);
}

void judge_outer_txn(const struct app_in *in, txn_t t)
{
	struct record *r = in->w->rules && in->w->judge->outer && !in->since ? txn_record(in, t) : NULL;
	const struct fact *f = r ? record_first(r) : NULL;
	for (unsigned i = 0; r && i < r->nfacts; i++, f = fact_next(f))
		if (f->field == FACT_HOST)
			keep(in, f->value, f->len, f->origin);
}

void judge_outer_forget(struct worker *w, const struct flow *f)
{
	struct judge_outer *x = w->rules && w->judge->outer ? place(w, f) : NULL;
	if (x && x->flow_id == f->id + 1)
		x->flow_id = 0;
}

void judge_outer_say(const struct app_in *in, struct record *r, txn_t t)
{
	const struct judge_outer *x = place(in->w, in->f);
	if (x->flow_id != in->f->id + 1)
		return;
	for (uint32_t at = 0; at < x->used; at += 1u + x->names[at]) {
		if (t)
			txn_str_from(in, t, FACT_HOST_OUTER, x->names + at + 1, x->names[at], x->origin);
		else
			record_fact(in->w, FACT_HOST_OUTER, x->names + at + 1, x->names[at], x->origin);
	}
}

void judge_target(struct app_in *in, const uint8_t *name, uint32_t len, struct origin o)
{
	struct judge *j = in->w->judge;
	struct verdict v;
	uint8_t lower[UINT8_MAX];
	if (len && name[len - 1] == '.')
		len--;
	if (len > sizeof(lower))
		len = sizeof(lower);
	for (uint32_t i = 0; i < len; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i];
	judge_facts_clear(&j->facts, j->policy->fields, in->w->now_ns + in->w->wall_ns);
	judge_flow_facts(in->w, in->f);
	judge_facts_bytes(&j->facts, FIELD_HOST, lower, len, o);
	judge_facts_opaque(&j->facts, in->f->app);
	policy_judge(in->w->rules, j->policy->scratch, &j->facts.facts, &v);
	if (j->outer)
		keep(in, lower, len, o);
	judge_heard(in->w, &(struct judged){in->f, NULL, &j->facts, &v, JUDGE_TARGET, false, true});
	if (j->keep)
		keep_name(in->w, flow_table_number(in->w->flows, in->f), lower, len);
	judge_flow_verdict(in, &v);
}
