// SPDX-License-Identifier: BSD-3-Clause
//
// sluice check: reads policies as replay would and configurations as run would, told apart by their keys, and says all
// that is wrong with them: on standard output, for that is what was asked for. Nothing is run. The policy that a
// configuration names is read, too, with the addresses that it guards. Exit codes: 1 where something has errors, or
// warnings under --strict; 3 where a file cannot be read at all.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "cmd.h"
#include "option.h"
#include "ctl/config.h"
#include "ctl/config_doc.h"
#include "ctl/copies.h"
#include "policy/grammar.h"
#include "policy/guard.h"
#include "policy/policy.h"
#include "policy/source.h"
#include "policy/trial.h"

#define SETS_MAX 256

struct check {
	bool strict, json;
	const char *tests;
	struct guard guard;
	const char *sets[SETS_MAX];
	unsigned nsets;
	json_t *results;
};

static double now_ms(void)
{
	return (double)clock_ns(CLOCK_MONOTONIC) / 1e6;
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static void say(const char *file, const struct policy *p, const struct config *config, const struct complaints *c,
		double ms, bool several)
{
	complaints_print(c, stdout);
	if (config)
		config_stalled(config, stdout);
	if (several)
		printf("%s: ", file);
	if (config)
		printf("loaded %u port%s, %u path%s, ", config->nports, plural(config->nports), config->npaths,
		       plural(config->npaths));
	else if (p)
		printf("loaded %u rule%s, %u set%s, ", p->nrules, plural(p->nrules), p->nsets, plural(p->nsets));
	else
		printf("refused: ");
	printf("%u error%s, %u warning%s in %.0f ms\n", c->nerrors, plural(c->nerrors), c->nwarnings,
	       plural(c->nwarnings), ms);
}

static json_t *words(const struct complaints *c)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < c->n; i++) {
		const struct complaint *k = &c->list[i];
		json_t *o = json_pack("{s:s,s:s%,s:i,s:i,s:s%,s:s%}", "level", k->warning ? "warning" : "error", "file",
				      k->place.file, strlen(k->place.file), "line", (int)k->place.line, "column",
				      (int)k->place.col, "pointer", k->place.pointer, strlen(k->place.pointer), "text",
				      k->text, strlen(k->text));
		if (o)
			json_array_append_new(list, o);
	}
	return list;
}

static json_t *result(const char *file, bool loaded, const struct complaints *c, double ms)
{
	return json_pack("{s:s,s:b,s:i,s:i,s:f,s:o}", "file", file, "loaded", loaded, "errors", (int)c->nerrors,
			 "warnings", (int)c->nwarnings, "ms", ms, "complaints", words(c));
}

static json_t *policy_result(const char *file, const struct policy *p, const struct complaints *c, double ms,
			     const struct trial_result *t)
{
	json_t *o = result(file, p != NULL, c, ms);
	if (o && p) {
		json_object_set_new(o, "rules", json_integer(p->nrules));
		json_object_set_new(o, "sets", json_integer(p->nsets));
		json_object_set_new(o, "hash", json_string(p->hash));
	}
	if (o && t->cases) {
		json_object_set_new(o, "cases", json_integer(t->cases));
		json_object_set_new(o, "failed", json_integer(t->failed));
	}
	return o;
}

// What cannot be read is said on standard error: nothing is known of it. False: it was.
static bool readable(const struct complaints *c)
{
	if (c->unreadable)
		complaints_print(c, stderr);
	return !c->unreadable;
}

// Complaints of the policy itself have been printed, or stay with those of the cases in JSON. False: no cases.
static bool try_cases(const struct check *k, const struct policy *p, struct complaints *c, struct trial_result *t)
{
	if (!k->json)
		complaints_clear(c);
	bool there = trial_run(p, k->tests, c, t) == 0;
	if (k->json)
		return there;
	complaints_print(c, there ? stdout : stderr);
	if (there)
		printf("%s: %u case%s, %u failed\n", k->tests, t->cases, plural(t->cases), t->failed);
	return there;
}

// taker: the configuration whose sinks take its copies; NULL: none is known.
static int policy(struct check *k, const struct guard *guard, const struct config *taker, const char *file,
		  bool several)
{
	struct complaints c = {0};
	struct trial_result t = {0};
	double begin = now_ms();
	struct policy *p = policy_load(file, &c);
	if (!readable(&c)) {
		complaints_clear(&c);
		return EXIT_ENVIRONMENT;
	}
	if (p && !guard_policy(guard, p, &c)) {
		policy_free(p);
		p = NULL;
	}
	if (p && taker)
		copies_check(taker, p, &c);
	double ms = now_ms() - begin;
	uint32_t warnings = c.nwarnings;
	if (!k->json)
		say(file, p, NULL, &c, ms, several);
	bool tried = !p || !k->tests || try_cases(k, p, &c, &t);
	if (k->json)
		json_array_append_new(k->results, policy_result(file, p, &c, ms, &t));
	int rc = !tried ? EXIT_ENVIRONMENT : c.nerrors || (k->strict && warnings) ? EXIT_FINDINGS : EXIT_DONE;
	policy_free(p);
	complaints_clear(&c);
	return rc;
}

