// SPDX-License-Identifier: BSD-3-Clause
//
// Rules: one table of keys, each with its reader, the actions that have it, and its words for docs and schema. Off the
// path. A rule with an error is left out; all others are still read, so that all errors are said in one run.
#include "rule.h"

#include <string.h>

#include "base/word.h"
#include "policy/action.h"
#include "policy/condition.h"
#include "policy/field.h"
#include "policy/schedule.h"

static bool read_id(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->id = reading_text(r, node, 128);
	return rule->id != NULL;
}

static bool read_reason(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->reason = reading_text(r, node, 1024);
	return rule->reason != NULL;
}

static bool read_sid(struct reading *r, struct rule *rule, uint32_t node)
{
	uint64_t v = 0;
	bool good = reading_number(r, node, 1, UINT32_MAX, &v);
	rule->sid = (uint32_t)v;
	return good;
}

static bool read_action(struct reading *r, struct rule *rule, uint32_t node)
{
	return true; // read before all others, which depend on it
}

static bool read_respond(struct reading *r, struct rule *rule, uint32_t node)
{
	return action_respond(r, node, rule);
}

static bool read_sinkhole(struct reading *r, struct rule *rule, uint32_t node)
{
	return action_sinkhole(r, node, rule);
}

static bool read_severity(struct reading *r, struct rule *rule, uint32_t node)
{
	uint64_t v = 0;
	bool good = reading_number(r, node, 1, 255, &v);
	rule->severity = (uint8_t)v;
	return good;
}

static bool read_tag(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->tag = reading_text(r, node, 128);
	return rule->tag != NULL;
}

static bool read_rate(struct reading *r, struct rule *rule, uint32_t node)
{
	if (!reading_expect(r, node, DOC_STRING, "a rate in a string, as \"10Mbps\" or \"100pps\""))
		return false;
	struct doc_span s = doc_string(&r->doc, node);
	char meant[64];
	if (action_rate_bytes(s.p, s.len, meant, sizeof(meant)))
		return reading_wrong(r, node, "bits a second: did you mean \"%s\"?", meant);
	return action_rate(s.p, s.len, &rule->rate_bits, &rule->rate_packets) ||
	       reading_wrong(r, node, "no rate: \"10Mbps\" (bits a second; k, M, G) or \"100pps\" is expected");
}

// Its unit is the rate's, which may stand behind it: looked for in the same object.
static bool read_burst(struct reading *r, struct rule *rule, uint32_t node)
{
	struct doc *d = &r->doc;
	struct doc_span s = doc_string(d, node);
	bool packets = false;
	uint32_t object = d->node[node].parent;
	for (uint32_t i = doc_first(d, object); i < doc_end(d, object); i = doc_next(d, i)) {
		struct doc_span rate = doc_string(d, i);
		packets |= doc_is(d, d->node[i].key, "rate") && rate.len > 3 &&
			   !strncasecmp(rate.p + rate.len - 3, "pps", 3);
	}
	bool kind = d->node[node].type == DOC_STRING || d->node[node].type == DOC_INTEGER;
	return (kind && action_burst(s.p, s.len, packets, &rule->burst)) ||
	       reading_wrong(r, node, packets ? "packets are expected, as 50" : "bytes are expected, as \"64KB\"");
}

static bool read_by(struct reading *r, struct rule *rule, uint32_t node)
{
	struct doc *d = &r->doc;
	bool list = d->node[node].type == DOC_ARRAY;
	if (list && doc_count(d, node) != 1)
		return reading_wrong(r, node, "one field is expected");
	node = list ? doc_first(d, node) : node;
	unsigned f = reading_word(r, node, field_names, FIELD_COUNT, "field");
	if (f == FIELD_COUNT)
		return false;
	rule->limit_by = (enum field)f;
	if (f == FIELD_HTTP_HEADER || f == FIELD_PAYLOAD || f == FIELD_TIME || field_table[f].many)
		return reading_wrong(r, node, "%s has no one value to count by", field_names[f]);
	return true;
}

static bool read_sink(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->sink = reading_text(r, node, 128);
	return rule->sink != NULL;
}

static bool read_before(struct reading *r, struct rule *rule, uint32_t node)
{
	uint64_t v = 0;
	bool good = reading_number(r, node, 0, 65535, &v);
	rule->before = (uint32_t)v;
	return good;
}

static bool read_when(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->when = condition_read(r, node);
	return rule->when != NULL;
}

static bool read_mode(struct reading *r, struct rule *rule, uint32_t node)
{
	static const char *const modes[] = {"shadow"};
	rule->shadow = true;
	return reading_word(r, node, modes, 1, "mode") == 0;
}

static bool read_enabled(struct reading *r, struct rule *rule, uint32_t node)
{
	bool enabled = true;
	bool good = reading_bool(r, node, &enabled);
	rule->disabled = !enabled;
	return good;
}

