// SPDX-License-Identifier: BSD-3-Clause
//
// Policies come into force under way. In comes a file; out comes a rule set that each worker judges by, and the names
// that records are told by. Runs on whoever's thread loads (start, SIGHUP, the command line), one at a time, never on a
// worker's and never on the control thread: Hyperscan may take seconds, and workers must not notice.
//
//   file -> policy -> rule set -> one judge_policy a worker -> pointer set -> all workers have taken it -> old one
//   freed
//
// Nothing is in force before all of it is there: on any error what was before stays. Names outlive their policy, since
// records that were written before a swap are told after it; of STANDING_REMEMBERED policies, equal ones sharing
// theirs, so that a reload a second needs no more memory in an hour than in a minute.
#include "live/standing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "path/delta.h"
#include "policy/compile.h"
#include "policy/complaints.h"
#include "policy/scan_kept.h"
#include "policy/wants.h"
#include "base/clock.h"
#include "policy/edit.h"

// What rules of a policy are called. One for equal policies.
struct known {
	struct policy_names names;
	uint64_t used; // number of the load that used it last
};

struct force {
	struct standing_view view;
	struct policy *policy;
	struct ruleset *rules;
	struct published published;
	unsigned nof;
	uint64_t *hits_before;
	struct policy_names names; // shared with one of known[]
	char *file;                // of one in shadow
};

struct standing {
	struct standing_config config;
	struct publish publish;
	struct force *now, *second;
	struct known known[STANDING_REMEMBERED];
	const struct policy_names **by_version;
	struct policy_names *versions[STANDING_REMEMBERED]; // what by_version points at, oldest given back first
	uint64_t loads;
	struct scan_store *scans;
	pthread_mutex_t loading, looking; // one load; nobody frees what is looked at
};

static double since_ms(uint64_t from_ns)
{
	return (double)(clock_ns(CLOCK_MONOTONIC) - from_ns) / 1e6;
}

struct standing *standing_new(const struct standing_config *config)
{
	struct standing *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->config = *config;
	s->by_version = calloc(STANDING_VERSIONS, sizeof(*s->by_version));
	pthread_mutex_init(&s->loading, NULL);
	pthread_mutex_init(&s->looking, NULL);
	s->scans = scan_store_new();
	if (s->by_version && s->scans && publish_init(&s->publish, config->workers) == 0)
		return s;
	standing_free(s);
	errno = ENOMEM;
	return NULL;
}

struct publish *standing_publish(struct standing *s)
{
	return &s->publish;
}

const struct policy_names *const *standing_names(const struct standing *s)
{
	return s->by_version;
}

// ---- names -------------------------------------------------------------------------------------------------------

static struct known *known_of(struct standing *s, const struct policy *p, const char *file)
{
	struct known *oldest = &s->known[0];
	for (unsigned i = 0; i < STANDING_REMEMBERED; i++) {
		struct known *k = &s->known[i];
		if (k->names.hash && !strcmp(k->names.hash, p->hash) && !strcmp(k->names.file, file))
			return k;
		if (k->used < oldest->used)
			oldest = k;
	}
	for (unsigned i = 0; i < STANDING_VERSIONS && oldest->names.hash; i++)
		if (s->by_version[i] &&
		    (s->by_version[i]->rule == oldest->names.rule || s->by_version[i]->would == &oldest->names))
			s->by_version[i] = NULL; // the shipper finds no name any more, and says the number
	wants_names_free(&oldest->names);
	wants_names(&oldest->names, p, file, 0);
	return oldest;
}

static uint16_t call(struct standing *s, struct force *f, const struct force *second, const char *file)
{
	uint16_t version = (uint16_t)(s->loads % STANDING_VERSIONS + 1);
	struct known *other = second ? known_of(s, second->policy, second->file) : NULL;
	s->loads++;
	if (other)
		other->used = s->loads;
	struct known *k = known_of(s, f->policy, file);
	k->used = s->loads;
	f->names = k->names;
	f->names.would = other ? &other->names : NULL;
	f->names.version = version;
	struct policy_names **place = &s->versions[s->loads % STANDING_REMEMBERED];
	if (*place && s->by_version[(*place)->version - 1] == *place)
		s->by_version[(*place)->version - 1] = NULL;
	free(*place);
	*place = malloc(sizeof(**place));
	if (!*place)
		abort();
	**place = f->names;
	s->by_version[version - 1] = *place;
	return version;
}

