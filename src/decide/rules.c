// SPDX-License-Identifier: BSD-3-Clause
//
// Reads swg_rules from its beginning, for as long as the appliance runs. In: records of its one partition, as
// transactions have committed them; out: a policy in force (rules_apply.c), and word of it (rules_say.c). A thread of
// its own: it waits for Kafka and for Hyperscan, and nobody waits for it.
//
//   last good policy of the history -> connect -> read to the end -> the last commit, if it fits -> live:
//   each commit at its record, machine-written rules as they come
//
// Each message may be anything: what cannot be read is counted, goes to swg_errors, and refuses the version that it
// belongs to. Nothing here ends the thread but rules_stop. Where the broker is away what is in force stays, and its age
// grows; librdkafka reconnects. After AWAY_LONG_S the topic is read anew, for a tombstone that was compacted away
// meanwhile would never come. The partition is assigned, not subscribed to: every appliance reads all of it, and none
// waits for a group to agree.
#include "decide/rules_in.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "live/standing.h"
#include "policy/policy.h"

#define WAIT_MS 100
#define AWAY_S 5               // without an answer Kafka is away
#define AWAY_LONG_S 3600       // well below delete.retention.ms, a day by default
#define AUTOS_NS 200000000     // machine-written rules are gathered for so long where they never end
#define CALM_NS 2000000000ull  // what machines wrote is kept when they are done,
#define KEEP_NS 10000000000ull // or in this time where they never are
#define MERGE_S 2
#define MERGE_NICE 10 // whoever has a rule to bring into force comes first

const char *const rules_states[RULES_STATES] = {"connecting", "reading",  "live",
						"away",       "no topic", "more than one partition"};

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void turn(struct rules *r, enum rules_state state)
{
	pthread_mutex_lock(&r->lock);
	bool news = r->look.state != state;
	r->look.state = state;
	r->look.ended |= state == RULES_LIVE;
	r->look.is_ready |= state == RULES_LIVE || (state == RULES_AWAY && r->look.policy[0]);
	pthread_mutex_unlock(&r->lock);
	if (news)
		log_say(state == RULES_LIVE || state == RULES_READING ? LOG_NOTICE : LOG_WARNING, "rules",
			RULES_TOPIC " %s%s", rules_states[state],
			state == RULES_NO_TOPIC ? ": `sluice ctl policy publish FILE` makes it; or an ACL has to allow "
						  "Describe and Read"
			: state == RULES_PARTITIONS ? ": its records have no order, make one with one"
						    : "");
}

// ---- records -----------------------------------------------------------------------------------------------------

static void loose(struct rules *r, bool on)
{
	if (r->look.uncommitted == on) // this thread's own, but for who looks
		return;
	pthread_mutex_lock(&r->lock);
	r->look.uncommitted = on;
	pthread_mutex_unlock(&r->lock);
}

static void commit(struct rules *r, const rd_kafka_message_t *m)
{
	char why[RULES_WHY];
	struct rules_commit c;
	if (!m->payload)
		return; // nobody's version
	if (!rules_commit_read(m->payload, m->len, &c, why)) {
		rules_say_unread(r, m, why);
		return;
	}
	loose(r, false);
	r->commit = c;
	r->commit_at = m->offset;
	r->minor = 0;
	if (r->look.ended)
		rules_apply_commit(r);
	else
		rules_table_take(r->table); // as it stood at the last commit
}

static void record(struct rules *r, const rd_kafka_message_t *m)
{
	char why[RULES_WHY];
	enum rules_kind kind;
	struct rules_key k;
	r->next = m->offset + 1;
	if (m->key && rules_key_read(m->key, m->key_len, &k, why) && k.kind == RULES_COMMIT) {
		commit(r, m);
		return;
	}
	int rc = rules_table_put(r->table, m->key, m->key_len, m->payload, m->len, &kind, why);
	if (rc < 0)
		rules_say_unread(r, m, why);
	if (rc == 0 && kind != RULES_AUTO)
		loose(r, true);
	if (rc == 0 && kind == RULES_AUTO) {
		r->autos_ns = r->autos ? r->autos_ns : now_ns();
		r->autos = true;
		r->minor = r->commit_at >= 0 ? (uint64_t)(m->offset - r->commit_at) : 0;
	}
}

// ---- the topic ---------------------------------------------------------------------------------------------------

