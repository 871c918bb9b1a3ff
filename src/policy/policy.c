// SPDX-License-Identifier: BSD-3-Clause
//
// From a text to a policy: syntax, then its four parts, then what is right but looks wrong (lint.c). All or nothing: a
// policy comes out of here without errors or not at all. Off the path, on the caller's thread.
#include "policy.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "policy/action.h"
#include "policy/complaints.h"
#include "policy/lint.h"
#include "policy/rule.h"
#include "policy/set.h"
#include "policy/source.h"

// What policy_free is given points into this.
struct owned {
	struct policy policy;
	struct arena arena;
	struct owned *of;      // whose sets are this one's, too, or all; NULL: they are its own
	_Atomic uint32_t refs; // itself, and others that have its sets
};

static void read_version(struct reading *r, uint32_t node)
{
	if (!doc_is(&r->doc, node, "1") || r->doc.node[node].type != DOC_INTEGER)
		reading_wrong(r, node, "the language has version 1 only");
}

static void read_default(struct reading *r, uint32_t node)
{
	static const char *const keys[] = {"action", "respond"};
	struct doc *d = &r->doc;
	struct rule rule = {.action = ACTION_COUNT};
	uint32_t respond = 0;
	if (d->node[node].type == DOC_STRING) {
		reading_wrong(r, node, "an object is expected: {\"action\": \"allow\"} or {\"action\": \"deny\"}");
		return;
	}
	if (!reading_expect(r, node, DOC_OBJECT, "an object"))
		return;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		unsigned k = word_find(keys, 2, key.p, key.len);
		if (k == 0)
			rule.action = (enum action)reading_word(r, i, action_names, ACTION_DENY + 1, "default action");
		else if (k == 1)
			respond = i;
		else
			reading_unknown(r, d->node[i].key, "key of the default",
					reading_near(r, keys, 2, key.p, key.len));
	}
	if (rule.action == ACTION_COUNT)
		reading_wrong(r, node, "the default needs an \"action\": allow or deny");
	if (respond && rule.action == ACTION_ALLOW)
		reading_wrong(r, d->node[respond].key, "\"respond\" is for deny, not for allow");
	else if (respond && action_respond(r, respond, &rule) && rule.response == RESPONSE_SINKHOLE)
		reading_wrong(r, respond, "the default cannot be a sinkhole: a rule can");
	r->policy->default_action = rule.action;
	r->policy->default_response = rule.response;
}

static void read_undecided(struct reading *r, uint32_t node)
{
	static const char *const keys[] = {"handshake", "server_first", "prelude"};
	static const char *const words[] = {"possible", "pass", "drop"}, *const held[] = {"possible", "pass", "hold"};
	struct doc *d = &r->doc;
	enum undecided *out[] = {&r->policy->handshake, &r->policy->server_first, &r->policy->prelude};
	if (!reading_expect(r, node, DOC_OBJECT, "an object"))
		return;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		unsigned k = word_find(keys, 3, key.p, key.len);
		if (k == 3) {
			reading_unknown(r, d->node[i].key, "key of undecided",
					reading_near(r, keys, 3, key.p, key.len));
			continue;
		}
		unsigned w = reading_word(r, i, k == 1 ? held : words, 3, "word of undecided");
		*out[k] = (enum undecided)(k == 1 && w == 2 ? UNDECIDED_HOLD : w % 3);
	}
}

static void read_rejudge(struct reading *r, uint32_t node)
{
	unsigned w = reading_word(r, node, rejudge_names, REJUDGE_COUNT, "word of rejudge_unknown");
	r->policy->rejudge = w < REJUDGE_COUNT ? (enum rejudge)w : REJUDGE_KEEP;
}

// Sets come before the rules that look into them, wherever they stand in the text.
static const struct {
	const char *name;
	void (*read)(struct reading *r, uint32_t node);
} parts[] = {{"version", read_version},         {"default", read_default}, {"undecided", read_undecided},
	     {"rejudge_unknown", read_rejudge}, {"sets", set_read},        {"rules", rule_read}};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static void read_parts(struct reading *r)
{
	const char *names[PARTS];
	uint32_t of[PARTS] = {0};
	struct doc *d = &r->doc;
	for (unsigned i = 0; i < PARTS; i++)
		names[i] = parts[i].name;
	if (!reading_expect(r, 0, DOC_OBJECT, "a policy (an object)"))
		return;
	for (uint32_t i = doc_first(d, 0); i < doc_end(d, 0); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		unsigned k = word_find(names, PARTS, key.p, key.len);
		if (k < PARTS)
			of[k] = i;
		else
			reading_unknown(r, d->node[i].key, "key of a policy",
					reading_near(r, names, PARTS, key.p, key.len));
	}
	for (unsigned i = 0; i < PARTS; i++) {
		if (of[i])
			parts[i].read(r, of[i]);
	}
}