// The policies that a configuration names, under its guard.
static int policies_of(struct check *k, const struct config *config)
{
	const char *files[] = {config->policy.file, config->policy.shadow};
	struct guard guard = {0};
	int worst = EXIT_DONE;
	for (unsigned i = 0; i < config->policy.nguard; i++)
		guard_add(&guard, config->policy.guard[i]);
	for (unsigned i = 0; i < 2; i++) {
		if (*files[i] && access(files[i], R_OK) == 0) { // what is not there was warned of
			int rc = policy(k, &guard, i == 0 ? config : NULL, files[i], true);
			worst = rc > worst ? rc : worst;
		}
	}
	return worst;
}

static int config(struct check *k, const char *file, bool several)
{
	static struct config config;
	struct complaints c = {0};
	double begin = now_ms();
	int rc = config_read(&config, file, k->sets, k->nsets, false, &c);
	if (readable(&c) && k->json)
		json_array_append_new(k->results, result(file, rc == 0, &c, now_ms() - begin));
	else if (!c.unreadable)
		say(file, NULL, rc == 0 ? &config : NULL, &c, now_ms() - begin, several);
	int worst = c.unreadable ? EXIT_ENVIRONMENT : rc < 0 || (k->strict && c.nwarnings) ? EXIT_FINDINGS : EXIT_DONE;
	complaints_clear(&c);
	rc = rc == 0 ? policies_of(k, &config) : EXIT_DONE;
	return rc > worst ? rc : worst;
}

// By its keys; what cannot be read is said where it is read again.
static int one(struct check *k, const char *file, bool several)
{
	struct arena a = {0};
	const char *why;
	size_t len;
	const char *text = source_read(file, CONFIG_TEXT_MAX, &a, &len, &why);
	bool is_config = text && config_is_one(text, len);
	arena_free(&a);
	return is_config ? config(k, file, several) : policy(k, &k->guard, NULL, file, several);
}

static void usage(FILE *out)
{
	fputs("usage: sluice check FILE... [OPTION...]\n\n"
	      "Reads policies and configurations (-: standard input) as the corridor would, and says all that is wrong "
	      "with them, by\nfile, line and column; the policy that a configuration names, too.\n\n"
	      "  -s, --strict      warnings fail it too\n"
	      "  -S, --set A.B=C   over the configuration, as run takes it; repeatable\n"
	      "  -t, --tests FILE  judge cases by the policy: [{\"given\": {fields}, \"expect\": {\"verdict\", "
	      "\"rule\"}}]\n"
	      "  -g, --guard ADDR  no rule may decide about this address; repeatable\n"
	      "  -j, --json        one JSON object for each file, in a list\n"
	      "      --fields      the fields that rules may ask for, as a table\n"
	      "      --actions     what rules can do, their keys and the answers, as tables\n"
	      "      --schema      the JSON schema of policies\n"
	      "      --keys        the keys of configurations, as tables\n"
	      "      --config-schema  the JSON schema of configurations\n"
	      "  -h, --help        this\n\n"
	      "example: sluice check --strict policy.json\n"
	      "exit codes: 0 loaded, 1 errors (or warnings, where --strict), 2 usage, 3 a file that cannot be read\n",
	      out);
}

static const char *set_guard(void *verb, const char *v)
{
	return guard_add(&((struct check *)verb)->guard, v) ? NULL : "";
}

static int options(int argc, char **argv, struct check *k)
{
#define O(field) OPTION_AT(struct check, field)
	static const struct option_row rows[] = {
		{"strict", 's', NULL, OPTION_FLAG, O(strict)},
		{"tests", 't', "FILE", OPTION_TEXT, O(tests)},
		{"guard", 'g', "ADDR", OPTION_CALL, .set = set_guard, .range = "an address, at most 64 of them"},
		{"json", 'j', NULL, OPTION_FLAG, O(json)},
		{"set", 'S', "A.B=C", OPTION_LIST, O(sets), offsetof(struct check, nsets), .high = SETS_MAX},
		{"fields", 0, NULL, OPTION_SHOW, .show = grammar_fields},
		{"actions", 0, NULL, OPTION_SHOW, .show = grammar_actions},
		{"schema", 0, NULL, OPTION_SHOW, .show = grammar_schema},
		{"keys", 0, NULL, OPTION_SHOW, .show = config_doc_keys},
		{"config-schema", 0, NULL, OPTION_SHOW, .show = config_doc_schema},
		{"help", 'h', NULL, OPTION_SHOW, .show = usage}};
#undef O
	static_assert(GUARD_MAX == 64, "said above");
	static const struct option_table table = OPTION_TABLE("check", rows);
	int rc = option_read(&table, k, argc, argv);
	return rc >= 0 || optind < argc ? rc : option_mistake("check", "no file given");
}

int check_main(int argc, char **argv)
{
	struct check k = {0};
	int rc = options(argc, argv, &k), worst = EXIT_DONE;
	if (rc >= 0)
		return rc;
	k.results = json_array();
	for (int i = optind; i < argc; i++) {
		rc = one(&k, argv[i], argc - optind > 1);
		worst = rc > worst ? rc : worst;
	}
	if (k.json) {
		json_dumpf(k.results, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(k.results);
	return fflush(stdout) || ferror(stdout) ? EXIT_ENVIRONMENT : worst;
}
