// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of actions and responses with their names, and the values that only actions have: rates, bursts, answers.
#include "action.h"

#include <stdio.h>
#include <string.h>

#include "base/word.h"
#include "policy/field.h"

// clang-format off
const struct action_row action_table[ACTION_COUNT] = {
#define X(symbol, name, ends, denies, help) {ends, denies, help},
	ACTIONS(X)
#undef X
};

const char *const response_help[RESPONSE_COUNT] = {
#define X(symbol, name, help) help,
	RESPONSES(X)
#undef X
};
// clang-format on

#define MOST (UINT64_MAX / 10000) // of a number before its unit; 1000 of it still fits

// Digits at the beginning, a fraction of up to three, all times 1000. Moves p behind. false: none.
static bool thousandths(const char **p, const char *end, uint64_t *out)
{
	const char *from = *p;
	uint64_t v = 0, unit = 100;
	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		v = v * 10 + (uint64_t)(**p - '0');
		if (v > MOST / 1000000)
			return false;
	}
	bool good = *p > from;
	v *= 1000;
	if (*p < end && **p == '.') {
		for ((*p)++; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
			v += (uint64_t)(**p - '0') * unit;
	}
	while (*p < end && **p == ' ')
		(*p)++;
	*out = v;
	return good;
}

// k, M, G: of a thousand each.
static uint64_t factor(const char **p, const char *end)
{
	uint64_t f = 1;
	if (*p < end) {
		char c = (char)(**p | 0x20);
		f = c == 'k' ? 1000 : c == 'm' ? 1000000 : c == 'g' ? 1000000000 : 1;
	}
	*p += f > 1;
	return f;
}

static bool is(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && !strncasecmp(p, word, (size_t)(end - p));
}

// "MBps" is bytes a second to most people, eight times what "Mbps" is: it is asked for, not guessed.
static bool is_bytes(const char *p, const char *end)
{
	return p < end && *p == 'B' && (is(p, end, "Bps") || is(p, end, "B/s"));
}

bool action_rate_bytes(const char *p, uint32_t len, char *meant, size_t size)
{
	const char *end = p + len;
	uint64_t v;
	if (!thousandths(&p, end, &v))
		return false;
	const char *unit = p;
	uint64_t eighth = v * 8 % 1000;
	factor(&p, end);
	if (!is_bytes(p, end))
		return false;
	int n = snprintf(meant, size, "%lu", v * 8 / 1000);
	if (eighth) {
		n += snprintf(meant + n, size - (size_t)n, ".%03lu", eighth);
		while (meant[n - 1] == '0')
			n--;
	}
	snprintf(meant + n, size - (size_t)n, "%.*sbps", (int)(p - unit), unit);
	return true;
}

bool action_rate(const char *p, uint32_t len, uint64_t *bits, uint64_t *packets)
{
	const char *end = p + len;
	uint64_t v;
	*bits = *packets = 0;
	if (!thousandths(&p, end, &v))
		return false;
	uint64_t f = factor(&p, end);
	v = v / 1000 * f + v % 1000 * f / 1000;
	if (is_bytes(p, end))
		return false;
	if (is(p, end, "bps") || is(p, end, "bit/s"))
		*bits = v;
	else if (is(p, end, "pps"))
		*packets = v;
	return *bits || *packets;
}

bool action_burst(const char *p, uint32_t len, bool packets, uint64_t *out)
{
	const char *end = p + len;
	uint64_t v;
	if (!thousandths(&p, end, &v))
		return false;
	uint64_t f = factor(&p, end);
	*out = v / 1000 * f + v % 1000 * f / 1000;
	return *out && (p == end || is(p, end, packets ? "p" : "B"));
}

bool action_sinkhole(struct reading *r, uint32_t node, struct rule *rule)
{
	if (!field_operand(r, node, FIELD_SRC, TEST_IS, &rule->sinkhole))
		return false;
	if (rule->sinkhole.bits != rule->sinkhole.len * 8)
		return reading_wrong(r, node, "an address is expected, not a network");
	return true;
}

bool action_respond(struct reading *r, uint32_t node, struct rule *rule)
{
	struct doc *d = &r->doc;
	if (d->node[node].type == DOC_OBJECT) {
		uint32_t i = doc_first(d, node);
		if (doc_count(d, node) != 1 || !doc_is(d, d->node[i].key, "sinkhole"))
			return reading_wrong(r, node, "the name of an answer, or {\"sinkhole\": address}, is expected");
		rule->response = RESPONSE_SINKHOLE;
		return action_sinkhole(r, i, rule);
	}
	unsigned i = reading_word(r, node, response_names, RESPONSE_COUNT, "answer");
	rule->response = (enum response)(i < RESPONSE_COUNT ? i : 0);
	return i < RESPONSE_COUNT;
}
