// SPDX-License-Identifier: BSD-3-Clause
//
// Decisions leave. In: messages with the place of their request; out: Kafka, and the word that the broker has them, by
// which the request is done (progress.c). What the broker does not take is kept and sent again, later and later, until
// its deadline is past; one that has none is sent until it is taken, for who asked may still wait. The producer is
// idempotent: an error that is fatal for it makes a new one, to which all that is open is given again.
//
// Decider's thread, which alone polls the producer. Memory is taken for what failed, and for nothing else.
#include "decide/requests_in.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define ROOM "decide"
#define BACK_OFF_MIN_NS 100000000ull
#define BACK_OFF_MAX_NS 5000000000ull
#define ANEW_MIN_NS 200000000ull
#define ANEW_MAX_NS 10000000000ull
#define WARM_MS 10
#define WARM_TRIES 10

static void count_time(struct requests *r, uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned n = 0;
	while (n < REQUESTS_BUCKETS && us >= 16ull << n)
		n++;
	atomic_store_explicit(&r->took[n], r->took[n] + 1, memory_order_relaxed);
	atomic_store_explicit(&r->took_us, r->took_us + us, memory_order_relaxed);
}

static void unsent_free(struct requests *r, struct unsent *u)
{
	r->unsent_bytes -= u->bytes;
	if (u->headers)
		rd_kafka_headers_destroy(u->headers);
	free(u->topic);
	free(u->key);
	free(u->value);
	free(u);
}

static void *room(size_t len)
{
	void *to = malloc(len + 1);
	if (!to)
		abort();
	return to;
}

static void *copy(const void *p, size_t len)
{
	return len ? memcpy(room(len), p, len) : room(0);
}

static size_t headers_len(const rd_kafka_headers_t *headers)
{
	const char *name;
	const void *value;
	size_t n = 0, len;
	for (size_t i = 0; headers && !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
		n += strlen(name) + len + 64;
	return n;
}

// It will be sent again. Takes the headers.
static void keep(struct requests *r, const char *topic, uint64_t token, const void *key, size_t key_len,
		 const void *value, size_t value_len, rd_kafka_headers_t *headers)
{
	struct unsent *u = room(sizeof(*u));
	*u = (struct unsent){.token = token,
			     .topic = copy(topic, strlen(topic) + 1),
			     .key = copy(key, key_len),
			     .value = copy(value, value_len),
			     .key_len = key_len,
			     .value_len = value_len,
			     .headers = headers};
	u->bytes = sizeof(*u) + key_len + value_len + headers_len(headers);
	r->unsent_bytes += u->bytes;
	if (!r->unsent) {
		r->unsent_end = &r->unsent;
		r->back_off_ns = r->back_off_ns ? r->back_off_ns * 2 : BACK_OFF_MIN_NS;
		r->back_off_ns = r->back_off_ns > BACK_OFF_MAX_NS ? BACK_OFF_MAX_NS : r->back_off_ns;
		// between a half and the whole of it, so that instances do not come together
		r->unsent_at_ns =
			clock_ns(CLOCK_MONOTONIC) + r->back_off_ns / 2 + (uint64_t)random() % (r->back_off_ns / 2);
	}
	*r->unsent_end = u;
	r->unsent_end = &u->next;
}

// NULL: it is not ours any more, and who has it now answers.
static struct progress_open *open_of(struct requests *r, uint64_t token)
{
	struct progress *p = r->partitions[progress_index(token)];
	return p ? progress_at(p, token) : NULL;
}

static void done(struct requests *r, uint64_t token)
{
	progress_done(r->partitions[progress_index(token)], token);
}

static bool past(const struct progress_open *o)
{
	return o->deadline_ms && clock_ns(CLOCK_REALTIME) / 1000000 > o->deadline_ms;
}

// However often it is sent, it is too large: the answer goes without what came with the request. (Forever sent again,
// it would hold up its partition.)
static void too_large(struct requests *r, const char *topic, uint64_t token, const void *key, size_t key_len,
		      const void *value, size_t value_len, const rd_kafka_headers_t *headers)
{
	log_say(LOG_WARNING, ROOM, "%s: a message of %zu bytes, and %zu of headers, is too large: %s", topic, value_len,
		headers_len(headers), headers ? "sent without them" : "it is given up");
	requests_counts(r, headers ? REQUESTS_BARE : REQUESTS_LOST);
	if (headers)
		keep(r, topic, token, key, key_len, value, value_len, NULL);
	else
		done(r, token);
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct requests *r = ((struct kafka_client *)opaque)->owner;
	uint64_t token = (uint64_t)(uintptr_t)m->_private;
	struct progress_open *o = open_of(r, token);
	rd_kafka_headers_t *headers = NULL;
	r->flying--;
	if (!o)
		return;
	if (!m->err) {
		r->back_off_ns = r->anew_pause_ns = 0;
		count_time(r, clock_ns(CLOCK_MONOTONIC) - o->taken_ns);
		done(r, token);
		return;
	}
	if (past(o)) {
		requests_counts(r, REQUESTS_LOST);
		done(r, token);
		return;
	}
	rd_kafka_message_headers(m, &headers);
	if (m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
		too_large(r, rd_kafka_topic_name(m->rkt), token, m->key, m->key_len, m->payload, m->len, headers);
		return;
	}
	if (m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && m->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT && !r->unsent)
		log_say(LOG_WARNING, ROOM, "a decision was not taken by the broker, and is sent again: %s",
			rd_kafka_err2str(m->err));
	keep(r, rd_kafka_topic_name(m->rkt), token, m->key, m->key_len, m->payload, m->len,
	     headers ? rd_kafka_headers_copy(headers) : NULL);
}

static rd_kafka_resp_err_t produce(struct requests *r, const char *topic, uint64_t token, const void *key,
				   size_t key_len, const void *value, size_t value_len, rd_kafka_headers_t *headers)
{
	void *opaque = (void *)(uintptr_t)token;
	if (!r->writer.rk)
		return RD_KAFKA_RESP_ERR__DESTROY;
	if (headers)
		return rd_kafka_producev(r->writer.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_len),
					 RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
					 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(opaque),
					 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	return rd_kafka_producev(r->writer.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_len),
				 RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
}

void requests_send(struct requests *r, const char *topic, uint64_t token, const void *key, size_t key_len,
		   const void *value, size_t value_len, rd_kafka_headers_t *headers)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__QUEUE_FULL;
	for (unsigned i = 0; i < 100 && err == RD_KAFKA_RESP_ERR__QUEUE_FULL && !atomic_load(&r->stop); i++) {
		err = produce(r, topic, token, key, key_len, value, value_len, headers);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(r->writer.rk, 10);
		requests_policy(r);
	}
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		r->flying++;
	} else if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
		too_large(r, topic, token, key, key_len, value, value_len, headers);
		if (headers)
			rd_kafka_headers_destroy(headers);
	} else
		keep(r, topic, token, key, key_len, value, value_len, headers);
}

