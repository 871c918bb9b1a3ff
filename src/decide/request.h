// SPDX-License-Identifier: BSD-3-Clause
//
// A request as it comes over Kafka, read. See request.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "path/judge_ask.h"

#define REQUEST_MAX 65536   // bytes of a message that is looked at
#define REQUEST_ID_MAX 256  // of its id
#define REQUEST_HEADERS 256 // values of headers
#define REQUEST_TEXT (2 * REQUEST_MAX + 4096)

// About 140 KiB: one a thread, used again.
struct request {
	struct ask ask;       // points into text, and into nothing else
	uint64_t deadline_ms; // from its own time stamp; 0: none
	uint64_t content[2];  // a hash of all that its verdict hangs on
	char why[160];        // it cannot be judged
	// request.c's
	struct http_span method, target;
	struct {
		struct http_span name, value;
	} headers[REQUEST_HEADERS];
	unsigned nheaders;
	uint8_t text[REQUEST_TEXT + 32];
};

// 0; -EINVAL: it is malformed, why says how, and ask.id has its id, if it has one.
int request_read(struct request *q, const void *p, size_t len, const uint64_t key[2]);

// A keyed hash: who does not know the key finds no two texts of the same.
void request_hash(const uint64_t key[2], const void *p, size_t len, uint64_t out[2]);
