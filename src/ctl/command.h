// SPDX-License-Identifier: BSD-3-Clause
//
// Commands: a table with one row a command, read by the server (dispatch), by the client (tab, `?`, how an answer
// looks) and by docs/ctl.md. A request is one line of words, an answer one JSON object:
//     {"ok": true, "result": {...}}     {"ok": false, "exit": 2, "error": "...", "result": {...}}
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define COMMAND_BYTES_MAX 8192 // of a request line
#define COMMAND_WORDS_MAX 64

// Exit codes of `sluice ctl`, as those of every verb.
enum call_exit { CALL_DONE, CALL_FINDINGS, CALL_USAGE, CALL_ENVIRONMENT };

struct appliance;
struct view;
struct command;

// A command as it was said.
struct call {
	const struct command *command;
	const char *word[COMMAND_WORDS_MAX];
	unsigned n;
	uint64_t later; // set by socket_later; 0: the answer is there when run comes back
	void *client;   // the server's; NULL: nobody waits
	enum call_exit exit;
	char error[512];
};

// words: literals, `a|b` choices, `<kind>` values of a kind, `<kind...>` all the words that are left (one at least),
// and a last part in [brackets] that may be missing. `all|<port>` is the word or a value.
struct command {
	const char *words, *help;
	// On the control thread; must not block. A result (the caller's), or NULL after call_fail, or NULL after
	// socket_later. A result and call_fail: findings with what was found.
	json_t *(*run)(struct appliance *a, struct call *c);
	void (*view)(struct view *v, const json_t *result); // NULL: view_any
};
extern const struct command command_table[];
extern const unsigned command_count;

// Values of a kind, for tab and for what is said of a value that is none.
struct command_kind {
	const char *name, *help;
	json_t *(*values)(struct appliance *a); // an array of strings; NULL: anything, a file
};
extern const struct command_kind command_kinds[];
extern const unsigned command_nkinds;

// The word that stands where the pattern has <kind> (or the choice that stands in its place); NULL: it was left out.
const char *call_value(const struct call *c, const char *kind);
// The same as a number; false: it is none, or more than max, and the call has failed.
bool call_number(struct call *c, const char *kind, uint64_t max, uint64_t *value);
// An array of them, for answers.
json_t *command_strings(const char *const *names, unsigned n);
// Says what went wrong; answers NULL.
json_t *call_fail(struct call *c, enum call_exit exit, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Splits a line into words, in place: blanks part them, "quotes" hold them together, \ takes the next as it is, #
// begins a comment. -1: too many, or a quote that does not end.
int command_split(char *line, const char *word[COMMAND_WORDS_MAX]);
// The row whose words these are. NULL: none; call_fail has said which were meant.
const struct command *command_find(struct call *c);
// Does the row begin as these n words do? text: what may stand in the place after them, such as "info|stats|<port>";
// "": nothing more.
bool command_next(const struct command *row, const char *const *word, unsigned n, char *text, size_t room);

// Serves a line (which it changes). The answer, the caller's; NULL: it comes later.
json_t *command_serve(struct appliance *a, char *line, struct call *c);
// The object around a result, which it takes (NULL: there is none).
json_t *command_answer(struct call *c, json_t *result);
