// SPDX-License-Identifier: BSD-3-Clause
//
// Pairs the n-th hello with the n-th answer. Bodies of messages come in from tls.c and dtls.c, transactions go out.
// On the worker's thread.
//
// A capture can show all of the server's bytes before the client's, so neither side may wait for the other: who comes
// first begins the transaction, who comes second ends it. At most two are open: a handshake has at most one
// HelloRetryRequest (RFC 8446 4.1.4); a third hello pushes out the first.
#include "handshake.h"

#include <string.h>

#include "../judge.h"
#include "base/be.h"

#define ANSWER_FIRST_ROOM 4096 // bytes for a hello that has not come yet, its list of numbers included

enum handshake_part { HELLO = 1, ANSWER = 2 };

static struct handshake_slot *slot_open(struct handshake *h, const struct app_in *in, unsigned n, uint8_t part,
					uint32_t room, enum hello_transport transport)
{
	struct handshake_slot *s = &h->slot[n & 1];
	if (s->have & part) { // a third hello: the first's answer is not waited for any more
		txn_end(in, s->t);
		memset(s, 0, sizeof(*s));
	}
	if (!s->have) {
		s->t = txn_begin(in, RECORD_TLS, room);
		txn_kind(in, s->t, transport == HELLO_DTLS);
	}
	s->have |= part;
	return s;
}

static void slot_close(struct handshake_slot *s, const struct app_in *in)
{
	txn_end(in, s->t);
	memset(s, 0, sizeof(*s));
}

static void slot_settle(struct handshake *h, struct handshake_slot *s, const struct app_in *in)
{
	if (s->have != (HELLO | ANSWER))
		return;
	// RFC 5246 7.4.1.3: the server answers with the session id offered where it resumes
	if (s->client_session && s->client_session == s->server_session)
		txn_num(in, s->t, FACT_TLS_RESUMED, 1, (struct origin){in->w->frame, 0, 0});
	slot_close(s, in);
}

bool handshake_hello(struct handshake *h, const struct hello_source *src, enum hello_transport transport,
		     const uint8_t *p, uint32_t len)
{
	struct hello_told told;
	struct handshake_slot *s = slot_open(h, src->in, h->hellos, HELLO, hello_room(len), transport);
	bool sound = hello_read(src, s->t, transport, p, len, &told);
	if (h->named && told.sni != h->sni && !src->cut)
		app_anomaly_from(src->in, ANOMALY_TLS_SNI_DIFFERS, NULL, 0, hello_place(src, p, len, 0, len));
	if (len > 35 && p[34] && 35u + p[34] <= len)
		s->client_session = hello_hash(p + 35, p[34]);
	h->sni = told.sni;
	h->early |= told.early;
	h->named = true;
	h->hellos++;
	judge_txn(src->in, s->t);
	slot_settle(h, s, src->in);
	return sound;
}

void handshake_hello_v2(struct handshake *h, struct app_in *in)
{
	struct handshake_slot *s = slot_open(h, in, h->hellos++, HELLO, 512, HELLO_TLS);
	h->sni = 0;
	judge_txn(in, s->t);
	slot_settle(h, s, in);
}

// RFC 8446 4.1.3: the SHA-256 of "HelloRetryRequest" in place of a random.
static const uint8_t retry_random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
					 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
					 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static const struct {
	uint16_t version;
	const char *name;
} version_names[] = {
	// as Suricata spells them in EVE
	{0x0304, "TLS 1.3"}, {0x0303, "TLS 1.2"},  {0x0302, "TLS 1.1"},  {0x0301, "TLSv1"},    {0x0300, "SSLv3"},
	{0x0002, "SSLv2"},   {0xfeff, "DTLS 1.0"}, {0xfefd, "DTLS 1.2"}, {0xfefc, "DTLS 1.3"}, {0x0100, "DTLS 0.9"},
};

static void say_version(const struct app_in *in, txn_t t, uint16_t version, struct origin o)
{
	char text[24] = "0x";
	const char *name = NULL;
	for (unsigned i = 0; i < sizeof(version_names) / sizeof(version_names[0]); i++)
		if (version_names[i].version == version)
			name = version_names[i].name;
	if (!name && version >> 8 == 0x7f && (version & 0xff) < 100) { // drafts of TLS 1.3, in their last octet
		memcpy(text, "TLS 1.3 draft-00", 17);
		text[14] = (char)('0' + (version & 0xff) / 10);
		text[15] = (char)('0' + (version & 0xff) % 10);
		name = text;
	} else if (!name) {
		for (unsigned i = 0; i < 4; i++)
			text[2 + i] = "0123456789abcdef"[version >> (12 - 4 * i) & 15];
		name = text;
	}
	txn_str_from(in, t, FACT_TLS_VERSION, name, (uint32_t)strlen(name), o);
}

struct answer {
	const uint8_t *p;
	uint32_t len, version_at, session_at, session_len, cipher_at, alpn_at, alpn_len;
	uint16_t version;
	bool psk, retry, sound;
};

