// SPDX-License-Identifier: BSD-3-Clause
//
// Options of a verb: a table of rows, each with what its value may be and where in the verb's struct it goes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,   // bool
	OPTION_TEXT,   // const char *
	OPTION_LIST,   // const char *[high], and an unsigned of how many
	OPTION_NUMBER, // low to high; size bytes
	OPTION_WORD,   // the number of one of words; size bytes
	OPTION_CALL,   // as `set` has it
	OPTION_SHOW,   // something is printed instead
};

struct option_row {
	const char *name;
	char letter;       // 0: none
	const char *value; // what --help calls it; NULL: takes none
	enum option_kind kind;
	uint16_t size;
	size_t at, count_at; // in the verb's struct
	uint64_t low, high;
	const char *const *words;
	unsigned nwords;
	// "": the value cannot be that, range says what can; else what is wrong. NULL: it is set.
	const char *(*set)(void *verb, const char *value);
	void (*show)(FILE *out);
	const char *range; // where neither kind nor `value` says it
	const char *twice; // what is wrong with giving it twice; NULL: nothing
	const char *help, *example;
};

#define OPTION_AT(type, field) .size = sizeof(((type *)0)->field), .at = offsetof(type, field)

struct option_table {
	const char *verb;
	const struct option_row *rows;
	unsigned n;
	bool first; // ends at the first word that is no option: what follows is not ours
};
#define OPTION_TABLE(name, list)                                                                                       \
	{                                                                                                              \
		.verb = name, .rows = list, .n = sizeof(list) / sizeof(*(list))                                        \
	}

// -1: go on with what is at argv[optind]; else the exit code (what was asked for was shown, or a mistake was said).
int option_read(const struct option_table *t, void *verb, int argc, char **argv);
// Says what is wrong with the command line; the exit code.
int option_mistake(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
// "10" or "0x10", low to high.
bool option_number(const char *text, uint64_t low, uint64_t high, uint64_t *out);
