// SPDX-License-Identifier: BSD-3-Clause
//
// Policies on their way into force: read and checked as `sluice check` does, compiled with the databases of earlier
// starts where they are cached, and laid before each worker. Main thread.
//
// With --policy-at all are checked before anything runs; each is compiled when its time comes, published, and freed
// when no worker holds it any more, so that a thousand swaps need the memory of two policies. What is kept is what the
// rules are called (replay_names).
#include "replay_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/compile.h"
#include "policy/schedule.h"
#include "replay_options.h"

// ---- what rules are called ---------------------------------------------------------------------------------------

static struct replay_names *names_new(const struct policy *policy, const char *file)
{
	struct replay_names *n = calloc(1, sizeof(*n));
	if (n)
		n->hits = calloc(policy->nrules + 1ul, sizeof(*n->hits));
	if (!n || !n->hits)
		abort(); // the policy itself was read: there is no way on
	wants_names(&n->names, policy, file, 0);
	return n;
}

static void names_free(struct replay_names *n)
{
	wants_names_free(&n->names);
	free(n->hits);
	free(n);
}

static void name(struct replay_policies *p, struct replay_policy *k, uint16_t version)
{
	struct replay_names *n = p->known;
	while (n && (strcmp(n->names.hash, k->policy->hash) || strcmp(n->names.file, k->file)))
		n = n->next;
	if (!n) {
		n = names_new(k->policy, k->file);
		n->next = p->known;
		p->known = n;
	}
	if (k->of == n)
		return; // the shipper may be reading it
	k->of = n;
	k->names = n->names;
	k->names.version = version;
	p->names[version - 1] = &k->names;
}

// ---- one policy --------------------------------------------------------------------------------------------------

static void note_sink(struct replay_policies *p, const char *sink)
{
	for (unsigned i = 0; i < p->nsinks; i++)
		if (!strcmp(p->sinks[i], sink))
			return;
	if (p->nsinks == REPLAY_SINKS)
		return;
	p->sinks[p->nsinks] = strdup(sink);
	if (!p->sinks[p->nsinks++])
		abort();
}

// What workers need memory for, whenever this policy comes into force.
static void note(struct replay_policies *p, const struct policy *policy)
{
	wants_add(&p->wants, policy);
	for (uint32_t i = 0; i < policy->nrules; i++) {
		const struct rule *r = &policy->rules[i];
		if (r->action == ACTION_MIRROR && !r->disabled && !r->shadow)
			note_sink(p, r->sink);
	}
}

// 0, -EINVAL or -ENOENT. said: its complaints have been said before.
static int read_policy(struct replay_policies *p, struct replay_policy *k, bool said)
{
	struct complaints c = {0};
	k->policy = policy_load(k->file, &c);
	if (k->policy && !guard_policy(&p->guard, k->policy, &c)) {
		policy_free(k->policy);
		k->policy = NULL;
	}
	if (!said || !k->policy)
		complaints_print(&c, stderr);
	bool there = !c.unreadable;
	complaints_clear(&c);
	return k->policy ? 0 : there ? -EINVAL : -ENOENT;
}

static int compile_policy(struct replay_policies *p, struct replay_policy *k)
{
	char room[4096], error[512];
	const char *cache = wants_cache(room, sizeof(room));
	struct compile_options options = {
		.cache = *cache ? cache : NULL, .seed = p->seed, .slow_ns = 500000000, .warn = wants_warn};
	k->rules = compile_ruleset(k->policy, &options, error, sizeof(error));
	if (!k->rules)
		fprintf(stderr, "sluice: %s: the policy cannot be compiled: %s\n", k->file, error);
	return k->rules ? 0 : -EINVAL;
}

// What workers judge with. The policy in shadow has version 0, which no record names.
static int equip(struct replay_policies *p, struct replay_policy *k)
{
	k->published.version = k == &p->second ? 0 : (uint16_t)(k - p->list + 1);
	for (k->nof = 0; k->nof <= p->crew->n; k->nof++) {
		struct judge_policy *j = judge_policy_new(k->rules, k->published.version);
		if (!j)
			return -ENOMEM;
		k->published.of[k->nof] = j;
		if (k != &p->second && p->second.rules)
			judge_policy_second(j, p->second.published.of[k->nof]);
	}
	return 0;
}

