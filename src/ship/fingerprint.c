// SPDX-License-Identifier: BSD-3-Clause
//
// A hello's lists (struct tls_hello) come in as one fact of a record, three facts go out in its place: JA3, the string
// JA3 is the MD5 of, JA4. So every face sees fingerprints as facts like any other, and no digest is computed by a
// worker. Shipper's thread.
//
// Rejected: each face computing what it prints (three places to forget one), and a cache by the lists' hash (hellos of
// one client differ in the order of their extensions, and a shipper that falls behind is no worker's loss).
#include "ship/fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/ja.h"
#include "record.h"

#define HELLOS_MAX 4 // in a record; workers write one
#define ROOM (RECORD_MAX + HELLOS_MAX * (FACT_SIZE(JA3_LEN) + FACT_SIZE(FACT_VALUE_MAX) + FACT_SIZE(JA4_LEN)))

struct fingerprint {
	struct ja_hello hello;
	char full[JA3_FULL_MAX];
	uint64_t out[ROOM / 8];
};

struct fingerprint *fingerprint_new(void)
{
	return malloc(sizeof(struct fingerprint));
}

void fingerprint_free(struct fingerprint *f)
{
	free(f);
}

// Like `of`, with another field and value.
static void say(struct record *r, const struct fact *of, enum fact_field field, const char *value, uint32_t len)
{
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	*f = *of;
	f->field = (uint16_t)field;
	f->len = len < FACT_VALUE_MAX ? len : FACT_VALUE_MAX;
	f->flags |= f->len < len ? FACT_CUT : 0;
	memcpy(f->value, value, f->len);
	r->len += FACT_SIZE(f->len);
	r->nfacts++;
}

static void unfold(struct fingerprint *p, struct record *r, const struct fact *f)
{
	bool quic = f->field == FACT_QUIC_HELLO;
	char text[JA4_LEN > JA3_LEN ? JA4_LEN : JA3_LEN];
	if (!ja_unpack(&p->hello, f->value, f->len))
		return;
	uint32_t len = ja_ja3(&p->hello, p->full, text);
	say(r, f, quic ? FACT_QUIC_JA3 : FACT_TLS_JA3, text, JA3_LEN);
	say(r, f, quic ? FACT_QUIC_JA3_FULL : FACT_TLS_JA3_FULL, p->full, len);
	ja_ja4(&p->hello, p->full, text);
	say(r, f, quic ? FACT_QUIC_JA4 : FACT_TLS_JA4, text, JA4_LEN);
}

const struct record *fingerprint_record(struct fingerprint *p, const struct record *r)
{
	unsigned kind = r->kind == RECORD_ALERT ? r->anomaly : r->kind;
	if (kind != RECORD_TLS && kind != RECORD_QUIC)
		return r;
	struct record *out = (struct record *)p->out;
	*out = *r;
	out->len = sizeof(*out);
	out->nfacts = 0;
	unsigned hellos = 0;
	RECORD_EACH(f, r) {
		if (f->field == FACT_TLS_HELLO || f->field == FACT_QUIC_HELLO) {
			if (hellos++ < HELLOS_MAX)
				unfold(p, out, f);
			continue;
		}
		memcpy((uint8_t *)out + out->len, f, FACT_SIZE(f->len));
		out->len += FACT_SIZE(f->len);
		out->nfacts++;
	}
	return out;
}
