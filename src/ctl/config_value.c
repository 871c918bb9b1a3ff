// SPDX-License-Identifier: BSD-3-Clause
//
// One value of the configuration: out of a JSON node into its place, by the key's row, and back into words. Off the
// path.
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "ctl/config_key.h"
#include "policy/field.h"

static void put_number(char *to, unsigned size, uint64_t v)
{
	memcpy(to, &v, size); // little endian, as all that DPDK runs on here
}

static uint64_t get_number(const char *from, unsigned size)
{
	uint64_t v = 0;
	memcpy(&v, from, size);
	return v;
}

// ---- reading ----------------------------------------------------------------------------------------------------

static bool read_word(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	unsigned w = reading_word(r, node, k->words, k->nwords, "value");
	if (w < k->nwords)
		*to = (char)w;
	return w < k->nwords;
}

static bool read_text(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	const char *text = "";
	struct doc_span s = doc_string(&r->doc, node);
	if (r->doc.node[node].type != DOC_STRING || s.len)
		text = reading_text(r, node, k->size - 1u);
	else if (!k->value)
		return reading_wrong(r, node, "a string that is not empty is expected");
	if (!text)
		return false;
	memset(to, 0, k->size);
	memcpy(to, text, strlen(text));
	return true;
}

// A relative name in a file is meant from the file's folder.
static bool read_beside(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	size_t len = r->folder ? strlen(r->folder) : 0;
	if (!read_text(r, k, node, to))
		return false;
	if (!*to || *to == '/' || len == 0)
		return true;
	if (len + 1 + strlen(to) >= k->size)
		return reading_wrong(r, node, "with its folder, %s, longer than %u bytes", r->folder, k->size - 1u);
	memmove(to + len + 1, to, strlen(to) + 1);
	memcpy(to, r->folder, len);
	to[len] = '/';
	return true;
}

static bool host(const char *p, size_t len)
{
	struct operand o;
	uint8_t bytes[16];
	const char *why;
	return field_net(p, (uint32_t)len, &o, bytes, &why) && o.bits == o.len * 8;
}

static bool read_host(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	if (!read_text(r, k, node, to))
		return false;
	return host(to, strlen(to)) || reading_wrong(r, node, "an address is expected, as 192.0.2.1 or 2001:db8::1");
}

// address:port, an address of IPv6 in brackets.
static bool read_endpoint(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	if (!read_text(r, k, node, to))
		return false;
	const char *colon = strrchr(to, ':');
	char *end;
	if (!*to)
		return true;
	size_t len = colon ? (size_t)(colon - to) : 0, in = len > 2 && *to == '[' && to[len - 1] == ']';
	bool good = colon && host(to + in, len - 2 * in) && !memchr(to + in, ':', len - 2 * in) == !in;
	if (good && colon[1] >= '1' && colon[1] <= '9')
		good = strtoul(colon + 1, &end, 10) <= 65535 && !*end;
	else
		good = false;
	return good || reading_wrong(r, node, "an address and a port are expected, as 127.0.0.1:9180 or [::1]:9180");
}

static bool read_net(struct reading *r, const struct config_key *k, uint32_t node, char *to)
{
	struct config_net *n = (struct config_net *)to;
	struct operand o = {0};
	uint8_t bytes[16] = {0};
	const char *why = "";
	const char *text = reading_text(r, node, CONFIG_ADDRESS - 1);
	if (!text)
		return false;
	// field_net refuses host bits behind a prefix: the address is read alone
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char *end = NULL;
	bool good = field_net(text, (uint32_t)len, &o, bytes, &why) && o.bits == o.len * 8;
	unsigned long bits = good && slash && slash[1] >= '0' && slash[1] <= '9' ? strtoul(slash + 1, &end, 10) : 0;
	good = good && (!slash || (end && !*end && bits <= o.len * 8u));
	if (!good || (k->low && slash)) // low: addresses alone
		return reading_wrong(r, node,
				     k->low ? "an address is expected, as 192.0.2.1 or fe80::1"
					    : "an address with its network is expected, as 192.0.2.1/24");
	*n = (struct config_net){.len = (uint8_t)o.len, .bits = (uint8_t)(slash ? bits : o.len * 8u)};
	memcpy(n->bytes, bytes, sizeof(n->bytes));
	return true;
}

static bool read_port(struct reading *r, uint32_t node, const struct config *c, char *to)
{
	const char *names[CONFIG_PORTS];
	for (unsigned i = 0; i < c->nports; i++)
		names[i] = c->ports[i].port.name;
	unsigned i = reading_word(r, node, names, c->nports, "port");
	if (i < c->nports)
		*to = (char)i;
	return i < c->nports;
}

static bool read_one(struct reading *r, const struct config_key *k, uint32_t node, const struct config *c, char *to)
{
	uint64_t n;
	bool b;
	switch ((enum config_kind)k->kind) {
	case CONFIG_WORD:
		return read_word(r, k, node, to);
	case CONFIG_NUMBER:
		if (!reading_number(r, node, k->low, k->high, &n))
			return false;
		put_number(to, k->size, n);
		return true;
	case CONFIG_BOOL:
		if (!reading_bool(r, node, &b))
			return false;
		*to = b;
		return true;
	case CONFIG_TEXT:
		return read_text(r, k, node, to);
	case CONFIG_BESIDE:
		return read_beside(r, k, node, to);
	case CONFIG_HOST:
		return read_host(r, k, node, to);
	case CONFIG_ENDPOINT:
		return read_endpoint(r, k, node, to);
	case CONFIG_NET_:
		return read_net(r, k, node, to);
	case CONFIG_PORT:
		return read_port(r, node, c, to);
	case CONFIG_KINDS:
		break;
	}
	return false;
}

