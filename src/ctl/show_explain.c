// SPDX-License-Identifier: BSD-3-Clause
//
// explain, of the policy in force: what is known in fields, as `sluice explain` takes them; out comes the same answer,
// in words and as JSON. Judged on the control thread by the rule set that workers judge by, with a scratch of its own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/appliance.h"
#include "ctl/explain.h"
#include "ctl/show.h"
#include "live/standing.h"
#include "path/policy.h"
#include "policy/complaints.h"
#include "policy/field.h"
#include "policy/given.h"
#include "base/clock.h"
#include "policy_names.h"

struct question {
	struct given given;
	struct complaints wrong;
	struct arena arena;
};

// "--host H", "--host=H" or "host=H": one word more is used where the value is the next.
static bool take(struct question *q, struct call *c, unsigned *i)
{
	const char *word = c->word[*i];
	bool dashes = !strncmp(word, "--", 2);
	word += 2 * dashes;
	const char *is = strchr(word, '=');
	if (!is && (!dashes || *i + 1 == c->n)) {
		call_fail(c, CALL_USAGE, "explain --FIELD VALUE ..., such as --src 10.0.0.7 --host casino.example");
		return false;
	}
	char name[256];
	snprintf(name, sizeof(name), "%.*s", is ? (int)(is - word) : (int)strlen(word), word);
	const char *value = is ? is + 1 : c->word[++*i];
	char *copy = arena_take(&q->arena, strlen(name) + strlen(value) + 2);
	if (!copy)
		return false;
	memcpy(copy, name, strlen(name) + 1);
	memcpy(copy + strlen(name) + 1, value, strlen(value) + 1);
	return given_argument(&q->given, copy, copy + strlen(name) + 1);
}

static bool take_all(struct question *q, struct call *c)
{
	q->given.r = (struct reading){.arena = &q->arena, .complaints = &q->wrong};
	given_begin(&q->given, false);
	q->given.facts.now_ns = clock_ns(CLOCK_REALTIME);
	bool ok = true;
	for (unsigned i = 1; i < c->n && ok; i++)
		ok = take(q, c, &i);
	if (q->wrong.nerrors)
		call_fail(c, CALL_USAGE, "%s: %s", q->wrong.list[0].place.file, q->wrong.list[0].text);
	given_complete(&q->given, false);
	return ok && !q->wrong.nerrors;
}

static json_t *words(const struct explain_view *v)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return json_null();
	explain_head(v, f, false, 0);
	explain_words(v, f, false, 0);
	fclose(f);
	json_t *o = json_stringn(text, len);
	free(text);
	return o ? o : json_null();
}

static json_t *judged(const struct standing_view *s, const struct question *q, struct call *c)
{
	struct explain e;
	struct explain_view v = {.file = s->names->file, .policy = s->policy, .e = &e, .facts = &q->given.facts};
	struct policy_scratch *scratch = policy_worker_init(s->rules);
	if (!scratch)
		return call_fail(c, CALL_ENVIRONMENT, "no memory");
	explain_judge(&e, s->policy, s->rules, scratch, &q->given.facts);
	json_t *o = json_pack("{s:i,s:o,s:o}", "version", (int)s->names->version, "explained", explain_json(&v),
			      "words", words(&v));
	explain_free(&e);
	policy_worker_fini(scratch);
	return o;
}

json_t *show_explain(struct appliance *a, struct call *c)
{
	json_t *o = NULL;
	struct question *q = calloc(1, sizeof(*q)); // too large for a stack
	if (q && take_all(q, c)) {
		const struct standing_view *s = standing_look(a->standing);
		o = s ? judged(s, q, c) : call_fail(c, CALL_FINDINGS, "no policy is in force");
		standing_let_go(a->standing);
	} else if (c->exit == CALL_DONE) {
		call_fail(c, CALL_ENVIRONMENT, "no memory");
	}
	if (q) {
		complaints_clear(&q->wrong);
		arena_free(&q->arena);
	}
	free(q);
	return o;
}

void view_explain(struct view *v, const json_t *result)
{
	const char *text = json_string_value(json_object_get(result, "words"));
	char line[4096];
	for (size_t n; text && *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_t *one = json_stringn(text, n < 1024 ? n : 1024);
		view_value("line", one, line, sizeof(line));
		json_decref(one);
		fprintf(v->out, "%s\n", line);
	}
}
