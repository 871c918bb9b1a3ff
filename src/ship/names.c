// SPDX-License-Identifier: BSD-3-Clause
//
// A record has numbers for its port, its rule and its policy's version: what they are called is said here, as small
// JSON texts that stand in the spool before the records (spool_meta), so that another start of the program, or a sink
// that is hours behind, names them as they were. A text that is not ours is refused and harms nothing.
//
//   {"ports":[..]}                                              begins a start; stands in each segment
//   {"captures":[..]}                                           of a replay, from here on; stands in each segment
//   {"policy":V,"file":..,"hash":..,"rules":N,"would":{..}}     before the first record of a segment that it judged
//   {"of":V,"would":false,"rule":R,"name":[id,reason,..]}       before the first that names the rule
//
// Rejected: rules' ids in each record (20 bytes each, and the reason); all rules of a policy at once (10,000 rules are
// a megabyte in each segment, of which a day's records name a hundred).
#include "ship/names.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "policy_names.h"
#include "ship/spool.h"

#define VERSIONS 65536
#define PORTS_MAX 64
#define RULES_MAX (16u << 20)
#define REASON_MAX 8192 // bytes of a rule's that go with records
#define TOLD 8          // policies at a time: flows live on that an earlier one judged

// ---- writing -----------------------------------------------------------------------------------------------------

static void tell(const struct ship_config *c, uint64_t key, json_t *root, bool standing)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text)
		spool_meta(c->spool, key, text, (uint32_t)strlen(text), standing);
	free(text);
	json_decref(root);
}

#define KEY_START 0
#define KEY_CAPTURES 65536ull // beside the versions, which are below it

// What has been told of a policy in this segment: one bit a rule, of itself and of the one in shadow.
struct told {
	const struct policy_names *p;
	uint64_t used;
	uint64_t *bits[2];
};

struct namer {
	const struct ship_config *config;
	uint64_t segment, turn;
	struct told of[TOLD];
};

struct namer *namer_new(const struct ship_config *c)
{
	struct namer *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->config = c;
	json_t *ports = json_array();
	for (unsigned i = 0; i < c->nports; i++)
		json_array_append_new(ports, json_string(c->ports[i]));
	tell(c, KEY_START, json_pack("{s:o}", "ports", ports), true);
	return n;
}

void namer_captures(struct namer *n, const char *const *names, unsigned many)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < many; i++) {
		json_t *name = json_string(names[i]);
		json_array_append_new(list, name ? name : json_string("?")); // not UTF-8
	}
	if (many)
		tell(n->config, KEY_CAPTURES, json_pack("{s:o}", "captures", list), true);
	else
		json_decref(list);
}

static void told_free(struct told *t)
{
	free(t->bits[0]);
	free(t->bits[1]);
	*t = (struct told){0};
}

void namer_free(struct namer *n)
{
	for (unsigned i = 0; n && i < TOLD; i++)
		told_free(&n->of[i]);
	free(n);
}

static json_t *head_of(const struct policy_names *p)
{
	json_t *root = json_pack("{s:i,s:s,s:s,s:I}", "policy", p->version, "file", p->file ? p->file : "", "hash",
				 p->hash ? p->hash : "", "rules", (json_int_t)p->nrules);
	if (root && p->would)
		json_object_set_new(root, "would", head_of(p->would));
	return root;
}

static uint64_t *bits_of(const struct policy_names *p)
{
	return p ? calloc(p->nrules / 64 + 1, sizeof(uint64_t)) : NULL;
}

// The policy's place, told already; NULL: it has no names, or there is no memory.
static struct told *told_of(struct namer *n, uint16_t version)
{
	const struct ship_config *c = n->config;
	struct told *oldest = n->of;
	const struct policy_names *p = version && version <= c->npolicies ? c->policies[version - 1] : NULL;
	if (!p)
		return NULL;
	for (struct told *t = n->of; t < n->of + TOLD; t++) {
		if (t->p == p) {
			t->used = ++n->turn;
			return t;
		}
		oldest = t->used < oldest->used ? t : oldest;
	}
	told_free(oldest);
	*oldest = (struct told){p, ++n->turn, {bits_of(p), bits_of(p->would)}};
	if (!oldest->bits[0] || (p->would && !oldest->bits[1])) {
		told_free(oldest);
		return NULL;
	}
	tell(c, version, head_of(p), false);
	return oldest;
}

