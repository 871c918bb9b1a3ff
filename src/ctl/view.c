// SPDX-License-Identifier: BSD-3-Clause
//
// The client's side of an answer. What stands in it may have come from the network (names of hosts, URLs), so every
// string is made harmless for a terminal before it is shown; -j shows JSON, which escapes by itself.
#include "ctl/view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CELL_BYTES 256
#define COLUMNS_MAX 24

static const char *const escapes[] = {"", "\033[2m", "\033[1m", "\033[31m", "\033[32m", "\033[33m"};

struct view view_open(FILE *out)
{
	const char *no = getenv("NO_COLOR");
	return (struct view){.out = out, .colour = isatty(fileno(out)) && !(no && *no)};
}

// Characters, not bytes: continuation bytes take no place.
static unsigned width_of(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void view_put(struct view *v, enum view_colour colour, const char *text, int width)
{
	int pad = abs(width) - (int)width_of(text);
	if (width < 0)
		fprintf(v->out, "%*s", pad > 0 ? pad : 0, "");
	fprintf(v->out, "%s%s%s", v->colour ? escapes[colour] : "", text, v->colour && colour ? "\033[0m" : "");
	if (width > 0)
		fprintf(v->out, "%*s", pad > 0 ? pad : 0, "");
}

// C0, DEL and C1 (in UTF-8: C2 80 to C2 9F) are escaped.
static void harmless(const char *from, char *out, size_t room)
{
	size_t at = 0;
	for (const unsigned char *p = (const unsigned char *)from; *p && at + 5 < room; p++) {
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)) {
			p += *p == 0xc2;
			at += (size_t)snprintf(out + at, room - at, "\\x%02x", *p);
		} else {
			out[at++] = (char)*p;
		}
	}
	while (at && (out[at - 1] & 0xc0) == 0x80 && at + 5 >= room) // cut between characters
		at--;
	out[at] = '\0';
}

// 1234567 as 1,234,567, from five digits on: ports, processes and sizes of frames stay as they are.
static void thousands(json_int_t n, char *out, size_t room)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), sign = n < 0;
	size_t at = 0;
	for (int i = 0; i < len && at + 2 < room; i++) {
		if (len - sign > 4 && i > sign && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
}

// Three digits and a unit.
static void scaled(double n, double base, const char *const *units, char *out, size_t room)
{
	unsigned i = 0;
	for (; (n >= base * 0.9995 || n <= -base * 0.9995) && units[i + 1]; i++)
		n /= base;
	int digits = i == 0 && n == (double)(int64_t)n ? 0 : n < 9.995 ? 2 : n < 99.95 ? 1 : 0;
	snprintf(out, room, "%.*f %s", digits, n, units[i]);
}

static void duration(double seconds, char *out, size_t room)
{
	uint64_t s = seconds < 0 ? 0 : (uint64_t)seconds;
	if (s >= 86400)
		snprintf(out, room, "%llu d %02u:%02u:%02u", (unsigned long long)(s / 86400), (unsigned)(s / 3600 % 24),
			 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else if (s >= 60)
		snprintf(out, room, "%02u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
			 (unsigned)(s % 60));
	else
		snprintf(out, room, "%.*f s", seconds < 10 && seconds != (double)s ? 2 : 0, seconds);
}

// By the last word of a key. The base is that of the steps between units.
static const struct unit {
	const char *word;
	double base, factor;
	const char *const *units;
} units[] = {
	{"bytes", 1000, 1, (const char *const[]){"B", "kB", "MB", "GB", "TB", NULL}},
	{"bps", 1000, 1, (const char *const[]){"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", NULL}},
	{"mbps", 1000, 1, (const char *const[]){"Mbit/s", "Gbit/s", "Tbit/s", NULL}},
	{"pps", 1000, 1, (const char *const[]){"pps", "kpps", "Mpps", NULL}},
	{"ns", 1000, 1, (const char *const[]){"ns", "µs", "ms", "s", NULL}},
	{"us", 1000, 1, (const char *const[]){"µs", "ms", "s", NULL}},
	{"ms", 1000, 1, (const char *const[]){"ms", "s", NULL}},
	{"percent", 1e30, 1, (const char *const[]){"%", NULL}},
};

static bool number(const char *key, const json_t *value, char *out, size_t room)
{
	const char *word = strrchr(key, '_');
	double n = json_number_value(value);
	word = word ? word + 1 : key;
	if (!json_is_number(value))
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(units[i].word, word)) {
			scaled(n * units[i].factor, units[i].base, units[i].units, out, room);
			return true;
		}
	}
	time_t at = (time_t)n;
	struct tm utc;
	if (!strcmp(word, "s"))
		duration(n, out, room);
	else if (!strcmp(word, "unix") && gmtime_r(&at, &utc))
		strftime(out, room, "%Y-%m-%d %H:%M:%S UTC", &utc);
	else if (!strcmp(word, "pid") || !strcmp(word, "port") || (*word && !strcmp(word + 1, "port")))
		snprintf(out, room, "%.0f", n);
	else if (json_is_integer(value))
		thousands(json_integer_value(value), out, room);
	else
		snprintf(out, room, "%.6g", n);
	return true;
}

// Scalars of an array stand beside each other.
static void row_of(const char *key, const json_t *array, char *out, size_t room)
{
	size_t at = 0, i;
	const json_t *value;
	out[0] = '\0';
	json_array_foreach(array, i, value) {
		char cell[CELL_BYTES];
		view_value(key, value, cell, sizeof(cell));
		if (at + strlen(cell) + 8 > room) {
			snprintf(out + at, room - at, " ...");
			return;
		}
		at += (size_t)snprintf(out + at, room - at, "%s%s", i ? " " : "", cell);
	}
}

