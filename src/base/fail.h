// SPDX-License-Identifier: BSD-3-Clause
//
// The fail modes by their words: one table for options, config, help and what is shown.
#pragma once

#include <stddef.h>

#include "path/worker.h"

#define FAIL_ROWS 9
#define FAIL_SAY 256

extern const struct fail_row {
	const char *key;
	const char *values[4]; // by what struct fail_modes has there, so that the first is the default; then NULL
	const char *help;
	size_t at; // in struct fail_modes
} fail_rows[FAIL_ROWS];

// Sets the mode of that key. 0; -EINVAL: there is none, or it has no such value, and `say` says so and what was meant.
int fail_set(struct fail_modes *m, const char *key, size_t len, const char *value, char say[FAIL_SAY]);
// The same of KEY=VALUE, as on a command line; without "=" `say` is empty.
int fail_option(struct fail_modes *m, const char *text, char say[FAIL_SAY]);
// The word of its value.
const char *fail_value(const struct fail_modes *m, const struct fail_row *r);
// Is it the default?
bool fail_usual(const struct fail_modes *m, const struct fail_row *r);
// "a|b|c".
const char *fail_values(const struct fail_row *r, char *room, size_t size);
