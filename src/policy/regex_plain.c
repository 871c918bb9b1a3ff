// SPDX-License-Identifier: BSD-3-Clause
//
// Most regexes of most policies are literals, classes, groups and repeats of one character. They are known to be good
// by looking at them (1 us), where Hyperscan takes 50 us to say so, which 10,000 of them at each start would not have.
// What is plain is a small grammar, narrower than Hyperscan's in every way; all else goes to Hyperscan. test_policy.c
// holds the two against each other over random regexes.
//
//	alternatives = sequence *("|" sequence)
//	sequence     = *(piece [repeat])            of one character: * + ? {n} {n,m}; of a group: * + ?
//	piece        = character / "." / escape / class / "(" ["?:"] alternatives ")"
//	"^" only as the first character of all, "$" only where nothing but ")" follows
#include "regex_plain.h"

#include <string.h>

#define DEPTH_MAX 8
#define REPEAT_MAX 100u

struct plain {
	const uint8_t *p, *end;
	bool bad;
};

static bool alternatives(struct plain *x, unsigned depth);

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

// Behind a backslash: a class (\d), a sign, \n, \r, \t or \x41.
static bool escape(struct plain *x, bool in_class)
{
	x->p++;
	if (x->p == x->end)
		return false;
	uint8_t c = *x->p++;
	if (c == 'x') {
		bool good = x->end - x->p >= 2 && hex(x->p[0]) && hex(x->p[1]);
		x->p += good ? 2 : 0;
		return good;
	}
	if (is_word(c))
		return c != '_' && strchr(in_class ? "dwsnrt" : "dwsDWSnrt", c) != NULL;
	return c > 0x20 && c < 0x7f;
}

// [a-z0-9_.\d], [^...]: characters without a meaning of their own, and ranges of letters or digits.
static bool class(struct plain *x)
{
	unsigned n = 0;
	x->p++;
	x->p += x->p < x->end && *x->p == '^';
	for (; x->p < x->end && *x->p != ']'; n++) {
		uint8_t c = *x->p;
		if (c == '\\') {
			if (!escape(x, true))
				return false;
			if (x->p < x->end && *x->p == '-')
				return false;
			continue;
		}
		if (c < 0x20 || c > 0x7e || strchr("[^-&:", c))
			return false;
		x->p++;
		if (x->p < x->end && *x->p == '-') {
			uint8_t to = x->end - x->p > 1 ? x->p[1] : 0;
			if (!is_word(c) || !is_word(to) || to < c)
				return false;
			x->p += 2;
		}
	}
	x->p++;
	return n > 0 && x->p <= x->end;
}

static bool number(struct plain *x, uint32_t *out)
{
	const uint8_t *from = x->p;
	for (*out = 0; x->p < x->end && *x->p >= '0' && *x->p <= '9' && x->p - from < 4; x->p++)
		*out = *out * 10 + (*x->p - '0');
	return x->p > from;
}

// *some: what is repeated is there at least once.
static bool repeat(struct plain *x, bool single, bool *some)
{
	uint32_t low, high;
	if (x->p == x->end)
		return true;
	if (*x->p == '*' || *x->p == '?' || *x->p == '+') {
		*some &= *x->p++ == '+';
	} else if (*x->p == '{') {
		x->p++;
		if (!single || !number(x, &low))
			return false;
		high = low;
		if (x->p < x->end && *x->p == ',') {
			x->p++;
			if (!number(x, &high))
				return false;
		}
		if (x->p == x->end || *x->p++ != '}' || high == 0 || low > high || high > REPEAT_MAX)
			return false;
		*some &= low > 0;
	}
	return x->p == x->end || !strchr("*+?{", *x->p); // lazy, possessive, or a repeat of a repeat
}

static bool group(struct plain *x, unsigned depth)
{
	x->p++;
	if (x->end - x->p >= 2 && !memcmp(x->p, "?:", 2))
		x->p += 2;
	bool some = depth < DEPTH_MAX && alternatives(x, depth + 1);
	x->bad |= depth >= DEPTH_MAX || x->p == x->end || *x->p != ')';
	x->p++;
	return some;
}

static bool ends_here(const struct plain *x)
{
	const uint8_t *p = x->p + 1;
	while (p < x->end && *p == ')')
		p++;
	return p == x->end;
}

// One piece with its repeat. Returns whether it is at least one character.
static bool piece(struct plain *x, unsigned depth)
{
	uint8_t c = *x->p;
	bool some = true, single = true;
	if (c == '(') {
		some = group(x, depth);
		single = false;
	} else if (c == '[') {
		x->bad |= !class(x);
	} else if (c == '\\') {
		x->bad |= !escape(x, false);
	} else if (c == '$') {
		x->bad |= !ends_here(x);
		x->p++;
		return false;
	} else {
		x->bad |= c < 0x20 || c > 0x7e || strchr("^*+?{}]", c);
		x->p++;
	}
	if (!x->bad)
		x->bad |= !repeat(x, single, &some);
	return some;
}

// Whether each of the alternatives is at least one character.
static bool alternatives(struct plain *x, unsigned depth)
{
	bool all = true;
	for (;;) {
		bool some = false;
		while (!x->bad && x->p < x->end && *x->p != '|' && *x->p != ')')
			some |= piece(x, depth);
		all &= some;
		if (x->bad || x->p == x->end || *x->p == ')')
			return all;
		x->p++;
	}
}

bool regex_plain(const uint8_t *p, uint32_t len)
{
	struct plain x = {.p = p, .end = p + len};
	x.p += len && *p == '^';
	bool some = alternatives(&x, 0);
	return some && !x.bad && x.p == x.end;
}
