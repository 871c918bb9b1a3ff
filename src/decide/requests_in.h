// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the decider share.
#pragma once

#include <pthread.h>

#include "decide/progress.h"
#include "decide/requests.h"
#include "remote/kafka.h"

#define REQUESTS_PARTITIONS 4096
#define REQUESTS_UNSENT (64u << 20) // bytes of messages that wait to be sent again; beyond, none is taken

// A message that the broker did not take.
struct unsent {
	struct unsent *next;
	uint64_t token;
	char *topic;
	void *key, *value;
	size_t key_len, value_len, bytes;
	rd_kafka_headers_t *headers;
};

struct answered;
struct limits;
struct request;

struct requests {
	struct requests_config config;
	struct path_config path;
	struct worker w;
	struct limits *limits;
	const struct published *seen;
	struct kafka_client reader, writer;
	rd_kafka_queue_t *queue;
	struct answered *answered;
	struct request *request;
	uint64_t key[2];
	struct progress *partitions[REQUESTS_PARTITIONS];
	// requests_send.c's
	unsigned flying; // messages that librdkafka has
	struct unsent *unsent, **unsent_end;
	size_t unsent_bytes;
	uint64_t unsent_at_ns, back_off_ns;
	uint64_t anew_ns, anew_pause_ns; // when a producer that cannot go on may be made anew
	uint64_t committed_at_ns;
	uint64_t now_ns, wall_ns; // of the batch: CLOCK_MONOTONIC, CLOCK_REALTIME
	pthread_t thread;
	bool runs, left; // left: the group has said its word
	void (*begun)(void);
	_Atomic bool stop;
	uint64_t until_ns; // set before stop: CLOCK_MONOTONIC, when all has to be over
	_Atomic uint64_t counts[REQUESTS_COUNTED], took[REQUESTS_BUCKETS + 1], took_us;
	_Atomic uint32_t owned, open, remembered;
	_Atomic bool topicless; // the broker says that there are no requests to read
};

static inline void requests_counts(struct requests *r, enum requests_count c)
{
	atomic_store_explicit(&r->counts[c], atomic_load_explicit(&r->counts[c], memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

// requests.c: so long may be waited, at most; where it ends, for half of what is left.
unsigned requests_within(const struct requests *r, unsigned most_ms);
// The policy in force, which may have changed. Where the thread waits it goes on doing this.
void requests_policy(struct requests *r);

// requests_send.c: what leaves, and what becomes of it.
int requests_send_open(struct requests *r, char why[KAFKA_WHY]);
void requests_send_warm(struct requests *r);
// Hands over a message; it ends in progress_done. headers: taken; NULL: none.
void requests_send(struct requests *r, const char *topic, uint64_t token, const void *key, size_t key_len,
		   const void *value, size_t value_len, rd_kafka_headers_t *headers);
// What was delivered is heard of, what was not is sent again in its time. Waits up to so long for that.
void requests_send_poll(struct requests *r, int wait_ms);
// Until nothing is under way, or so long.
void requests_send_settle(struct requests *r, unsigned within_ms);
void requests_send_close(struct requests *r);

// requests_share.c: which partitions are ours.
void requests_share_callbacks(rd_kafka_conf_t *conf);
// What is answered is said to the group. leaving: for the last time, and waits for it.
void requests_share_commit(struct requests *r, bool leaving);
