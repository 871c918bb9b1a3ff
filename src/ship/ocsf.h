// SPDX-License-Identifier: BSD-3-Clause
//
// Parts of the ocsf face, and which class a record is of. Names and numbers are those of OCSF 1.8.0.
#pragma once

#include "ship/eve.h"

// class_uid.
enum ocsf_class {
	OCSF_BASE = 0,
	OCSF_FINDING = 2004,
	OCSF_NETWORK = 4001,
	OCSF_HTTP = 4002,
	OCSF_DNS = 4003,
	OCSF_SSH = 4007
};

#define OCSF_OTHER 99 // of ids: what their words do not name

// Of what a record becomes: a transaction of which its rule's `log` leaves nothing but the verdict is a finding.
enum ocsf_class ocsf_class(const struct record *rec);

// The event in work.
struct ocsf_event {
	struct render *render;
	const struct record *rec;
	unsigned kind; // of what an alert is about
	enum ocsf_class class;
	struct eve_index x;
};

static inline const struct fact *ocsf_fact(const struct ocsf_event *e, enum fact_field f)
{
	return e->x.first[f];
}

uint64_t ocsf_ms(uint64_t time_ns);
// "name":"..." of a fact's bytes, where there is one.
void ocsf_text(struct jsonl *j, const struct ocsf_event *e, enum fact_field f, const char *name);

// ocsf_app.c: the objects of a protocol, as members.
void ocsf_http(struct jsonl *j, const struct ocsf_event *e);
void ocsf_tls(struct jsonl *j, const struct ocsf_event *e);
void ocsf_dns(struct jsonl *j, const struct ocsf_event *e);
void ocsf_query(struct jsonl *j, const struct ocsf_event *e);
// What OCSF has no place for, as members of `unmapped`.
void ocsf_app_unmapped(struct jsonl *j, const struct ocsf_event *e);

// ocsf_found.c: security_control's members of a judged or a dropped record; a finding's.
bool ocsf_is_controlled(const struct ocsf_event *e);
unsigned ocsf_severity(const struct ocsf_event *e);
void ocsf_control(struct jsonl *j, const struct ocsf_event *e);
void ocsf_incident(struct jsonl *j, const struct ocsf_event *e); // of metadata: which denial it is, if it is one
void ocsf_finding(struct jsonl *j, const struct ocsf_event *e, const char *uid, size_t uid_len);

// ocsf_where.c: src_endpoint, dst_endpoint, connection_info, and what a reader may want to search for.
void ocsf_where(struct jsonl *j, const struct ocsf_event *e);
// No packet showed it: a request over Kafka.
bool ocsf_asked(const struct record *rec);
void ocsf_observables(struct jsonl *j, const struct ocsf_event *e);
