// SPDX-License-Identifier: BSD-3-Clause
//
// What a decision over Kafka costs beside what Kafka itself costs: requests at a rate, to the gateway and to a bare
// echo consumer on the same broker at the same time, and how long each answer took. decisions.py starts it all.
//
//   decide_load BROKER echo                  echo_requests -> echo_decisions, nothing else; until it is killed
//   decide_load BROKER both RATE SECONDS     p50, p99 of either, RATE a second to each
//   decide_load BROKER flood N               N requests as fast as the broker takes them; decisions a second
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define USERS 1000

static const char *const topics[2][2] = {{"swg_requests", "swg_decisions"}, {"echo_requests", "echo_decisions"}};
static const char *broker;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const (*set)[2])
{
	char why[256];
	rd_kafka_conf_t *c = rd_kafka_conf_new();
	rd_kafka_conf_set(c, "bootstrap.servers", broker, why, sizeof(why));
	for (; (*set)[0]; set++)
		if (rd_kafka_conf_set(c, (*set)[0], (*set)[1], why, sizeof(why)) != RD_KAFKA_CONF_OK)
			exit((fprintf(stderr, "%s\n", why), 3));
	rd_kafka_t *rk = rd_kafka_new(type, c, why, sizeof(why));
	if (!rk)
		exit((fprintf(stderr, "%s\n", why), 3));
	return rk;
}

// As the gateway's own.
static rd_kafka_t *writer(void)
{
	static const char *const set[][2] = {{"linger.ms", "0"},
					     {"acks", "all"},
					     {"enable.idempotence", "true"},
					     {"partitioner", "murmur2_random"},
					     {NULL, NULL}};
	return client(RD_KAFKA_PRODUCER, set);
}

