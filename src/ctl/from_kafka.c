// SPDX-License-Identifier: BSD-3-Clause
//
// Between the rules' thread (decide/rules.c) and the control thread: in come policies that are in force, by the loop;
// out goes what `show policy`, /metrics and /readyz say of where they came from.
#include "ctl/from_kafka.h"

#include "base/log.h"

#ifdef HAVE_KAFKA
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/control.h"
#include "ctl/loop.h"
#include "ctl/metrics.h"
#include "ctl/privilege.h"
#include "ctl/state.h"
#include "decide/rules.h"
#include "live/standing.h"

struct word {
	struct appliance *a;
	struct standing_done done;
	char version[48];
};

static struct loop *ears;

static void heard(void *arg)
{
	struct word *w = arg;
	atomic_store(&w->a->enforcing, true);
	STATE_SAY(w->a, "policy", STATE_NUMBER("version", w->done.version), STATE_TEXT("hash", w->done.hash),
		  STATE_TEXT("file", "swg_rules"), STATE_TEXT("detail", w->version),
		  STATE_NUMBER("rules", w->done.rules), STATE_NUMBER("sets", w->done.sets),
		  STATE_NUMBER("workers", w->done.workers));
	free(w);
}

// Rules' thread.
static void in_force(void *arg, const char *version, const struct standing_done *done)
{
	struct word *w = malloc(sizeof(*w));
	if (!w)
		abort();
	*w = (struct word){.a = arg, .done = *done};
	snprintf(w->version, sizeof(w->version), "%s", version);
	if (loop_post(ears, heard, w) < 0)
		abort();
}

bool from_kafka_start(struct appliance *a, struct loop *loop)
{
	const struct config *c = a->config;
	char why[512] = "";
	if (!c->policy.kafka)
		return true;
	ears = loop;
	a->rules = rules_start(&(struct rules_config){.standing = a->standing,
						      .kafka = &c->kafka.pairs,
						      .node = c->node,
						      .shadow = c->policy.shadow,
						      .history = c->policy.history,
						      .history_keep = c->policy.history_keep,
						      .in_force = in_force,
						      .thread = privilege_reader,
						      .arg = a},
			       why, sizeof(why));
	if (!a->rules)
		log_say(LOG_ERROR, "policy", "none comes from Kafka: %s; fail.no_policy holds", why);
	return a->rules;
}

void from_kafka_stop(struct appliance *a)
{
	struct rules *r = a->rules;
	a->rules = NULL;
	rules_stop(r);
}

bool from_kafka_ready(const struct appliance *a)
{
	struct rules_look l = {0};
	if (a->rules)
		rules_look(a->rules, &l);
	return !a->config->policy.kafka || l.is_ready;
}

bool from_kafka_last_good(const struct appliance *a)
{
	struct rules_look l = {0};
	if (a->rules)
		rules_look(a->rules, &l);
	return a->rules ? l.last_good : a->last_good;
}

bool from_kafka_uncommitted(const struct appliance *a)
{
	struct rules_look l = {0};
	if (a->rules)
		rules_look(a->rules, &l);
	return l.uncommitted;
}

json_t *from_kafka_show(const struct appliance *a)
{
	struct rules_look l;
	if (!a->rules)
		return NULL;
	rules_look(a->rules, &l);
	json_t *o = json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:s,s:b,s:b,s:I,s:i,s:i,s:f}", "topic", "swg_rules", "state",
			      rules_states[l.state], "read_to_its_end", l.ended, "version", "", "author", l.author,
			      "why", l.why, "hash", l.hash, "refused", l.refused, "rolled_back", l.replaced, "age_ms",
			      (json_int_t)l.age_ms, "machine_written", (int)l.autos, "set_items", (int)l.items,
			      "apply_ms", l.apply_ms);
	if (l.version)
		json_object_set_new(o, "version", json_sprintf("%lu.%lu", l.version, l.minor));
	if (l.refused)
		json_object_set_new(o, "refused_version", json_sprintf("%lu.%lu", l.last, l.last_minor));
	if (l.refused)
		json_object_set_new(o, "refused_because", json_string(l.said));
	char path[PATH_MAX];
	json_object_set_new(o, "config", json_string(realpath(a->config->file, path) ? path : a->config->file));
	json_object_set_new(o, "unread", json_integer((json_int_t)l.unread));
	json_object_set_new(o, "uncommitted", json_boolean(l.uncommitted));
	return o;
}

