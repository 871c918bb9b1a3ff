// SPDX-License-Identifier: BSD-3-Clause
//
// Answers for people: lines that align, numbers with their units, colours on a terminal. A key's last word is its
// value's unit (rx_bytes, held_ns, up_s, ...), so most answers need no view of their own.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

struct view {
	FILE *out;
	bool colour;
};

enum view_colour { VIEW_PLAIN, VIEW_FAINT, VIEW_BOLD, VIEW_RED, VIEW_GREEN, VIEW_YELLOW };

// Colours where out is a terminal and NO_COLOR (no-color.org) is not set.
struct view view_open(FILE *out);

// Anything: members as `key  value`, arrays of objects as tables, objects within as paragraphs.
void view_any(struct view *v, const json_t *result);
void view_quiet(struct view *v, const json_t *result); // nothing: it was done
void view_table(struct view *v, const json_t *rows, unsigned indent);

// A value as people read it, in the unit that the key's last word names. What a terminal would act on is escaped.
// Answers its width in characters.
unsigned view_value(const char *key, const json_t *value, char *out, size_t room);
// A key as words: "rx_bytes" is "rx bytes".
unsigned view_key(const char *key, char *out, size_t room);
// Of words that say whether something is well: up, stalled, ...
enum view_colour view_colour_of(const char *text);
// Text in a colour, padded to a width (below 0: to the right end of it).
void view_put(struct view *v, enum view_colour colour, const char *text, int width);