static void add_sums(struct replay_policies *p, struct replay_policy *k)
{
	struct judge_sums one;
	for (unsigned i = 0; i < k->nof; i++) {
		judge_sums(k->published.of[i], &one);
		for (unsigned j = 0; j < 2; j++) {
			p->sums.transactions[j] += one.transactions[j];
			p->sums.flows[j] += one.flows[j];
		}
		p->sums.open += one.open;
		p->sums.would_differ[0] += one.would_differ[0];
		p->sums.would_differ[1] += one.would_differ[1];
		p->sums.would_unknown += one.would_unknown;
		for (unsigned j = 0; j < JUDGE_AGAIN_COUNT; j++)
			p->sums.rejudged[j] += one.rejudged[j];
		for (uint32_t j = 0; j <= k->of->names.nrules; j++)
			k->of->hits[j] += one.hits[j];
	}
}

// Nobody judges by it any more.
static void retire(struct replay_policies *p, struct replay_policy *k)
{
	add_sums(p, k);
	for (unsigned i = 0; i < k->nof; i++)
		judge_policy_free(k->published.of[i]);
	memset(&k->published, 0, sizeof(k->published));
	k->nof = 0;
	compile_free(k->rules);
	policy_free(k->policy);
	k->rules = NULL;
	k->policy = NULL;
}

// ---- swaps -------------------------------------------------------------------------------------------------------

bool replay_policy_at(const char *v, struct policy_at *out)
{
	const char *is = strchr(v, '=');
	char *end;
	if (!is || !is[1] || is == v)
		return false;
	*out = (struct policy_at){.file = is + 1, .relative = !schedule_instant(v, (uint32_t)(is - v), &out->ns)};
	if (!out->relative)
		return true;
	double seconds = strtod(v, &end);
	out->ns = (uint64_t)(seconds * 1e9 + 0.5);
	return *v >= '0' && *v <= '9' && end + (*end == 's') == is && seconds >= 0 && seconds < 4e9;
}

static uint64_t next_due(const struct replay_policies *p, unsigned *which)
{
	uint64_t best = UINT64_MAX;
	for (unsigned i = 1; i < p->n; i++) {
		if (!p->done[i] && p->due_ns[i] < best) {
			best = p->due_ns[i];
			*which = i;
		}
	}
	return best;
}

static uint64_t swaps_begin(void *arg, uint64_t first_ns)
{
	struct replay_policies *p = arg;
	unsigned which;
	for (unsigned i = 1; i < p->n; i++) {
		const struct policy_at *at = &p->at[i - 1];
		p->done[i] = false;
		p->due_ns[i] = at->relative ? first_ns + at->ns : at->ns;
	}
	return next_due(p, &which);
}

// Loading is all or nothing: what is in force stays on any error.
static bool ready(struct replay_policies *p, struct replay_policy *k)
{
	if (k->rules) // is in force already
		return true;
	if (read_policy(p, k, true) == 0 && compile_policy(p, k) == 0 && equip(p, k) == 0) {
		name(p, k, k->published.version);
		return true;
	}
	fprintf(stderr, "sluice: %s: not loaded; what was in force stays\n", k->file);
	for (unsigned i = 0; i < k->nof; i++)
		judge_policy_free(k->published.of[i]);
	k->nof = 0;
	compile_free(k->rules);
	policy_free(k->policy);
	k->rules = NULL;
	k->policy = NULL;
	p->failed = true;
	return false;
}

static uint64_t swaps_swap(void *arg, const struct crew_place *at)
{
	struct replay_policies *p = arg;
	unsigned which = 0, was = p->now;
	next_due(p, &which);
	p->done[which] = true;
	if (ready(p, &p->list[which])) {
		p->now = which;
		crew_publish(p->crew, &p->list[which].published, at);
		if (was) // --policy stays for the next capture
			retire(p, &p->list[was]);
	}
	return next_due(p, &which);
}

void replay_policies_begin(struct replay_policies *p)
{
	unsigned was = p->now;
	if (!p->n || was == 0)
		return;
	p->now = 0;
	crew_publish_rest(p->crew, p->list[0].file ? &p->list[0].published : NULL);
	retire(p, &p->list[was]);
}

// ---- start and end -----------------------------------------------------------------------------------------------

