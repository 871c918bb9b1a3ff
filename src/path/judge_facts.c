// SPDX-License-Identifier: BSD-3-Clause
//
// Facts of a record into fields of the policy language: in comes a record, whole or under construction; out go the
// values of each field that rules ask for, and whether there may be more. On workers' threads, and on others' that
// read records; no allocation, no state.
//
// Which fact is which field is one table. What a fact says as sent and rules compare as normalised (names) is written
// once more into `text`; all else is pointed at where it stands. A field that belongs to another protocol than the
// record's is absent: known to have no value.
#include "judge_facts.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_branch_prediction.h>

#include "parse.h"

#define NOWHERE ((struct origin){0})

enum reading {
	READ_BYTES, // as it stands
	READ_NUM,
	READ_NAME,    // lower case, without the last dot
	READ_LINE,    // "name: value"
	READ_VERSION, // of QUIC: a number that has no name as 0x and eight digits
};

static const struct {
	uint8_t field, reading;
} fields[FACT_COUNT] = {
	[FACT_TLS_SNI] = {FIELD_TLS_SNI, READ_NAME},
	[FACT_TLS_ALPN] = {FIELD_TLS_ALPN, READ_BYTES},
	[FACT_TLS_VERSION] = {FIELD_TLS_VERSION, READ_BYTES},
	[FACT_TLS_JA3] = {FIELD_TLS_JA3, READ_BYTES},
	[FACT_TLS_JA4] = {FIELD_TLS_JA4, READ_BYTES},
	[FACT_TLS_ECH] = {FIELD_TLS_ECH, READ_NUM},
	[FACT_QUIC_VERSION] = {FIELD_QUIC_VERSION, READ_VERSION},
	[FACT_QUIC_SNI] = {FIELD_TLS_SNI, READ_NAME},
	[FACT_QUIC_ALPN] = {FIELD_TLS_ALPN, READ_BYTES},
	[FACT_QUIC_JA3] = {FIELD_TLS_JA3, READ_BYTES},
	[FACT_QUIC_JA4] = {FIELD_TLS_JA4, READ_BYTES},
	[FACT_QUIC_ECH] = {FIELD_TLS_ECH, READ_NUM},
	[FACT_QUIC_MIDSTREAM] = {FIELD_QUIC_MIDSTREAM, READ_NUM},
	[FACT_HTTP_METHOD] = {FIELD_HTTP_METHOD, READ_BYTES},
	[FACT_HTTP_URI] = {FIELD_HTTP_URI, READ_BYTES},
	[FACT_HTTP_PATH] = {FIELD_HTTP_PATH, READ_BYTES},
	[FACT_HTTP_USER_AGENT] = {FIELD_HTTP_USER_AGENT, READ_BYTES},
	[FACT_HTTP_STATUS] = {FIELD_HTTP_STATUS, READ_NUM},
	[FACT_HTTP_AMBIGUOUS] = {FIELD_HTTP_AMBIGUOUS, READ_BYTES},
	[FACT_HTTP_HEADER] = {FIELD_HTTP_HEADER, READ_LINE},
	[FACT_DNS_QNAME] = {FIELD_DNS_QNAME, READ_NAME},
	[FACT_DNS_QTYPE] = {FIELD_DNS_QTYPE, READ_NUM},
	[FACT_DNS_ANSWER] = {FIELD_DNS_ANSWER, READ_BYTES},
	[FACT_SSH_SOFTWARE] = {FIELD_SSH_SOFTWARE, READ_BYTES},
	[FACT_USER] = {FIELD_USER, READ_BYTES},
	[FACT_GROUP] = {FIELD_GROUP, READ_BYTES},
	[FACT_HOST] = {FIELD_HOST, READ_BYTES},
	[FACT_HOST_OUTER] = {FIELD_HOST, READ_BYTES},
};

