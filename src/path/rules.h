// SPDX-License-Identifier: BSD-3-Clause
//
// A compiled rule set as policy.c reads it and src/policy/compile.c writes it: arrays that refer to each other by
// index. Never changed after it was made; any number of workers read it at once.
//
// Conditions are trees laid flat, parents before children, so that one rule's tree is one run of memory:
//
//   node  ALL  FIELD host  ANY  SUFFIX a  SUFFIX b  FIELD dport  NUM 443
//   end   +7   +4          +3   +1        +1        +2           +1          `end` skips a subtree
#pragma once

#include "ruleset.h"

enum node_op {
	NODE_ALL, // of conditions
	NODE_ANY,
	NODE_FIELD, // the test that follows, over the field's values
	NODE_TEST_ALL,
	NODE_TEST_ANY,
	NODE_TEST_NOT,
	NODE_PRESENT,  // low: 0 or 1
	NODE_NUM,      // low <= value <= high
	NODE_ADDR,     // at, len, bits
	NODE_EQUAL,    // at, len
	NODE_PREFIX,   // at, len
	NODE_SUFFIX,   // at, len
	NODE_CONTAINS, // at, len
	NODE_SET,      // at: number of the set
	NODE_PATTERN,  // at: number of the pattern, len: number of the buffer
	NODE_SCHEDULE, // at: number of the schedule
};

struct node {
	uint8_t op;
	uint8_t field;
	bool nocase; // the operand is in lower case
	uint8_t bits;
	uint32_t end; // of this subtree, from this node
	uint32_t at;  // bytes: offset in `bytes`. FIELD: header's name, if len
	uint32_t len;
	uint64_t low, high;
};
static_assert(sizeof(struct node) == 32, "two nodes a line");

#define RULES_NONE UINT32_MAX

struct ruleset_rule {
	uint32_t node; // RULES_NONE: always true
	uint32_t schedule;
	uint64_t expires_ns;
	uint32_t tag, tag_len; // in bytes; of ACTION_TAG
	uint8_t action, response;
	uint16_t outcome; // same for rules that do the same: action, response, sinkhole
	bool ends, shadow, disabled;
	bool strict; // every name must satisfy it: allow
};

// Minutes of the day, in a zone that is a list of its offsets from UTC, by when they begin.
struct zone_offset {
	int64_t from_s;
	int32_t offset_s;
};

struct ruleset_schedule {
	uint8_t days;
	uint16_t from, to;
	uint32_t zone, nzone; // in zones; none: UTC
};

// A set's members, sorted; runs of `items` of the rule set.
struct set_member {
	uint64_t low, high; // ports
	uint32_t at, len;   // bytes
	uint8_t bits;       // networks
	bool exact;         // domains
};

struct ruleset_set {
	uint8_t kind; // enum set_kind
	uint32_t first, n;
};
enum set_kind { SET_KIND_NET, SET_KIND_DOMAIN, SET_KIND_STRING, SET_KIND_PORT };

// What Hyperscan looks through: the values of a field, or of one header. Patterns are numbered from 0.
struct ruleset_buffer {
	uint8_t field;
	uint32_t at, len; // header's name
	struct hs_database *db;
	uint32_t npatterns;
	uint32_t words; // of a row of found bits
	uint32_t found; // first word in policy_scratch.found; one row a value
	uint32_t rows;
};

struct ruleset {
	struct node *nodes;
	struct ruleset_rule *rules;
	uint8_t *bytes;
	struct ruleset_schedule *schedules;
	struct zone_offset *zones;
	struct ruleset_set *sets;
	struct set_member *members;
	struct ruleset_buffer *buffers;
	uint32_t nnodes, nrules, nbytes, nschedules, nzones, nsets, nmembers, nbuffers;
	uint32_t nfound;         // words of policy_scratch.found
	struct hs_scratch *scan; // to clone

	uint8_t default_action, default_response;
	uint16_t default_outcome;
	bool sees_tags; // some rule asks for a tag
};
