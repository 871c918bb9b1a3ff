// SPDX-License-Identifier: BSD-3-Clause
//
// Is a broker there, and swg_rules as it should be? Asked by a thread of its own, for nobody may wait for the answer: a
// request shares its connection with the consumer's, which the broker holds until something comes (fetch.wait.max.ms),
// and a busy broker takes its time. An edit that came meanwhile would wait as long. In: nothing; out: numbers that
// rules.c reads when it has nothing else to do.
//
// Rejected: rd_kafka_query_watermark_offsets, which waits for socket.timeout.ms whatever it is told.
#include "decide/rules_in.h"

#include <time.h>

#include "base/clock.h"

#define ASK_MS 1000 // so long an answer is waited for
#define EVERY_S 2
#define LOOK_NS 5000000

// How many partitions; 0: there is no topic, -1: nobody says.
static int ask(struct rules *r)
{
	const struct rd_kafka_metadata *m;
	rd_kafka_topic_t *t = rd_kafka_topic_new(r->reader.rk, RULES_TOPIC, NULL);
	int n = -1;
	if (t && rd_kafka_metadata(r->reader.rk, 0, t, &m, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		n = m->topic_cnt == 1 && m->topics[0].err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
			    ? m->topics[0].partition_cnt
			    : -1;
		rd_kafka_metadata_destroy(m);
	}
	if (t)
		rd_kafka_topic_destroy(t);
	return n;
}

static void *asks(void *arg)
{
	struct rules *r = arg;
	pthread_setname_np(pthread_self(), "rules-ask");
	if (r->config.thread)
		r->config.thread();
	while (!atomic_load(&r->ends)) {
		struct timespec until;
		atomic_store(&r->partitions, ask(r));
		atomic_fetch_add(&r->asks, 1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += EVERY_S;
		sem_timedwait(&r->ask, &until);
	}
	return NULL;
}

bool rules_ask_start(struct rules *r)
{
	atomic_store(&r->partitions, -1);
	if (pthread_create(&r->asker, NULL, asks, r) == 0)
		return true;
	r->asker = 0;
	return false;
}

void rules_ask_stop(struct rules *r)
{
	sem_post(&r->ask);
	if (r->asker)
		pthread_join(r->asker, NULL);
}

int rules_ask_now(struct rules *r)
{
	uint32_t was = atomic_load(&r->asks);
	sem_post(&r->ask);
	while (atomic_load(&r->asks) == was && !atomic_load(&r->ends))
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	return atomic_load(&r->partitions);
}
