// SPDX-License-Identifier: BSD-3-Clause
//
// From the table of swg_rules to the policy in force. In: a commit that was just read, or machine-written rules; out:
// a policy on all workers, or a refusal that leaves the old one in force, and word of either. On the rules' thread.
//
// Only what has changed is made anew (live/standing.h): rules are read again without the sets, items change in a copy
// of what has changed in the sets so far, patterns come beside those that are there. So one edit of a thousand rules
// is some 10 ms, of which Hyperscan's are one. A machine-written rule that has an error is left out and said; people's
// version does not wait for it, however many there are: after NAMED_MAX times 50 of them, those that came with them are
// left out unseen.
//
// Somebody who has rolled back by hand wants that to hold: what machines write then waits for people's next version.
#include "decide/rules_in.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/word.h"
#include "live/history.h"
#include "live/standing.h"
#include "policy/complaints.h"

#define TRIED_MAX 8 // policies of the history
#define NAMED_MAX 4 // times that rules with errors are left out by name, beside those of the start

struct turn {
	bool force; // people's rules as they are in force: only machines wrote
	bool first; // of this reading of the topic
	bool whole;
	struct rules_sum sum;
	struct standing_done done;
	struct complaints c;
};

bool rules_apply_is_base(const struct rules *r)
{
	const struct standing_view *v = standing_look(r->config.standing);
	bool same = r->base && v && !strcmp(v->policy->hash, r->hash);
	standing_let_go(r->config.standing);
	return same;
}

static int put(struct rules *r, struct turn *t)
{
	char *text = NULL, *said = NULL;
	size_t len = 0, said_len;
	struct rules_change change;
	FILE *say = open_memstream(&said, &said_len);
	rules_table_change(r->table, &change);
	bool sets = t->whole || (change.sets && !t->force);
	if (sets || change.rules)
		text = rules_table_policy(r->table, t->force, sets, &len);
	const struct standing_text to = {.name = RULES_TOPIC,
					 .text = text,
					 .len = len,
					 .sets = sets,
					 .hash = t->sum.all,
					 .items = change.items,
					 .nitems = sets || t->force ? 0 : change.nitems};
	complaints_clear(&t->c);
	int rc = say ? standing_apply(r->config.standing, &to, r->config.shadow, &t->done, &t->c, say) : -ENOMEM;
	if (say)
		fclose(say);
	if (said && *said)
		log_say(LOG_WARNING, "rules", "%s", said);
	free(said);
	free(text);
	free(change.items);
	return rc;
}

// Of no rule: the policy as a whole is too large.
static bool unplaced(const struct complaints *c)
{
	return c->n && !c->list[0].warning && !*c->list[0].place.pointer;
}

// All errors are of machine-written rules. drop: which are left out.
static bool only_autos(struct rules *r, const struct complaints *c, bool drop)
{
	char ids[2 * POLICY_SHOWN][RULES_ID_MAX + 1];
	uint32_t n = 0, errors = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		unsigned at;
		const struct complaint *k = &c->list[i];
		errors += !k->warning;
		const char *id = !k->warning && sscanf(k->place.pointer, "/rules/%u", &at) == 1
					 ? rules_table_rule(r->table, at)
					 : NULL;
		if (id && !strncmp(id, "auto:", 5))
			snprintf(ids[n++], sizeof(ids[0]), "%s", id);
	}
	for (uint32_t i = 0; i < n && n == errors && drop; i++) {
		if (i < NAMED_MAX || i + 1 == n)
			log_say(LOG_ERROR, "rules", "left out rule=%s: it has errors (%u of %u)", ids[i], i + 1, n);
		rules_table_drop(r->table, ids[i]);
	}
	return n && n == errors;
}

static void left_out(struct rules *r, struct turn *t)
{
	rules_say_status(r, RULES_GOES_ON, &t->sum, &t->c, "machine-written rules were left out");
	rules_table_sum(r->table, t->force, &t->sum);
}

// Errors are of machine-written rules, or may be: the policy is worth another try without them. named: how often so
// far.
static bool less(struct rules *r, struct turn *t, unsigned *named)
{
	unsigned most = t->first ? RULES_AUTO_MAX : NAMED_MAX;
	bool theirs = only_autos(r, &t->c, *named < most);
	if (!theirs && t->c.nerrors && !unplaced(&t->c))
		return false;
	if ((*named)++ >= most || !theirs) {
		if (!rules_table_take_autos(r->table, false))
			return false;
		log_say(LOG_ERROR, "rules", "machine-written rules that came together with errors are left out");
	}
	left_out(r, t);
	return true;
}

