// SPDX-License-Identifier: BSD-3-Clause
//
// What the doctor looks at and found. See doctor.c.
#pragma once

#include "ctl/config.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

#define DOCTOR_MAX 128

struct finding {
	enum doctor_level level;
	const char *check;
	char text[512], fix[192]; // what it means; the command that mends it, "": nothing to do
	bool safe, fixed;         // --fix may run it; did, and it helped
};

struct doctor {
	struct config config;
	bool configured; // else only what any configuration needs is looked at
	struct finding found[DOCTOR_MAX];
	unsigned n;
};

// The same number of findings in the same order each time.
void doctor_look(struct doctor *d);
void doctor_kafka(struct doctor *d);
void doctor_s3(struct doctor *d);
void doctor_spool(struct doctor *d);
void doctor_say(struct doctor *d, enum doctor_level level, const char *check, bool safe, const char *fix,
		const char *format, ...) __attribute__((format(printf, 6, 7)));
