// SPDX-License-Identifier: BSD-3-Clause
//
// What a head says, written as facts of a transaction: a request opens one, its response adds to it. Heads come in as
// http_head.h and http2_head.h read them. Worker's thread; what is seen only here (names that differ, two Hosts) joins
// the head's causes, which the protocols say.
#include "http_say.h"

#include <string.h>

#include "../judge.h"

#define RESPONSE_ROOM 3072 // bytes of arena kept for what the response will say
#define DIGEST_ROOM 1024   // numbers, and names of causes

// One name the request shows. Returns its normal form's length, in out.
static uint32_t say_name(struct app_in *in, txn_t t, struct http_span raw, bool host_field, struct http_head *h,
			 uint8_t *out)
{
	struct http_authority a = http_name_authority(raw);
	struct origin o = app_origin(in, a.name.p, a.name.len);
	uint32_t n = http_name_host(a.name, out, FACT_VALUE_MAX);

	if (a.userinfo)
		app_anomaly(in, ANOMALY_HTTP_USERINFO, raw.p, raw.len);
	if (a.bad)
		http_head_cause(h, HTTP_CAUSE_BIT(HOST_BAD), raw.p);
	if (!n)
		return 0;
	if (host_field) {
		txn_str_from(in, t, FACT_HTTP_HOST, out, n, o);
		if (a.port)
			txn_num(in, t, FACT_HTTP_PORT, a.port, app_origin(in, raw.p, raw.len));
	}
	if (n > 2 && out[0] == '[' && out[n - 1] == ']') // as an address is written elsewhere
		txn_str_from(in, t, FACT_HOST, out + 1, n - 2, o);
	else
		txn_str_from(in, t, FACT_HOST, out, n, o);
	return n;
}

// Every name of the request: the target's authority, then each Host (RFC 9112 3.2).
static void say_names(struct app_in *in, txn_t t, struct http_head *h)
{
	uint8_t *first = in->scratch, *other = in->scratch + FACT_VALUE_MAX;
	uint32_t nfirst = 0, hosts = 0;
	struct http_span target = h->method_id == HTTP_METHOD_CONNECT ? h->target : http_name_absolute(h->target);

	if (h->method_id == HTTP_METHOD_CONNECT && target.len && target.p[0] == '/')
		target.len = 0;
	if (target.len)
		nfirst = say_name(in, t, target, false, h, first);
	for (unsigned i = 0; i < h->nfields; i++) {
		if (h->field[i] != HTTP_FIELD_HOST)
			continue;
		uint32_t n = say_name(in, t, h->value[i], true, h, other);
		if (nfirst && n && (n != nfirst || memcmp(first, other, n)))
			http_head_cause(h, HTTP_CAUSE_BIT(HOST_DIFFERS), h->value[i].p);
		if (hosts++)
			http_head_cause(h, HTTP_CAUSE_BIT(HOST_TWO), h->value[i].p);
	}
	if (!hosts && h->minor == 1 && h->whole)
		http_head_cause(h, HTTP_CAUSE_BIT(HOST_MISSING), h->method.p);
}

static void say_fields(const struct app_in *in, txn_t t, const struct http_head *h)
{
	static const uint16_t request[] = {[HTTP_FIELD_USER_AGENT] = FACT_HTTP_USER_AGENT,
					   [HTTP_FIELD_REFERER] = FACT_HTTP_REFERER,
					   [HTTP_FIELD_XFF] = FACT_HTTP_XFF,
					   [HTTP_FIELD_NONE] = 0};
	static const uint16_t response[] = {[HTTP_FIELD_CONTENT_TYPE] = FACT_HTTP_CONTENT_TYPE,
					    [HTTP_FIELD_LOCATION] = FACT_HTTP_REDIRECT,
					    [HTTP_FIELD_NONE] = 0};

	for (unsigned i = 0; i < h->nfields; i++) {
		uint16_t f = h->request ? request[h->field[i]] : response[h->field[i]];
		struct http_span v = h->value[i];
		if (f && v.len)
			txn_str(in, t, f, v.p, v.len);
		if (!h->request && h->field[i] == HTTP_FIELD_CONTENT_LENGTH && h->has_length && v.p == h->length_at)
			txn_num(in, t, FACT_HTTP_LENGTH, h->length, app_origin(in, v.p, v.len));
	}
}

void http_say_causes(struct app_in *in, txn_t t, const struct http_head *h, struct origin o)
{
	for (uint32_t left = h->causes; left; left &= left - 1) {
		const char *name = http_head_causes[__builtin_ctz(left)];
		txn_str_from(in, t, FACT_HTTP_AMBIGUOUS, name, strlen(name), o);
		if (left == h->causes)
			app_anomaly_from(in, ANOMALY_HTTP_AMBIGUOUS, name, strlen(name), o);
	}
	if (h->causes & http_head_closes[h->request])
		http_say_ends(in);
}

// Arena bytes for a request: its values once as sent, path and names once more.
static uint32_t request_room(const struct http_head *h)
{
	uint32_t n = h->method.len + 2 * h->target.len + RESPONSE_ROOM + DIGEST_ROOM + HTTP_CAUSE_COUNT * 40;

	for (unsigned i = 0; i < h->nfields; i++)
		n += h->value[i].len + (h->field[i] == HTTP_FIELD_HOST ? 400 : 32);
	return n;
}

// Nothing stands behind its target, in the line or below.
static bool alone(const struct http_head *h)
{
	const uint8_t *p = h->target.p + h->target.len, *end = h->method.p + h->len;
	while (p < end && (*p == ' ' || *p == '\r' || *p == '\n'))
		p++;
	return p >= end;
}

txn_t http_say_request(struct app_in *in, struct http_head *h)
{
	bool judged = in->w->rules != NULL;
	uint32_t more = unlikely(judged) ? judge_headers_room(in->w, h->len) : 0;
	txn_t t = txn_begin(in, RECORD_HTTP, request_room(h) + more);

	txn_str(in, t, FACT_HTTP_METHOD, h->method.p, h->method.len);
	txn_str(in, t, FACT_HTTP_URI, h->target.p, h->target.len);
	if (h->method_id != HTTP_METHOD_CONNECT || h->target.p[0] == '/') {
		uint32_t n = http_name_path(h->target, in->scratch, FACT_VALUE_MAX);
		if (n)
			txn_str_from(in, t, FACT_HTTP_PATH, in->scratch, n, app_origin(in, h->target.p, h->target.len));
	}
	if (h->protocol.len)
		txn_str(in, t, FACT_HTTP_PROTOCOL, h->protocol.p, h->protocol.len);
	else if (alone(h))
		txn_str_from(in, t, FACT_HTTP_PROTOCOL, "HTTP/0.9", 8, app_origin(in, h->method.p, h->len));
	say_names(in, t, h);
	say_fields(in, t, h);
	if (unlikely(more))
		judge_headers(in, t, in->data + in->consumed, h->len);
	return t;
}

txn_t http_say_response(struct app_in *in, txn_t t, const struct http_head *h)
{
	if (!t)
		t = txn_begin(in, RECORD_HTTP, RESPONSE_ROOM + DIGEST_ROOM);
	txn_num(in, t, FACT_HTTP_STATUS, h->status, app_origin(in, h->protocol.p + 9, 3));
	say_fields(in, t, h);
	return t;
}