static void tell_rule(struct namer *n, struct told *t, uint32_t rule, bool would)
{
	would &= t->p->would != NULL;
	const struct policy_names *p = would ? t->p->would : t->p;
	uint32_t i = rule < p->nrules ? rule : p->nrules;
	const struct rule_name *r = &p->rule[i];
	if (t->bits[would][i / 64] >> i % 64 & 1)
		return;
	t->bits[would][i / 64] |= 1ull << i % 64;
	const char *reason = r->reason ? r->reason : "";
	json_t *name = json_pack("[s,o,s,I,I,i,i,b]", r->id, json_stringn(reason, strnlen(reason, REASON_MAX)),
				 r->sink ? r->sink : "", (json_int_t)r->sid, (json_int_t)r->sample, r->action,
				 r->severity, r->shadow);
	tell(n->config, (uint64_t)(i + 1ull) << 18 | (uint64_t)would << 17 | t->p->version,
	     json_pack("{s:i,s:b,s:I,s:o}", "of", t->p->version, "would", would, "rule", (json_int_t)i, "name", name),
	     false);
}

static void tell_of(struct namer *n, uint16_t version, uint32_t rule, bool would)
{
	struct told *t = told_of(n, version);
	if (t)
		tell_rule(n, t, rule, would);
}

void namer_tell(struct namer *n, const struct record *rec)
{
	uint64_t segment = spool_segment(n->config->spool);
	for (unsigned i = 0; segment != n->segment && i < TOLD; i++)
		told_free(&n->of[i]);
	n->segment = segment;
	if (!rec->policy)
		return;
	tell_of(n, rec->policy, rec->rule, false);
	if (rec->judged & RECORD_WOULD)
		tell_of(n, rec->policy, rec->would, true);
	if (rec->kind == RECORD_ALERT)
		tell_of(n, rec->policy, rec->alert, false);
	RECORD_EACH(f, rec) {
		if (f->field == FACT_RULE)
			tell_of(n, rec->policy, (uint32_t)fact_number(f), false);
		else if (f->field == FACT_RULE_BEFORE)
			tell_of(n, (uint16_t)(fact_number(f) >> 32), (uint32_t)fact_number(f), false);
	}
}

// ---- reading -----------------------------------------------------------------------------------------------------

struct names {
	struct ship_config config;
	const struct policy_names **policies; // by version - 1
	json_t **texts;                       // whose strings they have; by version - 1
	json_t *start, *captures;
	const char **names; // of captures
	unsigned nnames;
	const char *ports[PORTS_MAX];
};

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->policies = calloc(VERSIONS, sizeof(*n->policies));
	n->texts = calloc(VERSIONS, sizeof(json_t *));
	n->config = (struct ship_config){
		.live = true, .policies = n->policies, .npolicies = VERSIONS - 1, .ports = n->ports, .node = ""};
	if (n->policies && n->texts)
		return n;
	names_free(n);
	return NULL;
}

static void forget(struct names *n, unsigned i)
{
	struct policy_names *p = (struct policy_names *)(uintptr_t)n->policies[i];
	if (p) {
		free((void *)(uintptr_t)p->would);
		free(p);
	}
	json_decref(n->texts[i]);
	n->policies[i] = NULL;
	n->texts[i] = NULL;
}

static void forget_all(struct names *n)
{
	for (unsigned i = 0; i < VERSIONS && n->policies && n->texts; i++)
		if (n->texts[i])
			forget(n, i);
}

void names_free(struct names *n)
{
	if (!n)
		return;
	forget_all(n);
	json_decref(n->start);
	json_decref(n->captures);
	free(n->names);
	free(n->policies);
	free(n->texts);
	free(n);
}

const struct ship_config *names_config(const struct names *n)
{
	return &n->config;
}

// root is kept. 0 or -EINVAL.
static int read_start(struct names *n, json_t *root)
{
	json_t *ports = json_object_get(root, "ports"), *port;
	size_t i;
	if (!json_is_array(ports) || json_array_size(ports) > PORTS_MAX)
		return -EINVAL;
	forget_all(n);
	json_decref(n->start);
	n->start = json_incref(root);
	n->config.nports = (unsigned)json_array_size(ports);
	json_array_foreach(ports, i, port)
		n->ports[i] = json_is_string(port) ? json_string_value(port) : "";
	return 0;
}

