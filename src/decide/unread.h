// SPDX-License-Identifier: BSD-3-Clause
//
// A message that could not be read, for the topic of errors. See unread.c.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UNREAD_BYTES 16384 // of the message that are shown
#define UNREAD_MAX 131072  // of the text, at most: each byte six

struct unread {
	const char *topic, *why, *node;
	int32_t partition;
	int64_t offset, time_ms; // time_ms below 0: not known
	const void *p;
	size_t len;
};
// {"topic", "partition", "offset", "time_ms", "why", "message" or "message_base64", "bytes", "node"}. Returns its
// length.
size_t unread_write(char out[UNREAD_MAX], const struct unread *u);
