// SPDX-License-Identifier: BSD-3-Clause
//
// Commands that change something. Each is said in the log, too: who comes next must see what was done.
#include "ctl/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/control.h"
#include "ctl/from_kafka.h"
#include "ctl/reload.h"
#include "live/history.h"
#include "ctl/socket.h"

// ---- forwarding --------------------------------------------------------------------------------------------------

static json_t *forward(struct appliance *a, struct call *c, bool on)
{
	if (a->stopped != on)
		return json_pack("{s:b}", "forwarding", on);
	log_say(LOG_WARNING, "ctl", on ? "start: workers fetch frames again" : "stop: workers fetch no frames");
	int stalled = appliance_forward(a, on);
	if (stalled)
		return call_fail(c, CALL_FINDINGS, "%d of %u workers are stalled and did not stop", stalled,
				 a->nworkers);
	return json_pack("{s:b}", "forwarding", on);
}

json_t *change_start(struct appliance *a, struct call *c)
{
	return forward(a, c, true);
}

json_t *change_stop(struct appliance *a, struct call *c)
{
	return forward(a, c, false);
}

uint64_t change_seconds(const char *text)
{
	char *end;
	unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	if (!n || n > 366 * 86400)
		return 0;
	unsigned factor = !strcmp(end, "") || !strcmp(end, "s") ? 1
			  : !strcmp(end, "m")                   ? 60
			  : !strcmp(end, "h")                   ? 3600
								: 0;
	return n * factor > 366 * 86400 ? 0 : n * factor;
}

json_t *change_bypass(struct appliance *a, struct call *c)
{
	const char *time = call_value(c, "time");
	bool on = !strcmp(c->word[1], "on");
	uint64_t for_s = time ? change_seconds(time) : 0;
	if (time && (!for_s || !on))
		return call_fail(c, CALL_USAGE,
				 on ? "\"%.40s\" is no time: 30s, 10m, 2h; a year at most" : "bypass off has no time",
				 time);
	appliance_bypass(a, on, for_s * 1000000000);
	json_t *o = json_pack("{s:b}", "bypass", on);
	if (for_s)
		json_object_set_new(o, "for_s", json_integer((json_int_t)for_s));
	return o;
}

json_t *change_verbose(struct appliance *a, struct call *c)
{
	uint64_t level;
	if (!call_number(c, "n", LOG_LEVELS - 1, &level))
		return NULL;
	log_set(NULL, log_level_names[level]);
	return json_pack("{s:s}", "level", log_level_names[level]);
}

// ---- policy ------------------------------------------------------------------------------------------------------

struct asked {
	struct appliance *a;
	uint64_t later;
};

static json_t *lines(const char *text)
{
	json_t *list = json_array();
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_t *line = json_stringn(text, n);
		if (n && line)
			json_array_append_new(list, line);
	}
	return list;
}

static json_t *difference_json(const struct difference *d)
{
	json_t *o = json_object();
	char key[32];
	for (unsigned i = 0; i < DIFFERENCE_KINDS; i++) {
		snprintf(key, sizeof(key), "rules_%s", difference_names[i]);
		json_object_set_new(o, key, json_integer(d->rules[i]));
		snprintf(key, sizeof(key), "sets_%s", difference_names[i]);
		json_object_set_new(o, key, json_integer(d->sets[i]));
	}
	json_object_set_new(o, "order_changed", json_boolean(d->moved));
	json_object_set_new(o, "defaults_changed", json_boolean(d->others));
	return o;
}

static void loaded(void *arg, const struct reload *l)
{
	struct asked *k = arg;
	struct call c = {0};
	json_t *result = json_pack("{s:s,s:o}", "file", l->file, "complaints", lines(l->said));
	if (l->rc < 0) {
		const char *why = l->rc == -EINVAL ? "it has errors" : strerror(-l->rc);
		call_fail(&c, l->rc == -EINVAL ? CALL_FINDINGS : CALL_ENVIRONMENT,
			  "%.300s is not loaded: %s; what was in force stays", l->file, why);
		log_say(LOG_ERROR, "policy", "not loaded file=%s: %s; what was in force stays", l->file, why);
	} else {
		const struct standing_done *d = &l->done;
		json_t *more = json_pack("{s:i,s:s,s:i,s:i,s:f,s:f,s:f,s:i,s:i}", "version", (int)d->version, "hash",
					 d->hash, "rules", (int)d->rules, "sets", (int)d->sets, "read_ms", d->read_ms,
					 "compile_ms", d->compile_ms, "publish_ms", d->publish_ms, "active_on",
					 (int)d->workers, "workers", (int)k->a->nworkers);
		json_object_update(result, more);
		json_decref(more);
		if (d->edits_lost)
			json_object_set_new(result, "edits_lost", json_integer(d->edits_lost));
		if (d->edits_lost)
			log_say(LOG_WARNING, "policy", "%u items that `set add|del` changed are as in the files again",
				d->edits_lost);
		json_object_set_new(result, "difference", difference_json(&d->difference));
		const uint32_t *n = d->difference.rules;
		log_say(LOG_NOTICE, "policy",
			"loaded file=%s version=%u rules=%u added=%u removed=%u changed=%u active on %u/%u workers",
			l->file, d->version, d->rules, n[DIFFERENCE_ADDED], n[DIFFERENCE_REMOVED],
			n[DIFFERENCE_CHANGED], d->workers, k->a->nworkers);
	}
	control_answer(k->a->control, k->later, &c, result);
	free(k);
}

