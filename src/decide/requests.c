// SPDX-License-Identifier: BSD-3-Clause
//
// The decider: a worker to which no packet comes. Requests come in over Kafka (swg_requests), each is judged by the
// policy in force as its packets would be (judge_ask.c), and a decision goes out (swg_decisions) by its id, with the
// headers that came with it; each is a record, too. One thread; it takes a policy between two requests, by the same
// pointer as the workers do, so that no request is judged by a mix of two.
//
//   consumer -> request_read -> seen before? -> judge_ask -> decision -> producer -> delivered -> commit
//
// A request is done when the broker has its answer, and not before: what happens between the two is said again, marked
// (requests_share.c). What has no id cannot be answered and goes to swg_errors. Past its deadline nobody waits for an
// answer, and none is sent.
//
// One thread is enough: 20,000 requests a second take a tenth of a core here, and more in librdkafka's threads.
// Rejected: a thread for the producer's polls, for whom each decision would cross a ring and a wake-up (40 µs at the
// median).
#include "decide/requests_in.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "decide/answered.h"
#include "decide/decision.h"
#include "decide/request.h"
#include "decide/unread.h"
#include "path/judge_facts.h"
#include "path/limit.h"
#include "path/path.h"

#define ROOM "decide"
#define BATCH 256
#define WAIT_MS 10  // for a request; a policy that comes waits as long
#define LATE_MS 200 // for a thread that should have ended
#define ARENA (256 * 1024)

const char *const requests_count_names[REQUESTS_COUNTED] = {
#define X(symbol, name, help) name,
	REQUESTS_COUNTS(X)
#undef X
};
const char *const requests_count_help[REQUESTS_COUNTED] = {
#define X(symbol, name, help) help,
	REQUESTS_COUNTS(X)
#undef X
};

void requests_policy(struct requests *r)
{
	struct publish *p = r->config.publish;
	const struct published *now = atomic_load_explicit(&p->now, memory_order_acquire);
	if (now != r->seen) {
		publish_take(p, &r->w);
		r->seen = now;
	}
	while (!publish_step(p, &r->w, 64)) // it has no flows: at once
		;
}

unsigned requests_within(const struct requests *r, unsigned most_ms)
{
	if (!atomic_load(&r->stop))
		return most_ms;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left = r->until_ns > now ? (r->until_ns - now) / 2000000 : 0;
	return left < most_ms ? (unsigned)left : most_ms;
}

// ---- one request -------------------------------------------------------------------------------------------------

struct taking {
	struct requests *r;
	rd_kafka_message_t *m;
	struct progress *p;
	uint64_t token;
	bool again; // may have been answered before, elsewhere
};

static rd_kafka_headers_t *headers_of(const struct taking *t)
{
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_message_detach_headers(t->m, &headers);
	return headers;
}

static void answer(const struct taking *t, const struct answered_said *said)
{
	struct requests *r = t->r;
	char text[DECISION_MAX + 4096];
	struct http_span id = r->request->ask.id;
	size_t len = decision_write(text, sizeof(text), id, said->text, said->len, said->elapsed_us, t->again);
	if (t->again)
		requests_counts(r, REQUESTS_AGAIN);
	requests_send(r, r->config.decisions, t->token, id.p, id.len, text, len, headers_of(t));
}

static const struct policy_names *names_of(const struct requests *r, const struct asked *a)
{
	return a->policy ? r->config.names[a->policy - 1] : NULL;
}

// What is said of a verdict, and remembered by the id.
static void decide(const struct taking *t, const struct asked *a, const char *why, const uint64_t id[2])
{
	struct requests *r = t->r;
	char words[DECISION_MAX];
	size_t len = decision_words(words, sizeof(words), a, names_of(r, a), r->config.node, why);
	struct answered_said said = {words, (uint32_t)len, (uint32_t)((clock_ns(CLOCK_MONOTONIC) - r->now_ns) / 1000)};
	answered_put(r->answered, id, r->request->content[0], r->now_ns, &said);
	answer(t, &said);
}

