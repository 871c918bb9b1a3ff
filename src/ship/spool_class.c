// SPDX-License-Identifier: BSD-3-Clause
//
// What a record is worth, when not all can stay: a verdict more than an alert, that more than a transaction, that more
// than a flow. A record that was denied is a verdict whatever else it is.
#include "ship/spool.h"

#include "ruleset.h"

const char *const spool_class_names[SPOOL_CLASS_COUNT] = {
#define X(symbol, name) name,
	SPOOL_CLASSES(X)
#undef X
};

const char *const spool_loss_names[SPOOL_LOSS_COUNT] = {
#define X(symbol, name, help) name,
	SPOOL_LOSSES(X)
#undef X
};

static bool denied(const struct record *r)
{
	static const bool denies[] = {
#define X(symbol, name, ends, denies, help) denies,
		ACTIONS(X)
#undef X
	};
	return r->judged & RECORD_JUDGED && r->action < ACTION_COUNT && denies[r->action];
}

enum spool_class spool_class(const struct record *r)
{
	switch (r->kind) {
	case RECORD_GAP:
		return SPOOL_GAP;
	case RECORD_STATE:
		return SPOOL_STATE;
	case RECORD_FLOW_START:
	case RECORD_FLOW:
		return denied(r) ? SPOOL_VERDICT : SPOOL_FLOW;
	case RECORD_ANOMALY:
	case RECORD_ALERT:
		return denied(r) ? SPOOL_VERDICT : SPOOL_ALERT;
	default:
		return denied(r) ? SPOOL_VERDICT : SPOOL_TRANSACTION;
	}
}