static json_t *load(struct appliance *a, struct call *c, const char *file)
{
	struct asked *k = malloc(sizeof(*k));
	int rc = k ? reload_begin(a, control_loop(a->control), file, loaded, k) : -ENOMEM;
	if (rc < 0) {
		free(k);
		return call_fail(c, CALL_ENVIRONMENT, "%s",
				 rc == -EBUSY ? "another policy is being loaded; try again" : strerror(-rc));
	}
	*k = (struct asked){a, socket_later(c)};
	return NULL;
}

json_t *change_policy_load(struct appliance *a, struct call *c)
{
	if (a->config->policy.kafka)
		return call_fail(c, CALL_FINDINGS,
				 "the policy comes from Kafka: `sluice ctl policy publish FILE` changes it for all "
				 "appliances; `policy rollback` here alone, until the next version");
	return load(a, c, call_value(c, "file"));
}

static bool in_force(struct appliance *a, char hash[65])
{
	const struct standing_view *v = standing_look(a->standing);
	snprintf(hash, 65, "%s", v ? v->policy->hash : "");
	standing_let_go(a->standing);
	return *hash;
}

json_t *change_policy_history(struct appliance *a, struct call *c)
{
	const char *folder = a->config->policy.history;
	struct history_entry *list;
	if (!*folder)
		return call_fail(c, CALL_FINDINGS,
				 "no history is kept: policy.history of the configuration names its folder");
	int n = history_list(folder, &list);
	if (n < 0)
		return call_fail(c, CALL_ENVIRONMENT, "%s: %s", folder, strerror(-n));
	json_t *rows = json_array();
	char hash[65];
	bool met = !in_force(a, hash);
	for (int i = 0; i < n; i++) {
		json_t *row = json_pack("{s:i,s:s,s:s,s:i,s:s}", "number", (int)list[i].number, "time", list[i].time,
					"hash", list[i].hash, "rules", (int)list[i].rules, "file", list[i].from);
		if (*list[i].version)
			json_object_update_new(row, json_pack("{s:s,s:s,s:s,s:i}", "version", list[i].version, "author",
							      list[i].author, "why", list[i].why, "machine_written",
							      (int)list[i].machines));
		json_object_set_new(row, "in_force", json_boolean(!met && !strcmp(list[i].hash, hash)));
		met |= !strcmp(list[i].hash, hash);
		json_array_append_new(rows, row);
	}
	free(list);
	json_t *now = met ? NULL : from_kafka_row(a);
	if (now) {
		json_object_set_new(now, "in_force", json_true());
		json_array_insert_new(rows, 0, now);
	}
	return json_pack("{s:o}", "history", rows);
}

json_t *change_policy_rollback(struct appliance *a, struct call *c)
{
	const char *folder = a->config->policy.history;
	struct history_entry *list = NULL;
	char path[HISTORY_PATH];
	uint64_t wanted = 0;
	if (call_value(c, "n") && !call_number(c, "n", 1u << 30, &wanted))
		return NULL;
	int n = *folder ? history_list(folder, &list) : 0, at = 0;
	char hash[65];
	if (!wanted) {
		in_force(a, hash);
		at = from_kafka_back(a, list, n, hash);
		wanted = at < 0 ? 0 : list[at].number;
	}
	while (at >= 0 && at < n && list[at].number != wanted)
		at++;
	free(list);
	if (at < 0 || at >= n)
		return call_fail(c, CALL_FINDINGS,
				 at < 0 ? "no policy is kept from before the one in force; `policy history` lists all"
					: "no such policy is kept; `policy history` lists them");
	history_file(folder, (unsigned)wanted, path);
	return load(a, c, path);
}

void view_load(struct view *v, const json_t *result)
{
	size_t i;
	const json_t *line;
	char text[1024];
	json_array_foreach(json_object_get(result, "complaints"), i, line) {
		view_value("line", line, text, sizeof(text));
		fprintf(v->out, "%s\n", text);
	}
	json_t *rest = json_copy((json_t *)result);
	json_object_del(rest, "complaints");
	if (json_object_size(rest) > 1)
		view_any(v, rest);
	json_decref(rest);
}