static void answer_extension(struct answer *a, uint32_t type, uint32_t at, uint32_t len)
{
	if (type == 43 && len == 2) { // RFC 8446 4.2.1
		a->version = (uint16_t)be16(a->p + at);
		a->version_at = at;
	} else if (type == 41) { // RFC 8446 4.2.11
		a->psk = true;
	} else if (type == 16 && len > 3 && a->p[at + 2] + 3u == len) { // RFC 7301 3.1: exactly one
		a->alpn_at = at + 3;
		a->alpn_len = len - 3;
	}
}

// RFC 8446 4.1.3, RFC 5246 7.4.1.3. TLS 1.3 before draft 22 (version 0x7f.., at first 0x0304) has neither session id
// nor compression.
static void answer_parse(struct answer *a, bool old_retry)
{
	uint32_t at = 2, end;
	if (a->len < (old_retry ? 2u : 34u))
		return;
	a->version = (uint16_t)be16(a->p);
	a->retry = old_retry;
	a->sound = old_retry; // what follows the version changed from draft to draft
	if (old_retry)
		return;
	bool draft = a->version >> 8 == 0x7f || a->version == 0x0304;
	a->retry = memcmp(a->p + 2, retry_random, sizeof(retry_random)) == 0;
	at += 32;
	if (!draft) {
		if (at >= a->len)
			return;
		a->session_len = a->p[at];
		a->session_at = at + 1;
		at += 1 + a->session_len;
	}
	if (a->session_len > 32 || at + 2 > a->len)
		return;
	a->cipher_at = at;
	at += 2 + !draft;
	a->sound = at <= a->len;
	if (at + 2 > a->len)
		return;
	end = at + 2 + be16(a->p + at);
	a->sound = end == a->len;
	if (end > a->len)
		end = a->len;
	for (at += 2; at + 4 <= end; at += 4 + be16(a->p + at + 2)) {
		uint32_t len = be16(a->p + at + 2);
		if (len > end - at - 4) {
			a->sound = false;
			return;
		}
		answer_extension(a, be16(a->p + at), at + 4, len);
	}
}

static void answer_say(const struct hello_source *src, struct handshake_slot *s, const struct answer *a)
{
	const struct app_in *in = src->in;
	if (a->version)
		say_version(in, s->t, a->version, hello_place(src, a->p, a->len, a->version_at, 2));
	if (a->cipher_at)
		txn_num(in, s->t, FACT_TLS_CIPHER, be16(a->p + a->cipher_at),
			hello_place(src, a->p, a->len, a->cipher_at, 2));
	if (a->alpn_len)
		txn_str_from(in, s->t, FACT_TLS_SERVER_ALPN, a->p + a->alpn_at, a->alpn_len,
			     hello_place(src, a->p, a->len, a->alpn_at, a->alpn_len));
	if (a->psk && !a->retry)
		txn_num(in, s->t, FACT_TLS_RESUMED, 1, hello_place(src, a->p, a->len, 0, a->len));
}

void handshake_answer(struct handshake *h, const struct hello_source *src, enum hello_transport transport,
		      const uint8_t *p, uint32_t len, bool retry)
{
	struct answer a = {.p = p, .len = len};
	struct handshake_slot *s = slot_open(h, src->in, h->answers, ANSWER, ANSWER_FIRST_ROOM, transport);
	answer_parse(&a, retry);
	answer_say(src, s, &a);
	// in TLS 1.3 the id is always echoed (RFC 8446 4.1.3) and says nothing
	bool tls13 = a.version == 0x0304 || a.version == 0xfefc || a.version >> 8 == 0x7f;
	if (a.sound && !tls13 && a.session_len)
		s->server_session = hello_hash(p + a.session_at, a.session_len);
	if (!a.sound && !src->cut)
		app_anomaly_from(src->in, ANOMALY_TLS_MALFORMED, NULL, 0, hello_place(src, p, len, 0, len));
	h->answers++;
	h->final = !a.retry;
	if (s->have & HELLO)
		judge_txn(src->in, s->t);
	slot_settle(h, s, src->in);
}

void handshake_answer_v2(struct handshake *h, struct app_in *in, struct origin at)
{
	struct handshake_slot *s = slot_open(h, in, h->answers++, ANSWER, 512, HELLO_TLS);
	say_version(in, s->t, 0x0002, at);
	h->final = true; // what follows is no record of TLS
	slot_settle(h, s, in);
}

void handshake_dismiss(struct handshake *h, struct app_in *in, bool final)
{
	struct handshake_slot *s = &h->slot[h->answers & 1];
	h->final = final;
	if (h->answers++ < h->hellos && s->have)
		slot_close(s, in);
}

void handshake_end(struct handshake *h, const struct app_in *in)
{
	bool second = h->slot[0].t > h->slot[1].t; // the older first
	for (unsigned i = 0; i < 2; i++) {
		struct handshake_slot *s = &h->slot[i ^ second];
		if (s->have)
			slot_close(s, in);
	}
}