static bool read_expires(struct reading *r, struct rule *rule, uint32_t node)
{
	struct doc_span s = doc_string(&r->doc, node);
	return (r->doc.node[node].type == DOC_STRING && schedule_instant(s.p, s.len, &rule->expires_ns)) ||
	       reading_wrong(r, node, "a time of RFC 3339 is expected, as \"2027-01-31T18:00:00+01:00\"");
}

static bool read_time(struct reading *r, struct rule *rule, uint32_t node)
{
	rule->time = schedule_read(r, node);
	return rule->time != NULL;
}

static bool read_log(struct reading *r, struct rule *rule, uint32_t node)
{
	static const char *const logs[] = {"none", "verdict", "transaction", "flow"};
	unsigned i = reading_word(r, node, logs, 4, "log");
	rule->log = (enum rule_log)(LOG_NONE + i);
	return i < 4;
}

static bool read_sample(struct reading *r, struct rule *rule, uint32_t node)
{
	uint64_t v = 0;
	bool good = reading_number(r, node, 1, UINT32_MAX, &v);
	rule->sample = (uint32_t)v;
	return good;
}

#define ALL ((1u << ACTION_COUNT) - 1)
#define ONLY(action) (1u << ACTION_##action)
#define STRING(most) "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": " #most "}"
#define NUMBER(low, high) "{\"type\": \"integer\", \"minimum\": " #low ", \"maximum\": " #high "}"
#define TIME "{\"$ref\": \"#/$defs/schedule\"}"

const struct rule_key rule_keys[] = {
	{"id", read_id, ALL, "text", "its name, in records and on pages; no two rules have the same", STRING(128)},
	{"action", read_action, ALL, "an action", "what the rule does", NULL},
	{"when", read_when, ALL, "conditions", "all of them must be true; without it the rule is always true",
	 "{\"$ref\": \"#/$defs/when\"}"},
	{"reason", read_reason, ALL, "text", "for people: on the block page and in records", STRING(1024)},
	{"sid", read_sid, ALL, "a number", "EVE's alert.signature_id; else a stable number made of the id",
	 NUMBER(1, 4294967295)},
	{"respond", read_respond, ONLY(DENY), "an answer", "how the refusal is answered",
	 "{\"$ref\": \"#/$defs/respond\"}"},
	{"sinkhole", read_sinkhole, ONLY(DENY), "an address", "for `respond: sinkhole`", "{\"type\": \"string\"}"},
	{"severity", read_severity, ONLY(ALERT), "1 to 255", "of the alert; 1 is the gravest, 3 without it",
	 NUMBER(1, 255)},
	{"tag", read_tag, ONLY(TAG), "text", "what the transaction is tagged with", STRING(128)},
	{"rate", read_rate, ONLY(LIMIT), "\"10Mbps\" or \"100pps\"", "what passes", "{\"type\": \"string\"}"},
	{"burst", read_burst, ONLY(LIMIT), "\"64KB\" or packets",
	 "beyond the rate, at once; a tenth of a second without it", "{\"type\": [\"string\", \"integer\"]}"},
	{"by", read_by, ONLY(LIMIT), "a field", "one bucket for each of its values; without it one for the rule",
	 "{\"type\": [\"string\", \"array\"]}"},
	{"sink", read_sink, ONLY(MIRROR), "text", "where the copies go", STRING(128)},
	{"before", read_before, ONLY(MIRROR), "a number", "packets of the flow from before the rule was true",
	 NUMBER(0, 65535)},
	{"mode", read_mode, ALL, "\"shadow\"", "judged and recorded, but nothing is done", "{\"const\": \"shadow\"}"},
	{"enabled", read_enabled, ALL, "true or false", "false: as if it were not there", "{\"type\": \"boolean\"}"},
	{"expires", read_expires, ALL, "RFC 3339", "from then on as if it were not there", "{\"type\": \"string\"}"},
	{"time", read_time, ALL, "days, from, to, zone", "only then", TIME},
	{"log", read_log, ALL, "none, verdict, transaction, flow", "how much is recorded where it is true",
	 "{\"enum\": [\"none\", \"verdict\", \"transaction\", \"flow\"]}"},
	{"sample", read_sample, ALL, "a number", "record one of so many", NUMBER(1, 4294967295)},
};
#define KEYS (sizeof(rule_keys) / sizeof(rule_keys[0]))
const unsigned rule_key_count = KEYS;

uint32_t rule_sid(const char *id)
{
	uint32_t h = 0x811c9dc5u; // FNV-1a
	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 0x01000193u;
	return 1u << 30 | (h & ((1u << 30) - 1));
}

static const struct rule_key *key_of(struct reading *r, uint32_t key)
{
	const char *names[KEYS];
	struct doc_span s = doc_string(&r->doc, key);
	for (unsigned i = 0; i < KEYS; i++)
		names[i] = rule_keys[i].name;
	unsigned k = word_find(names, KEYS, s.p, s.len);
	if (k < KEYS)
		return &rule_keys[k];
	const char *near = reading_near(r, names, KEYS, s.p, s.len);
	// a condition that was left outside of `when`
	if (!near && word_find(field_names, FIELD_COUNT, s.p, s.len) < FIELD_COUNT)
		reading_wrong(r, key, "\"%.*s\" is a field: it belongs into \"when\"", (int)s.len, s.p);
	else
		reading_unknown(r, key, "key of a rule", near);
	return NULL;
}

