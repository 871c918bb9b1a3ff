// SPDX-License-Identifier: BSD-3-Clause
//
// From the tree of a policy to a rule set: conditions laid flat, strings in one run of bytes, patterns collected into
// buffers. Off the path, may allocate; a failed compile leaves nothing behind.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hs/hs.h>

#include "path/delta.h"
#include "path/policy_order.h"
#include "policy/action.h"
#include "policy/compile_in.h"
#include "policy/zone.h"

void *compile_grow(void *list, uint32_t n, size_t size)
{
	if (n & (n - 1)) // grows where n is a power of two, or 0
		return list;
	void *p = realloc(list, (n ? 2 * (size_t)n : 1) * size);
	if (!p)
		abort(); // the tree was there; there is no way on
	return p;
}

static uint32_t hash_bytes(const uint8_t *p, uint32_t len)
{
	uint64_t h = 0xcbf29ce484222325;
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h ^ h >> 32;
}

static void rehash(struct compiler *c)
{
	uint32_t size = c->nslots ? c->nslots * 2 : 1024;
	struct interned *slots = calloc(size, sizeof(*slots));
	if (!slots)
		abort();
	for (uint32_t i = 0; i < c->nslots; i++) {
		if (!c->slots[i].used)
			continue;
		uint32_t k = c->slots[i].hash & (size - 1);
		while (slots[k].used)
			k = (k + 1) & (size - 1);
		slots[k] = c->slots[i];
	}
	free(c->slots);
	c->slots = slots;
	c->nslots = size;
}

uint32_t compile_bytes(struct compiler *c, const uint8_t *p, uint32_t len, bool nocase)
{
	struct ruleset *rs = c->rs;
	uint8_t *copy = malloc(len + 1);
	if (!copy)
		abort();
	for (uint32_t i = 0; i < len; i++)
		copy[i] = nocase && p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i];
	if (c->ninterned * 2 >= c->nslots)
		rehash(c);
	uint32_t hash = hash_bytes(copy, len), k = hash & (c->nslots - 1);
	for (; c->slots[k].used; k = (k + 1) & (c->nslots - 1))
		if (c->slots[k].hash == hash && c->slots[k].len == len &&
		    !memcmp(rs->bytes + c->slots[k].at, copy, len)) {
			free(copy);
			return c->slots[k].at;
		}
	if (rs->nbytes + len > c->capbytes) {
		c->capbytes = (rs->nbytes + len) * 2 + 4096;
		rs->bytes = realloc(rs->bytes, c->capbytes);
		if (!rs->bytes)
			abort();
	}
	c->slots[k] = (struct interned){rs->nbytes, len, hash, true};
	c->ninterned++;
	memcpy(rs->bytes + rs->nbytes, copy, len);
	rs->nbytes += len;
	free(copy);
	return c->slots[k].at;
}

static uint32_t add_node(struct compiler *c, enum node_op op, enum field field)
{
	struct ruleset *rs = c->rs;
	rs->nodes = compile_grow(rs->nodes, rs->nnodes, sizeof(*rs->nodes));
	rs->nodes[rs->nnodes] = (struct node){.op = op, .field = field, .end = 1};
	return rs->nnodes++;
}

static void add_text(struct compiler *c, uint32_t node, const struct operand *o, bool nocase)
{
	uint32_t at = compile_bytes(c, o->p, o->len, nocase);
	c->rs->nodes[node].at = at;
	c->rs->nodes[node].len = o->len;
	c->rs->nodes[node].nocase = nocase;
}

static uint32_t zone(struct compiler *c, const char *name, uint32_t *n)
{
	struct zone_offset *list;
	struct ruleset *rs = c->rs;
	*n = zone_load(name, &list);
	if (*n == 0) {
		snprintf(c->error, c->size, "no such time zone: %s", name);
		c->failed = true;
		return 0;
	}
	rs->zones = realloc(rs->zones, (rs->nzones + *n) * sizeof(*list));
	if (!rs->zones)
		abort();
	memcpy(rs->zones + rs->nzones, list, *n * sizeof(*list));
	free(list);
	rs->nzones += *n;
	return rs->nzones - *n;
}