#define BIT(symbol) (1ull << FIELD_##symbol)
#define FINGERPRINTS (BIT(TLS_JA3) | BIT(TLS_JA4))
#define TLS_FIELDS (BIT(TLS_SNI) | BIT(TLS_ALPN) | BIT(TLS_JA3) | BIT(TLS_JA4) | BIT(TLS_ECH))
#define QUIC_FIELDS (BIT(QUIC_VERSION) | BIT(QUIC_MIDSTREAM))
#define HTTP_FIELDS                                                                                                    \
	(BIT(URL) | BIT(HTTP_METHOD) | BIT(HTTP_HOST) | BIT(HTTP_URI) | BIT(HTTP_PATH) | BIT(HTTP_USER_AGENT) |        \
	 BIT(HTTP_HEADER) | BIT(HTTP_AMBIGUOUS))
#define DNS_FIELDS (BIT(DNS_QNAME) | BIT(DNS_QTYPE))
// all that a client says
#define CLIENT_FIELDS (BIT(APP) | BIT(HOST) | TLS_FIELDS | QUIC_FIELDS | HTTP_FIELDS | DNS_FIELDS)
#define LATER_FIELDS JUDGE_LATER_FIELDS

#define ASKED_FIELDS (BIT(USER) | BIT(GROUP)) // of requests that are asked about; packets do not say it
// Of a transaction's later facts, which may yet come.
static const uint64_t later[RECORD_KIND_COUNT] = {
	[RECORD_TLS] = BIT(TLS_VERSION),
	[RECORD_QUIC] = BIT(TLS_VERSION), // in cipher: never seen
	[RECORD_HTTP] = BIT(HTTP_STATUS),
	[RECORD_SSH] = BIT(SSH_SOFTWARE),
};

bool judge_facts_asked(enum fact_field fact, uint64_t asked)
{
	bool hello = fact == FACT_TLS_HELLO || fact == FACT_QUIC_HELLO;
	bool of_url = fact == FACT_HTTP_HOST || fact == FACT_HTTP_URI || fact == FACT_HTTP_PORT;
	uint64_t by = hello ? FINGERPRINTS : fields[fact].field ? 1ull << fields[fact].field : 0;
	by |= (of_url ? BIT(URL) : 0) | (fact == FACT_HOST ? BIT(HTTP_HOST) : 0);
	return asked & by;
}

void judge_facts_clear(struct judge_facts *j, uint64_t wanted, uint64_t now_ns)
{
	memset(j->facts.state, FACT_UNKNOWN, sizeof(j->facts.state));
	memset(j->facts.n, 0, sizeof(j->facts.n));
	j->facts.found[0] = j->facts.found[1] = NULL;
	j->facts.now_ns = now_ns;
	j->wanted = wanted;
	j->ntext = 0;
	j->overflow = false;
}

struct fact_value *judge_facts_add(struct judge_facts *j, enum field field, struct origin o)
{
	struct facts *f = &j->facts;
	unsigned n = f->n[field];
	if (!(j->wanted >> field & 1))
		return NULL;
	if (n == FACTS_MAX) {
		f->state[field] = FACT_SOME;
		j->overflow = true;
		return NULL;
	}
	if (n == 0) {
		f->state[field] = FACT_ALL;
		f->value[field] = j->value[field];
	}
	f->n[field] = (uint8_t)(n + 1);
	j->origin[field][n] = o;
	j->value[field][n] = (struct fact_value){0};
	return &j->value[field][n];
}

void judge_facts_num(struct judge_facts *j, enum field field, uint64_t num, struct origin o)
{
	struct fact_value *v = judge_facts_add(j, field, o);
	if (v)
		v->num = num;
}

void judge_facts_bytes(struct judge_facts *j, enum field field, const void *p, uint32_t len, struct origin o)
{
	struct fact_value *v = judge_facts_add(j, field, o);
	if (v) {
		v->p = p;
		v->len = len;
	}
}

void judge_facts_none(struct judge_facts *j, uint64_t set)
{
	for (set &= j->wanted; set; set &= set - 1) {
		unsigned field = (unsigned)__builtin_ctzll(set);
		if (j->facts.state[field] == FACT_UNKNOWN)
			j->facts.state[field] = FACT_ABSENT;
	}
}

