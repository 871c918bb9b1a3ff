// SPDX-License-Identifier: BSD-3-Clause
//
// What was answered lately, by the id of the request. See answered.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answered;

// ids are remembered for so long, and the last so many of them. NULL: no memory.
struct answered *answered_new(uint32_t ids, uint64_t window_ns);
void answered_free(struct answered *a);

enum answered_what {
	ANSWERED_NOT,
	ANSWERED_SO,       // this is what was said
	ANSWERED_OTHER,    // the id was another request's
	ANSWERED_ELSEWHERE // by another instance, which had its user before
};
struct answered_said {
	const char *text; // until the next call
	uint32_t len, elapsed_us;
};
// id, content: hashes. now_ns never goes back.
enum answered_what answered_find(struct answered *a, const uint64_t id[2], uint64_t content, uint64_t now_ns,
				 struct answered_said *said);
// said NULL: elsewhere. What stood by this id gives way.
void answered_put(struct answered *a, const uint64_t id[2], uint64_t content, uint64_t now_ns,
		  const struct answered_said *said);
uint32_t answered_count(const struct answered *a);
