// SPDX-License-Identifier: BSD-3-Clause
//
// Keys and values of swg_rules (ship.md 3), one record at a time. See rules_key.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rules_kind { RULES_RULE, RULES_AUTO, RULES_SET, RULES_ITEM, RULES_DEFAULT, RULES_COMMIT };

#define RULES_KEY_MAX 8192         // bytes
#define RULES_ID_MAX 128           // of a rule, as in a policy
#define RULES_VALUE_MAX (1u << 20) // bytes
#define RULES_WHY 256
// Orders of machine-written rules: what people write stands before or behind, as they like.
#define RULES_AUTO_FROM 1e9
#define RULES_AUTO_BEFORE 2e9
#define RULES_VERSION_MAX 9007199254740991.0

struct rules_key {
	enum rules_kind kind;
	const char *id;   // in the key: the rule's ("auto:feed:x" of machine-written ones), the set's name
	const char *item; // of a set; behind the id
	uint32_t id_len, item_len;
};
// False: why.
bool rules_key_read(const char *key, size_t len, struct rules_key *k, char why[RULES_WHY]);

struct rules_value {
	uint32_t len, body_len;
	double order;
	uint64_t expires_ns; // of a machine-written rule
	char *body;  // as a policy has it: the rule with its id, the members of a set's head, of `default`. NULL:
		     // nothing
	char text[]; // canonical
};
// NULL: why. Of a key that was read. free() it.
struct rules_value *rules_value_read(const struct rules_key *k, const char *text, size_t len, char why[RULES_WHY]);
void rules_value_free(struct rules_value *v);

struct rules_commit {
	uint64_t version;
	uint32_t rules, sets;
	char hash[65], author[128], why[512];
};
bool rules_commit_read(const char *text, size_t len, struct rules_commit *c, char why[RULES_WHY]);
