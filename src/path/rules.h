// SPDX-License-Identifier: BSD-3-Clause
//
// A compiled rule set as policy.c reads it and src/policy/compile.c writes it: arrays that refer to each other by
// index. Never changed after it was made, but for its delta; any number of workers read it at once.
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

// What is recorded of what a rule decided.
enum rule_said { RULE_SAID_ALL, RULE_SAID_VERDICT, RULE_SAID_FLOW, RULE_SAID_NONE };
struct ruleset_note {
	uint32_t sample; // one record of so many; 0, 1: all
	uint8_t said;    // enum rule_said
};

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

// What a rule says and does beyond its verdict, beside the rules, so that these stay small. Strings are in `bytes`.
struct ruleset_deed {
	uint32_t id, id_len;
	uint32_t reason, reason_len;
	uint32_t sinkhole, sinkhole_len;         // 4 or 16 bytes; 0: none
	uint32_t sink, sink_len, before;         // ACTION_MIRROR
	uint64_t rate_bits, rate_packets, burst; // ACTION_LIMIT, a second; the other is 0
	uint8_t limit_by;                        // enum field; FIELD_COUNT: one bucket for the rule
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

// A member of a set of networks or strings; found through `members`. 12 bytes beside its own.
struct set_member {
	uint32_t at; // in member_bytes
	uint32_t set;
	uint16_t len;
	uint8_t bits; // networks
};

struct name_bucket { // rules_name.h
	uint8_t tag[12];
	uint32_t at[12];
	uint32_t spare;
};
static_assert(sizeof(struct name_bucket) == 64, "a cache line");

// The names of all sets of domains.
struct names {
	struct name_bucket *bucket;
	uint8_t *text;
	uint64_t nbuckets, ntext;
	struct {
		uint8_t len;
		uint8_t text[7]; // with its dot
	} top[15];               // endings that many names have
	uint64_t labels;         // bit n: some name has n + 1 labels (63: or more)
	uint32_t n;
};

struct port_range {
	uint16_t low, high;
};

enum set_kind { SET_KIND_NET, SET_KIND_DOMAIN, SET_KIND_STRING, SET_KIND_PORT, SET_KINDS };

struct ruleset_set {
	uint8_t kind;      // enum set_kind
	uint32_t first, n; // PORT: in ports, ascending, disjoint
	uint64_t fields;   // that rules ask about it
};

// A table of 64-bit hashes with linear probing: the upper half is the tag, the lower half says where to begin. Equal
// keys lie in one run.
struct slot {
	uint32_t tag;
	uint32_t at; // RULES_NONE: free
};
struct slots {
	struct slot *slot;
	uint32_t mask;
	uint32_t n;
};

// Rules that stand or fall together until their own index is asked: the same conditions on what is cheap to ask (first
// packet, application, method), the same fields otherwise, the same outcome.
struct ruleset_class {
	uint32_t residual;   // node of the cheap conditions; RULES_NONE: none
	uint32_t first, n;   // its rules, ascending, in class_rules
	uint64_t heavy;      // fields of the other conditions
	uint64_t expires_ns; // as in struct ruleset_rule
	uint32_t schedule;
	uint16_t outcome;
	uint8_t kind;  // enum class_kind
	uint8_t index; // CLASS_INDEXED: field through which its rules are found
	bool shadow, ends, allows;
	bool simple; // CLASS_INDEXED: nothing heavy but that one condition, which has no `not`
	bool strict; // and it is put to every name
};

enum class_kind {
	CLASS_CHEAP,   // no other conditions: true where the residual is
	CLASS_INDEXED, // its rules come by an index once that field is known
	CLASS_PLAIN,   // no index helps: each rule is asked
};

// What Hyperscan looks through: the values of a field, or of one header. Patterns are numbered from 0.
struct ruleset_buffer {
	uint8_t field;
	uint32_t at, len;           // header's name
	struct hs_database *db;     // all but `more`: those of rules that are gone are found, too, and mean nothing
	struct hs_database *stream; // the same over pieces; of payload
	struct hs_database *more, *more_stream; // of what was added since these were made; NULL: nothing
	struct scan_kept *kept[2];              // whose they are
	uint32_t npatterns;
	uint32_t words; // of a row of found bits
	uint32_t found; // first word in policy_scratch.found; one row a value
	uint32_t rows;
};

// What a value is looked up as. A key is a hash of the space, the field and the value's bytes; a target that is found
// by chance is asked and says no.
enum key_space {
	KEY_BYTES,   // the whole value, in lower case
	KEY_NUM,     // the block of 2^n numbers that has it
	KEY_NET,     // the first so many bits of the address
	KEY_SUFFIX,  // the last so many bytes of a name
	KEY_SET,     // the set that has the value
	KEY_PATTERN, // the pattern that was found in it
	KEY_SPACES
};
#define TARGET_CLASS 0x80000000u // else a rule

struct ruleset {
	struct node *nodes;
	struct ruleset_rule *rules;
	struct ruleset_deed *deeds; // of each rule
	struct ruleset_note *notes; // of each rule
	uint8_t *bytes;
	struct ruleset_schedule *schedules;
	struct zone_offset *zones;
	struct ruleset_set *sets;
	struct set_member *member;
	const uint8_t *member_bytes;
	struct port_range *ports;
	struct ruleset_buffer *buffers;
	struct ruleset_class *classes;
	uint32_t *class_rules;
	uint32_t *always;                   // classes that no index leads to
	uint32_t *of_field;                 // classes by the field of their index
	uint32_t of_first[FIELD_COUNT + 1]; // in of_field
	struct names names;
	struct slots members; // by network or string: at is in member
	struct slots index;   // by key: at is in lists, how many targets, then these
	uint32_t *lists;
	struct ruleset_tables *tables; // whose names, members and ports these are
	struct delta *delta;           // what changes in sets while this is in force (delta.h); NULL: nothing can
	uint32_t nnodes, nrules, nbytes, nschedules, nzones, nsets, nmember, nports, nbuffers, nclasses, nalways,
		nlists;
	uint32_t nfound;         // words of policy_scratch.found
	struct hs_scratch *scan; // to clone

	uint32_t internal; // the set of networks by which `direction` is told; RULES_NONE: there is none
	uint8_t default_action, default_response;
	uint8_t handshake, server_first, prelude; // enum undecided
	uint8_t rejudge;                          // enum rejudge
	uint16_t default_outcome;
	bool sees_tags; // some rule asks for a tag
	uint64_t seed;
	uint64_t asked;                 // fields that have keys
	uint64_t keyed[KEY_SPACES];     // fields that have keys of this space
	uint64_t set_fields[SET_KINDS]; // fields that have keys by sets of this kind
	uint64_t suffixes;              // bit n: some key is a suffix of key_suffix[n] bytes
	uint64_t blocks;                // bit n: some key is a block of 2^n numbers
	uint64_t set_bits[3];           // prefix lengths of networks in sets: of IPv4 in [0], of IPv6 in [1], [2]
	uint64_t key_bits[3];           // of networks in the index
	uint8_t set_128, key_128;       // IPv6 addresses whole
};
