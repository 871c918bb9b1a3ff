// SPDX-License-Identifier: BSD-3-Clause
//
// sluice explain: why. In: a policy, and a transaction that arguments describe. Out, on standard output: the verdict,
// what each value does to the rules, the rules that mattered. Nothing is run.
//
// Every field of the policy language is an option: --src, --host, --tls.sni, --http.header.x-forwarded-for. What is
// not given is not known, unless --rest absent says that there is none.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "explain.h"
#include "path/policy.h"
#include "policy/compile.h"
#include "policy/field.h"
#include "policy/given.h"
#include "policy/word.h"
#include "ship/ship.h"

struct asked {
	const char *policy_file;
	bool json, rest_absent;
	unsigned ngiven;
	struct given given;
	struct complaints wrong;
	struct arena arena;
};

static void usage(FILE *out)
{
	fputs("usage: sluice explain -p POLICY --FIELD VALUE... [OPTION...]\n\n"
	      "Says what a policy decides for a transaction, by which rule, and why.\n\n"
	      "  -p, --policy FILE         the policy\n"
	      "      --FIELD VALUE         what is known: --src, --dst, --dport, --proto, --host, --tls.sni, ...\n"
	      "                            (sluice check --fields lists them); several of those that may be many\n"
	      "      --field NAME=VALUE    the same\n"
	      "      --url URL             what a request to it shows; of https: its name\n"
	      "      --time T              when, as 2027-01-31T18:00:00Z (default: now)\n"
	      "      --rest unknown|absent what is not given is not known yet (default), or is not there\n"
	      "  -j, --json                as JSON; docs/explain.md names the keys\n"
	      "  -h, --help                this\n\n"
	      "example: sluice explain -p policy.json --src 10.0.0.7 --host casino.example --proto tcp --dport 443\n"
	      "exit codes: 0 explained, 2 usage, 3 a policy that cannot be read or has errors\n",
	      out);
}

static int mistake(const char *what, const char *word)
{
	fprintf(stderr, "sluice explain: %s%s%.80s; sluice explain --help\n", what, *word ? " " : "", word);
	return EXIT_USAGE;
}

// ---- arguments --------------------------------------------------------------------------------------------------

struct row {
	const char *name;
	char letter; // 0: none
	bool takes;  // a value
	int (*set)(struct asked *a, const char *value);
};

static int set_policy(struct asked *a, const char *v)
{
	a->policy_file = v;
	return -1;
}

static int set_json(struct asked *a, const char *v)
{
	a->json = true;
	return -1;
}

static int set_rest(struct asked *a, const char *v)
{
	a->rest_absent = !strcmp(v, "absent");
	return a->rest_absent || !strcmp(v, "unknown") ? -1 : mistake("--rest is unknown or absent, not", v);
}

static int set_field(struct asked *a, const char *v)
{
	const char *is = strchr(v, '=');
	if (!is)
		return mistake("--field takes NAME=VALUE, not", v);
	a->ngiven++;
	given_argument(&a->given, arena_text(&a->arena, v, (size_t)(is - v)), is + 1);
	return -1;
}

static int help(struct asked *a, const char *v)
{
	usage(stdout);
	return EXIT_DONE;
}

