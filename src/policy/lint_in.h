// SPDX-License-Identifier: BSD-3-Clause
//
// What the lint_* files of this folder share.
#pragma once

#include "policy/reading.h"

// lint_text.c: of one test, of a condition of its field.
void lint_address(struct reading *r, const struct operand *o, const struct place *at);
void lint_capitals(struct reading *r, const struct condition *c, const struct test *t);
void lint_answer(struct reading *r, const struct condition *c, const struct test *t);
// Of all rules: tags that are asked for where no rule has set them.
void lint_tags(struct reading *r);
// lint_hidden.c: rules that no packet reaches.
void lint_hidden(struct reading *r);
// lint_implies.c: is `above` true wherever `c` is? False: not found out. strict: c is of an allow rule, `above` of a
// rule that is not, or that asks for no name. steps: goes down; 0: no more is asked.
bool lint_implies(const struct condition *c, const struct condition *above, bool strict, uint64_t *steps);
