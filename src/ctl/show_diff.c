// SPDX-License-Identifier: BSD-3-Clause
//
// `policy diff`: a file against what is in force. Reading a policy may take as long as its largest set, so it has a
// thread of its own, as a load has; nothing is compiled, and nothing changes.
#include "ctl/show.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/appliance.h"
#include "ctl/control.h"
#include "ctl/from_kafka.h"
#include "ctl/loop.h"
#include "ctl/privilege.h"
#include "ctl/socket.h"
#include "live/difference.h"
#include "live/standing.h"
#include "policy/complaints.h"

#define RULE 0
#define SET 1

struct job {
	struct appliance *a;
	struct loop *loop;
	uint64_t later;
	char *file, *said;
	bool kafka; // swg_rules, not a file
	bool read, done, none;
	struct difference d;
	json_t *ids[2][DIFFERENCE_KINDS];
};

static void heard(void *arg, enum difference_kind kind, bool set, const char *id)
{
	json_array_append_new(((struct job *)arg)->ids[set ? SET : RULE][kind], json_string(id));
}

static json_t *kinds(json_t *ids[DIFFERENCE_KINDS])
{
	json_t *o = json_object();
	for (unsigned i = 0; i < DIFFERENCE_KINDS; i++)
		json_object_set(o, difference_names[i], ids[i]);
	return o;
}

static void told(void *arg)
{
	struct job *j = arg;
	struct call c = {0};
	json_t *result = NULL;
	if (!j->read)
		call_fail(&c, CALL_FINDINGS, "%.100s: %.380s", j->file, j->said ? j->said : "cannot be read");
	else if (!j->done)
		call_fail(&c, CALL_ENVIRONMENT, "no memory");
	else
		result = json_pack("{s:s,s:b,s:o,s:o,s:b,s:b}", "file", j->file, "no_policy", j->none, "rules",
				   kinds(j->ids[RULE]), "sets", kinds(j->ids[SET]), "order_changed", j->d.moved,
				   "defaults_changed", j->d.others);
	if (result && j->kafka)
		json_object_set_new(result, "uncommitted", json_boolean(from_kafka_uncommitted(j->a)));
	pthread_join(j->a->comparing, NULL);
	j->a->compares = false;
	control_answer(j->a->control, j->later, &c, result);
	for (unsigned i = 0; i < 2 * DIFFERENCE_KINDS; i++)
		json_decref(j->ids[i / DIFFERENCE_KINDS][i % DIFFERENCE_KINDS]);
	free(j->file);
	free(j->said);
	free(j);
}

static void *compare(void *arg)
{
	struct job *j = arg;
	struct complaints wrong = {0};
	size_t size;
	pthread_setname_np(pthread_self(), "policy diff");
	privilege_reader();
	size_t len;
	char *topic = j->kafka ? from_kafka_policy(j->a, false, &len) : NULL, *now = NULL;
	struct policy *p = topic      ? policy_parse(j->file, topic, len, &wrong)
			   : j->kafka ? NULL
				      : policy_load(j->file, &wrong);
	// what has changed in sets since they were compiled stands beside them: both are compared as they were written
	struct policy *own = topic && (now = from_kafka_policy(j->a, true, &len))
				     ? policy_parse(j->file, now, len, &(struct complaints){0})
				     : NULL;
	free(topic);
	free(now);
	FILE *say = open_memstream(&j->said, &size);
	if (say) {
		complaints_print(&wrong, say);
		fclose(say);
	}
	complaints_clear(&wrong);
	j->read = p != NULL;
	if (p) {
		const struct standing_view *v = standing_look(j->a->standing);
		j->none = !v;
		j->done = difference(own ? own : v ? v->policy : NULL, p, &j->d, heard, j);
		standing_let_go(j->a->standing);
		policy_free(p);
	}
	policy_free(own);
	if (loop_post(j->loop, told, j) < 0)
		abort();
	return NULL;
}

json_t *show_policy_diff(struct appliance *a, struct call *c)
{
	bool kafka = !strcmp(c->word[2], "kafka") && c->n == 3;
	struct job *j = a->compares ? NULL : calloc(1, sizeof(*j));
	if (a->compares)
		return call_fail(c, CALL_ENVIRONMENT, "another file is being compared; try again");
	if (!j || !(j->file = strdup(kafka ? "swg_rules" : call_value(c, "file")))) {
		free(j);
		return call_fail(c, CALL_ENVIRONMENT, "no memory");
	}
	j->a = a;
	j->kafka = kafka;
	j->loop = control_loop(a->control);
	for (unsigned i = 0; i < 2 * DIFFERENCE_KINDS; i++)
		j->ids[i / DIFFERENCE_KINDS][i % DIFFERENCE_KINDS] = json_array();
	j->later = socket_later(c);
	if (pthread_create(&a->comparing, NULL, compare, j) == 0) {
		a->compares = true;
		return NULL;
	}
	c->later = 0;
	free(j->file);
	free(j);
	return call_fail(c, CALL_ENVIRONMENT, "no thread can be had");
}

void view_policy_diff(struct view *v, const json_t *result)
{
	static const char *const signs[DIFFERENCE_KINDS] = {"+", "-", "~"};
	static const char *const of[] = {"rules", "sets"};
	static const enum view_colour colours[DIFFERENCE_KINDS] = {VIEW_GREEN, VIEW_RED, VIEW_YELLOW};
	char text[1024];
	size_t n;
	const json_t *id;
	bool any = false;
	for (unsigned k = 0; k < 2 * DIFFERENCE_KINDS; k++) {
		const json_t *ids = json_object_get(json_object_get(result, of[k / DIFFERENCE_KINDS]),
						    difference_names[k % DIFFERENCE_KINDS]);
		json_array_foreach(ids, n, id) {
			view_put(v, colours[k % DIFFERENCE_KINDS], signs[k % DIFFERENCE_KINDS], 0);
			view_value("id", id, text, sizeof(text));
			fprintf(v->out, " %s%s\n", k < DIFFERENCE_KINDS ? "" : "set ", text);
			any = true;
		}
	}
	if (json_is_true(json_object_get(result, "order_changed")))
		fprintf(v->out, "rules stand in another order\n");
	else if (json_is_true(json_object_get(result, "defaults_changed")))
		fprintf(v->out, "defaults differ\n");
	else if (!any)
		fprintf(v->out, "nothing differs\n");
	if (json_is_true(json_object_get(result, "uncommitted")))
		fprintf(v->out,
			"no commit stands behind what was written last: it comes into force with the next version\n");
}
