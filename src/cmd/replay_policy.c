// SPDX-License-Identifier: BSD-3-Clause
//
// A policy on its way into force: read and checked as `sluice check` does, compiled with the databases of earlier
// starts where they are cached, and laid before each worker. Main thread, workers at rest.
#include "replay_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path/judge.h"
#include "policy/compile.h"

static bool make_folder(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

const char *replay_policy_cache(char *room, size_t size)
{
	const char *own = getenv("SLUICE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (own)
		return *own && make_folder(own) ? own : "";
	if (xdg && *xdg)
		snprintf(room, size, "%s", xdg);
	else if (home && *home)
		snprintf(room, size, "%s/.cache", home);
	else
		return "";
	size_t len = strlen(room);
	if (len + sizeof("/sluice") > size || !make_folder(room))
		return "";
	memcpy(room + len, "/sluice", sizeof("/sluice"));
	return make_folder(room) ? room : "";
}

static void warn(const char *text)
{
	fprintf(stderr, "sluice: %s\n", text);
}

// Ids and the like stay where the policy has them.
static bool make_names(struct replay_policy *p, const char *file, uint16_t version)
{
	const struct policy *policy = p->policy;
	p->rule = calloc(policy->nrules + 1, sizeof(*p->rule));
	if (!p->rule)
		return false;
	for (uint32_t i = 0; i < policy->nrules; i++) {
		const struct rule *r = &policy->rules[i];
		p->rule[i] = (struct rule_name){.id = r->id,
						.reason = r->reason,
						.sid = r->sid,
						.sample = r->sample,
						.action = (uint8_t)r->action,
						.severity = r->severity};
	}
	p->rule[policy->nrules] = (struct rule_name){.id = "default", .action = (uint8_t)policy->default_action};
	p->names = (struct policy_names){
		.file = file, .hash = policy->hash, .version = version, .nrules = policy->nrules, .rule = p->rule};
	return true;
}

int replay_policy_load(struct replay_policy *p, const char *file, uint16_t version, uint64_t seed)
{
	struct complaints c = {0};
	char room[4096], error[512];
	*p = (struct replay_policy){0};
	if (access(file, R_OK) < 0) {
		fprintf(stderr, "sluice: cannot read the policy %s: %s\n", file, strerror(errno));
		return -ENOENT;
	}
	p->policy = policy_load(file, &c);
	complaints_print(&c, stderr);
	complaints_clear(&c);
	if (!p->policy)
		return -EINVAL;
	const char *cache = replay_policy_cache(room, sizeof(room));
	struct compile_options options = {.cache = *cache ? cache : NULL, .seed = seed, .warn = warn};
	p->rules = compile_ruleset(p->policy, &options, error, sizeof(error));
	if (!p->rules)
		fprintf(stderr, "sluice: %s: the policy cannot be compiled: %s\n", file, error);
	if (p->rules && make_names(p, file, version))
		return 0;
	replay_policy_free(p);
	return -EINVAL;
}

int replay_policy_use(struct replay_policy *p, struct crew *c)
{
	for (unsigned i = 0; i <= c->n; i++) {
		struct worker *w = i ? &c->members[i - 1]->w : &c->front->w;
		p->of[i] = judge_policy_new(p->rules, p->names.version);
		if (!p->of[i])
			return -ENOMEM;
		judge_use(w, p->of[i]);
	}
	return 0;
}

void replay_policy_free(struct replay_policy *p)
{
	for (unsigned i = 0; i <= CREW_MAX; i++)
		judge_policy_free(p->of[i]);
	compile_free(p->rules);
	policy_free(p->policy);
	free(p->rule);
	*p = (struct replay_policy){0};
}
