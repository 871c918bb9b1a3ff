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
