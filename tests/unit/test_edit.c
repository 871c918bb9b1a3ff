// SPDX-License-Identifier: BSD-3-Clause
//
// Sets that change while their policy is in force: after any sequence of edits the rule set must say what one that is
// compiled from the edited items says, for any facts; no judgement may be by half of an edit; and what cannot be is
// said.
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../poison.h"
#include "path/delta.h"
#include "path/policy.h"
#include "path/policy_set.h"
#include "policy/compile.h"
#include "policy/edit.h"

#define SETS 8
#define ITEMS 64

static const struct {
	const char *name, *type;
} kinds[SETS] = {{"names", "domain"}, {"more", "domain"}, {"nets", "net"},  {"internal", "net"},
		 {"words", "string"}, {"ports", "port"},  {"lows", "port"}, {"hellos", "ja3"}};

static const char rules[] =
	"\"rules\":["
	"{\"id\":\"a\",\"action\":\"deny\",\"when\":{\"host\":{\"in\":\"names\"},\"dport\":{\"in\":\"ports\"}}},"
	"{\"id\":\"b\",\"action\":\"allow\",\"when\":{\"host\":{\"in\":\"more\"}}},"
	"{\"id\":\"c\",\"action\":\"deny\",\"when\":{\"src\":{\"in\":\"nets\"},\"host\":{\"not\":{\"in\":\"names\"}}}},"
	"{\"id\":\"d\",\"action\":\"deny\",\"when\":{\"http.uri\":{\"in\":\"words\"}}},"
	"{\"id\":\"e\",\"action\":\"deny\",\"when\":{\"http.uri\":{\"in\":\"words\"},\"dport\":80}},"
	"{\"id\":\"f\",\"action\":\"allow\",\"when\":{\"sport\":{\"in\":\"lows\"}}},"
	"{\"id\":\"g\",\"action\":\"deny\",\"when\":{\"tls.ja3\":{\"in\":\"hellos\"}}},"
	"{\"id\":\"h\",\"action\":\"deny\",\"when\":{\"any\":[{\"dst\":{\"in\":\"internal\"}},{\"dport\":{\"in\":"
	"\"ports\"}}]}}"
	"]";

struct model {
	char item[SETS][ITEMS][48];
	unsigned n[SETS];
};

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

// ---- items and values of a small world ----

static unsigned name(char *out, size_t size)
{
	static const char *const labels[] = {"a", "b", "www", "shop-1", "xn--p1ai", "a_b"}, *const tops[] = {"com",
													     "de", "b",
													     "example"};
	unsigned n = 0;
	for (unsigned i = below(4); i; i--)
		n += snprintf(out + n, size - n, "%s.", labels[below(6)]);
	return n + snprintf(out + n, size - n, "%s", tops[below(4)]);
}

static void item(unsigned set, char *out, size_t size)
{
	unsigned a = below(3), b = below(40);
	switch (set) {
	case 0:
	case 1:
		*out = '=';
		name(out + (below(3) == 0), size - 1);
		if (below(20) == 0)
			snprintf(out, size, "10.0.%u.%u", a, below(3));
		break;
	case 2:
	case 3:
		if (below(3))
			snprintf(out, size, "10.%u.%u.0/%u", a, below(2), 24);
		else if (below(2))
			snprintf(out, size, "10.%u.0.0/16", a);
		else if (below(2))
			snprintf(out, size, "2001:db8:%x::%x", a, below(2));
		else
			snprintf(out, size, "2001:db8:%x::/48", a);
		break;
	case 4:
		snprintf(out, size, "%s/%u", below(2) ? "/x" : "/X", below(12));
		break;
	case 5:
	case 6:
		if (below(2))
			snprintf(out, size, "%u", 60 + b);
		else
			snprintf(out, size, "%u-%u", 60 + b, 60 + b + below(10));
		break;
	default:
		snprintf(out, size, "%032x", below(12));
	}
}

