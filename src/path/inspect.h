// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "app/app.h"
#include "stream.h"

// One worker's inspect memory: the parsers' pools, the arena of transactions, a scratch.
struct inspect {
	struct quic *quic;
	struct dtls *dtls;
	struct http2 *http2;
	struct arena *arena;
	uint8_t *scratch; // APP_SCRATCH_BYTES
	bool alone;       // inspect_hurry is at work: the server's word does not come
	bool quiet;       // inspect_pause is: no byte has followed for a while
};

// app/txn.c: memory of transactions in the making.
struct arena *txn_arena_new(uint32_t bytes);
void txn_arena_free(struct arena *a);
