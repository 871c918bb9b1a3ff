// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the kind `kafka` share: its state, and the topic's side of it.
#pragma once

#include "remote/kafka.h"
#include "ship/in_flight.h"
#include "ship/sink.h"

#define SINK_KAFKA_SMALLEST 5 // of `step`: each message alone

// Several records of one partition that will be one message.
struct sink_kafka_pack {
	char *text; // NULL: none yet
	size_t len;
	unsigned records;
	uint32_t first, last;   // slots of in_flight
	uint64_t since_ns;      // of the first, CLOCK_MONOTONIC
	char key[64], node[64]; // the first's; all are of one start of one node
	size_t key_len;
	uint64_t boot;
	uint16_t worker;
	uint32_t seq;
};

struct sink_kafka {
	struct kafka_client client;
	rd_kafka_topic_t *topic, *errors; // NULL: to be made
	struct in_flight flight;
	unsigned waiting; // messages that librdkafka has
	uint64_t sent_bytes;
	uint64_t heard_ns;    // CLOCK_MONOTONIC of the last delivery report, or of the first message after silence
	char said[SINK_TEXT]; // why it is down, as said last; "": it is up
	uint64_t opened_ns;
	bool ready; // the topic is there, as far as one is told
	bool trial; // one message at a time, until one has arrived
	uint64_t looked_ns, watched_ns;
	int partitions;
	// something failed: nothing more is sent until all reports are in, then all is read again from the cursor
	bool failed, anew, told; // anew: with another producer; told: why was said
	char why[SINK_TEXT];
	unsigned step;   // batches of 1 MB halved so many times, since the broker found them too large
	unsigned small;  // messages that arrived since
	uint64_t refuse; // the record that ends here is refused for itself
	char refuse_why[128];
	size_t message_max;            // bytes, of librdkafka
	size_t pack_bytes;             // 0: a record a message
	struct sink_kafka_pack *packs; // by partition
	int npacks;
};

// The sink is down, for this reason, until sink_kafka_works: said once.
void sink_kafka_fails(struct sink *k, const char *why);
void sink_kafka_works(struct sink *k);
// Is the topic there for us? Asked at most 4 times a second. False: sink_kafka_fails says what is to be done.
bool sink_kafka_look(struct sink *k);
// What a delivery's error means, and what mends it.
void sink_kafka_words(const struct sink *k, rd_kafka_resp_err_t err, char out[SINK_TEXT]);
