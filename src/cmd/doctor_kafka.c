// SPDX-License-Identifier: BSD-3-Clause
//
// Kafka, as the doctor sees it: does a broker answer within ANSWER_MS, does it take us for who we are, and is each
// topic there that the configuration names. Whether a topic may be written to is only known by writing to it: that is
// said, not tried.
#include "doctor.h"

#ifdef HAVE_KAFKA
#include <string.h>

#include "decide/rules_in.h"
#include "remote/kafka.h"

#define CHECK "kafka"
#define ANSWER_MS 5000

// k NULL: nobody to ask. acl: what we do there.
static void topic(struct doctor *d, struct kafka_client *k, const char *name, bool made, const char *who,
		  const char *acl)
{
	const struct rd_kafka_metadata *m = NULL;
	char fix[192] = "";
	if (!k && *name)
		doctor_say(d, DOCTOR_WARN, CHECK, false, "", "%s: topic %s: not looked at", who, name);
	rd_kafka_topic_t *t = k && *name ? rd_kafka_topic_new(k->rk, name, NULL) : NULL;
	if (!t)
		return;
	rd_kafka_resp_err_t err = rd_kafka_metadata(k->rk, 0, t, &m, ANSWER_MS);
	const struct rd_kafka_metadata_topic *found = err || !m->topic_cnt ? NULL : &m->topics[0];
	err = found ? found->err : err;
	bool gone = err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (gone && !made)
		snprintf(fix, sizeof(fix), "kafka-topics.sh --bootstrap-server %.50s --create --topic %.80s",
			 kafka_brokers(&d->config.kafka.pairs), name);
	if (gone && !strcmp(name, RULES_TOPIC)) // compacted, one partition
		snprintf(fix, sizeof(fix), "sluice ctl policy publish FILE");
	unsigned leaderless = 0;
	bool many = found && found->partition_cnt > 1 && !strcmp(name, RULES_TOPIC);
	for (int i = 0; found && i < found->partition_cnt; i++)
		leaderless += found->partitions[i].leader < 0;
	if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		doctor_say(d, DOCTOR_BAD, CHECK, false, "", "%s: topic %s: an ACL has to allow Describe and %s", who,
			   name, acl);
	else if (err)
		doctor_say(d, gone && made ? DOCTOR_WARN : DOCTOR_BAD, CHECK, false, fix, "%s: topic %s: %s%s", who,
			   name, gone ? "is not there" : rd_kafka_err2str(err),
			   gone && made ? ", is made at start" : "");
	else
		doctor_say(d, leaderless || many ? DOCTOR_BAD : DOCTOR_OK, CHECK, false, "",
			   "%s: topic %s has %d partition%s%s", who, name, found->partition_cnt,
			   found->partition_cnt == 1 ? "" : "s",
			   many         ? ": its records have no order, make one with one"
			   : leaderless ? ", not all with a leader: bring their brokers back"
					: "");
	if (m)
		rd_kafka_metadata_destroy(m);
	rd_kafka_topic_destroy(t);
}

static bool answers(struct doctor *d, struct kafka_client *k)
{
	const struct rd_kafka_metadata *m;
	char error[KAFKA_WHY];
	rd_kafka_resp_err_t err = rd_kafka_metadata(k->rk, 0, NULL, &m, ANSWER_MS);
	const char *at = kafka_brokers(&d->config.kafka.pairs);
	if (err) {
		rd_kafka_poll(k->rk, 0); // what went wrong is told there
		kafka_error(k, error);
		doctor_say(d, DOCTOR_BAD, CHECK, false, "", "%.80s: no broker answers within %u s: %.400s", at,
			   ANSWER_MS / 1000, *error ? error : rd_kafka_err2str(err));
		return false;
	}
	doctor_say(d, DOCTOR_OK, CHECK, false, "", "%.80s: %d broker%s, connected as the configuration says", at,
		   m->broker_cnt, m->broker_cnt == 1 ? "" : "s");
	rd_kafka_metadata_destroy(m);
	return true;
}

void doctor_kafka(struct doctor *d)
{
	struct kafka_client k;
	char why[KAFKA_WHY] = "";
	if (d->config.kafka.pairs.n == 0)
		return;
	const struct kafka_wish w = {.config = &d->config.kafka.pairs, .role = KAFKA_LOOK, .node = d->config.node};
	if (kafka_open(&k, &w, why) < 0) {
		doctor_say(d, DOCTOR_BAD, CHECK, false, "", "%s", why);
		return;
	}
	bool answer = answers(d, &k);
	for (unsigned i = 0; i < d->config.nsinks; i++) {
		const struct sink_config *s = &d->config.sinks[i];
		if (s->type != SINK_KAFKA)
			continue;
		topic(d, answer ? &k : NULL, s->topic, s->create_topics, s->name, "Write");
		topic(d, answer ? &k : NULL, s->errors_topic, s->create_topics, s->name, "Write");
	}
	const struct config_decide *a = &d->config.decide;
	const char *const asked[][2] = {{a->requests, "Read"}, {a->decisions, "Write"}, {a->errors, "Write"}};
	for (unsigned i = 0; a->enabled && i < 3; i++)
		topic(d, answer ? &k : NULL, asked[i][0], false, "decide", asked[i][1]);
	if (d->config.policy.kafka)
		for (unsigned i = 0; i < 2; i++)
			topic(d, answer ? &k : NULL, i ? RULES_STATUS : RULES_TOPIC, false, "policy",
			      i ? "Write" : "Read");
	kafka_close(&k);
}
#else
void doctor_kafka(struct doctor *d) {}
#endif
