// SPDX-License-Identifier: BSD-3-Clause
//
// A policy's text as records of swg_rules. See rules_keyed.c.
#pragma once

#include <stdio.h>

#include "decide/rules_table.h"

struct policy;

// Every key of it and its value; in any order, each once. value is canonical JSON.
typedef void rules_keyed_cb(void *arg, const char *key, size_t key_len, const char *value, size_t len);
// policy: what was read of the text. now: the topic, whose orders stay where they can. False: it cannot be written so,
// `say` was told why.
bool rules_keyed(const struct policy *policy, const char *text, size_t len, struct rules_table *now, rules_keyed_cb *cb,
		 void *arg, FILE *say);
