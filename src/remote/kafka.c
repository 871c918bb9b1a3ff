// SPDX-License-Identifier: BSD-3-Clause
//
// Opening a client: the configuration's properties, then the role's (kafka_keys.c), then the caller's own, each by
// rd_kafka_conf_set with librdkafka's words where it refuses. What librdkafka says while it lives goes to the log, room
// kafka, at most LINES in PERIOD: a broker that is away makes it speak several times a second. Its statistics become
// plain counters that any thread reads.
//
// Rejected: librdkafka's main queue for log lines (log.queue): a client that is not polled, because its sink waits,
// would be silent just then.
#include "remote/kafka.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "remote/kafka_token.h"

#define ROOM "kafka"
#define LINES 10
#define PERIOD_NS 10000000000ull

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // the list, and what clients say in words
static struct kafka_client *clients;

// ---- what it says ------------------------------------------------------------------------------------------------

// True: this line may be said. Lines that were not are said by number.
static bool within_bounds(void)
{
	static uint64_t begins;
	static unsigned said, kept_back;
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&own);
	unsigned was = 0;
	if (now - begins >= PERIOD_NS) {
		was = kept_back;
		begins = now;
		said = kept_back = 0;
	}
	bool may = said < LINES;
	said += may;
	kept_back += !may;
	pthread_mutex_unlock(&own);
	if (was)
		log_say(LOG_NOTICE, ROOM, "%u more lines of librdkafka were not said", was);
	return may;
}

// Levels are syslog's.
static void logged(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	static const enum log_level levels[8] = {LOG_ERROR,   LOG_ERROR,  LOG_ERROR, LOG_WARNING,
						 LOG_WARNING, LOG_NOTICE, LOG_INFO,  LOG_DEBUG};
	enum log_level l = levels[level & 7];
	const struct kafka_client *k = rk ? rd_kafka_opaque(rk) : NULL;
	if (log_wants(l, ROOM) && (l == LOG_DEBUG || within_bounds()))
		log_say(l, ROOM, "%s: %s: %s", k ? k->name : "client", facility, text);
}

static void silent(const rd_kafka_t *rk, int level, const char *facility, const char *text) {}

void kafka_turned(struct kafka_client *k, bool up)
{
	if (atomic_exchange(&k->up, up) == up && k->since_ns)
		return;
	atomic_store(&k->since_ns, clock_ns(CLOCK_REALTIME));
	if (up)
		log_say(LOG_NOTICE, ROOM, "%s: connected", k->name);
	else
		log_say(LOG_WARNING, ROOM, "%s: no broker can be reached: %s", k->name, k->error);
}

static void failed(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct kafka_client *k = opaque;
	pthread_mutex_lock(&lock);
	if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*k->error) {
		const char *counts = strstr(reason, " (after "); // how long, how often: other each time
		snprintf(k->error, sizeof(k->error), "%.*s", counts ? (int)(counts - reason) : (int)strlen(reason),
			 reason);
	}
	pthread_mutex_unlock(&lock);
	atomic_fetch_add(&k->errors, 1);
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		kafka_turned(k, false);
	else if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL)
		logged(rk, 3, "FAIL", reason);
}

// ---- what it counts ----------------------------------------------------------------------------------------------

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));
	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t behind(const json_t *topics)
{
	uint64_t lag = 0;
	const char *name, *id;
	json_t *t, *p;
	json_object_foreach((json_t *)(uintptr_t)topics, name, t)
		json_object_foreach(json_object_get(t, "partitions"), id, p)
			lag += number(p, "consumer_lag");
	return lag;
}

static int counted(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	struct kafka_client *k = opaque;
	json_t *o = json_loadb(json, len, 0, NULL), *b;
	const char *name;
	uint64_t up = 0, rtt = 0;
	json_object_foreach(json_object_get(o, "brokers"), name, b) {
		const char *state = json_string_value(json_object_get(b, "state"));
		const char *source = json_string_value(json_object_get(b, "source"));
		uint64_t own = number(json_object_get(b, "rtt"), "avg");
		up += state && !strcmp(state, "UP") &&
		      !(source && !strcmp(source, "logical")); // a group's is one of the others
		rtt = own > rtt ? own : rtt;
	}
	const struct {
		_Atomic uint64_t *to;
		const char *key;
	} all[] = {{&k->queued, "msg_cnt"},    {&k->queued_bytes, "msg_size"}, {&k->tx_messages, "txmsgs"},
		   {&k->tx_bytes, "tx_bytes"}, {&k->rx_messages, "rxmsgs"},    {&k->rx_bytes, "rx_bytes"}};
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		atomic_store(all[i].to, number(o, all[i].key));
	atomic_store(&k->brokers_up, up);
	atomic_store(&k->rtt_us, rtt);
	atomic_store(&k->lag, behind(json_object_get(o, "topics")));
	json_decref(o);
	if (up)
		kafka_turned(k, true);
	return 0;
}