static uint32_t schedule(struct compiler *c, const struct schedule *s)
{
	struct ruleset *rs = c->rs;
	struct ruleset_schedule made = {.days = s->days, .from = s->from, .to = s->to};
	if (s->zone)
		made.zone = zone(c, s->zone, &made.nzone);
	rs->schedules = compile_grow(rs->schedules, rs->nschedules, sizeof(made));
	rs->schedules[rs->nschedules] = made;
	return rs->nschedules++;
}

static bool numeric(enum field_type type, const struct operand *o)
{
	return type == FIELD_TYPE_PORT || type == FIELD_TYPE_NUM || type == FIELD_TYPE_BOOL ||
	       (type == FIELD_TYPE_WORD && !o->p);
}

static void add_is(struct compiler *c, uint32_t node, enum field field, const struct test *t)
{
	const struct operand *o = &t->operand;
	enum field_type type = compile_field_types[field];
	if (type == FIELD_TYPE_TIME) {
		c->rs->nodes[node].op = NODE_SCHEDULE;
		c->rs->nodes[node].at = schedule(c, t->schedule);
	} else if (numeric(type, o)) {
		c->rs->nodes[node].op = NODE_NUM;
		c->rs->nodes[node].low = c->rs->nodes[node].high = o->num;
	} else if (type == FIELD_TYPE_ADDR) {
		add_text(c, node, o, false);
		c->rs->nodes[node].op = NODE_ADDR;
		c->rs->nodes[node].bits = o->bits;
	} else {
		add_text(c, node, o, t->nocase);
	}
}

static void add_pattern(struct compiler *c, uint32_t node, uint32_t field)
{
	struct node *n = &c->rs->nodes[node];
	uint32_t buffer, at = compile_literal(c, &c->rs->nodes[field], n, &buffer);
	n->op = NODE_PATTERN;
	n->at = at;
	n->len = buffer;
}

static void add_test(struct compiler *c, const struct condition *on, uint32_t field, const struct test *t)
{
	static const uint8_t ops[] = {
		[TEST_IS] = NODE_EQUAL,          [TEST_IN] = NODE_SET,
		[TEST_PREFIX] = NODE_PREFIX,     [TEST_SUFFIX] = NODE_SUFFIX,
		[TEST_CONTAINS] = NODE_CONTAINS, [TEST_REGEX] = NODE_PATTERN,
		[TEST_RANGE] = NODE_NUM,         [TEST_NOT] = NODE_TEST_NOT,
		[TEST_ALL] = NODE_TEST_ALL,      [TEST_ANY] = NODE_TEST_ANY,
		[TEST_PRESENT] = NODE_PRESENT,
	};
	uint32_t node = add_node(c, ops[t->op], on->field);
	switch (t->op) {
	case TEST_IS:
		add_is(c, node, on->field, t);
		break;
	case TEST_IN:
		c->rs->nodes[node].at = t->set - c->policy->sets;
		c->rs->sets[c->rs->nodes[node].at].fields |= 1ull << on->field;
		c->rs->nodes[node].nocase = t->nocase;
		break;
	case TEST_PREFIX:
	case TEST_SUFFIX:
	case TEST_CONTAINS:
		add_text(c, node, &t->operand, t->nocase);
		if (on->field == FIELD_PAYLOAD && t->op != TEST_SUFFIX) // which comes in pieces
			add_pattern(c, node, field);
		break;
	case TEST_REGEX:
		compile_regex(c, node, field, t);
		break;
	case TEST_RANGE:
		c->rs->nodes[node].low = t->operand.num;
		c->rs->nodes[node].high = t->operand.num_high;
		break;
	case TEST_PRESENT:
		c->rs->nodes[node].low = t->present;
		break;
	case TEST_NOT:
	case TEST_ALL:
	case TEST_ANY:
		for (uint32_t i = 0; i < t->nchildren; i++)
			add_test(c, on, field, t->child[i]);
		break;
	}
	c->rs->nodes[node].end = c->rs->nnodes - node;
}

