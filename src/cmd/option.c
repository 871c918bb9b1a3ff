// SPDX-License-Identifier: BSD-3-Clause
//
// One walker for the options of the verbs: getopt_long finds them, the table says what becomes of them. A mistake is
// one line that names it and the way to --help, and exit code 2. explain reads its own, since each field of the policy
// language is an option there.
#include "option.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "cmd.h"

#define ROWS_MAX 48

int option_mistake(const char *verb, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "sluice %s: ", verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; sluice %s --help\n", verb);
	return EXIT_USAGE;
}

bool option_number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 0);
	return *end == '\0' && *out >= low && *out <= high;
}

static void put_number(char *to, uint16_t size, uint64_t n)
{
	memcpy(to, &n, size); // little-endian, as all machines that it is built for
}

static const char *put(const struct option_row *r, char *verb, const char *value)
{
	char *to = verb + r->at;
	unsigned *count = (unsigned *)(verb + r->count_at);
	uint64_t n = 0;
	switch (r->kind) {
	case OPTION_FLAG:
		*(bool *)to = true;
		return NULL;
	case OPTION_TEXT:
		if (!*value)
			return "";
		memcpy(to, &value, sizeof(value));
		return NULL;
	case OPTION_LIST:
		if (*count == r->high)
			return "";
		memcpy(to + (*count)++ * sizeof(value), &value, sizeof(value));
		return NULL;
	case OPTION_NUMBER:
		if (!option_number(value, r->low, r->high, &n))
			return "";
		put_number(to, r->size, n);
		return NULL;
	case OPTION_WORD:
		n = word_find(r->words, r->nwords, value, strlen(value));
		if (n == r->nwords)
			return "";
		put_number(to, r->size, n);
		return NULL;
	default:
		return r->set(verb, value);
	}
}

static void make_tables(const struct option_table *t, struct option *longs, char *shorts)
{
	if (t->first)
		*shorts++ = '+';
	*shorts++ = ':'; // a missing value is told apart
	for (unsigned i = 0; i < t->n; i++) {
		const struct option_row *r = &t->rows[i];
		longs[i] = (struct option){r->name, r->value ? required_argument : no_argument, NULL, 0};
		if (r->letter)
			*shorts++ = r->letter;
		if (r->letter && r->value)
			*shorts++ = ':';
	}
	longs[t->n] = (struct option){0};
	*shorts = '\0';
}

static unsigned row_of(const struct option_table *t, int letter, int index)
{
	unsigned i = 0;
	if (index >= 0)
		return (unsigned)index;
	while (i < t->n && (!letter || t->rows[i].letter != letter))
		i++;
	return i;
}

static int cannot_be(const struct option_table *t, const struct option_row *r, const char *value)
{
	char range[64] = "";
	if (r->kind == OPTION_NUMBER)
		snprintf(range, sizeof(range), "%lu to %lu", r->low, r->high);
	else if (r->kind == OPTION_LIST)
		snprintf(range, sizeof(range), "at most %lu of them", r->high);
	return option_mistake(t->verb, "--%s cannot be \"%.80s\": %s", r->name, value,
			      *range     ? range
			      : r->range ? r->range
					 : r->value);
}

int option_read(const struct option_table *t, void *verb, int argc, char **argv)
{
	struct option longs[ROWS_MAX + 1];
	char shorts[2 * ROWS_MAX + 3];
	bool given[ROWS_MAX] = {false};
	if (t->n > ROWS_MAX)
		abort(); // the table has grown
	make_tables(t, longs, shorts);
	opterr = 0;
	optind = 1;
	for (int c, index = -1; (c = getopt_long(argc, argv, shorts, longs, &index)) != -1; index = -1) {
		const char *word = argv[optind - 1];
		unsigned i = c == '?' ? t->n : row_of(t, c, index);
		const struct option_row *r = &t->rows[i];
		if (c == ':')
			return option_mistake(t->verb, "option %s needs a value", word);
		if (i == t->n)
			return option_mistake(t->verb, "unknown option %s", word);
		if (r->kind == OPTION_SHOW) {
			r->show(stdout);
			return EXIT_DONE;
		}
		if (given[i] && r->twice)
			return option_mistake(t->verb, "%s", r->twice);
		given[i] = true;
		const char *wrong = put(r, verb, optarg);
		if (wrong && *wrong)
			return option_mistake(t->verb, "%s", wrong);
		if (wrong)
			return cannot_be(t, r, optarg);
	}
	return -1;
}
