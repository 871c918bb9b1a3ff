// SPDX-License-Identifier: BSD-3-Clause
//
// A look at a message that is not whole, before it goes on unjudged (hold_exceeded: absent). In comes a flow whose
// client has said a part of a hello, a head or a query; out goes whether the names and lines that can be read in it are
// denied. If they are, the part is read as what it is, all that ever came, and judged as any other; if not, it is as if
// nobody had looked: records, counters and the parser's state are what they were, and what is whole later is judged
// then. Worker's thread.
//
// What a line or a name lacks at its end is not guessed: half a name is none.
//
// Rejected: facts of the part in place of their absence (a name that an allow rule is waiting for may be followed by
// another); reading on from the part (a parser would need a state for each place where a message can be cut).
#include "inspect.h"

#include <netinet/in.h>
#include <string.h>

#include "inspect_in.h"
#include "rooms.h"

static bool denied(struct worker *w, struct flow *f, const struct parser *parser, const struct stream_view *v)
{
	uint8_t state[APP_STATE_BYTES], app = f->app;
	uint16_t tx_count = f->tx_count;
	struct app_in in = {
		.w = w,
		.f = f,
		.state = v->app_state,
		.data = v->data,
		.len = v->len,
		.end = true,
		.last = true,
		.after_gap = v->after_gap,
		.offset = v->offset,
		.scratch = w->inspect->scratch,
		.since = txn_next(w),
	};
	memcpy(state, v->app_state, sizeof(state));
	parser->data(&in);
	txn_forget(w, in.since);
	memcpy(v->app_state, state, sizeof(state));
	f->tx_count = tx_count;
	f->app = app;
	return in.drop == REASON_POLICY_DENY;
}

static struct words *open_words(struct worker *w, struct flow *f)
{
	bool open = f->key.proto == IPPROTO_TCP && (f->policy & POLICY_OPEN);
	struct words *s = open && !(f->policy & (POLICY_DENIED | POLICY_ENDING)) ? words_of(w, f) : NULL;
	return s && !(s->stopped & 1) && !s->by_server ? s : NULL;
}

// Who reads it; while nobody does, who is not sure yet whether it is theirs (0: nobody is).
static unsigned reader(const struct words *s, const struct flow *f, const struct stream_view *v)
{
	unsigned unsure = 0;
	for (unsigned i = 1; !s->parser && !s->not_start && i < INSPECT_PARSERS; i++) {
		const struct parser *r = &inspect_parsers[i];
		int looks = r->glimpse ? r->looks(v->data, v->len) : 0;
		if (r->glimpse && looks == 0 && r->home)
			looks = r->home(f, v->data, v->len);
		unsure = looks < 0 ? i : unsure;
	}
	return s->parser ? s->parser : unsure;
}

// A hello that is put together out of datagrams.
static bool datagrams_denied(struct worker *w, struct flow *f)
{
	void (*rest)(struct app_in *) = f->app == APP_QUIC ? quic_rest : f->app == APP_DTLS ? dtls_rest : NULL;
	uint16_t tx_count = f->tx_count;
	struct app_in in = {.w = w, .f = f, .end = true, .scratch = w->inspect->scratch, .since = txn_next(w)};
	if (!rest || !f->app_state || !(f->policy & POLICY_OPEN) || (f->policy & POLICY_DENIED))
		return false;
	rest(&in);
	txn_forget(w, in.since);
	f->tx_count = tx_count;
	if (in.drop != REASON_POLICY_DENY)
		return false;
	in = (struct app_in){.w = w, .f = f, .end = true, .scratch = w->inspect->scratch};
	rest(&in);
	return f->policy & POLICY_DENIED;
}

bool inspect_glimpse(struct worker *w, struct flow *f, uint32_t most)
{
	if (f->key.proto != IPPROTO_TCP)
		return datagrams_denied(w, f);
	struct words *s = open_words(w, f);
	struct stream_view v;
	if (!s || !stream_view(w, f, 0, &v) || v.len == 0 || v.len > most)
		return false;
	unsigned i = reader(s, f, &v);
	if (!inspect_parsers[i].glimpse || !denied(w, f, &inspect_parsers[i], &v))
		return false;
	s->parser = (uint8_t)i;
	f->app = inspect_parsers[i].app;
	inspect_client_step(w, f, true);
	return f->policy & (POLICY_DENIED | POLICY_ENDING);
}

void inspect_pause(struct worker *w, struct flow *f)
{
	const struct words *s = open_words(w, f);
	if (!s || inspect_parsers[s->parser].app != APP_HTTP)
		return;
	w->inspect->quiet = true;
	inspect_client_step(w, f, false);
	w->inspect->quiet = false;
}
