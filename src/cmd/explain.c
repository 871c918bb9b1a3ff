// SPDX-License-Identifier: BSD-3-Clause
//
// sluice explain: why. In: a policy, and a transaction, which arguments describe, or which a capture has. Out, on
// standard output: the verdict, what each value does to the rules, the rules that mattered. Of a capture also how the
// packet left, what the corridor wrote down, and the bytes that each value came from.
//
// Every field of the policy language is an option: --src, --host, --tls.sni, --http.header.x-forwarded-for. Without a
// capture they are what is known; what is not given is not, unless --rest absent says that there is none. With one
// they say which transaction is meant.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "explain_trace.h"
#include "path/policy.h"
#include "policy/compile.h"
#include "policy/field.h"
#include "policy/given.h"
#include "policy/guard.h"
#include "base/word.h"
#include "replay_policy.h"
#include "base/clock.h"
#include "ship/ship.h"

struct side { // a policy, made ready to be asked
	const char *file;
	struct policy *policy;
	struct ruleset *rules;
	struct policy_scratch *scratch;
};

#define SWAPS_MAX 63

struct asked {
	struct side side[1 + SWAPS_MAX], shadow; // by version, from 1; without a file: none
	char *swaps[SWAPS_MAX];                  // --policy-at, in words
	unsigned nswaps;
	struct guard guard;
	char *guards[GUARD_MAX]; // the same in words
	struct replayed_fails fails;
	bool json, rest_absent;
	unsigned ngiven;
	char *capture; // NULL: a hypothetical
	struct packet_query query;
	struct packet packet;
	struct given given;
	struct complaints wrong;
	struct arena arena;
};

