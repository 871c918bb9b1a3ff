// SPDX-License-Identifier: BSD-3-Clause
//
// Words of a table: finding one, and guessing which one was meant.
#include "base/word.h"

#include <stdbool.h>
#include <string.h>

#define LONGEST 40u // no word of ours is longer

// Edits (insert, delete, replace, swap of neighbours) that make one word of the other.
static unsigned distance(const char *a, unsigned an, const char *b, unsigned bn)
{
	unsigned rows[3][LONGEST + 1], *old = rows[0], *before = rows[1], *row = rows[2];
	for (unsigned j = 0; j <= bn; j++)
		before[j] = j;
	for (unsigned i = 1; i <= an; i++) {
		row[0] = i;
		for (unsigned j = 1; j <= bn; j++) {
			unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);
			best = before[j] + 1 < best ? before[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && old[j - 2] + 1 < best)
				best = old[j - 2] + 1;
			row[j] = best;
		}
		unsigned *spare = old;
		old = before;
		before = row;
		row = spare;
	}
	return before[bn];
}

unsigned word_find(const char *const *words, unsigned n, const char *p, size_t len)
{
	unsigned i = 0;
	while (i < n && (strlen(words[i]) != len || memcmp(words[i], p, len)))
		i++;
	return i;
}

// The first word with the same last part: "tls.sni" for "quic.sni".
static const char *same_end(const char *const *words, unsigned n, const char *p, size_t len)
{
	size_t end = 0; // of the last part, with its dot
	while (end < len && p[len - 1 - end] != '.')
		end++;
	if (end++ == len)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		size_t k = strlen(words[i]);
		if (k > end && !memcmp(words[i] + k - end, p + len - end, end))
			return words[i];
	}
	return NULL;
}

const char *word_near(const char *const *words, unsigned n, const char *p, size_t len)
{
	const char *near = NULL;
	unsigned best = len > 5 ? 3 : len > 2 ? 2 : 1; // as many edits, and it is another word
	if (len == 0 || len > LONGEST)
		return NULL;
	best += len > 8;
	for (unsigned i = 0; i < n && !near; i++) {
		size_t k = strlen(words[i]);
		if (k > len && words[i][k - len - 1] == '.' && !memcmp(words[i] + k - len, p, len))
			near = words[i];
	}
	bool dotted = near != NULL;
	for (unsigned i = 0; i < n && !dotted; i++) {
		size_t k = strlen(words[i]);
		if (k > LONGEST || (k > len ? k - len : len - k) > best)
			continue;
		unsigned d = distance(p, (unsigned)len, words[i], (unsigned)k);
		if (d < best) {
			best = d;
			near = words[i];
		}
	}
	return near ? near : same_end(words, n, p, len);
}

void word_plain(char *text)
{
	for (; *text; text++)
		*text = *text < ' ' || *text > '~' ? ' ' : *text;
}

void word_cut(char *text)
{
	size_t len = strlen(text), n = len;
	while (n && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	unsigned char lead = n ? (unsigned char)text[n - 1] : 0;
	if (lead >= 0xc0 && len - n < (lead >= 0xf0 ? 3u : lead >= 0xe0 ? 2u : 1u))
		text[n - 1] = 0;
}