unsigned view_value(const char *key, const json_t *value, char *out, size_t room)
{
	if (json_is_string(value)) {
		harmless(json_string_value(value), out, room);
	} else if (json_is_array(value)) {
		row_of(key, value, out, room);
	} else if (json_is_object(value)) {
		char *text = json_dumps(value, JSON_ENSURE_ASCII);
		harmless(text ? text : "", out, room);
		free(text);
	} else if (!number(key, value, out, room)) {
		snprintf(out, room, "%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
	}
	if (!*out)
		snprintf(out, room, "-");
	return width_of(out);
}

unsigned view_key(const char *key, char *out, size_t room)
{
	static const char *const said[] = {"_ms", "_ns", "_us", "_s", "_percent", "_unix"}; // by the value itself
	harmless(key, out, room);
	size_t len = strlen(out);
	for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		size_t n = strlen(said[i]);
		if (len > n && !strcmp(out + len - n, said[i]))
			out[len - n] = '\0';
	}
	bool symbol = *key >= 'A' && *key <= 'Z'; // POLICY_DENY is a name
	for (char *p = out; *p && !symbol; p++)
		if (*p == '_')
			*p = ' ';
	return width_of(out);
}

enum view_colour view_colour_of(const char *text)
{
	static const struct {
		const char *text;
		enum view_colour colour;
	} table[] = {{"up", VIEW_GREEN},      {"ok", VIEW_GREEN},     {"running", VIEW_GREEN}, {"down", VIEW_RED},
		     {"gone", VIEW_RED},      {"stalled", VIEW_RED},  {"error", VIEW_RED},     {"warning", VIEW_YELLOW},
		     {"bypass", VIEW_YELLOW}, {"closed", VIEW_YELLOW}};
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].text, text))
			return table[i].colour;
	return VIEW_PLAIN;
}

struct columns {
	const char *key[COLUMNS_MAX];
	unsigned width[COLUMNS_MAX], n;
	bool number[COLUMNS_MAX];
};

// Keys in the order in which they are met, each as wide as its widest value.
static void columns_of(const json_t *rows, struct columns *c)
{
	size_t i;
	const char *key;
	json_t *row, *value;
	char cell[CELL_BYTES];
	*c = (struct columns){0};
	json_array_foreach(rows, i, row)
		json_object_foreach(row, key, value) {
			unsigned k = 0, width = view_value(key, value, cell, sizeof(cell));
			while (k < c->n && strcmp(c->key[k], key))
				k++;
			if (k == COLUMNS_MAX)
				continue;
			if (k == c->n) {
				c->key[c->n++] = key;
				c->width[k] = view_key(key, cell, sizeof(cell));
				c->number[k] = true;
			}
			c->number[k] &= json_is_number(value) || json_is_null(value);
			c->width[k] = width > c->width[k] ? width : c->width[k];
		}
}

static int cell_width(const struct columns *c, unsigned k)
{
	if (c->number[k])
		return -(int)c->width[k];
	return k + 1 < c->n ? (int)c->width[k] : 0; // nothing behind what is last
}

void view_table(struct view *v, const json_t *rows, unsigned indent)
{
	struct columns c;
	size_t i;
	json_t *row;
	char cell[CELL_BYTES];
	columns_of(rows, &c);
	for (unsigned k = 0; k < c.n; k++) {
		view_key(c.key[k], cell, sizeof(cell));
		fprintf(v->out, "%*s", k ? 2 : (int)indent, "");
		view_put(v, VIEW_FAINT, cell, cell_width(&c, k));
	}
	fputc('\n', v->out);
	json_array_foreach(rows, i, row) {
		for (unsigned k = 0; k < c.n; k++) {
			const json_t *value = json_object_get(row, c.key[k]);
			cell[0] = '\0';
			if (value)
				view_value(c.key[k], value, cell, sizeof(cell));
			fprintf(v->out, "%*s", k ? 2 : (int)indent, "");
			view_put(v, view_colour_of(cell), cell, cell_width(&c, k));
		}
		fputc('\n', v->out);
	}
}

static void paragraph(struct view *v, const json_t *o, unsigned indent, unsigned depth)
{
	const char *key;
	json_t *value;
	char cell[4096];
	unsigned width = 0;
	json_object_foreach((json_t *)o, key, value)
		if (!json_is_object(value)) {
			unsigned w = view_key(key, cell, sizeof(cell));
			width = w > width ? w : width;
		}
	json_object_foreach((json_t *)o, key, value) {
		bool table = json_is_array(value) && json_is_object(json_array_get(value, 0));
		view_key(key, cell, sizeof(cell));
		fprintf(v->out, "%*s", (int)indent, "");
		if (table || (json_is_object(value) && depth < 4)) {
			view_put(v, VIEW_BOLD, cell, 0);
			fputc('\n', v->out);
			if (table)
				view_table(v, value, indent + 2);
			else
				paragraph(v, value, indent + 2, depth + 1);
			continue;
		}
		view_put(v, VIEW_FAINT, cell, (int)width + 2);
		view_value(key, value, cell, sizeof(cell));
		view_put(v, view_colour_of(cell), cell, 0);
		fputc('\n', v->out);
	}
}

void view_any(struct view *v, const json_t *result)
{
	if (json_is_object(result))
		paragraph(v, result, 0, 0);
}

void view_quiet(struct view *v, const json_t *result) {}
