// SPDX-License-Identifier: BSD-3-Clause
//
// A client of Kafka: librdkafka's handle as the configuration and the role want it, its words in our log, its state for
// `show kafka` and /metrics, tokens for MSK made by our signer. Who opens one owns it: one thread produces or consumes
// and polls; callbacks run in its poll. librdkafka has threads and locks of its own: never for the path.
//
// With -Dkafka=disabled there is kafka_keys.h alone.
#pragma once

#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include "base/pairs.h"
#include "remote/kafka_keys.h"

#define KAFKA_WHY 512 // bytes of what went wrong, in words

// Callbacks of librdkafka have the client as their `opaque`.
struct kafka_client {
	rd_kafka_t *rk;
	void *owner; // the caller's own
	enum kafka_role role;
	char name[40];             // in metrics and `show kafka`: "logs", or what the wish says
	struct kafka_token *token; // of MSK; NULL: no tokens are made
	struct kafka_client *next;
	// by its statistics and errors, any thread
	_Atomic bool up;           // a broker has answered, and not all have gone
	_Atomic uint64_t since_ns; // CLOCK_REALTIME
	_Atomic uint64_t brokers_up, queued, queued_bytes, tx_messages, tx_bytes, rx_messages, rx_bytes, rtt_us, lag;
	_Atomic uint64_t errors;
	char error[KAFKA_WHY]; // the last one; kafka_each has it under its lock
};

// The process's own: what kafka_open takes where the wish says nothing. They stay. Before any client.
void kafka_use(const struct pairs *config, const char *node);

struct kafka_wish {
	const struct pairs *config; // the group `kafka`; used while the client lives
	enum kafka_role role;
	const char *node;                         // client.id is "sluice-" and this; NULL: "sluice"
	const char *name;                         // in metrics; NULL: the role's
	const char *const (*set)[2];              // {property, value} over all of it, the last one {NULL}; NULL: none
	void (*callbacks)(rd_kafka_conf_t *conf); // adds what the caller needs (dr_msg_cb, rebalance_cb); NULL
	void *owner;
};

// 0; -EINVAL: why says what librdkafka says. A broker that is away is no failure: librdkafka goes on trying.
int kafka_open(struct kafka_client *k, const struct kafka_wish *wish, char why[KAFKA_WHY]);
// A reader leaves its group. Callbacks of rebalances run in it, and `turn` in between, each 10 ms at the latest. False:
// the broker has not said its word by then (CLOCK_MONOTONIC); librdkafka waits on, so the client is not to be closed.
bool kafka_leave(struct kafka_client *k, uint64_t until_ns, void (*turn)(void *arg), void *arg);
// Throws away what is queued: flush before. Takes up to some 100 ms. A client never opened is one closed.
void kafka_close(struct kafka_client *k);

// Where they begin to look for brokers. NULL: it is not said.
const char *kafka_brokers(const struct pairs *config);

// Would a producer and a reader start with these? Files that are not here are said in `lacks` ("" : none), and taken
// for good. 0 or -EINVAL: why.
int kafka_try(const struct pairs *config, char why[KAFKA_WHY], char lacks[KAFKA_WHY]);

// What went wrong by what it gave its reader, beside what librdkafka tells by itself.
void kafka_note(struct kafka_client *k, const char *why);
// The last thing that went wrong; "": nothing yet.
// It is connected, or no broker can be reached: of statistics and errors; of who has had an answer, at once.
void kafka_turned(struct kafka_client *k, bool up);
void kafka_error(struct kafka_client *k, char out[KAFKA_WHY]);

// All that are open, each under the lock.
typedef void kafka_cb(void *arg, const struct kafka_client *k);
void kafka_each(kafka_cb *cb, void *arg);
