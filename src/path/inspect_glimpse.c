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

bool inspect_glimpse(struct worker *w, struct flow *f, uint32_t most)
{
	struct stream_view v;
	if (f->key.proto != IPPROTO_TCP || !(f->policy & POLICY_OPEN) || (f->policy & (POLICY_DENIED | POLICY_ENDING)))
		return false;
	const struct parser *parser = inspect_client_parser(w, f);
	if (!parser || !parser->glimpse || !stream_view(w, f, 0, &v) || v.len == 0 || v.len > most ||
	    !denied(w, f, parser, &v))
		return false;
	inspect_client_last(w, f);
	return f->policy & (POLICY_DENIED | POLICY_ENDING);
}
