// SPDX-License-Identifier: BSD-3-Clause
//
// One record of swg_rules: what its key says that it is, and whether its value is that. In: bytes that anybody may have
// written; out: a value in canonical form (canonical.h), and the piece of a policy that it stands for. What a rule
// means is not looked at here: the policy as a whole is read as any other (policy.h), once there is a version.
//
//   rule:<id>                    the rule, with `order`; its id may be left out
//   rule:auto:<writer>:<id>      the same, of a machine: `order` in its band, `expires` compulsory
//   set:<name>                   {"type": ...}
//   set:<name>:<item>            {}
//   default                      {"action", "respond"}, and what a policy says beside its rules: undecided,
//                                rejudge_unknown
//   commit                       {"version", "rules", "sets", "hash", "author", "why"}
//
// A set's name has no colon, so that items may (fd00::/8).
#include "decide/rules_key.h"

#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "decide/canonical.h"
#include "policy/doc.h"
#include "policy/schedule.h"

static bool begins(const char *key, size_t len, const char *with)
{
	size_t n = strlen(with);
	return len >= n && !memcmp(key, with, n);
}

static bool wrong(char why[RULES_WHY], const char *what)
{
	snprintf(why, RULES_WHY, "%s", what);
	return false;
}

static bool is_text(const char *p, size_t len)
{
	const uint8_t *at = (const uint8_t *)p, *end = at + len;
	while (at < end) {
		unsigned n = *at ? doc_character(at, end) : 0;
		if (!n)
			return false;
		at += n;
	}
	return true;
}

static bool set_key(const char *name, size_t len, struct rules_key *k, char why[RULES_WHY])
{
	const char *colon = memchr(name, ':', len);
	k->kind = colon ? RULES_ITEM : RULES_SET;
	k->id = name;
	k->id_len = (uint32_t)(colon ? (size_t)(colon - name) : len);
	k->item = colon ? colon + 1 : NULL;
	k->item_len = colon ? (uint32_t)(len - k->id_len - 1) : 0;
	return (k->id_len && (!colon || k->item_len)) || wrong(why, "a set, or its item, without a name");
}

static bool rule_key(const char *id, size_t len, struct rules_key *k, char why[RULES_WHY])
{
	k->kind = begins(id, len, "auto:") ? RULES_AUTO : RULES_RULE;
	k->id = id;
	k->id_len = (uint32_t)len;
	const char *writer = id + 5, *colon = k->kind == RULES_AUTO ? memchr(writer, ':', len - 5) : NULL;
	if (k->kind == RULES_AUTO && (!colon || colon == writer || colon + 1 == id + len))
		return wrong(why, "a machine-written rule is rule:auto:<writer>:<id>");
	if (len > RULES_ID_MAX)
		return wrong(why, "a rule's id of more than 128 bytes");
	return len > 0 || wrong(why, "a rule without an id");
}

bool rules_key_read(const char *key, size_t len, struct rules_key *k, char why[RULES_WHY])
{
	*k = (struct rules_key){0};
	if (len > RULES_KEY_MAX || !is_text(key, len))
		return wrong(why, len > RULES_KEY_MAX ? "a key of more than 8192 bytes" : "a key that is not UTF-8");
	if (begins(key, len, "rule:"))
		return rule_key(key + 5, len - 5, k, why);
	if (begins(key, len, "set:"))
		return set_key(key + 4, len - 4, k, why);
	k->kind = begins(key, len, "commit") ? RULES_COMMIT : RULES_DEFAULT;
	if ((len == 6 && k->kind == RULES_COMMIT) || (len == 7 && begins(key, len, "default")))
		return true;
	return wrong(why, "no such key: rule:<id>, set:<name>, set:<name>:<item>, default or commit");
}

// ---- values ------------------------------------------------------------------------------------------------------

static bool check_rule(const struct rules_key *k, json_t *o, struct rules_value *v, char why[RULES_WHY])
{
	const json_t *n = json_object_get(o, "order"), *id = json_object_get(o, "id");
	v->order = json_number_value(n);
	bool band = v->order >= RULES_AUTO_FROM && v->order < RULES_AUTO_BEFORE, is_auto = k->kind == RULES_AUTO;
	if (!json_is_number(n))
		return wrong(why, "a rule needs an \"order\": a number");
	if (band != is_auto)
		return wrong(why, is_auto ? "the order of a machine-written rule is from 1e9 to below 2e9"
					  : "orders from 1e9 to below 2e9 are for machine-written rules");
	if (id && (!json_is_string(id) || json_string_length(id) != k->id_len ||
		   memcmp(json_string_value(id), k->id, k->id_len) != 0))
		return wrong(why, "the rule has another \"id\" than its key");
	const json_t *expires = json_object_get(o, "expires");
	if (is_auto &&
	    !(json_is_string(expires) &&
	      schedule_instant(json_string_value(expires), (uint32_t)json_string_length(expires), &v->expires_ns)))
		return wrong(why, "a machine-written rule needs \"expires\": a time as in RFC 3339");
	json_object_del(o, "order");
	json_object_set_new(o, "id", json_stringn(k->id, k->id_len));
	return true;
}

