// SPDX-License-Identifier: BSD-3-Clause
//
// Flows in words: the filter of `show flows` and `flow kill`, such as `src 10.0.0.0/8 dport 443 app tls verdict deny`,
// and a flow as a line of its answer.
#include "ctl/flow_words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "live/standing.h"
#include "path/judge_in.h"
#include "ship/proto.h"
#include "policy_names.h"

enum key { SRC, DST, IP, SPORT, DPORT, PORT, PROTO, APP, VERDICT, RULE, TENANT, ID, LIMIT, KEYS };
static const char *const keys[KEYS] = {"src", "dst",     "ip",   "sport",  "dport", "port", "proto",
				       "app", "verdict", "rule", "tenant", "id",    "limit"};

static bool number(const char *text, uint64_t max, uint64_t *n)
{
	char *end = NULL;
	errno = 0;
	*n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 0) : 0;
	return end && !*end && !errno && *n <= max;
}

static bool net(const char *text, struct flows_net *n)
{
	char addr[64];
	uint64_t bits;
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	*n = (struct flows_net){.version = strchr(addr, ':') ? 6 : 4};
	bits = n->version == 4 ? 32 : 128;
	if (inet_pton(n->version == 4 ? AF_INET : AF_INET6, addr, n->addr) != 1)
		return false;
	if (slash && !number(slash + 1, bits, &bits))
		return false;
	n->bits = (uint8_t)bits;
	return true;
}

static bool port(const char *text, uint32_t *to)
{
	uint64_t n;
	bool ok = number(text, 65535, &n);
	*to = (uint32_t)n + 1;
	return ok;
}

static bool proto(const char *text, uint16_t *to)
{
	uint64_t n;
	bool ok = number(text, 255, &n);
	for (unsigned i = 0; i < 256 && !ok; i++) {
		ok = !strcmp(proto_name((uint8_t)i), text);
		n = i;
	}
	*to = (uint16_t)(n + 1);
	return ok;
}

// False: it is none of the words.
static bool one_of(const char *const *words, unsigned n, const char *text, unsigned *at)
{
	*at = word_find(words, n, text, strlen(text));
	return *at < n;
}

static bool rule(const char *text, const struct standing_view *v, struct flows_filter *q)
{
	q->by_rule = true;
	for (uint32_t i = 0; v && i <= v->names->nrules; i++) {
		if (strcmp(v->names->rule[i].id, text) != 0)
			continue;
		q->rule = i < v->names->nrules ? i : RULE_DEFAULT;
		q->version = v->names->version;
		return true;
	}
	q->rule = RULE_KILLED;
	q->version = v ? v->names->version : 0;
	return v && !strcmp(text, "flow kill");
}

static bool take(enum key key, const char *text, const struct standing_view *v, struct flows_filter *q, uint32_t *limit)
{
	unsigned at;
	uint64_t n;
	bool ok;
	switch (key) {
	case SRC:
		return net(text, &q->src);
	case DST:
		return net(text, &q->dst);
	case IP:
		return net(text, &q->either);
	case SPORT:
		return port(text, &q->sport);
	case DPORT:
		return port(text, &q->dport);
	case PORT:
		return port(text, &q->port);
	case PROTO:
		return proto(text, &q->proto);
	case APP:
		ok = one_of(app_names, APP_COUNT, text, &at);
		q->app = (uint16_t)(at + 1);
		return ok;
	case VERDICT:
		ok = one_of(flows_verdict_names, FLOWS_VERDICTS, text, &at);
		q->verdict = (uint8_t)at;
		return ok;
	case RULE:
		return rule(text, v, q);
	case TENANT:
		return number(text, UINT64_MAX, &q->tenant);
	case ID:
		return number(text, UINT64_MAX, &q->id) && q->id;
	case LIMIT:
		ok = limit && number(text, FLOWS_SHOWN_MAX, &n) && n;
		if (ok)
			*limit = (uint32_t)n;
		return ok;
	case KEYS:
		break;
	}
	return false;
}