// ---- settings ----------------------------------------------------------------------------------------------------

static bool set(rd_kafka_conf_t *c, const char *name, const char *value, char why[KAFKA_WHY])
{
	char text[KAFKA_WHY] = "";
	if (rd_kafka_conf_set(c, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
		return true;
	text[strcspn(text, "\r\n")] = 0;
	snprintf(why, KAFKA_WHY, "kafka.%.60s: %.400s", name, text);
	return false;
}

static const char *given(const struct pairs *p, const struct kafka_key *k)
{
	const char *v = pairs_get(p, k->name);
	return v || !k->also ? v : pairs_get(p, k->also);
}

static bool from_config(rd_kafka_conf_t *c, const struct pairs *p, enum kafka_role role, char why[KAFKA_WHY])
{
	for (unsigned i = 0; i < p->n; i++) {
		const char *name = pairs_name(p, i);
		if (strncmp(name, KAFKA_TOKEN, strlen(KAFKA_TOKEN)) && kafka_of_role(name, role) &&
		    !set(c, name, pairs_value(p, i), why))
			return false;
	}
	for (unsigned i = 0; i < kafka_key_count; i++) {
		const struct kafka_key *k = &kafka_keys[i];
		if (k->roles >> role & 1 && !given(p, k) && !set(c, k->name, k->value, why))
			return false;
	}
	return true;
}

// MSK with IAM has one way in.
static bool msk(rd_kafka_conf_t *c, const struct pairs *p, char why[KAFKA_WHY])
{
	static const struct kafka_key row[] = {{"security.protocol", NULL, 0, "sasl_ssl", NULL},
					       {"sasl.mechanisms", "sasl.mechanism", 0, "OAUTHBEARER", NULL}};
	for (unsigned i = 0; i < 2; i++) {
		const char *v = given(p, &row[i]);
		if (v && strcasecmp(v, row[i].value)) {
			snprintf(why, KAFKA_WHY, "msk_iam asks for %s=%s, not %s", row[i].name, row[i].value, v);
			return false;
		}
		if (!v && !set(c, row[i].name, row[i].value, why))
			return false;
	}
	rd_kafka_conf_set_oauthbearer_token_refresh_cb(c, kafka_token_refresh);
	rd_kafka_conf_enable_sasl_queue(c, 1);
	return true;
}

static rd_kafka_conf_t *settings(struct kafka_client *k, const struct kafka_wish *w, char why[KAFKA_WHY])
{
	rd_kafka_conf_t *c = rd_kafka_conf_new();
	char id[64] = "sluice";
	const char *lacks;
	k->token = kafka_token_new(w->config, &lacks);
	if (lacks)
		snprintf(why, KAFKA_WHY, "kafka.%s", lacks);
	bool good = !lacks && from_config(c, w->config, w->role, why) && (!k->token || msk(c, w->config, why));
	if (w->node && *w->node)
		snprintf(id, sizeof(id), "sluice-%.50s", w->node);
	if (good && !pairs_get(w->config, "client.id"))
		good = set(c, "client.id", id, why);
	for (unsigned i = 0; good && w->set && w->set[i][0]; i++)
		good = set(c, w->set[i][0], w->set[i][1], why);
	if (!good) {
		rd_kafka_conf_destroy(c);
		return NULL;
	}
	rd_kafka_conf_set_opaque(c, k);
	rd_kafka_conf_set_log_cb(c, logged);
	rd_kafka_conf_set_error_cb(c, failed);
	rd_kafka_conf_set_stats_cb(c, counted);
	if (w->callbacks)
		w->callbacks(c);
	return c;
}

const char *kafka_brokers(const struct pairs *config)
{
	static const struct kafka_key row = {"bootstrap.servers", "metadata.broker.list", 0, NULL, NULL};
	return given(config, &row);
}

// ---- life --------------------------------------------------------------------------------------------------------

static const char *const role_names[KAFKA_ROLES] = {"logs", "decisions", "publish", "rules", "requests", "look"};

static bool reader(enum kafka_role role)
{
	return role == KAFKA_RULES || role == KAFKA_REQUESTS;
}

static int start(struct kafka_client *k, rd_kafka_conf_t *c, char why[KAFKA_WHY])
{
	k->rk = rd_kafka_new(reader(k->role) ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, c, why, KAFKA_WHY);
	if (!k->rk) {
		rd_kafka_conf_destroy(c);
		return -EINVAL;
	}
	if (reader(k->role))
		rd_kafka_poll_set_consumer(k->rk);
	rd_kafka_error_t *e = k->token ? rd_kafka_sasl_background_callbacks_enable(k->rk) : NULL;
	if (!e)
		return 0;
	snprintf(why, KAFKA_WHY, "%s", rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
	rd_kafka_destroy(k->rk);
	k->rk = NULL;
	return -EINVAL;
}

static const struct pairs *own_config;
static const char *own_node;

void kafka_use(const struct pairs *config, const char *node)
{
	own_config = config;
	own_node = node;
}

int kafka_open(struct kafka_client *k, const struct kafka_wish *wish, char why[KAFKA_WHY])
{
	static const struct pairs nothing;
	struct kafka_wish filled = *wish, *w = &filled;
	if (!w->config)
		w->config = own_config ? own_config : &nothing;
	if (!w->node)
		w->node = own_node;
	*k = (struct kafka_client){.owner = w->owner, .role = w->role};
	snprintf(k->name, sizeof(k->name), "%s", w->name ? w->name : role_names[w->role]);
	if (!kafka_brokers(w->config)) {
		snprintf(why, KAFKA_WHY, "kafka.bootstrap.servers is missing: \"host:9092\"");
		return -EINVAL;
	}
	rd_kafka_conf_t *c = settings(k, w, why);
	if (!c || start(k, c, why) < 0) {
		kafka_token_free(k->token);
		return -EINVAL;
	}
	pthread_mutex_lock(&lock);
	k->next = clients;
	clients = k;
	pthread_mutex_unlock(&lock);
	return 0;
}

// Rejected: rd_kafka_consumer_close, which waits for a broker that does not answer as long as its session stands.
bool kafka_leave(struct kafka_client *k, uint64_t until_ns, void (*turn)(void *arg), void *arg)
{
	rd_kafka_queue_t *q = rd_kafka_queue_new(k->rk);
	rd_kafka_error_t *e = rd_kafka_consumer_close_queue(k->rk, q);
	while (!e && !rd_kafka_consumer_closed(k->rk) && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		rd_kafka_queue_poll_callback(q, 10);
		turn(arg);
	}
	bool left = e || rd_kafka_consumer_closed(k->rk);
	if (e)
		rd_kafka_error_destroy(e);
	if (left) // else what is still said goes there
		rd_kafka_queue_destroy(q);
	return left;
}

void kafka_close(struct kafka_client *k)
{
	if (!k->rk)
		return;
	pthread_mutex_lock(&lock);
	struct kafka_client **at = &clients;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	pthread_mutex_unlock(&lock);
	if (!reader(k->role))
		rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(k->rk);
	kafka_token_free(k->token);
	k->rk = NULL;
}

void kafka_note(struct kafka_client *k, const char *why)
{
	pthread_mutex_lock(&lock);
	snprintf(k->error, sizeof(k->error), "%s", why);
	pthread_mutex_unlock(&lock);
	atomic_fetch_add(&k->errors, 1);
}

void kafka_error(struct kafka_client *k, char out[KAFKA_WHY])
{
	pthread_mutex_lock(&lock);
	memcpy(out, k->error, KAFKA_WHY);
	pthread_mutex_unlock(&lock);
}

void kafka_each(kafka_cb *cb, void *arg)
{
	pthread_mutex_lock(&lock);
	for (const struct kafka_client *k = clients; k; k = k->next)
		cb(arg, k);
	pthread_mutex_unlock(&lock);
}

// ---- would it start? ---------------------------------------------------------------------------------------------

// Without brokers nothing is connected to; without the files that are not here, the rest is tried all the same.
static void without(const struct pairs *p, struct pairs *out, char lacks[KAFKA_WHY])
{
	static const char *const brokers[] = {"bootstrap.servers", "metadata.broker.list"};
	*lacks = 0;
	*out = (struct pairs){0};
	for (unsigned i = 0; i < p->n; i++) {
		const char *name = pairs_name(p, i), *value = pairs_value(p, i);
		bool gone = kafka_beside(name, value) && access(value, R_OK) < 0;
		if (gone)
			snprintf(lacks, KAFKA_WHY, "%s: %.300s: %s", name, value, strerror(errno));
		if (!gone && strcmp(name, brokers[0]) && strcmp(name, brokers[1]))
			pairs_set(out, name, value);
	}
}

int kafka_try(const struct pairs *config, char why[KAFKA_WHY], char lacks[KAFKA_WHY])
{
	struct pairs *p = malloc(sizeof(*p));
	int rc = p ? 0 : -ENOMEM;
	if (p)
		without(config, p, lacks);
	static const enum kafka_role kinds[] = {KAFKA_LOGS, KAFKA_REQUESTS}; // some 0.1 s each
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds) && rc == 0; i++) {
		struct kafka_client k = {.role = kinds[i]};
		const struct kafka_wish w = {.config = p, .role = k.role};
		rd_kafka_conf_t *c = settings(&k, &w, why);
		struct kafka_token *t = k.token;
		k.token = NULL; // nobody is asked for credentials
		if (c) {
			rd_kafka_conf_set_log_cb(c, silent);
			rd_kafka_conf_set_error_cb(c, NULL);
		}
		rc = c ? start(&k, c, why) : -EINVAL;
		if (k.rk)
			rd_kafka_destroy(k.rk);
		kafka_token_free(t);
	}
	free(p);
	return rc;
}