static void judge(const struct taking *t, const uint64_t id[2])
{
	struct requests *r = t->r;
	struct asked a;
	r->w.now_ns = r->wall_ns;
	judge_ask(&r->w, &r->request->ask, &a);
	requests_counts(r, a.denied ? REQUESTS_DENY : REQUESTS_ALLOW);
	decide(t, &a, "it cannot be read", id);
}

static void malformed(const struct taking *t, const uint64_t id[2])
{
	struct requests *r = t->r;
	struct asked a;
	requests_counts(r, REQUESTS_MALFORMED);
	r->w.now_ns = r->wall_ns;
	judge_ask_unread(&r->w, &r->request->ask, r->request->why, &a);
	decide(t, &a, r->request->why, id);
}

static void unreadable(const struct taking *t)
{
	struct requests *r = t->r;
	const rd_kafka_message_t *m = t->m;
	const char *topic = rd_kafka_topic_name(m->rkt);
	char text[UNREAD_MAX];
	requests_counts(r, REQUESTS_UNREADABLE);
	size_t len = unread_write(text, &(struct unread){.topic = topic,
							 .partition = m->partition,
							 .offset = m->offset,
							 .time_ms = rd_kafka_message_timestamp(m, NULL),
							 .why = r->request->why,
							 .node = r->config.node,
							 .p = m->payload,
							 .len = m->len});
	requests_send(r, r->config.errors, t->token, topic, strlen(topic), text, len, headers_of(t));
}

// It is known whose id it is.
static void identified(struct taking *t, bool good, const uint64_t id[2])
{
	struct requests *r = t->r;
	struct answered_said said;
	enum answered_what what = answered_find(r->answered, id, r->request->content[0], r->now_ns, &said);
	if (what == ANSWERED_SO && !t->again) {
		requests_counts(r, REQUESTS_REPEATED);
		answer(t, &said);
		return;
	}
	if (what == ANSWERED_OTHER)
		requests_counts(r, REQUESTS_REUSED);
	t->again |= what == ANSWERED_ELSEWHERE;
	if (good)
		judge(t, id);
	else
		malformed(t, id);
}

static void remember(struct requests *r, const rd_kafka_message_t *m, const uint64_t id[2])
{
	int64_t ms = rd_kafka_message_timestamp(m, NULL);
	uint64_t age_ns = r->wall_ns - (uint64_t)ms * 1000000;
	requests_counts(r, REQUESTS_REREAD);
	if (ms >= 0 && (int64_t)age_ns < (int64_t)r->config.dedupe_ns)
		answered_put(r->answered, id, r->request->content[0], r->now_ns, NULL);
}

// When nobody waits for the answer any more; 0: never.
static uint64_t deadline(const struct requests *r, const rd_kafka_message_t *m)
{
	int64_t ms = rd_kafka_message_timestamp(m, NULL);
	return r->request->deadline_ms && ms >= 0 ? (uint64_t)ms + r->request->deadline_ms : 0;
}

// Waits for room, which comes as decisions are delivered. False: it is not ours any more, or it is time to end.
static bool place(struct taking *t, uint64_t deadline_ms)
{
	struct requests *r = t->r;
	while (!atomic_load(&r->stop)) {
		t->token = r->unsent_bytes > REQUESTS_UNSENT
				   ? 0
				   : progress_take(t->p, (unsigned)t->p->partition, t->m->offset, deadline_ms,
						   clock_ns(CLOCK_MONOTONIC));
		if (t->token)
			return true;
		requests_policy(r);
		requests_send_poll(r, WAIT_MS);
	}
	return false;
}