static void hash_text(EVP_MD_CTX *h, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_DigestFinal_ex(h, digest, &len);
	for (unsigned i = 0; i < 32 && i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup("");
	if (!folder)
		abort();
	return folder;
}

// What a text is read by.
struct manner {
	const struct policy_ear *ear;
	const struct policy *sets;
	bool quiet;
};

static void borrow(struct reading *r, struct owned *o, const struct policy *from)
{
	struct owned *of = (struct owned *)(uintptr_t)from; // its first member
	while (of->of && of->policy.sets == of->of->policy.sets)
		of = of->of;
	atomic_fetch_add(&of->refs, 1);
	o->of = of;
	o->policy.sets = of->policy.sets;
	o->policy.nsets = of->policy.nsets;
	for (uint32_t i = 0; i < of->policy.nsets; i++)
		lookup_add(&r->sets, of->policy.sets[i].name, (uint32_t)strlen(of->policy.sets[i].name), i);
}

static struct policy *parse(const char *name, const char *text, size_t len, struct manner m, struct complaints *c)
{
	struct owned *o = calloc(1, sizeof(*o));
	char *folder = folder_of(name);
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	if (!o || !h || EVP_DigestInit_ex(h, EVP_sha256(), NULL) != 1)
		abort();
	struct reading r = {
		.arena = &o->arena, .complaints = c, .policy = &o->policy, .folder = folder, .hash = h, .ear = m.ear};
	if (!m.quiet) // whose hash is the caller's
		EVP_DigestUpdate(h, text, len);
	o->refs = 1;
	if (m.sets)
		borrow(&r, o, m.sets);
	const char *file = arena_text(r.arena, name, strlen(name));
	if (doc_read(&r.doc, file, text, len, r.arena, c) == 0) {
		r.doc.unlined = m.quiet;
		read_parts(&r);
	}
	if (c->nerrors == 0 && !m.quiet)
		lint_policy(&r);
	hash_text(h, o->policy.hash);
	o->policy.nwarnings = c->nwarnings;
	complaints_sort(c, name);
	EVP_MD_CTX_free(h);
	free(folder);
	doc_free(&r.doc);
	regex_judge_close(&r.judge);
	lookup_free(&r.sets);
	lookup_free(&r.ids);
	lookup_free(&r.sids);
	if (c->nerrors == 0)
		return &o->policy;
	policy_free(&o->policy);
	return NULL;
}

struct policy *policy_parse(const char *name, const char *text, size_t len, struct complaints *c)
{
	return parse(name, text, len, (struct manner){0}, c);
}

struct policy *policy_parse_rules(const char *name, const char *text, size_t len, const struct policy *sets, bool quiet,
				  struct complaints *c)
{
	return parse(name, text, len, (struct manner){.sets = sets, .quiet = quiet}, c);
}

struct policy *policy_load(const char *file, struct complaints *c)
{
	return policy_load_heard(file, NULL, c);
}

struct policy *policy_load_heard(const char *file, const struct policy_ear *ear, struct complaints *c)
{
	struct arena arena = {0};
	const char *why, *name = strcmp(file, SOURCE_STDIN) ? file : "stdin";
	size_t len;
	char *text = source_read(file, DOC_BYTES_MAX, &arena, &len, &why);
	struct policy *p = NULL;
	if (text) {
		if (ear)
			ear->read(ear->arg, "", text, len);
		p = parse(name, text, len, (struct manner){.ear = ear}, c);
	} else {
		complaints_add(c, false, &(struct place){.file = name}, "cannot read it: %s", why);
		c->unreadable = true;
	}
	arena_free(&arena);
	return p;
}

struct arena *policy_arena(struct policy *p)
{
	return &((struct owned *)p)->arena; // its first member
}

static void let_go(struct owned *o)
{
	if (!o || atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	let_go(o->of); // a chain of three at most: the same rules, these rules, their sets
	arena_free(&o->arena);
	free(o);
}

struct policy *policy_again(const struct policy *p, const char hash[65])
{
	struct owned *o = calloc(1, sizeof(*o)), *of = (struct owned *)(uintptr_t)p; // its first member
	if (!o)
		abort();
	o->policy = *p;
	o->refs = 1;
	o->of = of->of && of->of->policy.rules == p->rules ? of->of : of; // whose the rules are
	atomic_fetch_add(&o->of->refs, 1);
	memcpy(o->policy.hash, hash, sizeof(o->policy.hash));
	return &o->policy;
}

void policy_free(struct policy *p)
{
	let_go((struct owned *)p); // its first member
}
