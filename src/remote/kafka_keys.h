// SPDX-License-Identifier: BSD-3-Clause
//
// The properties of the config group `kafka`: librdkafka's by its own names, but for those that Sluice has to set
// itself. See kafka_keys.c. Built with and without librdkafka: without it, every key is refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// What a client is for: each has settings of its own (kafka_keys.c).
enum kafka_role {
	KAFKA_LOGS,      // producer of records: batches, never twice
	KAFKA_DECISIONS, // producer that does not wait
	KAFKA_PUBLISH,   // producer of one transaction
	KAFKA_RULES,     // reader of whole partitions, told of their ends
	KAFKA_REQUESTS,  // reader of a group's share
	KAFKA_LOOK,      // asks what there is, no more
	KAFKA_ROLES
};

// A property that Sluice sets.
struct kafka_key {
	const char *name, *also; // the other name that librdkafka has for it, NULL: none
	unsigned roles;          // bits
	const char *value;       // NULL: only refused
	const char *why;         // the config may not set it; NULL: it may
};
extern const struct kafka_key kafka_keys[];
extern const unsigned kafka_key_count;

// 0; -ENOENT: there is no such property, or it is not to be set; -EINVAL: it does not take this value; why says more.
int kafka_takes(const char *name, const char *value, char *why, size_t size);
bool kafka_secret(const char *name);
bool kafka_beside(const char *name, const char *value);
// A name that Kafka gives to topics.
bool kafka_topic(const char *name);
#define KAFKA_TOPIC_EXPECTED "a topic's name is expected: up to 249 letters, digits, '.', '_' and '-', and not . or .."
// The table above for docs/config.md.
void kafka_keys_doc(FILE *out);
// Is the property one that this role's clients have? Readers have others than producers.
bool kafka_of_role(const char *name, enum kafka_role role);
