// SPDX-License-Identifier: BSD-3-Clause
//
// swg_rules as it stands: every key with what it has in the topic, and what it has in force. See rules_table.c. One
// thread.
#pragma once

#include "decide/rules_key.h"

struct standing_item;

#define RULES_KEYS_MAX (4u << 20)
#define RULES_BYTES_MAX (512ull << 20) // of keys and values
#define RULES_AUTO_MAX 10000           // machine-written rules in force

struct rules_table;
struct rules_table *rules_table_new(void);
void rules_table_free(struct rules_table *t);

// A record as it was read: value NULL removes. 0, or -EINVAL: why; then nothing that it says can come into force (a
// machine-written rule stays as it was). kind is the key's where it can be read.
int rules_table_put(struct rules_table *t, const char *key, size_t key_len, const char *value, size_t value_len,
		    enum rules_kind *kind, char why[RULES_WHY]);

struct rules_sum {
	char hash[65]; // the contract's: without machine-written rules
	char all[65];  // with them
	uint32_t rules, sets, items, autos;
};
// force: of what is in force, else of what is in the topic; machine-written rules are the topic's.
void rules_table_sum(struct rules_table *t, bool force, struct rules_sum *sum);
// Does the commit fit what is in the topic (or in force)? False: why. sum: as above.
bool rules_table_fits(struct rules_table *t, bool force, const struct rules_commit *c, struct rules_sum *sum,
		      char why[RULES_WHY]);

// What is in the topic is in force from here on; machine-written rules apart.
void rules_table_take(struct rules_table *t);
// The same of machine-written rules; false: they are again as they are in force, but for those that were removed.
// False: there were none.
bool rules_table_take_autos(struct rules_table *t, bool good);
// What has changed since. sets: more than items of them. items (free() it, and strings of it are the table's until the
// next call): what is different in the sets.
struct rules_change {
	bool rules, sets;
	struct standing_item *items;
	uint32_t nitems;
};
void rules_table_change(struct rules_table *t, struct rules_change *c);

// A policy of it, free() it. As above; sets: with them.
char *rules_table_policy(struct rules_table *t, bool force, bool sets, size_t *len);
// The id of its n-th rule, in the order of the policy that was made last. NULL: there is none.
const char *rules_table_rule(const struct rules_table *t, uint32_t n);
// A machine-written rule is not to be in force: it is gone, as if it had been removed.
void rules_table_drop(struct rules_table *t, const char *id);
// Forgets those that are over. How many were in force.
uint32_t rules_table_expire(struct rules_table *t, uint64_t now_ns);

// Every key in the topic, in order; value NULL: it cannot be read.
typedef void rules_table_cb(void *arg, const char *key, const struct rules_key *k, const struct rules_value *v);
void rules_table_each(struct rules_table *t, rules_table_cb *cb, void *arg);
const struct rules_value *rules_table_get(struct rules_table *t, const char *key);
