// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 8785 (JSON Canonicalization Scheme): members by their keys' UTF-16 code units, no white space, numbers as
// ECMAScript writes them, strings with the least escapes. In: a hostile text, or values of our own; out: bytes that
// two programs agree on. Any thread; bounded by the text's length and CANONICAL_DEPTH.
//
// The shortest digits that read as the same double are found by trying (five times at most, some 4 us; whole numbers
// at once, so that a value of a megabyte costs a second at worst): a table-driven printer (Ryu) is more code than this
// file, and rules have few numbers.
#include "decide/canonical.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool too_deep(const json_t *v, unsigned depth)
{
	const char *key;
	json_t *child;
	size_t i;
	if (depth > CANONICAL_DEPTH)
		return true;
	json_array_foreach(v, i, child)
		if (too_deep(child, depth + 1))
			return true;
	json_object_foreach((json_t *)(uintptr_t)v, key, child)
		if (too_deep(child, depth + 1))
			return true;
	return false;
}

json_t *canonical_read(const char *text, size_t len, size_t most, char *why, size_t size)
{
	json_error_t e;
	if (len > most) {
		snprintf(why, size, "%zu bytes, more than %zu", len, most);
		return NULL;
	}
	json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
	if (!v) {
		snprintf(why, size, "no JSON: %.120s, at byte %d", e.text, e.position);
	} else if (too_deep(v, 1)) {
		snprintf(why, size, "nested deeper than %u levels", CANONICAL_DEPTH);
		json_decref(v);
		v = NULL;
	}
	return v;
}

// Where two texts differ first, their bytes tell the order of code points. Of code units it is another only between
// U+E000..U+FFFF (from 0xEE on) and what is written as surrogates, which come before (from 0xF0 on).
int canonical_order(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t n = alen < blen ? alen : blen, i = 0;
	while (i < n && a[i] == b[i])
		i++;
	if (i == n)
		return (alen > blen) - (alen < blen);
	uint8_t x = (uint8_t)a[i], y = (uint8_t)b[i];
	if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
		return x >= 0xf0 ? -1 : 1;
	return x < y ? -1 : 1;
}

void canonical_string(const char *p, size_t len, FILE *out)
{
	static const char letters[] = "btn\0fr"; // from 8 on
	putc_unlocked('"', out);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i];
		if (c == '"' || c == '\\')
			putc_unlocked('\\', out);
		if (c >= 0x20)
			putc_unlocked(c, out);
		else if (c >= 8 && c <= 13 && letters[c - 8])
			fprintf(out, "\\%c", letters[c - 8]);
		else
			fprintf(out, "\\u%04x", c);
	}
	putc_unlocked('"', out);
}

// One more in its last digit.
static void more(char *text)
{
	for (char *p = strchr(text, 'e') - 1; p >= text; p--) {
		if (*p >= '0' && *p < '9') {
			(*p)++;
			return;
		}
		*p = *p == '9' ? '0' : *p; // 9.99 does not come to it: the one above has fewer digits
	}
}

// So many digits behind the first: do they read as d? Below a power of two doubles are closer than above it: there the
// nearest number of so many digits may be another's, and the one above it d's.
static bool reads(char text[40], int precision, double d)
{
	snprintf(text, 40, "%.*e", precision, d);
	if (strtod(text, NULL) == d)
		return true;
	more(text);
	return strtod(text, NULL) == d;
}

// The fewest digits that read as d (positive), and the power of ten of the first of them.
static int shortest(double d, char digits[18])
{
	char text[40];
	int low = 0, high = 16; // with 17 digits every double reads as itself; where so many do, more do, too
	if (d == floor(d) && d < 1e15)
		low = high = 15; // behind its last digit come zeros
	while (low < high) {
		int mid = (low + high) / 2;
		if (reads(text, mid, d))
			high = mid;
		else
			low = mid + 1;
	}
	reads(text, low, d);
	char *e = strchr(text, 'e');
	unsigned n = 0;
	for (char *p = text; p < e; p++)
		if (*p != '.')
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = 0;
	return atoi(e + 1);
}

// ECMA-262, Number::toString, with k digits and the point behind n of them.
void canonical_number(double d, char out[CANONICAL_NUMBER])
{
	char digits[18], *at = out;
	if (d == 0) { // also -0
		strcpy(out, "0");
		return;
	}
	if (d < 0)
		*at++ = '-';
	int n = shortest(fabs(d), digits) + 1, k = (int)strlen(digits);
	size_t room = CANONICAL_NUMBER - 1; // 25 are taken at most
	if (k <= n && n <= 21)
		snprintf(at, room, "%s%.*s", digits, n - k, "000000000000000000000");
	else if (0 < n && n <= 21)
		snprintf(at, room, "%.*s.%s", n, digits, digits + n);
	else if (-6 < n && n <= 0)
		snprintf(at, room, "0.%.*s%s", -n, "000000", digits);
	else
		snprintf(at, room, "%c%s%se%+d", *digits, k > 1 ? "." : "", digits + 1, n - 1);
}

struct member {
	const char *key;
	size_t len;
	const json_t *value;
};

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	return canonical_order(x->key, x->len, y->key, y->len);
}

static void write_object(const json_t *v, FILE *out)
{
	size_t n = 0, size = json_object_size(v);
	struct member *list = calloc(size + 1, sizeof(*list));
	if (!list)
		abort();
	for (void *i = json_object_iter((json_t *)(uintptr_t)v); i;
	     i = json_object_iter_next((json_t *)(uintptr_t)v, i))
		list[n++] = (struct member){json_object_iter_key(i), json_object_iter_key_len(i),
					    json_object_iter_value(i)};
	qsort(list, n, sizeof(*list), by_key);
	putc_unlocked('{', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', out);
		canonical_string(list[i].key, list[i].len, out);
		putc_unlocked(':', out);
		canonical_write(list[i].value, out);
	}
	putc_unlocked('}', out);
	free(list);
}

void canonical_write(const json_t *v, FILE *out)
{
	char number[CANONICAL_NUMBER];
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		write_object(v, out);
		break;
	case JSON_ARRAY:
		putc_unlocked('[', out);
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				putc_unlocked(',', out);
			canonical_write(json_array_get(v, i), out);
		}
		putc_unlocked(']', out);
		break;
	case JSON_STRING:
		canonical_string(json_string_value(v), json_string_length(v), out);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		canonical_number(json_number_value(v), number);
		fputs(number, out);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fputs(json_is_true(v) ? "true" : "false", out);
		break;
	default:
		fputs("null", out);
	}
}