static void usage(FILE *out)
{
	fputs("usage: sluice explain -p POLICY --FIELD VALUE... [OPTION...]\n"
	      "       sluice explain -p POLICY PCAP --packet N | --flow 5-TUPLE | --record ID | --FIELD VALUE...\n\n"
	      "Says what a policy decides for a transaction, by which rule, and why.\n\n"
	      "  -p, --policy FILE         the policy; -: standard input\n"
	      "      --policy-at T=FILE    and this one from then on, as for replay; repeatable\n"
	      "      --packet N            the transaction of this packet of the capture, and how the packet left\n"
	      "      --flow 5-TUPLE        of this flow: \"tcp 10.0.0.7 51000 192.0.2.1 443\", or its id in hex\n"
	      "      --record ID           this one: the incident on a block page, FLOW.NUMBER\n"
	      "      --guard ADDR          no rule decides about this address, as for replay; repeatable\n"
	      "      --fail KEY=VALUE      what is done where something cannot be, as for replay; repeatable\n"
	      "      --shadow FILE         what this policy would decide, too\n"
	      "      --FIELD VALUE         what is known: --src, --dst, --dport, --proto, --host, --tls.sni, ...\n"
	      "                            (sluice check --fields lists them); several of those that may be many\n"
	      "      --field NAME=VALUE    the same\n"
	      "      --url URL             what a request to it shows; of https: its name\n"
	      "      --time T              when, as 2027-01-31T18:00:00Z (default: now)\n"
	      "      --rest unknown|absent what is not given is not known yet (default), or is not there\n"
	      "  -j, --json                as JSON; docs/explain.md names the keys\n"
	      "  -h, --help                this\n\n"
	      "example: sluice explain -p policy.json --src 10.0.0.7 --host casino.example --proto tcp --dport 443\n"
	      "         sluice explain -p policy.json office.pcap --packet 12\n"
	      "exit codes: 0 explained, 1 nothing in the capture fits, 2 usage, 3 a file that cannot be read or has "
	      "errors\n",
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
	if (a->side[0].file)
		return mistake("--policy is given twice:", v);
	a->side[0].file = v;
	return -1;
}

static int set_policy_at(struct asked *a, const char *v)
{
	struct policy_at at;
	if (!replay_policy_at(v, &at) || a->nswaps == SWAPS_MAX)
		return mistake("--policy-at is T=FILE, as for replay, and at most 63 of them, not", v);
	a->swaps[a->nswaps++] = (char *)(uintptr_t)v;
	a->side[a->nswaps].file = at.file;
	return -1;
}

static int set_shadow(struct asked *a, const char *v)
{
	a->shadow.file = v;
	return -1;
}

static int set_guard(struct asked *a, const char *v)
{
	unsigned n = a->guard.n;
	if (!guard_add(&a->guard, v))
		return mistake("--guard is an address, not", v);
	a->guards[n] = (char *)(uintptr_t)v;
	return -1;
}

static int set_fail(struct asked *a, const char *v)
{
	const char *wrong = replayed_fail(&a->fails, v);
	if (wrong)
		return mistake(*wrong ? wrong : "--fail is KEY=VALUE, as for replay, not", *wrong ? "" : v);
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

static int one_query(const struct asked *a)
{
	return a->query.by == PACKET_NONE ? -1 : mistake("--packet, --flow and --record: only one of them", "");
}

static int set_packet(struct asked *a, const char *v)
{
	char *end;
	int rc = one_query(a);
	a->query.by = PACKET_NUMBER;
	a->query.frame = strtoull(v, &end, 10);
	if (*v < '0' || *v > '9' || *end || !a->query.frame || a->query.frame >> FRAME_BITS)
		return mistake("--packet is a number from 1, not", v);
	return rc;
}

static int set_flow(struct asked *a, const char *v)
{
	int rc = one_query(a);
	return packet_flow(v, &a->query)
		       ? rc
		       : mistake("--flow is \"tcp 10.0.0.7 51000 192.0.2.1 443\" or an id in hex, not", v);
}

static int set_record(struct asked *a, const char *v)
{
	int rc = one_query(a);
	return packet_record(v, &a->query) ? rc : mistake("--record is FLOW.NUMBER, as 1f.0, not", v);
}

static int help(struct asked *a, const char *v)
{
	usage(stdout);
	return EXIT_DONE;
}

static const struct row rows[] = {
	{"packet", 0, true, set_packet},       {"flow", 0, true, set_flow},
	{"record", 0, true, set_record},       {"policy", 'p', true, set_policy},
	{"json", 'j', false, set_json},        {"rest", 0, true, set_rest},
	{"field", 0, true, set_field},         {"help", 'h', false, help},
	{"guard", 0, true, set_guard},         {"shadow", 0, true, set_shadow},
	{"policy-at", 0, true, set_policy_at}, {"fail", 0, true, set_fail},
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
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (a->capture || !strcmp(argv[i], "-"))
				return mistake(a->capture ? "one capture only, not also" : "a capture in a file, not",
					       argv[i]);
			a->capture = argv[i];
			continue;
		}
		int rc = option(a, argc, argv, &i);
		if (rc >= 0)
			return rc;
	}
	for (uint32_t i = 0; i < a->wrong.n; i++)
		fprintf(stderr, "sluice explain: %s: %s\n", a->wrong.list[i].place.file, a->wrong.list[i].text);
	if (a->wrong.nerrors)
		return EXIT_USAGE;
	if (!a->side[0].file && !a->nswaps)
		return mistake("no policy given: -p FILE", "");
	if (a->nswaps && !a->capture)
		return mistake("--policy-at needs a capture", "");
	if (a->fails.n && !a->capture)
		return mistake("--fail needs a capture", "");
	if (a->query.by != PACKET_NONE && (!a->capture || a->ngiven))
		return mistake(a->capture ? "--packet, --flow and --record stand alone, without fields"
					  : "--packet, --flow and --record need a capture",
			       "");
	if (!a->ngiven && a->query.by == PACKET_NONE)
		return mistake("nothing given to explain: --src, --host, ...", "");
	return -1;
}

// ---- explaining -------------------------------------------------------------------------------------------------