// Those that came later wait for the next turn.
static void send_again(struct requests *r)
{
	struct unsent *list = r->unsent;
	r->unsent = NULL;
	while (list) {
		struct unsent *u = list;
		struct progress_open *o = open_of(r, u->token);
		list = u->next;
		if (o && past(o)) {
			requests_counts(r, REQUESTS_LOST);
			done(r, u->token);
		} else if (o) {
			requests_counts(r, REQUESTS_RETRIED);
			requests_send(r, u->topic, u->token, u->key, u->key_len, u->value, u->value_len, u->headers);
			u->headers = NULL;
		}
		unsent_free(r, u);
	}
}

// ---- the producer ------------------------------------------------------------------------------------------------

static void callbacks(rd_kafka_conf_t *c)
{
	rd_kafka_conf_set_dr_msg_cb(c, delivered);
}

int requests_send_open(struct requests *r, char why[KAFKA_WHY])
{
	const struct kafka_wish wish = {.config = r->config.kafka,
					.role = KAFKA_DECISIONS,
					.node = r->config.node,
					.callbacks = callbacks,
					.owner = r};
	return kafka_open(&r->writer, &wish, why);
}

// A connection is there, and it is known where the topics are, before the first decision has to go (it took 0.3 s). A
// policy that comes meanwhile waits for one answer, WARM_MS at most: with a silent broker it waited for all.
void requests_send_warm(struct requests *r)
{
	const char *topics[] = {r->config.decisions, r->config.errors};
	for (unsigned i = 0; i < 2 && r->writer.rk; i++) {
		const struct rd_kafka_metadata *m;
		rd_kafka_topic_t *t = rd_kafka_topic_new(r->writer.rk, topics[i], NULL);
		bool there = false;
		for (unsigned n = 0; t && n < WARM_TRIES && !there; n++) {
			requests_policy(r);
			there = rd_kafka_metadata(r->writer.rk, 0, t, &m, WARM_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
		}
		if (there)
			rd_kafka_metadata_destroy(m);
		if (t)
			rd_kafka_topic_destroy(t);
	}
}

// All that it has comes back as not delivered, and is kept. Again only after a pause: an ACL is not there the sooner
// for 35 handshakes a second.
static void give_up(struct requests *r)
{
	char why[KAFKA_WHY], text[KAFKA_WHY] = "";
	if (r->writer.rk) {
		bool acl = rd_kafka_fatal_error(r->writer.rk, text, sizeof(text)) ==
			   RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
		log_say(LOG_WARNING, ROOM, "the producer of decisions cannot go on, another takes its place: %s%s",
			text, acl ? ": an ACL has to allow Describe and Write on the topic of decisions" : "");
		rd_kafka_purge(r->writer.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		while (r->flying) // each comes back, here without the broker
			rd_kafka_poll(r->writer.rk, 10);
		kafka_close(&r->writer);
	}
	if (requests_send_open(r, why) < 0)
		log_say(LOG_ERROR, ROOM, "no producer: %s",
			why); // as at start, where it could: no memory, or no threads
	r->anew_pause_ns = r->anew_pause_ns ? r->anew_pause_ns * 2 : ANEW_MIN_NS;
	r->anew_pause_ns = r->anew_pause_ns > ANEW_MAX_NS ? ANEW_MAX_NS : r->anew_pause_ns;
	r->anew_ns = clock_ns(CLOCK_MONOTONIC) + r->anew_pause_ns;
}

void requests_send_poll(struct requests *r, int wait_ms)
{
	char text[8];
	if (r->writer.rk)
		rd_kafka_poll(r->writer.rk, wait_ms);
	else
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	if ((!r->writer.rk || rd_kafka_fatal_error(r->writer.rk, text, sizeof(text))) &&
	    clock_ns(CLOCK_MONOTONIC) >= r->anew_ns)
		give_up(r);
	if (r->unsent && clock_ns(CLOCK_MONOTONIC) >= r->unsent_at_ns)
		send_again(r);
}

void requests_send_settle(struct requests *r, unsigned within_ms)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + within_ms * 1000000ull;
	while ((r->flying || r->unsent) && clock_ns(CLOCK_MONOTONIC) < until) {
		requests_policy(r);
		requests_send_poll(r, 10);
	}
}

void requests_send_close(struct requests *r)
{
	while (r->unsent) {
		struct unsent *u = r->unsent;
		r->unsent = u->next;
		unsent_free(r, u);
	}
	kafka_close(&r->writer);
}