// What an action cannot do without.
static bool complete(struct reading *r, struct rule *rule, uint32_t node)
{
	bool sinkhole = rule->response == RESPONSE_SINKHOLE;
	if (sinkhole != (rule->sinkhole.p != NULL))
		return reading_wrong(r, node,
				     sinkhole ? "\"respond\": \"sinkhole\" needs an address in \"sinkhole\""
					      : "\"sinkhole\" needs \"respond\": \"sinkhole\"");
	if (rule->action == ACTION_TAG && !rule->tag)
		return reading_wrong(r, node, "a tag rule needs a \"tag\"");
	if (rule->action == ACTION_LIMIT && !rule->rate_bits && !rule->rate_packets)
		return reading_wrong(r, node, "a limit rule needs a \"rate\", as \"10Mbps\" or \"100pps\"");
	if (rule->action == ACTION_MIRROR && !rule->sink)
		return reading_wrong(r, node, "a mirror rule needs a \"sink\"");
	if (rule->action == ACTION_ALERT && !rule->severity)
		rule->severity = 3;                         // Suricata's default priority
	if (rule->action == ACTION_LIMIT && !rule->burst) { // a tenth of a second, and room for one giant datagram
		uint64_t tenth = rule->rate_bits ? rule->rate_bits / 80 : rule->rate_packets / 10,
			 least = rule->rate_bits ? 65536 : 10;
		rule->burst = tenth > least ? tenth : least;
	}
	return true;
}

// No two rules have one id, and no two one sid that was written.
static bool alone(struct reading *r, struct rule *rule, uint32_t id_node, uint32_t sid_node)
{
	struct policy *p = r->policy;
	uint32_t me = p->nrules, before = lookup_add(&r->ids, rule->id, (uint32_t)strlen(rule->id), me);
	bool good = true;
	if (before != LOOKUP_NONE)
		good = reading_wrong(r, id_node, "duplicate id \"%s\" (first at %s:%u:%u)", rule->id, r->doc.name,
				     p->rules[before].place.line, p->rules[before].place.col);
	if (sid_node) {
		before = lookup_add(&r->sids, (const char *)&rule->sid, sizeof(rule->sid), me);
		if (before != LOOKUP_NONE) {
			struct place at = doc_place(&r->doc, sid_node);
			reading_warn(r, &at, "rule \"%s\" has the sid %u too: alerts of both look the same",
				     p->rules[before].id ? p->rules[before].id : "", rule->sid);
		}
	}
	return good;
}

static bool read_keys(struct reading *r, struct rule *rule, uint32_t node, uint32_t *id, uint32_t *sid)
{
	struct doc *d = &r->doc;
	bool good = true;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		const struct rule_key *k = key_of(r, d->node[i].key);
		if (!k) {
			good = false;
			continue;
		}
		*id = k->read == read_id ? i : *id;
		*sid = k->read == read_sid ? i : *sid;
		if (rule->action < ACTION_COUNT && !(k->actions & 1u << rule->action)) {
			unsigned whose = (unsigned)__builtin_ctz(k->actions);
			good = reading_wrong(r, d->node[i].key, "\"%s\" is for %s, not for %s", k->name,
					     action_names[whose], action_names[rule->action]);
			continue;
		}
		good &= k->read(r, rule, i);
	}
	return good;
}

static void one(struct reading *r, uint32_t node)
{
	struct doc *d = &r->doc;
	struct rule *rule = &r->policy->rules[r->policy->nrules];
	uint32_t action = 0, id = 0, sid = 0;
	if (!reading_expect(r, node, DOC_OBJECT, "a rule (an object)"))
		return;
	*rule = (struct rule){.place = doc_place(d, node), .action = ACTION_COUNT, .limit_by = FIELD_COUNT};
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		if (doc_is(d, d->node[i].key, "action"))
			action = i;
	}
	if (!action)
		reading_wrong(r, node, "a rule needs an \"action\": allow, deny, alert, tag, limit or mirror");
	else
		rule->action = (enum action)reading_word(r, action, action_names, ACTION_COUNT, "action");
	bool good = read_keys(r, rule, node, &id, &sid);
	if (!id)
		good = reading_wrong(r, node, "a rule needs an \"id\"");
	if (rule->id)
		good &= alone(r, rule, id, sid);
	if (good && rule->action < ACTION_COUNT && !complete(r, rule, node))
		good = false;
	if (rule->id && !rule->sid)
		rule->sid = rule_sid(rule->id);
	r->policy->nrules++;
}

void rule_read(struct reading *r, uint32_t node)
{
	struct doc *d = &r->doc;
	if (!reading_expect(r, node, DOC_ARRAY, "a list of rules"))
		return;
	r->policy->rules = arena_take(r->arena, (doc_count(d, node) + 1) * sizeof(*r->policy->rules));
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i))
		one(r, i);
}