struct world {
	struct facts facts;
	struct fact_value v[FIELD_COUNT][2];
	char room[8][64];
	uint8_t address[2][16];
};

static void known(struct world *w, enum field f, const char *text)
{
	w->facts.state[f] = FACT_ALL;
	w->facts.n[f] = 1;
	w->facts.value[f] = w->v[f];
	w->v[f][0] = (struct fact_value){.p = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static void number(struct world *w, enum field f, uint64_t n)
{
	known(w, f, "");
	w->v[f][0] = (struct fact_value){.num = n};
}

static void address(struct world *w, enum field f, uint8_t *at)
{
	bool six = below(4) == 0;
	memset(at, 0, 16);
	known(w, f, "");
	memcpy(at, six ? "\x20\x01\x0d\xb8\0" : "\x0a", six ? 5 : 1);
	at[six ? 5 : 1] = (uint8_t)below(3);
	at[six ? 15 : 2] = (uint8_t)below(2);
	w->v[f][0] = (struct fact_value){.p = at, .len = six ? 16 : 4};
}

static void random_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	name(w->room[0], 64);
	known(w, FIELD_HOST, w->room[0]);
	if (below(8) == 0) {
		snprintf(w->room[0], 64, "10.0.%u.%u", below(3), below(3));
		known(w, FIELD_HOST, w->room[0]);
	}
	address(w, FIELD_SRC, w->address[0]);
	address(w, FIELD_DST, w->address[1]);
	item(4, w->room[1], 64);
	known(w, FIELD_HTTP_URI, w->room[1]);
	item(7, w->room[2], 64);
	known(w, FIELD_TLS_JA3, w->room[2]);
	number(w, FIELD_DPORT, 60 + below(50));
	number(w, FIELD_SPORT, 60 + below(50));
	for (unsigned f = 0; f < FIELD_COUNT; f++)
		if (w->facts.state[f] == FACT_ALL && below(6) == 0)
			w->facts.state[f] = below(2) ? FACT_UNKNOWN : below(2) ? FACT_SOME : FACT_ABSENT;
}

// ---- a policy of the model ----

struct made {
	struct policy *policy;
	struct ruleset *rs;
	struct policy_scratch *s;
};

static struct made make(const struct model *m, uint64_t seed)
{
	char *text, error[200];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	fprintf(out, "{\"sets\":{");
	for (unsigned i = 0; i < SETS; i++) {
		fprintf(out, "%s\"%s\":{\"type\":\"%s\",\"items\":[", i ? "," : "", kinds[i].name, kinds[i].type);
		for (unsigned k = 0; k < m->n[i]; k++)
			fprintf(out, "%s\"%s\"", k ? "," : "", m->item[i][k]);
		fprintf(out, "]}");
	}
	fprintf(out, "},%s}", rules);
	fclose(out);
	struct complaints c = {0};
	struct compile_options options = {.seed = seed};
	struct made made = {.policy = policy_parse("model", text, size, &c)};
	if (!made.policy)
		complaints_print(&c, stderr);
	complaints_clear(&c);
	free(text);
	assert_non_null(made.policy);
	made.rs = compile_ruleset(made.policy, &options, error, sizeof(error));
	assert_non_null(made.rs);
	made.s = policy_worker_init(made.rs);
	return made;
}

static struct made make_live(const struct model *m, uint64_t seed)
{
	struct made made = make(m, seed);
	made.rs->delta = delta_new(made.rs->nsets);
	assert_non_null(made.rs->delta);
	return made;
}

static void unmake(struct made *m)
{
	policy_worker_fini(m->s);
	compile_free(m->rs);
	policy_free(m->policy);
}

static int find(const struct model *m, unsigned set, const char *text)
{
	for (unsigned i = 0; i < m->n[set]; i++)
		if (!strcmp(m->item[set][i], text))
			return (int)i;
	return -1;
}

static void forget(struct model *m, unsigned set, unsigned at)
{
	memmove(m->item[set][at], m->item[set][at + 1], (m->n[set] - at - 1) * sizeof(m->item[set][0]));
	m->n[set]--;
}

// "80-80" is "80"
static void normal(char *text)
{
	unsigned from, to;
	if (sscanf(text, "%u-%u", &from, &to) == 2 && from == to && strchr(text, '.') == NULL &&
	    strchr(text, ':') == NULL)
		sprintf(text, "%u", from);
}

static void one_edit(struct made *live, struct model *m)
{
	unsigned set = below(SETS);
	struct edit e;
	char text[48];
	item(set, text, sizeof(text));
	if (set == 5 || set == 6)
		normal(text);
	int at = find(m, set, text);
	bool add = below(2) && m->n[set] < ITEMS - 1;
	int rc = edit_set(live->policy, live->rs, kinds[set].name, text, add, &e);
	assert_int_equal(rc, !add && at < 0 ? -ENOENT : 0);
	assert_int_equal(e.changed, add == (at < 0) && rc == 0);
	if (add && at < 0)
		strcpy(m->item[set][m->n[set]++], text);
	else if (!add && at >= 0)
		forget(m, set, (unsigned)at);
	if (rc == 0)
		assert_int_equal(e.now.loaded + e.now.added - e.now.removed, m->n[set]);
}

static void same(const struct made *live, const struct made *fresh)
{
	static const enum field of[SETS] = {FIELD_HOST,     FIELD_HOST,  FIELD_SRC,   FIELD_DST,
					    FIELD_HTTP_URI, FIELD_DPORT, FIELD_SPORT, FIELD_TLS_JA3};
	struct world w;
	struct verdict a, b;
	random_world(&w);
	for (unsigned i = 0; i < SETS; i++) {
		const struct fact_value *v = w.v[of[i]];
		bool has = policy_set_has(fresh->rs, i, v, i == 4 && v->len % 2);
		assert_int_equal(policy_set_has(live->rs, i, v, i == 4 && v->len % 2), has);
		if (i > 1)
			continue;
		struct policy_set_probe x;
		policy_set_ask(live->rs, v, &x);
		policy_set_ask_text(live->rs, &x);
		assert_int_equal(policy_set_asked(live->rs, i, v, &x), has);
	}
	policy_judge(live->rs, live->s, &w.facts, &a);
	policy_judge(fresh->rs, fresh->s, &w.facts, &b);
	assert_int_equal(a.rule, b.rule);
	assert_int_equal(a.open, b.open);
	assert_int_equal(a.action, b.action);
	assert_int_equal(a.possible, b.possible);
	assert_int_equal(a.waits, b.waits);
}

static void test_as_compiled(void **state)
{
	srand(7);
	for (unsigned round = 0; round < rounds(60); round++) {
		struct model m = {0};
		for (unsigned set = 0; set < SETS; set++)
			for (unsigned k = below(24); k; k--) {
				item(set, m.item[set][m.n[set]], 48);
				if (set == 5 || set == 6)
					normal(m.item[set][m.n[set]]);
				if (find(&m, set, m.item[set][m.n[set]]) == (int)m.n[set] ||
				    find(&m, set, m.item[set][m.n[set]]) < 0)
					m.n[set]++;
			}
		struct made live = make_live(&m, round * 77);
		for (unsigned turn = 0; turn < 12; turn++) {
			for (unsigned i = below(40); i; i--)
				one_edit(&live, &m);
			struct made fresh = make(&m, turn);
			for (unsigned i = 0; i < 400; i++)
				same(&live, &fresh);
			unmake(&fresh);
		}
		unmake(&live);
	}
}

// ---- by half of an edit ----

static _Atomic bool over;

static void *turns(void *arg)
{
	struct made *m = arg;
	struct edit e;
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(edit_set(m->policy, m->rs, "s", "casino.example", i % 2 == 0, &e), 0);
		for (volatile unsigned k = 0; k < 2000; k++)
			;
	}
	struct delta *d = m->rs->delta;
	for (unsigned i = 0; i < 1000000; i++) // faster than any judgement
		delta_turn(d, &d->item[0], i % 2 == 0, 0);
	over = true;
	return NULL;
}

