// SPDX-License-Identifier: BSD-3-Clause
//
// A record that is to be redacted. In: its kind, which words, with or without a key; then facts: field (its top bit:
// cut), length of two bytes, value. Checked beyond the sanitizers: the copy can be walked, and has room; a field that a
// word is all of is not there with its value; a name that had to go stands in no text any more, nor in a record of DNS,
// whatever its case. (Of names with no letter in common with what takes their place: that may spell another.)
#include <stdlib.h>
#include <string.h>

#include "dns_rr.h"
#include "record.h"
#include "ship/redact.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SETS 16
#define SECRET_MIN 4

static uint64_t room[RECORD_MAX / 8];
static struct record *const record = (struct record *)room;

static void add(unsigned field, const uint8_t *p, uint32_t len, bool cut)
{
	struct fact *f = (struct fact *)((uint8_t *)record + record->len);
	if (fact_types[field] == FACT_TYPE_NUM)
		len = len < 8 ? 0 : 8;
	if (!len || record->len + FACT_SIZE(len) > RECORD_MAX)
		return;
	*f = (struct fact){.field = (uint16_t)field, .flags = cut ? FACT_CUT : 0, .len = len};
	memcpy(f->value, p, len);
	record->len += FACT_SIZE(len);
	record->nfacts++;
}

static void read_record(const uint8_t *p, const uint8_t *end)
{
	while (end - p > 3) {
		unsigned field = 1 + p[0] % (FACT_COUNT - 1u);
		size_t len = (size_t)(p[1] << 8 | p[2]) % FACT_VALUE_MAX;
		bool cut = p[0] & 0x80;
		p += 3;
		len = len < (size_t)(end - p) ? len : (size_t)(end - p);
		add(field, p, (uint32_t)len, cut);
		p += len;
	}
}

static bool is_name(unsigned field)
{
	return field == FACT_HOST || field == FACT_HOST_OUTER || field == FACT_HTTP_HOST || field == FACT_TLS_SNI ||
	       field == FACT_QUIC_SNI || field == FACT_DNS_QNAME;
}

static bool distinct(const struct fact *f)
{
	for (uint32_t i = 0; i < f->len; i++)
		if (!f->value[i] || strchr("redactREDACT:bfBF0123456789", f->value[i]))
			return false;
	return f->len >= SECRET_MIN;
}

static bool says(const struct fact *f, const struct fact *name)
{
	const uint8_t *colon =
		f->field == FACT_HTTP_HEADER ? memchr(f->value, ':', f->len) : NULL; // its own name stays
	uint32_t from = f->field == FACT_DNS_RR ? sizeof(struct dns_rr) : colon ? (uint32_t)(colon - f->value) : 0;
	for (uint32_t at = from; at + name->len <= f->len; at++)
		if (!strncasecmp((const char *)f->value + at, (const char *)name->value, name->len))
			return true;
	return false;
}

// word "host": no name of the first is in a text of the second.
static void no_name_in(const struct record *was, const struct record *is)
{
	RECORD_EACH(n, was) {
		if (!is_name(n->field) || !distinct(n))
			continue;
		RECORD_EACH(f, is)
			if ((fact_types[f->field] == FACT_TYPE_STR || f->field == FACT_DNS_RR) &&
			    f->field != FACT_TAG && f->field != FACT_STATE && f->field != FACT_REDACTED &&
			    f->field != FACT_HTTP_AMBIGUOUS && says(f, n))
				abort();
	}
}

static void look(const struct record *is, bool host, bool user)
{
	unsigned n = 0;
	RECORD_EACH(f, is) {
		n++;
		if (user && f->field == FACT_USER && f->len > 8 && memcmp(f->value, "redacted", 8) != 0)
			abort();
	}
	if (n != is->nfacts ||
	    (const uint8_t *)is + is->len != (const uint8_t *)record_first(is) + (is->len - sizeof(*is)))
		abort();
	if (host)
		no_name_in(record, is);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct redact *made[SETS];
	const char *const *all, *words[REDACT_MAX];
	if (size < 4)
		return 0;
	unsigned nall = redact_words(&all), which = data[1] % SETS, n = 0,
		 kind = 1 + data[0] % (RECORD_KIND_COUNT - 1u);
	bool host = which & 1, user = which & 2;
	for (unsigned i = 0; i < nall; i++)
		if (!strcmp(all[i], "host") ? host : !strcmp(all[i], "user") ? user : which & 4)
			words[n++] = all[i];
	if (!n)
		words[n++] = "http.header.x-key";
	if (!made[which] &&
	    !(made[which] = redact_new(words, n, which & 8 ? "0123456789abcdef" : NULL, which & 8 ? 16 : 0)))
		abort();
	*record = (struct record){.len = sizeof(*record), .kind = (uint16_t)kind, .anomaly = data[2]};
	record->anomaly %= kind == RECORD_ALERT ? (unsigned)RECORD_KIND_COUNT : (unsigned)ANOMALY_COUNT;
	read_record(data + 3, data + size);
	const struct record *is = redact_record(made[which], record);
	look(is, host && kind != RECORD_STATE, user && kind != RECORD_STATE);
	return 0;
}
