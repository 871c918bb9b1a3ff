// SPDX-License-Identifier: BSD-3-Clause
//
// In: words of a sink's configuration, then records. Out: taken or not. Pure: no memory, no state.
#include "ship/filter.h"

#include <errno.h>
#include <string.h>

#include "base/word.h"
#include "record.h"
#include "ruleset.h"

#define BIT(kind) (1u << RECORD_##kind)

// X(word, kinds)
#define WORDS(X)                                                                                                       \
	X("flow", BIT(FLOW) | BIT(FLOOD))                                                                              \
	X("flood", BIT(FLOOD))                                                                                         \
	X("tls", BIT(TLS))                                                                                             \
	X("quic", BIT(QUIC))                                                                                           \
	X("http", BIT(HTTP))                                                                                           \
	X("dns", BIT(DNS))                                                                                             \
	X("ssh", BIT(SSH))                                                                                             \
	X("anomaly", BIT(ANOMALY))                                                                                     \
	X("alert", BIT(ALERT))                                                                                         \
	X("state", BIT(STATE))                                                                                         \
	X("transaction", BIT(TLS) | BIT(QUIC) | BIT(HTTP) | BIT(DNS) | BIT(SSH))                                       \
	X("verdict", 0) // of any kind: what the policy refused

static const char *const names[] = {
#define X(word, kinds) word,
	WORDS(X)
#undef X
};
static const uint32_t kinds_of[] = {
#define X(word, kinds) kinds,
	WORDS(X)
#undef X
};
#define COUNT (sizeof(names) / sizeof(names[0]))

int filter_kind(struct filter *f, const char *word, const char **near)
{
	unsigned i = word_find(names, COUNT, word, strlen(word));
	if (i == COUNT) {
		*near = word_near(names, COUNT, word, strlen(word));
		return -EINVAL;
	}
	f->kinds |= kinds_of[i];
	f->denied |= kinds_of[i] == 0;
	return 0;
}

int filter_tenant(struct filter *f, uint64_t tenant)
{
	if (f->ntenants == FILTER_TENANTS)
		return -ENOSPC;
	f->tenants[f->ntenants++] = tenant;
	return 0;
}

static bool of_tenant(const struct filter *f, uint64_t tenant)
{
	for (unsigned i = 0; i < f->ntenants; i++)
		if (f->tenants[i] == tenant)
			return true;
	return f->ntenants == 0;
}

static bool of_kind(const struct filter *f, const struct record *r)
{
	if (f->kinds == 0 && !f->denied)
		return true;
	if (f->denied && (r->judged & RECORD_JUDGED) && r->action == ACTION_DENY)
		return true;
	return f->kinds >> r->kind & 1;
}

bool filter_takes(const struct filter *f, const struct record *r)
{
	if (r->kind == RECORD_GAP)
		return true;
	if (r->kind == RECORD_STATE)
		return f->kinds ? f->kinds & BIT(STATE) : !f->denied && f->ntenants == 0;
	return of_tenant(f, r->tenant) && (r->kind == RECORD_FLOW_START || of_kind(f, r));
}