static void gauge(FILE *f, const char *name, const char *unit, const char *help, double value)
{
	metrics_family(f, name, "gauge", unit, help);
	fprintf(f, "sluice_%s %.3f\n", name, value);
}

static void total(FILE *f, const char *name, const char *help, uint64_t value)
{
	metrics_family(f, name, "counter", NULL, help);
	fprintf(f, "sluice_%s_total %lu\n", name, value);
}

void from_kafka_metrics(const struct appliance *a, FILE *f)
{
	struct rules_look l;
	if (!a->rules)
		return;
	rules_look(a->rules, &l);
	gauge(f, "rules_age_seconds", "seconds", "Since swg_rules was last seen to have nothing newer.",
	      (double)l.age_ms / 1e3);
	gauge(f, "rules_version", NULL, "Of swg_rules in force; 0: none.", (double)l.version);
	gauge(f, "rules_refused", NULL, "1: a newer version was refused; show policy says why.", l.refused);
	gauge(f, "rules_live", NULL, "1: swg_rules was read to its end, and the broker answers.",
	      l.state == RULES_LIVE);
	gauge(f, "rules_machine_written", NULL, "Machine-written rules in force.", l.autos);
	total(f, "rules_applied", "Versions that came into force.", l.applied);
	total(f, "rules_refusals", "Versions that were refused.", l.refusals);
	total(f, "rules_unread", "Records of swg_rules that cannot be read.", l.unread);
}

char *from_kafka_policy(const struct appliance *a, bool force, size_t *len)
{
	return a->rules ? rules_policy(a->rules, force, len) : NULL;
}

int from_kafka_back(const struct appliance *a, const struct history_entry *list, int n, const char *hash)
{
	char version[48] = "";
	int people = a->rules && rules_machines(a->rules, version) ? history_people(list, n, version) : -1;
	return people < 0 ? history_before(a->config->policy.history, list, n, hash) : people;
}

json_t *from_kafka_row(const struct appliance *a)
{
	struct rules_look l;
	if (!a->rules)
		return NULL;
	rules_look(a->rules, &l);
	return !l.version ? NULL
			  : json_pack("{s:n,s:s,s:s,s:i,s:s,s:o,s:s,s:s,s:i}", "number", "time", "now", "hash",
				      l.policy, "rules", (int)(l.rules + l.autos), "file", "swg_rules", "version",
				      json_sprintf("%lu.%lu", l.version, l.minor), "author",
				      l.minor ? "machines" : l.author, "why", "not kept yet", "machine_written",
				      (int)l.autos);
}

char *from_kafka_kept(const struct appliance *a, const char *file, size_t *len, char hash[65])
{
	unsigned number = 0;
	const char *folder = a->config->policy.history;
	size_t n = strlen(folder);
	if (!a->config->policy.kafka || !n || strncmp(file, folder, n) != 0 || sscanf(file + n, "/%6u/", &number) != 1)
		return NULL;
	return rules_kept(folder, number, len, hash);
}
#else
bool from_kafka_last_good(const struct appliance *a)
{
	return a->last_good;
}

bool from_kafka_start(struct appliance *a, struct loop *loop)
{
	return true;
}

void from_kafka_stop(struct appliance *a) {}

bool from_kafka_uncommitted(const struct appliance *a)
{
	return false;
}

bool from_kafka_ready(const struct appliance *a)
{
	return true;
}

json_t *from_kafka_show(const struct appliance *a)
{
	return NULL;
}

void from_kafka_metrics(const struct appliance *a, FILE *out) {}

char *from_kafka_policy(const struct appliance *a, bool force, size_t *len)
{
	return NULL;
}

int from_kafka_back(const struct appliance *a, const struct history_entry *list, int n, const char *hash)
{
	return history_before(a->config->policy.history, list, n, hash);
}

json_t *from_kafka_row(const struct appliance *a)
{
	return NULL;
}

char *from_kafka_kept(const struct appliance *a, const char *file, size_t *len, char hash[65])
{
	return NULL;
}
#endif
