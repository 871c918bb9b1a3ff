// SPDX-License-Identifier: BSD-3-Clause
//
// See wants.h. The first screen of replay_policy.c and of standing.c says when each of these is asked.
#include "policy/wants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *wants_cache(char *room, size_t size)
{
	const char *own = getenv("SLUICE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (own)
		return own; // made when the first file is written, which says why it cannot be
	if (xdg && *xdg)
		snprintf(room, size, "%s", xdg);
	else if (home && *home)
		snprintf(room, size, "%s/.cache", home);
	else
		return "";
	size_t len = strlen(room);
	if (len + sizeof("/sluice") > size)
		return "";
	mkdir(room, 0700); // where that fails, what is below it does, too
	memcpy(room + len, "/sluice", sizeof("/sluice"));
	return room;
}

void wants_warn(const char *text)
{
	static char last[512];
	if (strncmp(last, text, sizeof(last) - 1))
		fprintf(stderr, "sluice: %s\n", text);
	snprintf(last, sizeof(last), "%s", text);
}

static uint64_t asked(const struct condition *c)
{
	uint64_t fields = c && c->kind == CONDITION_FIELD ? 1ull << c->field : 0;
	for (uint32_t i = 0; c && i < c->nchildren; i++)
		fields |= asked(c->child[i]);
	return fields;
}

void wants_add(struct wants *w, const struct policy *p)
{
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		bool mirrors = r->action == ACTION_MIRROR, acts = !r->disabled && !r->shadow;
		w->fields |= asked(r->when);
		w->acts |= acts && (mirrors || r->action == ACTION_LIMIT);
		w->before |= acts && mirrors && r->before;
	}
}

static char *copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;
	if (s && !c)
		abort(); // the policy itself was read: there is no way on
	return c;
}

void wants_names(struct policy_names *n, const struct policy *p, const char *file, uint16_t version)
{
	struct rule_name *rule = calloc(p->nrules + 1ul, sizeof(*rule));
	if (!rule)
		abort();
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		rule[i] = (struct rule_name){.id = copy(r->id),
					     .reason = copy(r->reason),
					     .sink = r->action == ACTION_MIRROR ? copy(r->sink) : NULL,
					     .sid = r->sid,
					     .sample = r->sample,
					     .action = (uint8_t)r->action,
					     .severity = r->severity,
					     .shadow = r->shadow};
	}
	rule[p->nrules] = (struct rule_name){.id = copy("default"), .action = (uint8_t)p->default_action};
	*n = (struct policy_names){
		.file = copy(file), .hash = copy(p->hash), .version = version, .nrules = p->nrules, .rule = rule};
}

void wants_names_free(struct policy_names *n)
{
	for (uint32_t i = 0; n->rule && i <= n->nrules; i++) {
		free((char *)(uintptr_t)n->rule[i].id);
		free((char *)(uintptr_t)n->rule[i].reason);
		free((char *)(uintptr_t)n->rule[i].sink);
	}
	free((struct rule_name *)(uintptr_t)n->rule);
	free((char *)(uintptr_t)n->file);
	free((char *)(uintptr_t)n->hash);
	*n = (struct policy_names){0};
}