static bool read_list(struct reading *r, const struct config_key *k, uint32_t node, const struct config *c,
		      char *element)
{
	struct doc *d = &r->doc;
	unsigned n = 0;
	bool good = true;
	if (!reading_expect(r, node, DOC_ARRAY, "a list"))
		return false;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i), n++) {
		if (n == k->many)
			return reading_wrong(r, i, "at most %u values are expected", k->many);
		good &= read_one(r, k, i, c, element + k->at + n * k->size);
	}
	if (n == 0 && !k->value)
		return reading_wrong(r, node, "a list that is not empty is expected");
	if (good)
		element[k->count_at] = (char)n;
	return good;
}

bool config_value_read(struct reading *r, const struct config_key *k, uint32_t node, struct config *c, char *element)
{
	return k->many ? read_list(r, k, node, c, element) : read_one(r, k, node, c, element + k->at);
}

// ---- a value of --set -------------------------------------------------------------------------------------------

// Numbers, true and false are themselves where the key wants such; what is none is a string there, and refused as one.
static bool bare(const struct config_key *k, const char *p, size_t len)
{
	if (k->kind == CONFIG_BOOL)
		return (len == 4 && !memcmp(p, "true", 4)) || (len == 5 && !memcmp(p, "false", 5));
	size_t sign = len && *p == '-', n = sign;
	while (n < len && ((p[n] >= '0' && p[n] <= '9') || p[n] == '.'))
		n++;
	return k->kind == CONFIG_NUMBER && n == len && n > sign;
}

static char *put_json(char *to, const struct config_key *k, const char *p, size_t len)
{
	if (bare(k, p, len))
		return (char *)memcpy(to, p, len) + len;
	*to++ = '"';
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			*to++ = '\\';
		if ((uint8_t)p[i] < 0x20)
			to += sprintf(to, "\\u%04x", p[i]);
		else
			*to++ = p[i];
	}
	*to++ = '"';
	return to;
}

// Bare words are strings where the key has such; lists are written with commas, or as JSON.
char *config_value_json(struct arena *a, const struct config_key *k, const char *text)
{
	size_t len = strlen(text);
	char *json = (char *)arena_bytes(a, 6 * len + 8), *to = json;
	if (!k->many) {
		to = put_json(to, k, text, len);
	} else if (*text == '[') {
		memcpy(to, text, len);
		to += len;
	} else {
		*to++ = '[';
		for (const char *p = text; len; p = strchr(p, ',') + 1) {
			size_t n = strcspn(p, ",");
			to = put_json(to, k, p, n);
			if (!p[n])
				break;
			*to++ = ',';
		}
		*to++ = ']';
	}
	*to = '\0';
	return json;
}

// ---- and back into words ----------------------------------------------------------------------------------------

static void print_net(const struct config_net *n, bool network, FILE *out)
{
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(n->len == 4 ? AF_INET : AF_INET6, n->bytes, text, sizeof(text));
	fprintf(out, "\"%s", text);
	if (network)
		fprintf(out, "/%u", n->bits);
	putc('"', out);
}

// secret: what stands behind "secret=" (memif's) is stars.
static void print_text(const char *s, bool secret, FILE *out)
{
	const char *hidden = secret ? strstr(s, "secret=") : NULL;
	hidden = hidden ? hidden + strlen("secret=") : NULL;
	putc('"', out);
	for (; *s; s++) {
		if (s == hidden) {
			fputs("***", out);
			s += strcspn(s, ",");
			hidden = strstr(s, "secret=");
			hidden = hidden ? hidden + strlen("secret=") : NULL;
			if (!*s)
				break;
		}
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		putc(*s, out);
	}
	putc('"', out);
}

static void print_one(const struct config *c, const struct config_key *k, const char *at, FILE *out)
{
	switch ((enum config_kind)k->kind) {
	case CONFIG_WORD:
		print_text(k->words[(uint8_t)*at], false, out);
		break;
	case CONFIG_NUMBER:
		fprintf(out, "%" PRIu64, get_number(at, k->size));
		break;
	case CONFIG_BOOL:
		fputs(*at ? "true" : "false", out);
		break;
	case CONFIG_NET_:
		print_net((const struct config_net *)at, k->low == 0, out);
		break;
	case CONFIG_PORT:
		print_text(c->ports[(uint8_t)*at].port.name, false, out);
		break;
	default:
		print_text(at, k->secret, out);
	}
}

void config_value_print(const struct config *c, const struct config_key *k, const char *element, FILE *out)
{
	const char *at = element + k->at;
	if (!k->many) {
		print_one(c, k, at, out);
		return;
	}
	unsigned n = (uint8_t)element[k->count_at];
	putc('[', out);
	for (unsigned i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		print_one(c, k, at + i * k->size, out);
	}
	putc(']', out);
}