// 0, -EINVAL: t->c says why; other errors. t->sum is of what is to be in force.
static int enforce(struct rules *r, struct turn *t)
{
	int rc;
	unsigned named = 0;
	t->whole = !rules_apply_is_base(r);
	for (;;) {
		rc = put(r, t);
		if (rc == -ENOSPC && !t->whole)
			t->whole = true;
		else if (rc != -EINVAL || !less(r, t, &named))
			return rc;
	}
}

// ---- what came of it ---------------------------------------------------------------------------------------------

static void stands(struct rules *r, const struct turn *t, uint64_t began_ns)
{
	char version[48];
	snprintf(version, sizeof(version), "%" PRIu64 ".%" PRIu64, r->commit.version, r->minor);
	r->base = true;
	memcpy(r->hash, t->sum.all, sizeof(r->hash));
	pthread_mutex_lock(&r->lock);
	struct rules_look *l = &r->look;
	l->version = l->last = r->commit.version;
	l->minor = l->last_minor = r->minor;
	l->refused = false;
	snprintf(l->author, sizeof(l->author), "%s", r->commit.author);
	snprintf(l->why, sizeof(l->why), "%s", r->commit.why);
	l->last_good = false;
	memcpy(l->hash, t->sum.hash, sizeof(l->hash));
	memcpy(l->policy, r->hash, sizeof(l->policy));
	*l->said = 0;
	l->rules = t->sum.rules;
	l->sets = t->sum.sets;
	l->items = t->sum.items;
	l->autos = t->sum.autos;
	l->compile_ms = t->done.compile_ms;
	l->apply_ms = t->done.force_ns ? (double)(t->done.force_ns - began_ns) / 1e6 : 0;
	l->applied++;
	pthread_mutex_unlock(&r->lock);
	log_say(LOG_NOTICE, "rules",
		"in force version=%s author=%s rules=%u machine_written=%u sets=%u items=%u read_ms=%.1f "
		"compile_ms=%.1f "
		"publish_ms=%.1f all_ms=%.1f",
		version, r->commit.author, t->sum.rules, t->sum.autos, t->sum.sets, t->sum.items, t->done.read_ms,
		t->done.compile_ms, t->done.publish_ms, l->apply_ms);
	rules_say_status(r, RULES_STANDS, &t->sum, NULL, NULL);
	if (r->config.in_force && t->done.version)
		r->config.in_force(r->config.arg, version, &t->done);
}

static void refuse(struct rules *r, const struct turn *t, const char *why)
{
	pthread_mutex_lock(&r->lock);
	r->look.refused = true;
	r->look.refusals++;
	r->look.last = r->commit.version;
	r->look.last_minor = r->minor;
	const struct complaint *first = t->c.nerrors ? &t->c.list[0] : NULL;
	snprintf(r->look.said, sizeof(r->look.said), "%.200s%s%.300s", why, first ? ": " : "",
		 first ? first->text : "");
	word_cut(r->look.said);
	pthread_mutex_unlock(&r->lock);
	log_say(LOG_ERROR, "rules", "refused version=%" PRIu64 ".%" PRIu64 ": %s; what was in force stays",
		r->commit.version, r->minor, r->look.said);
	rules_say_status(r, RULES_REFUSED, &t->sum, &t->c, why);
}

static void version(struct rules *r, bool first)
{
	struct turn t = {.force = first, .first = first};
	char why[RULES_WHY];
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	rules_table_expire(r->table, clock_ns(CLOCK_REALTIME));
	if (!rules_table_fits(r->table, first, &r->commit, &t.sum, why)) {
		refuse(r, &t, why);
		return;
	}
	const struct standing_view *v = standing_look(r->config.standing);
	bool same = v && !strcmp(v->policy->hash, t.sum.all);
	standing_let_go(r->config.standing);
	int rc = same ? 0 : enforce(r, &t);
	if (rc < 0) {
		refuse(r, &t, rc == -EINVAL ? "it has errors" : strerror(-rc));
	} else {
		rules_table_take(r->table);
		rules_table_take_autos(r->table, true);
		r->autos = false;
		stands(r, &t, began);
		rules_keep(r, r->commit.version, r->minor, &t.sum);
		r->unkept = false;
	}
	complaints_clear(&t.c);
}

void rules_apply_commit(struct rules *r)
{
	version(r, false);
}

// It was rolled back here, by hand, and the topic, read anew, says nothing newer.
static bool held(struct rules *r)
{
	struct rules_look l;
	rules_look(r, &l);
	bool held = l.replaced && l.version == r->commit.version;
	if (held)
		log_say(LOG_NOTICE, "rules", "version %" PRIu64 " was rolled back by hand: people's next is waited for",
			l.version);
	return held;
}

