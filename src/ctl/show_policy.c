// SPDX-License-Identifier: BSD-3-Clause
//
// The policy in force, its rules and what they did, its sets. What is looked at is held while it is looked at: a load
// that ends meanwhile waits for us, workers do not.
#include "ctl/show.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/appliance.h"
#include "ctl/from_kafka.h"
#include "live/standing.h"
#include "policy/action.h"
#include "policy/edit.h"
#include "policy/set.h"
#include "policy_names.h"

json_t *show_policy(struct appliance *a, struct call *c)
{
	json_t *o = json_pack("{s:b,s:b,s:b,s:b}", "enforcing", atomic_load(&a->enforcing), "bypass", a->bypass,
			      "loading", a->reload_runs, "last_good", from_kafka_last_good(a));
	const struct standing_view *v = standing_look(a->standing);
	if (v) {
		json_t *more =
			json_pack("{s:s,s:i,s:s,s:i,s:i,s:s,s:I,s:f,s:i}", "file", v->names->file, "version",
				  (int)v->names->version, "hash", v->policy->hash, "rules", (int)v->policy->nrules,
				  "sets", (int)v->policy->nsets, "default", action_names[v->policy->default_action],
				  "since_unix", (json_int_t)(v->since_ns / 1000000000), "compile_ms", v->compile_ms,
				  "workers", (int)v->workers);
		json_object_update(o, more);
		json_decref(more);
		if (v->shadow)
			json_object_set_new(o, "shadow",
					    json_pack("{s:s,s:s,s:i}", "file", v->names->would->file, "hash",
						      v->shadow->hash, "rules", (int)v->shadow->nrules));
	} else {
		json_object_set_new(o, "no_policy", json_string(a->config->fail.no_policy_closed ? "closed" : "open"));
	}
	standing_let_go(a->standing);
	json_t *kafka = from_kafka_show(a);
	if (kafka)
		json_object_set_new(o, "kafka", kafka);
	return o;
}

static json_t *row(const struct standing_view *v, uint32_t i)
{
	const struct rule *r = i < v->policy->nrules ? &v->policy->rules[i] : NULL;
	json_t *o =
		json_pack("{s:I,s:s,s:s,s:s}", "hits", (json_int_t)standing_hits(v, i), "rule", r ? r->id : "default",
			  "action", action_names[r ? r->action : v->policy->default_action], "state",
			  !r            ? "on"
			  : r->disabled ? "disabled"
			  : r->shadow   ? "shadow"
					: "on");
	if (r)
		json_object_set_new(o, "reason", r->reason ? json_string(r->reason) : json_null());
	return o;
}

static int by_hits(const void *x, const void *y)
{
	json_int_t a = json_integer_value(json_object_get(*(json_t *const *)x, "hits"));
	json_int_t b = json_integer_value(json_object_get(*(json_t *const *)y, "hits"));
	return a < b ? 1 : a > b ? -1 : 0;
}

// Those that had hits, the most first.
static json_t *ranked(json_t *list)
{
	size_t n = json_array_size(list), i;
	json_t **rows = calloc(n + 1, sizeof(*rows)), *row, *out = json_array();
	if (!rows)
		return list;
	json_array_foreach(list, i, row)
		rows[i] = row;
	qsort(rows, n, sizeof(*rows), by_hits);
	for (i = 0; i < n && json_integer_value(json_object_get(rows[i], "hits")); i++)
		json_array_append(out, rows[i]);
	free(rows);
	json_decref(list);
	return out;
}

json_t *show_rules(struct appliance *a, struct call *c)
{
	const struct standing_view *v = standing_look(a->standing);
	json_t *list = v ? json_array() : NULL;
	for (uint32_t i = 0; v && i <= v->policy->nrules; i++)
		json_array_append_new(list, row(v, i));
	standing_let_go(a->standing);
	if (!list)
		return call_fail(c, CALL_FINDINGS, "no policy is in force; `policy load FILE` loads one");
	return json_pack("{s:o}", "rules", c->n > 2 ? ranked(list) : list);
}

json_t *show_rules_most_hit(struct appliance *a, unsigned n)
{
	struct call c = {.n = 3};
	json_t *all = show_rules(a, &c), *list = json_array();
	for (unsigned i = 0; all && i < n; i++) {
		json_t *row = json_array_get(json_object_get(all, "rules"), i);
		if (row)
			json_array_append(list, row);
	}
	json_decref(all);
	return list;
}

json_t *show_rule_ids(struct appliance *a)
{
	json_t *list = json_array();
	const struct standing_view *v = a ? standing_look(a->standing) : NULL;
	for (uint32_t i = 0; v && i < v->policy->nrules; i++)
		json_array_append_new(list, json_string(v->policy->rules[i].id));
	if (a)
		standing_let_go(a->standing);
	return list;
}

json_t *show_sets(struct appliance *a, struct call *c)
{
	const struct standing_view *v = standing_look(a->standing);
	json_t *list = v ? json_array() : NULL;
	for (uint32_t i = 0; v && i < v->policy->nsets; i++) {
		const struct set *s = &v->policy->sets[i];
		struct edit_counts n = edit_counts(v->policy, v->rules, i);
		json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:s?}", "set", s->name, "type",
						      set_type_names[s->type], "items",
						      (json_int_t)(n.loaded + n.added - n.removed), "loaded",
						      (json_int_t)n.loaded, "added", (json_int_t)n.added, "removed",
						      (json_int_t)n.removed, "file", s->file));
	}
	standing_let_go(a->standing);
	if (!list)
		return call_fail(c, CALL_FINDINGS, "no policy is in force; `policy load FILE` loads one");
	return json_pack("{s:o}", "sets", list);
}

json_t *show_set_names(struct appliance *a)
{
	json_t *list = json_array();
	const struct standing_view *v = a ? standing_look(a->standing) : NULL;
	for (uint32_t i = 0; v && i < v->policy->nsets; i++)
		json_array_append_new(list, json_string(v->policy->sets[i].name));
	if (a)
		standing_let_go(a->standing);
	return list;
}