static const struct row rows[] = {
	{"policy", 'p', true, set_policy}, {"json", 'j', false, set_json}, {"rest", 0, true, set_rest},
	{"field", 0, true, set_field},     {"help", 'h', false, help},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_of(const char *name, size_t len, bool is_letter)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (is_letter ? rows[i].letter == *name && len == 1
			      : strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static bool is_field(const char *name)
{
	return !strncmp(name, "http.header.", 12) ||
	       word_find(field_names, FIELD_COUNT, name, strlen(name)) < FIELD_COUNT;
}

static int unknown(const char *word, const char *name)
{
	const char *names[FIELD_COUNT + ROWS];
	unsigned n = 0;
	for (; n < FIELD_COUNT; n++)
		names[n] = field_names[n];
	for (unsigned i = 0; i < ROWS; i++)
		names[n++] = rows[i].name;
	const char *near = word_near(names, n, name, strlen(name));
	if (!near)
		return mistake("unknown option", word);
	fprintf(stderr, "sluice explain: unknown option %.80s (did you mean --%s?); sluice explain --help\n", word,
		near);
	return EXIT_USAGE;
}

// One option and its value, which may stand behind "=" or in the next argument. -1: go on.
static int option(struct asked *a, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *is = strchr(word, '=');
	bool is_long = word[1] == '-';
	const char *name = arena_text(&a->arena, word + 1 + is_long,
				      is && is_long ? (size_t)(is - word - 2) : strlen(word + 1 + is_long));
	const struct row *r = row_of(name, strlen(name), !is_long);
	bool field = is_long && !r && is_field(name);
	if (!r && !field)
		return unknown(word, name);
	const char *value = is && is_long ? is + 1 : NULL;
	if (r && !r->takes)
		return value ? mistake("takes no value:", word) : r->set(a, NULL);
	if (!value && *i + 1 == argc)
		return mistake("needs a value:", word);
	if (!value)
		value = argv[++*i];
	if (r)
		return r->set(a, value);
	a->ngiven++;
	given_argument(&a->given, name, value);
	return -1;
}

static int arguments(struct asked *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			return mistake("not an option:", argv[i]);
		int rc = option(a, argc, argv, &i);
		if (rc >= 0)
			return rc;
	}
	for (uint32_t i = 0; i < a->wrong.n; i++)
		fprintf(stderr, "sluice explain: %s: %s\n", a->wrong.list[i].place.file, a->wrong.list[i].text);
	if (a->wrong.nerrors)
		return EXIT_USAGE;
	if (!a->policy_file)
		return mistake("no policy given: -p FILE", "");
	if (!a->ngiven)
		return mistake("nothing given to explain: --src, --host, ...", "");
	return -1;
}

// ---- explaining -------------------------------------------------------------------------------------------------

static int show(const struct asked *a, const struct explain_view *v)
{
	bool colour;
	unsigned width;
	ship_look(1, &colour, &width);
	if (a->json) {
		json_t *o = explain_json(v);
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		explain_words(v, stdout, colour, width);
		printf("\nnot given: %s\n", a->rest_absent ? "counts as absent (--rest absent)"
							   : "not known (--rest absent: there is none)");
	}
	return fflush(stdout) || ferror(stdout) ? EXIT_ENVIRONMENT : EXIT_DONE;
}

static int hypothetical(struct asked *a, const struct policy *p)
{
	char error[512] = "no memory";
	struct explain e;
	struct ruleset *rs = compile_ruleset(p, &(struct compile_options){.seed = 1}, error, sizeof(error));
	struct policy_scratch *s = rs ? policy_worker_init(rs) : NULL;
	if (!s) {
		fprintf(stderr, "sluice explain: %s: cannot be compiled: %s\n", a->policy_file, error);
		compile_free(rs);
		return EXIT_ENVIRONMENT;
	}
	given_complete(&a->given, a->rest_absent);
	explain_judge(&e, p, rs, s, &a->given.facts);
	struct explain_view v = {
		.file = a->policy_file, .policy = p, .e = &e, .facts = &a->given.facts, .rest_absent = a->rest_absent};
	int rc = show(a, &v);
	explain_free(&e);
	policy_worker_fini(s);
	compile_free(rs);
	return rc;
}

int explain_main(int argc, char **argv)
{
	struct asked *a = calloc(1, sizeof(*a));
	struct complaints c = {0};
	struct timespec now;
	if (!a)
		return EXIT_ENVIRONMENT;
	a->given.r = (struct reading){.arena = &a->arena, .complaints = &a->wrong};
	given_begin(&a->given, false);
	clock_gettime(CLOCK_REALTIME, &now);
	a->given.facts.now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	int rc = arguments(a, argc, argv);
	struct policy *p = rc < 0 ? policy_load(a->policy_file, &c) : NULL;
	if (rc < 0 && !p)
		complaints_print(&c, stderr);
	if (rc < 0)
		rc = p ? hypothetical(a, p) : EXIT_ENVIRONMENT;
	policy_free(p);
	complaints_clear(&c);
	complaints_clear(&a->wrong);
	arena_free(&a->arena);
	free(a);
	return rc;
}