int replay_policies_load(struct replay_policies *p, const char *file, const struct policy_at *at, unsigned nat,
			 const struct guard *guard, uint64_t seed)
{
	*p = (struct replay_policies){.n = nat + 1, .at = at, .seed = seed};
	if (guard)
		p->guard = *guard;
	p->list = calloc(p->n, sizeof(*p->list));
	p->names = calloc(p->n, sizeof(*p->names));
	p->due_ns = calloc(p->n, sizeof(*p->due_ns));
	p->done = calloc(p->n, sizeof(*p->done));
	if (!p->list || !p->names || !p->due_ns || !p->done)
		return -ENOMEM;
	p->list[0].file = file;
	int rc = file ? read_policy(p, &p->list[0], false) : 0;
	if (rc == 0 && file)
		rc = compile_policy(p, &p->list[0]);
	if (rc == 0 && file)
		name(p, &p->list[0], 1);
	if (rc == 0 && file)
		note(p, p->list[0].policy);
	for (unsigned i = 1; i < p->n && rc == 0; i++) {
		struct replay_policy *k = &p->list[i];
		k->file = at[i - 1].file;
		unsigned same = 0;
		while (same < i && (!p->list[same].file || strcmp(p->list[same].file, k->file)))
			same++;
		if (same == i)
			rc = read_policy(p, k, false);
		if (k->policy)
			note(p, k->policy);
		policy_free(k->policy);
		k->policy = NULL;
	}
	return rc;
}

// Nothing is enforced where there is nothing but a policy in shadow.
static int allow_all(struct replay_policies *p, struct replay_policy *k)
{
	struct complaints c = {0};
	k->file = "(none)";
	k->policy = policy_parse(k->file, "{}", 2, &c);
	complaints_clear(&c);
	int rc = k->policy ? compile_policy(p, k) : -EINVAL;
	if (rc == 0)
		name(p, k, 1);
	return rc;
}

int replay_policies_shadow(struct replay_policies *p, const char *file)
{
	struct replay_policy *k = &p->second;
	k->file = file;
	int rc = p->list[0].file ? 0 : allow_all(p, &p->list[0]);
	if (rc == 0)
		rc = read_policy(p, k, false);
	if (rc == 0)
		rc = compile_policy(p, k);
	if (rc < 0)
		return rc;
	struct wants second = {0}; // it acts in nothing
	wants_add(&second, k->policy);
	p->wants.fields |= second.fields;
	k->of = names_new(k->policy, file);
	k->names = k->of->names;
	return 0;
}

int replay_policies_use(struct replay_policies *p, struct crew *c)
{
	p->crew = c;
	p->swaps = (struct crew_swaps){.arg = p, .begin = swaps_begin, .swap = swaps_swap};
	if (p->n > 1)
		c->swaps = &p->swaps;
	if (!p->list[0].file)
		return 0;
	int rc = p->second.rules ? equip(p, &p->second) : 0;
	if (rc == 0)
		rc = equip(p, &p->list[0]);
	if (rc == 0)
		crew_publish_rest(c, &p->list[0].published);
	return rc;
}

void replay_policies_sum(struct replay_policies *p)
{
	if (p->now)
		add_sums(p, &p->list[p->now]);
	if (p->n && p->list[0].file)
		add_sums(p, &p->list[0]);
}

static void free_policy(struct replay_policy *k)
{
	for (unsigned j = 0; j < k->nof; j++)
		judge_policy_free(k->published.of[j]);
	compile_free(k->rules);
	policy_free(k->policy);
}

void replay_policies_free(struct replay_policies *p)
{
	for (unsigned i = 0; i < p->n && p->list; i++)
		free_policy(&p->list[i]);
	free_policy(&p->second);
	if (p->second.of)
		names_free(p->second.of);
	for (struct replay_names *n = p->known, *next; n; n = next) {
		next = n->next;
		names_free(n);
	}
	free(p->list);
	free(p->names);
	free(p->due_ns);
	free(p->done);
	for (unsigned i = 0; i < p->nsinks; i++)
		free(p->sinks[i]);
	*p = (struct replay_policies){0};
}

bool replay_policies_mirror(const struct replay_policies *p, const struct options *o, struct path_config *config)
{
	for (unsigned i = 0; i < o->nmirrors - o->nsinks; i++) {
		const struct mirror_to *to = &o->mirrors[i];
		bool known = !to->sink;
		for (unsigned k = 0; k < p->nsinks && !known; k++)
			known = mirrors_is_of(to, p->sinks[k]);
		if (known)
			continue;
		fprintf(stderr, "sluice replay: --mirror %s: no rule of the policy mirrors to \"%.*s\"\n", to->sink,
			(int)to->sink_len, to->sink);
		return false;
	}
	config->policy_acts = p->wants.acts;
	config->copies = o->nmirrors && p->nsinks;
	config->before = config->copies && p->wants.before ? o->before_frames : 0;
	return true;
}