void rules_apply_first(struct rules *r)
{
	r->base = held(r);
	if (r->base)
		rules_table_take(r->table);
	else if (r->commit.version)
		version(r, true);
	else
		log_say(LOG_WARNING, "rules",
			RULES_TOPIC " has no version yet: `sluice ctl policy publish FILE` writes one");
	r->autos = r->autos && r->commit.version;
}

void rules_apply_autos(struct rules *r)
{
	struct turn t = {.force = true};
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	r->autos = false;
	if (!r->base) // they come with people's next version
		return;
	if (!rules_apply_is_base(r)) {
		log_say(LOG_NOTICE, "rules",
			"machine-written rules wait for people's next version: what is in force "
			"was put there by hand");
		return;
	}
	rules_table_expire(r->table, clock_ns(CLOCK_REALTIME));
	rules_table_sum(r->table, true, &t.sum);
	int rc = enforce(r, &t);
	rules_table_take_autos(r->table, rc == 0);
	r->unkept_ns = r->unkept ? r->unkept_ns : began;
	r->unkept |= rc == 0;
	if (rc == 0)
		stands(r, &t, began);
	else
		refuse(r, &t, rc == -EINVAL ? "machine-written rules have errors" : strerror(-rc));
	complaints_clear(&t.c);
}

void rules_apply_keep(struct rules *r)
{
	struct rules_sum sum;
	r->unkept = false;
	if (!rules_apply_is_base(r))
		return;
	rules_table_sum(r->table, true, &sum);
	rules_keep(r, r->commit.version, r->minor, &sum);
}

// ---- the last good one -------------------------------------------------------------------------------------------

static bool last_good(struct rules *r, const struct history_entry *e)
{
	char path[HISTORY_PATH];
	struct turn t = {0};
	size_t len;
	char hash[65], *said = NULL, *text = rules_kept(r->config.history, e->number, &len, hash);
	history_file(r->config.history, e->number, path);
	FILE *say = text ? open_memstream(&said, &len) : NULL;
	const struct standing_text to = {
		.name = path, .text = text, .len = text ? strlen(text) : 0, .sets = true, .hash = hash};
	int rc = say ? standing_apply(r->config.standing, &to, r->config.shadow, &t.done, &t.c, say) : -ENOENT;
	if (say)
		fclose(say);
	if (rc == 0) {
		pthread_mutex_lock(&r->lock);
		r->look.last_good = true;
		memcpy(r->look.policy, hash, sizeof(hash));
		snprintf(r->look.hash, sizeof(r->look.hash), "%s", e->machines ? "" : hash);
		sscanf(e->version, "%" SCNu64 ".%" SCNu64, &r->look.version, &r->look.minor);
		snprintf(r->look.author, sizeof(r->look.author), "%s", e->author);
		snprintf(r->look.why, sizeof(r->look.why), "%s", e->why);
		r->look.rules = t.done.rules;
		r->look.sets = t.done.sets;
		pthread_mutex_unlock(&r->lock);
		log_say(LOG_NOTICE, "rules",
			"the last good policy holds until " RULES_TOPIC " is read: version=%s of %s", e->version,
			e->time);
		if (r->config.in_force)
			r->config.in_force(r->config.arg, e->version, &t.done);
	} else {
		log_say(LOG_ERROR, "rules", "%s: not loaded: %s", path, t.c.nerrors ? t.c.list[0].text : strerror(-rc));
	}
	complaints_clear(&t.c);
	free(said);
	free(text);
	return rc == 0;
}

void rules_apply_last_good(struct rules *r)
{
	struct history_entry *list = NULL;
	int n = *r->config.history ? history_list(r->config.history, &list) : 0;
	bool done = false;
	for (int i = 0; i < n && i < TRIED_MAX && !done; i++)
		done = last_good(r, &list[i]);
	if (!done)
		log_say(LOG_NOTICE, "rules",
			"no earlier policy here: fail.no_policy holds until " RULES_TOPIC " is read");
	free(list);
}

char *rules_kept(const char *folder, unsigned number, size_t *len, char hash[65])
{
	struct history_entry *list = NULL;
	char path[HISTORY_PATH], *text = NULL;
	int n = history_list(folder, &list), i = 0;
	while (i < n && list[i].number != number)
		i++;
	history_file(folder, number, path);
	FILE *f = i < n && strlen(list[i].hash) == 64 ? fopen(path, "re") : NULL, *to = NULL;
	if (f && (to = open_memstream(&text, len))) {
		char piece[65536];
		for (size_t got; (got = fread(piece, 1, sizeof(piece), f));)
			fwrite(piece, 1, got, to);
		memcpy(hash, list[i].hash, 65);
		fclose(to);
	}
	if (f)
		fclose(f);
	free(list);
	return text;
}