static void add_condition(struct compiler *c, const struct condition *on)
{
	uint32_t node = add_node(c,
				 on->kind == CONDITION_ALL   ? NODE_ALL
				 : on->kind == CONDITION_ANY ? NODE_ANY
							     : NODE_FIELD,
				 on->kind == CONDITION_FIELD ? on->field : 0);
	if (on->kind == CONDITION_FIELD) {
		if (on->header) {
			struct operand name = {.p = (const uint8_t *)on->header, .len = strlen(on->header)};
			add_text(c, node, &name, false);
		}
		add_test(c, on, node, on->test);
	}
	for (uint32_t i = 0; i < on->nchildren; i++)
		add_condition(c, on->child[i]);
	c->rs->nodes[node].end = c->rs->nnodes - node;
}

// Rules that do the same have the same number.
static uint16_t outcome(struct compiler *c, enum action action, enum response response, const struct operand *sinkhole)
{
	uint32_t at = 0, len = 0;
	if (response == RESPONSE_SINKHOLE && sinkhole) {
		at = compile_bytes(c, sinkhole->p, sinkhole->len, false);
		len = sinkhole->len;
	}
	for (uint32_t i = 0; i < c->noutcomes; i++)
		if (c->outcomes[i].action == action && c->outcomes[i].response == response && c->outcomes[i].at == at &&
		    c->outcomes[i].len == len)
			return i;
	c->outcomes = compile_grow(c->outcomes, c->noutcomes, sizeof(*c->outcomes));
	c->outcomes[c->noutcomes] = (struct outcome){action, response, at, len};
	if (c->noutcomes == UINT16_MAX) {
		snprintf(c->error, c->size, "more than %u different sinkhole addresses", UINT16_MAX);
		c->failed = true;
		return 0;
	}
	return c->noutcomes++;
}

static uint32_t text(struct compiler *c, const char *s, uint32_t *len)
{
	*len = s ? (uint32_t)strlen(s) : 0;
	return *len ? compile_bytes(c, (const uint8_t *)s, *len, false) : 0;
}

static struct ruleset_deed deed(struct compiler *c, const struct rule *r)
{
	struct ruleset_deed d = {.before = r->before,
				 .rate_bits = r->rate_bits,
				 .rate_packets = r->rate_packets,
				 .burst = r->burst,
				 .limit_by = r->limit_by};
	d.id = text(c, r->id, &d.id_len);
	d.reason = text(c, r->reason, &d.reason_len);
	d.sink = text(c, r->sink, &d.sink_len);
	if (r->response == RESPONSE_SINKHOLE && r->sinkhole.len) {
		d.sinkhole_len = r->sinkhole.len;
		d.sinkhole = compile_bytes(c, r->sinkhole.p, r->sinkhole.len, false);
	}
	return d;
}

static void add_rule(struct compiler *c, uint32_t i)
{
	const struct rule *r = &c->policy->rules[i];
	struct ruleset_rule made = {.node = RULES_NONE,
				    .schedule = RULES_NONE,
				    .expires_ns = r->expires_ns,
				    .action = r->action,
				    .response = r->response,
				    .ends = action_table[r->action].ends,
				    .shadow = r->shadow,
				    .disabled = r->disabled,
				    .strict = r->action == ACTION_ALLOW};
	if (r->when) {
		made.node = c->rs->nnodes;
		add_condition(c, r->when);
	}
	if (r->time)
		made.schedule = schedule(c, r->time);
	if (made.ends)
		made.outcome = outcome(c, r->action, r->response, &r->sinkhole);
	if (r->action == ACTION_TAG && r->tag) {
		made.tag_len = strlen(r->tag);
		made.tag = compile_bytes(c, (const uint8_t *)r->tag, made.tag_len, false);
	}
	static const uint8_t said[] = {[LOG_NONE] = RULE_SAID_NONE,
				       [LOG_VERDICT] = RULE_SAID_VERDICT,
				       [LOG_FLOW] = RULE_SAID_FLOW,
				       [LOG_TRANSACTION] = RULE_SAID_ALL};
	c->rs->notes[i] = (struct ruleset_note){r->sample, said[r->log]};
	c->rs->rules[i] = made;
	c->rs->deeds[i] = deed(c, r);
}

