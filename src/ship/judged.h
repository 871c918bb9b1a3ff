// SPDX-License-Identifier: BSD-3-Clause
//
// What a policy decided, as words: for every face.
#pragma once

#include "policy_names.h"
#include "record.h"
#include "ship/face.h"

// The policy that a record was judged by. NULL: it was not judged.
const struct policy_names *judged_policy(const struct render *r, const struct record *rec);
// What its `would` is by, and the id of that rule.
const char *judged_would(const struct render *r, const struct record *rec);
// Of policy.rejudged: the id of the rule that it stood by before, and of which version that is. NULL: of none.
const char *judged_before(const struct render *r, const struct record *rec, unsigned *version);
const char *judged_action(uint8_t action);
// "alert":{...} of a RECORD_ALERT, as Suricata has it.
void judged_alert(const struct render *r, struct jsonl *j, const struct record *rec);
// So many like it a record stands for: 1, but where a rule's `sample` left others out.
uint32_t judged_weight(const struct render *r, const struct record *rec);
// "verdict":{...}, where the record was judged.
void judged_member(const struct render *r, struct jsonl *j, const struct record *rec);