static void take(struct requests *r, rd_kafka_message_t *m)
{
	struct taking t = {.r = r, .m = m, .p = r->partitions[m->partition % REQUESTS_PARTITIONS]};
	uint64_t id[2];
	if (!t.p || !t.p->owned || t.p->partition != m->partition || atomic_load(&r->stop))
		return;
	bool good = request_read(r->request, m->payload, m->payload ? m->len : 0, r->key) == 0;
	struct http_span name = r->request->ask.id;
	request_hash(r->key, name.p, name.len, id);
	if (m->offset < t.p->known_below) {
		if (name.len)
			remember(r, m, id);
		return;
	}
	uint64_t until = deadline(r, m);
	if (!place(&t, until))
		return;
	t.again = m->offset < t.p->again_below;
	if (until && r->wall_ns / 1000000 > until) {
		requests_counts(r, REQUESTS_LATE);
		progress_done(t.p, t.token);
	} else if (!name.len) {
		unreadable(&t);
	} else {
		identified(&t, good, id);
	}
}

// ---- the thread --------------------------------------------------------------------------------------------------

static void unheard(struct requests *r, rd_kafka_resp_err_t err, const char *why)
{
	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		atomic_store(&r->topicless, true); // until partitions come
	log_say(LOG_WARNING, ROOM, "%s: %s", r->config.requests, why);
	kafka_note(&r->reader, why);
}

static void heard(struct requests *r, rd_kafka_message_t *m)
{
	r->now_ns = clock_ns(CLOCK_MONOTONIC);
	r->wall_ns = clock_ns(CLOCK_REALTIME);
	if (!m->err)
		take(r, m);
	else if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		unheard(r, m->err, rd_kafka_message_errstr(m));
	rd_kafka_message_destroy(m);
}

// The first that comes, and what is there behind it.
static void turn(struct requests *r)
{
	rd_kafka_message_t *list[BATCH];
	requests_policy(r);
	rd_kafka_message_t *m = rd_kafka_consumer_poll(r->reader.rk, WAIT_MS);
	requests_policy(r); // it may have waited
	if (m) {
		heard(r, m);
		ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, list, BATCH);
		for (ssize_t i = 0; i < n; i++)
			heard(r, list[i]);
	}
	requests_send_poll(r, 0);
	r->now_ns = clock_ns(CLOCK_MONOTONIC);
	atomic_store_explicit(&r->remembered, answered_count(r->answered), memory_order_relaxed);
	requests_share_commit(r, false);
}

static void between(void *arg)
{
	requests_policy(arg);
	requests_send_poll(arg, 0);
}

static void *run(void *arg)
{
	struct requests *r = arg;
	prctl(PR_SET_NAME, "decide");
	if (r->begun)
		r->begun();
	requests_send_warm(r);
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed))
		turn(r);
	r->left = kafka_leave(&r->reader, r->until_ns, between, r); // partitions leave, settled
	requests_policy(r);
	return NULL;
}

// ---- life --------------------------------------------------------------------------------------------------------

// As little as a worker can have: nothing but transactions is made here.
static int worker_open(struct requests *r)
{
	r->path = *r->config.path;
	r->path.flows = r->path.streams = r->path.chunks = r->path.apps = r->path.fragments = 64;
	r->path.held = 1;
	r->path.kept_bytes = 0;
	r->path.arena_bytes = ARENA;
	r->path.policy_fields = UINT64_MAX & ~JUDGE_FIRST_FIELDS;
	r->path.copies = false;
	r->path.before = 0;
	r->w.id = (uint16_t)r->config.worker;
	r->limits = r->w.limits = limits_new(r->path.seed);
	return r->limits ? path_init(&r->w, &r->path) : -ENOMEM;
}