// All partitions of the topics, from their ends.
static rd_kafka_t *reader(const char *const *names, unsigned n)
{
	static const char *const set[][2] = {{"group.id", "bench"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, set);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	const struct rd_kafka_metadata *m;
	rd_kafka_poll_set_consumer(rk);
	if (rd_kafka_metadata(rk, 1, NULL, &m, 10000))
		exit((fprintf(stderr, "no metadata\n"), 3));
	for (unsigned i = 0; i < n; i++) {
		for (int k = 0; k < m->topic_cnt; k++) {
			for (int p = 0; !strcmp(m->topics[k].topic, names[i]) && p < m->topics[k].partition_cnt; p++) {
				int64_t low, high;
				rd_kafka_query_watermark_offsets(rk, names[i], p, &low, &high, 10000);
				rd_kafka_topic_partition_list_add(list, names[i], p)->offset = high;
			}
		}
	}
	rd_kafka_metadata_destroy(m);
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

static void give(rd_kafka_t *rk, const char *topic, const void *key, size_t key_len, const void *value, size_t len)
{
	while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_len),
				 RD_KAFKA_V_VALUE((void *)(size_t)value, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				 RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		rd_kafka_poll(rk, 1);
	rd_kafka_poll(rk, 0);
}

static _Noreturn void echo(void)
{
	rd_kafka_t *in = reader(&topics[1][0], 1), *out = writer();
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(in, 10);
		if (m && !m->err)
			give(out, topics[1][1], m->key, m->key_len, m->payload, m->len);
		if (m)
			rd_kafka_message_destroy(m);
		rd_kafka_poll(out, 0);
	}
}

// ---- load --------------------------------------------------------------------------------------------------------

static unsigned run;
static void ask(rd_kafka_t *rk, unsigned which, unsigned n)
{
	char value[512], user[16];
	int u = snprintf(user, sizeof(user), "user%u", n % USERS);
	int len = snprintf(
		value, sizeof(value),
		"{\"id\":\"%u-%u\",\"user\":\"%s\",\"groups\":[\"staff\"],\"src\":\"10.0.%u.7\",\"method\":\"GET\","
		"\"url\":\"https://host%u.example/a/b?q=%u\",\"headers\":{\"User-Agent\":\"Mozilla/5.0 (X11; Linux "
		"x86_64)\","
		"\"Accept\":\"text/html\"},\"direction\":\"out\",\"deadline_ms\":60000}",
		run, n, user, n % 250, n % 5000, n);
	give(rk, topics[which][0], user, (size_t)u, value, (size_t)len);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct heard {
	double *sent, *took;
	unsigned n, of;
};

static void hear(rd_kafka_t *in, struct heard h[2], int wait_ms)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(in, wait_ms);
	char id[64] = "";
	unsigned r, n;
	if (m && !m->err) {
		struct heard *to = &h[!strcmp(rd_kafka_topic_name(m->rkt), topics[1][1])];
		memcpy(id, m->payload, m->len < sizeof(id) - 1 ? m->len : sizeof(id) - 1);
		if (sscanf(id, "{\"id\":\"%u-%u\"", &r, &n) == 2 && r == run && n < to->of && to->sent[n] > 0) {
			to->took[to->n++] = now() - to->sent[n];
			to->sent[n] = 0;
		}
	}
	if (m)
		rd_kafka_message_destroy(m);
}

static struct heard heard_new(unsigned of)
{
	return (struct heard){calloc(of, sizeof(double)), calloc(of, sizeof(double)), 0, of};
}

static void both(unsigned rate, unsigned seconds, bool warm)
{
	unsigned all = rate * seconds;
	const char *const out[] = {topics[0][1], topics[1][1]};
	struct heard h[2] = {heard_new(all), heard_new(all)};
	rd_kafka_t *in = reader(out, 2), *to = writer();
	double begun = now() + 1;
	run++;
	for (unsigned n = 0; n < all; n++) {
		double at = begun + (double)n / rate;
		while (now() < at)
			hear(in, h, 0);
		for (unsigned k = 0; k < 2; k++) { // each is first as often as the other
			unsigned which = k ^ (n & 1);
			h[which].sent[n] = now();
			ask(to, which, n);
		}
		hear(in, h, 0);
	}
	for (double end = now() + 10; now() < end && h[0].n + h[1].n < 2 * all;)
		hear(in, h, 10);
	for (unsigned k = 0; k < 2 && !warm; k++) {
		qsort(h[k].took, h[k].n, sizeof(double), by_value);
		printf("%s answered=%u of=%u p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f p999_ms=%.3f\n", k ? "echo" : "sluice",
		       h[k].n, all, h[k].took[h[k].n / 2] * 1e3, h[k].took[h[k].n * 9 / 10] * 1e3,
		       h[k].took[h[k].n * 99 / 100] * 1e3, h[k].took[h[k].n * 999 / 1000] * 1e3);
	}
	rd_kafka_flush(to, 10000);
	rd_kafka_destroy(to);
	rd_kafka_consumer_close(in);
	rd_kafka_destroy(in);
}

static void flood(unsigned all)
{
	const char *const out[] = {topics[0][1]};
	struct heard h[2] = {heard_new(all), heard_new(0)};
	rd_kafka_t *in = reader(out, 1), *to = writer();
	double begun = now();
	run++;
	for (unsigned n = 0; n < all; n++) {
		h[0].sent[n] = now();
		ask(to, 0, n);
		if (n % 16 == 0)
			hear(in, h, 0);
	}
	double sent = now() - begun;
	for (double end = now() + 60; now() < end && h[0].n < all;)
		hear(in, h, 10);
	printf("flood sent=%u sent_a_second=%.0f answered=%u decided_a_second=%.0f\n", all, all / sent, h[0].n,
	       h[0].n / (now() - begun));
	rd_kafka_destroy(to);
	rd_kafka_consumer_close(in);
	rd_kafka_destroy(in);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	broker = argv[1];
	run = (unsigned)getpid() * 16; // ids of two runs never meet
	if (!strcmp(argv[2], "echo"))
		echo();
	if (!strcmp(argv[2], "both") && argc == 5) {
		both((unsigned)atoi(argv[3]), 3, true);
		both((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), false);
	} else if (!strcmp(argv[2], "flood") && argc == 4) {
		flood((unsigned)atoi(argv[3]));
	} else {
		return 2;
	}
	return 0;
}