// Whatever the set is: one of the two rules is true, and the default cannot be.
static void test_no_half(void **state)
{
	const char text[] = "{\"sets\":{\"s\":{\"type\":\"domain\",\"items\":[]}},\"rules\":["
			    "{\"id\":\"in\",\"action\":\"deny\",\"when\":{\"host\":{\"in\":\"s\"}}},"
			    "{\"id\":\"out\",\"action\":\"allow\",\"when\":{\"host\":{\"not\":{\"in\":\"s\"}}}},"
			    "{\"id\":\"never\",\"action\":\"deny\"}]}";
	struct complaints c = {0};
	char error[200];
	struct made m = {.policy = policy_parse("half", text, sizeof(text) - 1, &c)};
	complaints_clear(&c);
	m.rs = compile_ruleset(m.policy, &(struct compile_options){.seed = 1}, error, sizeof(error));
	m.rs->delta = delta_new(m.rs->nsets);
	m.s = policy_worker_init(m.rs);
	struct world w;
	memset(&w, 0, sizeof(w));
	known(&w, FIELD_HOST, "www.casino.example");
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, turns, &m), 0);
	unsigned seen[3] = {0};
	while (!over) {
		struct verdict v;
		policy_judge(m.rs, m.s, &w.facts, &v);
		assert_true(v.rule < 3);
		seen[v.rule]++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(seen[2], 0);
	unmake(&m);
}

