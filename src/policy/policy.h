// SPDX-License-Identifier: BSD-3-Clause
//
// A policy as it was written: the tree that the parser makes of the text, and that the compiler, `check`, `explain`
// and the naive interpreter of the tests read. Made whole by policy_load or not at all; never changed after that.
// Off the path: may allocate. Strings and arrays belong to the policy and die with it.
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "ruleset.h"

#define POLICY_DEPTH_MAX 8 // of `any`

// Where something stands in a file, both from 1.
struct place {
	const char *file;
	uint32_t line, col;
	const char *pointer; // RFC 6901, as "/rules/3/when"
};

enum test_op {
	TEST_IS,       // equal to the operand: addresses, also within its network; names: the same name
	TEST_IN,       // member of a set
	TEST_PREFIX,   // bytes
	TEST_SUFFIX,   // bytes; of names too (check warns where a label is cut)
	TEST_CONTAINS, // bytes
	TEST_REGEX,    // Hyperscan syntax
	TEST_RANGE,    // low <= value <= high
	TEST_NOT,      // of its only child
	TEST_ALL,      // all children hold for the same value
	TEST_ANY,      // some child holds for the value: lists
	TEST_PRESENT,  // the field has a value; only at the top of a condition
};

struct operand {
	const uint8_t *p; // bytes of a string or name (normalised), address of 4 or 16 bytes
	uint32_t len;
	uint8_t bits; // prefix length of a network; for a single address all of it
	uint64_t num, num_high;
};

// What one value of a field has to satisfy.
struct test {
	enum test_op op;
	bool nocase;
	bool present; // TEST_PRESENT
	struct operand operand;
	const struct set *set; // TEST_IN
	const struct schedule *schedule;
	struct test **child;
	uint32_t nchildren;
	struct place place;
};

// A node of `when`.
enum condition_kind { CONDITION_ALL, CONDITION_ANY, CONDITION_FIELD };

struct condition {
	enum condition_kind kind;
	struct condition **child; // ALL, ANY
	uint32_t nchildren;
	enum field field;   // FIELD
	const char *header; // FIELD_HTTP_HEADER: name in lower case
	struct test *test;  // FIELD
	struct place place;
};

enum set_type { SET_NET, SET_DOMAIN, SET_STRING, SET_PORT, SET_JA3, SET_JA4, SET_TYPES };

struct set_item {
	struct operand operand;
	bool exact; // domain with a leading "="
	struct place place;
};

struct set {
	const char *name;
	enum set_type type;
	struct set_item *items;
	uint32_t nitems;
	const char *file; // NULL: inline
	struct place place;
};

// Minutes of the day in a zone; from > to goes over midnight. zone NULL: UTC.
struct schedule {
	uint8_t days; // bit 0: Monday
	uint16_t from, to;
	const char *zone;
};

enum rule_log { LOG_DEFAULT, LOG_NONE, LOG_VERDICT, LOG_TRANSACTION, LOG_FLOW };

struct rule {
	const char *id, *reason;
	uint32_t sid;
	enum action action;
	enum response response;
	struct operand sinkhole;                 // RESPONSE_SINKHOLE
	uint8_t severity;                        // ACTION_ALERT, from 1
	const char *tag;                         // ACTION_TAG
	uint64_t rate_bits, rate_packets, burst; // ACTION_LIMIT, a second; the other is 0
	enum field limit_by;                     // FIELD_COUNT: one bucket for the rule
	const char *sink;                        // ACTION_MIRROR
	uint32_t before;                         // packets
	struct condition *when;                  // NULL: always true
	bool shadow, disabled;
	uint64_t expires_ns;   // 0: never
	struct schedule *time; // NULL: always
	enum rule_log log;
	uint32_t sample; // 1 of so many; 0, 1: all
	struct place place;
};

struct policy {
	struct rule *rules;
	uint32_t nrules;
	struct set *sets;
	uint32_t nsets;
	enum action default_action;
	enum response default_response;
	enum undecided handshake, server_first, prelude;
	enum rejudge rejudge;
	char hash[65]; // SHA-256 of the text and of all set files, in hex
	uint32_t nwarnings;
};

// What was found wrong, in order of appearance.
struct complaint {
	struct place place;
	bool warning;
	char *text; // `unknown field "prot" (did you mean "proto"?)`
};

struct complaints {
	struct complaint *list;         // the first POLICY_SHOWN
	uint32_t n, nerrors, nwarnings; // listed; found in all
	bool unreadable;                // the text itself: nothing is known of it
};
#define POLICY_SHOWN 50

// Reads a policy ("-": from standard input) and the files of its sets (relative to the policy's own folder). NULL: it
// has errors, all of which are counted and the first of which are listed. c may be filled with warnings either way;
// complaints_clear it.
struct policy *policy_load(const char *file, struct complaints *c);
// The same, and who wants to keep it hears what was read, before it is looked at: name "" is the policy, else a set's
// file, as the policy calls it.
struct policy_ear {
	void (*read)(void *arg, const char *name, const char *text, size_t len);
	void *arg;
};
struct policy *policy_load_heard(const char *file, const struct policy_ear *ear, struct complaints *c);
// The same from memory; `name` stands for the file in places.
struct policy *policy_parse(const char *name, const char *text, size_t len, struct complaints *c);
// The same of a text without "sets", for a policy whose sets have not changed since another one was read: it has that
// one's (a rule more does not read a million names again). quiet: what is right but looks wrong is not looked for.
struct policy *policy_parse_rules(const char *name, const char *text, size_t len, const struct policy *sets, bool quiet,
				  struct complaints *c);
// The same policy by another name: what it consists of is p's.
struct policy *policy_again(const struct policy *p, const char hash[65]);
void policy_free(struct policy *p);
// Memory that lives as long as the policy.
struct arena *policy_arena(struct policy *p);
void complaints_clear(struct complaints *c);
// One line each, `file:line:col: pointer: text`, then how many more there are.
void complaints_print(const struct complaints *c, FILE *out);