void judge_facts_tuple(struct judge_facts *j, const struct judge_tuple *t)
{
	uint32_t len = t->version == 4 ? 4 : 16;
	judge_facts_bytes(j, FIELD_SRC, t->src, len, NOWHERE);
	judge_facts_bytes(j, FIELD_DST, t->dst, len, NOWHERE);
	judge_facts_num(j, FIELD_IP_VERSION, t->version, NOWHERE);
	bool proto = !(t->cut && parse_ip_is_header(t->proto));
	bool ports = t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP || t->proto == IPPROTO_SCTP;
	if (proto)
		judge_facts_num(j, FIELD_PROTO, t->proto, NOWHERE);
	if (ports && !t->cut) {
		judge_facts_num(j, FIELD_SPORT, t->sport, NOWHERE);
		judge_facts_num(j, FIELD_DPORT, t->dport, NOWHERE);
	}
	if (t->tenant)
		judge_facts_num(j, FIELD_TENANT, t->tenant, NOWHERE);
	judge_facts_none(j, (proto && !(ports && t->cut) ? BIT(SPORT) | BIT(DPORT) : 0) | BIT(TENANT) | ASKED_FIELDS);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

// A record's names are never longer than the record.
static uint8_t *text_take(struct judge_facts *j, uint32_t len)
{
	if (len > sizeof(j->text) - j->ntext)
		return NULL;
	uint8_t *p = j->text + j->ntext;
	j->ntext += len;
	return p;
}

static void add_name(struct judge_facts *j, enum field field, const struct fact *f)
{
	uint32_t len = f->len && f->value[f->len - 1] == '.' ? f->len - 1 : f->len;
	uint8_t *p = j->wanted >> field & 1 ? text_take(j, len) : NULL;
	if (!p)
		return;
	for (uint32_t i = 0; i < len; i++)
		p[i] = lower(f->value[i]);
	judge_facts_bytes(j, field, p, len, f->origin);
}

static uint64_t number(const struct fact *f)
{
	uint64_t n = 0;
	memcpy(&n, f->value, f->len < sizeof(n) ? f->len : sizeof(n));
	return n;
}

static void add_line(struct judge_facts *j, enum field field, const struct fact *f)
{
	const uint8_t *colon = memchr(f->value, ':', f->len);
	uint32_t name = colon ? (uint32_t)(colon - f->value) : 0;
	struct fact_value *v = colon && name + 2 <= f->len ? judge_facts_add(j, field, f->origin) : NULL;
	if (!v)
		return;
	v->name = f->value;
	v->name_len = name;
	v->p = f->value + name + 2;
	v->len = f->len - name - 2;
}

static void add_version(struct judge_facts *j, const struct fact *f)
{
	bool named = f->len == 0 || f->len > 8 || (f->len == 1 && (f->value[0] == '1' || f->value[0] == '2')) ||
		     f->value[0] == 'Q' || f->value[0] == 'T' || memchr(f->value, '-', f->len);
	uint8_t *p = named || !(j->wanted & BIT(QUIC_VERSION)) ? NULL : text_take(j, 10);
	if (!p) {
		judge_facts_bytes(j, FIELD_QUIC_VERSION, f->value, f->len, f->origin);
		return;
	}
	memcpy(p, "0x00000000", 10);
	memcpy(p + 10 - f->len, f->value, f->len);
	judge_facts_bytes(j, FIELD_QUIC_VERSION, p, 10, f->origin);
}

static void add_fact(struct judge_facts *j, const struct record *r, const struct fact *f)
{
	enum field field = (enum field)fields[f->field].field;
	switch ((enum reading)fields[f->field].reading) {
	case READ_NUM:
		judge_facts_num(j, field, number(f), f->origin);
		break;
	case READ_NAME:
		add_name(j, field, f);
		break;
	case READ_VERSION:
		add_version(j, f);
		break;
	case READ_LINE:
		add_line(j, field, f);
		break;
	case READ_BYTES:
		judge_facts_bytes(j, field, f->value, f->len, f->origin);
		if (f->field == FACT_HOST && r->kind == RECORD_HTTP)
			judge_facts_bytes(j, FIELD_HTTP_HOST, f->value, f->len, f->origin);
		break;
	}
	if (unlikely(f->flags & FACT_CUT) && (j->wanted >> field & 1)) { // what was cut off may be what is looked for
		j->facts.state[field] = FACT_SOME;
		j->overflow = true;
	}
}

// JA3 and JA4 of the lists that ship makes them of, once more: only where a rule asks.
static void add_fingerprints(struct judge_facts *j, const struct fact *f)
{
	uint8_t *out = text_take(j, JA3_LEN + JA4_LEN);
	if (!out || !ja_unpack(&j->hello, f->value, f->len))
		return;
	if (j->wanted & BIT(TLS_JA3)) {
		ja_ja3(&j->hello, j->full, (char *)out);
		judge_facts_bytes(j, FIELD_TLS_JA3, out, JA3_LEN, f->origin);
	}
	if (j->wanted & BIT(TLS_JA4)) {
		ja_ja4(&j->hello, j->full, (char *)out + JA3_LEN);
		judge_facts_bytes(j, FIELD_TLS_JA4, out + JA3_LEN, JA4_LEN, f->origin);
	}
}

// `tls.ech`, `quic.midstream` are said where they are true.
static void or_false(struct judge_facts *j, enum field field)
{
	if ((j->wanted >> field & 1) && j->facts.n[field] == 0)
		judge_facts_num(j, field, 0, NOWHERE);
}

// http://host[:port]target, of the first Host; an absolute target stands for itself.
static void add_url(struct judge_facts *j, const struct record *r)
{
	const struct fact *host = NULL, *target = NULL, *f = record_first(r);
	char port[8] = "";
	uint32_t nport = 0;
	if (!(j->wanted & BIT(URL)))
		return;
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		if (f->field == FACT_HTTP_HOST && !host)
			host = f;
		else if (f->field == FACT_HTTP_URI && !target)
			target = f;
		else if (f->field == FACT_HTTP_PORT && !nport && number(f) != 80 && number(f) <= UINT16_MAX) {
			uint32_t n = (uint32_t)number(f);
			char digits[5];
			unsigned d = 0;
			do
				digits[d++] = (char)('0' + n % 10);
			while (n /= 10);
			port[nport++] = ':';
			while (d)
				port[nport++] = digits[--d];
		}
	}
	if (!target)
		return;
	if (target->len == 0 || target->value[0] != '/' || !host) {
		judge_facts_bytes(j, FIELD_URL, target->value, target->len, target->origin);
		return;
	}
	uint8_t *p = text_take(j, 7 + host->len + nport + target->len);
	if (!p)
		return;
	memcpy(p, "http://", 7);
	memcpy(p + 7, host->value, host->len);
	memcpy(p + 7 + host->len, port, nport);
	memcpy(p + 7 + host->len + nport, target->value, target->len);
	judge_facts_bytes(j, FIELD_URL, p, 7 + host->len + nport + target->len, target->origin);
}

