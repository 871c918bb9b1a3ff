// SPDX-License-Identifier: BSD-3-Clause
//
// The printable side of the tables in include/: one definition of each name, made from the X-macros.
#include <stdbool.h>

#include "record.h"
#include "ruleset.h"
#include "sink_config.h"
#include "verdict.h"

// clang-format takes each table below for one long expression.
// clang-format off

const char *const reason_names[REASON_COUNT] = {
	"NONE",
#define X(symbol, help) #symbol,
	DROP_REASONS(X)
#undef X
};

const char *const reason_help[REASON_COUNT] = {
	"not dropped",
#define X(symbol, help) help,
	DROP_REASONS(X)
#undef X
};

const char *const anomaly_names[ANOMALY_COUNT] = {
	"none",
#define X(symbol, name, help) name,
	ANOMALIES(X)
#undef X
};

const char *const counter_names[COUNTER_COUNT] = {
#define X(symbol, name, help) name,
	COUNTERS(X)
#undef X
};

const char *const counter_help[COUNTER_COUNT] = {
#define X(symbol, name, help) help,
	COUNTERS(X)
#undef X
};

const char *const door_names[5] = {"held", "tx", "drop", "kernel", "mirrored"};

const char *const record_kind_names[RECORD_KIND_COUNT] = {
	"none",
#define X(symbol, name) name,
	RECORD_KINDS(X)
#undef X
};

const char *const direction_names[DIRECTION_COUNT] = {
#define X(symbol, name) name,
	RECORD_DIRECTIONS(X)
#undef X
};

const char *const gap_cause_names[GAP_CAUSE_COUNT] = {
#define X(symbol, name) name,
	GAP_CAUSES(X)
#undef X
};

const char *const sink_type_names[SINK_TYPE_COUNT] = {
#define X(symbol, name) name,
	SINK_TYPES(X)
#undef X
};

const char *const fact_names[FACT_COUNT] = {
	"none",
#define X(symbol, name, type, asked) name,
	FACTS(X)
#undef X
};

const uint8_t fact_types[FACT_COUNT] = {
	0,
#define X(symbol, name, type, asked) FACT_TYPE_##type,
	FACTS(X)
#undef X
};

const uint8_t fact_asked[FACT_COUNT] = {
	0,
#define X(symbol, name, type, asked) asked,
	FACTS(X)
#undef X
};

const char *const app_names[APP_COUNT] = {
	"none",
#define X(symbol, name) name,
	APPS(X)
#undef X
};

const char *const action_names[ACTION_COUNT] = {
#define X(symbol, name, ends, denies, help) name,
	ACTIONS(X)
#undef X
};

const char *const rejudge_names[REJUDGE_COUNT] = {
#define X(symbol, name, help) name,
	REJUDGES(X)
#undef X
};

const char *const response_names[RESPONSE_COUNT] = {
#define X(symbol, name, help) name,
	RESPONSES(X)
#undef X
};

const char *reason_event(uint16_t reason, char out[REASON_EVENT_MAX])
{
	const char *name = reason_names[reason];
	bool room = false; // is named
	unsigned i = 0;
	for (; name[i] && i < REASON_EVENT_MAX - 1; i++) {
		out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 0x20 : name[i]);
		if (name[i] == '_' && !room) {
			out[i] = '.';
			room = true;
		}
	}
	out[i] = 0;
	return out;
}
