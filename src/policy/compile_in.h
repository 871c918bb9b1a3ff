// SPDX-License-Identifier: BSD-3-Clause
//
// What the compile_* files share: the rule set in the making.
#pragma once

#include "path/rules.h"
#include "policy/compile.h"
#include "policy/scan_kept.h"

struct interned {
	uint32_t at, len, hash;
	bool used;
};

struct outcome {
	uint8_t action, response;
	uint32_t at, len;
};

struct pending {                       // a buffer's patterns, until it is compiled
	struct scan_kept *base, *more; // those that have a database already (NULL: none), and the others
	uint64_t *used;                // of base, a bit each
	uint32_t nused;
	struct place *places; // of more
	uint32_t nplaces;
};

struct compiler {
	const struct policy *policy;
	const struct compile_options *options;
	struct ruleset *rs;
	struct interned *slots; // of bytes: equal strings are one
	uint32_t nslots, ninterned, capbytes;
	struct outcome *outcomes;
	uint32_t noutcomes;
	struct pending *pending; // as rs->buffers
	bool anew;               // not by databases that are there
	uint8_t *class_field;    // whose keys lead to a class; FIELD_COUNT: none
	bool failed;
	char *error;
	size_t size;
};

extern const uint8_t compile_field_types[FIELD_COUNT];
extern const uint64_t compile_holdable; // bits of enum field

// Room for one more in a list of n.
void *compile_grow(void *list, uint32_t n, size_t size);
// Where these bytes are in the rule set's.
uint32_t compile_bytes(struct compiler *c, const uint8_t *p, uint32_t len, bool nocase);
// compile_scan.c: gives the node a pattern of the buffer that the node `field` asks about.
void compile_regex(struct compiler *c, uint32_t node, uint32_t field, const struct test *t);
// Adds a pattern for a node that compares, so that the rule is found by it. Its number and buffer.
uint32_t compile_literal(struct compiler *c, const struct node *on, const struct node *n, uint32_t *buffer);
// compile_index.c: classes and keys of all rules.
void compile_index(struct compiler *c);
// Makes the databases. False: too much of what is there would be of no use; the compile is to begin again, anew.
bool compile_buffers(struct compiler *c);

// compile_set.c: the members of sets; and tables of hashes in general.
void compile_sets(struct compiler *c);
void compile_tables_free(struct ruleset_tables *t);
void compile_slots(struct slots *t, uint32_t n);
void compile_slot(struct slots *t, uint64_t key, uint32_t at);
// Notes a prefix length of networks.
void compile_bits(uint64_t bits[3], uint8_t *whole, uint32_t len, uint32_t n);
// compile_name.c: the names of sets of domains.
void compile_names(struct compiler *c);
void compile_names_free(struct names *t);
