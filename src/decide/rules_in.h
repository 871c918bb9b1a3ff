// SPDX-License-Identifier: BSD-3-Clause
//
// What the rules_* files that read swg_rules share: one thread's, but for what is under the lock.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "decide/rules.h"
#include "decide/rules_table.h"
#include "remote/kafka.h"

#define RULES_TOPIC "swg_rules"
#define RULES_STATUS "swg_rules_status"
#define RULES_ERRORS "swg_errors"

struct complaints;

struct rules {
	struct rules_config config;
	struct kafka_client reader, writer; // of swg_rules; of the other two
	pthread_t thread, merger, asker, keeper;
	_Atomic bool ends;
	// rules_ask.c's
	sem_t opened;           // clients are there, or it ends
	sem_t ask;              // now, not in its time
	_Atomic int partitions; // as the last answer said. 0: there is no topic; -1: nobody has answered
	_Atomic uint32_t asks;  // answers, and times that none came
	uint32_t looked;        // of these, rules' thread
	// rules_keep.c's
	struct rules_kept *kept, **kept_end;
	unsigned nkept;
	pthread_cond_t keeps; // with lock
	bool keep_ends;
	struct rules_table *table;
	struct rules_commit commit; // the last that was read
	int64_t commit_at;          // its offset
	uint64_t minor;             // of the last machine-written record: records behind the commit
	bool autos;                 // such records came, and are not in force yet
	uint64_t autos_ns;          // since then; of none, when the last came
	bool unkept;                // what machines wrote is in force, and not in the history
	uint64_t unkept_ns;         // since then
	bool base;                  // what is in force is the table's
	char hash[65];              // of that
	uint64_t current_ns;        // CLOCK_MONOTONIC: when nothing newer was in the topic
	int64_t next;               // offset of the record that comes
	uint64_t unread_said_ns;
	unsigned told; // of unread ones, before the topic's end, and in one second after it
	uint64_t told_ns;
	pthread_mutex_t lock;
	struct rules_look look; // under the lock
	char *text;             // the same: rules_policy's, made where it is asked for
	bool wants_text, wants_force;
	pthread_cond_t has_text;
};

// rules_apply.c: the commit that was just read, or, at the end of the topic for the first time, the last one.
void rules_apply_commit(struct rules *r);
void rules_apply_first(struct rules *r);
void rules_apply_autos(struct rules *r);
// Machine-written rules in force are kept in the history.
void rules_apply_keep(struct rules *r);
// Is what is in force the table's?
bool rules_apply_is_base(const struct rules *r);
// The newest policy of the history.
void rules_apply_last_good(struct rules *r);

// rules_ask.c: a thread that asks the broker for the topic every few seconds, and at once where it is asked to; who
// follows the topic waits for nothing.
bool rules_ask_start(struct rules *r);
void rules_ask_stop(struct rules *r);
// Waits for the next answer.
int rules_ask_now(struct rules *r);

// rules_keep.c: policies go to the history by a thread of its own, for disks are slow.
bool rules_keep_start(struct rules *r);
// What is to be kept is kept first.
void rules_keep_stop(struct rules *r);
// The policy in force, under this name.
void rules_keep(struct rules *r, uint64_t version, uint64_t minor, const struct rules_sum *sum);

// rules_say.c
bool rules_say_open(struct rules *r, char why[KAFKA_WHY]);
// Waits for what was said, a second at most.
void rules_say_flush(struct rules *r);
// Version and what became of it, to swg_rules_status. c, why: what was wrong; else NULL.
enum rules_became { RULES_STANDS, RULES_REFUSED, RULES_GOES_ON }; // GOES_ON: another status of the version follows
void rules_say_status(struct rules *r, enum rules_became became, const struct rules_sum *sum,
		      const struct complaints *c, const char *why);
// A record that cannot be read, to swg_errors.
void rules_say_unread(struct rules *r, const rd_kafka_message_t *m, const char *why);
