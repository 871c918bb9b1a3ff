// SPDX-License-Identifier: BSD-3-Clause
//
// What a policy decided, as words: for every face.
#pragma once

#include "policy_names.h"
#include "record.h"
#include "ship/face.h"

// The policy that a record was judged by. NULL: it was not judged.
const struct policy_names *judged_policy(const struct render *r, const struct record *rec);
const char *judged_action(uint8_t action);
// "verdict":{...}, where the record was judged.
void judged_member(const struct render *r, struct jsonl *j, const struct record *rec);