// ---- one policy --------------------------------------------------------------------------------------------------

static void retire(struct force *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->nof; i++)
		judge_policy_free(f->published.of[i]);
	compile_free(f->rules);
	policy_free(f->policy);
	free(f->hits_before);
	free(f->file);
	free(f);
}

// Where a policy comes from: a file, or else a text.
struct source {
	const char *file;
	const struct policy_ear *ear;
	const struct standing_text *text;
};

static struct policy *read_source(const struct standing *s, const struct source *from, struct complaints *c)
{
	const struct standing_text *t = from->text;
	const struct policy *now = s->now ? s->now->policy : NULL;
	if (!t)
		return policy_load_heard(from->file, from->ear, c);
	struct policy *p = t->text ? policy_parse_rules(t->name, t->text, t->len, t->sets ? NULL : now, true, c)
				   : policy_again(now, t->hash);
	if (p)
		memcpy(p->hash, t->hash, sizeof(p->hash));
	return p;
}

static int read_policy(struct standing *s, struct force *f, const struct source *from, struct complaints *c)
{
	f->policy = read_source(s, from, c);
	if (f->policy && !guard_policy(&s->config.guard, f->policy, c)) {
		policy_free(f->policy);
		f->policy = NULL;
	}
	return f->policy ? 0 : c->unreadable ? -ENOENT : -EINVAL;
}

static struct compile_options options(const struct standing *s, char room[4096])
{
	const char *cache = wants_cache(room, 4096);
	return (struct compile_options){.cache = *cache ? cache : NULL,
					.seed = s->config.seed,
					.slow_ns = 500000000,
					.warn = wants_warn,
					.store = s->scans,
					.before = s->now ? s->now->rules : NULL};
}

void standing_merge(struct standing *s)
{
	char room[4096];
	struct compile_options o = options(s, room);
	scan_store_merge(s->scans, &o);
}

static int compile_policy(struct standing *s, struct force *f, const char *file, struct complaints *c)
{
	char room[4096], error[512];
	struct compile_options o = options(s, room);
	f->rules = compile_ruleset(f->policy, &o, error, sizeof(error));
	if (!f->rules) {
		complaints_add(c, false, &(struct place){.file = file}, "the policy cannot be compiled: %s", error);
		return -EINVAL;
	}
	bool same = o.before && f->policy->sets == s->now->policy->sets && f->policy->nsets;
	f->rules->delta = same ? delta_copy(o.before->delta, f->rules->sets) : delta_new(f->rules->nsets);
	return f->rules->delta ? 0 : -ENOMEM;
}

// What has changed in the sets.
static int change_items(const struct force *f, const struct standing_text *t, struct complaints *c)
{
	int rc = 0;
	for (uint32_t i = 0; t && i < t->nitems; i++) {
		struct edit e;
		int one = edit_set(f->policy, f->rules, t->items[i].set, t->items[i].item, t->items[i].add, &e);
		if (one == -ENOSPC || (one == 0 && !e.changed)) // it is there by another spelling, which may go
			return -ENOSPC;
		if (one == -EINVAL)
			complaints_add(c, false, &(struct place){.file = t->name, .pointer = "/sets"}, "%s", e.why);
		rc = one == -EINVAL ? one : rc;
	}
	return rc;
}

