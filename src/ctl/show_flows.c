// SPDX-License-Identifier: BSD-3-Clause
//
// `show flows`, `show flow` and `flow kill`: errands to the workers, who alone may look into their flow tables. The
// client that asked waits for its answer, others are served meanwhile.
#include "ctl/show.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "ctl/control.h"
#include "ctl/errands.h"
#include "ctl/flow_words.h"
#include "ctl/socket.h"
#include "base/clock.h"
#include "live/standing.h"

#define SHOWN 20
#define TOP 10
#define TOP_NS 2000000000ull // flows of which a packet came since

struct asked {
	struct flows *flows;
	uint32_t shown;
	uint64_t later;
	bool one, top;
};

static void free_asked(void *arg)
{
	struct asked *k = arg;
	flows_free(k->flows);
	free(k);
}

static json_t *rows(struct appliance *a, struct asked *k)
{
	uint32_t n;
	struct flows_row *row = flows_ranked(k->flows, a->nworkers, &n);
	json_t *list = json_array();
	const struct standing_view *v = standing_look(a->standing);
	for (uint32_t i = 0; row && i < n && i < k->shown; i++)
		json_array_append_new(list, flow_words_of(&row[i], v, clock_steady_ns(), k->one));
	standing_let_go(a->standing);
	free(row);
	return list;
}

static json_t *counted(struct appliance *a, struct asked *k)
{
	uint64_t live = 0, matched = 0, killed = 0;
	for (unsigned i = 0; i < a->nworkers; i++) {
		live += k->flows->part[i].live;
		matched += k->flows->part[i].matched;
		killed += k->flows->part[i].killed;
	}
	if (!k->flows->kill)
		return json_pack("{s:I,s:I,s:o}", "live", (json_int_t)live, "matched", (json_int_t)matched, "flows",
				 rows(a, k));
	log_say(LOG_WARNING, "ctl", "flow kill: matched=%lu killed=%lu", matched, killed);
	return json_pack("{s:I,s:I,s:I}", "live", (json_int_t)live, "matched", (json_int_t)matched, "killed",
			 (json_int_t)killed);
}

// The rates of the last second, and who makes them: by the average of a flow's life, since nobody counts what each did
// of a second. A worker that is late leaves the flows out.
static json_t *top(struct appliance *a, struct asked *k, unsigned late)
{
	json_t *o = show_rates(a), *flows = late ? json_array() : rows(a, k);
	json_object_set_new(o, "flows", flows);
	json_object_set_new(o, "rules", show_rules_most_hit(a, TOP / 2));
	return o;
}

static void answered(struct appliance *a, void *arg, unsigned late)
{
	struct asked *k = arg;
	struct call c = {0};
	json_t *result = k->top ? top(a, k, late) : late ? NULL : counted(a, k);
	json_t *first = k->one && result ? json_array_get(json_object_get(result, "flows"), 0) : NULL;
	if (late && !k->top) {
		call_fail(&c, CALL_FINDINGS, "%u of %u workers are stalled and did not look", late, a->nworkers);
	} else if (first) {
		json_incref(first);
		json_decref(result);
		result = first;
	} else if (!k->top && !json_integer_value(json_object_get(result, "matched")) && (k->one || k->flows->kill)) {
		call_fail(&c, CALL_FINDINGS, "no flow is so");
	}
	control_answer(a->control, k->later, &c, result);
}

static json_t *ask(struct appliance *a, struct call *c, const struct flows_filter *q, uint32_t shown, bool kill)
{
	struct asked *k = calloc(1, sizeof(*k));
	if (k)
		*k = (struct asked){.flows = flows_new(a->nworkers, kill ? 0 : shown),
				    .shown = shown,
				    .one = q->id && !kill,
				    .top = q->seen_ns != 0};
	if (!k || !k->flows) {
		free(k);
		return call_fail(c, CALL_ENVIRONMENT, "no memory");
	}
	k->flows->errand.step = flows_step;
	k->flows->filter = *q;
	k->flows->kill = kill;
	const struct errand_ask ask = {&k->flows->errand, answered, free_asked, k};
	if (errands_ask(a, &ask) < 0) {
		free_asked(k);
		return call_fail(c, CALL_ENVIRONMENT, "no memory");
	}
	k->later = socket_later(c);
	return NULL;
}

static json_t *look(struct appliance *a, struct call *c, bool kill)
{
	struct flows_filter q;
	uint32_t shown = SHOWN;
	const struct standing_view *v = standing_look(a->standing);
	bool ok = flow_words(c, 2, v, &q, kill ? NULL : &shown);
	standing_let_go(a->standing);
	if (ok && kill && !v)
		return call_fail(c, CALL_FINDINGS, "no policy is in force: nothing is denied");
	return ok ? ask(a, c, &q, shown, kill) : NULL;
}

json_t *show_flows(struct appliance *a, struct call *c)
{
	return look(a, c, false);
}

json_t *show_flow_kill(struct appliance *a, struct call *c)
{
	return look(a, c, true);
}

json_t *show_top(struct appliance *a, struct call *c)
{
	return ask(a, c, &(struct flows_filter){.seen_ns = clock_steady_ns() - TOP_NS}, TOP, false);
}
