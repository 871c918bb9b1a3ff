// SPDX-License-Identifier: BSD-3-Clause
//
// From a line of words to a row of the table, and to an answer. Lines come from the socket and are hostile; nothing in
// them is followed further than to a row's own function, and every answer is one JSON object.
//
// Patterns are matched as they stand in the table, word by word: 60 rows of a dozen words, read a few times a second,
// need no index.
#include "ctl/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"

#define PART_BYTES 128

int command_split(char *line, const char *word[COMMAND_WORDS_MAX])
{
	unsigned n = 0;
	for (char *p = line, *to = line; *p;) {
		bool quoted = false;
		p += strspn(p, " \t\r\n");
		if (!*p || *p == '#')
			break;
		if (n == COMMAND_WORDS_MAX)
			return -1;
		word[n++] = to;
		for (; *p && (quoted || !strchr(" \t\r\n", *p)); p++) {
			if (*p == '"')
				quoted = !quoted;
			else if (*p == '\\' && p[1])
				*to++ = *++p;
			else
				*to++ = *p;
		}
		if (quoted)
			return -1;
		p += *p != '\0'; // before the end of the word is written where it stands
		*to++ = '\0';
	}
	return (int)n;
}

// What may stand in place n.
struct part {
	char text[PART_BYTES];      // without brackets and dots
	bool optional, rest, again; // again: the row's last part, for a word behind its own
};

// Reads one part; answers where the next begins.
static const char *part_read(const char *p, struct part *part)
{
	size_t len = 0;
	part->optional |= *p == '['; // and so is what stands behind it
	part->rest = false;
	for (; *p && *p != ' '; p++) {
		part->rest |= *p == '.';
		if (!strchr("[].", *p) && len + 1 < PART_BYTES)
			part->text[len++] = *p;
	}
	part->text[len] = '\0';
	return p + (*p == ' ');
}

// False: the row ends before.
static bool part_at(const char *words, unsigned n, struct part *part)
{
	*part = (struct part){0};
	for (unsigned k = 0; *words; k++) {
		words = part_read(words, part);
		if (k == n)
			return true;
	}
	part->optional = part->again = true; // one was there
	return part->rest;
}

// Is the word one of the part's choices, or can it be one of its values?
static bool part_takes(const char *text, const char *word)
{
	for (size_t len; *text; text += len + (text[len] == '|')) {
		len = strcspn(text, "|");
		if (*text == '<' || (strlen(word) == len && !memcmp(text, word, len)))
			return true;
	}
	return false;
}

// How many of the words the row takes from their beginning; *whole: they are the command.
static unsigned agrees(const struct command *row, const char *const *word, unsigned n, bool *whole)
{
	struct part part;
	unsigned at = 0;
	while (at < n && part_at(row->words, at, &part) && part_takes(part.text, word[at]))
		at++;
	*whole = at == n && (!part_at(row->words, n, &part) || part.optional);
	return at;
}

bool command_next(const struct command *row, const char *const *word, unsigned n, char *text, size_t room)
{
	bool whole;
	struct part part;
	if (agrees(row, word, n, &whole) < n)
		return false;
	snprintf(text, room, "%s", part_at(row->words, n, &part) ? part.text : "");
	return true;
}

json_t *command_strings(const char *const *names, unsigned n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

json_t *call_fail(struct call *c, enum call_exit exit, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	c->exit = exit;
	return NULL;
}

const char *call_value(const struct call *c, const char *kind)
{
	char wanted[64];
	struct part part;
	snprintf(wanted, sizeof(wanted), "<%s>", kind);
	for (unsigned k = 0; part_at(c->command->words, k, &part) && !part.again; k++)
		if (strstr(part.text, wanted))
			return k < c->n ? c->word[k] : NULL;
	return NULL;
}

bool call_number(struct call *c, const char *kind, uint64_t max, uint64_t *value)
{
	const char *word = call_value(c, kind);
	char *end = NULL;
	errno = 0;
	unsigned long long v = word && *word >= '0' && *word <= '9' ? strtoull(word, &end, 10) : 0;
	if (!end || *end || errno || v > max) {
		call_fail(c, CALL_USAGE, "%s is a number up to %llu, and not \"%.40s\"", kind, (unsigned long long)max,
			  word ? word : "");
		return false;
	}
	*value = v;
	return true;
}

// Of the words that could stand in place n of the rows that got so far: the one that was meant.
static const char *meant(const struct call *c, unsigned n, char *buffer, size_t room)
{
	const char *words[256];
	unsigned count = 0;
	size_t used = 0;
	char text[PART_BYTES];
	for (unsigned i = 0; i < command_count; i++) {
		if (!command_next(&command_table[i], c->word, n, text, sizeof(text)))
			continue;
		for (char *save, *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
			size_t len = strlen(w) + 1;
			if (*w == '<' || count == 256 || used + len > room)
				continue;
			words[count++] = memcpy(buffer + used, w, len);
			used += len;
		}
	}
	return word_near(words, count, c->word[n], strlen(c->word[n]));
}

const struct command *command_find(struct call *c)
{
	unsigned best = 0;
	bool whole, more = false;
	const struct command *near = NULL;
	for (unsigned i = 0; i < command_count; i++) {
		unsigned n = agrees(&command_table[i], c->word, c->n, &whole);
		if (whole)
			return c->command = &command_table[i];
		if (!near || n > best || (n == best && n == c->n && !more)) {
			best = n;
			more = n == c->n;
			near = &command_table[i];
		}
	}
	char buffer[2048];
	const char *word = best < c->n ? meant(c, best, buffer, sizeof(buffer)) : NULL;
	if (best == c->n)
		call_fail(c, CALL_USAGE, "more is needed: %s", near->words);
	else if (word)
		call_fail(c, CALL_USAGE, "unknown word \"%.60s\" (did you mean \"%s\"?)", c->word[best], word);
	else if (best)
		call_fail(c, CALL_USAGE, "unknown word \"%.60s\": %s", c->word[best], near->words);
	else
		call_fail(c, CALL_USAGE, "unknown command \"%.60s\"; help lists them", c->word[0]);
	return NULL;
}

json_t *command_answer(struct call *c, json_t *result)
{
	json_t *o = json_object();
	json_object_set_new(o, "ok", json_boolean(c->exit == CALL_DONE));
	if (c->exit != CALL_DONE) {
		json_object_set_new(o, "exit", json_integer(c->exit));
		json_t *text = json_string(c->error);
		json_object_set_new(o, "error", text ? text : json_string("what was said is not UTF-8"));
	}
	if (result)
		json_object_set_new(o, "result", result);
	return o;
}

json_t *command_serve(struct appliance *a, char *line, struct call *c)
{
	json_t *result = NULL;
	int n = command_split(line, c->word);
	c->n = n < 0 ? 0 : (unsigned)n;
	c->exit = CALL_DONE;
	if (n < 0)
		call_fail(c, CALL_USAGE, "a quote that does not end, or more than %u words", COMMAND_WORDS_MAX);
	else if (n > 0 && command_find(c))
		result = c->command->run(a, c);
	if (!result && c->later)
		return NULL;
	return command_answer(c, result);
}