static int equip(struct standing *s, struct force *f, uint16_t version, const struct force *second,
		 const struct force *before)
{
	f->published.version = version;
	for (f->nof = 0; f->nof < s->config.workers; f->nof++) {
		struct judge_policy *j =
			judge_policy_after(f->rules, version, before ? before->published.of[f->nof] : NULL);
		if (!j)
			return -ENOMEM;
		f->published.of[f->nof] = j;
		if (second)
			judge_policy_second(j, second->published.of[f->nof]);
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return strcmp((*(const struct rule_name *const *)a)->id, (*(const struct rule_name *const *)b)->id);
}

// Hits go on under a rule's id.
static void carry_hits(struct force *f, const struct force *before)
{
	const struct policy_names *b = &before->names;
	uint32_t n = f->policy->nrules;
	const struct rule_name **sorted = calloc(b->nrules + 1ul, sizeof(*sorted));
	for (uint32_t i = 0; sorted && i < b->nrules; i++)
		sorted[i] = &b->rule[i];
	if (sorted)
		qsort(sorted, b->nrules, sizeof(*sorted), by_id);
	for (uint32_t i = 0; sorted && i < n; i++) {
		const struct rule_name *rule = &f->names.rule[i];
		const struct rule_name **was = bsearch(&rule, sorted, b->nrules, sizeof(*sorted), by_id);
		if (was)
			f->hits_before[i] = standing_hits(&before->view, (uint32_t)(*was - b->rule));
	}
	f->hits_before[n] = standing_hits(&before->view, b->nrules);
	free(sorted);
}

// What was asked for and compiled is in force before anything else is done: done says how soon, and what is different.
static void enforce(struct standing *s, struct force *f, bool compares, struct standing_done *done)
{
	struct force *was = s->now;
	uint64_t at = clock_ns(CLOCK_MONOTONIC);
	publish_set(&s->publish, &f->published);
	while (!publish_done(&s->publish)) // workers judge their live flows again, some at each turn
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	done->publish_ms = since_ms(at);
	done->force_ns = clock_ns(CLOCK_MONOTONIC);
	if (compares && (!was || strcmp(was->policy->hash, f->policy->hash) != 0))
		difference(was ? was->policy : NULL, f->policy, &done->difference, NULL, NULL);
	pthread_mutex_lock(&s->looking);
	if (was)
		carry_hits(f, was);
	s->now = f;
	pthread_mutex_unlock(&s->looking);
	retire(was);
}

static void show(struct force *f)
{
	f->view = (struct standing_view){.policy = f->policy,
					 .rules = f->rules,
					 .names = &f->names,
					 .hits_before = f->hits_before,
					 .published = &f->published,
					 .workers = f->nof,
					 .since_ns = clock_ns(CLOCK_REALTIME)};
}

static int prepare(struct standing *s, struct force *f, const struct source *from, struct standing_done *done,
		   struct complaints *c)
{
	uint64_t at = clock_ns(CLOCK_MONOTONIC);
	int rc = read_policy(s, f, from, c);
	done->read_ms = since_ms(at);
	at = clock_ns(CLOCK_MONOTONIC);
	if (rc == 0)
		rc = compile_policy(s, f, from->file, c);
	if (rc == 0)
		rc = change_items(f, from->text, c);
	done->compile_ms = since_ms(at);
	return rc;
}

// The policy in shadow as its file is now; where that is wrong, what was in shadow stays.
static struct force *second_now(struct standing *s, const char *file, FILE *say)
{
	if (!*file)
		return NULL;
	struct complaints c = {0};
	struct force *f = calloc(1, sizeof(*f));
	int rc = f && (f->file = strdup(file)) ? read_policy(s, f, &(struct source){.file = file}, &c) : -ENOMEM;
	bool other = rc == 0 && (!s->second || strcmp(f->policy->hash, s->second->policy->hash) != 0 ||
				 strcmp(file, s->second->file) != 0);
	if (other)
		rc = compile_policy(s, f, file, &c);
	if (other && rc == 0)
		rc = equip(s, f, 0, NULL, NULL);
	complaints_print(&c, say);
	complaints_clear(&c);
	if (other && rc == 0)
		return f;
	if (rc < 0)
		fprintf(say, "%s: not loaded as policy.shadow; %s\n", file,
			s->second ? "what was in shadow stays" : "nothing is in shadow");
	retire(f);
	return s->second;
}

// Items of its sets that are not as they were loaded.
static uint32_t edits(const struct force *f)
{
	uint32_t n = 0;
	for (uint32_t i = 0; f && i < f->rules->nsets; i++)
		n += f->rules->delta->sets[i].in + f->rules->delta->sets[i].out;
	return n;
}

int standing_edit(struct standing *s, const char *set, const char *item, bool add, struct edit *e)
{
	*e = (struct edit){0};
	if (pthread_mutex_trylock(&s->loading) != 0) {
		snprintf(e->why, sizeof(e->why),
			 "a policy is being loaded, which brings its own sets: try again after it");
		return -EBUSY;
	}
	struct force *f = s->now;
	int rc = f ? edit_set(f->policy, f->rules, set, item, add, e) : -ENOENT;
	if (!f)
		snprintf(e->why, sizeof(e->why), "no policy is in force; `policy load FILE` loads one");
	pthread_mutex_unlock(&s->loading);
	return rc;
}

// With s->loading.
static int enter(struct standing *s, const struct source *from, struct force *second, struct standing_done *done,
		 struct complaints *c)
{
	struct force *f = calloc(1, sizeof(*f));
	int rc = f ? prepare(s, f, from, done, c) : -ENOMEM;
	uint16_t version = 0;
	if (rc == 0) {
		version = call(s, f, second, from->file);
		rc = equip(s, f, version, second, s->now);
	}
	if (rc == 0 && !(f->hits_before = calloc(f->policy->nrules + 1ul, sizeof(*f->hits_before))))
		rc = -ENOMEM;
	if (rc < 0) {
		retire(f);
	} else {
		show(f);
		f->view.shadow = second ? second->policy : NULL;
		f->view.compile_ms = done->compile_ms;
		*done = (struct standing_done){.version = version,
					       .rules = f->policy->nrules,
					       .sets = f->policy->nsets,
					       .workers = s->config.workers,
					       .edits_lost = from->text ? 0 : edits(s->now),
					       .read_ms = done->read_ms,
					       .compile_ms = done->compile_ms};
		snprintf(done->hash, sizeof(done->hash), "%s", f->policy->hash);
		enforce(s, f, !from->text || from->text->compares, done);
	}
	if (second != s->second) {
		retire(rc < 0 ? second : s->second);
		s->second = rc < 0 ? s->second : second;
	}
	return rc;
}

int standing_load(struct standing *s, const char *file, const char *shadow, const struct policy_ear *ear,
		  struct standing_done *done, FILE *say)
{
	struct complaints c = {0};
	*done = (struct standing_done){0};
	pthread_mutex_lock(&s->loading);
	struct force *second = second_now(s, shadow, say);
	int rc = enter(s, &(struct source){.file = file, .ear = ear}, second, done, &c);
	pthread_mutex_unlock(&s->loading);
	complaints_print(&c, say);
	complaints_clear(&c);
	return rc;
}

int standing_apply(struct standing *s, const struct standing_text *text, const char *shadow, struct standing_done *done,
		   struct complaints *c, FILE *say)
{
	const struct source from = {.file = text->name, .text = text};
	*done = (struct standing_done){0};
	pthread_mutex_lock(&s->loading);
	bool needs = !text->text || !text->sets;
	struct force *second = s->second || !*shadow ? s->second : second_now(s, shadow, say);
	int rc = needs && !s->now ? -ENOENT : enter(s, &from, second, done, c);
	pthread_mutex_unlock(&s->loading);
	return rc;
}

const struct standing_view *standing_look(struct standing *s)
{
	pthread_mutex_lock(&s->looking);
	return s->now ? &s->now->view : NULL;
}

void standing_let_go(struct standing *s)
{
	pthread_mutex_unlock(&s->looking);
}

uint64_t standing_hits(const struct standing_view *v, uint32_t rule)
{
	uint64_t n = v->hits_before ? v->hits_before[rule] : 0;
	for (unsigned i = 0; i < v->workers; i++) {
		struct judge_sums sums;
		judge_sums(v->published->of[i], &sums);
		n += sums.hits[rule];
	}
	return n;
}

void standing_free(struct standing *s)
{
	if (!s)
		return;
	retire(s->now);
	retire(s->second);
	for (unsigned i = 0; i < STANDING_REMEMBERED; i++) {
		wants_names_free(&s->known[i].names);
		free(s->versions[i]);
	}
	free(s->by_version);
	scan_store_free(s->scans);
	pthread_mutex_destroy(&s->loading);
	pthread_mutex_destroy(&s->looking);
	free(s);
}