void judge_facts_opaque(struct judge_facts *j, enum app app)
{
	if (app == APP_NONE)
		app = APP_OTHER;
	judge_facts_bytes(j, FIELD_APP, app_names[app], (uint32_t)strlen(app_names[app]), NOWHERE);
	judge_facts_none(j, CLIENT_FIELDS | LATER_FIELDS);
}

void judge_facts_record(struct judge_facts *j, const struct record *r)
{
	const struct fact *f = record_first(r);
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		if (fields[f->field].field)
			add_fact(j, r, f);
		else if ((f->field == FACT_TLS_HELLO || f->field == FACT_QUIC_HELLO) && (j->wanted & FINGERPRINTS))
			add_fingerprints(j, f);
	}
	if (r->app != APP_NONE)
		judge_facts_bytes(j, FIELD_APP, app_names[r->app], (uint32_t)strlen(app_names[r->app]), NOWHERE);
	if (r->kind == RECORD_HTTP)
		add_url(j, r);
	if (r->kind == RECORD_TLS || r->kind == RECORD_QUIC)
		or_false(j, FIELD_TLS_ECH);
	if (r->kind == RECORD_QUIC)
		or_false(j, FIELD_QUIC_MIDSTREAM);
	uint64_t awaited = r->kind == RECORD_DNS && r->tx_kind ? 0 : later[r->kind];
	judge_facts_none(j, CLIENT_FIELDS | (LATER_FIELDS & ~awaited));
}