static void show_json(const struct explain_view *v, const struct explain_view *second, const struct explain_trace *t)
{
	json_t *o = v->e ? explain_json(v) : json_object();
	if (t)
		explain_trace_json(t, o);
	if (second)
		json_object_set_new(o, "shadow", explain_json(second));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static int show(const struct asked *a, const struct explain_view *v, const struct explain_view *second,
		const struct explain_trace *t)
{
	bool colour;
	unsigned width;
	ship_look(1, &colour, &width);
	if (a->json) {
		show_json(v, second, t);
		return fflush(stdout) || ferror(stdout) ? EXIT_ENVIRONMENT : EXIT_DONE;
	}
	if (t)
		explain_trace_top(t, stdout, colour);
	if (v->e)
		explain_head(v, stdout, colour, width);
	if (t)
		explain_trace_words(t, stdout, colour);
	if (v->e)
		explain_words(v, stdout, colour, width);
	if (second) {
		printf("\nin shadow, %s\n", second->file);
		explain_head(second, stdout, colour, width);
		explain_words(second, stdout, colour, width);
	}
	if (!t)
		printf("\nnot given: %s\n", a->rest_absent ? "counts as absent (--rest absent)"
							   : "not known (--rest absent: there is none)");
	return fflush(stdout) || ferror(stdout) ? EXIT_ENVIRONMENT : EXIT_DONE;
}

static void judge(struct explain *e, const struct side *s, const struct facts *facts)
{
	explain_judge(e, s->policy, s->rules, s->scratch, facts);
}

// What the policy in shadow makes of the same, beside v. NULL: there is none.
static const struct explain_view *in_shadow(const struct asked *a, const struct explain_view *v, struct explain *e,
					    struct explain_view *second, bool found)
{
	const struct side *s = &a->shadow;
	struct facts facts = *v->facts;
	if (!s->file)
		return NULL;
	if (found) { // bytes were searched for what the other asks
		facts.state[FIELD_PAYLOAD] = FACT_UNKNOWN;
		facts.n[FIELD_PAYLOAD] = 0;
	}
	judge(e, s, &facts);
	*second = *v;
	second->file = s->file;
	second->policy = s->policy;
	second->e = e;
	second->overflow = false;
	second->shadow = true;
	return second;
}

static int hypothetical(struct asked *a)
{
	struct explain e, other = {0};
	struct explain_view second, v = {.file = a->side[0].file,
					 .policy = a->side[0].policy,
					 .e = &e,
					 .facts = &a->given.facts,
					 .rest_absent = a->rest_absent};
	given_complete(&a->given, a->rest_absent);
	judge(&e, &a->side[0], v.facts);
	int rc = show(a, &v, in_shadow(a, &v, &other, &second, false), NULL);
	explain_free(&e);
	explain_free(&other);
	return rc;
}

// Where each value came from, with its bytes.
static void origins(struct asked *a, struct explain_view *v, struct explain_origin room[FIELD_COUNT][FACTS_MAX])
{
	static struct explain_origin *list[FIELD_COUNT * FACTS_MAX];
	const struct judge_facts *j = &a->packet.facts;
	uint32_t n = 0;
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		v->origin[f] = room[f];
		for (unsigned i = 0; i < j->facts.n[f]; i++) {
			const struct origin *o = &j->origin[f][i];
			room[f][i] =
				(struct explain_origin){.frame = frame_own(o->frame), .off = o->off, .len = o->len};
			list[n++] = &room[f][i];
		}
	}
	explain_bytes(a->capture, list, n, &a->arena);
}

// The policy that was in force when that was judged; nothing was: the first.
static const struct side *side_of(const struct asked *a, uint32_t heard)
{
	unsigned version = heard == HEARD_NONE ? 0 : a->packet.heard.list[heard].version;
	if (version)
		return &a->side[version - 1];
	return &a->side[a->side[0].file ? 0 : 1];
}

