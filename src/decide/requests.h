// SPDX-License-Identifier: BSD-3-Clause
//
// The decider: requests come in over Kafka, decisions go out. See requests.c.
#pragma once

#include <stdatomic.h>

#include "base/pairs.h"
#include "path/publish.h"
#include "policy_names.h"

struct requests;

struct requests_config {
	const struct pairs *kafka;                 // the group `kafka`
	const char *requests, *decisions, *errors; // topics
	const char *node;
	uint32_t dedupe_ids;
	uint64_t dedupe_ns;
	const struct path_config *path; // of the other workers: what is of time and of faults holds here, too
	unsigned worker;                // its number, in records and for `publish`
	struct publish *publish;
	const struct policy_names *const *names; // by version, from 1
};

// Memory, and its clients of Kafka, which go on trying where no broker is. NULL: `why` says what is wrong.
struct requests *requests_open(const struct requests_config *config, char why[512]);
// Its record ring, for the shipper.
struct record_out *requests_records(struct requests *r);
// The thread. begun: called on it first; NULL. 0 or -errno.
int requests_start(struct requests *r, void (*begun)(void));
// What was taken is answered and said to the broker; then it leaves the group. All of it within that time. False: the
// broker did not answer, or the thread still waits for it: it is not to be freed, and nothing that it uses, but its
// records may be read.
bool requests_stop(struct requests *r, unsigned within_ms);
void requests_free(struct requests *r);

// X(symbol, name, help): what is counted. A request is in one of the first six.
#define REQUESTS_COUNTS(X)                                                                                             \
	X(ALLOW, "allow", "allowed")                                                                                   \
	X(DENY, "deny", "denied")                                                                                      \
	X(MALFORMED, "malformed", "could not be read, and were answered by fail.bad_request")                          \
	X(REPEATED, "repeated", "asked before, and given the same answer")                                             \
	X(LATE, "late", "past their deadline, and not answered")                                                       \
	X(UNREADABLE, "unreadable", "without an id that could be answered, sent to the topic of errors")               \
	X(AGAIN, "again", "of those answered, marked as maybe answered before, by who had the partition")              \
	X(REUSED, "reused", "of those judged, under an id that was another request's")                                 \
	X(RETRIED, "retried", "decisions that were sent again, for the broker did not take them")                      \
	X(BARE, "bare", "answered without the headers that came with them, which the broker found too large")          \
	X(LOST, "lost", "decisions that could not be delivered before their deadline")                                 \
	X(REREAD, "reread", "read again when a partition came, for their ids alone")                                   \
	X(REBALANCES, "rebalances", "partitions came or went")

enum requests_count {
#define X(symbol, name, help) REQUESTS_##symbol,
	REQUESTS_COUNTS(X)
#undef X
		REQUESTS_COUNTED
};
extern const char *const requests_count_names[REQUESTS_COUNTED], *const requests_count_help[REQUESTS_COUNTED];

#define REQUESTS_BUCKETS 20 // of time: below 2^n * 16 µs

// As it is now; any thread.
struct requests_look {
	uint64_t counts[REQUESTS_COUNTED];
	uint64_t took[REQUESTS_BUCKETS +
		      1]; // from the message's coming to the broker's word that it has the decision; the last: longer
	uint64_t took_us; // their sum
	uint32_t partitions, open, remembered;
	bool up;        // a broker is there for both
	bool topicless; // and says that the topic of requests is not there, or not ours to read
	uint64_t since_ns;
	char error[256]; // the last one; "": none yet
	const char *topics[3];
};
void requests_look(const struct requests *r, struct requests_look *to);