static int reader_open(struct requests *r, char why[KAFKA_WHY])
{
	static const char *const set[][2] = {{"partition.assignment.strategy", "cooperative-sticky"}, {NULL, NULL}};
	bool given = pairs_get(r->config.kafka, "partition.assignment.strategy") != NULL;
	const struct kafka_wish wish = {.config = r->config.kafka,
					.role = KAFKA_REQUESTS,
					.node = r->config.node,
					.set = given ? NULL : set,
					.callbacks = requests_share_callbacks,
					.owner = r};
	if (kafka_open(&r->reader, &wish, why) < 0)
		return -EINVAL;
	r->queue = rd_kafka_queue_get_consumer(r->reader.rk);
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, r->config.requests, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(r->reader.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (err)
		snprintf(why, KAFKA_WHY, "%s: %s", r->config.requests, rd_kafka_err2str(err));
	return err ? -EINVAL : 0;
}

struct requests *requests_open(const struct requests_config *config, char why[KAFKA_WHY])
{
	struct requests *r = calloc(1, sizeof(*r));
	snprintf(why, KAFKA_WHY, "no memory");
	if (!r || getrandom(r->key, sizeof(r->key), 0) != sizeof(r->key)) {
		free(r);
		return NULL;
	}
	r->config = *config;
	r->request = calloc(1, sizeof(*r->request));
	r->answered = answered_new(config->dedupe_ids, config->dedupe_ns);
	if (r->request && r->answered && worker_open(r) == 0 && requests_send_open(r, why) == 0 &&
	    reader_open(r, why) == 0)
		return r;
	requests_free(r);
	return NULL;
}

struct record_out *requests_records(struct requests *r)
{
	return r->w.records;
}

int requests_start(struct requests *r, void (*begun)(void))
{
	r->begun = begun;
	int rc = pthread_create(&r->thread, NULL, run, r);
	r->runs = rc == 0;
	return -rc;
}

bool requests_stop(struct requests *r, unsigned within_ms)
{
	if (!r || !r->runs)
		return true;
	r->until_ns = clock_ns(CLOCK_MONOTONIC) + within_ms * 1000000ull;
	atomic_store(&r->stop, true);
	// it may stand in a call of librdkafka's, some of which wait for socket.timeout.ms
	struct timespec until = clock_time(r->until_ns + LATE_MS * 1000000ull);
	r->runs = pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, &until) != 0;
	return !r->runs && r->left;
}

void requests_free(struct requests *r)
{
	if (!r)
		return;
	if (r->writer.rk)
		requests_send_close(r);
	if (r->queue)
		rd_kafka_queue_destroy(r->queue);
	kafka_close(&r->reader);
	for (unsigned i = 0; i < REQUESTS_PARTITIONS; i++)
		free(r->partitions[i]);
	path_fini(&r->w);
	limits_free(r->limits);
	answered_free(r->answered);
	free(r->request);
	free(r);
}

// ---- looking on --------------------------------------------------------------------------------------------------

struct asking {
	const struct requests *r;
	struct requests_look *to;
	bool found;
};

static void client(void *arg, const struct kafka_client *k)
{
	struct asking *a = arg;
	if (k->owner != a->r)
		return;
	uint64_t since = atomic_load(&k->since_ns);
	bool up = atomic_load(&k->up);
	a->to->up = a->found ? a->to->up && up : up;
	a->to->since_ns = since > a->to->since_ns ? since : a->to->since_ns;
	if (*k->error)
		snprintf(a->to->error, sizeof(a->to->error), "%.255s", k->error);
	a->found = true;
}

void requests_look(const struct requests *r, struct requests_look *to)
{
	*to = (struct requests_look){.partitions = atomic_load(&r->owned),
				     .topicless = atomic_load(&r->topicless) && !atomic_load(&r->owned),
				     .open = atomic_load(&r->open),
				     .remembered = atomic_load(&r->remembered),
				     .took_us = atomic_load(&r->took_us),
				     .topics = {r->config.requests, r->config.decisions, r->config.errors}};
	for (unsigned i = 0; i < REQUESTS_COUNTED; i++)
		to->counts[i] = atomic_load_explicit(&r->counts[i], memory_order_relaxed);
	for (unsigned i = 0; i <= REQUESTS_BUCKETS; i++)
		to->took[i] = atomic_load_explicit(&r->took[i], memory_order_relaxed);
	struct asking a = {r, to, false};
	kafka_each(client, &a);
}
