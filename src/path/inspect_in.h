// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of inspect share.
#pragma once

#include "inspect.h"

#define INSPECT_PARSERS 8u // of streams, with "none yet"

struct parser {
	enum app app; // 0: the parser sets flow->app itself
	int (*looks)(const uint8_t *p, uint32_t len);
	enum app_step (*data)(struct app_in *in);
	void (*end)(struct app_in *in);
	bool endless; // an end tells it nothing that the bytes before it did not
	bool prelude; // what its client says leads to what is judged, and leaves before that
	// asked where looks says no: more lenient on the protocol's own port. NULL: ports mean nothing
	int (*home)(const struct flow *f, const uint8_t *p, uint32_t len);
	int (*looks_midway)(const uint8_t *p, uint32_t len); // instead of looks, where a beginning was missed
	bool glimpse; // all that it keeps lies in its state: what is there of a message can be looked at
	bool late;    // an open flow that was nobody's may turn to it (a STARTTLS of a protocol that nobody here knows)
};
extern const struct parser inspect_parsers[INSPECT_PARSERS]; // inspect_parsers.c

// stream_inspect_words: what is known of a stream besides the parser's own state.
struct words {
	uint8_t parser;    // index into inspect_parsers[]
	uint8_t wait;      // bit dir: waits for the other direction
	uint8_t stopped;   // bit dir: nothing more is wanted
	uint8_t not_start; // bit dir: past its first bytes, no parser found
	uint8_t tries[2];
	uint8_t ended : 2;     // bit dir: the parser has been told the end
	uint8_t upgraded : 1;  // HTTP/1 was left by agreement: what looks like it is something else
	uint8_t judged : 1;    // open flow: a transaction was judged since the parser took over
	uint8_t absent : 1;    // so was the absence of any, and the flow may go on
	uint8_t by_server : 1; // the parser was chosen by what the server said, and the client has said nothing yet
	uint8_t nobodys;       // bit dir: its first words were shown to all, and are nobody's
};
static_assert(sizeof(struct words) <= 8, "two words a stream");

static inline struct words *words_of(struct worker *w, struct flow *f)
{
	return (struct words *)stream_inspect_words(w, f);
}

// inspect.c's: the client's direction of a stream is read as far as it is there. last: as if no byte followed.
void inspect_client_step(struct worker *w, struct flow *f, bool last);

// A datagram with a payload: whose is it, and what does it say? inspect_datagram.c
void inspect_datagram(struct worker *w, struct rte_mbuf *m, struct pkt *p);
