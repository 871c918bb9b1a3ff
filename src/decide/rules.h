// SPDX-License-Identifier: BSD-3-Clause
//
// The policy from Kafka: swg_rules read, applied, and told of (ship.md 3). See rules.c. Without librdkafka in the build
// there is none.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pairs;
struct standing;
struct standing_done;
struct rules;

struct rules_config {
	struct standing *standing;
	const struct pairs *kafka;           // the config group
	const char *node, *shadow, *history; // "": none
	unsigned history_keep;
	// On the rules' own thread: a policy has come into force, by this name (a version, "12.3").
	void (*in_force)(void *arg, const char *version, const struct standing_done *done);
	void (*thread)(void); // what a thread of theirs does first
	void *arg;
};
// The last good policy of the history comes into force first, then what the topic says. NULL: why.
struct rules *rules_start(const struct rules_config *config, char *why, size_t size);
void rules_stop(struct rules *r);

enum rules_state {
	RULES_CONNECTING, // no broker has answered yet
	RULES_READING,    // on the way to the topic's end
	RULES_LIVE,       // there: what comes, comes into force
	RULES_AWAY,       // no broker answers any more
	RULES_NO_TOPIC,   // there is no such topic
	RULES_PARTITIONS, // it has more than one partition
	RULES_STATES
};
extern const char *const rules_states[RULES_STATES];

#define RULES_SAID 600
struct rules_look {
	enum rules_state state;
	bool ended;                                   // the topic was read to its end once
	bool is_ready;                                // that, or the last good policy holds because Kafka is away
	bool uncommitted;                             // rules or sets have changed in it, and no commit came yet
	bool refused;                                 // the last version that came is not in force
	bool replaced;                                // what is in force is not the topic's: somebody rolled back here
	bool last_good;                               // it is the history's: the topic has said nothing that fits yet
	uint64_t version, minor;                      // in force; 0: none from the topic
	uint64_t last, last_minor;                    // that came last
	char author[128], why[512], said[RULES_SAID]; // of the one in force; why the last was refused
	char hash[65];   // people's version's, as its commit says: without machine-written rules. "": it is not known
	char policy[65]; // that of all that is in force, as the history and decisions name it
	uint32_t rules, sets, items, autos;
	double compile_ms, apply_ms;        // the last time
	uint64_t age_ms;                    // since it was last known that nothing newer is in the topic
	uint64_t applied, refusals, unread; // versions, versions, messages
};
void rules_look(struct rules *r, struct rules_look *look);
// A policy of what the topic says now, or (force) of what of it is in force. free() it; NULL: nothing was read yet, or
// what is in force is another.
char *rules_policy(struct rules *r, bool force, size_t *len);

// What is in force is N.m, which machines wrote over people's version N: as the history calls it. False: it is another.
bool rules_machines(struct rules *r, char version[48]);
// Text and hash of a policy in the history, as it was put there. free() it; NULL: errno.
char *rules_kept(const char *folder, unsigned number, size_t *len, char hash[65]);
