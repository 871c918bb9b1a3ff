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

// inspect.c's, of a stream: who reads the client's direction (NULL: nobody); what is there is read as if no byte
// followed.
const struct parser *inspect_client_parser(struct worker *w, struct flow *f);
void inspect_client_last(struct worker *w, struct flow *f);

// A datagram with a payload: whose is it, and what does it say? inspect_datagram.c
void inspect_datagram(struct worker *w, struct rte_mbuf *m, struct pkt *p);
