// SPDX-License-Identifier: BSD-3-Clause
//
// Names and paths as lenient servers read them. In: the facts of a transaction, in their normal form; out: the same
// with other readings where there are such, to be judged a second time, and the worse of both verdicts stands. What is
// recorded and explained is the normal form (corridor.md 4), so these readings are nowhere else. Worker's thread, pure.
//
//   host   "a.example:80:80", "http://a.example/", "b.example, a.example", "a.example..": nginx ends a name at the
//   first
//          colon, others at a slash or a comma: every part that could be a name is one
//   host   raw UTF-8 in place of "xn--": the A-labels that it stands for are a name, too
//   path   "\a" (IIS), "/x/..;/a" (Tomcat takes parameters off before dot segments), "/a%00.png" (a C string ends
//          there)
//
// Rejected: refusing them as ambiguous (browsers send some, and most servers read them as they stand); more values of
// the same fact (an allow rule on a path would be true by the one that its server does not see).
#include "judge_in.h"

#include <string.h>

#include "base/idn.h"

#define PARTS_MAX 8 // of one name

static bool in_name(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c >= 0x80;
}

static bool address6(const struct fact_value *v)
{
	unsigned colons = 0;
	for (uint32_t i = 0; i < v->len; i++) {
		uint8_t c = v->p[i], low = c | 0x20;
		colons += c == ':';
		if (c != ':' && c != '.' && !(c >= '0' && c <= '9') && !(low >= 'a' && low <= 'f'))
			return false;
	}
	return colons > 1;
}

// The parts of a name that could be names become values, too.
static bool parts(struct judge_facts *j, enum field field, const struct fact_value v, struct origin o)
{
	uint32_t at = 0, n = 0;
	while (at < v.len && n < PARTS_MAX) {
		uint32_t from = at;
		while (at < v.len && in_name(v.p[at]))
			at++;
		uint32_t to = at++;
		while (from < to && v.p[from] == '.')
			from++;
		while (from < to && v.p[to - 1] == '.')
			to--;
		if (from == to || to - from == v.len)
			continue;
		judge_facts_bytes(j, field, v.p + from, to - from, o);
		n++;
	}
	return n;
}

// The name that DNS has in place of this one, which is UTF-8.
static bool wide(struct judge_facts *j, enum field field, const struct fact_value *v, struct origin o)
{
	uint8_t *out = j->text + j->ntext;
	uint32_t n = sizeof(j->text) - j->ntext < IDN_NAME_MAX ? 0 : idn_ascii(v->p, v->len, out);
	j->ntext += n;
	if (n)
		judge_facts_bytes(j, field, out, n, o);
	return n;
}

static bool names(struct judge_facts *j, enum field field)
{
	bool odd = false;
	unsigned n = j->wanted >> field & 1 ? j->facts.n[field] : 0;
	for (unsigned i = 0; i < n; i++)
		if (!address6(&j->value[field][i]))
			odd |= parts(j, field, j->value[field][i], j->origin[field][i]);
	n = n ? j->facts.n[field] : 0;
	for (unsigned i = 0; i < n; i++)
		odd |= wide(j, field, &j->value[field][i], j->origin[field][i]);
	return odd;
}

static bool path_is_odd(const struct fact_value *v)
{
	return memchr(v->p, '\\', v->len) || memchr(v->p, '\0', v->len) || memmem(v->p, v->len, "/.;", 3) ||
	       memmem(v->p, v->len, "..;", 3);
}

// Backslashes separate, a NUL ends, dot segments lose their parameters and take effect. Returns the length; out has
// room for one byte more than the value.
static uint32_t path_read(const struct fact_value *v, uint8_t *out)
{
	uint32_t at = 0, n = 0;
	const uint8_t *nul = memchr(v->p, '\0', v->len);
	uint32_t len = nul ? (uint32_t)(nul - v->p) : v->len;
	while (at < len) {
		uint32_t from = at;
		while (at < len && v->p[at] != '/' && v->p[at] != '\\')
			at++;
		uint32_t size = at - from;
		const uint8_t *semicolon = memchr(v->p + from, ';', size);
		uint32_t name = semicolon ? (uint32_t)(semicolon - v->p) - from : size;
		bool dot = name == 1 && v->p[from] == '.',
		     dots = name == 2 && v->p[from] == '.' && v->p[from + 1] == '.';
		at++;
		if (dots)
			while (n && out[--n] != '/')
				;
		if (size == 0 || dot || dots)
			continue;
		out[n++] = '/';
		memcpy(out + n, v->p + from, size);
		n += size;
	}
	if (n == 0)
		out[n++] = '/';
	return n;
}

static bool path(struct judge_facts *j)
{
	struct fact_value *v = j->value[FIELD_HTTP_PATH];
	if (!(j->wanted >> FIELD_HTTP_PATH & 1) || !j->facts.n[FIELD_HTTP_PATH] || !path_is_odd(v) ||
	    sizeof(j->text) - j->ntext < v->len + 1)
		return false;
	uint8_t *out = j->text + j->ntext;
	v->len = path_read(v, out);
	v->p = out;
	j->ntext += v->len;
	return true;
}

bool judge_lenient(struct judge_facts *j, const struct record *r)
{
	if (r->kind == RECORD_DNS) // any byte may stand in a label, and is itself (RFC 2181 11)
		return false;
	bool odd = names(j, FIELD_HOST);
	odd |= names(j, FIELD_HTTP_HOST);
	odd |= names(j, FIELD_TLS_SNI);
	return path(j) || odd;
}