bool flow_words(struct call *c, unsigned from, const struct standing_view *v, struct flows_filter *q, uint32_t *limit)
{
	*q = (struct flows_filter){0};
	if (c->n == from + 1 && number(c->word[from], UINT64_MAX, &q->id) && q->id)
		return true;
	for (unsigned i = from; i < c->n; i += 2) {
		const char *word = c->word[i] + (strncmp(c->word[i], "--", 2) ? 0 : 2);
		unsigned key = word_find(keys, KEYS, word, strlen(word));
		if (key == KEYS) {
			const char *near = word_near(keys, KEYS, word, strlen(word));
			call_fail(c, CALL_USAGE, "flows have no \"%.60s\"%s%s%s", word, near ? " (did you mean \"" : "",
				  near ? near : ": src dst ip sport dport port proto app verdict rule tenant id limit",
				  near ? "\"?)" : "");
			return false;
		}
		if (i + 1 == c->n || !take((enum key)key, c->word[i + 1], v, q, limit)) {
			call_fail(c, CALL_USAGE, "%s %s \"%.60s\"%s", keys[key],
				  i + 1 < c->n ? "cannot be" : "needs a value, not", i + 1 < c->n ? c->word[i + 1] : "",
				  key == VERDICT ? ": allow, deny, open, unjudged" : "");
			return false;
		}
	}
	return true;
}

json_t *flow_word_kinds(struct appliance *a)
{
	return command_strings(keys, KEYS);
}

// ---- a flow ------------------------------------------------------------------------------------------------------

static const char *address(const struct flow *f, const uint8_t *addr, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(f->key.version == 4 ? AF_INET : AF_INET6, addr, text, INET6_ADDRSTRLEN);
}

static json_t *rule_name(const struct flows_row *r, const struct standing_view *v)
{
	if (r->rule == RULE_NONE || !r->version)
		return json_null();
	if (v && r->version == v->names->version)
		return json_string(policy_names_rule(v->names, r->rule)->id);
	return json_sprintf("rule %u of version %u", r->rule, r->version);
}

static void more(json_t *o, const struct flows_row *r)
{
	const struct flow *f = &r->flow;
	json_t *m = json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:i,s:f,s:b,s:b,s:b,s:b,s:s}", "worker", r->worker, "tenant",
			      (json_int_t)f->key.tenant, "packets_toserver", (json_int_t)f->pkts[0], "packets_toclient",
			      (json_int_t)f->pkts[1], "toserver_bytes", (json_int_t)f->bytes[0], "toclient_bytes",
			      (json_int_t)f->bytes[1], "transactions", f->tx_count, "start_unix",
			      (double)f->start_ns / 1e9, "midstream", f->flags & FLOW_MIDSTREAM, "held", f->holds,
			      "acted_on", f->policy & POLICY_ACTS, "settled", r->settled, "settled_why", r->why);
	json_object_update(o, m);
	json_decref(m);
}

json_t *flow_words_of(const struct flows_row *r, const struct standing_view *v, uint64_t now_ns, bool all)
{
	const struct flow *f = &r->flow;
	bool swapped = f->flags & FLOW_SWAPPED;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	json_t *o = json_pack("{s:I,s:s,s:i,s:s,s:i,s:s,s:s,s:s,s:o,s:I,s:I,s:f,s:f}", "id", (json_int_t)f->id, "src",
			      address(f, swapped ? f->key.b : f->key.a, src), "sport",
			      ntohs(swapped ? f->key.bport_be : f->key.aport_be), "dst",
			      address(f, swapped ? f->key.a : f->key.b, dst), "dport",
			      ntohs(swapped ? f->key.aport_be : f->key.bport_be), "proto", proto_name(f->key.proto),
			      "app", app_names[f->app < APP_COUNT ? f->app : 0], "verdict",
			      flows_verdict_names[r->verdict], "rule", rule_name(r, v), "packets",
			      (json_int_t)f->pkts[0] + f->pkts[1], "bytes", (json_int_t)(f->bytes[0] + f->bytes[1]),
			      "age_s", (double)(f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0) / 1e9,
			      "idle_s", (double)(now_ns > f->last_ns ? now_ns - f->last_ns : 0) / 1e9);
	if (all && o)
		more(o, r);
	return o;
}
