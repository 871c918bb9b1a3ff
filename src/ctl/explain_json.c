// SPDX-License-Identifier: BSD-3-Clause
//
// An explanation as JSON. The keys are public and stable: docs/explain.md lists them.
#include <string.h>

#include "ctl/explain.h"
#include "policy/action.h"
#include "policy/field.h"
#include "policy_names.h"

const char *const explain_truth_names[] = {"false", "true", "unknown"};
const char *const explain_state_names[] = {"unknown", "some", "all", "absent"};

const char *explain_rule_id(const struct policy *p, uint32_t rule)
{
	static const struct rule_name none = {.id = "default"};
	const struct policy_names names = {.rule = &none};
	return rule < p->nrules ? p->rules[rule].id : rule == RULE_NONE ? NULL : policy_names_rule(&names, rule)->id;
}

static json_t *text(const char *s)
{
	json_t *t = s ? json_string(s) : NULL;
	return t ? t : json_null(); // also what is not UTF-8; ids and reasons of a policy are
}

static json_t *fields(uint64_t bits)
{
	json_t *list = json_array();
	for (; bits; bits &= bits - 1)
		json_array_append_new(list, json_string(field_names[__builtin_ctzll(bits)]));
	return list;
}

static json_t *place(const struct place *p)
{
	if (!p->file || !p->line)
		return json_null();
	return json_pack("{s:o,s:i,s:i}", "file", text(p->file), "line", (int)p->line, "column", (int)p->col);
}

static json_t *verdict(const struct policy *p, const struct verdict *v)
{
	const char *id = explain_rule_id(p, v->rule);
	const struct rule *r = v->rule < p->nrules ? &p->rules[v->rule] : NULL;
	json_t *o = json_pack("{s:s,s:o,s:b,s:b,s:o}", "action", action_names[v->action], "rule", text(id), "open",
			      v->open, "early", v->early, "waits", fields(v->waits));
	if (r) {
		json_object_set_new(o, "place", place(&r->place));
		json_object_set_new(o, "reason", text(r->reason));
	}
	if (action_table[v->action].denies)
		json_object_set_new(o, "respond", json_string(response_names[v->response]));
	return o;
}

static json_t *origin(const struct explain_origin *from, json_t *o)
{
	char hex[129] = "";
	if (!from || !from->frame)
		return o;
	json_object_set_new(o, "frame", json_integer((json_int_t)from->frame));
	json_object_set_new(o, "offset", json_integer(from->off));
	json_object_set_new(o, "length", json_integer(from->len));
	for (uint32_t i = 0; i < from->nbytes && i < 64; i++)
		snprintf(hex + 2 * i, 3, "%02x", from->bytes[i]);
	if (from->nbytes)
		json_object_set_new(o, "bytes", json_string(hex));
	return o;
}

static json_t *facts(const struct explain_view *v)
{
	json_t *list = json_array();
	struct arena a = {0};
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		if (f == FIELD_TAG || f == FIELD_TIME)
			continue;
		json_t *values = json_array();
		for (uint32_t i = 0; i < v->facts->n[f]; i++) {
			const struct fact_value *k = &v->facts->value[f][i];
			bool found = f == FIELD_PAYLOAD && !k->p; // searched as it came: it is not kept
			json_t *o = json_pack("{s:o}", "value", found ? json_null() : text(explain_value(&a, f, k)));
			json_array_append_new(values, origin(v->origin[f] ? &v->origin[f][i] : NULL, o));
		}
		json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:o}", "field", field_names[f], "state",
						      explain_state_names[v->facts->state[f]], "asked",
						      (int)(v->e->asked >> f & 1), "values", values));
	}
	arena_free(&a);
	return list;
}

static json_t *rules(const struct policy *p, const struct explain_rules *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n && i < EXPLAIN_LISTED; i++)
		json_array_append_new(list, text(explain_rule_id(p, r->list[i])));
	return json_pack("{s:i,s:o}", "n", (int)r->n, "first", list);
}

static json_t *dimensions(const struct explain_view *v)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < v->e->ndimensions; i++) {
		const struct explain_dimension *d = &v->e->dimension[i];
		json_array_append_new(list, json_pack("{s:s,s:o,s:o,s:o}", "field", field_names[d->field], "satisfied",
						      rules(v->policy, &d->rules[TRUTH_TRUE]), "open",
						      rules(v->policy, &d->rules[TRUTH_UNKNOWN]), "ruled_out",
						      rules(v->policy, &d->rules[TRUTH_FALSE])));
	}
	return list;
}

static json_t *conditions(const struct explain_rule *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->nlines; i++) {
		const struct explain_line *l = &r->lines[i];
		json_t *hits = json_array();
		for (uint32_t k = 0; k < l->nhits; k++)
			json_array_append_new(hits, json_pack("{s:o,s:o,s:o}", "value", text(l->hits[k].value), "by",
							      text(l->hits[k].by), "place", place(&l->hits[k].place)));
		json_array_append_new(list, json_pack("{s:i,s:o,s:s,s:o,s:o}", "depth", (int)l->depth, "text",
						      text(l->text), "truth", explain_truth_names[l->truth], "place",
						      place(&l->place), "hits", hits));
	}
	return list;
}

static json_t *explained(const struct explain_view *v)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < v->e->nrules; i++) {
		const struct explain_rule *r = &v->e->rule[i];
		const struct rule *rule = &v->policy->rules[r->rule];
		json_t *o = json_pack("{s:o,s:s,s:s,s:s,s:o,s:o,s:o}", "rule", text(rule->id), "role",
				      explain_role_names[r->role], "action", action_names[rule->action], "truth",
				      explain_truth_names[r->truth], "unknown", fields(r->unknown), "place",
				      place(&rule->place), "conditions", conditions(r));
		if (rule->action == ACTION_TAG)
			json_object_set_new(o, "tag", text(rule->tag));
		if (rule->action == ACTION_ALERT)
			json_object_set_new(o, "severity", json_integer(rule->severity));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *explain_json(const struct explain_view *v)
{
	const struct explain *e = v->e;
	const char *second = explain_rule_id(v->policy, e->verdict.runner_up);
	json_t *o = json_pack("{s:s,s:s,s:o,s:o}", "policy", v->file, "hash", v->policy->hash, "verdict",
			      verdict(v->policy, &e->verdict), "without", text(second));
	if (o && v->overflow)
		json_object_set_new(o, "more_than_is_looked_at", json_true());
	if (!o)
		o = json_object();
	json_object_set_new(o, "if_nothing_more", e->verdict.open ? verdict(v->policy, &e->rest) : json_null());
	json_object_set_new(o, "would", e->has_would ? verdict(v->policy, &e->would) : json_null());
	json_object_set_new(o, "rest", json_string(v->rest_absent ? "absent" : "unknown"));
	json_object_set_new(o, "facts", facts(v));
	json_object_set_new(o, "dimensions", dimensions(v));
	json_object_set_new(o, "rules", explained(v));
	json_object_set_new(o, "rules_not_shown", json_integer(e->more));
	json_object_set_new(o, "not_asked",
			    json_pack("{s:i,s:i,s:i}", "disabled", (int)e->disabled, "shadow", (int)e->shadow,
				      "not_now", (int)e->not_now));
	return o;
}