static bool check_set(json_t *o, char why[RULES_WHY])
{
	if (json_object_get(o, "items") || json_object_get(o, "file"))
		return wrong(why, "items of a set are records of their own: set:<name>:<item>");
	return true;
}

static void write_to(const json_t *o, char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);
	if (!f)
		abort();
	canonical_write(o, f);
	if (fclose(f) != 0)
		abort();
}

// The members of an object, without its braces.
static void unwrap(char *text, size_t *len)
{
	*len -= 2;
	memmove(text, text + 1, *len);
	text[*len] = 0;
}

// A policy's `undecided` and `rejudge_unknown` stand in its default here, for want of a key of theirs.
static void default_body(json_t *o)
{
	static const char *const beside[] = {"undecided", "rejudge_unknown"};
	json_t *all = json_object();
	for (unsigned i = 0; i < 2; i++) {
		json_t *v = json_object_get(o, beside[i]);
		if (v)
			json_object_set(all, beside[i], v);
		json_object_del(o, beside[i]);
	}
	json_t *rest = json_copy(o);
	json_object_set_new(all, "default", rest);
	json_object_clear(o);
	json_object_update(o, all);
	json_decref(all);
}

static bool check(const struct rules_key *k, json_t *o, struct rules_value *v, char why[RULES_WHY])
{
	switch (k->kind) {
	case RULES_RULE:
	case RULES_AUTO:
		return check_rule(k, o, v, why);
	case RULES_SET:
		return check_set(o, why);
	case RULES_ITEM:
		return json_object_size(o) == 0 || wrong(why, "the value of a set's item is {}");
	default:
		default_body(o);
		return true;
	}
}

struct rules_value *rules_value_read(const struct rules_key *k, const char *text, size_t len, char why[RULES_WHY])
{
	struct rules_value *v = NULL;
	char *canonical, *body = NULL;
	size_t n, body_len = 0;
	struct rules_value made = {0};
	json_t *o = canonical_read(text, len, RULES_VALUE_MAX, why, RULES_WHY);
	if (!o || (!json_is_object(o) && !wrong(why, "the value is no object"))) {
		json_decref(o);
		return NULL;
	}
	write_to(o, &canonical, &n);
	if (check(k, o, &made, why)) {
		if (k->kind != RULES_ITEM)
			write_to(o, &body, &body_len);
		if (k->kind == RULES_SET || k->kind == RULES_DEFAULT)
			unwrap(body, &body_len);
		v = malloc(sizeof(*v) + n + 1);
		if (!v)
			abort();
		*v = made;
		v->len = (uint32_t)n;
		v->body_len = (uint32_t)body_len;
		v->body = body;
		memcpy(v->text, canonical, n + 1);
	}
	free(canonical);
	json_decref(o);
	return v;
}

void rules_value_free(struct rules_value *v)
{
	if (v)
		free(v->body);
	free(v);
}

static bool whole(const json_t *o, const char *name, double most, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);
	double d = json_number_value(v);
	*out = d >= 0 && d <= most ? (uint64_t)d : 0;
	return json_is_number(v) && d >= 0 && d <= most && (double)*out == d;
}

bool rules_commit_read(const char *text, size_t len, struct rules_commit *c, char why[RULES_WHY])
{
	const char *hash = NULL, *author = "", *reason = "";
	uint64_t rules, sets;
	*c = (struct rules_commit){0};
	json_t *o = canonical_read(text, len, RULES_VALUE_MAX, why, RULES_WHY);
	if (!o)
		return false;
	bool good = json_unpack(o, "{s:s,s?s,s?s}", "hash", &hash, "author", &author, "why", &reason) == 0 &&
		    strlen(hash) == 64 && strspn(hash, "0123456789abcdef") == 64;
	good = good && whole(o, "version", RULES_VERSION_MAX, &c->version) && c->version;
	good = good && whole(o, "rules", UINT32_MAX, &rules) && whole(o, "sets", UINT32_MAX, &sets);
	if (good) {
		c->rules = (uint32_t)rules;
		c->sets = (uint32_t)sets;
		snprintf(c->hash, sizeof(c->hash), "%s", hash);
		snprintf(c->author, sizeof(c->author), "%s", author);
		snprintf(c->why, sizeof(c->why), "%s", reason);
		word_cut(c->author);
		word_cut(c->why);
	} else {
		wrong(why,
		      "a commit is {\"version\", \"rules\", \"sets\", \"hash\", \"author\", \"why\"}: numbers from "
		      "1 and 0 on, 64 hex digits, strings");
	}
	json_decref(o);
	return good;
}
