// SPDX-License-Identifier: BSD-3-Clause
//
// The field table as the parser, the docs and the schema see it, and the values that each field can be compared with.
#pragma once

#include "policy/reading.h"

struct field_row {
	const char *name;
	uint8_t type; // enum field_type
	bool many, hold;
	const char *known, *absent, *help;
};
extern const struct field_row field_table[FIELD_COUNT];
extern const char *const field_names[FIELD_COUNT];
extern const char *const field_type_names[FIELD_TYPE_TIME + 1]; // "an address", ...

// The field that a key names; headers: *header, in lower case, is the arena's. FIELD_COUNT: none, and said.
enum field field_of_key(struct reading *r, uint32_t key, const char **header);

// The operators: bit 1 << op of enum test_op, of those that the field can be asked with.
uint32_t field_ops(enum field f);
extern const char *const field_op_names[TEST_PRESENT + 1]; // as they are written; "": a value, a list
// Bits 1 << enum set_type of the sets it can be looked up in.
uint32_t field_sets(enum field f);

// The value of a node as this field's values are compared: for TEST_IS of every type but TIME and BYTES, and for the
// string operators. False: it is none, and said.
bool field_operand(struct reading *r, uint32_t node, enum field f, enum test_op op, struct operand *out);
// {"range": [low, high]} or "low-high", both included.
bool field_range(struct reading *r, uint32_t node, enum field f, struct operand *out);
// A network or address in words. false: why.
bool field_net(const char *p, uint32_t len, struct operand *o, uint8_t address[16], const char **why);
// "80" or "8000-8100". false: neither.
bool field_ports(const char *p, uint32_t len, struct operand *o);

// Words of a WORD field; NULL: the field takes others too (numbers, versions).
struct field_words {
	const char *const *words; // as policies write them
	const char *const *means; // as facts have them; NULL: the same
	const uint32_t *numbers;  // facts are numbers; NULL: words
	uint32_t n;
	uint32_t highest; // numbers up to it may be written too; 0: none
	const char *also; // what else is to be said of them; NULL: nothing
};
const struct field_words *field_words(enum field f);
// The field that another program calls so; NULL: none is known by that name.
const char *field_elsewhere(const char *p, size_t len);
