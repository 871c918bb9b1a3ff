// SPDX-License-Identifier: BSD-3-Clause
//
// What became of swg_rules, told in Kafka: each version's fate under the node's name in swg_rules_status, each record
// that cannot be read in swg_errors. On the rules' thread, never waiting: what cannot be queued is said in the log, and
// messages that Kafka does not take in time are dropped by librdkafka (a status is followed by a newer one).
#include "decide/rules_in.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/word.h"
#include "policy/complaints.h"
#include "policy/doc.h"

#define TOLD 100              // on the way to the topic's end, and then in a second
#define SHOWN 1024            // bytes of a record that cannot be read
#define FLUSH_MS 1000         // at the end
#define SAY_NS 10000000000ull // unread records are said in the log so often
#define SECOND_NS 1000000000ull

bool rules_say_open(struct rules *r, char why[KAFKA_WHY])
{
	static const char *const set[][2] = {{"message.timeout.ms", "60000"}, {NULL, NULL}}; // a broker's restart
	const struct kafka_wish wish = {.config = r->config.kafka,
					.role = KAFKA_DECISIONS,
					.node = r->config.node,
					.name = "rules-status",
					.set = set};
	return kafka_open(&r->writer, &wish, why) == 0;
}

void rules_say_flush(struct rules *r)
{
	if (r->writer.rk)
		rd_kafka_flush(r->writer.rk, FLUSH_MS);
}

static void tell(struct rules *r, const char *topic, const char *key, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15)); // 0.1 as it was meant
	json_decref(o);
	if (!text) {
		log_say(LOG_WARNING, "rules", "%s is not told: the words for it are no UTF-8", topic);
		return;
	}
	char why[KAFKA_WHY];
	if (r->writer.rk && rd_kafka_fatal_error(r->writer.rk, why, sizeof(why)))
		kafka_close(&r->writer); // the next may go on: an ACL was given
	if (!r->writer.rk)
		rules_say_open(r, why);
	rd_kafka_resp_err_t err =
		!r->writer.rk
			? RD_KAFKA_RESP_ERR__DESTROY
			: rd_kafka_producev(r->writer.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, strlen(key)),
					    RD_KAFKA_V_VALUE(text, strlen(text)),
					    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	if (err)
		log_say(LOG_WARNING, "rules", "%s is not told: %s: is the topic there, does an ACL allow Write?", topic,
			rd_kafka_err2str(err));
	free(text);
	if (r->writer.rk)
		rd_kafka_poll(r->writer.rk, 0);
}

// "/rules/3/when/host": of which rule, and the way from there.
static json_t *error(const struct rules *r, const struct complaint *k)
{
	unsigned at;
	int n = 0;
	const char *rule =
		sscanf(k->place.pointer, "/rules/%u%n", &at, &n) == 1 ? rules_table_rule(r->table, at) : NULL;
	return json_pack("{s:s?,s:s,s:s}", "rule", rule, "path", rule ? k->place.pointer + n : k->place.pointer,
			 "message", k->text);
}

static double ms(double v)
{
	return round(v * 1000) / 1000;
}

void rules_say_status(struct rules *r, enum rules_became became, const struct rules_sum *sum,
		      const struct complaints *c, const char *why)
{
	json_t *errors = json_array();
	pthread_mutex_lock(&r->lock);
	struct rules_look l = r->look;
	pthread_mutex_unlock(&r->lock);
	for (uint32_t i = 0; c && i < c->n; i++)
		if (!c->list[i].warning)
			json_array_append_new(errors, error(r, &c->list[i]));
	if (why && !json_array_size(errors))
		json_array_append_new(errors, json_pack("{s:n,s:s,s:s}", "rule", "path", "", "message", why));
	json_t *o = json_pack("{s:s,s:I,s:I,s:o,s:o,s:I}", "node", r->config.node, "version",
			      (json_int_t)r->commit.version, "minor", (json_int_t)r->minor, "ok",
			      became == RULES_GOES_ON ? json_null() : json_boolean(became == RULES_STANDS), "errors",
			      errors, "errors_in_all", (json_int_t)(c ? c->nerrors : why != NULL));
	json_object_update_new(o, json_pack("{s:{s:I,s:I,s:s}}", "in_force", "version", (json_int_t)l.version, "minor",
					    (json_int_t)l.minor, "hash", l.hash));
	json_object_update_new(o, json_pack("{s:i,s:i,s:i,s:i,s:f,s:f,s:I}", "rules", (int)sum->rules, "sets",
					    (int)sum->sets, "items", (int)sum->items, "machine_written",
					    (int)sum->autos, "compile_ms", ms(l.compile_ms), "apply_ms", ms(l.apply_ms),
					    "time_ms", (json_int_t)(clock_ns(CLOCK_REALTIME) / 1000000)));
	if (why)
		json_object_set_new(o, "why", json_string(why));
	tell(r, RULES_STATUS, r->config.node, o);
}

// As text where it is UTF-8, its first bytes where it is long.
static json_t *shown(const void *p, size_t len)
{
	const uint8_t *at = p, *end = at + len;
	size_t n = 0;
	while (at && n < len && n < SHOWN) {
		unsigned k = doc_character(at + n, end);
		if (!k)
			break;
		n += k;
	}
	json_t *text = p ? json_stringn(p, n) : json_null();
	return text ? text : json_null();
}

void rules_say_unread(struct rules *r, const rd_kafka_message_t *m, const char *why)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&r->lock);
	r->look.unread++;
	pthread_mutex_unlock(&r->lock);
	if (!r->unread_said_ns || now - r->unread_said_ns > SAY_NS) {
		char key[81];
		snprintf(key, sizeof(key), "%.*s", m->key ? (int)m->key_len : 0, m->key ? (const char *)m->key : "");
		word_cut(key);
		log_say(LOG_WARNING, "rules",
			"a record cannot be read, and goes to " RULES_ERRORS ": offset=%" PRId64 " key=%s: %s; %" PRIu64
			" so far",
			m->offset, key, why, r->look.unread);
		r->unread_said_ns = now;
	}
	if (r->look.ended && now - r->told_ns > SECOND_NS) {
		r->told_ns = now;
		r->told = 0;
	}
	if (r->told++ >= TOLD) // at the start most were told when they came; later somebody writes nothing else
		return;
	tell(r, RULES_ERRORS, RULES_TOPIC,
	     json_pack("{s:s,s:i,s:I,s:s,s:o,s:o,s:I,s:s}", "topic", RULES_TOPIC, "partition", (int)m->partition,
		       "offset", (json_int_t)m->offset, "why", why, "key", shown(m->key, m->key_len), "value",
		       shown(m->payload, m->len), "bytes", (json_int_t)m->len, "node", r->config.node));
}