// One block: the policy, then its rules, none of which has a name yet.
static struct policy_names *read_head(json_t *root)
{
	int version;
	const char *file, *hash;
	json_int_t rules;
	if (json_unpack(root, "{s:i,s:s,s:s,s:I}", "policy", &version, "file", &file, "hash", &hash, "rules", &rules) ||
	    version < 0 || version >= VERSIONS || rules < 0 || rules > RULES_MAX)
		return NULL;
	struct policy_names *p = calloc(1, sizeof(*p) + ((size_t)rules + 1) * sizeof(struct rule_name));
	if (!p)
		return NULL;
	struct rule_name *rule = (struct rule_name *)(p + 1);
	for (json_int_t i = 0; i <= rules; i++)
		rule[i].id = "?";
	*p = (struct policy_names){
		.file = file, .hash = hash, .version = (uint16_t)version, .nrules = (uint32_t)rules, .rule = rule};
	return p;
}

static int read_policy(struct names *n, json_t *root)
{
	struct policy_names *p = read_head(root);
	json_t *would = json_object_get(root, "would");
	if (!p || p->version == 0) {
		free(p);
		return -EINVAL;
	}
	p->would = would ? read_head(would) : NULL;
	unsigned i = p->version - 1u;
	const struct policy_names *had = n->policies[i];
	if (had && had->nrules == p->nrules && !strcmp(had->hash, p->hash)) { // told again in another segment
		free((void *)(uintptr_t)p->would);
		free(p);
		return 0;
	}
	forget(n, i);
	n->policies[i] = p;
	n->texts[i] = json_pack("[O]", root);
	return 0;
}

static int read_rule(struct names *n, json_t *root)
{
	json_int_t rule, sid, sample;
	json_t *name;
	int of, would, action, severity, shadow;
	struct rule_name r = {0};
	if (json_unpack(root, "{s:i,s:b,s:I,s:o}", "of", &of, "would", &would, "rule", &rule, "name", &name) ||
	    of < 1 || of >= VERSIONS || !n->policies[of - 1])
		return -EINVAL;
	const struct policy_names *p = would ? n->policies[of - 1]->would : n->policies[of - 1];
	if (!p || rule < 0 || rule > p->nrules ||
	    json_unpack(name, "[s,s,s,I,I,i,i,b]", &r.id, &r.reason, &r.sink, &sid, &sample, &action, &severity,
			&shadow))
		return -EINVAL;
	r.reason = *r.reason ? r.reason : NULL;
	r.sink = *r.sink ? r.sink : NULL;
	r.sid = (uint32_t)sid;
	r.sample = (uint32_t)sample;
	r.action = (uint8_t)action;
	r.severity = (uint8_t)severity;
	r.shadow = shadow;
	if (strcmp(p->rule[rule].id, r.id))
		json_array_append(n->texts[of - 1], root); // whose strings these are
	else
		return 0;
	((struct rule_name *)(uintptr_t)p->rule)[rule] = r;
	return 0;
}

static int read_captures(struct names *n, json_t *root)
{
	json_t *list = json_object_get(root, "captures"), *name;
	size_t i;
	free(n->names);
	n->names = calloc(json_array_size(list) + 1, sizeof(*n->names));
	n->nnames = 0;
	json_decref(n->captures);
	n->captures = json_incref(root);
	json_array_foreach(list, i, name)
		if (n->names)
			n->names[n->nnames++] = json_is_string(name) ? json_string_value(name) : "?";
	return n->names ? 1 : -ENOMEM;
}

int names_read(struct names *n, const void *text, size_t len, const char *const **captures, unsigned *ncaptures)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	int rc = !root                               ? -EINVAL
		 : json_object_get(root, "ports")    ? read_start(n, root)
		 : json_object_get(root, "policy")   ? read_policy(n, root)
		 : json_object_get(root, "captures") ? read_captures(n, root)
						     : read_rule(n, root);
	json_decref(root);
	*captures = n->names;
	*ncaptures = n->nnames;
	return rc;
}

void names_by(struct names *n, const char *node, uint64_t boot)
{
	n->config.node = node;
	n->config.boot = boot;
}
