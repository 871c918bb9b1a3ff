// SPDX-License-Identifier: BSD-3-Clause
//
// The language in words, printed from the tables that the parser reads by: docs/policy.md and docs/policy.schema.json
// hold what is printed here, and a test compares them.
#pragma once

#include <stdio.h>

void grammar_fields(FILE *out);
void grammar_actions(FILE *out);
void grammar_schema(FILE *out);
