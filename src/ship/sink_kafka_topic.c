// SPDX-License-Identifier: BSD-3-Clause
//
// The topic's side of a Kafka sink: is it there, may we write to it, how many partitions has it; and what librdkafka's
// errors mean to who has to mend them. The sink's thread; each question waits for the broker up to ASK_MS.
#include "ship/sink_kafka.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ASK_MS 1000
#define ASK_NS 250000000ull
#define MAKE_MS 5000
#define FIRST_NS 5000000000ull
#define NOT_AUTHORISED                                                                                                 \
	"not authorised for topic %s: an ACL has to allow Describe and Write on it (brokers before 2.8: "              \
	"IdempotentWrite on the cluster, too)"

static const struct words {
	rd_kafka_resp_err_t err;
	const char *text; // %s: the topic
} all_words[] = {
	{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
	 "topic %s is not there: create it, or let the sink do it (create_topics)"},
	{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "topic %s is not there: create it, or let the sink do it (create_topics)"},
	{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "topic %s has lost partitions: it is looked at again"},
	{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NOT_AUTHORISED},
	{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
	 NOT_AUTHORISED}, // whoever may write to no topic has no numbers
	{RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "%s can be no topic's name"},
	{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
	 "topic %s: fewer replicas are in sync than min.insync.replicas asks for: bring their brokers back"},
	{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
	 "topic %s: fewer replicas are in sync than min.insync.replicas asks for: bring their brokers back"},
	{RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "topic %s: not acknowledged within message.timeout.ms; it is sent again"},
	{RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "topic %s: the broker's policy is against it"},
	{RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, "topic %s: the broker cannot write to its disk"},
};

void sink_kafka_words(const struct sink *k, rd_kafka_resp_err_t err, char out[SINK_TEXT])
{
	for (unsigned i = 0; i < sizeof(all_words) / sizeof(*all_words); i++) {
		if (all_words[i].err == err) {
			snprintf(out, SINK_TEXT, all_words[i].text, k->config->topic);
			return;
		}
	}
	snprintf(out, SINK_TEXT, "topic %.120s: %.120s", k->config->topic, rd_kafka_err2str(err));
}

void sink_kafka_fails(struct sink *k, const char *why)
{
	struct sink_kafka *o = k->own;
	if (!strncmp(o->said, why, sizeof(o->said) - 1))
		return;
	snprintf(o->said, sizeof(o->said), "%s", why);
	sink_fails(k, "%s", why);
}

void sink_kafka_works(struct sink *k)
{
	struct sink_kafka *o = k->own;
	o->said[0] = 0;
	sink_works(k);
}

// The first connection takes its time: TLS, SASL.
static void no_broker(struct sink *k, rd_kafka_resp_err_t err)
{
	char error[KAFKA_WHY], why[SINK_TEXT];
	struct sink_kafka *o = k->own;
	kafka_error(&o->client, error);
	if (!*error && clock_ns(CLOCK_MONOTONIC) - o->opened_ns < FIRST_NS)
		return;
	snprintf(why, sizeof(why), "no broker answers: %.200s", *error ? error : rd_kafka_err2str(err));
	sink_kafka_fails(k, why);
}

// With as many partitions and replicas as the brokers give to one that says nothing of it.
static rd_kafka_resp_err_t make_topic(struct sink *k, const char *name)
{
	struct sink_kafka *o = k->own;
	char text[KAFKA_WHY];
	size_t n = 0;
	rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(name, -1, -1, text, sizeof(text));
	rd_kafka_queue_t *q = rd_kafka_queue_new(o->client.rk);
	if (!t)
		return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
	rd_kafka_CreateTopics(o->client.rk, &t, 1, NULL, q);
	rd_kafka_event_t *e = rd_kafka_queue_poll(q, sink_wait(k, MAKE_MS));
	rd_kafka_resp_err_t err = e ? rd_kafka_event_error(e) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	const rd_kafka_CreateTopics_result_t *r = e ? rd_kafka_event_CreateTopics_result(e) : NULL;
	const rd_kafka_topic_result_t **of = r ? rd_kafka_CreateTopics_result_topics(r, &n) : NULL;
	if (!err && n)
		err = rd_kafka_topic_result_error(of[0]);
	if (e)
		rd_kafka_event_destroy(e);
	rd_kafka_NewTopic_destroy(t);
	rd_kafka_queue_destroy(q);
	return err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? RD_KAFKA_RESP_ERR_NO_ERROR : err;
}

static rd_kafka_resp_err_t ask(struct sink *k, rd_kafka_topic_t *topic, int *partitions, int *leaderless)
{
	const struct sink_kafka *o = k->own;
	const struct rd_kafka_metadata *m;
	const int ms = sink_wait(k, ASK_MS);
	rd_kafka_resp_err_t err = rd_kafka_metadata(o->client.rk, 0, topic, &m, ms);
	if (err)
		return err == RD_KAFKA_RESP_ERR__TIMED_OUT && ms == ASK_MS ? RD_KAFKA_RESP_ERR__TRANSPORT : err;
	*partitions = m->topic_cnt ? m->topics[0].partition_cnt : 0;
	*leaderless = 0;
	for (int i = 0; i < *partitions; i++)
		*leaderless += m->topics[0].partitions[i].leader < 0;
	err = m->topic_cnt ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	rd_kafka_metadata_destroy(m);
	return err;
}

static bool packs_for(struct sink_kafka *o, int partitions)
{
	if (!o->pack_bytes || partitions <= o->npacks)
		return true;
	struct sink_kafka_pack *p = realloc(o->packs, (size_t)partitions * sizeof(*p));
	if (!p)
		return false;
	memset(p + o->npacks, 0, (size_t)(partitions - o->npacks) * sizeof(*p));
	o->packs = p;
	o->npacks = partitions;
	return true;
}

bool sink_kafka_look(struct sink *k)
{
	struct sink_kafka *o = k->own;
	char why[SINK_TEXT];
	int partitions = 0, leaderless = 0;
	bool made = false;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now - o->looked_ns < ASK_NS)
		return false;
	rd_kafka_resp_err_t err = ask(k, o->topic, &partitions, &leaderless);
	if (k->config->create_topics && err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		err = make_topic(k, k->config->topic);
		if (!err && *k->config->errors_topic)
			make_topic(k, k->config->errors_topic);
		made = err == 0; // its leader is there in a moment
	}
	o->looked_ns = clock_ns(CLOCK_MONOTONIC);
	if (made)
		return false;
	if (err == RD_KAFKA_RESP_ERR__TRANSPORT) {
		no_broker(k, err);
	} else if (err == RD_KAFKA_RESP_ERR__TIMED_OUT) {
		return false; // the end has cut the question short: what was wrong before is what is
	} else if (err) {
		sink_kafka_words(k, err, why);
		sink_kafka_fails(k, why);
	} else if (leaderless) {
		snprintf(why, sizeof(why), "topic %.120s: %d of %d partitions have no leader: bring their brokers back",
			 k->config->topic, leaderless, partitions);
		sink_kafka_fails(k, why);
	} else if (!packs_for(o, partitions)) {
		sink_kafka_fails(k, "no memory");
	} else {
		o->partitions = partitions;
		return true;
	}
	return false;
}
