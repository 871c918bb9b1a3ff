// SPDX-License-Identifier: BSD-3-Clause
//
// Publishes a policy: check it, read the topic, write what differs and a commit, all in one transaction. In: a file and
// how Kafka is reached. Out: one version more, or nothing at all. On the caller's thread, waiting for Kafka; no
// appliance is needed, and none is asked.
//
// Two people at once: all publishers have one transactional id. Who begins has the coordinator fence whoever began
// before (their commit fails, and says so), and reads the topic only then; so each version is written by somebody who
// has read the one before it, and no edit is lost unseen.
#include "decide/rules_publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/clock.h"
#include "decide/canonical.h"
#include "decide/rules_keyed.h"
#include "policy/policy.h"
#include "remote/kafka.h"

#define TOPIC "swg_rules"
#define WAIT_MS 30000 // for Kafka, each time

struct publishing {
	const struct rules_publish *p;
	struct rules_published *done;
	FILE *say;
	struct policy *policy;
	char *text; // of the file
	size_t len;
	struct kafka_client writer, reader;
	struct rules_table *topic, *next;
	uint64_t last;       // version
	int64_t end;         // offset of the topic's
	bool writes, fenced; // in a transaction; somebody else began one
	int rc;
};

static int kafka_wrong(struct publishing *x, const char *what, const char *why)
{
	if (x->rc == 0)
		fprintf(x->say, "%s: %s\n", what, why);
	return x->rc = x->rc ? x->rc : -EIO;
}