static bool take(struct ruleset *rs, uint32_t nrules)
{
	rs->rules = calloc(nrules + 1, sizeof(*rs->rules));
	rs->deeds = calloc(nrules + 1, sizeof(*rs->deeds));
	rs->notes = calloc(nrules + 1, sizeof(*rs->notes));
	return rs->rules && rs->deeds && rs->notes;
}

static void add_all(struct compiler *c)
{
	const struct policy *p = c->policy;
	struct ruleset *rs = c->rs;
	rs->nrules = p->nrules;
	rs->seed = c->options->seed;
	rs->default_action = p->default_action;
	rs->default_response = p->default_response;
	rs->handshake = (uint8_t)p->handshake;
	rs->rejudge = (uint8_t)p->rejudge;
	rs->server_first = (uint8_t)p->server_first;
	rs->prelude = (uint8_t)p->prelude;
	compile_sets(c);
	compile_bytes(c, (const uint8_t *)"", 1, false); // so that there are some, and places in them are places
	rs->default_outcome = outcome(c, p->default_action, p->default_response, NULL);
	rs->internal = RULES_NONE;
	for (uint32_t i = 0; i < p->nsets; i++)
		if (p->sets[i].type == SET_NET && p->sets[i].name && !strcmp(p->sets[i].name, "internal"))
			rs->internal = i;
	if (rs->internal != RULES_NONE)
		rs->sets[rs->internal].fields |= 1ull << FIELD_DIRECTION;
	for (uint32_t i = 0; i < p->nrules; i++)
		add_rule(c, i);
	compile_index(c);
}

struct ruleset *compile_ruleset(const struct policy *p, const struct compile_options *o, char *error, size_t size)
{
	struct compiler c = {.policy = p, .options = o, .error = error, .size = size};
	if (p->nrules > ORDER_MAX) {
		snprintf(error, size, "%u rules, more than %u", p->nrules, ORDER_MAX);
		return NULL;
	}
	for (;; c.anew = true) {
		struct ruleset *rs = c.rs = calloc(1, sizeof(*c.rs));
		if (!rs || !take(rs, p->nrules)) {
			snprintf(error, size, "no memory");
			compile_free(rs);
			return NULL;
		}
		add_all(&c);
		bool good = compile_buffers(&c);
		free(c.outcomes);
		free(c.slots);
		if (good && !c.failed)
			return rs;
		compile_free(rs);
		if (c.failed)
			return NULL;
		c = (struct compiler){.policy = p, .options = o, .error = error, .size = size};
	}
}

void compile_free(struct ruleset *rs)
{
	if (!rs)
		return;
	for (uint32_t i = 0; i < rs->nbuffers; i++) {
		scan_kept_let_go(rs->buffers[i].kept[0]);
		scan_kept_let_go(rs->buffers[i].kept[1]);
	}
	hs_free_scratch(rs->scan);
	free(rs->nodes);
	free(rs->rules);
	free(rs->deeds);
	free(rs->notes);
	free(rs->bytes);
	free(rs->schedules);
	free(rs->zones);
	free(rs->sets);
	compile_tables_free(rs->tables);
	free(rs->classes);
	free(rs->class_rules);
	free(rs->always);
	free(rs->of_field);
	free(rs->index.slot);
	free(rs->lists);
	delta_free(rs->delta);
	free(rs->buffers);
	free(rs);
}