static int of_capture(struct asked *a)
{
	static struct explain_origin room[FIELD_COUNT][FACTS_MAX];
	const struct policy *policies[1 + SWAPS_MAX];
	const char *files[1 + SWAPS_MAX];
	const struct replayed_config config = {.policy = a->side[0].file,
					       .swaps = a->swaps,
					       .nswaps = a->nswaps,
					       .shadow = a->shadow.file,
					       .guards = a->guards,
					       .nguards = a->guard.n,
					       .fails = &a->fails,
					       .captures = &a->capture,
					       .ncaptures = 1};
	struct packet *k = &a->packet;
	struct explain e = {0}, before = {0}, other = {0};
	struct explain_view second, v = {0};
	struct explain_trace t = {.capture = a->capture,
				  .query = &a->query,
				  .packet = k,
				  .policies = policies,
				  .files = files,
				  .npolicies = 1 + a->nswaps,
				  .shadow = a->shadow.policy};
	for (unsigned i = 0; i <= a->nswaps; i++) {
		policies[i] = a->side[i].policy;
		files[i] = a->side[i].file;
	}
	if (a->ngiven) {
		a->query.by = PACKET_FILTER;
		a->query.filter = &a->given.facts;
		a->query.fields = a->given.fields;
	}
	int rc = packet_find(k, &a->query, &config);
	if (rc < 0) {
		fprintf(stderr, "sluice explain: %s: %s\n", a->capture, k->error);
		return rc == -ENOENT ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
	}
	const struct side *by = side_of(a, k->chosen);
	v.file = by->file;
	v.policy = t.policy = by->policy;
	if (packet_facts(k, k->first)) {
		judge(&before, side_of(a, k->first), &k->facts.facts);
		t.before = &before;
	}
	const struct explain_view *shadow = NULL;
	if (packet_facts(k, k->chosen)) {
		judge(&e, by, &k->facts.facts);
		t.after = v.e = &e;
		v.facts = &k->facts.facts;
		v.overflow = e.verdict.open && k->heard.list[k->chosen].overflow;
		t.names_gone = e.verdict.open && !k->heard.list[k->chosen].verdict.open &&
			       k->heard.list[k->chosen].cause == JUDGE_PAYLOAD;
		e.verdict.open &= !t.names_gone;
		e.verdict.action = k->heard.list[k->chosen].verdict.action;
		shadow = in_shadow(a, &v, &other, &second, true);
		origins(a, &v, room);
		if (shadow)
			memcpy(second.origin, v.origin, sizeof(v.origin));
	}
	rc = show(a, &v, shadow, &t);
	explain_free(&e);
	explain_free(&before);
	explain_free(&other);
	return rc;
}

// ---- policies ---------------------------------------------------------------------------------------------------

// Loads, guards and compiles. -1; else the exit code.
static int prepare(struct asked *a, struct side *s)
{
	struct complaints c = {0};
	char error[512] = "no memory";
	s->policy = policy_load(s->file, &c);
	if (s->policy && !guard_policy(&a->guard, s->policy, &c)) {
		policy_free(s->policy);
		s->policy = NULL;
	}
	if (!s->policy)
		complaints_print(&c, stderr);
	complaints_clear(&c);
	if (!s->policy)
		return EXIT_ENVIRONMENT;
	s->rules = compile_ruleset(s->policy, &(struct compile_options){.seed = 1}, error, sizeof(error));
	s->scratch = s->rules ? policy_worker_init(s->rules) : NULL;
	if (s->scratch)
		return -1;
	fprintf(stderr, "sluice explain: %s: cannot be compiled: %s\n", s->file, error);
	return EXIT_ENVIRONMENT;
}

static void side_free(struct side *s)
{
	policy_worker_fini(s->scratch);
	if (s->rules)
		compile_free(s->rules);
	policy_free(s->policy);
}

static int explain(struct asked *a)
{
	int rc = a->shadow.file ? prepare(a, &a->shadow) : -1;
	for (unsigned i = 0; i <= a->nswaps && rc < 0; i++)
		if (a->side[i].file)
			rc = prepare(a, &a->side[i]);
	if (rc < 0)
		rc = a->capture ? of_capture(a) : hypothetical(a);
	for (unsigned i = 0; i <= a->nswaps; i++)
		side_free(&a->side[i]);
	side_free(&a->shadow);
	return rc;
}

int explain_main(int argc, char **argv)
{
	struct asked *a = calloc(1, sizeof(*a));
	if (!a)
		return EXIT_ENVIRONMENT;
	a->given.r = (struct reading){.arena = &a->arena, .complaints = &a->wrong};
	given_begin(&a->given, false);
	a->given.facts.now_ns = clock_ns(CLOCK_REALTIME);
	int rc = arguments(a, argc, argv);
	if (rc < 0)
		rc = explain(a);
	complaints_clear(&a->wrong);
	packet_free(&a->packet);
	arena_free(&a->arena);
	free(a);
	return rc;
}
