// SPDX-License-Identifier: BSD-3-Clause
//
// The client's end of the control socket: one line out, one answer in.
#pragma once

#include <stddef.h>

#include <jansson.h>

struct ask;

// NULL: why says what stands against it.
struct ask *ask_open(const char *path, char *why, size_t room);
void ask_close(struct ask *k);

// Waits for the answer: the caller's. NULL: the other side went away, or took longer than a minute.
json_t *ask(struct ask *k, const char *line);