// Of a transaction's call. True: it was done.
static bool did(struct publishing *x, const char *what, rd_kafka_error_t *e)
{
	if (!e)
		return true;
	rd_kafka_resp_err_t code = rd_kafka_error_code(e);
	x->fenced |= code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
		     code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
	if (x->fenced)
		kafka_wrong(x, "nothing was published",
			    "somebody else began to publish meanwhile: look at it, and publish again");
	else
		kafka_wrong(x, what, rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
	x->rc = x->fenced ? -EBUSY : x->rc;
	return false;
}

// ---- the topic ---------------------------------------------------------------------------------------------------

static void created(struct publishing *x, rd_kafka_event_t *e)
{
	size_t n = 0, i = 0;
	const rd_kafka_CreateTopics_result_t *r = e ? rd_kafka_event_CreateTopics_result(e) : NULL;
	const rd_kafka_topic_result_t **list = r ? rd_kafka_CreateTopics_result_topics(r, &n) : NULL;
	while (i < n && strcmp(rd_kafka_topic_result_name(list[i]), TOPIC))
		i++;
	rd_kafka_resp_err_t err = i == n ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_topic_result_error(list[i]);
	x->done->created = !err;
	if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		kafka_wrong(x, "the topic " TOPIC " cannot be created",
			    i < n && rd_kafka_topic_result_error_string(list[i])
				    ? rd_kafka_topic_result_error_string(list[i])
				    : rd_kafka_err2str(err));
}

// Compacted, of one partition; and the one in which appliances say what became of a version.
static void create(struct publishing *x)
{
	char why[256];
	rd_kafka_NewTopic_t *t[] = {rd_kafka_NewTopic_new(TOPIC, 1, -1, why, sizeof(why)),
				    rd_kafka_NewTopic_new(TOPIC "_status", 1, -1, why, sizeof(why))};
	rd_kafka_queue_t *q = rd_kafka_queue_new(x->writer.rk);
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(x->writer.rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_NewTopic_set_config(t[0], "cleanup.policy", "compact");
	rd_kafka_NewTopic_set_config(t[1], "cleanup.policy", "compact");
	rd_kafka_AdminOptions_set_operation_timeout(o, 10000, why, sizeof(why));
	rd_kafka_CreateTopics(x->writer.rk, t, 2, o, q);
	rd_kafka_event_t *e = rd_kafka_queue_poll(q, WAIT_MS);
	created(x, e);
	if (e)
		rd_kafka_event_destroy(e);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_NewTopic_destroy_array(t, 2);
}

// Its partitions; 0: it is not there; -1 was said.
static int partitions(struct publishing *x)
{
	const struct rd_kafka_metadata *m;
	rd_kafka_topic_t *t = rd_kafka_topic_new(x->reader.rk, TOPIC, NULL);
	rd_kafka_resp_err_t err = rd_kafka_metadata(x->reader.rk, 0, t, &m, WAIT_MS);
	rd_kafka_topic_destroy(t);
	if (err) {
		char why[KAFKA_WHY];
		rd_kafka_poll(x->reader.rk, 0); // what went wrong is told there
		kafka_error(&x->reader, why);
		return kafka_wrong(x, "no broker answers", *why ? why : rd_kafka_err2str(err));
	}
	int n = m->topic_cnt == 1 ? m->topics[0].partition_cnt : 0;
	err = m->topic_cnt == 1 ? m->topics[0].err : 0;
	rd_kafka_metadata_destroy(m);
	if (err && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
		return kafka_wrong(x, "the topic " TOPIC, rd_kafka_err2str(err));
	return n;
}

static bool topic_there(struct publishing *x)
{
	int n = partitions(x);
	if (n == 0 && !x->p->dry) {
		create(x);
		uint64_t until = clock_ns(CLOCK_MONOTONIC) + WAIT_MS * 1000000ull;
		while (x->rc == 0 && (n = partitions(x)) == 0 && clock_ns(CLOCK_MONOTONIC) < until)
			nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	if (n > 1)
		kafka_wrong(x, "the topic " TOPIC " has more than one partition",
			    "its records have no order: make one with one");
	return n == 1;
}

static void record(struct publishing *x, const rd_kafka_message_t *m)
{
	char why[RULES_WHY];
	enum rules_kind kind;
	struct rules_key k;
	struct rules_commit c;
	if (!m->key || !rules_key_read(m->key, m->key_len, &k, why))
		return;
	if (k.kind != RULES_COMMIT)
		rules_table_put(x->topic, m->key, m->key_len, m->payload, m->len, &kind, why);
	else if (m->payload && rules_commit_read(m->payload, m->len, &c, why))
		x->last = c.version > x->last ? c.version : x->last;
}

static bool read_topic(struct publishing *x)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(x->reader.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + WAIT_MS * 1000000ull;
	for (;;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(x->reader.rk, 200);
		bool end = m && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		if (m && !m->err) {
			record(x, m);
			until = clock_ns(CLOCK_MONOTONIC) + WAIT_MS * 1000000ull;
		}
		if (m)
			rd_kafka_message_destroy(m);
		if (end)
			return true;
		if (clock_ns(CLOCK_MONOTONIC) > until)
			return kafka_wrong(x, "the topic " TOPIC " cannot be read to its end",
					   "no word for half a minute") == 0;
	}
}

// ---- what differs ------------------------------------------------------------------------------------------------

static void queue_record(struct publishing *x, const char *key, size_t len, const char *value, size_t value_len)
{
	rd_kafka_resp_err_t err;
	if (!x->writes || x->rc)
		return;
	do { // a null value has no bytes, an empty one is not written here
		err = rd_kafka_producev(x->writer.rk, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
					RD_KAFKA_V_KEY(key, len), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
					RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		rd_kafka_poll(x->writer.rk, err ? 100 : 0);
	} while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	if (err)
		kafka_wrong(x, key, rd_kafka_err2str(err));
}

static void tell(struct publishing *x, char sign, const struct rules_key *k)
{
	struct rules_published *d = x->done;
	char what[128];
	bool item = k->kind == RULES_ITEM;
	d->added += !item && sign == '+';
	d->changed += !item && sign == '~';
	d->removed += !item && sign == '-';
	d->items_added += item && sign == '+';
	d->items_removed += item && sign == '-';
	snprintf(what, sizeof(what), "%s%.*s%s%.*s",
		 k->kind == RULES_DEFAULT ? "default"
		 : k->kind == RULES_RULE  ? ""
					  : "set ",
		 (int)(k->id_len > 100 ? 100 : k->id_len), k->id ? k->id : "", item ? ": " : "",
		 (int)(k->item_len > 100 ? 100 : k->item_len), k->item ? k->item : "");
	if (x->p->heard)
		x->p->heard(x->p->arg, sign, what);
}

static void wanted(void *arg, const char *key, size_t len, const char *value, size_t value_len)
{
	struct publishing *x = arg;
	char why[RULES_WHY];
	enum rules_kind kind;
	if (rules_table_put(x->next, key, len, value, value_len, &kind, why) < 0) {
		fprintf(x->say, "%.80s: %s\n", key, why);
		x->rc = -EINVAL;
	}
}

// Said the same, but for an id that stands in the key already?
static bool same(const struct rules_value *a, const struct rules_value *b)
{
	return a->order == b->order && a->body_len == b->body_len &&
	       (!a->body_len || !memcmp(a->body, b->body, a->body_len));
}

static void write_new(void *arg, const char *key, const struct rules_key *k, const struct rules_value *v)
{
	struct publishing *x = arg;
	const struct rules_value *was = rules_table_get(x->topic, key);
	if (was && same(was, v))
		return;
	tell(x, was ? '~' : '+', k);
	queue_record(x, key, strlen(key), v->text, v->len);
}

static void write_gone(void *arg, const char *key, const struct rules_key *k, const struct rules_value *v)
{
	struct publishing *x = arg;
	if (k->kind == RULES_AUTO || rules_table_get(x->next, key))
		return;
	tell(x, '-', k);
	queue_record(x, key, strlen(key), NULL, 0);
}

// What the topic will be: what is wanted, and what was said the same in other words stays as it was said.
static void as_said(void *arg, const char *key, const struct rules_key *k, const struct rules_value *v)
{
	struct publishing *x = arg;
	const struct rules_value *is = rules_table_get(x->next, key);
	char why[RULES_WHY];
	enum rules_kind kind;
	if (v && is && same(v, is))
		rules_table_put(x->next, key, strlen(key), v->text, v->len, &kind, why);
}

static bool differs(const struct publishing *x)
{
	const struct rules_published *d = x->done;
	return d->added + d->changed + d->removed + d->items_added + d->items_removed > 0;
}

static void changes(struct publishing *x)
{
	struct rules_published *d = x->done;
	d->added = d->changed = d->removed = d->items_added = d->items_removed = 0;
	rules_table_each(x->next, write_new, x);
	rules_table_each(x->topic, write_gone, x);
}

static void write_commit(struct publishing *x, const struct rules_sum *sum)
{
	json_t *o =
		json_pack("{s:f,s:f,s:f,s:s,s:s,s:s}", "version", (double)(x->last + 1), "rules", (double)sum->rules,
			  "sets", (double)sum->sets, "hash", sum->hash, "author", x->p->author, "why", x->p->why);
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!o || !f) {
		fputs("--author and --why are texts in UTF-8\n", x->say);
		x->rc = -EINVAL;
	}
	if (f && o)
		canonical_write(o, f);
	if (f)
		fclose(f);
	if (o && f)
		queue_record(x, "commit", 6, text, len);
	if (f)
		free(text);
	json_decref(o);
}

static void transaction(struct publishing *x, const struct rules_sum *sum)
{
	if (!did(x, "a transaction cannot begin", rd_kafka_begin_transaction(x->writer.rk)))
		return;
	struct rules_publish quiet = *x->p, *told = &quiet;
	const struct rules_publish *p = x->p;
	told->heard = NULL; // it was told
	x->p = told;
	x->writes = true;
	changes(x);
	write_commit(x, sum);
	x->p = p;
	if (x->rc == 0)
		did(x, "nothing was published", rd_kafka_commit_transaction(x->writer.rk, WAIT_MS));
	if (x->rc && !x->fenced) {
		rd_kafka_error_t *e = rd_kafka_abort_transaction(x->writer.rk, WAIT_MS);
		if (e)
			rd_kafka_error_destroy(e);
	}
	x->done->written = x->rc == 0;
	if (x->done->written)
		x->done->version = x->last + 1;
}

// ---- all of it ---------------------------------------------------------------------------------------------------

static void hear(void *arg, const char *name, const char *text, size_t len)
{
	struct publishing *x = arg;
	if (*name)
		return;
	x->text = malloc(len + 1);
	if (!x->text)
		abort();
	memcpy(x->text, text, len);
	x->len = len;
}

static bool check(struct publishing *x)
{
	struct complaints c = {0};
	x->policy = policy_load_heard(x->p->file, &(struct policy_ear){hear, x}, &c);
	complaints_print(&c, x->say);
	x->rc = x->policy ? 0 : c.unreadable ? -ENOENT : -EINVAL;
	complaints_clear(&c);
	return x->policy;
}

static bool connect_all(struct publishing *x)
{
	static const char *const set[][2] = {{"transactional.id", "sluice-publish"}, {NULL, NULL}},
				 *const read_set[][2] = {{"group.id", "sluice-publish"}, {NULL, NULL}};
	char why[KAFKA_WHY];
	const struct kafka_wish writer = {.config = x->p->kafka, .role = KAFKA_PUBLISH, .set = set},
				reader = {
					.config = x->p->kafka, .role = KAFKA_RULES, .name = "publish", .set = read_set};
	if (kafka_open(&x->reader, &reader, why) < 0 || (!x->p->dry && kafka_open(&x->writer, &writer, why) < 0))
		return kafka_wrong(x, "kafka", why) == 0;
	rd_kafka_poll_set_consumer(x->reader.rk);
	return true;
}

static void publish(struct publishing *x)
{
	struct rules_sum sum;
	if (!connect_all(x) || !topic_there(x)) {
		if (x->rc || !x->p->dry)
			return; // a topic that is not there: all would be new
	} else if (!x->p->dry && !did(x, "transactions", rd_kafka_init_transactions(x->writer.rk, WAIT_MS))) {
		return;
	} else if (!read_topic(x)) {
		return;
	}
	if (!rules_keyed(x->policy, x->text, x->len, x->topic, wanted, x, x->say))
		x->rc = -EINVAL;
	if (x->rc)
		return;
	changes(x);
	rules_table_each(x->topic, as_said, x);
	rules_table_sum(x->next, false, &sum);
	x->done->rules = sum.rules;
	x->done->sets = sum.sets;
	x->done->version = x->last + (x->p->dry && (differs(x) || !x->last));
	memcpy(x->done->hash, sum.hash, sizeof(sum.hash));
	if (!x->p->dry && (differs(x) || !x->last))
		transaction(x, &sum);
}

int rules_publish(const struct rules_publish *p, struct rules_published *done, FILE *say)
{
	struct publishing x = {.p = p, .done = done, .say = say, .topic = rules_table_new(), .next = rules_table_new()};
	*done = (struct rules_published){0};
	if (!x.topic || !x.next)
		abort();
	if (check(&x))
		publish(&x);
	kafka_close(&x.reader);
	kafka_close(&x.writer);
	rules_table_free(x.topic);
	rules_table_free(x.next);
	policy_free(x.policy);
	free(x.text);
	return x.rc;
}
