// SPDX-License-Identifier: BSD-3-Clause
//
// Header lines of a request that rules ask for by name (http.header.NAME), as facts "name: value". In: a head that has
// been read, as it was sent; nothing is looked at where no rule asks. Worker's thread.
//
// Rejected: to keep every header of every request (a third more bytes in each record, for rules that few have).
#include "judge_in.h"

#include <string.h>

#include "record_out.h"

uint32_t judge_headers_room(const struct worker *w, uint32_t len)
{
	return w->judge->policy->nheaders ? 2 * len + FACTS_MAX * (uint32_t)sizeof(struct fact) : 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is(const struct judge_header *h, const uint8_t *name, uint32_t len)
{
	if (h->len != len)
		return false;
	for (uint32_t i = 0; i < len; i++)
		if (lower(name[i]) != h->p[i])
			return false;
	return true;
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void say(const struct app_in *in, txn_t t, const struct judge_header *h, const uint8_t *value, uint32_t len)
{
	uint8_t *out;
	while (len && blank(*value))
		value++, len--;
	while (len && blank(value[len - 1]))
		len--;
	bool cut = len > FACT_VALUE_MAX - 2 - h->len;
	struct origin o = app_origin(in, value, len);
	if (cut)
		len = FACT_VALUE_MAX - 2 - h->len;
	out = txn_reserve(in, t, FACT_HTTP_HEADER, h->len + 2 + len, o);
	if (!out)
		return;
	memcpy(out, h->p, h->len);
	memcpy(out + h->len, ": ", 2);
	memcpy(out + h->len + 2, value, len);
	if (cut)
		((struct fact *)(out - sizeof(struct fact)))->flags |= FACT_CUT;
}

static void line(const struct app_in *in, txn_t t, const struct judge_policy *p, const uint8_t *at, uint32_t len)
{
	const uint8_t *colon = memchr(at, ':', len);
	uint32_t name = colon ? (uint32_t)(colon - at) : 0;
	while (name && blank(at[name - 1])) // RFC 9112 5.1 forbids it; whoever reads it, reads the name before
		name--;
	for (uint32_t i = 0; name && i < p->nheaders; i++)
		if (is(&p->header[i], at, name))
			say(in, t, &p->header[i], colon + 1, len - (uint32_t)(colon + 1 - at));
}

void judge_headers(const struct app_in *in, txn_t t, const uint8_t *p, uint32_t len)
{
	const struct judge_policy *policy = in->w->judge->policy;
	const uint8_t *end = p + len, *at = memchr(p, '\n', len);
	if (!policy->nheaders)
		return;
	while (at && ++at < end) {
		const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
		line(in, t, policy, at, (uint32_t)((lf ? lf : end) - at));
		at = lf;
	}
}