static bool pause_s(struct rules *r, unsigned s)
{
	for (unsigned i = 0; i < s * 10 && !atomic_load(&r->ends); i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	return !atomic_load(&r->ends);
}

// False: the thread is to end.
static bool topic_there(struct rules *r)
{
	uint64_t since = now_ns();
	for (int n; (n = rules_ask_now(r)) != 1;) {
		bool away = now_ns() - since > AWAY_S * 1000000000ull;
		if (n > 1)
			turn(r, RULES_PARTITIONS);
		else if (n == 0)
			turn(r, RULES_NO_TOPIC);
		else if (away)
			turn(r, RULES_AWAY);
		if (!pause_s(r, n < 0 ? 0 : 1))
			return false;
	}
	r->looked = atomic_load(&r->asks);
	return !atomic_load(&r->ends);
}

static void assign(struct rules *r, int64_t from)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, RULES_TOPIC, 0)->offset = from;
	rd_kafka_assign(r->reader.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
}

static void begin(struct rules *r)
{
	struct rules_table *fresh = rules_table_new();
	if (!fresh)
		abort();
	rules_table_free(r->table);
	r->table = fresh;
	r->commit = (struct rules_commit){0};
	r->commit_at = -1;
	r->next = 0;
	r->base = r->autos = false;
	pthread_mutex_lock(&r->lock);
	r->look.ended = r->look.uncommitted = false;
	pthread_mutex_unlock(&r->lock);
	turn(r, RULES_READING);
	assign(r, RD_KAFKA_OFFSET_BEGINNING);
}

static void at_end(struct rules *r)
{
	r->current_ns = now_ns();
	if (!r->look.ended)
		rules_apply_first(r);
	turn(r, RULES_LIVE);
}

// True: what there is was read anew from the beginning.
static bool trouble(struct rules *r, const rd_kafka_message_t *m)
{
	switch (m->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		at_end(r);
		return false;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: // the topic is another one
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		log_say(LOG_WARNING, "rules", "%s: " RULES_TOPIC " is read anew", rd_kafka_message_errstr(m));
		return true;
	default:
		log_say(LOG_INFO, "rules", "%s", rd_kafka_message_errstr(m));
		return false;
	}
}

// Does the broker still answer? The consumer alone does not say that it is gone. False: the topic is to be read anew.
static bool look(struct rules *r, bool idle)
{
	uint64_t away_ns = now_ns() - r->current_ns;
	uint32_t asks = atomic_load(&r->asks);
	if (!idle || asks == r->looked)
		return true;
	int n = atomic_load(&r->partitions);
	r->looked = asks;
	if (n < 0 && away_ns > AWAY_S * 1000000000ull)
		turn(r, RULES_AWAY);
	if (n == 1 && !r->look.ended)
		turn(r, RULES_READING);
	if (n < 0 || (n == 1 && !r->look.ended))
		return true;
	if (n != 1 || away_ns > AWAY_LONG_S * 1000000000ull) {
		log_say(LOG_NOTICE, "rules", RULES_TOPIC " is read anew: %s",
			n == 1 ? "Kafka was away for long" : "it is another topic");
		return false;
	}
	int64_t low, high; // as the last answer to the consumer said
	bool behind = rd_kafka_get_watermark_offsets(r->reader.rk, RULES_TOPIC, 0, &low, &high) ==
			      RD_KAFKA_RESP_ERR_NO_ERROR &&
		      high > r->next && r->look.state != RULES_LIVE;
	if (!behind || away_ns < AWAY_S * 1000000000ull)
		r->current_ns = now_ns();
	turn(r, RULES_LIVE);
	return true;
}

static void serve_asked(struct rules *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->wants_text) {
		size_t len;
		bool has = r->look.ended && (!r->wants_force || rules_apply_is_base(r));
		r->text = has ? rules_table_policy(r->table, r->wants_force, true, &len) : NULL;
		r->wants_text = false;
		pthread_cond_broadcast(&r->has_text);
	}
	pthread_mutex_unlock(&r->lock);
}

// Machine-written records that follow each other come into force together: when no more is there, or in their time.
static void autos(struct rules *r, bool idle)
{
	if (r->autos && r->look.ended && (idle || now_ns() - r->autos_ns > AUTOS_NS))
		rules_apply_autos(r);
	uint64_t now = now_ns();
	if (idle && r->unkept && (now - r->autos_ns > CALM_NS || now - r->unkept_ns > KEEP_NS))
		rules_apply_keep(r);
}

// Until something makes a new beginning necessary.
static void follow(struct rules *r)
{
	uint64_t expired_ns = 0;
	bool good = true;
	begin(r);
	while (good && !atomic_load(&r->ends)) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(r->reader.rk, r->autos && r->look.ended ? 0 : WAIT_MS);
		bool idle = !m;
		if (m && m->err)
			good = !trouble(r, m);
		else if (m)
			record(r, m);
		if (m)
			rd_kafka_message_destroy(m);
		autos(r, idle);
		serve_asked(r);
		if (r->writer.rk)
			rd_kafka_poll(r->writer.rk, 0);
		good = good && look(r, idle);
		if (idle && now_ns() - expired_ns > 1000000000) {
			expired_ns = now_ns();
			rules_table_expire(r->table, clock_ns(CLOCK_REALTIME));
		}
	}
}