// ---- what cannot be ----

static void test_wrong(void **state)
{
	struct model m = {0};
	strcpy(m.item[0][m.n[0]++], "casino.example");
	struct made live = make_live(&m, 3);
	struct edit e;
	assert_int_equal(edit_set(live.policy, live.rs, "name", "x.example", true, &e), -EINVAL);
	assert_non_null(strstr(e.why, "did you mean \"names\"?"));
	assert_int_equal(edit_set(live.policy, live.rs, "nets", "10.0.0.0/33", true, &e), -EINVAL);
	assert_non_null(strstr(e.why, "prefix length from 0 to 32"));
	assert_int_equal(edit_set(live.policy, live.rs, "ports", "70000", true, &e), -EINVAL);
	assert_int_equal(edit_set(live.policy, live.rs, "hellos", "771", true, &e), -EINVAL);
	assert_int_equal(edit_set(live.policy, live.rs, "names", "www.casino.example", false, &e), -ENOENT);
	assert_non_null(strstr(e.why, "another item of it has that value"));
	assert_int_equal(edit_set(live.policy, live.rs, "names", "CASINO.example.", true, &e), 0);
	assert_false(e.changed);
	assert_int_equal(edit_set(live.policy, live.rs, "nets", "10.1.2.3/8", true, &e), 0);
	assert_non_null(strstr(e.why, "bits behind its prefix length"));
	unmake(&live);
}

static void test_full(void **state)
{
	struct model m = {0};
	struct made live = make_live(&m, 3);
	struct edit e;
	char text[48];
	int rc = 0;
	unsigned n = 0;
	for (; rc == 0; n++) {
		snprintf(text, sizeof(text), "n%u.example", n);
		rc = edit_set(live.policy, live.rs, "names", text, true, &e);
	}
	assert_int_equal(n - 1, DELTA_ITEMS);
	assert_int_equal(rc, -ENOSPC);
	assert_non_null(strstr(e.why, "load the policy again"));
	struct fact_value v = {.p = (const uint8_t *)"www.n65535.example", .len = 18};
	assert_true(policy_set_has(live.rs, 0, &v, false));
	assert_int_equal(edit_set(live.policy, live.rs, "names", "n65535.example", false, &e), 0); // known ones turn
	assert_false(policy_set_has(live.rs, 0, &v, false));
	unmake(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_compiled), cmocka_unit_test(test_no_half),
					   cmocka_unit_test(test_wrong), cmocka_unit_test(test_full)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