static void *reads(void *arg)
{
	struct rules *r = arg;
	pthread_setname_np(pthread_self(), "rules");
	if (r->config.thread)
		r->config.thread();
	rules_apply_last_good(r);
	while (sem_wait(&r->opened) < 0)
		;
	while (!atomic_load(&r->ends) && topic_there(r))
		follow(r);
	if (r->unkept)
		rules_apply_keep(r);
	pthread_mutex_lock(&r->lock);
	r->wants_text = false;
	pthread_cond_broadcast(&r->has_text);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

// Brings small databases together while nobody waits.
static void *merges(void *arg)
{
	struct rules *r = arg;
	pthread_setname_np(pthread_self(), "rules-merge");
	setpriority(PRIO_PROCESS, (id_t)gettid(), MERGE_NICE); // this thread's, not the process's: setpriority(2)
	while (pause_s(r, MERGE_S))
		standing_merge(r->config.standing);
	return NULL;
}

// ---- from outside ------------------------------------------------------------------------------------------------

// The last good policy comes into force while clients are made: nothing of it waits for Kafka.
static bool begins(struct rules *r)
{
	r->table = rules_table_new();
	if (!r->table || pthread_create(&r->thread, NULL, reads, r) != 0)
		r->thread = 0;
	return r->thread;
}

static bool threads(struct rules *r)
{
	if (!rules_ask_start(r) || !rules_keep_start(r))
		return false;
	if (pthread_create(&r->merger, NULL, merges, r) != 0)
		r->merger = 0;
	return true;
}

// What waits for a broker that does not answer waits together: a second.
static void close_all(struct rules *r)
{
	atomic_store(&r->ends, true);
	sem_post(&r->opened);
	if (r->thread)
		pthread_join(r->thread, NULL);
	if (r->merger)
		pthread_join(r->merger, NULL);
	rules_keep_stop(r);
	rules_say_flush(r);
	rules_ask_stop(r);
	kafka_close(&r->writer);
	kafka_close(&r->reader);
	rules_table_free(r->table);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->has_text);
	pthread_cond_destroy(&r->keeps);
	sem_destroy(&r->ask);
	sem_destroy(&r->opened);
	free(r);
}

struct rules *rules_start(const struct rules_config *config, char *why, size_t size)
{
	static const char *const set[][2] = {
		{"auto.offset.reset", "error"}, {"group.id", "sluice-rules"}, {NULL, NULL}};
	struct rules *r = calloc(1, sizeof(*r));
	char text[KAFKA_WHY] = "no memory";
	if (!r)
		return NULL;
	r->config = *config;
	r->current_ns = now_ns();
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->has_text, NULL);
	pthread_cond_init(&r->keeps, NULL);
	sem_init(&r->ask, 0, 0);
	sem_init(&r->opened, 0, 0);
	const struct kafka_wish wish = {
		.config = config->kafka, .role = KAFKA_RULES, .node = config->node, .name = "rules", .set = set};
	if (begins(r) && kafka_open(&r->reader, &wish, text) == 0 && rules_say_open(r, text) &&
	    rd_kafka_poll_set_consumer(r->reader.rk) == RD_KAFKA_RESP_ERR_NO_ERROR && threads(r)) {
		sem_post(&r->opened);
		return r;
	}
	snprintf(why, size, "%s", text);
	close_all(r);
	return NULL;
}

void rules_stop(struct rules *r)
{
	if (r)
		close_all(r);
}

void rules_look(struct rules *r, struct rules_look *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->look;
	pthread_mutex_unlock(&r->lock);
	const struct standing_view *v = standing_look(r->config.standing);
	out->replaced = v && out->policy[0] && strcmp(v->policy->hash, out->policy) != 0;
	out->last_good &= !out->replaced;
	standing_let_go(r->config.standing);
	out->age_ms = (now_ns() - __atomic_load_n(&r->current_ns, __ATOMIC_RELAXED)) / 1000000;
}

bool rules_machines(struct rules *r, char version[48])
{
	struct rules_look l;
	rules_look(r, &l);
	snprintf(version, 48, "%" PRIu64 ".%" PRIu64, l.version, l.minor);
	return l.minor && !l.replaced;
}

char *rules_policy(struct rules *r, bool force, size_t *len)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	pthread_mutex_lock(&r->lock);
	r->wants_text = true;
	r->wants_force = force;
	while (r->wants_text && pthread_cond_timedwait(&r->has_text, &r->lock, &until) == 0)
		;
	char *text = r->text;
	r->text = NULL;
	r->wants_text = false;
	pthread_mutex_unlock(&r->lock);
	*len = text ? strlen(text) : 0;
	return text;
}
